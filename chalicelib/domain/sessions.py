"""A person's session in one browser: its refresh secrets, by hash, and how they follow each other.

The access token lasts minutes and names the session; the refresh secret lasts weeks and changes
with every use. A secret that was used before is a stolen one, on one side or the other: the whole
session ends. Only for a few seconds is a repeat answered, with the same successor: two tabs ask at
once, and answers get lost.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.identities import Offer
from chalicelib.domain.ids import is_id
from chalicelib.values import frozen

ACCESS_LIFETIME = timedelta(minutes=10)
SESSION_LIFETIME = timedelta(days=30)
"""How long a session lasts without being used."""
MAX_SESSION_AGE = timedelta(days=180)
"""How long it lasts however much it is used."""
GRACE = timedelta(seconds=10)
MAX_SESSIONS = 50
"""Of one person; the oldest ends when there are more."""
MAX_USER_AGENT = 200
_SECRET_BYTES = 32


@frozen
class Session:
    """One sign-in in one browser. `method` says how: email, or the sign-in provider's id.

    `family_hash` is of the part of the cookie that stays the same as long as the session: who
    cannot show it has never held any secret of this session, and cannot end it either.
    """

    id: str
    user_id: str
    family_hash: str
    refresh_hash: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    method: str = "email"
    address: str = ""
    user_agent: str = ""
    previous_hash: str | None = None
    successor: str = ""
    """The present secret, readable only with the previous one."""
    rotated_at: datetime | None = None
    offer: Offer | None = None
    """A way to sign in that was proven in this browser and waits to be linked."""
    revision: int = 1


@frozen
class RefreshSecret:
    """What the refresh cookie holds."""

    user_id: str
    session_id: str
    family: str
    secret: str

    def __str__(self) -> str:
        return f"{self.user_id}.{self.session_id}.{self.family}.{self.secret}"

    @classmethod
    def parse(cls, text: str | None) -> RefreshSecret | None:
        """The cookie's parts; None for anything that we have not written."""
        parts = (text or "").split(".")
        if len(parts) != 4 or not is_id(parts[0], "usr") or not is_id(parts[1], "ses"):
            return None
        if not all(0 < len(part) <= 64 and part.isascii() for part in parts[2:]):
            return None
        return cls(*parts)


class Use(StrEnum):
    """What presenting a refresh secret means."""

    PRESENT = "present"
    REPEATED = "repeated"
    REUSED = "reused"
    FOREIGN = "foreign"
    EXPIRED = "expired"


def begin(
    session_id: str,
    user_id: str,
    now: datetime,
    *,
    method: str,
    address: str,
    user_agent: str,
    offer: Offer | None = None,
) -> tuple[Session, RefreshSecret]:
    """A new session and its first secret."""
    family, secret = _new_secret(), _new_secret()
    session = Session(
        id=session_id,
        user_id=user_id,
        family_hash=hash_secret(family),
        refresh_hash=hash_secret(secret),
        created_at=now,
        last_used_at=now,
        expires_at=now + SESSION_LIFETIME,
        method=method,
        address=address,
        user_agent=_printable(user_agent),
        offer=offer,
    )
    return session, RefreshSecret(user_id, session_id, family, secret)


def use_of(session: Session, shown: RefreshSecret, now: datetime) -> Use:
    """Decides over a secret that somebody shows for this session."""
    if not hmac.compare_digest(hash_secret(shown.family), session.family_hash):
        return Use.FOREIGN
    if session.expires_at <= now:
        return Use.EXPIRED
    hashed = hash_secret(shown.secret)
    if hmac.compare_digest(hashed, session.refresh_hash):
        return Use.PRESENT
    if (
        session.previous_hash is not None
        and session.rotated_at is not None
        and hmac.compare_digest(hashed, session.previous_hash)
        and now < session.rotated_at + GRACE
    ):
        return Use.REPEATED
    return Use.REUSED


def rotated(
    session: Session, shown: RefreshSecret, now: datetime, *, address: str, user_agent: str
) -> tuple[Session, RefreshSecret]:
    """The session after its present secret was used, and the next secret."""
    secret = _new_secret()
    session = replace(
        session,
        refresh_hash=hash_secret(secret),
        previous_hash=session.refresh_hash,
        successor=_veiled(secret, by=shown.secret),
        rotated_at=now,
        last_used_at=now,
        expires_at=min(now + SESSION_LIFETIME, session.created_at + MAX_SESSION_AGE),
        address=address,
        user_agent=_printable(user_agent) or session.user_agent,
        revision=session.revision + 1,
    )
    return session, replace(shown, secret=secret)


def successor_of(session: Session, shown: RefreshSecret) -> RefreshSecret:
    """The secret that followed the one shown, for a repeat of the same refresh."""
    return replace(shown, secret=_veiled(session.successor, by=shown.secret))


def _new_secret() -> str:
    return secrets.token_hex(_SECRET_BYTES)


def _veiled(secret: str, *, by: str) -> str:
    """The secret under a one-time pad made of another; done twice it is back.

    Each secret is random, used once as a pad, and stored only as a hash: what is stored says
    nothing to who reads the store, and everything to who holds the secret before.
    """
    pad = hashlib.sha256(b"successor\0" + by.encode()).digest()
    return bytes(a ^ b for a, b in zip(bytes.fromhex(secret), pad, strict=True)).hex()


def _printable(text: str) -> str:
    return "".join(c for c in text[:MAX_USER_AGENT] if c.isprintable())
