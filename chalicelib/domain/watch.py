"""Which paths of a repository matter to an agent: patterns as in a .gitignore file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
        if watched is negated and _matches(pattern.removeprefix("!"), path):
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
    return None


def _matches(pattern: str, path: str) -> bool:
    """As git reads it: a slash inside ties it to the top, one at the end means a folder, and a
    name that matches a folder matches all that is in it.

    Each part is tried once at each place, so that no pattern takes long, however it is made.
    """
    names = path.split("/")
    parts = pattern.strip("/").split("/")
    if "/" not in pattern.rstrip("/"):
        parts = ["**", *parts]
    reached = {0}
    for index, part in enumerate(parts):
        if part != "**":
            reached = {at + 1 for at in reached if at < len(names) and _fits(part, names[at])}
        elif index == len(parts) - 1:
            return bool(reached) and min(reached) < len(names) - pattern.endswith("/")
        elif reached:
            reached = set(range(min(reached), len(names) + 1))
    inside = any(at < len(names) for at in reached)
    return inside or (len(names) in reached and not pattern.endswith("/"))


def _fits(part: str, name: str) -> bool:
    """Whether `*` and `?` make the name of it: the last star alone ever takes more."""
    at = here = 0
    star, tried = -1, 0
    while here < len(name):
        if at < len(part) and part[at] == "*":
            star, tried = at, here
            at += 1
        elif at < len(part) and part[at] in ("?", name[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            tried += 1
            at, here = star + 1, tried
        else:
            return False
    return not part[at:].strip("*")
