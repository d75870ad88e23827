"""Lighthouse on the production build that a local cloud serves, signed in, desktop and mobile.

`make lighthouse` uses the local cloud that runs, or a fresh one. Figures go to
`.local/lighthouse.json`, Lighthouse's own reports to `.local/lighthouse`. The limits are those of
the desktop preset; mobile is held to its scores. Each page is measured three times, and the run in
the middle counts: one run says more about the machine's other work than about the page.
`ONLY="mobile agent"` measures a part.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.scene import Scene, running, stage
from tests.browser.screenshots import seen
from tests.browser.visitor import FLAGS, Visitor, launched

ROOT = Path(__file__).parents[2]
RESULT = ROOT / ".local" / "lighthouse.json"
REPORTS = ROOT / ".local" / "lighthouse"
PAGES = {
    "landing": "/",
    "dashboard": "/agents",
    "agent": "/agents/{agent}",
    "deployment": "/agents/{agent}/deployments/{deployment}",
    "marketplace": "/marketplace",
}
PRESETS = ["desktop", "mobile"]
ROUNDS = 3
LIMITS = {
    "performance": 0.95,
    "accessibility": 1.0,
    "best-practices": 0.95,
    "LCP ms": 1500,
    "TBT ms": 150,
    "CLS": 0.05,
}
SCORES = list(LIMITS)[:3]


@contextmanager
def chromium() -> Iterator[int]:
    """A browser that Lighthouse can steer; the port it listens on."""
    found = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as profile:
        process = subprocess.Popen(
            [found, "--headless=new", *FLAGS, f"--remote-debugging-port={port}",
             f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield port
        finally:
            process.terminate()
            process.wait(20)
            time.sleep(0.5)


def sign_in(port: int, scene: Scene) -> None:
    """Sign in in that browser, as a person does."""
    with sync_playwright() as playwright:
        for _ in range(100):
            try:
                browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
                break
            except Exception:  # noqa: BLE001 - it is not up yet
                time.sleep(0.1)
        context = browser.contexts[0]
        visitor = Visitor(context, context.new_page(), scene.web_url)
        visitor.sign_in(scene.ada)
        visitor.page.close()


def measure(port: int, url: str, name: str, preset: str) -> dict[str, Any]:
    """The run in the middle, by its performance."""
    runs = sorted(
        (_run(port, url, name, preset) for _ in range(ROUNDS)),
        key=lambda told: (
            told["categories"]["performance"]["score"],
            -told["audits"]["largest-contentful-paint"]["numericValue"],
        ),
    )
    told = runs[ROUNDS // 2]
    (REPORTS / f"{name}-{preset}.json").write_text(json.dumps(told))
    audits = told["audits"]
    return {
        "load": round(os.getloadavg()[0], 1),
        **{score: told["categories"][score]["score"] for score in SCORES},
        "FCP ms": round(audits["first-contentful-paint"]["numericValue"]),
        "LCP ms": round(audits["largest-contentful-paint"]["numericValue"]),
        "TBT ms": round(audits["total-blocking-time"]["numericValue"]),
        "CLS": round(audits["cumulative-layout-shift"]["numericValue"], 3),
    }


def _run(port: int, url: str, name: str, preset: str) -> dict[str, Any]:
    command = [
        *("npx", "--yes", "lighthouse@12", url, f"--port={port}", "--quiet", "--output=json"),
        "--only-categories=performance,accessibility,best-practices",
        *(["--preset=desktop"] if preset == "desktop" else []),
    ]
    for tries_left in (1, 0):
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        if answer.returncode == 0:
            break
        print(f"{name} {preset}: {answer.stderr[-600:]}", file=sys.stderr)
        if not tries_left:
            raise SystemExit(f"Lighthouse could not measure {url}.")
    return dict(json.loads(answer.stdout))


def main() -> None:
    """Measure every page and say which limits were missed."""
    words = set(sys.argv[1:])
    presets = [one for one in PRESETS if one in words] or PRESETS
    pages = {name: path for name, path in PAGES.items() if name in words} or PAGES
    found: dict[str, dict[str, Any]] = {}
    REPORTS.mkdir(parents=True, exist_ok=True)
    with running() as ground:
        web_url = ground.web_url
        # Closed again before Lighthouse is steered: one process drives one browser.
        with launched() as browser:
            scene = stage(ground, lambda url: seen(browser, url))
        for preset in presets:
            with chromium() as port:
                sign_in(port, scene)
                for name, path in pages.items():
                    figures = measure(port, web_url + scene.address(path), name, preset)
                    found[f"{name}, {preset}"] = figures
                    print(f"{name:12} {preset:8} {figures}", flush=True)
    RESULT.write_text(json.dumps(found, indent=1))
    missed = [
        f"{name}: {what} {figures[what]} (limit {limit})"
        for name, figures in found.items()
        for what, limit in LIMITS.items()
        if name.endswith("desktop") or what in SCORES
        if (figures[what] < limit if limit <= 1 and what != "CLS" else figures[what] > limit)
    ]
    print("\n".join(["", "Missed:", *missed] if missed else ["", "Every limit held."]))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
