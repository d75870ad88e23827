"""How a process is started and watched: in the sandbox, or bare for the yard's own tests."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

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
    stdout: int
    stderr: int
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

    async def usage(self) -> Usage: ...


class Ground(Protocol):
    """What starts processes."""

    def describe(self) -> dict[str, Any]:
        """The isolation people are told about."""
        ...

    async def start(self, job: Job) -> Run:
        """Starts a process; raises StartFailed."""
        ...


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Runs something blocking in a thread that lives as long as the yard."""
    return await asyncio.get_running_loop().run_in_executor(THREADS, work, *args)


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
    """The real ground: infra.local.sandbox, the best tier this machine allows."""

    def __init__(self, state_dir: Path) -> None:
        # Imported here so that tests with the plain ground need no sandbox.
        from infra.local import sandbox  # noqa: PLC0415

        self._module = sandbox
        try:
            self._isolation = sandbox.probe(state_dir)
        except sandbox.NoIsolation as exc:
            raise StartFailed(f"agents cannot be isolated here: {exc}") from exc
        if not self._isolation.usable:
            raise StartFailed(f"agents cannot be isolated here: {self._isolation.reason}")
        self._box = sandbox.Sandbox(self._isolation, state_dir)
        self._toolchains: dict[str, Any] = {}

    def describe(self) -> dict[str, Any]:
        """Tier, name and what is missing from full isolation."""
        one = self._isolation
        return {"tier": one.tier, "name": one.name, "missing": list(one.missing)}

    def _toolchain(self, runtime: str) -> Any:
        if runtime not in self._toolchains:
            self._toolchains[runtime] = self._module.toolchains(runtime)
        return self._toolchains[runtime]

    async def start(self, job: Job) -> Run:
        """Starts a sandboxed process."""
        binds, env = job.binds, dict(job.env)
        if job.runtime:
            tools = self._toolchain(job.runtime)
            binds = (*tools.binds, *binds)
            env = {**tools.env, **env}
            env.setdefault("PATH", ":".join((*tools.path, "/usr/local/bin:/usr/bin:/bin")))
        spec = self._module.Spec(
            app=job.app,
            writable=job.writable,
            command=list(job.command),
            env=env,
            limits=self._module.Limits(memory_mb=job.memory_mb, cpus=job.cpu),
            binds=binds,
            egress="public",
            workdir=job.workdir,
            stdout=job.stdout,
            stderr=job.stderr,
        )
        try:
            return SandboxRun(await in_thread(self._box.start, spec))
        except Exception as exc:
            raise StartFailed(str(exc)) from exc


class SandboxRun:
    """A sandboxed process seen from the event loop."""

    def __init__(self, run: Any) -> None:
        self._run = run

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
        made: socket.socket = await in_thread(self._run.connect, port, 5.0)
        made.setblocking(False)
        return made

    async def usage(self) -> Usage:
        """What it uses right now."""
        stats = await in_thread(self._run.stats)
        return Usage(stats.cpu_seconds, stats.rss_bytes, stats.disk_bytes)


class PlainGround:
    """No isolation at all: for the yard's own tests, whose agents are our own."""

    def describe(self) -> dict[str, Any]:
        """Says so."""
        return {"tier": "none", "name": "plain processes (tests only)", "missing": ["everything"]}

    async def start(self, job: Job) -> Run:
        """Starts a bare child process."""
        for source, destination, _ in job.binds:
            place = job.app / destination.removeprefix("/app/")
            if destination.startswith("/app/") and not place.is_symlink():
                place.rmdir()
                place.symlink_to(source)
        return await in_thread(self._start, job)

    @staticmethod
    def _start(job: Job) -> Run:
        try:
            process = subprocess.Popen(
                list(job.command),
                cwd=job.app,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **job.env},
                stdin=subprocess.DEVNULL,
                stdout=job.stdout,
                stderr=job.stderr,
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
