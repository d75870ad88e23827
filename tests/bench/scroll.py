"""Knows how smoothly a log of 100,000 lines and a list of 10,000 agents scroll in a browser.

The lines and agents are handed to the page in place of the API's, as fast as it asks: what is
measured is the page. Milliseconds between frames, as the browser counts them.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Route

from tests.browser.visitor import Visitor, launched, open_window
from tests.e2e.conftest import LocalCloud

LINES = 100_000
PAGE = 2000
AGENTS = 10_000
_FRAMES = """async (work) => {
  const box = document.querySelector('[role=log]') ?? document.documentElement;
  const frames = [];
  let last = performance.now();
  let going = true;
  const tick = (now) => {
    frames.push(now - last);
    last = now;
    if (going) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  const until = performance.now() + 6000;
  let top = 0;
  while (performance.now() < until) {
    await new Promise(requestAnimationFrame);
    if (work === 'scroll') { top = (top + 420) % box.scrollHeight; box.scrollTop = top; }
    if (work === 'jump') { box.scrollTop = Math.random() * box.scrollHeight; }
  }
  going = false;
  return frames.slice(5);
}"""


@dataclass(frozen=True)
class Smoothness:
    """Milliseconds between frames: the middle one, and the one that 95 of 100 do not exceed."""

    median: float
    p95: float

    @classmethod
    def of(cls, frames: list[float]) -> Smoothness:
        ordered = sorted(frames)
        return cls(statistics.median(ordered), ordered[int(len(ordered) * 0.95)])


def measure(cloud: LocalCloud, agent_id: str, deployment_id: str) -> dict[str, Smoothness]:
    """Scrolling steadily, jumping about, and growing by 10,000 lines a second."""
    with launched() as browser:
        visitor = open_window(browser, cloud.web_url)
        visitor.sign_in("bench@example.org")
        feed = _Feed()
        visitor.page.route(f"**/deployments/{deployment_id}/logs*", feed.answer)
        visitor.go(f"/agents/{agent_id}/logs?deployment={deployment_id}&from=start")
        _wait_for(visitor, LINES)
        found = {
            work: Smoothness.of(visitor.page.evaluate(_FRAMES, work)) for work in ("scroll", "jump")
        }
        feed.room = LINES + 60_000
        visitor.page.get_by_role("button", name="Follow").click()
        found["grow"] = Smoothness.of(visitor.page.evaluate(_FRAMES, "grow"))
        visitor.context.close()
    return found


def measure_agents(cloud: LocalCloud) -> dict[str, Smoothness]:
    """The dashboard of somebody with 10,000 agents, once all of them have been read."""
    with launched() as browser:
        visitor = open_window(browser, cloud.web_url)
        visitor.sign_in("bench@example.org")
        visitor.page.route("**/api/v1/agents?*", _agents)
        # Looking for something reads them all.
        visitor.go("/agents?q=agent")
        visitor.page.get_by_text(f"{AGENTS:,} of {AGENTS:,}").wait_for()
        found = {
            work: Smoothness.of(visitor.page.evaluate(_FRAMES, work)) for work in ("scroll", "jump")
        }
        visitor.context.close()
    return found


def _agents(route: Route) -> None:
    asked = parse_qs(urlsplit(route.request.url).query)
    begin = int(asked.get("cursor", ["0"])[0])
    end = min(begin + int(asked["limit"][0]), AGENTS)
    page = {
        "items": [_agent(number) for number in range(begin, end)],
        "next_cursor": str(end) if end < AGENTS else None,
    }
    route.fulfill(status=200, content_type="application/json", body=json.dumps(page))


def _agent(number: int) -> dict[str, Any]:
    at = "2026-01-01T00:00:00Z"
    live = {
        "deployment_id": f"dep_{number}",
        "version_number": 1,
        "state": "live",
        "url": f"http://agent-{number}.example",
        "confirmed_at": at,
    }
    failed = {
        "version_id": f"ver_{number}",
        "version_number": 1,
        "version_state": "failed",
        "deployment_id": None,
        "deployment_state": None,
    }
    return {
        "id": f"agt_{number}",
        "slug": f"agent-{number}",
        "name": f"Agent {number}",
        "description": "Reads the tides. " * (number % 9),
        "category": "other",
        "runtime": "python",
        "visibility": "private",
        "version_count": 1,
        "revision": 1,
        "created_at": at,
        "updated_at": at,
        "production": live if number % 3 else None,
        "latest": None if number % 3 else failed,
    }


class _Feed:
    """Pages of lines, up to as many as there is room for."""

    def __init__(self) -> None:
        self.sent = 0
        self.room = LINES

    def answer(self, route: Route) -> None:
        items = [_line(self.sent + n) for n in range(min(PAGE, self.room - self.sent))]
        self.sent += len(items)
        page = {"items": items, "next_cursor": str(self.sent), "more": True}
        route.fulfill(status=200, content_type="application/json", body=json.dumps(page))


def _line(number: int) -> dict[str, Any]:
    seconds, thousandth = divmod(number, 1000)
    return {
        "timestamp": f"2026-01-01T00:{seconds // 60:02d}:{seconds % 60:02d}.{thousandth:03d}Z",
        "level": "error" if number % 97 == 0 else "info",
        "message": f"\x1b[32mtide\x1b[0m {number} at Husum: " + "rises " * (number % 17),
        "step": None,
    }


def _wait_for(visitor: Visitor, lines: int) -> None:
    visitor.page.get_by_text(f"{lines:,} lines").wait_for()
