"""The clock the runs stand on: it never stands still where a real one would not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulation.virtual import Killed, Stuck, VirtualLoop, Worker, current, wait, work_out


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    made.allow(100)
    yield made
    made.close()


def test_a_wait_for_the_rest_of_a_moment_ends(loop: VirtualLoop) -> None:
    async def patient() -> None:
        deadline = loop.time() + 1e-12
        while loop.time() < deadline:
            # Somebody else is always ready to go on.
            loop.call_soon(int)
            never = loop.create_future()
            try:
                await asyncio.wait_for(never, deadline - loop.time())
            except TimeoutError:
                continue

    loop.now = 313.3121471501539
    loop.allow(1)
    loop.run_until_complete(patient())


def test_what_never_ends_is_ended_in_time_and_in_turns(loop: VirtualLoop) -> None:
    async def sleeps(seconds: float) -> None:
        while True:
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(seconds))])

    for seconds in (1.0, 0.0):
        task = loop.create_task(sleeps(seconds))
        with pytest.raises(Stuck, match="does not end"):
            loop.run_until_complete(task)
        loop.allow(100)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)


def test_an_invocation_given_up_while_it_holds_something_ends_the_loop_around_it(
    loop: VirtualLoop,
) -> None:
    seen: list[Any] = []

    def gate() -> None:
        if current().dead:
            raise Killed
        wait(asyncio.sleep(1))

    def holds() -> None:
        try:
            gate()
        finally:
            seen.append(current().dead)
            gate()
            seen.append("let go")

    async def again_and_again() -> None:
        while True:
            try:
                await work_out(Worker("reconcile"), holds)
            except Killed:
                continue

    task = loop.create_task(again_and_again())
    loop.call_later(0.5, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert seen == [True]
