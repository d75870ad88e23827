"""The loop: orders come in over one socket, started sandboxes and their ends are told back.

Orders are one JSON line in a packet, with descriptors beside it; the body of a start is in the
first descriptor because it may be larger than a packet. When the platform's end closes, for
whatever reason, every sandbox is ended.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from . import keeper, kernel, spawn

_MOST_DESCRIPTORS = 250
_LAST_WAIT = 5.0


class Zygote:
    """Everything this process knows: its sandboxes by the platform's number, and by pid."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._runs: dict[int, spawn.Started] = {}
        self._numbers: dict[int, int] = {}
        self._wake, ring = socket.socketpair()
        self._ring = ring
        for end in (self._wake, ring):
            end.setblocking(False)
        signal.set_wakeup_fd(ring.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._control.shutdown(socket.SHUT_RD))
        # Ctrl-C in the terminal is for the platform, which then ends us in order.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Should an outer process die alone, its inner one becomes ours and is reaped here.
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)

    def serve(self) -> None:
        """Work until the platform is gone, then end everything."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        open_ = True
        while open_:
            for descriptor, _ in poller.poll():
                if descriptor == self._wake.fileno():
                    with contextlib.suppress(BlockingIOError):
                        self._wake.recv(4096)
                else:
                    open_ = self._receive()
            self._reap()
        self._end()

    def _receive(self) -> bool:
        packet, descriptors = _receive_packet(self._control)
        if not packet:
            return False
        order = json.loads(packet)
        try:
            getattr(self, "_do_" + order["op"])(order, descriptors)
        except (OSError, spawn.StartFailed) as error:
            self._tell({"event": "failed", "id": order["id"], "detail": str(error)})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _do_start(self, order: dict[str, Any], descriptors: list[int]) -> None:
        number = order["id"]
        body = json.loads(os.pread(descriptors[0], os.fstat(descriptors[0]).st_size, 0))
        begin = keeper.start if body["kind"] == "keeper" else spawn.start
        started, gate = begin(body, descriptors[1:])
        self._runs[number] = started
        self._numbers[started.pid] = number
        try:
            listen, families = body["listen"], body["sockets"]
            self._prepare(number, body["rlimits"], listen, families, "network")
            os.write(gate, b"1")  # only now may the program run
        except BrokenPipeError as error:
            raise spawn.StartFailed(spawn.GAVE_UP) from error
        except (OSError, spawn.StartFailed):
            started.kill()
            raise
        finally:
            os.close(gate)
        told = {"event": "started", "id": number, "pid": started.pid, "inner": started.inner}
        self._tell(told, started.lent())

    def _do_sockets(self, order: dict[str, Any], _: list[int]) -> None:
        if order["id"] not in self._runs:
            raise spawn.StartFailed("the sandbox has ended")
        self._prepare(order["id"], {}, None, order["sockets"], "sockets")

    def _do_kill(self, order: dict[str, Any], _: list[int]) -> None:
        started = self._runs.get(order["id"])
        if started is not None:
            started.kill()

    def _prepare(
        self,
        number: int,
        limits: dict[str, int],
        listen: int | None,
        families: list[int],
        word: str,
    ) -> None:
        """Joining namespaces cannot be undone, so a child does it and sends what it opened."""
        started = self._runs[number]
        pid = os.fork()
        if pid == 0:
            try:
                spawn.set_limits(started, limits)
                if started.network is not None:
                    opened = spawn.open_sockets(started, listen, families)
                    self._tell({"event": word, "id": number}, opened)
                os._exit(0)
            except BaseException as error:  # noqa: BLE001  # nothing may return into the loop
                sys.stderr.write(f"sandbox {number}: {error}\n")
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            raise spawn.StartFailed(f"its namespaces could not be joined: {spawn.GAVE_UP}")

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._numbers.pop(pid, None)
            if number is None:
                continue
            self._runs.pop(number).close()
            code = os.waitstatus_to_exitcode(status)
            self._tell({"event": "ended", "id": number, "code": code})

    def _tell(self, event: dict[str, Any], descriptors: list[int] | None = None) -> None:
        packet = json.dumps(event).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._control, [packet], descriptors or [])

    def _end(self) -> None:
        for started in self._runs.values():
            started.kill()
        deadline = time.monotonic() + _LAST_WAIT
        while self._runs and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.005)


def _receive_packet(control: socket.socket) -> tuple[bytes, list[int]]:
    numbers = array.array("i")
    size = socket.CMSG_LEN(_MOST_DESCRIPTORS * numbers.itemsize)
    try:
        packet, ancillary, _, _ = control.recvmsg(65536, size, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return packet, list(numbers)


def main() -> None:
    """Serve the socket whose number is the first argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # It came through exec and would go on through the next one, into the agent's hands.
    control.set_inheritable(False)
    Zygote(control).serve()
