"""What every state machine here shares: a table is the whole truth about its transitions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from chalicelib.errors import Conflict

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def next_state(table: Mapping[tuple[S, E], S], state: S, event: E, *, noun: str) -> S:
    """The state after `event`. A pair that is not in the table raises Conflict."""
    try:
        return table[(state, event)]
    except KeyError:
        raise Conflict(
            f"This {noun} is {state}; it cannot take the event {event}.",
            code=f"{noun}_state",
        ) from None
