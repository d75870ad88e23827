"""What a program prints, line by line: any bytes, any amount, never in its way."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable

from infra.build.masking import Masker

_BLOCK = 65_536
_LONGEST_PIECE = 8192
_LONGEST_LINE = 1_048_576
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Output:
    """A pipe for a program to write to; a thread hands its lines on, masked.

    When `full` says that nobody listens any more, what comes is read and dropped undecoded,
    except the end of it, which a diagnosis will want.
    """

    def __init__(
        self,
        on_line: Callable[[str], None],
        masker: Masker,
        *,
        full: Callable[[], bool] = lambda: False,
    ) -> None:
        self.tail: deque[str] = deque(maxlen=400)
        self._on_line = on_line
        self._masker = masker
        self._full = full
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._pump, name="output", daemon=True)
        self._thread.start()

    def detach(self) -> None:
        """The program has its end of the pipe now; ours is closed so that its end is seen."""
        os.close(self.write_end)

    def finish(self, patience: float = 2.0) -> None:
        """Waits for the last lines, but not for a left-over process that keeps the pipe open."""
        self._thread.join(patience)

    def _pump(self) -> None:
        buffer = b""
        with os.fdopen(self._read_end, "rb", buffering=0) as source:
            while block := source.read(_BLOCK):
                buffer += block
                if self._full():
                    buffer = buffer[-_BLOCK:]
                    continue
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._hear(line)
                if len(buffer) > _LONGEST_LINE:
                    # The parts overlap by a secret's length, so that the cut hides none of one.
                    self._hear(buffer)
                    buffer = buffer[len(buffer) - self._masker.longest :]
        for line in buffer.split(b"\n"):
            self._hear(line)

    def _hear(self, raw: bytes) -> None:
        if not raw:
            return
        text = raw.decode("utf-8", "replace").rstrip("\r")
        if "\r" in text:
            text = text.rpartition("\r")[2]  # a progress bar: its last state
        if "\x1b" in text:
            text = _ESCAPES.sub("", text)
        text = self._masker(_CONTROL.sub("\ufffd", text))
        for start in range(0, len(text), _LONGEST_PIECE):
            piece = text[start : start + _LONGEST_PIECE]
            self.tail.append(piece)
            self._on_line(piece)
