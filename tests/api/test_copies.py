"""Copies of published agents: made once, counted exactly, updated when somebody wants it."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.release import CONTEXT, Upload, plan_release
from tests.api.conftest import Client
from tests.api.test_marketplace import PASSED, SOURCE, WORDS, prepared, published
from tests.conftest import World

SLUG = "site-crawler"
COPIES = "/marketplace/agents/{slug}/copies"
VALUES = {"variables": {"START_URL": "https://example.com"}}


def counts(nobody: Client) -> dict[str, int]:
    found: dict[str, int] = nobody("GET", "/marketplace/agents/{slug}", slug=SLUG).json["counts"]
    return found


def test_a_copy_is_the_published_image_deployed_with_the_caller_s_variables(
    world: World, client: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    author = world.platform.access.principal(client.token or "")
    original = world.platform.versions.page(author, agent_id, limit=1, after=None).items[0]

    reply = stranger("POST", COPIES, VALUES, slug=SLUG)
    assert reply.status == 201, reply.text
    made = reply.json
    assert made["origin"]["slug"] == SLUG
    shown = stranger("GET", "/agents/{agent_id}", agent_id=made["agent"]["id"]).json
    assert shown["origin"] == made["origin"]

    version = stranger(
        "GET",
        "/agents/{agent_id}/versions/{version_id}",
        agent_id=made["agent"]["id"],
        version_id=made["version_id"],
    ).json
    assert version["image"] == original.image
    assert version["state"] == "ready"
    assert version["source"]["kind"] == "copy"

    me = world.platform.access.principal(stranger.token or "")
    live = world.run_machine(me, made["deployment_id"])
    assert live.state == "live"
    assert world.platform.deployments.opened_variables(live) == VALUES["variables"]


def test_a_copy_of_what_the_host_builds_has_the_packed_source_too(
    world: World, client: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    author = world.platform.access.principal(client.token or "")
    agent = world.platform.agents.get(author, agent_id)
    copies: list[dict[str, Any]] = []
    for number in range(2):
        image = f"source@sha256:{number:064d}"
        version = world.finish_build(world.upload(author, agent, SOURCE), **PASSED, image=image)
        world.artifacts.objects[f"{version.prefix}{CONTEXT}"] = image.encode()
        assert client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent_id).status == 200
        made = (
            stranger(
                "POST", "/agents/{agent_id}/updates/accept", {}, agent_id=copies[0]["agent"]["id"]
            )
            if copies
            else stranger("POST", COPIES, VALUES, slug=SLUG)
        )
        assert made.status == 201, made.text
        copies.append(made.json)
        me = world.platform.access.principal(stranger.token or "")
        deployment = world.platform.deployments.get(me, made.json["deployment_id"])
        [*_, last] = plan_release(deployment, {})
        assert isinstance(last, Upload)
        assert world.artifacts.read(last.key) == image.encode()


def test_required_variables_are_asked_for_and_unknown_ones_named(
    world: World, client: Client, stranger: Client
) -> None:
    published(world, client)
    reply = stranger("POST", COPIES, {}, slug=SLUG)
    assert (reply.status, reply.json["code"]) == (422, "variables_missing")
    assert reply.json["errors"] == [{"field": "variables.START_URL", "detail": "Where to begin"}]
    body = {"variables": {**VALUES["variables"], "OTHER": "x"}}
    reply = stranger("POST", COPIES, body, slug=SLUG)
    assert (reply.status, reply.json["code"]) == (422, "variables_unknown")
    assert stranger("GET", "/agents").json["items"] == []


def test_what_is_counted_is_exact_and_the_author_counts_for_nothing(
    world: World, client: Client, stranger: Client, nobody: Client
) -> None:
    published(world, client)
    for _ in range(3):
        assert stranger("POST", COPIES, VALUES, slug=SLUG).status == 201
    assert client("POST", COPIES, VALUES, slug=SLUG).status == 201
    found = counts(nobody)
    assert (found["deployments"], found["users"]) == (3, 1)


def test_people_whose_copy_runs_are_counted_once_a_month(
    world: World, client: Client, stranger: Client, nobody: Client
) -> None:
    published(world, client)

    def active() -> int:
        found: int = nobody("GET", "/marketplace/agents/{slug}", slug=SLUG).json["active_users"]
        return found

    def runs(who: Client) -> str:
        made = who("POST", COPIES, VALUES, slug=SLUG).json
        me = world.platform.access.principal(who.token or "")
        assert world.run_machine(me, made["deployment_id"]).state == "live"
        return me.user_id

    user_id = runs(stranger)
    runs(stranger)
    runs(client)
    assert active() == 1, "each once, and the author not at all"
    bob = Client(world, world.access_token("bob@example.com"))
    assert bob("POST", COPIES, {**VALUES, "deploy": False}, slug=SLUG).status == 201
    assert active() == 1, "a copy that does not run uses nothing"
    runs(bob)
    assert active() == 2
    kept = b" ".join(d for k, d in world.store.dump().items() if k.sk == "ACTIVE#")
    assert kept.count(b"person") == 2
    assert user_id.encode() not in kept

    world.clock.sleep(40 * 24 * 3600)
    assert active() == 0, "a new month"
    world.platform.reconciler.run()
    assert active() == 2, "what still runs is used"
    world.clock.sleep(600)
    world.platform.reconciler.run()
    assert active() == 2


def test_a_repeated_request_makes_one_copy(
    world: World, client: Client, stranger: Client, nobody: Client
) -> None:
    published(world, client)
    key = {"idempotency-key": "once"}
    first = stranger("POST", COPIES, VALUES, headers=key, slug=SLUG)
    again = stranger("POST", COPIES, VALUES, headers=key, slug=SLUG)
    assert first.json == again.json
    assert counts(nobody)["deployments"] == 1


def test_a_visitor_counts_once_a_day(world: World, client: Client, nobody: Client) -> None:
    published(world, client)
    path = "/marketplace/agents/{slug}/views"
    for _ in range(3):
        assert nobody("POST", path, slug=SLUG).status == 204
    nobody("POST", path, headers={"user-agent": "another"}, slug=SLUG)
    assert counts(nobody)["views"] == 2
    assert nobody("POST", path, slug="unknown").status == 404


def test_the_copy_s_owner_sees_what_is_new_and_takes_it_over(
    world: World, client: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    copy_id = stranger("POST", COPIES, VALUES, slug=SLUG).json["agent"]["id"]
    seen = stranger("GET", "/agents/{agent_id}/updates", agent_id=copy_id).json
    assert not seen["available"]
    reply = stranger("POST", "/agents/{agent_id}/updates/accept", {}, agent_id=copy_id)
    assert (reply.status, reply.json["code"]) == (409, "up_to_date")

    author = world.platform.access.principal(client.token or "")
    newer = SOURCE["agent.yaml"].replace(
        "  - name: DEPTH\n    default: 2\n",
        "  - name: API_KEY\n    required: true\n    secret: true\n    description: The key\n",
    )
    newer = newer.replace("path: /health\nenv", "path: /ready\nenv")
    agent = world.platform.agents.get(author, agent_id)
    world.finish_build(world.upload(author, agent, {**SOURCE, "agent.yaml": newer}), **PASSED)
    assert not stranger("GET", "/agents/{agent_id}/updates", agent_id=copy_id).json["available"]
    assert client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent_id).status == 200

    seen = stranger("GET", "/agents/{agent_id}/updates", agent_id=copy_id).json
    assert seen["available"]
    assert seen["missing"] == ["API_KEY"]
    assert seen["difference"]["variables"] == [
        {"name": "API_KEY", "kind": "added", "required": True, "description": "The key"},
        {"name": "DEPTH", "kind": "removed", "required": False, "description": ""},
    ]
    assert {"path": "health.path", "before": "/health", "after": "/ready"} in seen["difference"][
        "manifest"
    ]

    reply = stranger("POST", "/agents/{agent_id}/updates/accept", {}, agent_id=copy_id)
    assert (reply.status, reply.json["code"]) == (422, "variables_missing")
    body = {"variables": {"API_KEY": "s3cret"}}
    reply = stranger("POST", "/agents/{agent_id}/updates/accept", body, agent_id=copy_id)
    assert reply.status == 201, reply.text
    me = world.platform.access.principal(stranger.token or "")
    deployment = world.platform.deployments.get(me, reply.json["deployment_id"])
    assert world.platform.deployments.opened_variables(deployment) == {
        "START_URL": "https://example.com",
        "API_KEY": "s3cret",
    }
    shown = stranger(
        "GET",
        "/agents/{agent_id}/environments/{environment}/variables",
        agent_id=copy_id,
        environment="production",
    ).json["items"]
    assert {"name": "API_KEY", "value": None, "secret": True} in shown
    assert not stranger("GET", "/agents/{agent_id}/updates", agent_id=copy_id).json["available"]


def test_tools_that_a_newer_version_gains_and_loses_are_named(
    world: World, client: Client, stranger: Client
) -> None:
    author = world.platform.access.principal(client.token or "")
    agent = prepared(world, author)
    first = world.platform.versions.page(author, agent.id, limit=1, after=None).items[0]
    fetch: dict[str, Any] = {"name": "fetch", "description": "Fetches", "inputs": [], "outputs": []}
    url = {"name": "url", "type": "string", "required": True, "description": ""}
    grown = {**fetch, "inputs": [url]}
    search = {"name": "search", "description": "Searches", "inputs": [], "outputs": []}
    said = {"tools": [fetch], "operations": None}
    world.artifacts.put_json(f"{first.prefix}interface.json", said)
    client("PUT", "/agents/{agent_id}/listing", WORDS, agent_id=agent.id)
    assert client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent.id).status == 200
    copy_id = stranger("POST", COPIES, VALUES, slug=SLUG).json["agent"]["id"]
    second = world.finish_build(world.upload(author, agent, SOURCE), **PASSED)
    said = {"tools": [grown, search], "operations": None}
    world.artifacts.put_json(f"{second.prefix}interface.json", said)
    client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent.id)
    seen = stranger("GET", "/agents/{agent_id}/updates", agent_id=copy_id).json
    assert seen["difference"]["tools"] == [
        {"path": "fetch.inputs.url", "before": None, "after": "string, required"},
        {"path": "search", "before": None, "after": "Searches"},
    ]


def test_a_copy_outlives_its_author_s_listing(
    world: World, client: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    copy_id = stranger("POST", COPIES, VALUES, slug=SLUG).json["agent"]["id"]
    client("DELETE", "/agents/{agent_id}", agent_id=agent_id)
    seen = stranger("GET", "/agents/{agent_id}/updates", agent_id=copy_id).json
    assert (seen["listed"], seen["available"]) == (False, False)


def test_a_fork_is_built_from_the_source_where_the_author_allows_it(
    world: World, client: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    body = {**VALUES, "fork": True}
    assert stranger("POST", COPIES, body, slug=SLUG).status == 403
    client("PUT", "/agents/{agent_id}/listing", {"fork": True}, agent_id=agent_id)
    made = stranger("POST", COPIES, body, slug=SLUG).json
    me = world.platform.access.principal(stranger.token or "")
    version = world.platform.versions.receive_upload(me.org_id, made["version_id"])
    assert version is not None
    assert version.state == "building"
    assert version.manifest is not None
    ready = world.finish_build(version, **PASSED)
    assert ready.deployment_id is not None
    reply = stranger("POST", "/agents/{agent_id}/updates/accept", {}, agent_id=made["agent"]["id"])
    assert reply.status == 409


def test_a_copy_cannot_be_published_as_one_s_own(
    world: World, client: Client, stranger: Client
) -> None:
    published(world, client)
    copy_id = stranger("POST", COPIES, VALUES, slug=SLUG).json["agent"]["id"]
    reply = stranger("POST", "/agents/{agent_id}/publish", {}, agent_id=copy_id)
    assert reply.status == 409
    assert "own" in [e["field"] for e in reply.json["errors"]]


def test_an_agent_that_is_no_copy_has_no_updates(world: World, client: Client) -> None:
    agent_id = published(world, client)
    reply = client("GET", "/agents/{agent_id}/updates", agent_id=agent_id)
    assert (reply.status, reply.json["code"]) == (409, "not_a_copy")


def test_a_version_that_was_never_published_cannot_be_copied(
    world: World, client: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    author = world.platform.access.principal(client.token or "")
    agent = world.platform.agents.get(author, agent_id)
    hidden = world.finish_build(world.upload(author, agent, SOURCE), **PASSED)
    reply = stranger("POST", COPIES, {**VALUES, "version_id": hidden.id}, slug=SLUG)
    assert reply.status == 404
