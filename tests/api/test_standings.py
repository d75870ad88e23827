"""The list of agents says how each stands, and what came last of those that nothing runs of."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Client
from tests.conftest import World

LISTED = "/agents?include=production"


def only(client: Client) -> Any:
    (item,) = client("GET", LISTED).json["items"]
    return item


def test_a_first_build_that_failed_is_told_in_the_list(client: Client, world: World) -> None:
    who = world.platform.access.principal(str(client.token))
    agent = world.agent(who)
    assert (only(client)["production"], only(client)["latest"]) == (None, None)
    version = world.upload(who, agent, deploy=True)
    said = {
        "version_id": version.id,
        "version_number": 1,
        "version_state": "building",
        "deployment_id": None,
        "deployment_state": None,
    }
    assert only(client)["latest"] == said
    world.finish_build(version, state="failed", reasons=[])
    assert only(client)["latest"] == said | {"version_state": "failed"}
    # Nobody has asked for it: it is not looked up.
    (item,) = client("GET", "/agents").json["items"]
    assert (item["production"], item["latest"]) == (None, None)


def test_a_first_deployment_that_failed_is_told_in_the_list(client: Client, world: World) -> None:
    who = world.platform.access.principal(str(client.token))
    world.host.outcome = "FAILED"
    failed = world.live(who, world.agent(who))
    assert only(client)["production"] is None
    assert only(client)["latest"] == {
        "version_id": failed.version_id,
        "version_number": 1,
        "version_state": "ready",
        "deployment_id": failed.id,
        "deployment_state": "failed",
    }


def test_what_runs_is_all_that_is_told_of_an_agent_that_runs(client: Client, world: World) -> None:
    who = world.platform.access.principal(str(client.token))
    live = world.live(who, world.agent(who))
    assert only(client)["production"]["deployment_id"] == live.id
    assert only(client)["latest"] is None


def test_another_organisation_is_told_nothing(
    client: Client, stranger: Client, world: World
) -> None:
    who = world.platform.access.principal(str(client.token))
    world.finish_build(world.upload(who, world.agent(who)), state="failed", reasons=[])
    assert stranger("GET", LISTED).json["items"] == []


def test_how_all_stand_costs_two_more_calls_however_many_fail(client: Client, world: World) -> None:
    who = world.platform.access.principal(str(client.token))
    world.live(who, world.agent(who, "Live"))
    for number in range(4):
        agent = world.agent(who, f"Broken {number}")
        world.finish_build(world.upload(who, agent), state="failed", reasons=[])
    world.store.calls = 0
    reply = client("GET", LISTED)
    assert len(reply.json["items"]) == 5
    assert world.store.calls == 3
