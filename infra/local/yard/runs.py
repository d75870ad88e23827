"""How a process is started and watched in the sandbox, seen from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from chalicelib.errors import PlatformError
from infra.local import sandbox
from infra.local.yard import health

T = TypeVar("T")
CONNECT_SECONDS = 5.0
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"

THREADS = ThreadPoolExecutor(16, thread_name_prefix="yard-run")
"""Never shut down: children are bound to the life of the thread that started them."""


class StartFailed(Exception):
    """The process could not be started at all."""


@dataclass(frozen=True)
class Job:
    """One process to start."""

    app: Path
    command: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str = "/app"
    writable: bool = True
    binds: tuple[tuple[Path, str, bool], ...] = ()
    memory_mb: int = 1024
    cpu: float = 2.0
    runtime: str = ""


@dataclass(frozen=True)
class Usage:
    """What a run uses right now; `cpu_seconds` counts from its start."""

    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    disk_bytes: int = 0


class Run(Protocol):
    """One started process with everything it starts itself."""

    @property
    def pid(self) -> int: ...

    @property
    def oom(self) -> bool:
        """Whether it died for lack of memory."""
        ...

    async def wait(self) -> int:
        """The exit code; negative for a signal."""
        ...

    def signal(self, number: int) -> None: ...

    def kill(self) -> None: ...

    async def listening(self) -> list[int]:
        """TCP ports it listens on."""
        ...

    async def connect(self, port: int) -> socket.socket:
        """A non-blocking connection to one of them; OSError when refused."""
        ...

    async def probe(self, port: int, path: str, seconds: float) -> int | None:
        """The status of one GET to one of them, or None without an HTTP answer."""
        ...

    async def usage(self) -> Usage: ...


Hear = Callable[[], asyncio.Protocol]
"""Makes what takes the output of a process, line by line as it comes."""


class Ground(Protocol):
    """What starts processes."""

    def describe(self) -> dict[str, Any]:
        """The isolation people are told about."""
        ...

    def port(self) -> int:
        """A port that a process started next may listen on."""
        ...

    async def start(self, job: Job, out: Hear, err: Hear) -> Run:
        """Starts a process whose output goes to `out` and `err`; raises StartFailed."""
        ...

    def remove(self, folder: Path) -> None:
        """Removes a folder that an agent has filled. Blocking."""
        ...

    def close(self) -> None:
        """Called once, when nothing runs any more. Blocking."""
        ...


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Runs something blocking in a thread that lives as long as the yard."""
    return await asyncio.get_running_loop().run_in_executor(THREADS, work, *args)


@contextlib.asynccontextmanager
async def pipes(out: Hear, err: Hear) -> AsyncIterator[tuple[int, int]]:
    """Two descriptors for a child to write to; ours are closed when it has been started."""
    loop = asyncio.get_running_loop()
    writers: list[int] = []
    try:
        for hear in (out, err):
            read, write = os.pipe()
            writers.append(write)
            await loop.connect_read_pipe(hear, os.fdopen(read, "rb", buffering=0))
        yield writers[0], writers[1]
    finally:
        for one in writers:
            os.close(one)


def free_port() -> int:
    """A port nobody listens on now, in this network namespace."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def ended(pid: int) -> None:
    """Returns when the process has ended; does not collect its exit code."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:  # already collected, or a kernel without the call
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(handle, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


class SandboxGround:
    """The real ground: infra.local.sandbox, at the best tier this machine allows."""

    def __init__(self, state_dir: Path, egress: sandbox.spec.Egress) -> None:
        try:
            self._isolation = sandbox.probe(state_dir)
        except sandbox.NoIsolation as exc:
            raise StartFailed(f"agents cannot be isolated here: {exc}") from exc
        if not self._isolation.usable:
            raise StartFailed(f"agents cannot be isolated here: {self._isolation.reason}")
        self._box = sandbox.Sandbox(self._isolation, state_dir)
        self._egress = egress

    def describe(self) -> dict[str, Any]:
        """Tier, name and what is missing from full isolation."""
        return self._isolation.to_json()

    def port(self) -> int:
        """A port nobody listens on now, in this network namespace."""
        return free_port()

    async def start(self, job: Job, out: Hear, err: Hear) -> Run:
        """Starts a sandboxed process."""
        async with pipes(out, err) as (stdout, stderr):
            return await self._start(job, stdout, stderr)

    async def _start(self, job: Job, stdout: int, stderr: int) -> Run:
        tools = sandbox.toolchains(job.runtime, "run")
        env = {**tools.env, **job.env}
        env.setdefault("PATH", ":".join((*tools.path, SYSTEM_PATH)))
        spec = sandbox.Spec(
            app=job.app,
            writable=job.writable,
            command=list(job.command),
            env=env,
            limits=sandbox.Limits(memory_mb=job.memory_mb, cpus=job.cpu),
            binds=(*tools.binds, *job.binds),
            egress=self._egress,
            workdir=job.workdir,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            return SandboxRun(await in_thread(self._box.start, spec))
        except (PlatformError, OSError) as exc:
            raise StartFailed(str(exc)) from exc

    def remove(self, folder: Path) -> None:
        """Removes a folder that an agent has filled. Blocking."""
        sandbox.remove(folder)

    def close(self) -> None:
        """Ends what serves the sandboxes. Blocking."""
        self._box.close()


class SandboxRun:
    """A sandboxed process seen from the event loop."""

    def __init__(self, run: sandbox.Run) -> None:
        self._run = run
        self._over = asyncio.Event()

    @property
    def pid(self) -> int:
        """The outermost process."""
        return int(self._run.pid)

    @property
    def oom(self) -> bool:
        """Whether the sandbox saw it run out of memory."""
        return bool(self._run.oom)

    async def wait(self) -> int:
        """The exit code; negative for a signal."""
        while True:
            await ended(self.pid)
            code: int | None = await in_thread(self._run.wait, 5)
            if code is not None:
                self._over.set()
                return code

    def signal(self, number: int) -> None:
        """Sends a signal; to a dead process it does nothing. Does not wait."""
        THREADS.submit(self._run.signal, number)

    def kill(self) -> None:
        """Ends everything inside. Does not wait."""
        THREADS.submit(self._run.kill)

    async def listening(self) -> list[int]:
        """TCP ports it listens on."""
        ports: list[int] = await in_thread(self._run.listening)
        return ports

    async def connect(self, port: int) -> socket.socket:
        """A connection into the agent's network."""
        # The thread may be held up when the agent ends just now; whoever asks must not be.
        making = asyncio.ensure_future(in_thread(self._run.connect, port, CONNECT_SECONDS))
        over = asyncio.ensure_future(self._over.wait())
        await asyncio.wait(
            {making, over}, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        over.cancel()
        if not making.done():
            making.add_done_callback(_close_late)
            raise ConnectionRefusedError("the agent has ended, or does not take connections")
        made = making.result()
        made.setblocking(False)
        return made

    async def probe(self, port: int, path: str, seconds: float) -> int | None:
        """The status of one complete GET, or None without an HTTP answer."""
        return await health.probe(self.connect, port, path, seconds)

    async def usage(self) -> Usage:
        """What it uses right now."""
        stats = await in_thread(self._run.stats)
        return Usage(stats.cpu_seconds, stats.rss_bytes, stats.disk_bytes)


def _close_late(making: asyncio.Future[socket.socket]) -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().close()
