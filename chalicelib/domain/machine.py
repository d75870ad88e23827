"""What every state machine here shares: a table is the whole truth about its transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from chalicelib.errors import Conflict

T = TypeVar("T")
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


def successor(
    entity: T, table: Mapping[tuple[S, E], S], event: E, at: datetime, *, noun: str, **changes: Any
) -> T:
    """The entity's next revision, or this same object when the event is repeated or late."""
    known: Any = entity
    state = next_state(table, known.state, event, noun=noun)
    if state is known.state:
        return entity
    following: T = replace(
        known,
        state=state,
        updated_at=at,
        revision=known.revision + 1,
        timings={**known.timings, state.value: at.isoformat()},
        **changes,
    )
    return following
