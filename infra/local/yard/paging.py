"""Relay connections: slices of a list with opaque cursors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from infra.local.yard.errors import BadInput
from infra.local.yard.wire import Args

T = TypeVar("T")


def connection(
    items: Sequence[T],
    args: Args,
    key: Callable[[T], str],
    node: Callable[[T], Any],
) -> dict[str, Any]:
    """The part of `items` that first/after/last/before ask for; `key` makes the cursors."""
    keys = [key(one) for one in items]
    low, high = 0, len(items)
    if after := args.get("after"):
        low = _position(keys, after) + 1
    if before := args.get("before"):
        high = _position(keys, before)
    more_after = high < len(items)
    first, last = args.get("first"), args.get("last")
    if first is not None:
        more_after = more_after or low + first < high
        high = min(high, low + max(0, first))
    if last is not None:
        low = max(low, high - max(0, last))
    edges = [
        {"cursor": _encode(keys[n]), "node": node(items[n])} for n in range(low, max(low, high))
    ]
    end = edges[-1]["cursor"] if edges else None
    return {"edges": edges, "pageInfo": {"hasNextPage": more_after, "endCursor": end}}


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _position(keys: Sequence[str], cursor: str) -> int:
    try:
        return keys.index(base64.urlsafe_b64decode(cursor).decode())
    except (binascii.Error, ValueError) as exc:
        raise BadInput("Invalid cursor") from exc
