"""How much anybody may ask for: classes of routes, windows, and how long wrong credentials wait."""

from __future__ import annotations

import ipaddress
import math
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from chalicelib.values import frozen

STRIKES_WINDOW = 3600
_LONGEST_WAIT = 300
_IPV6_NETWORK = 64


class RateClass(StrEnum):
    """What a request is counted as. The first five are classes of routes."""

    READ = "read"
    WRITE = "write"
    UPLOAD = "upload"
    SIGN_IN = "sign_in"
    WEBHOOK = "webhook"
    CREDENTIAL = "credential"
    """Calls with a token that is none of ours."""
    DENIED = "denied"
    """Denied calls that are recorded; more of them in a minute say nothing new."""
    MAIL_TO = "mail_to"
    MAIL_FROM = "mail_from"


CLOSED = frozenset({RateClass.SIGN_IN, RateClass.MAIL_TO, RateClass.MAIL_FROM})
"""What is refused while nothing can be counted; everything else goes on uncounted."""


@frozen
class Bucket:
    """Whose requests of one class are counted together: a person's in an organisation, or those
    that come from one network, of which nothing else is known."""

    rate: RateClass
    holder: str
    org_id: str | None = None


@frozen
class Limit:
    count: int
    seconds: int = 60


@frozen
class Quota:
    """What is left in the present window. `used` is None when the limit had been reached."""

    rate: RateClass
    limit: Limit
    used: int | None
    resets_in: int

    @property
    def exceeded(self) -> bool:
        return self.used is None

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-11 has it."""
        left = 0 if self.used is None else self.limit.count - self.used
        return {
            "RateLimit-Policy": f'"{self.rate}";q={self.limit.count};w={self.limit.seconds}',
            "RateLimit": f'"{self.rate}";r={left};t={self.resets_in}',
        }


@frozen
class Strikes:
    """Wrong credentials from one place in the present hour."""

    count: int
    last: datetime

    def wait(self, now: datetime, free: int) -> int:
        """Seconds until the next attempt is looked at: none for the first `free`, then one, two,
        four… after the last."""
        if self.count < free:
            return 0
        # Two to the tenth is above the longest wait; no larger power is worth computing.
        pause = min(1 << min(self.count - free, 10), _LONGEST_WAIT)
        return max(0, math.ceil(pause - (now - self.last).total_seconds()))


def window_of(now: datetime, seconds: int) -> tuple[int, int]:
    """When the present window began, in seconds since 1970, and in how many seconds the next
    begins, rounded up."""
    whole = int(now.timestamp())
    return whole - whole % seconds, seconds - whole % seconds


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """Whose address it is: one IPv4 address, or the IPv6 network that one customer is given."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False).network_address)
    return str(parsed)
