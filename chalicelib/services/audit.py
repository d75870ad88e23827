"""The audit log: a record joins the transaction of the change it is about; reading and proving it.

Checkpoints (sequence and hash, in the name of an object that the platform may write but not
remove) are kept outside the table. Whoever could rewrite the whole table could not rewrite those.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.audit import (
    BLOCK,
    GENESIS,
    Audited,
    AuditEvent,
    AuditHead,
    AuditRecord,
    Break,
    append,
    block_of,
    first_break,
    unreadable,
)
from chalicelib.domain.tenancy import Action, Principal, User
from chalicelib.errors import (
    ChangedMeanwhile,
    Damaged,
    FieldError,
    Invalid,
    PlatformError,
    Unavailable,
)
from chalicelib.ports import AUDIT, Artifacts, Change, Clock, Put, Store
from chalicelib.telemetry import logger, trace_id
from chalicelib.values import frozen

CHECKPOINT_EVERY = 100
VERIFIED_AT_ONCE = 5000
EXPORTED_AT_ONCE = 1000
_EXPORTED_BYTES = 4_000_000
_SCANNED_AT_ONCE = 2000
_TRIES = 60
_LONGEST_PAUSE = 0.2
_ANCHOR = re.compile(r"(\d{1,12}):([0-9a-f]{64})?")


@frozen
class Wanted:
    """Which records are looked for; None: any."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    result: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, record: AuditRecord) -> bool:
        return (
            self.actor in (None, record.actor, record.token_id)
            and (self.action is None or _fits(self.action, record.action))
            and self.subject in (None, record.subject)
            and self.result in (None, record.result)
            and (self.until is None or record.at <= self.until)
        )


@frozen
class Verdict:
    """How far the chain was followed, and the first place where it does not hold.

    `anchor` is the last sound record's sequence and hash. Whoever keeps it can prove later that
    the log up to there is still the same.
    """

    checked: int
    last: int
    broken: Break | None
    anchor: str
    next: str | None


class Audit:
    def __init__(
        self, *, store: Store, artifacts: Artifacts, clock: Clock, kept: timedelta
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._clock = clock
        self._kept = kept

    # --- writing --------------------------------------------------------------------------

    def commit(self, event: AuditEvent, *changes: Change) -> AuditRecord:
        """Commits the changes and the record of them, whole or not at all.

        Raises ChangedMeanwhile as the store does when one of the changes lost a race (its `lost`
        counts the changes as given); when only the chain's head has moved on, it is tried again.
        """
        event = event if event.trace_id else replace(event, trace_id=trace_id())
        for attempt in range(_TRIES):
            head = self._head(event.org_id)
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
            if record.sequence % CHECKPOINT_EVERY == 0:
                self._keep(record.org_id, record.sequence, record.hash)
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

    # --- reading --------------------------------------------------------------------------

    def page(
        self, principal: Principal, wanted: Wanted, *, limit: int, after: str | None
    ) -> tuple[list[AuditRecord], str | None]:
        """The newest records that fit, and where to go on. A page may hold fewer than `limit`
        although more follow: only so many records are looked at for one page."""
        principal.require(Action.AUDIT_READ)
        top = self._head(principal.org_id).revision
        if after is not None:
            top = min(top, _sequence(after) - 1)
        if wanted.until is not None:
            top = self._last_until(principal.org_id, top, wanted.until)
        found: list[AuditRecord] = []
        for looked_at, record in enumerate(self._backwards(principal.org_id, top), start=1):
            if wanted.since is not None and record.at < wanted.since:
                break
            if wanted.takes(record):
                if len(found) == limit:
                    return found, str(found[-1].sequence)
                found.append(record)
            if looked_at == _SCANNED_AT_ONCE and record.sequence > 1:
                return found, str(record.sequence)
        return found, None

    def about(self, org_id: str, user_id: str) -> list[AuditRecord]:
        """What a person did here and what was done to them, newest first, for the person alone."""
        found = []
        top = self._head(org_id).revision
        for looked_at, record in enumerate(self._backwards(org_id, top), start=1):
            if user_id in (record.actor, record.subject):
                found.append(record)
            if looked_at == _SCANNED_AT_ONCE:
                break
        return found

    def actors(self, records: list[AuditRecord]) -> dict[str, User]:
        """The people of these records whose accounts still exist, by id."""
        ids = sorted({r.actor for r in records if r.actor.startswith("usr_")})
        if not ids:
            return {}
        users = self._store.get_many(*((User, user_id) for user_id in ids))
        return {user.id: user for user in users if user is not None}

    def export(
        self, principal: Principal, *, after: str | None
    ) -> tuple[list[AuditRecord], str | None]:
        """Whole records from the oldest on, and where to go on."""
        principal.require(Action.AUDIT_READ)
        start = 0 if after is None else _sequence(after)
        if after is None:
            self.note(AuditEvent.by(principal, Audited.AUDIT_EXPORTED, principal.org_id))
        last = self._head(principal.org_id).revision
        found: list[AuditRecord] = []
        size = 0
        for record in self._forwards(principal.org_id, start + 1, last):
            if len(found) == EXPORTED_AT_ONCE or size > _EXPORTED_BYTES:
                return found, str(found[-1].sequence)
            found.append(record)
            size += len(record.line())
        return found, None

    # --- proving --------------------------------------------------------------------------

    def verify(self, principal: Principal, *, after: str | None, anchor: str | None) -> Verdict:
        """Follows the chain from `after` on, so far as one call may; see docs/audit.md for what
        this proves and what it cannot."""
        principal.require(Action.AUDIT_READ)
        org_id, now = principal.org_id, self._clock.now()
        start, previous = (0, GENESIS) if after is None else _anchor(after, "cursor")
        head = self._head(org_id)
        end = min(head.revision, start + VERIFIED_AT_ONCE)
        records = list(self._forwards(org_id, start + 1, end))
        broken, last, digest = first_break(
            records, org_id=org_id, now=now, after=start, previous=previous or None
        )
        finished = end == head.revision
        breaks = [broken, self._against_checkpoints(org_id, start, records)]
        if anchor is not None:
            breaks.append(self._against_anchor(org_id, head, anchor))
        if finished and broken is None:
            breaks.append(self._end(org_id, head, last, digest, now))
        first = min((b for b in breaks if b), key=lambda b: b.sequence, default=None)
        if not finished and last == start:
            last, digest = end, None  # all of these have expired
        proof = f"{last}:{digest or ''}"
        if first is None and finished and digest is not None and last:
            self._keep(org_id, last, digest)
        going_on = first is None and not finished
        return Verdict(len(records), last, first, proof, proof if going_on else None)

    def _end(
        self, org_id: str, head: AuditHead, last: int, digest: str | None, now: datetime
    ) -> Break | None:
        """Whether the chain ends where, and as, it should."""
        if last < head.revision and (head.expires_at is None or head.expires_at > now):
            return Break(last + 1, "Records were removed at the end of the log.")
        if last == head.revision and last and digest != head.hash:
            return Break(last, "The last record is not the one that was written last.")
        prefix = _checkpoints(org_id)
        beyond = self._artifacts.keys(prefix, after=f"{prefix}{head.revision:012d}~", limit=1)
        following = self._record(org_id, head.revision + 1)
        if not beyond and following is None:
            return None
        reached = following.sequence if following else _of_checkpoint(beyond[0])[0]
        if self._head(org_id).revision >= reached:
            return None  # written while we looked
        return Break(head.revision + 1, "The log once went on from here; its end was removed.")

    def _against_checkpoints(
        self, org_id: str, start: int, records: list[AuditRecord]
    ) -> Break | None:
        hashes = {record.sequence: record.hash for record in records}
        if not hashes:
            return None
        prefix = _checkpoints(org_id)
        after = f"{prefix}{start:012d}~"
        while keys := self._artifacts.keys(prefix, after=after, limit=1000):
            for key in keys:
                sequence, digest = _of_checkpoint(key)
                if sequence > max(hashes):
                    return None
                if hashes.get(sequence, digest) != digest:
                    return Break(sequence, "It is not the record that a checkpoint was made of.")
            after = keys[-1]
        return None

    def _against_anchor(self, org_id: str, head: AuditHead, anchor: str) -> Break | None:
        sequence, digest = _anchor(anchor, "anchor")
        if sequence > head.revision:
            return Break(head.revision + 1, "The log ends before your anchor; records are gone.")
        record = self._record(org_id, sequence)
        if record is not None and digest and record.hash != digest:
            return Break(sequence, "It is not the record that your anchor was made of.")
        return None

    def _keep(self, org_id: str, sequence: int, digest: str) -> None:
        """Makes a checkpoint. It says all in its name, so that writing it again changes nothing."""
        try:
            self._artifacts.put_json(f"{_checkpoints(org_id)}{sequence:012d}-{digest}.json", {})
        except PlatformError as error:
            logger.warning("no checkpoint of the audit log", extra={"why": error.detail})

    # --- how --------------------------------------------------------------------------------

    def _head(self, org_id: str) -> AuditHead:
        return self._store.get(AuditHead, org_id) or AuditHead(org_id)

    def _block(self, org_id: str, block: int, *, newest_first: bool) -> list[AuditRecord]:
        found: list[AuditRecord] = []
        after: str | None = None
        try:
            while True:
                page = self._store.page(
                    AUDIT, org_id, str(block), limit=BLOCK, after=after, newest_first=newest_first
                )
                found += page.items
                if page.next is None:
                    return found
                after = page.next
        except Damaged:
            records = [self._record(org_id, block * BLOCK + n + 1) for n in range(BLOCK)]
            there = [record for record in records if record is not None]
            return there[::-1] if newest_first else there

    def _record(self, org_id: str, sequence: int) -> AuditRecord | None:
        try:
            return self._store.get(AuditRecord, org_id, str(sequence))
        except Damaged:
            return unreadable(org_id, sequence, self._clock.now())

    def _backwards(self, org_id: str, top: int) -> Iterator[AuditRecord]:
        if top < 1:
            return
        for block in range(block_of(top), -1, -1):
            for record in self._block(org_id, block, newest_first=True):
                if record.sequence <= top:
                    yield record

    def _forwards(self, org_id: str, first: int, last: int) -> Iterator[AuditRecord]:
        if last < first:
            return
        for block in range(block_of(first), block_of(last) + 1):
            for record in self._block(org_id, block, newest_first=False):
                if first <= record.sequence <= last:
                    yield record

    def _last_until(self, org_id: str, top: int, until: datetime) -> int:
        """The end of the newest block that has anything as old as `until`."""
        low, high = 0, block_of(max(top, 1))
        while low < high:
            middle = (low + high + 1) // 2
            records = self._block(org_id, middle, newest_first=False)
            if not records or records[0].at <= until:
                low = middle
            else:
                high = middle - 1
        return min(top, (low + 1) * BLOCK)


def _fits(wanted: str, action: str) -> bool:
    """`agent.created` is itself; `agent` is everything about agents."""
    return action == wanted or action.startswith(f"{wanted}.")


def _checkpoints(org_id: str) -> str:
    return f"audit/{org_id}/"


def _of_checkpoint(key: str) -> tuple[int, str]:
    sequence, _, digest = key.rpartition("/")[2].removesuffix(".json").partition("-")
    return int(sequence), digest


def _sequence(cursor: str) -> int:
    if not cursor.isdecimal() or len(cursor) > 12 or not cursor.isascii():
        raise _not_a_cursor()
    return int(cursor)


def _anchor(text: str, where: str) -> tuple[int, str]:
    match = _ANCHOR.fullmatch(text)
    if match is None:
        if where == "cursor":
            raise _not_a_cursor()
        raise Invalid(
            "This is not an anchor.",
            errors=(FieldError("anchor", "Send an `anchor` as an earlier verification gave it."),),
        )
    return int(match[1]), match[2] or ""


def _not_a_cursor() -> Invalid:
    return Invalid(
        "This is not a cursor of this list.",
        code="cursor_invalid",
        errors=(FieldError("cursor", "Send back next_cursor as it came, or leave it out."),),
    )
