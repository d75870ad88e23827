"""Sharing: who beside the public sees an agent, who does not, and what ends with a share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.agents import Agent
from chalicelib.domain.tenancy import Principal, Role
from tests.api.conftest import Client, Reply
from tests.api.test_marketplace import PASSED, SOURCE, WORDS, prepared, published
from tests.conftest import World

SHARES = "/agents/{agent_id}/shares"
SHARED = "/marketplace/shared"
ONE = "/marketplace/shared/{offer_id}"
COPIES = "/marketplace/shared/copies"
PREVIEW = "/marketplace/shared/preview"
PAGES = "/marketplace/shared/pages"
VALUES = {"variables": {"START_URL": "https://example.com"}}


def person(world: World, email: str) -> Client:
    return Client(world, world.access_token(email))


def who(world: World, client: Client) -> Principal:
    return world.platform.access.principal(client.token or "")


@pytest.fixture
def agent(world: World, client: Client) -> Agent:
    """An agent that is private, with a ready version."""
    return prepared(world, who(world, client))


def share(client: Client, agent: Agent, **body: Any) -> Reply:
    return client("POST", SHARES, body, agent_id=agent.id)


def names(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.text
    return [item["name"] for item in reply.json["items"]]


def test_a_person_finds_reads_and_copies_what_is_shared_with_them(
    world: World, client: Client, agent: Agent
) -> None:
    bob, eve = person(world, "bob@example.com"), person(world, "eve@example.com")
    made = share(client, agent, **{"with": "person", "email": "Bob@Example.com"})
    assert made.status == 201, made.text
    assert made.json["token"] is None
    mail = world.mail.sent[-1]
    assert mail[0] == "bob@example.com"
    assert f"/marketplace/shared/{agent.id}" in mail[2]

    assert names(bob("GET", f"{SHARED}?q=crawlr")) == ["Crawler"]
    found = bob("GET", SHARED).json["items"][0]
    assert (found["offer_id"], found["shown_by"]) == (agent.id, "person")
    offer = bob("GET", ONE, offer_id=agent.id)
    assert offer.json["readme"].startswith("# Crawler")
    assert offer.headers["x-robots-tag"] == "noindex, nofollow"
    page = bob("GET", f"{ONE}/docs?path=docs/usage.md", offer_id=agent.id)
    assert page.json["title"] == "Using it"
    copy = bob("POST", COPIES, {**VALUES, "offer_id": agent.id})
    assert copy.status == 201, copy.text
    assert copy.json["deployment_id"]

    assert names(eve("GET", SHARED)) == []
    assert eve("GET", SHARED).json["total"] == 0
    assert eve("GET", ONE, offer_id=agent.id).status == 404
    assert eve("POST", COPIES, {**VALUES, "offer_id": agent.id}).status == 404


def test_what_is_shared_is_in_no_search_sitemap_or_feed(
    world: World, client: Client, nobody: Client, agent: Agent
) -> None:
    share(client, agent, **{"with": "link"})
    world.platform.indexing.refresh([(agent.org_id, agent.id)])
    world.platform.indexing.rebuild()
    listing = client("GET", "/agents/{agent_id}/listing", agent_id=agent.id).json
    assert (listing["visibility"], listing["is_public"]) == ("private", False)
    found = nobody("GET", "/marketplace/agents?q=crawler").json
    assert (found["items"], found["total"]) == ([], 0)
    assert not any(found["facets"]["category"].values())
    for target in ("sitemap.xml", "feed.xml"):
        text = nobody("GET", f"/marketplace/{target}").text
        assert listing["slug"] not in text
    for part in ("", "/social", "/picture.svg", "/reviews"):
        path = f"/marketplace/agents/{{slug}}{part}"
        assert nobody("GET", path, slug=listing["slug"]).status == 404


def test_members_find_what_is_for_the_organisation_and_others_do_not(
    world: World, client: Client, nobody: Client
) -> None:
    owner = world.founded("ada@example.com", "Acme")
    agent = prepared(world, owner)
    member = world.join(owner, "bob@example.com", Role.VIEWER)
    world.join(owner, "shut@example.com", Role.VIEWER, restricted=True)
    within = {"slipway-organisation": owner.org_id}
    body = {"visibility": "organisation"}
    reply = client("POST", "/agents/{agent_id}/publish", body, within, agent_id=agent.id)
    assert reply.status == 200, reply.text
    assert (reply.json["visibility"], reply.json["published_at"]) == ("organisation", None)

    bob = person(world, "bob@example.com")
    found = bob("GET", f"{SHARED}?q=crawler", headers=within).json
    assert [item["shown_by"] for item in found["items"]] == ["member"]
    assert found["facets"]["runtime"]["python"] == 1
    assert bob("GET", ONE, headers=within, offer_id=agent.id).status == 200
    assert member.org_id == agent.org_id

    elsewhere = bob("GET", SHARED).json
    assert (elsewhere["items"], elsewhere["total"]) == ([], 0), "from another organisation"
    shut = person(world, "shut@example.com")
    assert names(shut("GET", SHARED, headers=within)) == []
    assert shut("GET", ONE, headers=within, offer_id=agent.id).status == 404
    world.platform.indexing.refresh([(agent.org_id, agent.id)])
    assert nobody("GET", "/marketplace/agents?q=crawler").json["total"] == 0

    client("PATCH", "/agents/{agent_id}", {"visibility": "private"}, within, agent_id=agent.id)
    assert names(bob("GET", SHARED, headers=within)) == []


def test_an_organisation_s_members_see_what_is_shared_with_it(
    world: World, client: Client, agent: Agent
) -> None:
    other = world.founded("bob@example.com", "Beta")
    within = {"slipway-organisation": other.org_id}
    body = {"with": "organisation", "organisation_id": other.org_id}
    assert share(client, agent, **body).status == 201
    again = share(client, agent, **body)
    assert (again.status, again.json["code"]) == (409, "already_shared")
    bob = person(world, "bob@example.com")
    assert names(bob("GET", SHARED, headers=within)) == ["Crawler"]
    assert names(bob("GET", SHARED)) == [], "the organisation's, not the person's"


def test_a_link_shows_it_to_whoever_holds_it_until_it_is_revoked(
    world: World, client: Client, nobody: Client, stranger: Client, agent: Agent
) -> None:
    made = share(client, agent, **{"with": "link", "note": "For the fair"}).json
    token = made["token"]
    assert made["url"].endswith(f"/shared#token={token}")
    assert token not in b" ".join(world.store.dump().values()).decode(), "only a hash is kept"
    seen = nobody("POST", PREVIEW, {"token": token})
    assert (seen.status, seen.json["shown_by"]) == (200, "link")
    assert seen.headers["cache-control"] == "no-store"
    copy = stranger("POST", COPIES, {**VALUES, "token": token}).json
    assert names(stranger("GET", SHARED)) == [], "a link is kept by whoever was given it"

    [listed] = client("GET", SHARES, agent_id=agent.id).json["items"]
    assert "token" not in listed
    ended = client("DELETE", f"{SHARES}/{{share_id}}", agent_id=agent.id, share_id=listed["id"])
    assert ended.status == 204
    assert nobody("POST", PREVIEW, {"token": token}).status == 404
    assert stranger("POST", COPIES, {**VALUES, "token": token}).status == 404
    update = stranger("GET", "/agents/{agent_id}/updates", agent_id=copy["agent"]["id"]).json
    assert (update["listed"], update["offer_id"]) == (False, None)
    events = client("GET", "/audit?subject=" + agent.id).json["items"]
    assert {"agent.shared", "agent.unshared"} <= {event["action"] for event in events}


def test_a_link_opens_the_documentation_to_be_searched(
    client: Client, nobody: Client, agent: Agent
) -> None:
    made = share(client, agent, **{"with": "link"}).json
    for asked in ("Crawls", "crawl", "crwal"):
        found = nobody("POST", PAGES, {"token": made["token"], "q": asked})
        assert found.status == 200, found.text
        assert found.json["items"], asked
        assert found.headers["x-robots-tag"] == "noindex, nofollow"
    listed = nobody("POST", PAGES, {"token": made["token"]}).json["items"]
    assert {"readme", "reference"} <= {one["path"] for one in listed}
    for wrong in ({}, {"token": made["token"], "q": "x" * 201}):
        assert nobody("POST", PAGES, wrong).status == 422
    client("DELETE", f"{SHARES}/{{share_id}}", agent_id=agent.id, share_id=made["id"])
    assert nobody("POST", PAGES, {"token": made["token"], "q": "crawl"}).status == 404


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1],
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.replace(".", "", 1),
        lambda _: "x" * 200,
        lambda token: f"{token}.{token}"[:200],
    ],
)
def test_a_link_that_is_not_quite_right_leads_nowhere(
    client: Client, nobody: Client, agent: Agent, spoil: Any
) -> None:
    token = share(client, agent, **{"with": "link"}).json["token"]
    assert nobody("POST", PREVIEW, {"token": spoil(token)}).status == 404


def test_a_share_can_have_an_end(
    world: World, client: Client, nobody: Client, agent: Agent
) -> None:
    ends = (world.clock.now() + timedelta(hours=1)).isoformat()
    token = share(client, agent, **{"with": "link", "expires_at": ends}).json["token"]
    share(client, agent, **{"with": "person", "email": "bob@example.com", "expires_at": ends})
    bob = person(world, "bob@example.com")
    assert names(bob("GET", SHARED)) == ["Crawler"]
    world.clock.sleep(3601)
    bob = person(world, "bob@example.com")
    assert names(bob("GET", SHARED)) == []
    assert bob("GET", ONE, offer_id=agent.id).status == 404
    assert nobody("POST", PREVIEW, {"token": token}).status == 404
    client = person(world, "ada@example.com")
    assert client("GET", SHARES, agent_id=agent.id).json["items"] == []
    past = share(client, agent, **{"with": "link", "expires_at": "2020-01-01T00:00:00Z"})
    assert (past.status, past.json["errors"][0]["field"]) == (422, "expires_at")
    anew = share(client, agent, **{"with": "person", "email": "bob@example.com"})
    assert anew.status == 201, anew.text


@pytest.mark.parametrize(
    "body",
    [
        {"with": "person"},
        {"with": "person", "email": "nonsense"},
        {"with": "link", "email": "bob@example.com"},
        {"with": "organisation", "organisation_id": "org_" + "0" * 26},
        {"with": "organisation", "organisation_id": "x"},
        {"with": "everybody"},
        {"with": "link", "note": "turned \u202eround"},
        {},
    ],
)
def test_a_share_says_with_whom(client: Client, agent: Agent, body: dict[str, str]) -> None:
    assert share(client, agent, **body).status == 422
    assert client("GET", SHARES, agent_id=agent.id).json["items"] == []


def test_what_was_offered_to_some_is_not_shown_to_all_later(
    world: World, client: Client, nobody: Client, agent: Agent
) -> None:
    """A version that was shared stays unseen when a later one becomes public."""
    share(client, agent, **{"with": "person", "email": "bob@example.com"})
    early = client("GET", "/agents/{agent_id}/listing", agent_id=agent.id).json["version_id"]
    world.finish_build(world.upload(who(world, client), agent, SOURCE), **PASSED)
    client("PUT", "/agents/{agent_id}/listing", WORDS, agent_id=agent.id)
    assert client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent.id).status == 200
    offer = nobody("GET", "/marketplace/agents/{slug}", slug=WORDS["slug"]).json
    assert [v["number"] for v in offer["versions"]] == [2]
    path = f"/marketplace/agents/{{slug}}/docs?path=docs/usage.md&version_id={early}"
    assert nobody("GET", path, slug=WORDS["slug"]).status == 404
    bob = person(world, "bob@example.com")
    body = {**VALUES, "version_id": early}
    copy = bob("POST", "/marketplace/agents/{slug}/copies", body, slug=WORDS["slug"])
    assert copy.status == 404
    early_too = {"version_id": early}
    assert client("POST", "/agents/{agent_id}/publish", early_too, agent_id=agent.id).status == 200
    offer = nobody("GET", "/marketplace/agents/{slug}", slug=WORDS["slug"]).json
    assert [v["number"] for v in offer["versions"]] == [2, 1]


def test_a_copy_of_what_is_shared_hears_of_newer_versions(
    world: World, client: Client, stranger: Client, agent: Agent
) -> None:
    token = share(client, agent, **{"with": "link"}).json["token"]
    copy = stranger("POST", COPIES, {**VALUES, "token": token}).json
    world.finish_build(world.upload(who(world, client), agent, SOURCE), **PASSED)
    body = {"visibility": "private"}
    assert client("POST", "/agents/{agent_id}/publish", body, agent_id=agent.id).status == 200
    update = stranger("GET", "/agents/{agent_id}/updates", agent_id=copy["agent"]["id"]).json
    assert (update["available"], update["offer_id"]) == (True, agent.id)
    taken = stranger("POST", "/agents/{agent_id}/updates/accept", {}, agent_id=copy["agent"]["id"])
    assert taken.status == 201, taken.text


def test_a_link_survives_what_hides_the_public_listing_but_no_operator(
    world: World, client: Client, nobody: Client
) -> None:
    agent_id = published(world, client)
    token = client("POST", SHARES, {"with": "link"}, agent_id=agent_id).json["token"]
    client("POST", "/agents/{agent_id}/unpublish", agent_id=agent_id)
    assert nobody("POST", PREVIEW, {"token": token}).status == 200
    client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent_id)
    reporter = person(world, "bob@example.com")
    path = "/marketplace/agents/{slug}/reports"
    report = reporter("POST", path, {"reason": "malware"}, slug=WORDS["slug"]).json
    operator = person(world, "operator@example.com")
    verdict = {"decision": "hide", "reason": "Malware"}
    operator("POST", "/moderation/reports/{report_id}/decision", verdict, report_id=report["id"])
    assert nobody("POST", PREVIEW, {"token": token}).status == 404


def test_nothing_is_left_of_it_when_the_agent_is_deleted(
    world: World, client: Client, nobody: Client, agent: Agent
) -> None:
    token = share(client, agent, **{"with": "link"}).json["token"]
    share(client, agent, **{"with": "person", "email": "bob@example.com"})
    assert client("DELETE", "/agents/{agent_id}", agent_id=agent.id).status == 204
    assert nobody("POST", PREVIEW, {"token": token}).status == 404
    assert names(person(world, "bob@example.com")("GET", SHARED)) == []


def test_an_agent_without_a_ready_version_cannot_be_shared(world: World, client: Client) -> None:
    bare = world.agent(who(world, client), "Bare")
    reply = share(client, bare, **{"with": "link"})
    assert (reply.status, reply.json["code"]) == (409, "not_publishable")
    assert {e["field"] for e in reply.json["errors"]} == {"version", "scan"}


def test_who_does_not_want_it_is_shown_it_no_longer(
    world: World, client: Client, agent: Agent
) -> None:
    share(client, agent, **{"with": "person", "email": "bob@example.com"})
    share(client, agent, **{"with": "person", "email": "eve@example.com"})
    bob, eve = person(world, "bob@example.com"), person(world, "eve@example.com")
    assert bob("DELETE", ONE, offer_id=agent.id).status == 204
    assert bob("DELETE", ONE, offer_id=agent.id).status == 404
    assert names(bob("GET", SHARED)) == []
    assert names(eve("GET", SHARED)) == ["Crawler"]
    [left] = client("GET", SHARES, agent_id=agent.id).json["items"]
    assert left["grantee"] == "eve@example.com"
    [event, *_] = client("GET", "/audit?action=agent.unshared").json["items"]
    assert event["actor"] is None or "bob" not in str(event)


def test_nobody_shares_under_somebody_else_s_name(world: World, client: Client) -> None:
    published(world, client, publisher="Ada Labs")
    pretender = world.founded("eve@example.com", "Adа Labs")  # noqa: RUF001 - Cyrillic on purpose
    agent = prepared(world, pretender)
    within = {"slipway-organisation": pretender.org_id}
    eve = person(world, "eve@example.com")
    reply = eve("POST", SHARES, {"with": "link"}, within, agent_id=agent.id)
    assert (reply.status, reply.json["errors"][0]["field"]) == (409, "publisher")
    body = {"publisher": "Eve's workshop"}
    path = "/agents/{agent_id}/listing"
    assert eve("PUT", path, body, within, agent_id=agent.id).status == 200
    assert eve("POST", SHARES, {"with": "link"}, within, agent_id=agent.id).status == 201


def test_an_agent_is_shared_so_many_times_and_no_more(
    world: World, client: Client, agent: Agent
) -> None:
    for number in range(100):
        assert share(client, agent, **{"with": "link", "note": str(number)}).status == 201
    reply = share(client, agent, **{"with": "link"})
    assert (reply.status, reply.json["code"]) == (409, "share_limit")
    assert len(world.platform.sharing.shares(who(world, client), agent.id)) == 100
