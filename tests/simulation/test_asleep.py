"""An agent that sleeps, and what can happen to it then: it is said to be what it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.domain.agents import Agent
from chalicelib.domain.deployments import Deployment, DeploymentState
from tests.simulation import rules
from tests.simulation.agents import Behaviour
from tests.simulation.truth import lies
from tests.simulation.world import STATED, World

SLEEPER = Behaviour(sleeps=True)
UNTIL_ASLEEP = 1200.0
"""Longer than the host waits, and than it takes to be seen."""


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def asleep(world: World) -> tuple[Agent, Deployment]:
    """An agent that is asleep, and said to be."""
    agent, live = rules.live(world, SLEEPER)
    world.callers.away = True
    world.pass_time(UNTIL_ASLEEP)
    said = world.deployment(live.id)
    assert said.state is DeploymentState.ASLEEP
    assert lies(world) == []
    return agent, said


def call(world: World, said: Deployment) -> int:
    status, _, _ = world.wait(world.yard.request(str(said.url).removeprefix("http://"), "/"))
    return int(status)


def settle(world: World) -> list[str]:
    world.quiet(2 * STATED)
    return lies(world)


def test_our_own_looks_let_it_sleep_and_a_call_wakes_it(world: World) -> None:
    agent, said = asleep(world)
    world.pass_time(4 * 3600)
    assert world.deployment(said.id).state is DeploymentState.ASLEEP
    assert call(world, said) == 200
    world.pass_time(120)
    assert world.deployment(said.id).state is DeploymentState.LIVE
    world.pass_time(UNTIL_ASLEEP)
    assert world.deployment(said.id).state is DeploymentState.ASLEEP
    assert settle(world) == []
    assert len(world.deployments(agent)) == 1


def test_one_that_may_not_sleep_stays_awake(world: World) -> None:
    _, live = rules.live(world)
    world.callers.away = True
    world.pass_time(UNTIL_ASLEEP)
    assert world.deployment(live.id).state is DeploymentState.LIVE


@pytest.mark.parametrize("kind", ["removed_by_hand", "service_deleted"])
def test_what_is_taken_away_in_its_sleep_is_missed(world: World, kind: str) -> None:
    agent, said = asleep(world)
    rules.by_hand(world, agent, kind)
    assert settle(world) == []
    assert not world.deployment(said.id).state.is_serving


@pytest.mark.parametrize("deed", ["redeploy", "new version", "roll_back", "restart", "stop"])
def test_what_a_person_does_to_a_sleeper(world: World, deed: str) -> None:
    agent, _ = asleep(world)
    if deed == "roll_back":
        world.upload(agent, SLEEPER)
        world.pass_time(30)
        world.pass_time(UNTIL_ASLEEP)
    match deed:
        case "redeploy":
            rules.redeploy(world, agent, 0)
        case "new version":
            world.upload(agent, SLEEPER)
        case _:
            rules.act(world, agent, deed)
    world.pass_time(60)
    assert settle(world) == []
    serving = [one for one in world.deployments(agent) if one.state.is_serving]
    assert len(serving) == (0 if deed == "stop" else 1)


@pytest.mark.parametrize("kind", sorted(rules.WIRE))
def test_a_fault_on_the_wire_while_it_falls_asleep_and_wakes(world: World, kind: str) -> None:
    _, live = rules.live(world, SLEEPER)
    world.callers.away = True
    fault = world.fault(kind, operation="deployment", count=5, **rules.WIRE[kind])
    world.pass_time(UNTIL_ASLEEP)
    assert fault.struck
    assert call(world, live) == 200
    assert settle(world) == []


@pytest.mark.parametrize("calls", range(0, 30, 3))
def test_the_reconciler_killed_at_any_call_while_it_falls_asleep(world: World, calls: int) -> None:
    rules.live(world, SLEEPER)
    world.callers.away = True
    world.pass_time(590)
    world.doom("reconcile", calls)
    world.pass_time(UNTIL_ASLEEP)
    assert settle(world) == []


def test_a_bad_version_leaves_the_sleeper_in_its_place(world: World) -> None:
    agent, said = asleep(world)
    world.upload(agent, rules.BEHAVIOURS["health 500"])
    world.pass_time(90)
    assert settle(world) == []
    serving = next(one for one in world.deployments(agent) if one.state.is_serving)
    assert serving.id == said.id
