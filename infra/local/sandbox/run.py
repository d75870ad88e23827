"""One running sandbox: waiting for it, talking to it, measuring it, ending it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections import deque
from pathlib import Path

from infra.local.sandbox import processes, trees
from infra.local.sandbox.cgroups import Group
from infra.local.sandbox.egress import Door
from infra.local.sandbox.nursery import Birth, Nursery
from infra.local.sandbox.spec import Limits, SandboxFailed, Stats, Visit
from infra.local.sandbox.trees import DiskUse

_HANDFUL = 8  # sockets fetched at a time
_ENDED_WITHIN = 10.0
_SIGNALLED_WITHIN = 1.0


class Run:
    """What `Sandbox.start` answers. Every method may be called from any thread, at any time."""

    def __init__(
        self,
        nursery: Nursery,
        door: Door,
        group: Group,
        limits: Limits,
        disk: DiskUse,
        *,
        private_network: bool,
        home: Path | None,
    ) -> None:
        self._nursery = nursery
        self._home = home  # a real directory that is thrown away in the end, if there is one
        self._door = door
        self._group = group
        self.limits = limits
        self.disk = disk
        self._private_network = private_network
        self._birth = Birth(0)
        self._over = threading.Event()
        self._code: int | None = None
        self._oom = False
        self._disk_full = False
        self.disk_bytes = 0
        self._lock = threading.Lock()
        self._sockets: dict[int, deque[socket.socket]] = {
            int(socket.AF_INET): deque(),
            int(socket.AF_INET6): deque(),
        }
        self._own_inodes: frozenset[int] = frozenset()

    @property
    def pid(self) -> int:
        """The outermost process, as this machine numbers it."""
        return self._birth.pid

    @property
    def inner(self) -> int:
        """The first process inside, as this machine numbers it: everything is below it."""
        return self._birth.inner

    @property
    def number(self) -> int:
        """The zygote's number for it."""
        return self._birth.number

    @property
    def oom(self) -> bool:
        """Whether it was ended, wholly or in part, because it used too much memory."""
        return self._oom or (not self._over.is_set() and self._group.out_of_memory())

    @property
    def disk_full(self) -> bool:
        """Whether it was ended because its writable folders grew beyond their limit."""
        return self._disk_full

    @property
    def alive(self) -> bool:
        """Whether anything of it still runs."""
        return not self._over.is_set()

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code (negative: ended by that signal), or None when it still runs."""
        return self._code if self._over.wait(timeout) else None

    def measure_disk(self) -> None:
        """Look how much its writable folders hold."""
        self.disk_bytes = self.disk.measure()

    def signal(self, number: int) -> None:
        """Send a signal to the program (not to a shell that merely waits for it)."""
        if number == signal.SIGKILL:
            self.kill()
            return
        deadline = time.monotonic() + _SIGNALLED_WITHIN
        while self.alive:
            heard = processes.foremost(self.inner)
            for pid in heard:
                _send(pid, number)
            # Just after a start the first process may not have its program yet.
            if heard or time.monotonic() > deadline:
                return
            time.sleep(0.005)

    def kill(self) -> None:
        """End everything inside, at once, and wait until it is gone."""
        self._nursery.kill(self.number)
        self._over.wait(_ENDED_WITHIN)

    def connect(self, port: int, timeout: float = 5.0) -> socket.socket:
        """A socket connected to a port inside, as if from inside."""
        try:
            near = self.unconnected(socket.AF_INET)
            return _connected(near, ("127.0.0.1", port), timeout)
        except ConnectionRefusedError:
            # Some programs listen on IPv6 only.
            near = self.unconnected(socket.AF_INET6)
            return _connected(near, ("::1", port), timeout)

    def unconnected(self, family: int = socket.AF_INET) -> socket.socket:
        """A fresh TCP socket inside its network, for callers that connect by themselves."""
        if not self.alive:
            raise ConnectionRefusedError("the program has ended")
        if not self._private_network:
            return socket.socket(family, socket.SOCK_STREAM)
        with self._lock:
            ready = self._sockets[int(family)]
            if not ready:
                self._fetch_sockets(int(family))
            if self._over.is_set():
                self._close_ready()
                raise ConnectionRefusedError("the program has ended")
            if not ready:
                raise ConnectionRefusedError("this machine has no sockets of that family")
            return ready.popleft()

    def listening(self) -> list[int]:
        """The TCP ports its own processes listen on."""
        if not self.alive:
            return []
        if self._private_network:
            return processes.listening(self.inner, self._own_inodes)
        return processes.listening_of(processes.tree(self.inner)[1:])

    def stats(self) -> Stats:
        """What it uses just now; nothing once it has ended."""
        if not self.alive:
            return Stats(disk_bytes=self.disk_bytes)
        pids = processes.tree(self.inner)
        if not self.disk_bytes:
            self.measure_disk()
        return Stats(
            cpu_seconds=processes.cpu_seconds(pids),
            rss_bytes=processes.proportional_memory(pids) or processes.memory(pids),
            processes=len(pids) - 1,  # the first only reaps
            disk_bytes=self.disk_bytes,
        )

    def egress(self) -> tuple[Visit, ...]:
        """The hosts it asked for, and what became of each."""
        return self._door.visits()

    # For the sandbox and its watchdog only.

    def born(self, birth: Birth, own: frozenset[int]) -> None:
        """Take what the zygote handed out: process ids and sockets."""
        self._birth = birth
        self._own_inodes = own
        self._keep(birth.descriptors)
        if self._over.is_set():
            self._drop_sockets()

    def end(self, *, oom: bool = False, disk_full: bool = False) -> None:
        """End it for using too much."""
        self._oom = self._oom or oom
        self._disk_full = self._disk_full or disk_full
        self._nursery.kill(self.number)

    def ended(self, code: int) -> None:
        """Take note that everything inside is gone."""
        self._oom = self._oom or self._group.out_of_memory()
        # bubblewrap reports a program that died of a signal as 128 and the number, like a shell.
        self._code = 128 - code if 128 < code < 128 + signal.NSIG else code
        self._over.set()
        self._drop_sockets()

    def tidy(self) -> None:
        """Remove what it leaves behind. May take a moment."""
        self._group.remove()
        if self._home is not None:
            trees.remove(self._home)

    def _fetch_sockets(self, family: int) -> None:
        try:
            self._keep(self._nursery.sockets(self.number, [family] * _HANDFUL))
        except SandboxFailed as error:
            raise ConnectionRefusedError(str(error)) from error

    def _keep(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            fresh = socket.socket(fileno=descriptor)
            self._sockets[int(fresh.family)].append(fresh)

    def _drop_sockets(self) -> None:
        # Never waits: whoever holds the lock may be waiting for the thread that calls this, and
        # drops the sockets itself when it sees that everything is over.
        if self._lock.acquire(blocking=False):
            try:
                self._close_ready()
            finally:
                self._lock.release()

    def _close_ready(self) -> None:
        for ready in self._sockets.values():
            while ready:
                ready.popleft().close()


def _connected(near: socket.socket, address: tuple[str, int], timeout: float) -> socket.socket:
    try:
        near.settimeout(timeout)
        near.connect(address)
        near.settimeout(None)
    except BaseException:
        near.close()
        raise
    return near


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
