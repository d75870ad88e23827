"""Every fault at every step of the sequence, each alone; and every worker killed at every call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import FieldNode, OperationDefinitionNode, parse

from chalicelib.adapters import railway_documents
from chalicelib.domain.deployments import DeploymentState
from tests.simulation import rules
from tests.simulation.truth import lies
from tests.simulation.world import STATED, World

FIRST_RELEASE = ("serviceCreate", "serviceDomainCreate")
"""What only an agent's first release asks of the host."""
OPERATING = {"deploymentStop": "stop", "deploymentRestart": "restart"}
RELEASE = (
    *FIRST_RELEASE,
    "serviceInstanceUpdate",
    "serviceInstanceLimitsUpdate",
    "variableCollectionUpsert",
    "serviceInstanceDeployV2",
    "deployment",
)
"""The sequence, as the host sees it: what changes something there, and the look that follows."""
DEEDS = ("redeploy", "new version", "roll back", "bad version")
PASSING = sorted(set(rules.WIRE) - {"not_authorized"})
"""Faults after which the very same release still succeeds."""


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def settle(world: World) -> list[str]:
    """Quiet, and then what is untrue."""
    world.quiet(2 * STATED)
    return lies(world)


def mutations() -> set[str]:
    """The root fields of every mutation in the platform's own documents."""
    found = set()
    for document in vars(railway_documents).values():
        if isinstance(document, str) and document.lstrip().startswith("mutation"):
            for node in parse(document).definitions:
                assert isinstance(node, OperationDefinitionNode)
                fields = node.selection_set.selections
                found |= {one.name.value for one in fields if isinstance(one, FieldNode)}
    return found


def test_every_mutation_of_the_platform_is_struck_somewhere_here() -> None:
    elsewhere = {"deploymentCancel", "serviceDelete"}
    assert mutations() == {*RELEASE, *OPERATING, *elsewhere} - {"deployment"}


@pytest.mark.parametrize("operation", RELEASE)
@pytest.mark.parametrize("kind", sorted(rules.WIRE))
def test_a_fault_on_the_wire_at_a_step_of_the_release(
    world: World, kind: str, operation: str
) -> None:
    agent, good = rules.live(world)
    if operation in FIRST_RELEASE:
        agent = world.agent("Second")
    fault = world.fault(kind, operation=operation, **rules.WIRE[kind])
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.pass_time(60)
    assert fault.struck == 1
    assert settle(world) == []
    newest = world.deployments(agent)[0]
    assert newest.state is DeploymentState.LIVE or kind not in PASSING, newest.reasons
    if operation in FIRST_RELEASE:
        assert world.deployment(good.id).state is DeploymentState.LIVE


@pytest.mark.parametrize("operation", [*RELEASE, *OPERATING])
@pytest.mark.parametrize("kind", rules.ACCIDENTS)
def test_an_accident_right_after_a_step(world: World, kind: str, operation: str) -> None:
    agent, _ = rules.live(world)
    if operation in FIRST_RELEASE:
        agent = world.agent("Second")
    world.fault(kind, operation=operation)
    if operation in OPERATING:
        rules.act(world, agent, OPERATING[operation])
    else:
        world.upload(agent, rules.BEHAVIOURS["good"])
    world.callers.excuse(None, f"by hand: {kind}")
    world.pass_time(60)
    assert world.yard.faults.describe()[0]["struck"] == 1
    assert settle(world) == []


@pytest.mark.parametrize("operation", OPERATING)
@pytest.mark.parametrize("kind", sorted(rules.WIRE))
def test_a_fault_while_a_person_operates_it(world: World, kind: str, operation: str) -> None:
    agent, _ = rules.live(world)
    fault = world.fault(kind, operation=operation, **rules.WIRE[kind])
    rules.act(world, agent, OPERATING[operation])
    assert fault.struck == 1
    assert settle(world) == []


@pytest.mark.parametrize("kind", sorted(rules.HOST))
def test_a_fault_of_the_host(world: World, kind: str) -> None:
    agent, _ = rules.live(world)
    fault = world.fault(kind, **rules.HOST[kind])
    # A service becomes visible slowly only when it is made.
    chosen = world.agent("Second") if kind == "slow_visibility" else agent
    world.upload(chosen, rules.BEHAVIOURS["good"])
    world.pass_time(60)
    assert fault.struck >= 1
    if kind in ("removed_by_hand", "service_deleted"):
        world.callers.excuse(None, kind)
    assert settle(world) == []


@pytest.mark.parametrize("kind", sorted(rules.DELIVERY))
def test_a_fault_of_delivery(world: World, kind: str) -> None:
    agent, _ = rules.live(world)
    fault = world.fault(kind, **rules.DELIVERY[kind])
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.pass_time(60)
    assert fault.struck >= 1
    assert settle(world) == []
    assert world.deployments(agent)[0].state is DeploymentState.LIVE


@pytest.mark.parametrize("behaviour", sorted(rules.BEHAVIOURS))
def test_a_version_that_behaves_like_this(world: World, behaviour: str) -> None:
    agent, good = rules.live(world)
    world.upload(agent, rules.BEHAVIOURS[behaviour])
    world.pass_time(60)
    assert settle(world) == []
    found = world.deployments(agent)
    serving = next(d for d in found if d.state.is_serving)
    if behaviour in ("good", "slow"):
        assert serving.version_number == 2
    elif "later" in behaviour:
        assert (serving.version_number, serving.state) == (2, DeploymentState.CRASHED)
    else:
        assert (serving.version_number, serving.state) == (1, DeploymentState.LIVE)
        assert serving.id == good.id or found[0].rollback_of == found[1].id


@pytest.mark.parametrize("calls", range(0, 72, 3))
@pytest.mark.parametrize("offset", range(3))
def test_a_step_killed_at_any_call(world: World, calls: int, offset: int) -> None:
    agent, _ = rules.live(world)
    world.doom("deploy-step", calls + offset)
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.pass_time(60)
    assert settle(world) == []
    assert world.deployments(agent)[0].state is DeploymentState.LIVE


@pytest.mark.parametrize("calls", range(0, 45, 3))
@pytest.mark.parametrize("kind", ["api", "on-upload", "on-build", "reconcile"])
def test_another_worker_killed_at_any_call(world: World, kind: str, calls: int) -> None:
    agent, _ = rules.live(world)
    world.fault("build_event_lost")
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.doom(kind, calls)
    world.wait(world.reconcile())
    world.pass_time(5)
    rules.act(world, agent, "roll_back")
    world.pass_time(60)
    assert settle(world) == []


def test_two_releases_at_once_one_after_the_other(world: World) -> None:
    agent, _ = rules.live(world)
    for _ in range(3):
        world.upload(agent, rules.BEHAVIOURS["good"])
    other = world.agent("Second")
    world.upload(other, rules.BEHAVIOURS["good"])
    world.pass_time(90)
    assert settle(world) == []
    assert world.deployments(other)[0].state is DeploymentState.LIVE
    assert sum(d.state.is_serving for d in world.deployments(agent)) == 1


def answers_during(world: World, deed: str) -> set[int]:
    """The statuses of more than 1,000 calls of a second version while something else takes its
    place, or does not."""
    agent, first = rules.live(world)
    world.upload(agent, rules.BEHAVIOURS["good"])
    world.pass_time(30)
    answers: list[int] = []
    domain = str(first.url).removeprefix("http://")

    async def caller() -> None:
        while True:
            status, _, _ = await world.yard.request(domain, "/")
            answers.append(status)
            await asyncio.sleep(0.02)

    task = world.spawn(caller())
    match deed:
        case "redeploy":
            rules.redeploy(world, agent, 0)
        case "new version":
            world.upload(agent, rules.BEHAVIOURS["good"])
        case "roll back":
            rules.act(world, agent, "roll_back")
        case _:
            world.upload(agent, rules.BEHAVIOURS["health 500"])
    world.pass_time(60)
    task.cancel()
    assert len(answers) > 1000
    found: Any = world.deployments(agent)[0]
    assert found.state is (
        DeploymentState.FAILED if deed == "bad version" else DeploymentState.LIVE
    )
    return set(answers)


@pytest.mark.parametrize("deed", DEEDS)
def test_no_call_fails_while_one_takes_the_place_of_another(world: World, deed: str) -> None:
    assert answers_during(world, deed) == {200}
