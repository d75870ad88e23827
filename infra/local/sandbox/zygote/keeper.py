"""How a program is started where there are no namespaces: a keeper process holds its tree.

Whatever the program starts and abandons becomes the keeper's child, so the keeper can end all of
it; and it does so when it is told to, when the program ends, and when the zygote dies.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from typing import Any

from . import kernel, landlock
from .spawn import Started, StartFailed, limit, write_text

_END = signal.SIGUSR1


class Kept(Started):
    """A program under a keeper: the keeper is both its outer and its first inner process."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid, pid, None, None)

    def lent(self) -> list[int]:
        """Nothing: a keeper that is killed cannot end what it keeps."""
        return []

    def kill(self) -> None:
        """Have the keeper end everything below it, and itself."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, _END)


def start(order: dict[str, Any], descriptors: list[int]) -> tuple[Started, int]:
    """Start the program under a keeper, held until the answered descriptor is written to."""
    gate_read, gate_write = os.pipe()
    ready_read, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gate_write)
        _keep(order, descriptors, gate_read, ready_write)
    os.close(gate_read)
    os.close(ready_write)
    try:
        said = os.read(ready_read, 4096)
    finally:
        os.close(ready_read)
    if said != b"ready":
        os.close(gate_write)
        os.waitpid(pid, 0)
        raise StartFailed(said.decode(errors="replace") or "the keeper ended at once")
    for folder in order["cgroups"]:
        write_text(f"{folder}/cgroup.procs", str(pid))
    return Kept(pid), gate_write


def _keep(order: dict[str, Any], descriptors: list[int], gate: int, ready: int) -> None:
    """The keeper's whole life. It never returns."""
    code = 126
    try:
        _close_all_but({gate, ready, *descriptors})
        kernel.reset_signals()
        signal.set_wakeup_fd(-1)
        signal.signal(_END, _end)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, _END)
        write_text("/proc/self/oom_score_adj", "600")
        program = os.fork()
        if program == 0:
            _become(order, descriptors, gate, ready)
        os.close(ready)
        os.close(gate)
        # Only the program may hold the log's ends, or a reader would never see their end.
        for descriptor in descriptors:
            os.close(descriptor)
        code = _watch(program)
    except SystemExit:
        code = 128 + signal.SIGKILL
    finally:
        with contextlib.suppress(SystemExit):
            signal.signal(_END, signal.SIG_IGN)
        _sweep()
        os._exit(code)


def _close_all_but(kept: set[int]) -> None:
    """What the zygote holds open is not the keeper's: other sandboxes, the way to the platform."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _end(*_: object) -> None:
    sys.exit()


def _watch(program: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _sweep() -> None:
    """End every descendant. Stopping all before killing any leaves none time to start another."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in _below(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            for pid in _below(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            # Wait for one of them; then look again.
            with contextlib.suppress(ChildProcessError):
                os.wait()


def _below(root: int) -> list[int]:
    found = [root]
    for pid in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:  # noqa: PTH123
                    found += [int(word) for word in file.read().split()]
    return found[1:]


def _become(order: dict[str, Any], descriptors: list[int], gate: int, ready: int) -> None:
    """Turn into the program: limits, another user, rules, filter. It never returns."""
    try:
        signal.signal(_END, signal.SIG_DFL)
        os.setsid()
        os.umask(0o022)
        os.dup2(descriptors[0], 1)
        os.dup2(descriptors[1], 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        filter_ = _content(descriptors[order["filter"]]) if order["filter"] is not None else None
        os.write(ready, b"ready")
        if not os.read(gate, 1):
            os._exit(126)  # the start was given up
        for name, value in order["rlimits"].items():
            limit(0, getattr(resource, name), value)
        if order["drop"]:
            kernel.drop(*order["drop"])
        # After giving up root, which may walk anywhere.
        os.chdir(order["workdir"])
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if order["landlock"]:
            landlock.restrict(order["landlock"])
        if filter_:
            kernel.load_filter(filter_)
        os.execvpe(order["command"][0], order["command"], order["env"])  # noqa: S606
    except BaseException as problem:  # noqa: BLE001  # nothing may return into the keeper
        os.write(2, f"sandbox: {problem}\n".encode())
    finally:
        os._exit(127)


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
