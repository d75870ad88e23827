"""Keeping to the limits: each request is counted once, where everybody's counts are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta

from chalicelib.domain.limits import (
    CLOSED,
    STRIKES_WINDOW,
    Bucket,
    Limit,
    Quota,
    RateClass,
    network_of,
    window_of,
)
from chalicelib.domain.tenancy import Principal
from chalicelib.errors import TooManyRequests, Unavailable
from chalicelib.ports import Clock, Counters
from chalicelib.telemetry import logger

_HOUR = 3600
_KEPT = timedelta(hours=2)
"""At least the longest window."""
ANYBODY = "anybody"
"""The row of limits for those of whom only the address is known."""


class Limits:
    """`table` is tier → class → count: a minute's, and for mail an hour's."""

    def __init__(
        self, *, counters: Counters, clock: Clock, table: Mapping[str, Mapping[str, int]]
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._table = table
        self._limits: dict[tuple[str, RateClass], Limit] = {}

    def take(
        self, rate: RateClass, *, principal: Principal | None = None, address: str = ""
    ) -> Quota | None:
        """Counts one request, of the caller or else of where it comes from. None: it could not be
        counted and goes on all the same; raises Unavailable for classes that must not."""
        if principal is None:
            return self._count(Bucket(rate, network_of(address)), ANYBODY)
        bucket = Bucket(rate, principal.user_id, principal.org_id)
        return self._count(bucket, principal.tier)

    def patience(self, address: str) -> None:
        """Raises TooManyRequests while this place has to wait after wrong credentials."""
        now = self._clock.now()
        window, _ = window_of(now, STRIKES_WINDOW)
        strikes = self._counters.strikes(_strikes(address), window=window)
        wait = strikes.wait(now, self._free) if strikes else 0
        if wait:
            raise TooManyRequests(
                f"Too many wrong attempts came from your network. Try again in {wait} seconds.",
                code="too_many_attempts",
                retry_after=wait,
            )

    def failed(self, address: str) -> None:
        """A wrong credential came from this place: the next one may have to wait."""
        now = self._clock.now()
        window, _ = window_of(now, STRIKES_WINDOW)
        try:
            self._counters.strike(_strikes(address), window=window, at=now, expires_at=now + _KEPT)
        except Unavailable as error:
            logger.warning("a wrong attempt was not counted", extra={"detail": error.detail})

    def may_mail(self, to: str, address: str) -> bool:
        """Whether one more mail may go to this address because of a request from that network.
        Whoever asked must not learn the answer."""
        hashed = hashlib.sha256(to.strip().lower().encode()).hexdigest()[:32]
        taken = [
            self._count(Bucket(RateClass.MAIL_TO, hashed), ANYBODY, _HOUR),
            self._count(Bucket(RateClass.MAIL_FROM, network_of(address)), ANYBODY, _HOUR),
        ]
        return not any(quota is None or quota.exceeded for quota in taken)

    @property
    def _free(self) -> int:
        return self._table[ANYBODY]["attempts"]

    def _count(self, bucket: Bucket, tier: str, seconds: int = 60) -> Quota | None:
        limit = self._limits.get((tier, bucket.rate))
        if limit is None:
            rates = self._table.get(tier) or self._table["free"]
            limit = Limit(rates[bucket.rate], seconds)
            self._limits[tier, bucket.rate] = limit
        now = self._clock.now()
        window, resets_in = window_of(now, seconds)
        try:
            used = self._counters.take(
                bucket, window=window, limit=limit.count, expires_at=now + _KEPT
            )
        except Unavailable as error:
            if bucket.rate in CLOSED:
                raise
            logger.warning("a request was not counted", extra={"detail": error.detail})
            return None
        return Quota(bucket.rate, limit, used, resets_in)


def _strikes(address: str) -> Bucket:
    return Bucket(RateClass.CREDENTIAL, network_of(address))
