"""Knows how one part of the local cloud is kept running: started, watched, started again, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from infra.local.layout import ROOT, LocalCloudError

_LOG_LIMIT = 10_000_000
_QUICK_DEATH = 10.0
_LONGEST_PAUSE = 8.0
# When the supervisor is killed the parts end too, in good order. The setting outlives the exec.
_TIE = (
    "import ctypes,os,signal,sys;"
    "ctypes.CDLL(None).prctl(1,signal.SIGTERM);"
    "os.getppid()==int(sys.argv[1]) or sys.exit(1);"
    "os.execv(sys.argv[2],sys.argv[2:])"
)


@dataclass
class Part:
    """A program that has to run as long as the local cloud does."""

    name: str
    title: str
    command: Sequence[str]
    log: Path
    ready_url: str
    env: Mapping[str, str]
    start_limit: float = 30.0
    stop_limit: float = 20.0
    said: Callable[[str], None] = print
    changed: Callable[[], None] = lambda: None
    restarted: Callable[[], Awaitable[None]] | None = None
    process: asyncio.subprocess.Process | None = None
    started_at: float = 0.0
    restarts: int = 0
    stopping: bool = False
    _keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        running = self.process is not None and self.process.returncode is None
        return self.process.pid if running and self.process else None

    async def start(self) -> None:
        """Start it, wait until it answers, and keep it running from then on."""
        await self._spawn()
        await self._until_ready()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it in good order; by force only when it takes too long."""
        self.stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.stop_limit)
        except TimeoutError:
            self.said(f"{self.title} did not end within {self.stop_limit:.0f} s and was killed")
            kill_group(process.pid)
            await process.wait()

    async def _spawn(self) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            log.write(f"--- {time.strftime('%F %T')} starting\n".encode())
            log.flush()
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-ISc", _TIE, str(os.getpid()), *self.command,
                cwd=ROOT,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal reaches a whole group; the order of ending is ours.
                start_new_session=True,
            )  # fmt: skip
        self.started_at = time.time()
        self.changed()

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + self.start_limit
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            while True:
                assert self.process is not None  # noqa: S101 - just started
                if self.process.returncode is not None:
                    raise LocalCloudError(
                        f"{self.title} ended at once (exit code {self.process.returncode}): "
                        f"{last_line(self.log)}\n  Its log: {self.log}"
                    )
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(self.ready_url)).status_code < 500:
                        return
                if time.monotonic() > deadline:
                    raise LocalCloudError(
                        f"{self.title} did not answer within {self.start_limit:.0f} s: "
                        f"{last_line(self.log)}\n  Its log: {self.log}"
                    )
                await asyncio.sleep(0.05)

    async def _keep(self) -> None:
        pause = 0.1
        while True:
            assert self.process is not None  # noqa: S101 - kept only after a start
            code = await self.process.wait()
            kill_group(self.process.pid)  # what it may have left behind
            if time.time() - self.started_at > _QUICK_DEATH:
                pause = 0.1
            why = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self.said(f"{self.title} {why}; starting it again")
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
            self.restarts += 1
            try:
                await self._spawn()
                await self._until_ready()
            except (LocalCloudError, OSError) as problem:
                self.said(str(problem))
                if self.process.returncode is None:
                    kill_group(self.process.pid)
                continue
            took = time.time() - self.started_at
            self.said(f"{self.title} runs again (after {took:.1f} s)")
            if self.restarted is not None:
                with contextlib.suppress(LocalCloudError):
                    await self.restarted()


def kill_group(pid: int) -> None:
    """End a part and everything it started in its own group, at once."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def last_line(log: Path) -> str:
    """The last thing a part said, which is mostly why it ended."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it said nothing"
    return lines[-1].strip() if lines and not lines[-1].startswith("---") else "it said nothing"
