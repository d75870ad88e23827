"""Reviews and moderation: who may say what, what it counts for, and what is taken down."""

from __future__ import annotations

import pytest

from tests.api.conftest import Client
from tests.api.test_copies import COPIES, SLUG, VALUES
from tests.api.test_marketplace import PASSED, SOURCE, WORDS, published
from tests.conftest import World

MINE = "/marketplace/agents/{slug}/review"
ALL = "/marketplace/agents/{slug}/reviews"
HELPFUL = "/marketplace/agents/{slug}/reviews/{review_id}/helpful"
REPORTS = "/marketplace/agents/{slug}/reports"


def runs(world: World, client: Client) -> Client:
    """Somebody who has a copy that is live."""
    made = client("POST", COPIES, VALUES, slug=SLUG).json
    me = world.platform.access.principal(client.token or "")
    world.run_machine(me, made["deployment_id"])
    return client


def user(world: World, name: str) -> Client:
    return runs(world, Client(world, world.access_token(f"{name}@example.com")))


def rating(nobody: Client) -> tuple[int, float | None]:
    counts = nobody("GET", "/marketplace/agents/{slug}", slug=SLUG).json["counts"]
    return counts["ratings"], counts["rating"]


def write(client: Client, stars: int = 5, text: str = "Works well.") -> str:
    reply = client("PUT", MINE, {"stars": stars, "text": text}, slug=SLUG)
    assert reply.status == 200, reply.text
    return str(reply.json["id"])


def test_who_has_run_it_reviews_it_once_and_may_change_it(
    world: World, client: Client, stranger: Client, nobody: Client
) -> None:
    published(world, client)
    runs(world, stranger)
    first = write(stranger, 5)
    assert rating(nobody) == (1, 5.0)
    assert write(stranger, 2, "Changed my mind.") == first
    assert rating(nobody) == (1, 2.0)
    assert write(user(world, "bob"), 4)
    assert rating(nobody) == (2, 3.0)
    [*_, last] = nobody("GET", ALL, slug=SLUG).json["items"]
    assert last["text"] == "Changed my mind."
    assert last["author"] == "A user", "the front of an address is nobody's to know"
    assert stranger("DELETE", MINE, slug=SLUG).status == 204
    assert stranger("DELETE", MINE, slug=SLUG).status == 204
    assert rating(nobody) == (1, 4.0)


def test_the_author_and_who_never_ran_it_may_not(
    world: World, client: Client, stranger: Client, nobody: Client
) -> None:
    published(world, client)
    body = {"stars": 5, "text": "Great"}
    assert stranger("PUT", MINE, body, slug=SLUG).status == 403
    standing = stranger("GET", MINE, slug=SLUG).json
    assert standing["may_review"] is False
    assert "copy" in standing["why_not"]

    stranger("POST", COPIES, VALUES, slug=SLUG)
    assert stranger("PUT", MINE, body, slug=SLUG).status == 403, "never live"

    runs(world, client)
    assert client("PUT", MINE, body, slug=SLUG).status == 403, "the author"
    organisation = client("POST", "/organisations", {"name": "Second"}).json["id"]
    other = {"slipway-organisation": organisation}
    made = client("POST", COPIES, VALUES, headers=other, slug=SLUG)
    assert made.status == 201
    reply = client("PUT", MINE, body, headers=other, slug=SLUG)
    assert reply.status == 403, "the author from elsewhere"
    assert rating(nobody) == (0, None)
    counts = nobody("GET", "/marketplace/agents/{slug}", slug=SLUG).json["counts"]
    assert (counts["deployments"], counts["users"]) == (1, 1), "the author's own do not count"


def test_no_token_writes_a_review(world: World, client: Client, stranger: Client) -> None:
    published(world, client)
    runs(world, stranger)
    token = stranger("POST", "/tokens", {"name": "bot", "scope": "admin"}).json["token"]
    reply = Client(world, token)("PUT", MINE, {"stars": 5}, slug=SLUG)
    assert reply.status == 403


@pytest.mark.parametrize(
    "body",
    [
        {"stars": 0},
        {"stars": 6},
        {"stars": 4.5},
        {"stars": 5, "text": "x" * 2001},
        {"stars": 5, "text": "a\u202eb"},
        {"stars": 5, "text": "a\x00b"},
        {"text": "no stars"},
    ],
)
def test_what_is_no_review_is_refused(
    world: World, client: Client, stranger: Client, body: dict[str, object]
) -> None:
    published(world, client)
    assert stranger("PUT", MINE, body, slug=SLUG).status == 422


def test_the_most_helpful_come_first_and_a_vote_counts_once(
    world: World, client: Client, stranger: Client, nobody: Client
) -> None:
    published(world, client)
    first = write(runs(world, stranger), 5, "first")
    second = write(user(world, "bob"), 1, "second")
    assert [r["id"] for r in nobody("GET", ALL, slug=SLUG).json["items"]] == [second, first]
    for _ in range(2):
        assert client("PUT", HELPFUL, slug=SLUG, review_id=first).status == 204
    items = nobody("GET", ALL, slug=SLUG).json["items"]
    assert [(r["id"], r["helpful"]) for r in items] == [(first, 1), (second, 0)]
    assert stranger("PUT", HELPFUL, slug=SLUG, review_id=first).status == 403
    for _ in range(2):
        assert client("DELETE", HELPFUL, slug=SLUG, review_id=first).status == 204
    items = nobody("GET", ALL, slug=SLUG).json["items"]
    assert [r["helpful"] for r in items] == [0, 0]
    assert client("PUT", HELPFUL, slug=SLUG, review_id="rev_unknown").status == 404


def test_a_reader_sees_what_they_have_voted_for(
    world: World, client: Client, stranger: Client
) -> None:
    published(world, client)
    first, second = write(runs(world, stranger), 5), write(user(world, "bob"), 1)
    assert client("GET", MINE, slug=SLUG).json["voted"] == []
    client("PUT", HELPFUL, slug=SLUG, review_id=first)
    client("PUT", HELPFUL, slug=SLUG, review_id=second)
    assert sorted(client("GET", MINE, slug=SLUG).json["voted"]) == sorted([first, second])
    client("DELETE", HELPFUL, slug=SLUG, review_id=first)
    assert client("GET", MINE, slug=SLUG).json["voted"] == [second]
    assert stranger("GET", MINE, slug=SLUG).json["voted"] == []


def test_the_author_replies_and_nobody_else(
    world: World, client: Client, stranger: Client, nobody: Client
) -> None:
    agent_id = published(world, client)
    review = write(runs(world, stranger), 1, "Broken.")
    path = "/agents/{agent_id}/reviews/{review_id}/reply"
    body = {"text": "Mended in 1.1."}
    assert stranger("PUT", path, body, agent_id=agent_id, review_id=review).status == 404
    assert client("PUT", path, body, agent_id=agent_id, review_id=review).status == 200
    [shown] = nobody("GET", ALL, slug=SLUG).json["items"]
    assert shown["reply"] == "Mended in 1.1."
    body = {"text": "Mended in 1.2, to be exact."}
    assert client("PUT", path, body, agent_id=agent_id, review_id=review).status == 200
    [shown] = nobody("GET", ALL, slug=SLUG).json["items"]
    assert shown["reply"] == body["text"]
    client("PUT", path, {"text": ""}, agent_id=agent_id, review_id=review)
    [shown] = nobody("GET", ALL, slug=SLUG).json["items"]
    assert (shown["reply"], shown["replied_at"]) == ("", None)


@pytest.fixture
def operator(world: World) -> Client:
    return Client(world, world.access_token("operator@example.com"))


def test_a_reported_review_is_hidden_and_counts_no_more(
    world: World, client: Client, stranger: Client, nobody: Client, operator: Client
) -> None:
    published(world, client)
    review = write(runs(world, stranger), 1, "Buy my watches")
    body = {"reason": "spam", "detail": "An advertisement", "review_id": review}
    for _ in range(2):
        assert client("POST", REPORTS, body, slug=SLUG).status == 202
    user(world, "bob")("POST", REPORTS, body, slug=SLUG)
    cases = operator("GET", "/moderation/reports").json["items"]
    assert len(cases) == 2
    assert cases[0]["review_text"] == "Buy my watches"

    path = "/moderation/reports/{report_id}/decision"
    verdict = {"decision": "hide", "reason": "Advertising"}
    reply = operator("POST", path, verdict, report_id=cases[0]["id"])
    assert reply.status == 200, reply.text
    assert operator("GET", "/moderation/reports").json["items"] == []
    assert nobody("GET", ALL, slug=SLUG).json["items"] == []
    assert rating(nobody) == (0, None)
    own = stranger("GET", MINE, slug=SLUG).json["review"]
    assert (own["hidden"], own["hidden_reason"]) == (True, "Advertising")
    write(stranger, 5, "Buy more")
    stranger("DELETE", MINE, slug=SLUG)
    assert rating(nobody) == (0, None), "neither edits nor goings of a hidden one count"


def test_a_reported_listing_is_hidden_with_the_reason_and_restored(
    world: World, client: Client, stranger: Client, nobody: Client, operator: Client
) -> None:
    agent_id = published(world, client)
    stranger("POST", REPORTS, {"reason": "malware", "detail": "It mines coins"}, slug=SLUG)
    [case] = operator("GET", "/moderation/reports").json["items"]
    path = "/moderation/reports/{report_id}/decision"
    verdict = {"decision": "hide", "reason": "Mines coins"}
    assert operator("POST", path, verdict, report_id=case["id"]).status == 200
    assert nobody("GET", "/marketplace/agents/{slug}", slug=SLUG).status == 404
    listing = client("GET", "/agents/{agent_id}/listing", agent_id=agent_id).json
    assert (listing["moderation"], listing["moderation_reason"]) == ("hidden", "Mines coins")
    client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent_id)
    assert nobody("GET", "/marketplace/agents/{slug}", slug=SLUG).status == 404
    assert "listing.hidden" in [i["action"] for i in client("GET", "/audit").json["items"]]

    restore = "/moderation/listings/{slug}/restore"
    assert operator("POST", restore, {"reason": "A mistake"}, slug=SLUG).status == 204
    assert nobody("GET", "/marketplace/agents/{slug}", slug=SLUG).status == 200


def test_who_is_no_operator_finds_nothing(world: World, client: Client) -> None:
    published(world, client)
    assert client("GET", "/moderation/reports").status == 404
    verdict = {"decision": "hide", "reason": "x"}
    path = "/moderation/reports/{report_id}/decision"
    assert client("POST", path, verdict, report_id="rep_x").status == 404
    path = "/moderation/listings/{slug}/restore"
    assert client("POST", path, {"reason": "x"}, slug=SLUG).status == 404


def test_who_leaves_takes_their_words_along(
    world: World, client: Client, stranger: Client, nobody: Client
) -> None:
    published(world, client)
    write(runs(world, stranger), 2)
    exported = stranger("GET", "/me/export").json
    [said], [copy] = exported["reviews"], exported["agents_created"]
    assert (said["slug"], said["stars"]) == (SLUG, 2)
    assert copy["origin"]["slug"] == SLUG
    for shown in (said, copy["origin"]):
        assert {"org_id", "agent_id"}.isdisjoint(shown), "whose it is, only its publisher knows"
    reply = stranger("DELETE", "/me", {"confirm": "stranger@example.com"})
    assert reply.status == 204, reply.text
    assert nobody("GET", ALL, slug=SLUG).json["items"] == []
    assert rating(nobody) == (0, None)


def test_a_closing_organisation_leaves_the_marketplace(
    world: World, client: Client, nobody: Client
) -> None:
    organisation = client("POST", "/organisations", {"name": "Makers"}).json["id"]
    who = world.platform.access.principal(client.token or "", organisation=organisation)
    agent = world.agent(who, "Crawler")
    world.finish_build(world.upload(who, agent, SOURCE), **PASSED)
    there = {"slipway-organisation": organisation}
    path = "/agents/{agent_id}/listing"
    assert client("PUT", path, WORDS, headers=there, agent_id=agent.id).status == 200
    path = "/agents/{agent_id}/publish"
    assert client("POST", path, {}, headers=there, agent_id=agent.id).status == 200
    reply = client("DELETE", "/organisations/{org_id}", {"confirm": "Makers"}, org_id=organisation)
    assert reply.status == 202, reply.text
    assert nobody("GET", "/marketplace/agents/{slug}", slug=SLUG).status == 404
