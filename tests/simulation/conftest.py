"""Counts what the runs have seen, over all processes that ran them, and says it at the end."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from chalicelib.telemetry import logger
from tests.simulation.world import World

_TALLY: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """What the platform logs of thousands of faults would drown what a test says."""
    level = logger.log_level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.fixture
def figures() -> Iterator[Callable[[World, Sequence[str]], None]]:
    """Called with every run that is over, and what was untrue after it."""

    def count(world: World, lies: Sequence[str]) -> None:
        _TALLY.update(world.tally)
        _TALLY["runs"] += 1
        _TALLY[f"runs by {world.strategy}"] += 1
        _TALLY["lies"] += len(lies)
        _TALLY["virtual seconds"] += round(world.loop.time())
        _TALLY["calls of agents"] += sum(line.calls for line in world.callers.lines.values())
        _TALLY["calls of the host"] += world.yard.calls_made
        _TALLY["deployments"] += sum(len(world.deployments(a)) for a in world.agents())

    began = time.process_time()
    yield count
    _TALLY["milliseconds of CPU"] += round(1000 * (time.process_time() - began))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of xdist: hands the figures to whoever prints them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["simulation"] = json.dumps(_TALLY)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes them."""
    _TALLY.update(json.loads(getattr(node, "workeroutput", {}).get("simulation", "{}")))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says them."""
    if not _TALLY:
        return
    terminalreporter.section("simulation")
    for name in sorted(_TALLY):
        terminalreporter.write_line(f"{name:<44}{_TALLY[name]:>10}")
