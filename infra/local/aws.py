"""Knows how to run the AWS emulator so that it deserves some of AWS's trust.

It is started by the supervisor as a script of its own in the emulator's own environment, and
may import nothing but the standard library and the emulator. What it adds:

- snapshots while it runs (`infra/local/snapshot.py`), also on `POST /_local/snapshot`;
- handlers' workers run in an environment with nothing but boto3, as in Lambda, so that a
  dependency missing from the package is noticed;
- an error a handler raises is reported under its own name, and an execution past its state
  machine's `TimeoutSeconds` times out;
- nobody but this machine's user: only loopback host names, only keys that were made here, and
  the emulator's own inspection pages only with the admin token.

It leans on private names of the pinned version and refuses to start when one is missing.
"""

# ruff: noqa: SLF001, PLC0415 - its subject is another program's private names, and that program
# reads its settings when it is imported

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import hmac
import json
import logging
import os
import re
import shutil
import signal
import sys
import threading
import time
import zipfile
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from email.utils import parseaddr
from pathlib import Path
from types import ModuleType
from typing import Any

# Started as a script, this file's folder is where its sibling lies; as a module (in tests) the
# package is.
if __package__:
    from infra.local import snapshot
else:
    import snapshot  # type: ignore[no-redef,import-not-found,unused-ignore]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

VERSION = "1.5.33"
ADMIN_HEADER = b"x-slipway-admin"
MAILBOX = "slipway-mailbox"
_OPEN_PATHS = frozenset({"/_ministack/ready", "/_ministack/health"})
_CREDENTIAL = re.compile(r"(?:Credential=|AWS )([^/:,\s]+)")
_EXCEPTION = re.compile(r"^([A-Za-z_][\w.]*)(?:: |$)", re.MULTILINE)
_READS = re.compile(r"\.(Get|Query|Scan|List|Describe|BatchGet|Filter)")

log = logging.getLogger("slipway.aws")


class Emulator:
    """The emulator with our additions, as one ASGI application."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self.every = float(environment.get("SNAPSHOT_SECONDS", "5"))
        self.root_key = environment["AWS_ACCESS_KEY_ID"]
        self.admin_token = Path(environment["ADMIN_TOKEN_FILE"]).read_text().strip().encode()
        self.started = time.time()
        self.seconds = 0.0
        self.saved_at = 0.0
        self.touched = True
        self.tasks: set[asyncio.Task[None]] = set()

        from ministack import app
        from ministack.core import iam_actions, lambda_runtime, persistence
        from ministack.services import eventbridge, lambda_svc, ses, stepfunctions

        self.app, self.ses, self.stepfunctions = app, ses, stepfunctions
        assert_private_names(
            app=app,
            iam_actions=iam_actions,
            lambda_runtime=lambda_runtime,
            persistence=persistence,
            eventbridge=eventbridge,
            lambda_svc=lambda_svc,
            ses=ses,
            stepfunctions=stepfunctions,
        )

        state = Path(environment["STATE_DIR"])
        self.generations = snapshot.Generations(
            state.parent,
            functools.partial(
                snapshot.encode, persistence._state_format_version, persistence._json_default
            ),
        )
        blobs = state.parent / "blobs"
        blobs.mkdir(exist_ok=True)
        prune_blobs(blobs, state / "lambda.json")
        lambda_svc.CODE_BLOB_DIR = str(blobs)
        # Blobs of an older generation must outlive the writing of a newer one.
        lambda_svc._prune_orphan_code_blobs = lambda _referenced: None

        self.load_state = app.load_state
        app.load_state = self.load
        app.save_all = lambda _services: self.save()
        lambda_svc._execute_function_warm = named_errors(lambda_svc._execute_function_warm)
        # The yard stands in for CodeBuild and so speaks in an AWS service's name. Whoever else may
        # put events is decided by IAM: none of our roles may.
        eventbridge._put_events.__defaults__ = (True,)
        iam_actions.extract_resource_arn = real_resources(iam_actions.extract_resource_arn)
        lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (0.002, 0.002, 0.25)
        lambda_runtime.zipfile = SharedCode(Path(environment["TMPDIR"]) / "packages")
        if worker_python := environment.get("WORKER_PYTHON"):
            use_worker_python(lambda_runtime, worker_python)

    # -- snapshots ---------------------------------------------------------------------------

    def load(self, service: str) -> Any:
        """One service's saved state, mended where the emulator's own restart breaks it."""
        data = self.load_state(service)
        if service == "lambda" and data:
            # Positions are saved and the records they point into are not: a trigger that kept
            # its position would wait for thousands of records to pass before delivering one.
            positions = data.get("dynamodb_stream_positions")
            for key in getattr(positions, "_data", {}):
                positions._data[key] = 0
        if service == "ses" and (mail := self.load_state(MAILBOX)):
            self.ses._sent_emails._data.update(mail._data)
        return data

    def services(self) -> dict[str, Callable[[], Any]]:
        """Every service that has state, and how to read it."""
        services: dict[str, Callable[[], Any]] = self.app._build_persistence_save_dict()
        return {**services, MAILBOX: lambda: self.ses._sent_emails}

    def save(self) -> float:
        """Take a snapshot now and wait for the disk; how long it took."""
        began = time.perf_counter()
        self.touched = False
        self.generations.write(self.generations.collect(self.services()))
        return self._saved(began)

    async def save_in_background(self) -> None:
        """Take a snapshot that holds up requests only while the state is being read."""
        began = time.perf_counter()
        self.touched = False
        changed = self.generations.collect(self.services())
        await asyncio.to_thread(self.generations.write, changed)
        self._saved(began)

    def _saved(self, began: float) -> float:
        self.seconds = time.perf_counter() - began
        self.saved_at = time.time()
        return self.seconds

    async def keep_saving(self) -> None:
        """Snapshots for as long as the emulator runs, whenever something has called it."""
        while True:
            # Reading a large state holds up requests: never more than a tenth of the time.
            await asyncio.sleep(min(10.0, max(self.every, self.seconds * 10)))
            if not self.touched:
                continue
            try:
                await self.save_in_background()
            except Exception:
                self.touched = True
                log.exception("The snapshot failed; the one before it is kept.")

    # -- time limits -------------------------------------------------------------------------

    async def keep_time(self) -> None:
        """End executions that outlive their state machine's TimeoutSeconds."""
        while True:
            await asyncio.sleep(1)
            try:
                self.time_out(datetime.now().astimezone())
            except Exception:
                log.exception("The watch over executions' time limits failed.")

    def time_out(self, now: datetime) -> None:
        """Mark every execution that is past its time, as Step Functions would."""
        machines = self.stepfunctions._state_machines._data
        for (account, region, _), execution in list(self.stepfunctions._executions._data.items()):
            if execution.get("status") != "RUNNING":
                continue
            machine = machines.get((account, region, execution["stateMachineArn"]))
            limit = machine and _time_limit(machine["definition"])
            started = datetime.fromisoformat(execution["startDate"])
            if limit and (now - started).total_seconds() > limit:
                execution.update(
                    status="TIMED_OUT",
                    stopDate=self.stepfunctions.now_iso(),
                    error="States.Timeout",
                    cause=f"The execution ran longer than {limit} seconds",
                )
                self.stepfunctions._add_event(execution, "ExecutionTimedOut")
                self.stepfunctions._emit_execution_status_event(execution)

    # -- requests ----------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in what belongs here and pass it on."""
        if scope["type"] == "lifespan":
            for work in (self.keep_saving(), self.keep_time()):
                self.tasks.add(asyncio.get_running_loop().create_task(work))
        elif scope["type"] == "http":
            headers = dict(scope["headers"])
            if refusal := self.refuse(scope, headers):
                await _answer(send, 403, {"message": refusal})
                return
            if scope["path"].startswith("/_local/"):
                await self.admin(scope, send)
                return
            target = headers.get(b"x-amz-target", b"").decode("latin-1")
            if not scope["path"].startswith("/_ministack/") and not _READS.search(target):
                self.touched = True
        await self.app.app(scope, receive, send)

    def refuse(self, scope: Scope, headers: dict[bytes, bytes]) -> str | None:
        """Why a request may not come in; None when it may."""
        host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].lower()
        if host not in {"localhost", "127.0.0.1"} and not host.endswith(".localhost"):
            return "The local cloud answers only to localhost and 127.0.0.1."
        path = scope["path"]
        if path.startswith(("/_local", "/_ministack", "/_localstack")) and path not in _OPEN_PATHS:
            if not hmac.compare_digest(headers.get(ADMIN_HEADER, b""), self.admin_token):
                return "This page of the local cloud needs the admin token."
            return None
        signed = headers.get(b"authorization", b"").decode("latin-1")
        key = _CREDENTIAL.search(signed)
        # The emulator takes any twelve digits, and "test", for a key whose signature need not
        # be looked at. Here a call is signed by a role's session, or with the one key made for
        # this data directory, which nobody can guess.
        if key and key[1] != self.root_key and not key[1].startswith(("ASIA", "AKIA")):
            return "The access key is not one of this local cloud."
        return None

    async def admin(self, scope: Scope, send: Send) -> None:
        """Our own pages: take a snapshot, say how things are."""
        if (scope["method"], scope["path"]) == ("POST", "/_local/snapshot"):
            await _answer(send, 200, {"seconds": round(self.save(), 4)})
        elif (scope["method"], scope["path"]) == ("GET", "/_local/status"):
            await _answer(
                send,
                200,
                {
                    "version": VERSION,
                    "started_at": self.started,
                    "saved_at": self.saved_at,
                    "snapshot_seconds": round(self.seconds, 4),
                },
            )
        else:
            await _answer(send, 404, {"message": "No such page."})


def assert_private_names(
    *,
    app: ModuleType,
    iam_actions: ModuleType,
    lambda_runtime: ModuleType,
    persistence: ModuleType,
    eventbridge: ModuleType,
    lambda_svc: ModuleType,
    ses: ModuleType,
    stepfunctions: ModuleType,
) -> None:
    """Say at once that another version was installed, rather than lose data with it."""
    needed = {
        app: ("app", "load_state", "save_all", "_build_persistence_save_dict"),
        persistence: ("_state_format_version", "_json_default"),
        eventbridge: ("_put_events",),
        iam_actions: ("extract_resource_arn",),
        lambda_runtime: ("_detect_runtime_binary", "Worker", "zipfile"),
        lambda_svc: ("_execute_function_warm", "_prune_orphan_code_blobs", "CODE_BLOB_DIR"),
        ses: ("_sent_emails",),
        stepfunctions: (
            "_executions",
            "_state_machines",
            "_add_event",
            "_emit_execution_status_event",
            "now_iso",
        ),
    }
    missing = [
        f"{module.__name__}.{name}"
        for module, names in needed.items()
        for name in names
        if not hasattr(module, name)
    ]
    drain = getattr(lambda_runtime.Worker, "_drain_stderr_bounded", None)
    if drain is None or len(drain.__defaults__ or ()) != 3:
        missing.append("ministack.core.lambda_runtime.Worker._drain_stderr_bounded")
    if getattr(getattr(eventbridge, "_put_events", None), "__defaults__", None) != (False,):
        missing.append("ministack.services.eventbridge._put_events")
    if missing:
        raise SystemExit(
            f"The emulator is not version {VERSION}, which this launcher is written for "
            f"(missing: {', '.join(missing)}). Delete .local/venvs and run `make up` again."
        )


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


def prune_blobs(folder: Path, functions: Path) -> None:
    """Delete function code that no function refers to any more."""
    referenced = functions.read_text() if functions.exists() else ""
    for blob in folder.glob("*.zip"):
        if blob.stem not in referenced:
            blob.unlink()


@functools.lru_cache(maxsize=64)
def _time_limit(definition: str) -> float | None:
    with contextlib.suppress(ValueError, TypeError):
        return float(json.loads(definition).get("TimeoutSeconds") or 0) or None
    return None


async def _answer(send: Send, status: int, document: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def main() -> None:
    """Serve until told to stop, then save."""
    from hypercorn.asyncio import serve  # type: ignore[import-not-found]
    from hypercorn.config import Config  # type: ignore[import-not-found]

    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "WARNING"), stream=sys.stderr)
    emulator = Emulator(os.environ)
    config = Config()
    config.bind = [f"127.0.0.1:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    config.loglevel = "WARNING"

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(emulator, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type,unused-ignore]

    asyncio.run(run())


if __name__ == "__main__":
    main()
