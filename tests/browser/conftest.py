"""A browser for all tests, and windows whose every error fails the test that opened them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.visitor import Visitor, launched, open_window
from tests.e2e.conftest import cloud  # noqa: F401 - a fixture

Open = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, once."""
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def web_url(request: pytest.FixtureRequest) -> str:
    """The web app of a fresh local cloud, or of one that runs: WEB_URL=http://localhost:8800."""
    running = os.environ.get("WEB_URL")
    return running or str(request.getfixturevalue("cloud").web_url)


@pytest.fixture
def window(browser: Browser, web_url: str) -> Iterator[Open]:
    """Opens windows; when the test is over, none of them may have seen an error."""
    opened: list[Visitor] = []

    def open_one(**how: Any) -> Visitor:
        opened.append(open_window(browser, web_url, **how))
        return opened[-1]

    yield open_one
    faults = [fault for visitor in opened for fault in visitor.unexpected()]
    for visitor in opened:
        visitor.context.close()
    assert faults == []


@pytest.fixture
def visitor(window: Open) -> Visitor:
    """Somebody who has not signed in."""
    return window()


@pytest.fixture
def person(window: Open) -> Visitor:
    """Somebody new, signed in, on the empty dashboard."""
    found = window()
    found.sign_in(f"person-{time.time_ns()}@example.org")
    return found
