"""Virtual time: an event loop whose clock jumps to the next timer, and workers that can be killed.

Everything runs in one thread, in an order that only the program decides: what a run does can be
done again. Code that blocks (the platform's) runs in greenlets beside code that awaits (the
yard's), and each of its calls to the world is a place where another may go on, or where it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import base_events
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")
EPOCH = 1_767_225_600.0
"""The first of January 2026: when every run begins."""


TURNS_A_SECOND = 20
"""Turns of the loop for each virtual second it is allowed, on average."""


class Stuck(Exception):
    """Somebody waits for something that nothing will ever bring about."""


class _Timers:
    """In the place of a selector: there are no sockets, so waiting is moving the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Called when nothing is ready."""
        if timeout is None:
            raise Stuck("no timer is left, and somebody still waits")
        self._loop.turn(timeout)
        return []

    def close(self) -> None:
        """Nothing to close."""


class VirtualLoop(base_events.BaseEventLoop):
    """A loop on its own clock. What is meant for a thread happens at once."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._selector = _Timers(self)
        self._clock_resolution = 1e-9
        self._until = 0.0
        self._turns = 0

    def allow(self, seconds: float) -> None:
        """From now on it may go on for so long, and then raises `Stuck`: no run lasts for ever."""
        self._until = self.now + seconds
        self._turns = round(seconds * TURNS_A_SECOND)

    def turn(self, seconds: float) -> None:
        """Time passes; also the time in which nothing passes is limited."""
        self.now += seconds
        if self._scheduled and self._scheduled[0].when() < self.now + self._clock_resolution:
            # asyncio is about to fire what is due within the resolution. A clock that stood still
            # meanwhile would let a wait for the rest of a moment end before it, for ever.
            self.now += self._clock_resolution
        self._turns -= 1
        if self.now > self._until or self._turns < 0:
            raise Stuck(f"it does not end: {self._turns} turns left at {self.now:.3f} s")

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.now

    def wall(self) -> float:
        """Seconds since 1970."""
        return EPOCH + self.now

    def run_in_executor(  # type: ignore[override]
        self, _executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Done before it returns."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - handed to whoever awaits
            done.set_exception(exc)
        return done

    def _process_events(self, _event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody needs waking: there is one thread."""


class Killed(BaseException):
    """The worker's process is gone. Nothing in it runs on, not even what always should."""


class Worker:
    """One invocation: how many more calls to the world it lives to make."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.dead = False


async def work_out(worker: Worker, work: Callable[[], T]) -> T:
    """Runs blocking code beside the loop, until it returns, raises, or is killed."""
    here = greenlet(work)
    here.worker = worker  # type: ignore[attr-defined]
    asked: Any = here.switch()
    while not here.dead:
        try:
            answer = await asked
        except asyncio.CancelledError:
            # An invocation that is given up ends like one that is killed, and whoever gave it
            # up hears that: a loop of invocations would otherwise outlive its own end.
            worker.dead = True
            with contextlib.suppress(Killed):
                here.throw(Killed)
            raise
        except BaseException as exc:  # noqa: BLE001 - it is the worker's to handle
            asked = here.throw(exc)
        else:
            asked = here.switch(answer)
    result: T = asked
    return result


def current() -> Worker:
    """The invocation that calls."""
    found: Worker = getcurrent().worker  # type: ignore[attr-defined]
    return found


def wait(awaitable: Awaitable[T]) -> T:
    """From blocking code: lets the loop go on until this is there; raises Killed if it is dead."""
    parent = getcurrent().parent
    if parent is None:
        raise Stuck("only a worker can wait")
    if current().dead:
        if isinstance(awaitable, Coroutine):
            awaitable.close()
        raise Killed
    result: T = parent.switch(awaitable)
    return result
