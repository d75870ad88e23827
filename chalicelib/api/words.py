"""Knows how to tell people what is wrong with a field of theirs, and what may stand there."""

from __future__ import annotations

import re
from collections.abc import Sequence, Sized
from typing import Any

from pydantic import StringConstraints
from pydantic_core import ErrorDetails

from chalicelib.errors import FieldError

#: What all lists say that are given another cursor than theirs.
CURSOR_BACK = "Send back next_cursor as it came, or leave it out."

MOST_NAMED = 5
LONGEST_NAME = 80

_ALLOWED: dict[str, str] = {}

_KINDS = {
    "missing": "This is needed; add it.",
    "extra_forbidden": "There is no such field here; leave it out.",
    "none_required": "Leave this empty.",
    "model_type": "Send an object with fields.",
    "model_attributes_type": "Send an object with fields.",
    "dict_type": "Send an object with names and values.",
    "list_type": "Send a list.",
    "finite_number": "Give a number that ends.",
    "timezone_aware": "Name the time zone as well, as in 2030-01-31T12:00:00Z.",
    "string_unicode": "This has characters that cannot be read; write it as UTF-8.",
}
# The beginnings of the names of all kinds that say: of another type.
_TYPES = {
    "string": "Give a text.",
    "int": "Give a whole number.",
    "float": "Give a number.",
    "bool": "Say true or false.",
    "datetime": "Give a time such as 2030-01-31T12:00:00Z.",
    "date": "Give a day such as 2030-01-31.",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "Give a number of at least {}."),
    "greater_than": ("gt", "Give a number above {}."),
    "less_than_equal": ("le", "Give a number of at most {}."),
    "less_than": ("lt", "Give a number below {}."),
}


def written(
    pattern: str, allowed: str, *, min_length: int | None = None, max_length: int | None = None
) -> StringConstraints:
    """A text that keeps to a pattern. `allowed` is what people hear who did not keep to it."""
    if _ALLOWED.setdefault(pattern, allowed) != allowed:
        raise ValueError(f"Two sentences for one pattern: {pattern}")
    return StringConstraints(pattern=pattern, min_length=min_length, max_length=max_length)


def one_line(most: int) -> StringConstraints:
    """A line that may be empty, without what is not seen or turns around what is."""
    return written(
        r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$",
        "Write one line, without characters that are not seen or turn the text around.",
        max_length=most,
    )


def filled_line(most: int) -> StringConstraints:
    """A line that has something in it."""
    return written(
        r"^[^\x00-\x1f]+$",
        "Write one line, without characters that are not seen.",
        min_length=1,
        max_length=most,
    )


def explained(pattern: str) -> bool:
    """Whether there are words for a pattern."""
    return pattern in _ALLOWED


def sentence(error: ErrorDetails) -> str:
    """What one fault that pydantic found says to a person."""
    kind = error["type"]
    about: dict[str, Any] = error.get("ctx", {})
    if kind == "value_error":
        return str(about["error"])
    if kind == "string_pattern_mismatch":
        return _ALLOWED.get(about["pattern"], "This has a character that it may not have.")
    if kind in ("enum", "literal_error"):
        return f"Use {_plain(about['expected'])}."
    if kind in _BOUNDS:
        limit, told = _BOUNDS[kind]
        return told.format(about[limit])
    if kind in ("string_too_short", "too_short"):
        return _too_short(kind, int(about["min_length"]))
    if kind in ("string_too_long", "too_long"):
        return _too_long(kind, int(about["max_length"]), error["input"])
    if kind in _KINDS:
        return _KINDS[kind]
    of_type = _TYPES.get(kind.partition("_")[0])
    return of_type or re.sub(r"^(Input|Value|Data) ", "This ", str(error["msg"])).rstrip(".") + "."


def place(error: ErrorDetails) -> str:
    """The field's name as it was sent; empty when the whole is meant."""
    return ".".join(str(part) for part in error["loc"] if part != "[key]")


def told(faults: Sequence[FieldError]) -> str:
    """All of a request's faults in one sentence, for who sees no fields."""
    if len(faults) == 1:
        return f"{faults[0].field[:LONGEST_NAME]}: {faults[0].detail}"
    names = list(dict.fromkeys(fault.field[:LONGEST_NAME] for fault in faults))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"Not as it must be: {', '.join(names[:MOST_NAMED])}{more}."


def _plain(choices: Any) -> str:
    """`'a', 'b' or 'c'` without the quotes."""
    return str(choices).replace("'", "")


def _too_short(kind: str, least: int) -> str:
    if kind == "too_short":
        return f"Give at least {_counted(least, 'entry', 'entries')}."
    if least == 1:
        return "This may not be empty."
    return f"Use at least {_counted(least, 'character', 'characters')}."


def _too_long(kind: str, most: int, given: Any) -> str:
    here = f"; there are {len(given)}" if isinstance(given, Sized) else ""
    if kind == "too_long":
        return f"Give at most {_counted(most, 'entry', 'entries')}{here}."
    return f"Use at most {_counted(most, 'character', 'characters')}{here}."


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
