"""A person connects a repository in the browser, pushes, and watches what comes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from infra.local.first import Person
from tests.browser.conftest import Open
from tests.browser.visitor import Visitor
from tests.e2e.conftest import LocalCloud
from tests.e2e.sources import python, server
from tests.providers import code_host as stand_in
from tests.providers.code_host import CodeHostStandIn, Hook

FILES = python("health:\n  path: /\n", main_py=server().replace("b'served'", "b'pushed'"))


@pytest.fixture(scope="module")
def github(
    cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CodeHostStandIn]:
    folder = tmp_path_factory.mktemp("github")
    with CodeHostStandIn(folder).running(*cloud.code_host_ports) as made:
        made.hooks.append(Hook(f"{cloud.api_url}/webhooks/github", stand_in.WEBHOOK_SECRET))
        yield made
        assert made.complaints == []


@pytest.fixture
def agent(cloud: LocalCloud, window: Open) -> tuple[Visitor, Person, dict[str, Any]]:
    """Somebody at the browser, the same person at the API, and an agent without a version."""
    person = cloud.sign_in()
    visitor = window()
    visitor.sign_in(person.email)
    # That it follows no repository is said by a 404, which a browser writes down as an error.
    visitor.tolerate(r"404 .*/repository\)")
    return visitor, person, person.create("/agents", {"name": "Harbour pilot"})


def test_a_public_repository_is_followed_by_a_webhook_of_its_own(
    agent: tuple[Visitor, Person, dict[str, Any]], github: CodeHostStandIn
) -> None:
    visitor, person, made = agent
    page = visitor.page
    repo = github.repository("open/pilot", FILES)
    visitor.go(f"/agents/{made['id']}/repository")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("Name it as owner/name, or paste its address.")).to_be_visible()
    page.get_by_label("Repository", exact=True).fill("open/no-such-thing")
    visitor.tolerate(r"(404|409|422|502) .*/api/v1/")
    page.get_by_role("button", name="Connect", exact=True).click()
    field = page.get_by_label("Repository", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Repository", exact=True).fill("https://github.com/open/pilot")
    assert visitor.violations() == []
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_text("Secret, shown this once").wait_for()
    assert visitor.violations() == []

    shown = page.locator("pre, code").all_inner_texts()
    address = next(text for text in shown if "/webhooks/github/" in text).strip()
    secret = next(text for text in shown if re.fullmatch(r"[\w-]{30,}", text.strip())).strip()
    github.hooks.append(Hook(address, secret, repo.id))
    sha = github.push(repo, FILES | {"README.md": "# Pilot\n"}, "Bring her in <b>slowly</b>")

    page.get_by_text("Built", exact=True).wait_for()
    expect(page.get_by_role("button", name=f"Process again: push {sha[:7]}")).to_be_visible()
    assert visitor.violations() == []
    page.get_by_role("link", name="its version").click()
    expect(page.get_by_text("Bring her in <b>slowly</b>").first).to_be_visible()
    assert visitor.violations() == []
    version = person.ask("GET", f"/agents/{made['id']}/versions")["items"][0]
    person.wait_for_live(made["id"], version["id"])

    visitor.go(f"/agents/{made['id']}/repository")
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    expect(page.get_by_role("heading", name="Connect a repository")).to_be_visible()


def test_the_app_is_installed_and_chosen(
    agent: tuple[Visitor, Person, dict[str, Any]], github: CodeHostStandIn
) -> None:
    visitor, _, made = agent
    page = visitor.page
    installation = github.install("acme")
    github.repository("acme/tug", FILES, installation=installation)
    github.people["c0de"] = [installation.id]
    visitor.go(f"/agents/{made['id']}/repository")
    # Where GitHub would ask, its stand-in has no page.
    visitor.tolerate(r"404 .*/(installations/new|favicon\.ico)")
    page.get_by_role("button", name="Install the app at GitHub").click()
    page.wait_for_url("**/installations/new?*")
    state = parse_qs(urlsplit(page.url).query)["state"][0]
    visitor.go(f"/github/installed?code=c0de&state={state}&installation_id={installation.id}")
    page.wait_for_url(f"**/agents/{made['id']}/repository")
    page.get_by_label("Through").select_option("the app, at acme")
    page.get_by_label("Repository", exact=True).fill("acme/tug")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("through the app at GitHub")).to_be_visible()
    assert visitor.violations() == []


def test_a_way_back_that_nobody_began_says_what_to_do(
    agent: tuple[Visitor, Person, dict[str, Any]],
) -> None:
    visitor, *_ = agent
    visitor.tolerate(r"4\d\d .*/github/installations/complete")
    visitor.go("/github/installed?code=x&state=forged&installation_id=1")
    expect(visitor.page.get_by_role("link", name="Begin again")).to_be_visible()
    assert visitor.violations() == []
    visitor.go("/github/installed?code=x")
    expect(visitor.page.get_by_text("Something is missing in this address")).to_be_visible()
    assert visitor.violations() == []


def test_a_link_with_a_repository_opens_filled_in(visitor: Visitor) -> None:
    visitor.tolerate(r"401 .*/auth/refresh")
    visitor.go("/deploy?repository=open/pilot")
    page = visitor.page
    page.wait_for_url("**/sign-in?return_to=*")
    assert "repository" in page.url
    visitor.sign_in("button@example.org", to="/deploy?repository=open/pilot")
    expect(page.get_by_role("heading", name="Take this repository from GitHub")).to_be_visible()
    expect(page.get_by_label("Repository", exact=True)).to_have_value("open/pilot")
    assert visitor.violations() == []
