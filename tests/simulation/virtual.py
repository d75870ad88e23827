"""Virtual time: an event loop whose clock jumps to the next timer, and workers that can be killed.

Everything runs in one thread, in an order that only the program decides: what a run does can be
done again. Code that blocks (the platform's) runs in greenlets beside code that awaits (the
yard's), and each of its calls to the world is a place where another may go on, or where it dies.
"""

from __future__ import annotations

import asyncio
from asyncio import base_events
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")
EPOCH = 1_767_225_600.0
"""The first of January 2026: when every run begins."""


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
        self._loop.now += timeout
        return []

    def close(self) -> None:
        """Nothing to close."""


class VirtualLoop(base_events.BaseEventLoop):
    """A loop on its own clock. What is meant for a thread happens at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._selector = _Timers(self)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.now

    def wall(self) -> float:
        """Seconds since 1970."""
        return EPOCH + self.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Done before it returns."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - handed to whoever awaits
            done.set_exception(exc)
        return done

    def _process_events(self, event_list: list[Any]) -> None:
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
        except BaseException as exc:  # noqa: BLE001 - it is the worker's to handle
            if isinstance(exc, asyncio.CancelledError):
                # An invocation that is given up ends like one that is killed: at once.
                worker.dead = True
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
    """From blocking code: lets the loop go on until this is there."""
    parent = getcurrent().parent
    if parent is None:
        raise Stuck("only a worker can wait")
    result: T = parent.switch(awaitable)
    return result
