"""A person's session in one browser: its refresh secrets, by hash, and how they follow each other.

The access token lasts minutes and names the session; the refresh secret lasts weeks and changes
with every use. A secret that was used before is a stolen one, on one side or the other: the whole
session ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ACCESS_LIFETIME = timedelta(minutes=10)
SESSION_LIFETIME = timedelta(days=30)


@dataclass(frozen=True)
class Session:
    """One sign-in in one browser. `method` says how: email, github, google or another issuer."""

    id: str
    user_id: str
    refresh_hash: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    method: str = "email"
    address: str = ""
    user_agent: str = ""
    previous_hash: str | None = None
    rotated_at: datetime | None = None
    revision: int = 1
