"""Which paths of a repository matter to an agent: patterns as in a .gitignore file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from chalicelib.errors import FieldError, Invalid

MAX_PATTERNS = 50
_LONGEST = 200


def checked_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    """The patterns, if all can be read; raises Invalid naming each that cannot."""
    faults = [
        FieldError(f"watch[{index}]", fault)
        for index, pattern in enumerate(patterns)
        if (fault := _fault(pattern))
    ]
    if len(patterns) > MAX_PATTERNS:
        faults.append(FieldError("watch", f"At most {MAX_PATTERNS} patterns."))
    if not faults and patterns and all(p.startswith("!") for p in patterns):
        faults.append(FieldError("watch", "Patterns that only exclude match nothing. Add **."))
    if faults:
        raise Invalid("These watch paths cannot be used.", errors=tuple(faults))
    return tuple(patterns)


def is_watched(path: str, root: str, patterns: Sequence[str]) -> bool:
    """Whether a change of this file concerns the agent. Patterns count from the top of the
    repository, the last that matches decides; without any, everything below `root` matters."""
    if not patterns:
        return not root or path.startswith(f"{root}/")
    watched = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        if watched is negated and _compiled(pattern.removeprefix("!")).fullmatch(path):
            watched = not negated
    return watched


def first_watched(paths: Iterable[str], root: str, patterns: Sequence[str]) -> str | None:
    """One of the paths that matters, or None."""
    return next((path for path in paths if is_watched(path, root, patterns)), None)


def _fault(pattern: str) -> str | None:
    if not pattern.strip("!/ ") or len(pattern) > _LONGEST or not pattern.isprintable():
        return f"A pattern has 1 to {_LONGEST} printable characters: agents/echo/**"
    if ".." in pattern.removeprefix("!").split("/"):
        return "A pattern stays inside the repository: it cannot contain .."
    if pattern.count("*") > 12:
        return "At most 12 stars in a pattern."
    return None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    """As git reads it: a slash inside ties it to the top, one at the end means a folder, and a
    name that matches a folder matches all that is in it."""
    anchored = "/" in pattern.rstrip("/")
    parts = pattern.strip("/").split("/")
    text = "" if anchored else "(?:[^/]+/)*"
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            text += "(?:.+)" if last else "(?:[^/]+/)*"
        else:
            text += _segment(part) + ("" if last else "/")
    if parts[-1] != "**":
        text += "/.+" if pattern.endswith("/") else "(?:/.+)?"
    return re.compile(text, re.DOTALL)


def _segment(part: str) -> str:
    text = re.sub(r"\*+", "*", part)
    return "".join("[^/]*" if c == "*" else "[^/]" if c == "?" else re.escape(c) for c in text)
