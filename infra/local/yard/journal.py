"""The logs of one deployment: append-only files with caps, readable after a crash."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from infra.local.yard import clock

LINE_LIMIT = 32_768
STAMP = slice(6, 36)
"""Where the timestamp stands in every stored line: {"t":"2026-11-22T10:00:00.000000000Z",…"""
SEVERITIES = {"trace": "debug", "warning": "warn", "critical": "error", "fatal": "error"}


@dataclass(frozen=True)
class Line:
    """One log line."""

    timestamp: str
    severity: str
    message: str
    attributes: Mapping[str, Any]
    replica: str


class Journal:
    """Writes one log; every line gets a timestamp later than the one before."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._file: IO[bytes] | None = None
        self._size = 0
        self._last = 0

    def write(
        self,
        message: str,
        severity: str = "info",
        attributes: Mapping[str, Any] | None = None,
        replica: str = "",
    ) -> None:
        """Appends a line."""
        # A clock set back must not put lines before those that readers have seen already.
        self._last = max(int(clock.seconds() * 1e9), self._last + 1)
        record = {
            "t": stamp(self._last),
            "s": severity,
            "m": message[:LINE_LIMIT],
            "a": dict(attributes or {}),
            "r": replica,
        }
        self._append(json.dumps(record, separators=(",", ":")).encode() + b"\n")

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
            self._size = self._path.stat().st_size
        self._file.write(data)
        self._size += len(data)
        # Two files of half the limit each: the older half is what a full log loses.
        if self._size > self._limit // 2:
            self.close()
            self._path.replace(older(self._path))

    def close(self) -> None:
        """Lets go of the file; a later line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None


def older(path: Path) -> Path:
    """The file a full log is moved to."""
    return path.with_suffix(".older")


def stamp(nanoseconds: int) -> str:
    """A log timestamp, fixed width so that text order is time order."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def widen(moment: str, fill: str = "0") -> str:
    """A moment as a client writes it, made comparable with log timestamps."""
    body = moment.removesuffix("Z")
    whole, _, fraction = body.partition(".")
    return f"{whole}.{fraction[:9]:{fill}<9}Z"


def read(
    path: Path,
    *,
    limit: int,
    start: str | None = None,
    end: str | None = None,
    matching: str = "",
) -> list[Line]:
    """Lines in the order of time. With a `start` the first ones from there, else the last ones."""
    wanted = _filter(matching)
    found: list[Line] = []
    forward = start is not None
    files = [one for one in (older(path), path) if one.exists()]
    for file in files if forward else reversed(files):
        lines = _forward(file, start or "") if forward else _backward(file)
        for raw in lines:
            at = raw[STAMP].decode()
            if start is not None and at < start:
                continue
            if end is not None and at > end:
                if forward:
                    break
                continue
            line = _decode(raw)
            if line is not None and wanted(line):
                found.append(line)
                if len(found) >= limit:
                    return found if forward else found[::-1]
    return found if forward else found[::-1]


def _decode(raw: bytes) -> Line | None:
    try:
        record = json.loads(raw)
        return Line(record["t"], record["s"], record["m"], record["a"], record["r"])
    except (ValueError, KeyError):  # a line cut short by a kill
        return None


def _forward(path: Path, start: str) -> Iterator[bytes]:
    """Lines from the first one at or after `start`, found by halving."""
    with path.open("rb") as file:
        low, high = 0, file.seek(0, os.SEEK_END)
        while high - low > 1 << 16:
            middle = (low + high) // 2
            file.seek(middle)
            file.readline()
            raw = file.readline()
            if raw and raw[STAMP].decode(errors="replace") < start:
                low = middle
            else:
                high = middle
        file.seek(low)
        if low:
            file.readline()
        yield from file


def _backward(path: Path) -> Iterator[bytes]:
    """Lines from the end, reading no more than is asked for."""
    block = 1 << 16
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        rest = b""
        while at > 0:
            size = min(block, at)
            at -= size
            file.seek(at)
            lines = (file.read(size) + rest).split(b"\n")
            rest = lines[0]
            yield from (one for one in reversed(lines[1:]) if one)
        if rest:
            yield rest


def _filter(text: str) -> Any:
    """Railway's filter language, as far as words, quoted text, levels, AND and a leading minus."""
    tests: list[tuple[bool, str, str]] = []
    for word in _words(text):
        keep = not word.startswith("-")
        bare = word.removeprefix("-")
        if bare == "AND":
            continue
        if bare.startswith("@level:"):
            tests.append((keep, "level", bare.removeprefix("@level:").lower()))
        else:
            tests.append((keep, "text", bare.strip('"').lower()))

    def passes(line: Line) -> bool:
        return all(
            keep == (line.severity == value if kind == "level" else value in line.message.lower())
            for keep, kind, value in tests
        )

    return passes


def _words(text: str) -> Iterator[str]:
    word, quoted = "", False
    for char in text:
        if char == '"':
            quoted = not quoted
        if char.isspace() and not quoted:
            if word:
                yield word
            word = ""
        else:
            word += char
    if word:
        yield word


class Pump(asyncio.Protocol):
    """Carries one output stream of a process into the journal, at a bounded rate."""

    def __init__(self, journal: Journal, severity: str, replica: str, rate: Rate) -> None:
        self._journal = journal
        self._severity = severity
        self._replica = replica
        self._rate = rate
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with what came out of the pipe."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LINE_LIMIT:
            lines.append(self._rest)
            self._rest = b""
        for raw in lines:
            if self._rate.allows(self._journal, self._replica):
                self._line(raw)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        """The last words of a process often lack their newline."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""
        self._rate.report(self._journal, self._replica)

    def _line(self, raw: bytes) -> None:
        text = raw[:LINE_LIMIT].decode(errors="replace").rstrip("\r")
        severity, message, attributes = parse_line(text, self._severity)
        self._journal.write(message, severity, attributes, self._replica)


class Rate:
    """At most so many lines a second from one replica; the rest is dropped and counted."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._used = 0
        self._dropped = 0

    def allows(self, journal: Journal, replica: str) -> bool:
        """Whether one more line fits into this second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._used = second, 0
            self.report(journal, replica)
        if self._used >= self._per_second:
            self._dropped += 1
            return False
        self._used += 1
        return True

    def report(self, journal: Journal, replica: str) -> None:
        """Says in the log itself what is missing from it."""
        if self._dropped:
            journal.write(
                f"More than {self._per_second} log lines a second. Lines dropped: {self._dropped}",
                "warn",
                replica=replica,
            )
            self._dropped = 0


def parse_line(text: str, severity: str) -> tuple[str, str, Mapping[str, Any]]:
    """Severity, message and attributes; a line that is a JSON object brings its own."""
    if text.startswith("{") and text.endswith("}"):
        try:
            record = json.loads(text)
        except ValueError:
            return severity, text, {}
        message = record.pop("message", record.pop("msg", None))
        level = record.pop("level", record.pop("severity", None))
        if isinstance(message, str):
            if isinstance(level, str):
                severity = SEVERITIES.get(level.lower(), level.lower())
            return severity, message, record
    return severity, text, {}
