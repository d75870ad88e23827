"""Pictures of every page in its states, light and dark, wide and narrow.

`make screenshots` uses the local cloud that runs, or a fresh one of its own, and writes
`.local/screenshots/<page>-<state>-<theme>-<width>.png`. What the app and the documents show of it
is written anew too: `frontend/src/features/landing/pictures` and `docs/pictures`.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page

from infra.local.first import sign_in
from tests.browser.scene import Scene, running, stage
from tests.browser.shots import Shot, drop, hindered, shots
from tests.browser.visitor import Visitor, launched, open_window

ROOT = Path(__file__).parents[2]
OUT = ROOT / ".local" / "screenshots"
LANDING = ROOT / "frontend" / "src" / "features" / "landing" / "pictures"
DOCS = ROOT / "docs" / "pictures"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1440, 390)
# What is further down is fetched when it comes into sight: a picture of a whole page shows it.
SEEN = """() => Promise.all([...document.images].map((image) => {
  image.loading = "eager";
  return image.decode().catch(() => undefined);
}))"""
PEOPLE = ("", "ada", "grace", "nobody", "operator")


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


def picture(album: Album, patterns: list[str]) -> int:
    """Take all whose names are wanted, a window for each theme, width and person; how many."""
    OUT.mkdir(parents=True, exist_ok=True)
    there = [shot for shot in shots() if album.scene.has(shot.path)]
    taken = 0
    for theme in THEMES:
        for width in WIDTHS:
            wanted = {f"{shot.name}-{shot.state}-{theme}-{width}": shot for shot in there}
            wanted = {
                name: shot
                for name, shot in wanted.items()
                if any(fnmatchcase(name, pattern) for pattern in patterns)
            }
            for who in PEOPLE:
                mine = {name: shot for name, shot in wanted.items() if shot.who == who}
                if not mine:
                    continue
                with album.window(who, theme, width) as visitor:
                    for name, shot in mine.items():
                        _take(album.scene, visitor, shot, OUT / f"{name}.png")
                taken += len(mine)
            if wanted:
                tidy(album.scene)
    return taken


def _take(scene: Scene, visitor: Visitor, shot: Shot, path: Path) -> None:
    page = visitor.page
    organisation = scene.ids.get(shot.organisation)
    if shot.who:
        # Chosen before the page is there: as somebody who comes back.
        chosen = json.dumps({"state": {"id": organisation}, "version": 0})
        page.add_init_script(f"localStorage.setItem('slipway.organisation', {chosen!r})")
    with hindered(page, shot):
        visitor.go(scene.address(shot.path))
        # Another fragment alone would leave the former page standing.
        page.reload()
        try:
            _wait_for(page, shot)
        except Exception as problem:  # noqa: BLE001 - a picture of what is there instead is worth more
            said = str(problem).splitlines()[0]
            print(f"  {path.stem}: {said}", file=sys.stderr)
        whole = shot.state not in ("open", "loading", "part-loading", "session-ended")
        if whole:
            page.evaluate(SEEN)
        page.screenshot(path=path, full_page=whole)


def _wait_for(page: Page, shot: Shot) -> None:
    if shot.ready:
        page.get_by_text(shot.ready).first.wait_for(timeout=15_000)
    if shot.fails:
        page.get_by_role("alert").first.wait_for(timeout=20_000)
    if not shot.waits:
        _settle(page)
    if shot.act:
        shot.act(page)
    page.wait_for_timeout(450)


def _settle(page: Page) -> None:
    """Wait until the page stands there and nothing loads any more, twice looked at."""
    page.locator("h1").first.wait_for(timeout=15_000)
    deadline = time.monotonic() + 15
    calm = 0
    while calm < 2 and time.monotonic() < deadline:
        page.wait_for_timeout(250)
        calm = calm + 1 if page.locator("[aria-busy=true]").count() == 0 else 0


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
            drop(page)
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


def main() -> None:
    """`python -m tests.browser.screenshots [publish | patterns of names, as offer*dark-390]`."""
    words = sys.argv[1:]
    with running() as ground, launched() as browser:
        scene = stage(ground, lambda url: seen(browser, url))
        album = Album(browser, scene)
        if words != ["publish"]:
            taken = picture(album, [f"*{word}*" for word in words or [""]])
            print(f"{taken} pictures in {OUT}")
        if not words or words == ["publish"]:
            publish(album)


def seen(browser: Browser, url: str) -> bytes:
    """A page of an agent, in the size of a listing's picture."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    try:
        page.goto(url)
        page.wait_for_load_state("networkidle")
        seen: bytes = page.screenshot()
        return seen
    finally:
        page.close()


if __name__ == "__main__":
    main()
