"""What a README shows: the truth about an agent, to whom its address was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest

from chalicelib.domain.agents import Agent
from chalicelib.domain.badges import badge_of, deploy_address
from chalicelib.domain.deployments import Environment, HealthSeen
from chalicelib.domain.tenancy import Principal
from tests.api.conftest import Client, Reply
from tests.conftest import World
from tests.hooks import connected, hooked
from tests.unit.test_stations import deployment

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def who(world: World, client: Client) -> Principal:
    return world.sign_in()


@pytest.fixture
def agent(world: World, who: Principal) -> Agent:
    return world.agent(who)


def shown(nobody: Client, url: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    address = url.rpartition("/")[2]
    return nobody("GET", "/badges/{address}", headers=named, address=address)


def word(nobody: Client, url: str) -> str:
    picture = shown(nobody, url)
    assert picture.status == 200
    root = ET.fromstring(picture.text)  # noqa: S314 - made here
    return str(root.attrib["aria-label"]).removeprefix("Slipway: ")


def test_a_badge_tells_how_the_agent_is(
    world: World, client: Client, nobody: Client, who: Principal, agent: Agent
) -> None:
    found = client("GET", "/agents/{agent_id}/badge", agent_id=agent.id).json
    assert word(nobody, found["badge_url"]) == "not deployed"
    live = world.live(who, agent)
    assert word(nobody, found["badge_url"]) == "live"
    world.adapters.clock.sleep(1801)
    assert word(nobody, found["badge_url"]) == "live, not confirmed"
    world.platform.deployments.stop(who, live.id)
    assert word(nobody, found["badge_url"]) == "not deployed"
    assert found["markdown"] == f"[![Slipway]({found['badge_url']})]({found['page_url']})"


def test_a_badge_is_asked_for_again_after_a_minute_and_on_condition(
    client: Client, nobody: Client, agent: Agent
) -> None:
    url = client("GET", "/agents/{agent_id}/badge", agent_id=agent.id).json["badge_url"]
    first = shown(nobody, url)
    assert first.headers["content-type"] == "image/svg+xml"
    assert first.headers["cache-control"] == "public, max-age=60"
    assert "default-src 'none'" in first.headers["content-security-policy"]
    assert shown(nobody, url, if_none_match=first.headers["etag"]).status == 304
    assert shown(nobody, url, if_none_match='"other"').status == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda address: address[:-1] + ("0" if address[-1] != "0" else "1"),
        lambda address: address.rpartition(".")[0],
        lambda address: address.upper(),
        lambda _: "x",
        lambda _: "..%2F..",
        lambda address: address + "é",
    ],
)
def test_an_address_that_we_have_not_made_shows_nothing(
    client: Client, nobody: Client, agent: Agent, change: Callable[[str], str]
) -> None:
    url = client("GET", "/agents/{agent_id}/badge", agent_id=agent.id).json["badge_url"]
    address = change(url.rpartition("/")[2])
    assert nobody("GET", "/badges/{address}", address=address).status == 404


def test_one_agents_proof_is_not_anothers(
    world: World, client: Client, nobody: Client, who: Principal, agent: Agent
) -> None:
    other = world.agent(who, "Other")
    url = client("GET", "/agents/{agent_id}/badge", agent_id=agent.id).json["badge_url"]
    forged = url.rpartition("/")[2].replace(agent.id, other.id)
    assert nobody("GET", "/badges/{address}", address=forged).status == 404


def test_a_deleted_agents_badge_is_gone(
    world: World, client: Client, nobody: Client, who: Principal, agent: Agent
) -> None:
    url = client("GET", "/agents/{agent_id}/badge", agent_id=agent.id).json["badge_url"]
    world.platform.agents.delete(who, agent.id)
    assert shown(nobody, url).status == 404


def test_the_button_leads_to_the_page_with_the_repository_filled_in(
    world: World, client: Client, nobody: Client, who: Principal, agent: Agent
) -> None:
    hooked(world, who, agent, "acme/open", root="agents/echo")
    found = client("GET", "/agents/{agent_id}/badge", agent_id=agent.id).json
    target = urlsplit(found["deploy_url"])
    assert target.path == "/deploy"
    asked = parse_qs(target.query)
    assert asked == {"repository": ["acme/open"], "branch": ["main"], "root": ["agents/echo"]}
    assert found["deploy_markdown"].endswith(f"]({found['deploy_url']})")
    button = nobody("GET", "/deploy-button.svg")
    assert ET.fromstring(button.text).attrib["aria-label"] == "Deploy on Slipway"  # noqa: S314


def test_a_private_repository_is_not_offered_to_others(
    world: World, client: Client, who: Principal, agent: Agent
) -> None:
    connected(world, who, agent)
    found = client("GET", "/agents/{agent_id}/badge", agent_id=agent.id).json
    assert (found["deploy_url"], found["deploy_markdown"]) == (None, None)


def environment(**more: Any) -> Environment:
    return replace(Environment("org_1", "agt_1", "production", NOW), **more)


@pytest.mark.parametrize(
    ("place", "state", "more", "expected"),
    [
        (None, None, {}, "not deployed"),
        (environment(moving="dep_1"), None, {}, "deploying"),
        (environment(queued="dep_1"), None, {}, "deploying"),
        (environment(), "stopped", {}, "not deployed"),
        (environment(), "crashed", {}, "crashed"),
        (environment(), "asleep", {"confirmed_at": NOW}, "asleep"),
        (environment(), "live", {"confirmed_at": NOW}, "live"),
        (environment(moving="dep_2"), "live", {"confirmed_at": NOW}, "live"),
        (environment(), "live", {}, "live, not confirmed"),
        (environment(), "live", {"confirmed_at": NOW - timedelta(hours=1)}, "live, not confirmed"),
        (
            environment(),
            "live",
            {"confirmed_at": NOW, "health": HealthSeen(False, "500", NOW, NOW)},
            "not answering",
        ),
    ],
)
def test_a_badge_does_not_lie(
    place: Environment | None, state: str | None, more: dict[str, Any], expected: str
) -> None:
    serving = deployment(state, **more) if state else None
    assert badge_of(place, serving, NOW).word == expected


def test_an_address_holds_names_as_data() -> None:
    address = deploy_address("https://a.test", "acme/x", "feature/a&b", "")
    assert address == "https://a.test/deploy?repository=acme%2Fx&branch=feature%2Fa%26b"
