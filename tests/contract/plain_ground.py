"""A yard whose agents run without any isolation: for tests, whose agents are our own.

Started like the yard itself: `python -m tests.contract.plain_ground --config FILE`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.yard import health
from infra.local.yard.__main__ import main
from infra.local.yard.runs import (
    Hear,
    Job,
    Run,
    StartFailed,
    Usage,
    ended,
    free_port,
    in_thread,
    pipes,
)


class PlainGround:
    """No isolation at all: for the yard's own tests, whose agents are our own."""

    def describe(self) -> dict[str, Any]:
        """Says so."""
        return {"tier": "none", "name": "plain processes (tests only)", "missing": ["everything"]}

    def port(self) -> int:
        """A port nobody listens on now."""
        return free_port()

    async def start(self, job: Job, out: Hear, err: Hear) -> Run:
        """Starts a bare child process."""
        for source, destination, _ in job.binds:
            place = job.app / destination.removeprefix("/app/")
            if destination.startswith("/app/") and not place.is_symlink():
                place.rmdir()
                place.symlink_to(source)
        async with pipes(out, err) as (stdout, stderr):
            return await in_thread(self._start, job, stdout, stderr)

    def remove(self, folder: Path) -> None:
        """Removes a folder."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Nothing to do."""

    @staticmethod
    def _start(job: Job, stdout: int, stderr: int) -> Run:
        try:
            process = subprocess.Popen(
                list(job.command),
                cwd=job.app,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **job.env},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no locks
            )
        except OSError as exc:
            raise StartFailed(str(exc)) from exc
        return PlainRun(process)


def die_with_parent() -> None:
    """In a child before exec: the kernel kills it when the thread that started it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@dataclass
class PlainRun:
    """A bare child process."""

    process: subprocess.Popen[bytes]
    oom: bool = False

    @property
    def pid(self) -> int:
        """Its process id, which is also its session."""
        return self.process.pid

    async def wait(self) -> int:
        """The exit code; negative for a signal."""
        await ended(self.pid)
        return await in_thread(self.process.wait)

    def signal(self, number: int) -> None:
        """Sends a signal to the process."""
        with contextlib.suppress(OSError):
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kills its whole group."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)

    async def listening(self) -> list[int]:
        """TCP ports of any process in its session."""
        return await in_thread(_listening, self.pid)

    async def connect(self, port: int) -> socket.socket:
        """A connection on the loopback interface."""
        made = socket.socket()
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except BaseException:
            made.close()
            raise
        return made

    async def probe(self, port: int, path: str, seconds: float) -> int | None:
        """One GET."""
        return await health.probe(self.connect, port, path, seconds)

    async def usage(self) -> Usage:
        """CPU and memory of the first process only."""
        return _usage(self.pid)


def _listening(session: int) -> list[int]:
    sockets: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if _session(folder) == session:
                for handle in (folder / "fd").iterdir():
                    target = str(handle.readlink())
                    if target.startswith("socket:["):
                        sockets.add(target[8:-1])
    ports: set[int] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in sockets:
                    ports.add(int(words[1].rpartition(":")[2], 16))
    return sorted(ports)


def _session(folder: Path) -> int:
    return int((folder / "stat").read_text().rpartition(")")[2].split()[3])


def _usage(pid: int) -> Usage:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return Usage()
    ticks = os.sysconf("SC_CLK_TCK")
    return Usage((int(words[11]) + int(words[12])) / ticks, pages * os.sysconf("SC_PAGE_SIZE"))


if __name__ == "__main__":
    sys.exit(main(PlainGround()))
