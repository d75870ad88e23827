"""Keyring: the keys in one parameter. The first signs or seals, all of them verify or open.

A ring is read again when it is some minutes old, and at once when a key is asked for that it does
not hold, but then at most twice a minute: anybody can name a key that does not exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from chalicelib.errors import Unavailable

K = TypeVar("K")
RING_SECONDS = 300.0
UNKNOWN_SECONDS = 30.0


class Keyring(Generic[K]):
    """`read` fetches the parameter anew; `parse` makes of it the keys by their ids, in order."""

    def __init__(
        self,
        read: Callable[[], str],
        parse: Callable[[str], Mapping[str, K]],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._parse = parse
        self._now = now
        self._keys: Mapping[str, K] = {}
        self._read_at = 0.0

    def first(self) -> tuple[str, K]:
        """The id and the key to sign or seal with."""
        self._refresh(RING_SECONDS)
        return next(iter(self._keys.items()))

    def find(self, key_id: str) -> K | None:
        """The key of this id, if there is one."""
        self._refresh(RING_SECONDS)
        if key_id not in self._keys:
            self._refresh(UNKNOWN_SECONDS)
        return self._keys.get(key_id)

    def _refresh(self, after: float) -> None:
        if self._keys and self._now() - self._read_at < after:
            return
        try:
            self._keys = self._parse(self._read())
        except Unavailable:
            if not self._keys:
                raise
            # What was read before is still good; asking again has time.
        self._read_at = self._now()
