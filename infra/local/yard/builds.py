"""Builds: queued, really executed, written down in CodeBuild's shape, and told of by events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.yard import warden
from infra.local.yard.build_record import BuildRecord
from infra.local.yard.buildspec import BadBuildspec, Buildspec, parse_buildspec, script
from infra.local.yard.config import Config
from infra.local.yard.events import Events
from infra.local.yard.store import Row, Store, dump, new_id

log = logging.getLogger(__name__)

WARDEN = Path(warden.__file__)
PASSED_ON = (
    "HOME",
    "LANG",
    "LC_ALL",
    "PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
)
PASSED_ON_PREFIXES = ("PIP_", "UV_", "npm_config_", "NPM_CONFIG_", "YARN_", "CARGO_", "RUSTUP_")
"""What a build may know of this machine: how its package managers are set up."""
TOKEN_SECONDS = 300
STOP_GRACE = 2.0


class Interrupted(Exception):
    """The build ends before its commands do; `status` is what it becomes."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Builds:
    """The queue and what is being built."""

    def __init__(self, config: Config, store: Store, events: Events) -> None:
        self._config = config
        self._project = config.codebuild
        self._store = store
        self._events = events
        self._turns = asyncio.Semaphore(config.codebuild.concurrency)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    # ---- what the API asks ----

    def get(self, build_id: str) -> dict[str, Any] | None:
        """A build as CodeBuild describes it."""
        row = self._store.row("SELECT document FROM builds WHERE id = ?", build_id)
        return json.loads(row["document"]) if row else None

    def ids(self, *, newest_first: bool) -> list[str]:
        """All builds of the project in the order of their start."""
        order = "DESC" if newest_first else "ASC"
        rows = self._store.rows(f"SELECT id FROM builds ORDER BY seq {order}")  # noqa: S608
        return [row["id"] for row in rows]

    def by_token(self, token: str) -> Row | None:
        """The build that was started with an idempotency token not long ago."""
        return self._store.row(
            "SELECT * FROM builds WHERE token = ? AND token_at > ? ORDER BY seq DESC LIMIT 1",
            token,
            time.time() - TOKEN_SECONDS,
        )

    async def start(
        self, overrides: Mapping[str, Any], token: str | None, request: str
    ) -> dict[str, Any]:
        """Queues a build and returns its description."""
        build_id = f"{self._project.project_name}:{new_id()}"
        number = len(self.ids(newest_first=True)) + 1
        record = BuildRecord.new(self._config, build_id, number, overrides, self._folder(build_id))
        await self._store.execute(
            "INSERT INTO builds (id, project, status, token, token_at, request, document)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            build_id,
            self._project.project_name,
            record.status,
            token,
            time.time(),
            request,
            dump(record.document),
        )
        await self._events.announce(record.document)
        self._running[build_id] = asyncio.create_task(self._carry_out(record))
        return record.document

    async def stop(self, build_id: str) -> None:
        """Ends a build; what has ended already stays as it is."""
        task = self._running.get(build_id)
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def describe(self) -> dict[str, Any]:
        """For people."""
        rows = self._store.rows("SELECT status, count(*) AS n FROM builds GROUP BY status")
        return {
            "project": self._project.project_name,
            "running": sorted(self._running),
            "byStatus": {row["status"]: row["n"] for row in rows},
        }

    # ---- start and end of the yard ----

    async def recover(self) -> None:
        """What was being built when the yard ended has failed, through no fault of its own."""
        for row in self._store.rows("SELECT * FROM builds WHERE status = 'IN_PROGRESS'"):
            record = BuildRecord.stored(json.loads(row["document"]))
            record.finish("FAULT", "The build service was restarted in the middle of this build")
            shutil.rmtree(self._folder(row["id"]) / "work", ignore_errors=True)
            await self._save(record, ended=True)

    async def close(self) -> None:
        """Ends all builds; the next start reports them."""
        self._closing = True
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    # ---- one build ----

    async def _carry_out(self, record: BuildRecord) -> None:
        try:
            try:
                async with asyncio.timeout(record.queued_seconds):
                    await self._turns.acquire()
            except TimeoutError as exc:
                raise Interrupted("TIMED_OUT", "The build waited too long for its turn") from exc
            try:
                await self._build(record)
            finally:
                self._turns.release()
        except Interrupted as exc:
            record.finish(exc.status, exc.message)
        except BadBuildspec as exc:
            record.finish("FAILED", str(exc), phase="DOWNLOAD_SOURCE")
        except asyncio.CancelledError:
            if self._closing:
                return
            record.finish("STOPPED", "The build was stopped")
        except Exception as exc:
            log.exception("build %s broke", record.id)
            record.finish("FAULT", f"Internal error: {exc}")
        finally:
            self._running.pop(record.id, None)
        await self._save(record, ended=True)

    async def _build(self, record: BuildRecord) -> None:
        folder = self._folder(record.id)
        work = folder / "work"
        for part in ("src", "tmp"):
            (work / part).mkdir(parents=True, exist_ok=True)
        try:
            record.begin("PROVISIONING")
            spec = parse_buildspec(self._project.buildspec)
            record.begin("DOWNLOAD_SOURCE")
            await self._save(record)
            async with asyncio.timeout(record.timeout_seconds):
                code = await self._execute(record, spec, work, folder / "log.txt")
            record.commands_ended(code)
        except TimeoutError as exc:
            minutes = record.timeout_seconds / 60
            raise Interrupted(
                "TIMED_OUT", f"The build took longer than its {minutes:g} minutes"
            ) from exc
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _execute(
        self, record: BuildRecord, spec: Buildspec, work: Path, log_path: Path
    ) -> int:
        report_read, report_write = os.pipe()
        program = work / "build.sh"
        program.write_text(script(spec, warden.REPORT))
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(WARDEN),
                str(report_write),
                spec.shell,
                str(program),
                cwd=work / "src",
                env=self._environment(record, spec, work),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(report_write,),
                # What a build lays out is read by its sandboxes, which are other users.
                umask=0o022,
            )
        finally:
            os.close(report_write)
        reading = asyncio.create_task(self._keep_log(process, log_path))
        reporting = asyncio.create_task(self._follow(record, report_read))
        try:
            code = await process.wait()
            await reporting
            await reading
        except BaseException:
            # The warden kills all of it as soon as its standard input ends.
            if process.stdin is not None:
                process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_GRACE)
            raise
        finally:
            for task in (reading, reporting):
                task.cancel()
            await asyncio.gather(reading, reporting, return_exceptions=True)
        return code

    async def _keep_log(self, process: asyncio.subprocess.Process, path: Path) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        left = self._project.log_bytes
        with path.open("ab", buffering=0) as file:
            while data := await process.stdout.read(1 << 16):
                if left > 0:
                    file.write(data[:left])
                    left -= len(data)
                    if left <= 0:
                        file.write(b"\n[the log is full; the rest is not kept]\n")

    async def _follow(self, record: BuildRecord, handle: int) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(handle, "rb", buffering=0)
        )
        try:
            while line := await reader.readline():
                words = line.decode(errors="replace").strip().split(" ", 3)
                match words:
                    case ["begin", phase]:
                        record.begin(phase)
                    case ["failed", phase, code, command]:
                        record.command_failed(phase, int(code), command)
                    case ["end", phase]:
                        record.end(phase)
                await self._save(record)
        finally:
            transport.close()

    def _environment(self, record: BuildRecord, spec: Buildspec, work: Path) -> dict[str, str]:
        aws = self._config.aws
        own = {
            name: value
            for name, value in os.environ.items()
            if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
        }
        credentials = {
            "AWS_ACCESS_KEY_ID": aws.access_key_id,
            "AWS_SECRET_ACCESS_KEY": aws.secret_access_key,
            "AWS_REGION": aws.region,
            "AWS_DEFAULT_REGION": aws.region,
            "AWS_ENDPOINT_URL": aws.endpoint_url,
            **({"AWS_SESSION_TOKEN": aws.session_token} if aws.session_token else {}),
        }
        codebuild = {
            "CI": "true",
            "CODEBUILD_CI": "true",
            "CODEBUILD_BUILD_ID": record.id,
            "CODEBUILD_BUILD_ARN": record.document["arn"],
            "CODEBUILD_BUILD_NUMBER": str(record.document["buildNumber"]),
            "CODEBUILD_INITIATOR": record.document["initiator"],
            "CODEBUILD_LOG_PATH": record.id.partition(":")[2],
            "CODEBUILD_SRC_DIR": str(work / "src"),
            "CODEBUILD_START_TIME": str(int(record.document["startTime"] * 1000)),
            "TMPDIR": str(work / "tmp"),
        }
        return {
            **own,
            **credentials,
            **spec.variables,
            **self._project.environment,
            **self._project.build_environment,
            **record.variables,
            **codebuild,
        }

    async def _save(self, record: BuildRecord, *, ended: bool = False) -> None:
        await self._store.execute(
            "UPDATE builds SET status = ?, document = ? WHERE id = ?",
            record.status,
            dump(record.document),
            record.id,
        )
        if ended:
            await self._events.announce(record.document)

    def _folder(self, build_id: str) -> Path:
        return self._config.data_dir / "builds" / build_id.partition(":")[2]
