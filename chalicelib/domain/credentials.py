"""API tokens: secrets with a checksum that people hold, and of which we keep only hashes."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from chalicelib.domain.tenancy import Role, Scope
from chalicelib.values import frozen

TOKEN_PREFIX = "slp_"  # noqa: S105 - public by design: secret scanners look for it
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 32
_CHECK_LENGTH = 6
MAX_TOKENS = 20
"""Of one member in one organisation: few enough to be rewritten in one transaction."""


@frozen
class ApiToken:
    """An API token without its secret. `hint` shows its last characters.

    `role`, `grants` and `restricted` repeat what its maker's membership says, so that one read
    tells all; whatever changes those writes the tokens in the same commit. `tier` is what the
    organisation's was then: it counts until a process has read the organisation itself.
    """

    id: str
    hash: str
    org_id: str
    user_id: str
    role: Role
    name: str
    scope: Scope
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    agent_id: str | None = None
    """The one agent it is for; None for all of the organisation's."""
    grants: Mapping[str, Role] = field(default_factory=dict)
    restricted: bool = False
    tier: str = "free"
    last_used_at: datetime | None = None
    revision: int = 1


@frozen
class TokenRegister:
    """The hashes of one member's tokens in one organisation.

    Whoever makes or ends a token, or changes what tokens repeat of a membership, writes the
    register in the same commit: so no token is overlooked, not even one made at that moment.
    """

    org_id: str
    user_id: str
    hashes: tuple[str, ...] = ()
    revision: int = 1


def new_token_secret() -> str:
    """`slp_` + 32 random characters + 6 of checksum, so that a mistyped one is known at once."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return f"{TOKEN_PREFIX}{body}{_checksum(body)}"


def looks_like_token(text: str) -> bool:
    """True when prefix, length and checksum are right; no store is asked for anything else."""
    body = text.removeprefix(TOKEN_PREFIX)
    if len(text) != len(TOKEN_PREFIX) + _SECRET_LENGTH + _CHECK_LENGTH or body == text:
        return False
    return secrets.compare_digest(
        _checksum(body[:_SECRET_LENGTH]).encode(), body[_SECRET_LENGTH:].encode()
    )


def hash_secret(secret: str) -> str:
    """SHA-256 in hex. The secrets are long and random, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
