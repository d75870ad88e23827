"""Writing the audit log: a record joins the transaction of the change it is about."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.audit import AuditEvent, AuditHead, AuditRecord, append
from chalicelib.errors import ChangedMeanwhile, PlatformError, Unavailable
from chalicelib.ports import Change, Clock, Put, Store
from chalicelib.telemetry import logger, trace_id

_TRIES = 60
_LONGEST_PAUSE = 0.2


class Audit:
    def __init__(self, *, store: Store, clock: Clock, kept: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._kept = kept

    def commit(self, event: AuditEvent, *changes: Change) -> AuditRecord:
        """Commits the changes and the record of them, whole or not at all.

        Raises ChangedMeanwhile as the store does when one of the changes lost a race (its `lost`
        counts the changes as given); when only the chain's head has moved on, it is tried again.
        """
        event = event if event.trace_id else replace(event, trace_id=trace_id())
        for attempt in range(_TRIES):
            head = self._store.get(AuditHead, event.org_id) or AuditHead(event.org_id)
            now = self._clock.now()
            record, following = append(head, event, now=now, expires_at=now + self._kept)
            try:
                self._store.commit(*changes, Put(record), Put(following))
            except ChangedMeanwhile as race:
                if any(position < len(changes) for position in race.lost):
                    raise
                pause = min(_LONGEST_PAUSE, 0.005 * 2 ** min(attempt, 8))
                self._clock.sleep(random.uniform(0, pause))  # noqa: S311 - spreads writers
                continue
            return record
        raise Unavailable(
            "Too much is changing in this organisation at once. Nothing was changed; try again in "
            "a moment.",
            retry_after=2,
        )

    def note(self, event: AuditEvent) -> None:
        """Records what changed nothing: something refused or denied. The refusal stands even if
        it cannot be recorded; then the log says so."""
        try:
            self.commit(event)
        except PlatformError as error:
            logger.error(
                "not recorded in the audit log",
                extra={"action": event.action.value, "org_id": event.org_id, "why": error.detail},
            )
