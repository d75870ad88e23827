"""Knows how to run the AWS emulator so that it deserves some of AWS's trust.

It is started by the supervisor as a script of its own in the emulator's own environment, and
may import nothing but the standard library and the emulator. What it adds:

- snapshots while it runs (`infra/local/snapshot.py`), also on `POST /_local/snapshot`;
- handlers' workers run in an environment with nothing but boto3, as in Lambda, so that a
  dependency missing from the package is noticed;
- an execution past its state machine's `TimeoutSeconds` times out;
- where it differs from AWS it is set right (`infra/local/corrections.py`): errors keep their
  names, policies meet AWS's names of things, a busy function's calls wait for a worker;
- nobody but this machine's user: only loopback host names, only keys that were made here, and
  the emulator's own inspection pages only with the admin token.
"""

# ruff: noqa: SLF001, PLC0415 - its subject is another program's private names, and that program
# reads its settings when it is imported

from __future__ import annotations

import asyncio
import contextlib
import functools
import hmac
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

# Started as a script, this file's folder is where its sibling lies; as a module (in tests) the
# package is.
if __package__:
    from infra.local import snapshot
    from infra.local.corrections import VERSION, Modules, correct, forget_the_oldest
else:
    import snapshot  # type: ignore[no-redef,import-not-found,unused-ignore]
    from corrections import VERSION, Modules, correct, forget_the_oldest  # type: ignore[no-redef,import-not-found]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ADMIN_HEADER = b"x-slipway-admin"
MAILBOX = "slipway-mailbox"
_OPEN_PATHS = frozenset({"/_ministack/ready", "/_ministack/health"})
_CREDENTIAL = re.compile(r"(?:Credential=|AWS )([^/:,\s]+)")
_KEY_PARAMETERS = frozenset({"x-amz-credential", "awsaccesskeyid"})
# What may come without a signature: calls of the API, and forms for the bucket of sources, which
# carry a policy that is signed.
_API_CALL = re.compile(r"/restapis/[a-z0-9]+/[a-z0-9]+/_user_request_(?:/|$)")
_UPLOAD = re.compile(r"/[a-z0-9-]+-sources-\d{12}/?")
_READS = re.compile(r"\.(Get|Query|Scan|List|Describe|BatchGet|Filter)")

log = logging.getLogger("slipway.aws")


class Emulator:
    """The emulator with our additions, as one ASGI application."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self.every = float(environment.get("SNAPSHOT_SECONDS", "5"))
        self.root_key = environment["AWS_ACCESS_KEY_ID"]
        self.web_origin = environment.get("WEB_ORIGIN", "")
        self.admin_token = Path(environment["ADMIN_TOKEN_FILE"]).read_text().strip().encode()
        self.started = time.time()
        self.seconds = 0.0
        self.saved_at = 0.0
        self.touched = True
        self.tasks: set[asyncio.Task[None]] = set()

        self.modules = modules = Modules.load()
        self.app, self.ses, self.stepfunctions = modules.app, modules.ses, modules.stepfunctions
        correct(
            modules,
            packages=Path(environment["TMPDIR"]) / "packages",
            worker_python=environment.get("WORKER_PYTHON"),
        )

        state = Path(environment["STATE_DIR"])
        self.generations = snapshot.Generations(
            state.parent,
            functools.partial(
                snapshot.encode,
                modules.persistence._state_format_version,
                modules.persistence._json_default,
            ),
        )
        blobs = state.parent / "blobs"
        blobs.mkdir(exist_ok=True)
        prune_blobs(blobs, state / "lambda.json")
        modules.lambda_svc.CODE_BLOB_DIR = str(blobs)
        # Blobs of an older generation must outlive the writing of a newer one.
        modules.lambda_svc._prune_orphan_code_blobs = lambda _referenced: None
        self.load_state = modules.app.load_state
        modules.app.load_state = self.load
        modules.app.save_all = lambda _services: self.save()

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
        """End executions that outlive their TimeoutSeconds, and forget what is long past."""
        while True:
            await asyncio.sleep(1)
            try:
                self.time_out(datetime.now().astimezone())
                forget_the_oldest(self.modules)
            except Exception:
                log.exception("The watch over time limits and sizes failed.")

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
            if _API_CALL.match(scope["path"]):
                scope = {**scope, "headers": _with_peer(scope)}
            if not _UPLOAD.fullmatch(scope["path"]):
                send = _without_sharing(send)
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
        origin = headers.get(b"origin", b"").decode("latin-1")
        foreign = headers.get(b"sec-fetch-site", b"") in {b"cross-site", b"same-site"}
        # Somebody who comes back from a sign-in provider, as they would on AWS.
        visits = (
            scope["method"] == "GET"
            and headers.get(b"sec-fetch-mode") == b"navigate"
            and bool(_API_CALL.match(path))
        )
        elsewhere = foreign or origin not in {"", self.web_origin}
        if elsewhere and not visits and not _UPLOAD.fullmatch(path):
            return "Pages of other origins have no business here."
        # The emulator takes any twelve digits, and "test", for a key whose signature need not
        # be looked at. Here a call is signed by a role's session, or with the one key made for
        # this data directory, which nobody can guess; wherever the key stands.
        keys = _keys(scope, headers)
        if not keys and not (
            path in _OPEN_PATHS
            or _API_CALL.match(path)
            or (_UPLOAD.fullmatch(path) and scope["method"] in {"POST", "OPTIONS"})
        ):
            return "This call must be signed with a key of this local cloud."
        if any(key != self.root_key and not key.startswith(("ASIA", "AKIA")) for key in keys):
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


def _keys(scope: Scope, headers: dict[bytes, bytes]) -> list[str]:
    """Every access key that a request names, in its header or in its address."""
    signed = headers.get(b"authorization", b"").decode("latin-1")
    found = _CREDENTIAL.findall(signed)
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if name.lower() in _KEY_PARAMETERS:
            found.append(value.split("/", 1)[0])
    return found


def _with_peer(scope: Scope) -> list[tuple[bytes, bytes]]:
    """API Gateway knows who is connected to it. The emulator takes the first in X-Forwarded-For
    for that, so that is where it must stand, whatever the caller says."""
    peer = (scope.get("client") or ("127.0.0.1", 0))[0].encode()
    kept = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-for"]
    said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [*kept, (b"x-forwarded-for", b", ".join([peer, *said]))]


def _without_sharing(send: Send) -> Send:
    """The emulator lets every page of the web read its answers; here only uploads need that."""

    async def passed(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", [])
                if not name.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": kept}
        await send(message)

    return passed


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
