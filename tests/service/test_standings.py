"""How many agents stand at once: what runs of each, or else what came of it last."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.agents import Agent
from chalicelib.domain.connections import PreviewsOf
from chalicelib.domain.deployments import DeploymentState
from chalicelib.domain.tenancy import Principal
from chalicelib.domain.versions import Version, VersionState
from chalicelib.ports import Put
from chalicelib.services.standings import Standing
from tests.conftest import World
from tests.hooks import connected


def standings(world: World, who: Principal) -> dict[str, Standing]:
    """Of all agents, as a list of them reads it."""
    page = world.platform.agents.page(who, limit=100, after=None)
    return world.platform.deployments.standings(who, page.items)


def standing(world: World, who: Principal, agent: Agent) -> Standing:
    return standings(world, who)[agent.id]


def refused(world: World, who: Principal, agent: Agent) -> Version:
    """A version whose build has failed, some time after whatever was before it."""
    world.adapters.clock.sleep(60)
    return world.finish_build(world.upload(who, agent, deploy=True), state="failed", reasons=[])


def test_what_runs_is_told_of_many_agents_at_once(world: World) -> None:
    who = world.sign_in()
    running, moving = (world.agent(who, name) for name in ("Running", "Moving"))
    live = world.live(who, running)
    world.live(who, moving)
    version = world.ready(who, moving, deploy=True)
    broken = world.agent(who, "Broken")
    failed = refused(world, who, broken)
    world.agent(who, "Idle")
    world.store.calls = 0
    page = world.platform.agents.page(who, limit=100, after=None)
    found = world.platform.deployments.standings(who, page.items)
    assert world.store.calls == 3
    assert {agent: one.running.id for agent, one in found.items() if one.running} == {
        running.id: live.id,
        moving.id: version.deployment_id,
    }
    assert found[broken.id] == Standing(version=failed)
    assert len(found) == 3
    assert world.platform.deployments.standings(who, []) == {}


def test_an_agent_whose_first_build_failed_says_so(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    building = world.upload(who, agent, deploy=True)
    assert standing(world, who, agent) == Standing(version=building)
    failed = world.finish_build(building, state="failed", reasons=[])
    assert failed.state is VersionState.FAILED
    assert standing(world, who, agent) == Standing(version=failed)


def test_an_agent_whose_first_deployment_failed_says_so(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.host.outcome = "FAILED"
    failed = world.live(who, agent)
    assert failed.state is DeploymentState.FAILED
    assert standing(world, who, agent) == Standing(ended=failed)


def test_what_came_last_is_what_is_said(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.host.outcome = "FAILED"
    world.live(who, agent)
    newer = refused(world, who, agent)
    assert standing(world, who, agent) == Standing(version=newer)
    world.host.outcome = "SUCCESS"
    world.adapters.clock.sleep(60)
    live = world.live(who, agent)
    assert standing(world, who, agent) == Standing(running=live)
    # A newer one that fails takes nothing from what serves.
    refused(world, who, agent)
    assert standing(world, who, agent) == Standing(running=live)


def test_what_a_person_has_stopped_is_said_to_be_stopped(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    live = world.live(who, agent)
    stopped = world.platform.deployments.stop(who, live.id)
    assert standing(world, who, agent) == Standing(ended=stopped)


def test_a_version_of_a_pull_request_says_nothing_of_the_agent(world: World) -> None:
    who = world.founded()
    agent = world.agent(who)
    repo = connected(world, who, agent, previews=PreviewsOf.ON)
    own = world.upload(who, agent)
    sha = repo.commit("Change", "feature", extra="1")
    repo.send("pull_request", repo.pull("opened", 3, sha))
    stored = world.platform.agents.get(who, agent.id)
    assert stored.version_count == 2
    assert standing(world, who, agent) == Standing(version=own)


def test_an_agent_older_than_the_note_of_its_newest_version_is_listed_without(
    world: World,
) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    refused(world, who, agent)
    stored = world.platform.agents.get(who, agent.id)
    world.store.commit(Put(replace(stored, newest=None, revision=stored.revision + 1)))
    assert standings(world, who) == {}
