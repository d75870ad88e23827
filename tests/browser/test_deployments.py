"""An agent that runs, before a person's eyes: its deployments, logs, variables, settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from infra.local.first import Person
from tests.browser.conftest import Open
from tests.browser.visitor import Visitor, answer_with
from tests.conftest import zipped
from tests.e2e.conftest import LocalCloud
from tests.e2e.sources import python, server

TALK = r"""
import json, threading
def talk():
    for number in range(40):
        print(f"\x1b[32mtide\x1b[0m {number} at Husum", flush=True)
    print(json.dumps({"level": "warn", "message": "the gauge answered late"}), flush=True)
    print("needle <img src=x> 潮", flush=True)
    while True:
        time.sleep(0.5); print("still here", flush=True)
threading.Thread(target=talk, daemon=True).start()
"""
MANIFEST = """
resources: {memory_mb: 256}
env:
  - {name: HARBOUR, description: Which harbour to read, default: Husum}
tests:
  - {name: answers, request: {path: /}, expect: {text: served}}
"""


@dataclass
class Stage:
    """An agent with a live first version, and the person it belongs to."""

    api: Person
    visitor: Visitor
    agent: dict[str, Any]
    live: dict[str, Any]

    @property
    def base(self) -> str:
        """Where its pages are."""
        return f"/agents/{self.agent['id']}"

    @property
    def variables(self) -> str:
        """Its variables in the API."""
        return f"/agents/{self.agent['id']}/environments/production/variables"

    @property
    def serving(self) -> str:
        """The deployment that serves now."""
        found = self.api.ask("GET", f"/agents/{self.agent['id']}")["environments"][0]["serving"]
        return str(found)

    def deployment(self, found: dict[str, Any]) -> str:
        """The page of a deployment."""
        return f"{self.base}/deployments/{found['id']}"

    def bring(self, manifest: str, **files: str) -> dict[str, Any]:
        """Upload another version; it as it was made."""
        archive = zipped(python(manifest, **files))
        return self.api.upload(self.agent["id"], "tide.zip", archive)


@pytest.fixture(scope="session")
def shore(cloud: LocalCloud) -> tuple[Person, dict[str, Any], dict[str, Any]]:
    """One agent for all tests of this file: two versions were live, the second serves."""
    api = cloud.sign_in("tide@example.org")
    agent = api.create("/agents", {"name": "Tide Reader 潮汐", "description": "Reads the tides."})
    path = f"/agents/{agent['id']}/environments/production/variables"
    api.ask("PUT", path, json={"items": [{"name": "HARBOUR", "value": "Husum"}]})
    cloud.deploy(api, agent["id"], python(MANIFEST, main_py=server(TALK)))
    api.ask("PUT", path, json={"items": [{"name": "HARBOUR", "value": "Dover"}]})
    live = cloud.deploy(
        api, agent["id"], python(MANIFEST.replace("256", "384"), main_py=server(TALK))
    )
    return api, agent, live


@pytest.fixture
def stage(window: Open, shore: tuple[Person, dict[str, Any], dict[str, Any]]) -> Stage:
    api, agent, live = shore
    visitor = window()
    visitor.sign_in(api.email)
    return Stage(api, visitor, agent, live)


def lines(visitor: Visitor) -> Any:
    return visitor.page.get_by_role("log")


def test_the_parts_of_an_agent_keep_their_place_when_it_comes(stage: Stage) -> None:
    page = stage.visitor.page
    held: list[Route] = []
    asked = re.compile(rf"/api/v1/agents/{stage.agent['id']}(\?|$)")
    page.route(asked, lambda route: held.append(route))  # noqa: PLW0108 - a marked one
    stage.visitor.go(f"{stage.base}/deployments")
    parts = page.get_by_role("navigation", name="Parts of this agent")
    page.locator("[aria-busy=true]").first.wait_for()
    before = parts.bounding_box()
    for route in held:
        route.continue_()
    page.unroute(asked)
    page.get_by_text("Reads the tides.").wait_for()
    after = parts.bounding_box()
    assert before is not None
    assert after is not None
    # A name in another script may make its line a little higher.
    assert abs(after["y"] - before["y"]) <= 4


def test_a_failing_version_is_watched_to_its_red_station(stage: Stage) -> None:
    version = stage.bring(MANIFEST, main_py=server("import nonesuch_module"))
    page = stage.visitor.page
    stage.visitor.go(f"{stage.base}/versions/{version['id']}")
    why = page.get_by_role("region", name="Test failed: what to change")
    why.wait_for()
    expect(why).to_contain_text("nonesuch-module")
    expect(why).to_contain_text("ModuleNotFoundError: No module named 'nonesuch_module'")
    expect(page.get_by_role("button", name=re.compile("^Test.*failed"))).to_be_visible()
    page.get_by_role("button", name=re.compile("^Scan")).click()
    expect(lines(stage.visitor)).to_contain_text("Scanned 2 files")
    assert stage.visitor.violations() == []


def test_a_deployment_moves_before_the_eyes_and_can_be_rolled_back(stage: Stage) -> None:
    page = stage.visitor.page
    version = stage.bring(MANIFEST.replace("256", "320"), main_py=server(TALK))
    stage.visitor.go(f"{stage.base}/versions/{version['id']}")
    # Whoever watches the build goes on to the deployment.
    page.wait_for_url(re.compile(r"/deployments/dep_"))
    page.get_by_role("button", name=re.compile("^Live.*done")).wait_for()
    expect(page.get_by_role("link", name="Open")).to_be_visible()
    before = page.url
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    page.wait_for_function("before => location.href !== before", arg=before)
    page.get_by_role("button", name=re.compile("^Live.*done")).wait_for()
    expect(page.get_by_text("as a rollback")).to_be_visible()


def test_what_changed_is_shown_beside_an_earlier_deployment(stage: Stage) -> None:
    stage.visitor.go(stage.deployment(stage.live))
    page = stage.visitor.page
    expect(page.get_by_text("memory_mb: 384")).to_be_visible()
    expect(page.get_by_text("memory_mb: 256")).to_be_visible()
    expect(page.locator("ins")).to_have_text("Dover")


def test_a_log_is_searched_filtered_paused_and_linked_to(stage: Stage) -> None:
    visitor, page = stage.visitor, stage.visitor.page
    visitor.go(f"{stage.base}/logs?deployment={stage.serving}&from=start")
    page.get_by_text("still here").first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("NEEDLE <img")
    expect(page.get_by_text("1 line", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("mark")).to_have_text("needle <img")
    expect(page.get_by_text("1 of 1")).to_be_visible()
    assert page.locator("[role=log] img").count() == 0
    row = page.locator("[role=log] [data-index]", has_text="needle")
    row.get_by_role("button").first.click()
    link = page.url
    assert "line=" in link
    page.get_by_role("button", name="Levels: All levels").click()
    page.get_by_role("menuitem", name=re.compile("Warnings")).click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("the gauge answered late")).to_be_visible()
    expect(page.locator("[role=log] [data-index]")).to_have_count(1)
    page.goto(link)
    expect(page.locator("[role=log] [data-index]", has_text="needle")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Copy link to this line")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name=re.compile("new line"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="More", exact=True).click()
        page.get_by_role("menuitem", name="Download").click()
    text = download.value.path().read_text()
    assert "INFO  tide 3 at Husum" in text
    assert "\x1b" not in text


def test_variables_changed_in_two_tabs_show_both_and_lose_nothing(stage: Stage) -> None:
    visitor, page = stage.visitor, stage.visitor.page
    visitor.tolerate("412")
    stage.api.ask("PUT", stage.variables, json={"items": [{"name": "HARBOUR", "value": "Dover"}]})
    visitor.go(f"{stage.base}/variables")
    page.get_by_label("Value of HARBOUR", exact=True).fill("Brest")
    page.get_by_role("button", name="Paste a .env").click()
    page.get_by_label("Its lines").fill('TIDE_TOKEN="a\\nb"\nNAME_ÄÖ=no\nPLAIN=x # note\n')
    page.get_by_role("button", name="Fill in").click()
    expect(page.get_by_text("3 changes are not saved.")).to_be_visible()
    stage.api.ask(
        "PUT",
        stage.variables,
        json={"items": [{"name": "HARBOUR", "value": "Fundy"}, {"name": "LATE", "value": "1"}]},
    )
    page.get_by_role("button", name="Save", exact=True).click()
    dialog = page.get_by_role("dialog", name="Somebody saved while you were editing")
    expect(dialog).to_contain_text("Brest")
    expect(dialog).to_contain_text("Fundy")
    assert visitor.violations() == []
    dialog.get_by_role("radio", name=re.compile("Theirs")).check()
    dialog.get_by_role("button", name="Save it put together").click()
    expect(page.get_by_text("Everything is saved.")).to_be_visible()
    stored = {item["name"]: item for item in stage.api.ask("GET", stage.variables)["items"]}
    assert stored["HARBOUR"]["value"] == "Fundy"
    assert set(stored) == {"HARBOUR", "LATE", "PLAIN", "TIDE_TOKEN"}
    assert stored["TIDE_TOKEN"] == {"name": "TIDE_TOKEN", "value": None, "secret": True}


def test_a_session_that_ends_in_a_form_loses_nothing(stage: Stage) -> None:
    visitor, page = stage.visitor, stage.visitor.page
    visitor.tolerate("401")
    visitor.go(f"{stage.base}/settings")
    page.get_by_label("Description").fill("Typed before the session ended")
    refused = {"code": "unauthenticated", "detail": "Sign in first."}

    def ended(route: Route) -> None:
        # Reads go on: a look at the status would else find the end before the form does.
        if route.request.method == "GET":
            route.fallback()
        else:
            answer_with(route, 401, refused)

    page.route("**/api/v1/**", ended)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("dialog").wait_for()
    expect(page.get_by_label("Description")).to_have_value("Typed before the session ended")


def test_by_keyboard_alone(stage: Stage) -> None:
    visitor, page = stage.visitor, stage.visitor.page
    visitor.go(stage.base)
    # The page's outline names the agent before the app is there that hears keys.
    page.get_by_role("link", name="New version").wait_for()
    for keys, part in (
        ("gv", "variables"),
        ("gl", "logs"),
        ("gx", "metrics"),
        ("gd", "deployments"),
    ):
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_url(f"**{stage.base}/{part}*")
    row = page.get_by_role("link", name=re.compile("^Version 2")).first
    row.wait_for()
    for _ in range(60):
        if row.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/deployments/dep_*")
    scan = page.get_by_role("button", name=re.compile("^Scan"))
    scan.wait_for()
    for _ in range(60):
        if scan.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(lines(visitor)).to_contain_text("Scanned 2 files")
    page.keyboard.press("Control+k")
    page.keyboard.type("Redeploy")
    expect(page.get_by_role("option", name=re.compile("Redeploy this version"))).to_be_visible()


def test_what_a_page_begins_with_is_asked_for_once_before_the_app_is_there(stage: Stage) -> None:
    page = stage.visitor.page
    pages = [
        ("/agents", 1),
        ("/deployments", 1),
        (stage.base, 2),
        (f"{stage.base}/logs", 1),
        (stage.deployment(stage.live), 2),
        (f"{stage.base}/versions/{stage.live['version_id']}", 2),
    ]
    for path, reads in pages:
        with page.expect_response(re.compile("/api/v1/me$")):
            page.goto("about:blank")
            stage.visitor.go(path)
        page.wait_for_load_state("networkidle")
        told = page.evaluate(
            "[performance.getEntriesByType('resource').map(({ name }) => name)"
            ".filter((name) => name.includes('/api/v1/')), slipwayReads.answers.size]"
        )
        asked = [one for one in told[0] if not one.endswith("/auth/refresh")]
        assert told[1] == 0, "The app has not taken over every answer."
        assert not set(asked[:reads]) & set(asked[reads : reads + 3]), asked


def test_an_agent_is_named_before_the_app_has_arrived(stage: Stage) -> None:
    page = stage.visitor.page
    page.route(re.compile("/assets/app-.*[.]js$"), lambda _held: None)
    page.goto(f"{stage.visitor.web_url}{stage.base}", wait_until="domcontentloaded")
    expect(page.locator("[data-outline] h1")).to_have_text(stage.agent["name"])
    expect(page.get_by_text(stage.agent["description"])).to_be_visible()


PARTS = ("", "/deployments", "/versions", "/logs", "/metrics", "/variables", "/settings")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_every_page_is_accessible_and_fits(
    window: Open,
    shore: tuple[Person, dict[str, Any], dict[str, Any]],
    theme: str,
    width: int,
) -> None:
    api, agent, live = shore
    visitor = window(width=width, theme=theme, calm=True)
    visitor.sign_in(api.email)
    base = f"/agents/{agent['id']}"
    pages = [
        *(base + part for part in PARTS),
        f"{base}/deployments/{live['id']}",
        f"{base}/versions/{live['version_id']}",
        f"{base}/deployments/{live['id']}?station=scan",
    ]
    for path in pages:
        visitor.go(path)
        visitor.page.wait_for_load_state("networkidle")
        assert visitor.violations() == [], path
        wide = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_loading_empty_and_failing_pages_are_accessible(
    window: Open,
    shore: tuple[Person, dict[str, Any], dict[str, Any]],
    cloud: LocalCloud,
    theme: str,
) -> None:
    api, agent, live = shore
    visitor = window(theme=theme, calm=True)
    visitor.tolerate("500|Failed to load resource")
    visitor.sign_in(api.email)
    page = visitor.page
    bare = api.create("/agents", {"name": f"Bare {theme}"})
    for part in PARTS:
        visitor.go(f"/agents/{bare['id']}{part}")
        page.wait_for_load_state("networkidle")
        assert visitor.violations() == [], f"empty {part}"
    base = f"/agents/{agent['id']}"
    paths = [*(base + part for part in PARTS), f"{base}/deployments/{live['id']}"]
    broken = {"code": "internal", "detail": "This is our fault."}
    page.route(
        re.compile(r"/api/v1/(agents/[^/]+/|deployments/)"),
        lambda route: answer_with(route, 500, broken),
    )
    for path in paths:
        visitor.go(path)
        page.wait_for_load_state("networkidle")
        assert visitor.violations() == [], f"failing {path}"
    page.unroute_all()
    page.route(re.compile(r"/api/v1/(agents|deployments)/"), lambda _: None)
    for path in paths:
        visitor.go(path)
        page.get_by_role("heading", level=1).wait_for()
        assert visitor.violations() == [], f"loading {path}"
