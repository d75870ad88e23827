"""The platform's end of the zygote: start, reach into and end sandboxes from any thread."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.sandbox.spec import SandboxFailed

_BOOT = """
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[2])
from zygote.main import main
main()
"""
_ANSWER_WITHIN = 30.0


@dataclass
class Birth:
    """What the zygote tells about a sandbox it has started."""

    number: int
    pid: int = 0
    inner: int = 0
    descriptors: list[int] = field(default_factory=list)  # sockets inside, the listener first


class Nursery:
    """One zygote process and the thread that listens to it. Starts another if it dies."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._reviving = threading.Lock()
        self._waiting: dict[int, Future[Birth]] = {}
        self._births: dict[int, Birth] = {}
        self._ends: dict[int, Callable[[int], None]] = {}
        self._holds: dict[int, int] = {}  # a pidfd of the first inner process
        self._closed = False
        self._launch()

    @property
    def pid(self) -> int:
        """The zygote's process id."""
        return self._process.pid

    def start(
        self, body: dict[str, Any], descriptors: list[int], ended: Callable[[int], None]
    ) -> Birth:
        """Start a sandbox. `ended` is called with the exit code, once, from another thread."""
        number = next(self._numbers)
        written = as_file(json.dumps(body).encode())
        try:
            return self._ask("start", number, [written, *descriptors], ended)
        finally:
            os.close(written)

    def sockets(self, number: int, families: list[int]) -> list[int]:
        """Open unconnected sockets inside a sandbox's network."""
        return self._ask("sockets", number, [], None, sockets=families).descriptors

    def kill(self, number: int) -> None:
        """End everything in a sandbox. Returns at once; `ended` is called when it is done."""
        with contextlib.suppress(OSError):
            self._send({"op": "kill", "id": number}, [])

    def close(self) -> None:
        """End every sandbox and the zygote."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
        self._process.wait()
        self._listener.join(timeout=5)
        self._control.close()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here = str(Path(__file__).resolve().parent)
        command = [sys.executable, "-I", "-S", "-c", _BOOT, str(theirs.fileno()), here]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={},
            cwd="/",
            start_new_session=True,
        )
        theirs.close()
        self._control = ours
        self._silent = threading.Event()
        self._listener = threading.Thread(
            target=self._listen, args=(ours, self._silent), daemon=True
        )
        self._listener.start()

    def _revive(self) -> None:
        with self._reviving:
            if self._closed or (self._process.poll() is None and not self._silent.is_set()):
                return
            # The old listener reports the lost sandboxes; after it, numbers mean the new zygote.
            self._listener.join()
            self._process.kill()  # what closed its end may take a moment to be gone
            self._process.wait()
            self._control.close()
            self._launch()

    def _ask(
        self,
        operation: str,
        number: int,
        descriptors: list[int],
        ended: Callable[[int], None] | None,
        **more: object,
    ) -> Birth:
        answer: Future[Birth] = Future()
        self._revive()
        with self._lock:
            if self._closed:
                raise SandboxFailed("The sandbox is closed; make a new one.")
            # Callers of one sandbox ask one at a time (see Run); numbers are never used twice.
            self._waiting[number] = answer
            if ended is not None:
                self._ends[number] = ended
        try:
            self._send({"op": operation, "id": number, **more}, descriptors)
            return answer.result(timeout=_ANSWER_WITHIN)
        except (OSError, TimeoutError) as error:
            self.kill(number)
            raise SandboxFailed(f"The sandbox's helper did not answer: {error}.") from error
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def _send(self, order: dict[str, object], descriptors: list[int]) -> None:
        socket.send_fds(self._control, [json.dumps(order).encode()], descriptors)

    def _listen(self, control: socket.socket, silent: threading.Event) -> None:
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(control, 65536, 64)
            except OSError:
                packet, descriptors = b"", []
            if not packet:
                break
            self._hear(json.loads(packet), list(descriptors))
        silent.set()
        self._lost()

    def _hear(self, event: dict[str, Any], descriptors: list[int]) -> None:
        number = event["id"]
        match event["event"]:
            case "network":
                self._births[number] = Birth(number, descriptors=descriptors)
            case "sockets":
                self._answer(number, Birth(number, descriptors=descriptors))
            case "started":
                birth = self._births.pop(number, Birth(number))
                birth.pid, birth.inner = event["pid"], event["inner"]
                for hold in descriptors:
                    self._holds[number] = hold
                self._answer(number, birth)
            case "failed":
                _close_all(self._births.pop(number, Birth(number)))
                self._refuse(number, event["detail"])
            case "ended":
                self._end(number, event["code"])

    def _answer(self, number: int, birth: Birth) -> None:
        with self._lock:
            answer = self._waiting.pop(number, None)
        if answer is None:  # the caller gave up waiting
            _close_all(birth)
            self.kill(number)
        else:
            answer.set_result(birth)

    def _refuse(self, number: int, detail: str) -> None:
        with self._lock:
            answer = self._waiting.pop(number, None)
        if answer is not None:
            answer.set_exception(SandboxFailed(f"The sandbox could not be set up: {detail}"))

    def _end(self, number: int, code: int) -> None:
        hold = self._holds.pop(number, None)
        if hold is not None:
            os.close(hold)
        with self._lock:
            ended = self._ends.pop(number, None)
        if ended is not None:
            ended(code)

    def _lost(self) -> None:
        """The zygote is gone, and with it every sandbox it held."""
        with self._lock:
            numbers = list(self._ends)
            waiting = list(self._waiting)
        for number in waiting:
            self._refuse(number, "its helper process ended")
        # They die with it, except one that had just been started; that is ended here.
        for hold in self._holds.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(hold, signal.SIGKILL)
        for number in numbers:
            self._end(number, -signal.SIGKILL)


def as_file(content: bytes) -> int:
    """Content as an open descriptor, rewound; the caller closes it."""
    descriptor = os.memfd_create("slipway", os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _close_all(birth: Birth) -> None:
    for descriptor in birth.descriptors:
        os.close(descriptor)
