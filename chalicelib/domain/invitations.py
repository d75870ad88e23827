"""Invitations by email: one address, one secret, seven days, one use."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.ids import is_id
from chalicelib.domain.tenancy import Role
from chalicelib.values import frozen

INVITATION_LIFETIME = timedelta(days=7)
REMEMBERED = timedelta(days=30)
"""How long an invitation that cannot be used any more still says why."""
SENT_AT_MOST_EVERY = timedelta(minutes=1)
_MAX_TOKEN = 200
_MAX_SHOWN = 60


class InvitationState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


@frozen
class Invitation:
    """`state` is what was written; `state_at` also knows the time. `ends_at` ends its use,
    `expires_at` its record."""

    id: str
    org_id: str
    email: str
    role: Role
    hash: str
    invited_by: str
    created_at: datetime
    sent_at: datetime
    ends_at: datetime
    expires_at: datetime
    grants: Mapping[str, Role] = field(default_factory=dict)
    restricted: bool = False
    state: InvitationState = InvitationState.PENDING
    accepted_by: str | None = None
    revision: int = 1

    def state_at(self, now: datetime) -> InvitationState:
        if self.state is InvitationState.PENDING and self.ends_at <= now:
            return InvitationState.EXPIRED
        return self.state

    def opens_with(self, secret: str) -> bool:
        return hmac.compare_digest(self.hash, hash_secret(secret))


@frozen
class InvitationSecret:
    """What the link of an invitation carries: where it lies, and the proof."""

    org_id: str
    invitation_id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.org_id}.{self.invitation_id}.{self.secret}"


def new_secret(org_id: str, invitation_id: str) -> InvitationSecret:
    """A fresh one: 256 random bits."""
    return InvitationSecret(org_id, invitation_id, secrets.token_urlsafe(32))


def parsed_secret(token: str) -> InvitationSecret | None:
    """The parts of a link's token; None for what can be none of ours."""
    org_id, _, rest = token[:_MAX_TOKEN].partition(".")
    invitation_id, _, secret = rest.partition(".")
    if is_id(org_id, "org") and is_id(invitation_id, "inv") and secret:
        return InvitationSecret(org_id, invitation_id, secret)
    return None


def plain_line(text: str) -> str:
    """A name as it may stand in somebody's mail: one line, no hidden characters, no link.

    Whoever names an organisation writes into strangers' mailboxes with our sender's name. Controls,
    direction marks and line breaks go; what a mail program would make a link of does too.
    """
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs") else c
        for c in unicodedata.normalize("NFKC", text)
    )
    kept = kept.replace("://", " ").replace("@", " at ")
    chars = ["·" if c == "." and kept[i + 1 : i + 2].strip() else c for i, c in enumerate(kept)]
    line = " ".join("".join(chars).split())
    return line if len(line) <= _MAX_SHOWN else f"{line[: _MAX_SHOWN - 1].rstrip()}…"
