"""Checks the addresses in the variable WATCH_URLS and tells how each answers."""

import os
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

NAME = "Site watch"
EXAMPLE: dict = {}
LIMIT_SECONDS = 10


def answer(request: dict) -> dict:
    if request:
        raise ValueError("Send {}: the addresses come from the variable WATCH_URLS.")
    checks = [check(url) for url in addresses(os.environ.get("WATCH_URLS", ""))]
    return {"all_up": bool(checks) and all(c["up"] for c in checks), "checks": checks}


def addresses(text: str) -> list[str]:
    found = [url.strip() for url in text.split(",") if url.strip()]
    return [url for url in found if urlsplit(url).scheme in ("http", "https")][:20]


def check(url: str) -> dict:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=LIMIT_SECONDS) as reply:
            status, error = reply.status, None
    except urllib.error.HTTPError as problem:
        status, error = problem.code, None
    except (OSError, ValueError) as problem:
        status, error = None, str(problem)[:200]
    taken = round((time.monotonic() - began) * 1000)
    up = status is not None and status < 500
    return {"url": url, "up": up, "status": status, "milliseconds": taken, "error": error}
