"""Arriving: what a page shows before the app is there, and signing in by somebody else's word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import Open
from tests.browser.visitor import Visitor
from tests.e2e.conftest import ROOT, LocalCloud

APP = re.compile(r"/assets/app-[^/]+\.js$")


def hold_the_app(visitor: Visitor) -> list[Route]:
    """Keeps the app from arriving until its route is let go."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.page.route(APP, hold)
    return held


def test_pages_can_be_read_before_any_script(browser: Browser, web_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for path, heading in (("/", "Build it anywhere."), ("/marketplace", "Marketplace")):
        page.goto(f"{web_url}{path}")
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
    page.get_by_role("link", name="Slipway, first page").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Build it anywhere.")
    # From behind the door strangers see nothing, not even an outline.
    page.goto(f"{web_url}/agents")
    expect(page.get_by_text("Agents", exact=True).first).to_be_hidden()
    context.close()


def test_what_is_begun_before_the_app_is_there_is_done_by_it(window: Open) -> None:
    visitor = window()
    held = hold_the_app(visitor)
    page = visitor.page
    page.goto(f"{visitor.web_url}/sign-in", wait_until="domcontentloaded")
    email = f"early-{time.time_ns()}@example.org"
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_label("Email")).to_have_value(email)
    for route in held:
        route.continue_()
    page.get_by_text("Check your mail").wait_for()
    expect(page.get_by_text(email)).to_be_visible()


def test_a_button_held_down_while_the_app_comes_is_pressed(window: Open) -> None:
    visitor = window()
    held = hold_the_app(visitor)
    page = visitor.page
    page.goto(f"{visitor.web_url}/sign-in", wait_until="domcontentloaded")
    email = f"held-{time.time_ns()}@example.org"
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Send me a link").hover()
    page.mouse.down()
    for route in held:
        route.continue_()
    page.locator("[data-outline]").wait_for(state="detached")
    page.get_by_role("button", name="Send me a link").hover()
    page.mouse.up()
    page.get_by_text("Check your mail").wait_for()
    expect(page.get_by_text(email)).to_be_visible()


def test_an_app_that_does_not_arrive_is_said_to_be_missing(window: Open) -> None:
    visitor = window()
    visitor.tolerate("Failed to load resource|dynamically imported module|ERR_FAILED")
    visitor.page.route(APP, lambda route: route.abort())
    visitor.go("/marketplace")
    expect(visitor.page.get_by_role("alert")).to_contain_text("The app did not arrive")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Marketplace")
    visitor.page.unroute_all()
    visitor.page.get_by_role("link", name="Load the page again").click()
    expect(visitor.page.get_by_role("alert")).to_be_hidden()
    visitor.page.get_by_role("searchbox").fill("tea")
    visitor.page.wait_for_url("**q=tea")


def test_the_chosen_theme_is_there_with_the_first_picture(window: Open) -> None:
    visitor = window(theme="light")
    visitor.go("/")
    visitor.page.evaluate("localStorage.setItem('slipway.theme', 'dark')")
    held = hold_the_app(visitor)
    visitor.page.goto(f"{visitor.web_url}/", wait_until="domcontentloaded")
    visitor.page.get_by_role("heading", level=1).wait_for()
    background = "getComputedStyle(document.body).backgroundColor"
    assert visitor.page.evaluate(background) == "rgb(12, 21, 27)"
    for route in held:
        route.continue_()


@pytest.fixture
def github(cloud: LocalCloud) -> Iterator[None]:
    """The stand-in for GitHub's sign-in: everybody is Octo Cat there."""
    command = [sys.executable, "-u", "-m", "tests.providers.github", str(cloud.sign_in_ports[1])]
    with subprocess.Popen(
        [*command, f"{cloud.api_url}/auth/github/callback"],
        cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert "ready" in process.stdout.readline()
            yield
        finally:
            process.terminate()


@pytest.mark.skipif(
    bool(os.environ.get("WEB_URL")), reason="a local cloud that runs knows no stand-in"
)
def test_an_account_elsewhere_is_added_to_the_own_one_after_proof(
    window: Open, github: None
) -> None:
    # Somebody with this address is here already: GitHub's word alone does not open their account.
    window().sign_in("octo@example.org")

    visitor = window()
    visitor.go("/sign-in")
    page = visitor.page
    page.get_by_role("link", name="Continue with GitHub").click()
    page.get_by_role("heading", name="You have an account already").wait_for()
    assert visitor.violations() == []
    visitor.email = "octo@example.org"
    page.get_by_label("Email").fill(visitor.email)
    began = time.time() - 1
    page.get_by_role("button", name="Send me a link").click()
    page.get_by_text("Check your mail").wait_for()
    page.goto(visitor.mail(began)["links"][0])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Add GitHub to your account?").wait_for()
    assert visitor.violations() == []
    page.get_by_role("button", name="Add it").click()
    page.get_by_text("GitHub now signs in to your account").wait_for()

    # From then on one click is enough.
    again = window()
    again.go("/sign-in")
    again.page.get_by_role("link", name="Continue with GitHub").click()
    again.page.wait_for_url("**/agents")
    again.go("/profile/sign-in")
    expect(again.page.get_by_text("GitHub").first).to_be_visible()


def test_an_account_moves_to_another_address_by_a_press_on_the_page_of_its_link(
    window: Open,
) -> None:
    began, name = time.time() - 1, f"moving-{time.time_ns()}"
    visitor = window()
    visitor.sign_in(f"{name}@example.org")
    visitor.go("/profile")
    page = visitor.page
    visitor.email = f"new-{name}@example.org"
    page.get_by_label("New address").fill(visitor.email)
    page.get_by_role("button", name="Send a link").click()
    page.get_by_text("Look into the mail of the new address").wait_for()
    assert visitor.violations() == []
    page.goto(visitor.mail(began)["links"][0])
    page.get_by_role("button", name="Change my address").wait_for()
    assert visitor.violations() == []
    page.get_by_role("button", name="Change my address").click()
    page.get_by_text(f"You sign in with {visitor.email} now").wait_for()
    page.wait_for_url("**/profile")

    # It is the same account that the new address opens elsewhere.
    again = window()
    again.sign_in(visitor.email, to="/profile")
    expect(again.page.get_by_label("Name")).to_have_value(name)
