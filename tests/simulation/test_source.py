"""A host that builds what is sent to it: the same faults, and that it serves what was sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.domain.deployments import DeploymentState
from chalicelib.domain.release import Strategy
from tests.simulation import rules
from tests.simulation.agents import HOST_BUILD_SECONDS
from tests.simulation.test_each import DEEDS, FIRST_RELEASE, PASSING, answers_during, settle
from tests.simulation.world import World

RELEASE = (
    *FIRST_RELEASE,
    "serviceInstanceUpdate",
    "serviceInstanceLimitsUpdate",
    "variableCollectionUpsert",
    "up",
    "deployment",
)
"""The sequence: what is sent takes the place of `serviceInstanceDeployV2`."""


@pytest.fixture
def world() -> Iterator[World]:
    made = World(strategy=Strategy.SOURCE)
    yield made
    made.close()


@pytest.mark.parametrize("operation", RELEASE)
@pytest.mark.parametrize("kind", sorted(rules.WIRE))
def test_a_fault_on_the_wire_at_a_step_of_the_release(
    world: World, kind: str, operation: str
) -> None:
    agent, _ = rules.live(world)
    if operation in FIRST_RELEASE:
        agent = world.agent("Second")
    fault = world.fault(kind, operation=operation, **rules.WIRE[kind])
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.pass_time(60)
    assert fault.struck == 1
    assert settle(world) == []
    newest = world.deployments(agent)[0]
    assert newest.state is DeploymentState.LIVE or kind not in PASSING, newest.reasons


@pytest.mark.parametrize("operation", RELEASE)
@pytest.mark.parametrize("kind", rules.ACCIDENTS)
def test_an_accident_right_after_a_step(world: World, kind: str, operation: str) -> None:
    agent, _ = rules.live(world)
    if operation in FIRST_RELEASE:
        agent = world.agent("Second")
    fault = world.fault(kind, operation=operation)
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.callers.excuse(None, f"by hand: {kind}")
    world.pass_time(60)
    assert fault.struck == 1
    assert settle(world) == []


@pytest.mark.parametrize("kind", sorted(rules.HOST))
def test_a_fault_of_the_host(world: World, kind: str) -> None:
    agent, _ = rules.live(world)
    fault = world.fault(kind, **rules.HOST[kind])
    chosen = world.agent("Second") if kind == "slow_visibility" else agent
    world.upload(chosen, rules.BEHAVIOURS["good"])
    world.pass_time(60)
    assert fault.struck >= 1
    if kind in ("removed_by_hand", "service_deleted"):
        world.callers.excuse(None, kind)
    assert settle(world) == []


@pytest.mark.parametrize("behaviour", sorted(rules.BEHAVIOURS))
def test_a_version_that_behaves_like_this(world: World, behaviour: str) -> None:
    agent, _ = rules.live(world)
    world.upload(agent, rules.BEHAVIOURS[behaviour])
    world.pass_time(60)
    assert settle(world) == []
    serving = next(d for d in world.deployments(agent) if d.state.is_serving)
    stays = behaviour in ("good", "slow") or "later" in behaviour
    assert serving.version_number == (2 if stays else 1)


@pytest.mark.parametrize("calls", range(0, 72, 2))
def test_a_step_killed_at_any_call(world: World, calls: int) -> None:
    agent, _ = rules.live(world)
    world.doom("deploy-step", calls)
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.pass_time(60)
    assert settle(world) == []
    assert world.deployments(agent)[0].state is DeploymentState.LIVE


def test_what_was_built_of_an_older_source_is_not_called_live(world: World) -> None:
    agent, good = rules.live(world)
    world.fault("stale_image")
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.pass_time(90)
    assert settle(world) == []
    back, stale, _ = world.deployments(agent)
    assert stale.state is DeploymentState.ROLLED_BACK
    assert [reason.code for reason in stale.reasons] == ["wrong_image"]
    assert (back.state, back.image) == (DeploymentState.LIVE, good.image)


def test_what_was_built_of_the_same_source_before_is_no_fault(world: World) -> None:
    agent, good = rules.live(world)
    world.fault("stale_image")
    rules.redeploy(world, agent, 0)
    world.pass_time(60)
    assert settle(world) == []
    assert world.deployments(agent)[0].state is DeploymentState.LIVE
    assert world.deployments(agent)[0].confirmed_image == good.confirmed_image


@pytest.mark.parametrize("moment", [0.0, 0.5, 3.0, HOST_BUILD_SECONDS + 2.0, 20.0])
def test_what_the_host_moves_meanwhile_is_not_taken_for_what_was_sent(
    world: World, moment: float
) -> None:
    """The answer is lost, and the host moves the former version to a deployment of its own."""
    agent, _ = rules.live(world)
    world.upload(agent, rules.BEHAVIOURS["good"], deploy=False)
    world.pass_time(20)
    world.fault("timeout_before", operation="up", seconds=3.0)
    rules.redeploy(world, agent, 0)
    world.pass_time(moment)
    rules.by_hand(world, agent, "migrated")
    world.pass_time(90)
    assert settle(world) == []


@pytest.mark.parametrize("deed", DEEDS)
def test_no_call_fails_while_one_takes_the_place_of_another(world: World, deed: str) -> None:
    assert answers_during(world, deed) == {200}
    assert settle(world) == []
