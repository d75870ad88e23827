"""What must hold on every page: keyboard, themes, lost connections, ended sessions, bad answers."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open
from tests.browser.visitor import Visitor, answer_with

API = re.compile(r"/api/v1/(?!auth/)")
OPEN_PAGES = ["/", "/sign-in", "/sign-in/email#token=x", "/sign-in?error=provider_declined", "/no"]
INSIDE_PAGES = ["/agents", "/deploy"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_barrier_that_axe_knows(window: Open, theme: str) -> None:
    found: dict[str, list[str]] = {}
    visitor = window(theme=theme, calm=True)
    for path in OPEN_PAGES:
        visitor.go(path)
        visitor.page.get_by_role("heading", level=1).wait_for()
        found[path] = visitor.violations()
    visitor.sign_in(f"axe-{time.time_ns()}@example.org")
    for path in INSIDE_PAGES:
        visitor.go(path)
        visitor.page.get_by_role("heading", level=1).wait_for()
        visitor.page.wait_for_load_state("networkidle")
        found[path] = visitor.violations()
    visitor.page.keyboard.press("Control+k")
    visitor.page.get_by_role("combobox").wait_for()
    found["palette"] = visitor.violations()
    visitor.page.keyboard.press("Escape")
    visitor.page.keyboard.press("?")
    visitor.page.get_by_role("dialog").wait_for()
    found["shortcuts"] = visitor.violations()
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_no_page_is_wider_than_its_window(window: Open, width: int) -> None:
    visitor = window(width=width)
    for path in OPEN_PAGES:
        visitor.go(path)
        visitor.page.get_by_role("heading", level=1).wait_for()
        assert overflow(visitor.page) <= 0, path
    visitor.sign_in(f"width-{time.time_ns()}@example.org")
    for path in INSIDE_PAGES:
        visitor.go(path)
        visitor.page.get_by_role("heading", level=1).wait_for()
        assert overflow(visitor.page) <= 0, path


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_everything_can_be_done_by_keyboard(person: Visitor) -> None:
    page = person.page
    person.go("/agents")
    page.get_by_text("No agents yet").wait_for()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    page.wait_for_url("**/deploy")
    # The new page's heading has the focus: a screen reader begins there.
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    template = page.get_by_role("button", name=re.compile("Prompt bench"))
    template.wait_for()
    for _ in range(12):
        if template.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Launch", exact=True).wait_for()
    page.get_by_label("Name").press("Enter")
    page.get_by_role("link", name="Open it").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/agents")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").wait_for()
    page.keyboard.type("prompt")
    page.get_by_role("option", name=re.compile("Prompt bench")).wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/agents/agt_"))


def test_single_keys_do_nothing_while_somebody_types(person: Visitor) -> None:
    person.go("/deploy")
    # The page's outline is there before the app that hears keys; what the API answers is not.
    person.page.get_by_text("Webhook router").wait_for()
    person.page.keyboard.press("Control+k")
    person.page.get_by_role("combobox").wait_for()
    person.page.keyboard.type("g o n ?")
    expect(person.page.get_by_role("combobox")).to_have_value("g o n ?")


def test_nothing_moves_when_a_dialog_opens(person: Visitor) -> None:
    person.go("/agents")
    person.page.get_by_text("No agents yet").wait_for()
    before = person.page.locator("main").bounding_box()
    person.page.keyboard.press("?")
    person.page.get_by_role("dialog").wait_for()
    assert person.page.locator("main").bounding_box() == before


def test_the_theme_is_the_systems_until_one_is_chosen_and_then_stays(window: Open) -> None:
    visitor = window(theme="dark")
    visitor.go("/sign-in")
    assert dark(visitor.page)
    visitor.click("button", "Pages and appearance")
    visitor.click("menuitem", "Light")
    assert not dark(visitor.page)
    visitor.page.reload()
    visitor.page.get_by_role("heading", level=1).wait_for()
    assert not dark(visitor.page)


def dark(page: Page) -> bool:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", str(colour))[:3]) < 200


def test_a_lost_connection_is_said_and_work_goes_on_when_it_is_back(person: Visitor) -> None:
    person.tolerate("ERR_INTERNET_DISCONNECTED")
    person.context.set_offline(True)
    person.page.get_by_text("You are offline.").wait_for()
    person.context.set_offline(False)
    person.page.get_by_text("Connected again.").wait_for()
    person.page.get_by_text("Connected again.").wait_for(state="detached")


def test_a_session_that_ends_in_the_middle_of_a_form_loses_nothing(person: Visitor) -> None:
    page = person.page
    person.go("/deploy")
    person.click("button", re.compile("Prompt bench"))
    name = page.get_by_label("Name")
    name.fill("Half a name, still being")
    # The session is ended elsewhere; its next call finds out.
    person.tolerate("401")
    cookies = person.context.cookies()
    person.context.clear_cookies()
    page.route(API, lambda route: answer_with(route, 401, {"code": "unauthenticated"}))
    person.click("button", "Launch", exact=True)
    dialog = page.get_by_role("dialog", name="Your session has ended")
    dialog.wait_for()
    person.click("button", "I have signed in")
    dialog.get_by_text("This browser is not signed in yet.").wait_for()
    page.unroute_all(behavior="ignoreErrors")
    # Signing in again in another tab of the same browser: this page goes on by itself.
    second = Visitor(person.context, person.context.new_page(), person.web_url)
    second.watch(second.page)
    second.sign_in(person.email, to="/signed-in")
    dialog.wait_for(state="detached")
    assert cookies
    expect(name).to_have_value("Half a name, still being")
    person.click("button", "Launch", exact=True)
    page.get_by_role("link", name="Open it").wait_for()
    assert second.faults == []


def test_what_was_typed_outlives_a_reload(person: Visitor) -> None:
    person.go("/deploy")
    person.click("button", re.compile("Prompt bench"))
    person.page.get_by_label("Name").fill("Kept over a reload")
    person.page.reload()
    expect(person.page.get_by_label("Name")).to_have_value("Kept over a reload")


def test_a_session_outlives_a_reload_and_ends_with_signing_out(person: Visitor) -> None:
    person.page.reload()
    person.page.get_by_text("No agents yet").wait_for()
    person.click("button", re.compile("Account of"))
    person.click("menuitem", "Sign out")
    person.page.get_by_role("link", name="Sign in", exact=True).wait_for()
    person.tolerate("401")
    person.go("/agents")
    person.page.wait_for_url("**/sign-in?return_to=%2Fagents")


def test_two_tabs_share_a_session_without_stealing_it_from_each_other(person: Visitor) -> None:
    pages = [person.context.new_page() for _ in range(4)]
    others = [Visitor(person.context, page, person.web_url) for page in pages]
    for other in others:
        other.watch(other.page)
        other.page.goto(f"{person.web_url}/agents", wait_until="commit")
    for other in [*others, person]:
        other.page.reload(wait_until="commit")
    for other in [*others, person]:
        other.page.get_by_text("No agents yet").wait_for()
        assert other.faults == []


@pytest.mark.parametrize("path", ["/agents", "/deploy"])
def test_an_api_that_fails_is_said_with_its_trace_and_can_be_asked_again(
    person: Visitor, path: str
) -> None:
    def fail(route: Route) -> None:
        answer_with(route, 500, {"detail": "The store is on fire."})

    person.tolerate("500")
    person.page.route(API, fail)
    person.go(path)
    alert = person.page.get_by_role("alert").first
    alert.wait_for()
    expect(alert).to_contain_text("The store is on fire.")
    expect(alert).to_contain_text("0123456789abcdef")
    assert person.violations() == []
    person.page.unroute_all(behavior="ignoreErrors")
    alert.get_by_role("button", name="Try again").click()
    alert.wait_for(state="detached")


@pytest.mark.parametrize("fault", ["cut", "html", "half"])
def test_answers_that_are_none_are_tried_again_and_then_said(person: Visitor, fault: str) -> None:
    def answer(route: Route) -> None:
        bodies: dict[str, dict[str, Any]] = {
            "html": {"status": 502, "body": "<html>Bad gateway</html>"},
            "half": {"status": 200, "body": '{"items": [', "content_type": "application/json"},
        }
        if fault == "cut":
            route.abort("connectionreset")
        else:
            route.fulfill(**bodies[fault])

    person.tolerate("502|ERR_CONNECTION_RESET")
    person.page.route(re.compile("/api/v1/agents"), answer)
    person.go("/agents")
    alert = person.page.get_by_role("alert").first
    alert.wait_for()
    person.page.unroute_all(behavior="ignoreErrors")
    alert.get_by_role("button", name="Try again").click()
    person.page.get_by_text("No agents yet").wait_for()


def test_a_slow_api_shows_outlines_that_do_not_move_what_comes(person: Visitor) -> None:
    person.page.route(API, slowly)
    person.page.add_init_script(
        "window.shifts = 0; new PerformanceObserver(list => list.getEntries().forEach("
        "entry => { if (!entry.hadRecentInput) window.shifts += entry.value; }))"
        ".observe({type: 'layout-shift', buffered: true});"
    )
    person.go("/agents")
    person.page.get_by_text("No agents yet").wait_for()
    person.page.wait_for_timeout(500)
    assert person.page.evaluate("window.shifts") < 0.05


def slowly(route: Route) -> None:
    time.sleep(0.4)
    route.continue_()


def test_an_expired_or_foreign_link_says_so_and_offers_another(visitor: Visitor) -> None:
    visitor.tolerate("401|400|422")
    visitor.go("/sign-in/email#token=not-a-real-one")
    visitor.click("button", "Sign in", exact=True)
    visitor.page.get_by_role("alert").get_by_text("This link no longer works").wait_for()
    # What was refused once is not offered again.
    main = visitor.page.get_by_role("main")
    expect(main.get_by_role("button", name="Sign in")).to_have_count(0)
    visitor.click("link", "Ask for another link")
    visitor.page.get_by_label("Email").wait_for()
