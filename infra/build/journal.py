"""The journal knows everything a build has said so far, and carries it to S3 in the background.

Lines become numbered chunks, the report is rewritten whole; a slow or failing S3 never holds up
the build. Only `close` waits, because a build that ends must have been heard.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO

from infra.build.masking import Masker

Level = Literal["info", "warn", "error"]
Put = Callable[[str, bytes, str], None]
"""Stores (name below the output prefix, body, content type)."""

_EVERY_SECONDS = 0.25
_CHUNK_BYTES = 1024 * 1024
_PATIENCE_SECONDS = 20.0
_RESERVE_BYTES = 65_536


class Journal:
    """Log and report of one build. Safe to use from any thread."""

    def __init__(
        self,
        put: Put,
        masker: Masker,
        *,
        log_bytes: int,
        echo: TextIO | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.masker = masker
        self._put = put
        self._room = log_bytes
        self._echo = echo
        self._now = now
        self._lock = threading.Condition()
        self._lines: list[bytes] = []
        self._report: bytes | None = None
        self._closing = False
        self._full = False
        self._lost = ""
        self._sent_at = 0.0
        self._step = "fetch"
        self._thread = threading.Thread(target=self._carry, name="journal", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether the log has reached its limit, so that readers can stop decoding output."""
        return self._full

    def enter(self, step: str) -> None:
        """What follows belongs to this step."""
        self._step = step

    def info(self, message: str) -> None:
        """Say what is being done."""
        self.write("info", message)

    def warn(self, message: str) -> None:
        """Say what a person should look at."""
        self.write("warn", message)

    def error(self, message: str) -> None:
        """Say why it ends. Still heard when the log is full."""
        self.write("error", message, ours=True)

    def write(self, level: Level, message: str, *, ours: bool = False) -> None:
        """One line. Lines of other programs stop at the limit; ours have a reserve."""
        line = {
            "timestamp": stamp(self._now()),
            "level": level,
            "step": self._step,
            "message": self.masker(message),
        }
        record = json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            if self._full and not (ours and self._room + _RESERVE_BYTES > len(record)):
                return
            self._room -= len(record)
            if not self._full and self._room < 0:
                self._full = True
                line["level"] = "warn"
                line["message"] = "The log has reached its size limit; what follows is left out."
                record = json.dumps(line).encode() + b"\n"
            self._lines.append(record)
            self._say(line)
            self._lock.notify()

    def report(self, record: dict[str, Any]) -> None:
        """The report as it is now; an older one that was not sent yet is dropped."""
        body = json.dumps(self.masker.deep(record), ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            self._report = body.encode("utf-8", "replace")
            self._lock.notify()

    def close(self) -> bool:
        """Send what is left; False when S3 did not take it all."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(_PATIENCE_SECONDS)
        if self._lost or self._thread.is_alive():
            print(f"The log could not be stored: {self._lost or 'no answer'}", file=sys.stderr)
            return False
        return True

    def _say(self, line: dict[str, str]) -> None:
        if self._echo is not None:
            print(f"[{line['step']}] {line['message']}", file=self._echo)

    def _carry(self) -> None:
        number = 1
        chunk = b""
        give_up_at: float | None = None
        while True:
            chunk, report, closing = self._next(chunk)
            if not chunk and report is None:
                return
            try:
                if chunk:
                    self._put(f"build-log/{number:06d}.jsonl", chunk, "application/x-ndjson")
                    number += 1
                    chunk = b""
                if report is not None:
                    self._put("report.json", report, "application/json")
                self._sent_at = time.monotonic()
            except Exception as error:  # noqa: BLE001 - whatever S3 says, the build goes on
                self._keep(report)
                if closing:
                    give_up_at = give_up_at or time.monotonic() + _PATIENCE_SECONDS / 2
                    if time.monotonic() > give_up_at:
                        self._lost = str(error) or type(error).__name__
                        return
                time.sleep(0.2)

    def _next(self, chunk: bytes) -> tuple[bytes, bytes | None, bool]:
        """Waits for something to send; nothing at all means that everything was sent."""
        with self._lock:
            self._lock.wait_for(
                lambda: self._lines or self._report is not None or chunk or self._closing
            )
            # The first line goes at once, so that a person sees the build begin; later ones
            # gather for a moment. A change of step does not wait.
            pause = self._sent_at + _EVERY_SECONDS - time.monotonic()
            if pause > 0:
                self._lock.wait_for(lambda: self._closing or self._report is not None, pause)
            chunk = chunk or self._take()
            report = None
            if not (self._closing and self._lines):  # the last report comes after the last line
                report, self._report = self._report, None
            return chunk, report, self._closing

    def _keep(self, report: bytes | None) -> None:
        with self._lock:
            if self._report is None:
                self._report = report

    def _take(self) -> bytes:
        size = 0
        count = 0
        for line in self._lines:
            if count and size + len(line) > _CHUNK_BYTES:
                break
            size += len(line)
            count += 1
        chunk = b"".join(self._lines[:count])
        del self._lines[:count]
        return chunk


def stamp(seconds: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    whole, fraction = divmod(seconds, 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int(fraction * 1000):03d}Z"
