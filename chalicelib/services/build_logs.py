"""Reading a build log: numbered chunks in the artifact store, followed by an opaque cursor."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from chalicelib.domain.masking import Masker
from chalicelib.errors import FieldError, Invalid
from chalicelib.ports import Artifacts, LogLine

_CURSOR = re.compile(r"(\d{6})\.(\d{1,7})")


def read_build_log(
    artifacts: Artifacts,
    prefix: str,
    cursor: str | None,
    limit: int,
    mask: Masker,
) -> tuple[list[LogLine], str | None]:
    """At most `limit` masked lines after the cursor, and the cursor to go on from."""
    chunk, offset = _position(cursor)
    folder = f"{prefix}build-log/"
    # The chunk before is listed again: the reader may have stopped in its middle.
    after = f"{folder}{chunk - 1:06d}.jsonl" if chunk > 0 else None
    lines: list[LogLine] = []
    for key in artifacts.keys(folder, after=after, limit=100):
        number = int(key.rsplit("/", 1)[-1].removesuffix(".jsonl"))
        if number < chunk:
            continue
        found = _lines(artifacts.read(key) or b"")
        start = offset if number == chunk else 0
        taken = found[start : start + limit - len(lines)]
        lines += taken
        chunk, offset = number, start + len(taken)
        if len(lines) >= limit:
            break
    lines = [replace(line, message=mask(line.message)) for line in lines]
    return lines, f"{chunk:06d}.{offset}" if chunk or offset else None


def _lines(body: bytes) -> list[LogLine]:
    records = (json.loads(line) for line in body.splitlines() if line.strip())
    return [
        LogLine(
            record["timestamp"],
            record.get("level", "info"),
            record["message"],
            record.get("step"),
        )
        for record in records
    ]


def _position(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise Invalid(
            "This is not a cursor of this log.",
            code="cursor_invalid",
            errors=(FieldError("cursor", "Send back next_cursor as it came, or leave it out."),),
        )
    return int(match[1]), int(match[2])
