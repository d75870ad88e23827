"""A request that arrives twice with one Idempotency-Key is done once and answered twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.idempotency import Remembered
from chalicelib.errors import ChangedMeanwhile, Conflict, Invalid
from chalicelib.ports import Clock, Delete, Put, Store
from chalicelib.values import frozen

KEPT = timedelta(days=1)
AT_WORK = timedelta(seconds=60)
MAX_KEY = 255


@frozen
class Done:
    """An answer, and whether it is a repeated one."""

    status: int
    body: str
    repeated: bool


class Idempotency:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def once(
        self, org_id: str, key: str, request: bytes, work: Callable[[], tuple[int, str]]
    ) -> Done:
        """Does the work, or answers as it was answered before. Failed work is forgotten."""
        if not key.isascii() or not key.isprintable() or len(key) > MAX_KEY:
            raise Invalid("An Idempotency-Key is 1 to 255 printable ASCII characters.")
        now = self._clock.now()
        begun = Remembered(
            org_id=org_id,
            key=hashlib.sha256(key.encode()).hexdigest(),
            fingerprint=hashlib.sha256(request).hexdigest(),
            created_at=now,
            expires_at=now + KEPT,
        )
        try:
            self._store.commit(Put(begun))
        except ChangedMeanwhile:
            found = self._before(begun)
            if found is not None:
                return found
            raise Conflict(
                "The first request with this Idempotency-Key is still at work. Ask again in a "
                "moment.",
                code="idempotency_in_progress",
                retry_after=1,
            ) from None
        try:
            status, body = work()
        except BaseException:
            self._store.commit(Delete(begun))
            raise
        self._store.commit(Put(replace(begun, status=status, body=body, revision=2)))
        return Done(status, body, repeated=False)

    def _before(self, begun: Remembered) -> Done | None:
        found = self._store.get(Remembered, begun.org_id, begun.key)
        if found is None:
            return None
        if found.fingerprint != begun.fingerprint:
            raise Invalid(
                "This Idempotency-Key was used for another request. Use a new key for each "
                "request you mean.",
                code="idempotency_mismatch",
            )
        if found.status:
            return Done(found.status, found.body, repeated=True)
        if self._clock.now() - found.created_at > AT_WORK:
            # Whoever began is gone without an answer; the next try may begin again.
            self._store.commit(Delete(found))
        return None
