"""Pictures of every page in its states, light and dark, wide and narrow.

`make screenshots` uses the local cloud that runs, or a fresh one of its own, and writes
`.local/screenshots/<page>-<state>-<theme>-<width>.png`. What the app and the documents show of it
is written anew too: `frontend/src/features/landing/pictures` and `docs/pictures`.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, Route

from infra.local.demo import publish_gallery
from infra.local.first import Person, sign_in
from infra.local.layout import Layout
from tests.browser.visitor import Visitor, answer_with, launched, open_window
from tests.conftest import zipped
from tests.e2e.conftest import end, new_cloud

ROOT = Path(__file__).parents[2]
OUT = ROOT / ".local" / "screenshots"
LANDING = ROOT / "frontend" / "src" / "features" / "landing" / "pictures"
DOCS = ROOT / "docs" / "pictures"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1440, 390)
API = re.compile(r"/api/v1/(?!auth/)")


@dataclass
class Scene:
    """What there is to see: people, and their agents in different states."""

    web_url: str
    ada: str
    nobody: str
    agents: dict[str, dict[str, Any]]

    def address(self, text: str) -> str:
        """A path with the ids of this scene."""
        gist, weather = self.agents["Gist"], self.agents["Weather report"]
        return text.format(
            agent=gist["id"],
            deployment=gist["deployment_id"],
            version=gist["version_id"],
            failed_agent=weather["id"],
            failed_version=weather["version_id"],
            offer=SHOWN[0],
        )


@dataclass(frozen=True)
class Shot:
    """One page in one state."""

    name: str
    path: str
    who: Literal["ada", "nobody", ""] = "ada"
    state: str = "success"
    ready: str = ""
    """Text that is there when the page is."""
    act: Callable[[Page], None] | None = None


def _loading(page: Page) -> None:
    page.route(API, lambda _route: None)


def _failing(page: Page) -> None:
    def fail(route: Route) -> None:
        detail = "This is our fault, not yours. Quote the trace id when you report it."
        answer_with(route, 500, {"title": "Something went wrong here", "detail": detail})

    page.route(API, fail)


# Of the ready-made agents, those that stand in the pictures' marketplace.
SHOWN = [
    "site-watch",
    "text-summary",
    "cron-explainer",
    "json-diff",
    "log-triage",
    "sitemap-reader",
]

BEFORE: dict[str, Callable[[Page], None]] = {"loading": _loading, "error": _failing}

# name, path, text that shows the page is there
PAGES = [
    ("agents", "/agents", "Gist"),
    ("deployments", "/deployments", "Gist"),
    ("agent", "/agents/{agent}", "Live"),
    ("agent-deployments", "/agents/{agent}/deployments", "Live"),
    ("agent-versions", "/agents/{agent}/versions", ""),
    ("agent-logs", "/agents/{agent}/logs", ""),
    ("agent-metrics", "/agents/{agent}/metrics", ""),
    ("agent-variables", "/agents/{agent}/variables", ""),
    ("agent-listing", "/agents/{agent}/listing", ""),
    ("agent-repository", "/agents/{agent}/repository", ""),
    ("agent-settings", "/agents/{agent}/settings", ""),
    ("deployment", "/agents/{agent}/deployments/{deployment}", "Live"),
    ("version-failed", "/agents/{failed_agent}/versions/{failed_version}", ""),
    ("launch-failed", "/deploy/{failed_agent}/{failed_version}", "It did not go live"),
    ("launch", "/deploy/{agent}/{version}", "is live"),
    ("deploy", "/deploy", "Webhook router"),
    ("marketplace", "/marketplace", "Site watch"),
    ("offer", "/marketplace/{offer}", "Deploy my own copy"),
    ("copy", "/marketplace/{offer}/copy", ""),
    ("organisation", "/organisation", ""),
    ("organisation-invitations", "/organisation/invitations", ""),
    ("organisation-audit", "/organisation/audit", ""),
    ("organisation-settings", "/organisation/settings", ""),
    ("organisation-new", "/organisations/new", ""),
    ("profile", "/profile", ""),
    ("profile-sign-in", "/profile/sign-in", ""),
    ("profile-sessions", "/profile/sessions", ""),
    ("profile-tokens", "/profile/tokens", ""),
]


def shots() -> Iterator[Shot]:
    """Every picture there is to take."""
    yield Shot("landing", "/", who="", ready="Launch it here")
    yield Shot("sign-in", "/sign-in", who="", ready="local mailbox")
    yield Shot(
        "sign-in", "/sign-in?error=provider_declined", who="", state="error", ready="declined"
    )
    yield Shot(
        "sign-in", "/sign-in", who="", state="sent", ready="local mailbox", act=_ask_for_link
    )
    yield Shot("sign-in-link", "/sign-in/email#token=x", who="", ready="Sign in on this browser")
    yield Shot("not-found", "/nowhere", who="", ready="Nothing is moored here")
    for name, path, ready in PAGES:
        yield Shot(name, path, ready=ready)
        yield Shot(name, path, state="loading")
        yield Shot(name, path, state="error")
    yield Shot("agents", "/agents", who="nobody", state="empty", ready="No agents yet")
    yield Shot("agents", "/agents?q=nothing+like+that", state="none-found", ready="None of your")
    yield Shot(
        "palette",
        "/agents",
        state="open",
        ready="Gist",
        act=lambda p: p.keyboard.press("Control+k"),
    )
    yield Shot(
        "shortcuts", "/agents", state="open", ready="Gist", act=lambda p: p.keyboard.press("?")
    )
    yield Shot("deploy-refused", "/deploy", ready="Webhook router", act=_drop_nothing)
    yield Shot("confirm", "/deploy", ready="Webhook router", act=_drop)


def _press(keys: str) -> Callable[[Page], None]:
    return lambda page: page.keyboard.press(keys)


def _ask_for_link(page: Page) -> None:
    page.get_by_label("Email").fill("ada@example.org")
    page.get_by_role("button", name="Send me a link").click()
    page.get_by_text("Look into your mail").wait_for()


def _drop_nothing(page: Page) -> None:
    page.get_by_test_id("files").set_input_files(
        {"name": "notes.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"}
    )
    page.get_by_role("alert").wait_for()


def _drop(page: Page) -> None:
    folder = ROOT / ".local" / "scene" / "harbour-guide"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in GUIDE.items():
        (folder / name).write_text(text)
    page.get_by_test_id("folder").set_input_files(folder)
    page.get_by_role("button", name="Launch", exact=True).wait_for()


GUIDE = {
    "main.py": (
        "import os\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n"
        "KEY = os.environ['OPENAI_API_KEY']\n\n\n"
        "@app.get('/')\ndef root():\n    return {'ok': True}\n"
    ),
    "requirements.txt": "fastapi\nuvicorn\n",
    ".env": "OPENAI_API_KEY=sk-not-a-real-key\nHARBOUR=Husum\n",
    ".env.example": "OPENAI_API_KEY=\nHARBOUR=Husum\n",
    ".gitignore": "*.log\n",
}
WEATHER = {
    "requirements.txt": "fastapi\nuvicorn\n",
    "main.py": "from fastapi import FastAPI\nimport httpx2\n\napp = FastAPI()\n",
}


def stage(web_url: str) -> Scene:
    """Somebody with agents of every kind, and somebody who has none."""
    known = ROOT / ".local" / "scene" / f"{web_url.rpartition(':')[2]}.json"
    if known.exists():
        scene = Scene(**json.loads(known.read_text()))
        with sign_in(web_url, scene.ada) as ada:
            if ada.ask("GET", "/agents")["items"]:
                return scene
    ada_email = f"ada@harbour-{time.time_ns()}.example"
    agents: dict[str, dict[str, Any]] = {}
    with sign_in(web_url, ada_email) as ada:
        for template, name, told in (
            ("static", "Prompt bench", "Write a prompt, see what it comes to in tokens."),
            (
                "nodejs",
                "Webhook router",
                "Sends each webhook on, where the rules say.",
            ),
            ("python", "Gist", "Summarises a text in its own sentences."),
        ):
            agents[name] = _from_template(ada, template, name, told)
        agents["Weather report"] = _failing_agent(ada)
        ada.create("/agents", {"name": "Tide tables", "description": "Not deployed yet."})
        _make_noise(agents["Gist"]["url"])
    _fill_marketplace(web_url)
    scene = Scene(web_url, ada_email, f"nobody-{time.time_ns()}@example.org", agents)
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(json.dumps(vars(scene)))
    return scene


def _fill_marketplace(web_url: str) -> None:
    """Ready-made agents for the pictures of the marketplace, in a cloud of our own."""
    layout = Layout.from_env()
    if layout.web_url != web_url:
        return
    publish_gallery(layout, lambda _said: None, SHOWN)


def _from_template(ada: Person, template: str, name: str, told: str) -> dict[str, Any]:
    agent = ada.create("/agents", {"name": name, "description": told})
    order = {"source": "template", "template": template, "deploy": True}
    version = ada.create(f"/agents/{agent['id']}/versions", order)
    live = ada.wait_for_live(agent["id"], version["id"])
    more = {"version_id": version["id"], "deployment_id": live["id"], "url": live["url"]}
    return {"id": agent["id"], **more}


def _failing_agent(ada: Person) -> dict[str, Any]:
    agent = ada.create("/agents", {"name": "Weather report", "description": "Rain or shine."})
    version = ada.upload(agent["id"], "weather.zip", zipped(WEATHER))
    ada.wait_for_version(agent["id"], version["id"], 120)
    return {"id": agent["id"], "version_id": version["id"]}


def _make_noise(url: str) -> None:
    """Something for logs and metrics to show."""
    import httpx  # noqa: PLC0415 - only here

    text = "The slipway launches ships. Lunch was served at noon. Ships need the slipway."
    for _ in range(40):
        httpx.post(f"{url}/summarise", json={"text": text, "sentences": 1, "keyphrases": 1})
        httpx.get(f"{url}/health")


class Album:
    """Windows of people who have signed in once, by theme and width."""

    def __init__(self, browser: Browser, scene: Scene) -> None:
        self.browser = browser
        self.scene = scene
        self._states: dict[str, Any] = {}

    @contextmanager
    def window(self, who: str, theme: str, width: int, **more: Any) -> Iterator[Visitor]:
        """A window of somebody; the session goes on from the last one."""
        height = 900 if width > 600 else 844
        how = {"theme": theme, "width": width, "height": height, "calm": True, **more}
        if who in self._states:
            how["storage_state"] = self._states[who]
        visitor = open_window(self.browser, self.scene.web_url, **how)
        if who and who not in self._states:
            visitor.sign_in(getattr(self.scene, who))
        yield visitor
        if who:
            visitor.page.unroute_all(behavior="ignoreErrors")
            self._states[who] = visitor.context.storage_state()
        visitor.context.close()


def picture(album: Album, wanted: list[Shot]) -> None:
    """Take them all, a window for each theme, width and person."""
    OUT.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        for width in WIDTHS:
            for who in ("", "ada", "nobody"):
                mine = [shot for shot in wanted if shot.who == who]
                if not mine:
                    continue
                with album.window(who, theme, width) as visitor:
                    for shot in mine:
                        _take(album.scene, visitor, shot, f"{theme}-{width}")
            tidy(album.scene)


def _take(scene: Scene, visitor: Visitor, shot: Shot, look: str) -> None:
    page = visitor.page
    page.unroute_all(behavior="ignoreErrors")
    if before := BEFORE.get(shot.state):
        before(page)
    visitor.go(scene.address(shot.path))
    try:
        if shot.ready:
            page.get_by_text(shot.ready).first.wait_for(timeout=15_000)
        if shot.state == "success":
            _settle(page)
        if shot.act:
            shot.act(page)
        page.wait_for_timeout(5000 if shot.state == "error" and shot.who else 450)
    except Exception as problem:  # noqa: BLE001 - a picture of what is there instead is worth more
        print(f"  {shot.name} {shot.state} {look}: {str(problem).splitlines()[0]}", file=sys.stderr)
    path = OUT / f"{shot.name}-{shot.state}-{look}.png"
    page.screenshot(path=path, full_page=shot.state not in ("open", "loading"))


def _settle(page: Page) -> None:
    """Wait until nothing loads any more."""
    deadline = time.monotonic() + 15
    while page.locator("[aria-busy=true]").count() and time.monotonic() < deadline:
        page.wait_for_timeout(100)


def tidy(scene: Scene) -> None:
    """Take away what only the pictures of deploying have made."""
    with sign_in(scene.web_url, scene.ada) as ada:
        for agent in ada.ask("GET", "/agents")["items"]:
            if agent["name"] == "Harbour guide":
                ada.ask("DELETE", f"/agents/{agent['id']}")


def publish(album: Album) -> None:
    """The pictures that the app and the documents show."""
    LANDING.mkdir(parents=True, exist_ok=True)
    DOCS.mkdir(parents=True, exist_ok=True)
    scene = album.scene
    for theme in THEMES:
        # The size in which the first page shows them, at a width where they read well.
        with album.window("ada", theme, 1100, device_scale_factor=1) as visitor:
            page = visitor.page
            page.set_viewport_size({"width": 1100, "height": 700})
            visitor.go(scene.address("/deploy/{agent}/{version}"))
            page.get_by_role("link", name="Open it").wait_for()
            page.wait_for_timeout(1200)
            _webp(page, LANDING / f"launch-{theme}.webp")
            _webp(page, DOCS / f"launch-{theme}.webp")
            page.set_viewport_size({"width": 1100, "height": 760})
            visitor.go("/deploy")
            page.get_by_text("Webhook router").wait_for()
            page.wait_for_timeout(400)
            _webp(page, LANDING / f"choose-{theme}.webp")
            _drop(page)
            page.wait_for_timeout(600)
            _webp(page, LANDING / f"confirm-{theme}.webp")
            visitor.go(scene.address("/agents/{agent}"))
            page.get_by_text("Live").first.wait_for()
            page.wait_for_timeout(2500)
            _webp(page, LANDING / f"agent-{theme}.webp")
            _webp(page, DOCS / f"agent-{theme}.webp")
            tidy(scene)
            visitor.go("/agents")
            page.get_by_role("link", name="Gist", exact=True).wait_for()
            page.wait_for_timeout(600)
            _webp(page, DOCS / f"agents-{theme}.webp")
            visitor.go("/marketplace")
            page.get_by_role("link", name="Site watch").wait_for()
            page.wait_for_timeout(600)
            _webp(page, DOCS / f"marketplace-{theme}.webp")


def _webp(page: Page, path: Path) -> None:
    session = page.context.new_cdp_session(page)
    answer = session.send("Page.captureScreenshot", {"format": "webp", "quality": 72})
    path.write_bytes(base64.b64decode(answer["data"]))
    session.detach()


@contextmanager
def running() -> Iterator[str]:
    """The address of the local cloud that runs, or of a fresh one."""
    layout = Layout.from_env()
    if layout.read(layout.supervisor).get("state") == "live":
        yield layout.web_url
        return
    cloud = new_cloud()
    try:
        cloud.up()
        yield cloud.web_url
    finally:
        end(cloud)


def main() -> None:
    """`python -m tests.browser.screenshots [publish | words in the names of pages]`."""
    words = sys.argv[1:]
    with running() as web_url, launched() as browser:
        album = Album(browser, stage(web_url))
        if words != ["publish"]:
            wanted = [
                s for s in shots() if not words or any(w in f"{s.name}-{s.state}" for w in words)
            ]
            picture(album, wanted)
            print(f"{len(wanted) * len(THEMES) * len(WIDTHS)} pictures in {OUT}")
        if not words or words == ["publish"]:
            publish(album)


if __name__ == "__main__":
    main()
