"""Opaque, time-ordered ids with a short prefix that says what they name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

Prefix = Literal[
    "agt", "dep", "dlv", "hok", "idn", "inv", "org", "rep", "ses", "shr", "tok", "usr", "ver"
]
_SHAPE = re.compile(r"(agt|dep|dlv|hok|idn|inv|org|rep|ses|shr|tok|usr|ver)_[0-9a-hjkmnp-tv-z]{26}")


def new_id(prefix: Prefix) -> str:
    """`agt_01k…`: a ULID in lower case, so that key order is time order."""
    if _source:
        return f"{prefix}_{_source[0]()}"
    from ulid import ULID  # noqa: PLC0415 - reads need no new id, and pay nothing for it

    return f"{prefix}_{str(ULID()).lower()}"


def draw_from(source: Callable[[], str] | None) -> None:
    """Where the 26 characters come from instead: how a simulation repeats itself."""
    _source[:] = [source] if source else []


_source: list[Callable[[], str]] = []


def is_id(text: str, prefix: Prefix) -> bool:
    """True for a well-formed id of this kind; anything else cannot exist."""
    return text.startswith(f"{prefix}_") and _SHAPE.fullmatch(text) is not None
