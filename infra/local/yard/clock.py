"""What time it is: the machine's, or that of an event loop that keeps its own."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


def seconds() -> float:
    """Seconds since 1970.

    A loop with a method `wall` says them itself: so a simulation moves the whole yard through
    hours in no time.
    """
    try:
        wall = getattr(asyncio.get_running_loop(), "wall", None)
    except RuntimeError:  # a thread without a loop
        wall = None
    return time.time() if wall is None else float(wall())


def moment() -> datetime:
    """The same as a datetime in UTC."""
    return datetime.fromtimestamp(seconds(), UTC)
