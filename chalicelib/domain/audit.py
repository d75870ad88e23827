"""What the audit log records, and how its records prove each other: a hash chain per organisation.

A record holds the hash of the one before it, and its own over everything it says. Whoever changes,
removes or reorders one breaks the chain where they did it. The head says where the chain ends.
Records expire; each also says when the one before it does, so that a gap is either an expiry or
a removal, and never in doubt.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.tenancy import Principal
from chalicelib.values import frozen

SYSTEM = "system"
GENESIS = "0" * 64
"""The hash before the first record."""
BLOCK = 200
"""Records kept together under one key."""
_LONGEST = 256
_MOST = 50
_EMAIL = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")


class Audited(StrEnum):
    """Everything that is recorded: `<noun>.<what happened to it>`."""

    ACCESS_DENIED = "access.denied"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_DELETED = "account.deleted"
    ACCOUNT_EMAIL_CHANGED = "account.email_changed"
    ACCOUNT_EXPORTED = "account.exported"
    ACCOUNT_UPDATED = "account.updated"
    AGENT_CREATED = "agent.created"
    AGENT_DELETED = "agent.deleted"
    AGENT_SHARED = "agent.shared"
    AGENT_UNSHARED = "agent.unshared"
    AGENT_UPDATED = "agent.updated"
    AUDIT_EXPORTED = "audit.exported"
    DEPLOYMENT_CANCELLED = "deployment.cancelled"
    DEPLOYMENT_REQUESTED = "deployment.requested"
    DEPLOYMENT_RESTARTED = "deployment.restarted"
    DEPLOYMENT_ROLLED_BACK = "deployment.rolled_back"
    DEPLOYMENT_STOPPED = "deployment.stopped"
    ENVIRONMENT_RESUMED = "environment.resumed"
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_UNLINKED = "identity.unlinked"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_CREATED = "invitation.created"
    INVITATION_RESENT = "invitation.resent"
    INVITATION_REVOKED = "invitation.revoked"
    INSTALLATION_ADDED = "installation.added"
    INSTALLATION_REMOVED = "installation.removed"
    LISTING_HIDDEN = "listing.hidden"
    LISTING_PUBLISHED = "listing.published"
    LISTING_RESTORED = "listing.restored"
    LISTING_UNPUBLISHED = "listing.unpublished"
    LISTING_UPDATED = "listing.updated"
    MEMBER_LEFT = "member.left"
    MEMBER_REMOVED = "member.removed"
    MEMBER_UPDATED = "member.updated"
    ORGANISATION_CREATED = "organisation.created"
    ORGANISATION_DELETED = "organisation.deleted"
    ORGANISATION_REMOVED = "organisation.removed"
    ORGANISATION_RESTORED = "organisation.restored"
    ORGANISATION_TRANSFERRED = "organisation.transferred"
    ORGANISATION_UPDATED = "organisation.updated"
    ORPHAN_REMOVED = "orphan.removed"
    PREVIEW_APPROVED = "preview.approved"
    REPOSITORY_CHANGED = "repository.changed"
    REPOSITORY_CONNECTED = "repository.connected"
    REPOSITORY_DISCONNECTED = "repository.disconnected"
    REPOSITORY_SECRET_RENEWED = "repository.secret_renewed"  # noqa: S105 - an event's name
    SESSION_ENDED = "session.ended"
    SESSION_REUSED = "session.reused"
    SESSION_STARTED = "session.started"
    SIGN_IN_REFUSED = "sign_in.refused"
    TOKEN_CREATED = "token.created"  # noqa: S105 - an event's name
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    VARIABLES_CHANGED = "variables.changed"
    VERSION_CANCELLED = "version.cancelled"
    VERSION_CONFIRMED = "version.confirmed"
    VERSION_CREATED = "version.created"


class Result(StrEnum):
    DONE = "done"
    DENIED = "denied"
    REFUSED = "refused"
    """Done for nobody: a wrong credential, a link that has expired."""


@frozen
class AuditEvent:
    """What a use case says: who did what to what, from where. No secret, no email address.

    `actor` is a user's id, or SYSTEM. `before` and `after` hold only what changed.
    """

    org_id: str
    actor: str
    action: Audited
    subject: str
    address: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    result: Result = Result.DONE
    trace_id: str = ""
    """Filled in when it is written, unless it is given."""
    token_id: str | None = None
    """The API token that the actor used."""

    @classmethod
    def by(
        cls,
        principal: Principal,
        action: Audited,
        subject: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        result: Result = Result.DONE,
    ) -> AuditEvent:
        """What this caller did in the organisation it is calling for."""
        return cls(
            org_id=principal.org_id,
            actor=principal.user_id,
            action=action,
            subject=subject,
            address=principal.address,
            before=before or {},
            after=after or {},
            result=result,
            token_id=principal.token_id,
        )


@frozen
class AuditHead:
    """Where an organisation's chain ends. Its revision is the last record's sequence number."""

    org_id: str
    hash: str = GENESIS
    at: datetime | None = None
    expires_at: datetime | None = None
    revision: int = 0


@frozen
class AuditRecord:
    """One link of the chain. Written once, never changed."""

    org_id: str
    sequence: int
    at: datetime
    actor: str
    token_id: str | None
    address: str
    action: str
    subject: str
    result: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    trace_id: str
    expires_at: datetime
    previous_expires_at: datetime | None
    previous: str
    hash: str = ""

    def computed(self) -> str:
        """The hash that a record which says this must have: SHA-256 over its line without it."""
        return hashlib.sha256(_canonical(self, _SAID).encode()).hexdigest()

    def line(self) -> str:
        """The record as canonical JSON (names in order, no space, UTF-8), its hash included."""
        return _canonical(self, (*_SAID, "hash"))


_SAID = tuple(f.name for f in fields(AuditRecord) if f.name != "hash")


def block_of(sequence: int) -> int:
    """Which block of the log a record is kept in."""
    return (sequence - 1) // BLOCK


def append(
    head: AuditHead, event: AuditEvent, *, now: datetime, expires_at: datetime
) -> tuple[AuditRecord, AuditHead]:
    """The next record of the chain, and the head after it. Time never runs backwards in it."""
    at = max(now, head.at or now)
    expires_at = max(expires_at, head.expires_at or expires_at)
    record = AuditRecord(
        org_id=event.org_id,
        sequence=head.revision + 1,
        at=at,
        actor=event.actor,
        token_id=event.token_id,
        address=event.address,
        action=event.action.value,
        subject=event.subject,
        result=event.result.value,
        before=plain(event.before),
        after=plain(event.after),
        trace_id=event.trace_id,
        expires_at=expires_at,
        previous_expires_at=head.expires_at,
        previous=head.hash,
    )
    record = replace(record, hash=record.computed())
    following = replace(
        head, hash=record.hash, at=at, expires_at=expires_at, revision=record.sequence
    )
    return record, following


def unreadable(org_id: str, sequence: int, now: datetime) -> AuditRecord:
    """Stands for a record that somebody has made unreadable: a break where it is."""
    return AuditRecord(
        org_id=org_id,
        sequence=sequence,
        at=now,
        actor=SYSTEM,
        token_id=None,
        address="",
        action="record.unreadable",
        subject=org_id,
        result="",
        before={},
        after={},
        trace_id="",
        expires_at=now,
        previous_expires_at=None,
        previous="",
    )


@frozen
class Break:
    """The first place where the chain does not hold."""

    sequence: int
    detail: str


def first_break(
    records: Iterable[AuditRecord],
    *,
    org_id: str,
    now: datetime,
    after: int = 0,
    previous: str | None = GENESIS,
) -> tuple[Break | None, int, str | None]:
    """Follows the chain behind record `after`, whose hash is `previous` (None: expired, not known).

    Returns the first break if there is one, and the sequence and hash of the last sound record.
    """
    for record in records:
        if record.org_id != org_id:
            return Break(record.sequence, "It belongs to another organisation."), after, previous
        if record.sequence <= after:
            return Break(record.sequence, "It stands out of its order."), after, previous
        if record.hash != record.computed():
            return Break(record.sequence, "What it says was changed."), after, previous
        if record.sequence != after + 1 or previous is None:
            if record.previous_expires_at is None or record.previous_expires_at > now:
                missing = after + 1
                return Break(missing, "It was removed before its time."), after, previous
        elif record.previous != previous:
            detail = "It does not follow the record before it."
            return Break(record.sequence, detail), after, previous
        after, previous = record.sequence, record.hash
    return None, after, previous


def changed(old: Any, new: Any, *names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the named attributes, those that differ: as they were, and as they are."""
    differing = [name for name in names if getattr(old, name) != getattr(new, name)]
    return (
        {name: getattr(old, name) for name in differing},
        {name: getattr(new, name) for name in differing},
    )


def plain(value: Any) -> Any:
    """A value as JSON can hold it, short, and without anybody's email address: what identifies a
    person must be gone when the account is."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else list(value)
        more = [f"… and {len(items) - _MOST} more"] if len(items) > _MOST else []
        return [plain(item) for item in items[:_MOST]] + more
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        text = _EMAIL.sub("[email]", value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value)


def _canonical(record: AuditRecord, names: Iterable[str]) -> str:
    values = ((name, getattr(record, name)) for name in names)
    said = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
