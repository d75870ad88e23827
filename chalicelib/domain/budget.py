"""The rules of the hour's calls at the host: who may use how many, and what corrects them.

Pure; adapters keep the count where all functions see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from chalicelib.errors import HostUnavailable
from chalicelib.values import frozen


class Need(StrEnum):
    """How much a call at the host matters. The last calls of an hour are kept for deployments."""

    DEPLOY = "deploy"
    READ = "read"
    """Somebody is looking at logs or metrics."""
    BACKGROUND = "background"
    """Comparing what is live; it can wait."""


@frozen
class Allowance:
    """What the host itself says of its budget. `resets_at` in seconds since 1970."""

    limit: int
    left: int
    resets_at: float


@frozen
class BudgetState:
    """The shared budget as it stands. `paused_until`: the host asked everybody to wait."""

    limit: int
    left: int
    resets_at: datetime | None
    paused_until: datetime | None
    heard_at: datetime | None
    """When the host last said how much is left; None: nothing but our own count is known."""


HOUR = 3600
SHARES: Mapping[Need, float] = {Need.DEPLOY: 1.0, Need.READ: 0.9, Need.BACKGROUND: 0.6}
"""How much of the hour's calls each need may reach into."""
SLACK = 5
"""The host may count this many calls more than we, while others are on their way to it."""
HEARD_EVERY = 300


def ceilings(limit: int) -> dict[Need, int]:
    """How many calls may be made in all before each need is refused; a few are never used."""
    usable = limit - max(1, limit // 50)
    return {need: max(1, int(usable * share)) for need, share in SHARES.items()}


@frozen
class Count:
    """The count as it is stored."""

    limit: int
    used: int
    resets_at: float
    paused_until: float = 0.0
    heard_at: float = 0.0

    def refusal(self, now: float) -> HostUnavailable:
        """Why a call that did not fit was not made."""
        if self.paused_until > now:
            wait = max(1, round(self.paused_until - now))
            return HostUnavailable(
                f"The host asked everybody to wait; calls go on in {wait} seconds.",
                code="host_paused",
                retry_after=wait,
            )
        wait = max(1, round(self.resets_at - now))
        return HostUnavailable(
            f"This hour's {self.limit} calls at the host are used up or kept for deployments; new "
            f"ones come in {wait} seconds. What waits goes on by itself.",
            code="host_budget_spent",
            retry_after=wait,
        )

    def corrected(self, allowance: Allowance | None, now: float) -> Count:
        """The count after the host's own word; this same one when there is nothing to change."""
        if allowance is None or allowance.resets_at <= now:
            return self
        used = allowance.limit - allowance.left
        same_window = abs(allowance.resets_at - self.resets_at) <= 30
        if (
            same_window
            and allowance.limit == self.limit
            and used <= self.used + SLACK
            and now - self.heard_at < HEARD_EVERY
        ):
            return self
        return Count(
            limit=allowance.limit,
            used=max(used, self.used) if same_window else used,
            resets_at=self.resets_at if same_window else allowance.resets_at,
            paused_until=self.paused_until,
            heard_at=now,
        )

    def state(self, now: float) -> BudgetState:
        over = self.resets_at <= now
        return BudgetState(
            limit=self.limit,
            left=self.limit if over else max(0, self.limit - self.used),
            resets_at=None if over else _moment(self.resets_at),
            paused_until=_moment(self.paused_until) if self.paused_until > now else None,
            heard_at=_moment(self.heard_at) if self.heard_at else None,
        )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
