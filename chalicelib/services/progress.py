"""How a version moves on: each transition with its history, whoever else moves it meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.domain.audit import AuditEvent
from chalicelib.domain.versions import Version, VersionEvent
from chalicelib.errors import ChangedMeanwhile, Conflict, NotFound
from chalicelib.ports import Clock, Put, Store
from chalicelib.services.audit import Audit
from chalicelib.services.history import item

_TRIES = 5


class Progress:
    def __init__(self, *, store: Store, audit: Audit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    def move(
        self,
        version: Version,
        event: VersionEvent,
        *,
        actor: str = "slipway",
        by: AuditEvent | None = None,
        **changes: Any,
    ) -> Version:
        """Commits the transition with its history item; a lost race is looked at again."""
        for _ in range(_TRIES):
            moved = version.after(event, self._clock.now(), **changes)
            if moved is version:
                return version
            written = (Put(moved), Put(item(moved, event.value, actor)))
            try:
                if by is None:
                    self._store.commit(*written)
                else:
                    self._audit.commit(by, *written)
            except ChangedMeanwhile:
                version = self._reread(version)
                continue
            return moved
        raise Conflict("This version is changing too fast; try again.")

    def note(self, version: Version, **changes: Any) -> Version:
        """Commits changes that leave the state as it is; a version that has ended stays as it was
        if somebody else changed it first."""
        for _ in range(_TRIES):
            noted = replace(
                version,
                updated_at=self._clock.now(),
                revision=version.revision + 1,
                **changes,
            )
            try:
                self._store.commit(Put(noted))
            except ChangedMeanwhile:
                version = self._reread(version)
                if version.state.is_final:
                    return version
                continue
            return noted
        raise Conflict("This version is changing too fast; try again.")

    def _reread(self, version: Version) -> Version:
        found = self._store.get(Version, version.org_id, version.id)
        if found is None:
            raise NotFound("This version is gone.")
        return found
