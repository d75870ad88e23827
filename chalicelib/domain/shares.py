"""Shares: who beside the public may see an agent's listing, and by which link."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.ids import is_id
from chalicelib.values import frozen

MAX_SHARES = 100
"""So many times one agent can be shared."""
_MAX_TOKEN = 200


class ShareKind(StrEnum):
    """With whom an agent is shared; `link`: with whoever holds the link."""

    ORGANISATION = "organisation"
    PERSON = "person"
    LINK = "link"


@frozen
class Share:
    """Lets somebody outside the agent's organisation see what it offers and run a copy of it.

    `grantee` is an organisation's id or a person's address; a link has none, and a hash of its
    secret instead.
    """

    id: str
    org_id: str
    agent_id: str
    kind: ShareKind
    created_by: str
    created_at: datetime
    grantee: str = ""
    note: str = ""
    hash: str = ""
    expires_at: datetime | None = None
    revision: int = 1

    def is_open(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now

    def opens_with(self, secret: str) -> bool:
        return bool(self.hash) and hmac.compare_digest(self.hash, hash_secret(secret))


@frozen
class ShareSecret:
    """What a link carries: where the share lies, and the proof."""

    org_id: str
    agent_id: str
    share_id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.org_id}.{self.agent_id}.{self.share_id}.{self.secret}"


def new_secret(org_id: str, agent_id: str, share_id: str) -> ShareSecret:
    """A fresh one: 256 random bits."""
    return ShareSecret(org_id, agent_id, share_id, secrets.token_urlsafe(32))


def parsed_secret(token: str) -> ShareSecret | None:
    """The parts of a link's token; None for what can be none of ours."""
    parts = token[:_MAX_TOKEN].split(".")
    if len(parts) != 4:
        return None
    org_id, agent_id, share_id, secret = parts
    fits = is_id(org_id, "org") and is_id(agent_id, "agt") and is_id(share_id, "shr") and secret
    return ShareSecret(org_id, agent_id, share_id, secret) if fits else None
