"""What operators see, that nobody else does, and what the API tells of a deployment's truth."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.api.http import ENDPOINTS
from chalicelib.domain.operations import ServiceClaim
from chalicelib.domain.tenancy import Scope
from chalicelib.errors import Malformed, Unauthenticated
from chalicelib.ports import LogLine, Put
from tests.api.conftest import Client
from tests.conftest import World
from tests.hooks import Repo, connected, deliveries, hooked

OPERATOR = "operator@example.com"
OPERATIONS = [e for e in ENDPOINTS if e.tag == "operations"]


@pytest.fixture
def operator(world: World) -> Client:
    return Client(world, world.access_token(OPERATOR))


def live(world: World, client: Client) -> Any:
    who = world.platform.access.principal(str(client.token))
    return who, world.live(who, world.agent(who))


@pytest.mark.parametrize("endpoint", OPERATIONS, ids=lambda e: e.name)
def test_nobody_else_is_told_that_there_are_operations(
    endpoint: Any, world: World, client: Client
) -> None:
    reply = client(endpoint.method, endpoint.path, service_id="svc-0")
    assert (reply.status, reply.json["code"]) == (404, "not_found")
    who = world.sign_in(OPERATOR)
    _, secret = world.platform.tokens.create(who, name="ci", scope=Scope.DEPLOY, expires_at=None)
    token = Client(world, secret)
    assert token(endpoint.method, endpoint.path, service_id="svc-0").status == 404


def test_me_says_who_is_an_operator_and_from_where(
    world: World, client: Client, operator: Client
) -> None:
    assert client("GET", "/me").json["operator"] is False
    assert operator("GET", "/me").json["operator"] is True
    who = world.sign_in(OPERATOR)
    _, secret = world.platform.tokens.create(who, name="ci", scope=Scope.DEPLOY, expires_at=None)
    assert Client(world, secret)("GET", "/me").json["operator"] is False


def test_an_operator_sees_the_budget_and_the_last_run(
    world: World, client: Client, operator: Client
) -> None:
    seen = operator("GET", "/operations").json
    assert seen["reconciler"] is None
    assert (seen["budget"]["limit"], seen["budget"]["left"]) == (10_000, 10_000)
    _, deployment = live(world, client)
    world.host.set_status(deployment.host.deployment_id, "CRASHED")
    world.platform.reconciler.run()
    seen = operator("GET", "/operations").json
    assert seen["serving"] == 1
    assert seen["reconciler"]["repaired"] == 1
    assert seen["reconciler"]["compared_at"]
    assert [(r["said"], r["host"], r["done"]) for r in seen["repairs"]] == [
        ("live", "CRASHED", "now crashed")
    ]
    page = operator("GET", "/operations/repairs?limit=1").json
    assert page["items"][0]["deployment_id"] == deployment.id


def receipts(operator: Client) -> list[tuple[str, str, str]]:
    """What was told of nobody, newest first."""
    page = operator("GET", "/operations/deliveries").json
    return [(one["event"], one["state"], one["code"]) for one in page["items"]]


def told(world: World) -> Repo:
    """A repository of the app's that no agent is connected to."""
    repo = Repo(world, world.code_host.create("acme/loose", private=True, installation_id=77))
    repo.commit("First")
    return repo


def test_what_concerns_no_agent_is_listed_for_operators(world: World, operator: Client) -> None:
    repo = told(world)
    secret = "ghp_" + "aB3" * 12
    repo.push(f"The key is {secret} [skip deploy]")
    repo.send("ping", {"zen": "x"})
    repo.send("star", {"action": "created"})
    repo.send("installation", {"action": "suspend", "repository": None})
    with pytest.raises(Malformed):
        repo.send("push", b"[]")
    world.work()
    assert receipts(operator) == [
        ("push", "done", "payload_malformed"),
        ("installation", "done", "unknown_installation"),
        ("star", "done", "event_ignored"),
        ("ping", "done", "ping"),
        ("push", "done", "not_connected"),
    ]
    reply = operator("GET", "/operations/deliveries?limit=4")
    assert reply.json["next_cursor"]
    [push] = operator(
        "GET", f"/operations/deliveries?limit=4&cursor={reply.json['next_cursor']}"
    ).json["items"]
    assert (push["source"], push["repository"]) == ("app", "acme/loose")
    assert push["installation_id"] == 77
    assert push["size"] > 0
    assert push["guid"]
    whole = operator("GET", "/operations/deliveries").text
    assert secret not in whole
    assert "The key is" not in whole
    assert "skip deploy" not in whole


def test_a_call_in_the_apps_name_that_is_not_believed_is_listed_once(
    world: World, operator: Client
) -> None:
    repo = told(world)
    repo.secret = "guessed"
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            repo.push()
    assert receipts(operator) == [("", "refused", "signature_wrong")]


def test_what_concerns_an_agent_is_its_organisations_alone(
    world: World, client: Client, operator: Client
) -> None:
    who = world.platform.access.principal(str(client.token))
    agent = world.agent(who)
    connected(world, who, agent).push()
    own = hooked(world, who, world.agent(who))
    own.push()
    with pytest.raises(Malformed):
        own.send("push", b"{")
    own.secret = "guessed"
    with pytest.raises(Unauthenticated):
        own.push()
    world.work()
    assert [one.code for one in deliveries(world, agent)] == ["started"]
    assert receipts(operator) == []


def test_a_webhook_whose_agent_was_disconnected_meanwhile_is_told(
    world: World, client: Client, operator: Client
) -> None:
    who = world.platform.access.principal(str(client.token))
    agent = world.agent(who)
    repo = hooked(world, who, agent)
    repo.send("push", repo.pushed(repo.commit()), work=False)
    world.platform.connections.remove(who, agent.id)
    world.work()
    [one] = operator("GET", "/operations/deliveries").json["items"]
    assert (one["source"], one["code"]) == (repo.hook_id, "disconnected")


def test_an_installation_that_organisations_use_is_noted_for_them(
    world: World, client: Client, operator: Client
) -> None:
    who = world.platform.access.principal(str(client.token))
    repo = connected(world, who, world.agent(who))
    repo.send("installation", {"action": "suspend", "repository": None})
    assert receipts(operator) == [("installation", "done", "installation")]


def test_an_orphan_is_found_told_and_removed_only_by_hand(
    world: World, client: Client, operator: Client
) -> None:
    live(world, client)
    world.host.services_by_name["somebodys"] = "svc-x"
    world.host.of_service["svc-x"] = []
    world.platform.reconciler.run()
    orphans = operator("GET", "/operations").json["orphans"]
    assert [(o["service_id"], o["name"]) for o in orphans] == [("svc-x", "somebodys")]
    world.clock.sleep(timedelta(hours=2).total_seconds())
    world.platform.reconciler.run()
    assert "svc-x" in world.host.of_service
    path = "/operations/orphans/{service_id}/remove"
    assert operator("POST", path, service_id="svc-0").status == 404
    assert operator("POST", path, service_id="svc-x").status == 204
    assert "svc-x" not in world.host.of_service
    assert operator("POST", path, service_id="svc-x").status == 404
    assert operator("POST", "/operations/orphans/search").json == {"items": []}
    records = operator("GET", "/audit?action=orphan").json["items"]
    assert [(r["action"], r["subject"], r["before"], r["result"]) for r in records] == [
        ("orphan.removed", "svc-x", {"name": "somebodys"}, "done")
    ]
    assert operator("GET", "/audit/verify").json["sound"]
    assert client("GET", "/audit?action=orphan").json["items"] == []


def test_an_orphan_that_was_claimed_meanwhile_stays(
    world: World, client: Client, operator: Client
) -> None:
    world.host.services_by_name["somebodys"] = "svc-x"
    world.host.of_service["svc-x"] = []
    assert operator("POST", "/operations/orphans/search").json["items"]
    world.store.commit(Put(ServiceClaim("svc-x", "org_x", "agt_x", "production")))
    reply = operator("POST", "/operations/orphans/{service_id}/remove", service_id="svc-x")
    assert (reply.status, reply.json["code"]) == (409, "service_claimed")
    assert operator("POST", "/operations/orphans/search").json == {"items": []}
    live(world, client)


def test_somebodys_deployment_at_the_host_is_told_and_left(
    world: World, client: Client, operator: Client
) -> None:
    _, deployment = live(world, client)
    service = deployment.host.service_id
    foreign = world.host.begin(service, "ghcr.io/somebody/else@sha256:0")
    world.platform.reconciler.run()
    reply = client("GET", "/deployments/{deployment_id}", deployment_id=deployment.id).json
    assert reply["state"] == "stopped"
    assert "somebody/else" in reply["reasons"][0]["detail"]
    orphan = operator("GET", "/operations").json["orphans"][0]
    assert (orphan["service_id"], orphan["deployment_id"]) == (service, foreign)
    assert world.host.running[foreign].status == "SUCCESS"


def test_work_that_does_not_move_is_told(world: World, client: Client, operator: Client) -> None:
    who = world.platform.access.principal(str(client.token))
    agent = world.agent(who)
    version = world.ready(who, agent, deploy=True)
    world.clock.sleep(400)
    stuck = operator("GET", "/operations").json["stuck"]
    assert [(s["deployment_id"], s["state"]) for s in stuck] == [(version.deployment_id, "queued")]


def test_a_deployment_tells_what_was_asked_confirmed_and_what_differs(
    world: World, client: Client
) -> None:
    who, deployment = live(world, client)
    path = "/deployments/{deployment_id}"
    seen = client("GET", path, deployment_id=deployment.id).json
    assert seen["asked"]["image"] == deployment.image
    assert seen["asked"]["strategy"] == "image"
    assert seen["asked"]["settings"]["restart_policy"] == "ON_FAILURE"
    assert seen["confirmed"]["status"] == "SUCCESS"
    assert seen["confirmed"]["proof"] == {"host_image": deployment.image}
    assert seen["confirmed"]["health"]["ok"]
    world.host.set_status(deployment.host.deployment_id, "CRASHED")
    world.platform.reconciler.run()
    events = client("GET", f"{path}/events", deployment_id=deployment.id).json["items"]
    assert events[-1]["facts"] == {"said": "live", "host": "CRASHED", "done": "now crashed"}
    plan = f"/agents/{{agent_id}}/deployments/plan?version_id={deployment.version_id}"
    shown = client("GET", plan, agent_id=deployment.agent_id).json
    assert shown["serving"] == deployment.id
    assert shown["changes"] == []
    assert shown["host_read"]
    assert who.org_id not in str(shown)


def test_a_log_moves_no_cursor_and_keeps_its_colours(world: World, client: Client) -> None:
    _, deployment = live(world, client)
    wild = "\x1b[31mred\x1b[0m \x1b[2J\x07\x1b]0;title\x07a\rb\x9b5Ac\u202ed\te\x1b"
    world.host.lines[deployment.host.deployment_id] = [
        LogLine("2026-01-01T00:00:00Z", "info", wild)
    ]
    path = "/deployments/{deployment_id}/logs"
    line = client("GET", path, deployment_id=deployment.id).json["items"][0]
    assert line["message"] == "\x1b[31mred\x1b[0m ab5Acd\te"


def test_environments_are_listed_with_what_moves(world: World, client: Client) -> None:
    _, deployment = live(world, client)
    path = "/agents/{agent_id}/environments"
    items = client("GET", path, agent_id=deployment.agent_id).json["items"]
    assert [(e["name"], e["serving"], e["paused"]) for e in items] == [
        ("production", deployment.id, None)
    ]
    reply = client(
        "POST", f"{path}/{{environment}}/resume", agent_id=deployment.agent_id, environment="none"
    )
    assert reply.status == 404
