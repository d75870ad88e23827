"""Knows where the emulator differs from AWS in ways that matter here, and sets each right.

It leans on private names of the pinned version; `Modules.load` refuses to go on when one is
missing. This module runs in the emulator's own environment: it may import nothing but the standard
library and the emulator.
"""

# ruff: noqa: SLF001, PLC0415 - its subject is another program's private names, and that program
# reads its settings when it is imported

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any

VERSION = "1.5.33"
LOG_STREAMS = 40
LOG_LINES = 1000
EXECUTIONS = 500
MAILS = 200
_EXCEPTION = re.compile(r"^([A-Za-z_][\w.]*)(?:: |$)", re.MULTILINE)
_NEEDED = {
    "app": ("app", "load_state", "save_all", "_build_persistence_save_dict"),
    "cloudwatch_logs": ("_log_groups",),
    "eventbridge": ("_put_events",),
    "iam_actions": ("extract_resource_arn",),
    "lambda_runtime": (
        "Worker",
        "_detect_runtime_binary",
        "_lock",
        "_worker_key",
        "_workers",
        "zipfile",
    ),
    "lambda_svc": (
        "CODE_BLOB_DIR",
        "_execute_function_warm",
        "_prune_orphan_code_blobs",
        "acquire_worker",
        "release_worker",
    ),
    "persistence": ("_json_default", "_state_format_version"),
    "ses": ("_sent_emails",),
    "stepfunctions": (
        "_add_event",
        "_emit_execution_status_event",
        "_executions",
        "_state_machines",
        "now_iso",
        "time",
    ),
}


@dataclass(frozen=True)
class Modules:
    """The emulator's modules that we look into."""

    app: Any
    cloudwatch_logs: Any
    eventbridge: Any
    iam_actions: Any
    lambda_runtime: Any
    lambda_svc: Any
    persistence: Any
    ses: Any
    stepfunctions: Any

    @classmethod
    def load(cls) -> Modules:
        """Import them, and say at once when another version is installed than we know."""
        from ministack import app
        from ministack.core import iam_actions, lambda_runtime, persistence
        from ministack.services import (
            cloudwatch_logs,
            eventbridge,
            lambda_svc,
            ses,
            stepfunctions,
        )

        modules = cls(
            app=app,
            cloudwatch_logs=cloudwatch_logs,
            eventbridge=eventbridge,
            iam_actions=iam_actions,
            lambda_runtime=lambda_runtime,
            lambda_svc=lambda_svc,
            persistence=persistence,
            ses=ses,
            stepfunctions=stepfunctions,
        )
        modules.check()
        return modules

    def check(self) -> None:
        """Refuse to lose data with a version whose insides are different."""
        missing = [
            f"{module}.{name}"
            for module, names in _NEEDED.items()
            for name in names
            if not hasattr(getattr(self, module), name)
        ]
        drain = getattr(self.lambda_runtime.Worker, "_drain_stderr_bounded", None)
        if drain is None or len(drain.__defaults__ or ()) != 3:
            missing.append("lambda_runtime.Worker._drain_stderr_bounded")
        put_events = getattr(self.eventbridge, "_put_events", None)
        if getattr(put_events, "__defaults__", None) != (False,):
            missing.append("eventbridge._put_events")
        if missing:
            raise SystemExit(
                f"The emulator is not version {VERSION}, which this launcher is written for "
                f"(missing: {', '.join(missing)}). Delete .local/venvs and run `make up` again."
            )


def correct(modules: Modules, *, packages: Path, worker_python: str | None) -> None:
    """Set everything right that is not a matter of state."""
    functions, runtime = modules.lambda_svc, modules.lambda_runtime
    functions._execute_function_warm = named_errors(functions._execute_function_warm)
    queue = Queue(modules, workers=max(2, os.cpu_count() or 2))
    functions.acquire_worker = queue.acquire
    functions.release_worker = queue.release
    runtime.zipfile = SharedCode(packages)
    # What a handler prints is collected after it has answered; it has been there long before.
    runtime.Worker._drain_stderr_bounded.__defaults__ = (0.002, 0.002, 0.25)
    if worker_python:
        use_worker_python(runtime, worker_python)
    # The yard stands in for CodeBuild and so speaks in an AWS service's name. Whoever else may put
    # events is decided by IAM: none of our roles may.
    modules.eventbridge._put_events.__defaults__ = (True,)
    actions = modules.iam_actions
    actions.extract_resource_arn = real_resources(actions.extract_resource_arn)
    modules.stepfunctions.time = PromptTime()


class PromptTime:
    """The clock of Step Functions here, without the pause of 0.15 s that the emulator makes before
    an execution's first state. AWS makes none of that length."""

    PAUSE = 0.15
    LEFT = 0.01

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        time.sleep(self.LEFT if seconds == self.PAUSE else seconds)


def forget_the_oldest(modules: Modules) -> None:
    """Keep what only grows within bounds: the emulator forgets nothing by itself, sorts a log
    again with every line, and each snapshot would be larger than the one before."""
    for group in list(modules.cloudwatch_logs._log_groups._data.values()):
        streams = group["streams"]
        for name in list(streams)[:-LOG_STREAMS]:
            del streams[name]
        for stream in list(streams.values()):
            if len(stream["events"]) > LOG_LINES:
                stream["events"] = stream["events"][-LOG_LINES // 2 :]
    executions = modules.stepfunctions._executions._data
    ended = [key for key, one in list(executions.items()) if one.get("status") != "RUNNING"]
    for key in ended[:-EXECUTIONS]:
        executions.pop(key, None)
    for sent in list(modules.ses._sent_emails._data.values()):
        del sent[:-MAILS]


class Queue:
    """Calls of a busy function wait a moment for a worker, where AWS would just add machines.

    The emulator starts a worker for every call that finds none free. On a machine with two
    processors ten at once would start ten interpreters, and all ten would wait for that.
    """

    PATIENCE = 1.0

    def __init__(self, modules: Modules, workers: int) -> None:
        self._runtime = modules.lambda_runtime
        self._acquire = modules.lambda_svc.acquire_worker
        self._release = modules.lambda_svc.release_worker
        self._workers = workers
        self._released = threading.Condition()

    def acquire(
        self,
        name: str,
        config: dict[str, Any],
        code: bytes,
        qualifier: str = "$LATEST",
        **more: Any,
    ) -> Any:
        """As the emulator's own, after waiting if there are enough workers already."""
        key = self._runtime._worker_key(name, config, qualifier)
        deadline = time.monotonic() + self.PATIENCE
        with self._released:
            while self._all_busy(key) and (left := deadline - time.monotonic()) > 0:
                self._released.wait(left)
            return self._acquire(name, config, code, qualifier=qualifier, **more)

    def release(self, worker: Any) -> None:
        """As the emulator's own, and word to who waits."""
        self._release(worker)
        with self._released:
            self._released.notify_all()

    def _all_busy(self, key: str) -> bool:
        with self._runtime._lock:
            workers = self._runtime._workers.get(key, ())
            return len(workers) >= self._workers and all(one.in_use for one in workers)


def named_errors(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Report a handler's exception under its class, as Lambda does, for Retry and Catch."""

    def execute_and_name(*args: Any, **kwargs: Any) -> dict[str, Any]:
        result = execute(*args, **kwargs)
        body = result.get("body")
        if (
            result.get("error")
            and isinstance(body, dict)
            and body.get("errorType") == "Runtime.HandlerError"
            and (names := _EXCEPTION.findall(result.get("log", "")))
        ):
            body["errorType"] = names[-1].rsplit(".", 1)[-1]
        return result

    return execute_and_name


def real_resources(extract: Callable[..., str]) -> Callable[..., str]:
    """Name two resources as AWS does when a policy is checked: a rule, and who sends a mail."""

    def extract_as_aws(  # noqa: PLR0917 - the emulator's own signature
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        region: str,
        account_id: str,
    ) -> str:
        arn = extract(service, method, path, headers, body, query_params, region, account_id)
        if service == "events":
            # Rules of the default bus are named without it.
            return arn.replace(":rule/default/", ":rule/")
        if service == "ses" and arn == "*" and (source := query_params.get("Source")):
            sender = parseaddr(source[0] if isinstance(source, list) else source)[1]
            return f"arn:aws:ses:{region}:{account_id}:identity/{sender}"
        return arn

    return extract_as_aws


def use_worker_python(lambda_runtime: Any, python: str) -> None:
    """Run Python handlers with an interpreter that sees none of the emulator's packages."""
    detect = lambda_runtime._detect_runtime_binary

    def detect_with_ours(runtime: str) -> tuple[str, str]:
        binary, script = detect(runtime)
        return (python if runtime.startswith("python") else binary), script

    lambda_runtime._detect_runtime_binary = detect_with_ours


class SharedCode:
    """Stands where the emulator expects the zipfile module, and unpacks each package once.

    A worker is given a link to the unpacked package: a start then takes the time of the handler's
    imports, not of writing fifteen hundred files.
    """

    BadZipFile = zipfile.BadZipFile
    LargeZipFile = zipfile.LargeZipFile

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def ZipFile(self, file: str) -> contextlib.AbstractContextManager[Any]:  # noqa: N802 - zipfile's name
        """As zipfile's, for the one use the emulator makes of it."""
        return contextlib.nullcontext(_Unpacking(self, Path(file)))


class _Unpacking:
    def __init__(self, shared: SharedCode, file: Path) -> None:
        self.shared, self.file = shared, file

    def extractall(self, folder: str) -> None:
        digest = hashlib.blake2b(self.file.read_bytes(), digest_size=16).hexdigest()
        code = self.shared.folder / digest
        with self.shared.lock:
            if not code.exists():
                fresh = code.with_suffix(".next")
                with zipfile.ZipFile(self.file) as archive:
                    archive.extractall(fresh)
                fresh.rename(code)
        Path(folder).rmdir()
        Path(folder).symlink_to(code)
        self.file.unlink()  # a copy of the package for every worker is of no use
