"""The marketplace through its API: publish, find, read; and what must not come through."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.agents import Agent
from chalicelib.domain.tenancy import Principal
from tests.api.conftest import Client
from tests.conftest import World

README = (
    "# Crawler\n\nReads pages of a web site and gives back their titles, links and text as JSON. "
    "It follows robots.txt and never asks one host for more than one page a second.\n"
)
SOURCE = {
    "agent.yaml": (
        "name: Crawler\nruntime: python\nstart:\n  command: python main.py\n"
        "health:\n  path: /health\n"
        "env:\n  - name: START_URL\n    required: true\n    description: Where to begin\n"
        "  - name: DEPTH\n    default: 2\n"
        "tests:\n  - name: answers\n    request:\n      path: /health\n"
    ),
    "main.py": "print('hello')\n",
    "README.md": README,
    "LICENSE": "MIT License\n\nPermission is hereby granted, free of charge, to any person "
    "obtaining a copy … without restriction, including …",
    "docs/usage.md": "# Using it\n\nCall `/crawl`.\n",
}
PASSED = {"tests": [{"name": "answers", "passed": True, "runs": 1, "passes": 1}]}
WORDS: dict[str, Any] = {
    "slug": "site-crawler",
    "name": "Site crawler",
    "summary": "Crawls a web site and returns its pages as JSON",
    "categories": ["web-scraping"],
    "tags": ["crawler", "json"],
}


def prepared(world: World, who: Principal, name: str = "Crawler") -> Agent:
    """An agent with a ready version that fulfils every condition of its own."""
    agent = world.agent(who, name)
    world.finish_build(world.upload(who, agent, SOURCE), **PASSED)
    return agent


def published(world: World, client: Client, **words: Any) -> str:
    """A published agent; its id."""
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    reply = client("PUT", "/agents/{agent_id}/listing", {**WORDS, **words}, agent_id=agent.id)
    assert reply.status == 200, reply.text
    reply = client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent.id)
    assert reply.status == 200, reply.text
    world.platform.indexing.refresh([(agent.org_id, agent.id)])
    return agent.id


def test_a_published_agent_is_found_and_read_without_signing_in(
    world: World, client: Client, nobody: Client
) -> None:
    published(world, client)

    page = nobody("GET", "/marketplace/agents?q=crawling+sites").json
    assert [item["slug"] for item in page["items"]] == ["site-crawler"]
    assert page["facets"]["category"]["web-scraping"] == 1
    assert page["total"] == 1

    offer = nobody("GET", "/marketplace/agents/{slug}", slug="site-crawler")
    assert offer.status == 200
    assert offer.json["readme"] == README
    assert offer.json["licence"] == "MIT"
    assert [i["name"] for i in offer.json["inputs"]] == ["START_URL", "DEPTH"]
    assert offer.json["docs"] == [
        {"path": "docs/usage.md", "title": "Using it"},
        {"path": "reference", "title": "Reference"},
    ]
    assert offer.json["counts"]["ratings"] == 0

    doc = nobody("GET", "/marketplace/agents/{slug}/docs?path=docs/usage.md", slug="site-crawler")
    assert doc.json["markdown"].startswith("# Using it")


def test_the_documentation_is_searched_and_has_a_reference_of_each_version(
    world: World, client: Client, nobody: Client
) -> None:
    agent_id = published(world, client)
    path = "/marketplace/agents/{slug}/pages"
    listed = nobody("GET", path, slug="site-crawler").json["items"]
    assert [page["path"] for page in listed] == ["readme", "docs/usage.md", "reference"]
    found = nobody("GET", f"{path}?q=where+begining", slug="site-crawler").json["items"]
    assert [(page["path"], page["heading"]) for page in found] == [("reference", "Variables")]
    assert nobody("GET", f"{path}?q=zzzz", slug="site-crawler").json["items"] == []
    docs = "/marketplace/agents/{slug}/docs?path=reference"
    page = nobody("GET", docs, slug="site-crawler").json
    assert "`START_URL`" in page["markdown"]
    assert "HTTP API" not in page["markdown"], "it did not say that it has one"

    who = world.platform.access.principal(client.token or "")
    agent = world.platform.agents.get(who, agent_id)
    newer = {**SOURCE, "docs/usage.md": "# Using it\n\nCall `/hello`.\n"}
    newer["agent.yaml"] = SOURCE["agent.yaml"].replace("START_URL", "FIRST_URL")
    version = world.finish_build(world.upload(who, agent, newer), **PASSED)
    said = [{"method": "POST", "path": "/crawl", "summary": "Crawl", "answers": []}]
    world.artifacts.put_json(f"{version.prefix}interface.json", {"tools": None, "operations": said})
    first = nobody("GET", "/marketplace/agents/{slug}", slug="site-crawler").json["version"]
    client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent_id)
    page = nobody("GET", docs, slug="site-crawler").json
    assert "`FIRST_URL`" in page["markdown"]
    assert "`POST /crawl`" in page["markdown"]
    older = f"&version_id={first['version_id']}"
    assert "`START_URL`" in nobody("GET", docs + older, slug="site-crawler").json["markdown"]
    readme = "/marketplace/agents/{slug}/docs?path=readme" + older
    assert nobody("GET", readme, slug="site-crawler").json["markdown"] == README
    q = f"{path}?q=hello"
    assert len(nobody("GET", q, slug="site-crawler").json["items"]) == 1
    assert nobody("GET", q + older, slug="site-crawler").json["items"] == []


def test_nothing_of_the_owner_s_organisation_leaks(
    world: World, client: Client, nobody: Client
) -> None:
    published(world, client)
    who = world.platform.access.principal(client.token or "")
    for target in ("/marketplace/agents", "/marketplace/agents/site-crawler"):
        text = nobody("GET", target).text
        assert who.org_id not in text
        assert who.user_id not in text
        assert "registry.test" not in text


def test_what_is_missing_is_named_with_what_to_do(world: World, client: Client) -> None:
    who = world.platform.access.principal(client.token or "")
    agent = world.agent(who)
    world.ready(who, agent)
    reply = client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent.id)
    assert (reply.status, reply.json["code"]) == (409, "not_publishable")
    assert [e["field"] for e in reply.json["errors"]] == [
        "tests",
        "health",
        "readme",
        "licence",
        "summary",
    ]
    assert all(len(e["detail"]) > 20 for e in reply.json["errors"])


def test_a_serious_finding_of_the_scan_is_in_the_way(world: World, client: Client) -> None:
    who = world.platform.access.principal(client.token or "")
    agent = world.agent(who)
    finding = {"rule": "eval", "severity": "high", "level": "warn", "file": "main.py", "line": 3}
    report = {
        **PASSED,
        "scan": {"findings": [{**finding, "detail": "Runs text.", "advice": "Do not."}]},
    }
    world.finish_build(world.upload(who, agent, SOURCE), **report)
    draft = client("GET", "/agents/{agent_id}/listing", agent_id=agent.id).json
    scan = next(check for check in draft["checks"] if check["code"] == "scan")
    assert not scan["passed"]
    assert scan["detail"] == "main.py:3: Runs text. Do not."


def test_unpublishing_hides_it_everywhere_and_keeps_the_slug(
    world: World, client: Client, nobody: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    assert client("POST", "/agents/{agent_id}/unpublish", agent_id=agent_id).status == 200
    who = world.platform.access.principal(client.token or "")
    world.platform.indexing.refresh([(who.org_id, agent_id)])
    assert nobody("GET", "/marketplace/agents/{slug}", slug="site-crawler").status == 404
    assert nobody("GET", "/marketplace/agents?q=crawler").json["total"] == 0

    other = prepared(world, world.platform.access.principal(stranger.token or ""))
    reply = stranger("PUT", "/agents/{agent_id}/listing", WORDS, agent_id=other.id)
    assert (reply.status, reply.json["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    "words",
    [
        {"slug": "site-crawler"},
        {"slug": "sitecrawler"},
        {"slug": "s1te-craw1er"},
        {"slug": "other", "name": "Sitе Сrаwlеr"},  # noqa: RUF001 - Cyrillic on purpose
        {"slug": "other", "name": "SITE crawler!"},
    ],
)
def test_a_name_that_looks_like_somebody_else_s_is_refused(
    world: World, client: Client, stranger: Client, words: dict[str, str]
) -> None:
    published(world, client)
    agent = prepared(world, world.platform.access.principal(stranger.token or ""))
    reply = stranger("PUT", "/agents/{agent_id}/listing", {**WORDS, **words}, agent_id=agent.id)
    assert (reply.status, reply.json["code"]) == (409, "name_taken")


def test_of_two_drafts_of_one_name_the_first_to_be_published_gets_it(
    world: World, client: Client, stranger: Client
) -> None:
    agent = prepared(world, world.platform.access.principal(stranger.token or ""))
    drafted = stranger("PUT", "/agents/{agent_id}/listing", WORDS, agent_id=agent.id)
    assert drafted.status == 200
    published(world, client)
    reply = stranger("POST", "/agents/{agent_id}/publish", {}, agent_id=agent.id)
    assert (reply.status, reply.json["code"]) == (409, "name_taken")


@pytest.mark.parametrize("slug", ["Groß", "wеb", "a--b", "-a", "new", "a" * 41, "a/b", "a b"])  # noqa: RUF001
def test_a_slug_is_plain_letters_and_no_page_of_ours(
    world: World, client: Client, slug: str
) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    reply = client("PUT", "/agents/{agent_id}/listing", {"slug": slug}, agent_id=agent.id)
    assert reply.status == 422
    assert reply.json["errors"][0]["field"] == "slug"


@pytest.mark.parametrize(
    "words",
    [
        {"source_url": "javascript:alert(1)"},
        {"source_url": "http://example.com"},
        {"source_url": 'https://example.com/"><script>'},
        {"icon": "<svg onload=alert(1)>"},
        {"summary": "line\nbreak"},
        {"summary": "turned \u202eround"},
        {"name": "turned \u202eround"},
        {"name": "un\u200bseen"},
        {"name": ""},
        {"name": "x" * 81},
        {"publisher": "\ufeff"},
        {"icon": "\u202e"},
        {"tags": ["<b>"]},
        {"categories": []},
        {"categories": ["nonsense"]},
    ],
)
def test_what_could_do_harm_in_a_page_is_refused(
    world: World, client: Client, words: dict[str, Any]
) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    reply = client("PUT", "/agents/{agent_id}/listing", words, agent_id=agent.id)
    assert reply.status == 422


def test_nobody_publishes_under_somebody_else_s_name(
    world: World, client: Client, stranger: Client
) -> None:
    published(world, client, publisher="Ada Labs")
    agent = prepared(world, world.platform.access.principal(stranger.token or ""))
    words = {**WORDS, "slug": "another", "name": "Another", "publisher": "Adа  Iabs"}  # noqa: RUF001
    reply = stranger("PUT", "/agents/{agent_id}/listing", words, agent_id=agent.id)
    assert (reply.status, reply.json["errors"][0]["field"]) == (409, "publisher")


def test_an_emoji_of_several_parts_is_an_icon(world: World, client: Client) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    for icon in ("🕷️", "👩‍🔬", ""):
        reply = client("PUT", "/agents/{agent_id}/listing", {"icon": icon}, agent_id=agent.id)
        assert reply.status == 200, reply.text


def test_any_query_is_answered(world: World, client: Client, nobody: Client) -> None:
    published(world, client)
    for q in ("%00", "%22%27)(*", "x" * 5000, "%F0%9F%95%B7", "%D8%A7", "NEAR(", "a%0Ab"):
        assert nobody("GET", f"/marketplace/agents?q={q}").status == 200, q


def test_a_published_slug_stays(world: World, client: Client) -> None:
    agent_id = published(world, client)
    reply = client("PUT", "/agents/{agent_id}/listing", {"slug": "another"}, agent_id=agent_id)
    assert (reply.status, reply.json["code"]) == (409, "slug_fixed")


def test_a_renamed_agent_gives_its_old_name_back(
    world: World, client: Client, stranger: Client
) -> None:
    agent_id = published(world, client, name="First name")
    assert (
        client(
            "PUT", "/agents/{agent_id}/listing", {"name": "Second name"}, agent_id=agent_id
        ).status
        == 200
    )
    published(world, stranger, slug="elsewhere", name="First name")


def test_a_newer_version_is_shown_when_it_is_published(
    world: World, client: Client, nobody: Client
) -> None:
    agent_id = published(world, client)
    who = world.platform.access.principal(client.token or "")
    agent = world.platform.agents.get(who, agent_id)
    first = nobody("GET", "/marketplace/agents/{slug}", slug="site-crawler").json["version"]
    world.finish_build(world.upload(who, agent, SOURCE), **PASSED)
    between = nobody("GET", "/marketplace/agents/{slug}", slug="site-crawler").json
    assert between["version"] == first
    client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent_id)
    after = nobody("GET", "/marketplace/agents/{slug}", slug="site-crawler").json
    assert after["version"]["number"] == 2
    assert [v["number"] for v in after["versions"]] == [2, 1]


def test_publishing_twice_writes_once(world: World, client: Client) -> None:
    agent_id = published(world, client)
    before = client("GET", "/agents/{agent_id}/listing", agent_id=agent_id).json["revision"]
    again = client("POST", "/agents/{agent_id}/publish", {}, agent_id=agent_id)
    assert again.status == 200
    assert again.json["revision"] == before


def test_another_organisation_s_agent_is_404(
    world: World, client: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    for method, path in (
        ("GET", "/agents/{agent_id}/listing"),
        ("PUT", "/agents/{agent_id}/listing"),
        ("POST", "/agents/{agent_id}/publish"),
        ("POST", "/agents/{agent_id}/unpublish"),
    ):
        body: dict[str, Any] | None = {} if method != "GET" else None
        assert stranger(method, path, body, agent_id=agent_id).status == 404


def test_a_deleted_agent_leaves_the_marketplace(
    world: World, client: Client, nobody: Client
) -> None:
    agent_id = published(world, client)
    assert client("DELETE", "/agents/{agent_id}", agent_id=agent_id).status == 204
    assert nobody("GET", "/marketplace/agents/{slug}", slug="site-crawler").status == 404


def test_visibility_is_public_by_publishing_only(world: World, client: Client) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    reply = client("PATCH", "/agents/{agent_id}", {"visibility": "public"}, agent_id=agent.id)
    assert (reply.status, reply.json["code"]) == (409, "publish_instead")
    reply = client("POST", "/agents", {"name": "x", "visibility": "public"})
    assert (reply.status, reply.json["code"]) == (409, "publish_instead")


def test_making_a_public_agent_private_unpublishes_it(
    world: World, client: Client, nobody: Client
) -> None:
    agent_id = published(world, client)
    reply = client("PATCH", "/agents/{agent_id}", {"visibility": "private"}, agent_id=agent_id)
    assert reply.status == 200
    assert nobody("GET", "/marketplace/agents/{slug}", slug="site-crawler").status == 404
