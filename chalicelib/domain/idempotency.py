"""What a repeated request with the same Idempotency-Key gets: the first one's answer."""

from __future__ import annotations

from datetime import datetime

from chalicelib.values import frozen


@frozen
class Remembered:
    """An answer kept for a day. `status` is 0 while the first request is still at work."""

    org_id: str
    key: str
    fingerprint: str
    created_at: datetime
    expires_at: datetime
    status: int = 0
    body: str = ""
    revision: int = 1
