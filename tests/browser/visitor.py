"""Knows how a person sits before the web app: a browser, their mail, and a keen eye for errors."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

ROOT = Path(__file__).parents[2]
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
LIMIT = 60_000
SETTLED = """async () => {
  const moves = (one) =>
    one.playState === "running" && one.effect?.getTiming().iterations !== Infinity;
  while (document.getAnimations().some(moves)) await new Promise(requestAnimationFrame);
}"""
expect.set_options(timeout=LIMIT)


@contextmanager
def launched() -> Iterator[Browser]:
    """Debian's Chromium, or another that is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError("No Chromium here: apt install chromium fonts-dejavu-core")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """One person at one browser window. What goes wrong in it is remembered in `faults`."""

    context: BrowserContext
    page: Page
    web_url: str
    email: str = ""
    clicks: int = 0
    faults: list[str] = field(default_factory=list)
    tolerated: list[re.Pattern[str]] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Remember every error of a page: scripts, console, content security policy."""
        page.set_default_timeout(LIMIT)
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        page.on(
            "console",
            lambda said: (
                self.faults.append(f"console: {said.text} ({said.location.get('url', '')})")
                if said.type == "error"
                else None
            ),
        )

    def tolerate(self, pattern: str) -> None:
        """Errors that a test causes on purpose."""
        self.tolerated.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        """Every fault that no test asked for."""
        return [
            fault
            for fault in self.faults
            if not any(pattern.search(fault) for pattern in self.tolerated)
        ]

    def go(self, path: str) -> None:
        """Open a page of the web app by its address."""
        self.page.goto(f"{self.web_url}{path}")

    def click(self, role: Any, name: str | re.Pattern[str], **more: Any) -> None:
        """Press something, and count it."""
        self.clicks += 1
        self.page.get_by_role(role, name=name, **more).first.click()

    def mail(self, after: float = 0) -> dict[str, Any]:
        """The newest mail to this person; waits for one that was sent after a moment."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            answer = httpx.get(
                f"{self.web_url}/local/mailbox", params={"format": "json", "to": self.email}
            )
            for item in answer.json()["items"]:
                if _sent(item["sent_at"]) >= after:
                    found: dict[str, Any] = item
                    return found
            time.sleep(0.1)
        raise AssertionError(f"No mail for {self.email}.")

    def sign_in(self, email: str, *, to: str = "/agents") -> None:
        """Sign in by email, the way a person does, and land on a page."""
        self.email = email
        self.go(f"/sign-in?return_to={to}")
        self.page.get_by_label("Email").fill(email)
        began = time.time() - 1
        self.page.get_by_role("button", name="Send me a link").click()
        self.page.get_by_text("Check your mail").wait_for()
        link = self.mail(began)["links"][0]
        self.page.goto(link)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"**{to}")

    def violations(self) -> list[str]:
        """What axe finds wrong with the page, once all that fades in or out has done so."""
        self.page.evaluate(SETTLED)
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']}: {', '.join(str(n['target']) for n in one['nodes'][:3])}"
            f" {one['nodes'][0].get('failureSummary', '')[:300]}"
            for one in found["violations"]
        ]


def open_window(
    browser: Browser,
    web_url: str,
    *,
    width: int = 1440,
    height: int = 900,
    theme: Any = "light",
    calm: bool = False,
    **more: Any,
) -> Visitor:
    """A fresh window that knows nobody."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce" if calm else "no-preference",
        **more,
    )
    page = context.new_page()
    visitor = Visitor(context, page, web_url)
    visitor.watch(page)
    return visitor


def answer_with(route: Route, status: int, document: Mapping[str, Any]) -> None:
    """Refuse a call the way the API does."""
    told = {"title": "Refused", "code": "refused", "trace_id": "0123456789abcdef", **document}
    route.fulfill(
        status=status,
        body=json.dumps({"status": status, "type": "about:blank", **told}),
        headers={"Content-Type": "application/problem+json"},
    )


def _sent(text: str) -> float:
    try:
        return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    except ValueError:
        return float("inf")
