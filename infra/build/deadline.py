"""A deadline knows how long one step may still take, and how to say that it is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.build.faults import Failed


class Deadline:
    """Started when made; never extended."""

    def __init__(
        self, seconds: float, step: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self.step = step
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left, not below zero."""
        return max(0.0, self._end - self._clock())

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._clock() >= self._end

    def check(self, doing: str) -> None:
        """Raises when the time is up; `doing` names what took so long."""
        if self.over:
            raise self.fault(doing)

    def fault(self, doing: str) -> Failed:
        """What to tell a person whose build took too long."""
        return Failed.because(
            f"{self.step}_timeout",
            f"{doing} was stopped: the limit for this step is {self.seconds:g} seconds. "
            "Look at the last lines of the log for what it was busy with.",
        )
