"""Knows every picture that is taken: each page in all the states that it can have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Page, Route

from tests.browser.scene import GUIDE
from tests.browser.visitor import answer_with

ROOT = Path(__file__).parents[2]
# Without these there is no page to show a failure in.
_SESSION = r"auth/|me(\?|$)|organisations(\?|$)|organisations/[^/]+(\?|$)|permissions"
_API = rf"/api/v1/(?!{_SESSION})"
EVERYTHING = re.compile(r"/api/v1/(?!auth/)")
MAIN = re.compile(_API)
#: What a page inside another one asks for, when the outer one is there.
PARTS = re.compile(rf"/api/v1/(?!{_SESSION}|agents/[^/?]+(\?|$))")

Act = Callable[[Page], None]


@dataclass(frozen=True)
class Shot:
    """One page in one state."""

    name: str
    path: str
    who: str = "ada"
    state: str = "filled"
    ready: str = ""
    """Text that is there when the page is."""
    act: Act | None = None
    fails: re.Pattern[str] | None = None
    waits: re.Pattern[str] | None = None
    answers: tuple[str, Any] | None = None
    """The end of an address, and what is answered in place of what the API would say."""
    organisation: str = ""
    """The one that is chosen, if it is not the person's own."""


# name, path, who, text that shows the page is there
PAGES = [
    ("agents", "/agents", "ada", "Gist"),
    ("deployments", "/deployments", "ada", "Gist"),
    ("agent", "/agents/{agent}", "ada", "Live"),
    ("agent-copy", "/agents/{copy}", "grace", "Live"),
    ("agent-deployments", "/agents/{agent}/deployments", "ada", "Live"),
    ("agent-versions", "/agents/{agent}/versions", "ada", "1.1.0"),
    ("agent-logs", "/agents/{agent}/logs", "ada", ""),
    ("agent-metrics", "/agents/{agent}/metrics", "ada", ""),
    ("agent-variables", "/agents/{agent}/variables", "ada", "Everything is saved"),
    ("agent-repository", "/agents/{pilot}/repository", "ada", "open/harbour-pilot"),
    ("agent-listing", "/agents/{agent}/listing", "ada", "Published"),
    ("agent-sharing", "/agents/{shared_agent}/listing", "ada", "For the spring fair"),
    ("agent-settings", "/agents/{agent}/settings", "ada", ""),
    ("deployment", "/agents/{agent}/deployments/{deployment}", "ada", "Live"),
    ("version", "/agents/{agent}/versions/{version}", "ada", "1.1.0"),
    ("version-failed", "/agents/{failed_agent}/versions/{failed_version}", "ada", ""),
    ("launch", "/deploy/{agent}/{version}", "ada", "is live"),
    ("launch-failed", "/deploy/{failed_agent}/{failed_version}", "ada", "It did not go live"),
    ("deploy", "/deploy", "ada", "Webhook router"),
    ("agent-deploy", "/agents/{agent}/deploy", "ada", "Drop"),
    ("marketplace", "/marketplace", "grace", "Site watch"),
    ("offer", "/marketplace/{offer}", "ada", "Deploy my own copy"),
    ("offer-reviewed", "/marketplace/{own_offer}", "grace", "harbour board"),
    ("copy", "/marketplace/{offer}/copy", "ada", ""),
    ("shared-offer", "/marketplace/shared/{shared_offer}", "grace", "Shared with"),
    ("shared-copy", "/marketplace/shared/{shared_offer}/copy", "grace", ""),
    ("shared-link", "/shared#{link}", "", "whoever holds this link"),
    ("invitation", "/invitations/accept#{invitation}", "", "invites you to"),
    ("profile", "/profile", "ada", ""),
    ("profile-sign-in", "/profile/sign-in", "ada", ""),
    ("profile-sessions", "/profile/sessions", "ada", ""),
    ("profile-tokens", "/profile/tokens", "ada", "Wall display"),
    ("operations", "/operations", "operator", ""),
]
ORGANISATION = [
    ("organisation", "/organisation", "Linus"),
    ("organisation-invitations", "/organisation/invitations", "annie"),
    ("organisation-audit", "/organisation/audit", ""),
    ("organisation-settings", "/organisation/settings", ""),
]


def shots() -> Iterator[Shot]:
    """Every picture there is to take."""
    yield from _without_signing_in()
    for name, path, who, ready in PAGES:
        yield from _states(Shot(name, path, who, ready=ready))
    for name, path, ready in ORGANISATION:
        yield from _states(Shot(name, path, "grace", ready=ready, organisation="organisation"))
    yield Shot("organisation-new", "/organisations/new")
    yield Shot("agents", "/agents", state="unreachable", fails=EVERYTHING)
    yield Shot("agents", "/agents", state="session-ended", ready="Gist", act=_end_session)
    yield from _arriving()
    yield from _empty()
    yield from _opened()


def _states(filled: Shot) -> Iterator[Shot]:
    """A page that is there, that is awaited, and that fails; parts of a page for themselves."""
    yield filled
    whole = filled.name in ("profile", "organisation-settings")
    asked = EVERYTHING if whole else MAIN
    yield replace(filled, state="loading", ready="", waits=asked)
    yield replace(filled, state="error", ready="", fails=asked)
    if filled.path.startswith("/agents/") and not filled.path.endswith("/deploy"):
        yield replace(filled, state="part-loading", ready="", waits=PARTS)
        yield replace(filled, state="part-error", ready="", fails=PARTS)


def _without_signing_in() -> Iterator[Shot]:
    yield Shot("landing", "/", who="", ready="Launch it here")
    yield Shot("sign-in", "/sign-in", who="", ready="local mailbox")
    yield Shot("sign-in", "/sign-in?error=provider_declined", "", "error", ready="declined")
    yield Shot("sign-in", "/sign-in", "", "sent", ready="local mailbox", act=_ask_for_link)
    yield Shot("sign-in-link", "/sign-in/email#token=x", "", ready="Sign in on this browser")
    yield Shot("sign-in-link", "/sign-in/email#token=x", "", "refused", act=_refused("Sign in"))
    yield Shot("sign-in-link", "/sign-in/email", "", "incomplete")
    yield Shot("sign-in-pending", "/sign-in/link?provider=github", "", ready="have an account")
    yield Shot("signed-in", "/signed-in", "", ready="You are signed in")
    yield Shot("not-found", "/nowhere", "", ready="Nothing is moored here")
    yield Shot("shared-link", "/shared", "", "incomplete", ready="part of the link")
    yield Shot("shared-link", "/shared#token=x", "", "ended", ready="Nothing is shared")
    yield Shot("offer", "/marketplace/nonesuch", "", "gone", ready="No agent is published")
    # In this order: the tab remembers what it was given.
    yield Shot("invitation", "/invitations/accept", "", "incomplete")
    yield Shot("invitation", "/invitations/accept#token=x", "", "unknown")
    yield Shot("marketplace", "/marketplace", "", "open-to-all", ready="Site watch")


def _arriving() -> Iterator[Shot]:
    """Where links from elsewhere lead who is signed in already."""
    installed = "/github/installed?code=a&state=b&installation_id=1"
    yield Shot("github-installed", installed, state="loading", waits=MAIN)
    yield Shot("github-installed", installed, state="error", ready="Begin again")
    yield Shot("github-installed", "/github/installed", state="incomplete", ready="missing")
    yield Shot("invitation", "/invitations/accept#{invitation}", "grace", "another")
    waits = {"provider": "github", "name": "ada-l", "email": "ada@example.org"}
    waits |= {"expires_at": "2999-01-01T00:00:00Z"}
    for state, items in (("filled", [waits]), ("none-found", [])):
        answers = ("/me/identities/pending", {"items": items, "next_cursor": None})
        link = "/sign-in/link?provider=github"
        yield Shot("sign-in-adding", link, state=state, ready="Add GitHub", answers=answers)
    email = Shot("profile-email", "/profile/email#token=x", ready="Change my address")
    yield email
    yield replace(email, state="refused", act=_refused("Change my address"))
    yield Shot("profile-email", "/profile/email", state="incomplete", ready="part of the link")
    yield Shot("agent", "/agents/agt_nonesuch", state="gone")


def _empty() -> Iterator[Shot]:
    yield Shot("agents", "/agents", "nobody", "empty", ready="No agents yet")
    yield Shot("agents", "/agents?q=nothing+like+that", state="none-found", ready="None of your")
    yield Shot("deployments", "/deployments", "nobody", "empty")
    for part in ("", "deployments", "versions", "logs", "metrics", "variables", "repository"):
        name = f"agent-{part}".rstrip("-")
        yield Shot(name, f"/agents/{{bare}}/{part}".rstrip("/"), state="empty")
    yield Shot("agent-listing", "/agents/{bare}/listing", state="empty", ready="Not published")
    yield Shot("organisation", "/organisation", "nobody", "own")
    yield Shot("organisation-invitations", "/organisation/invitations", "nobody", "own")
    yield Shot("organisation-audit", "/organisation/audit?since=2999-01-01", state="none-found")
    yield Shot("operations", "/operations", "nobody", "refused")
    yield Shot("profile-tokens", "/profile/tokens", "nobody", "empty", ready="No API tokens")
    yield Shot("marketplace", "/marketplace?q=zzzzqqqq", "", "none-found", ready="No agent matches")
    nothing = {"items": [], "total": 0, "total_is_exact": True, "next_cursor": None}
    nothing |= {"corrected": None, "facets": {"category": {}, "runtime": {}}}
    answers = ("/marketplace/agents", nothing)
    yield Shot("marketplace", "/marketplace", "", "empty", ready="Nobody has", answers=answers)


def _opened() -> Iterator[Shot]:
    """Dialogs, menus, and pages with something typed into them."""
    yield Shot("palette", "/agents", state="open", ready="Gist", act=_press("Control+k"))
    yield Shot("shortcuts", "/agents", state="open", ready="Gist", act=_press("?"))
    for name, button in (("account-menu", "Account of"), ("nav-menu", "Pages and appearance")):
        yield Shot(name, "/agents", state="open", ready="Gist", act=_menu(button))
    yield Shot("nav-menu", "/marketplace", "", "open-to-all", ready="Gist", act=_menu("Pages and"))
    yield Shot("deploy-refused", "/deploy", ready="Webhook router", act=_drop_nothing)
    yield Shot("deploy-repository", "/deploy?repository=open/pilot", ready="Take this repository")
    yield Shot("confirm", "/deploy", ready="Webhook router", act=drop)
    listing = "/agents/{shared_agent}/listing"
    ready = "For the spring fair"
    yield Shot("agent-sharing", listing, state="open", ready=ready, act=_button("Share"))
    for name, act in (("invite", _button("Invite somebody")), ("rights", _rights)):
        crew = Shot(name, "/organisation", "grace", "open", ready="Linus", act=act)
        yield replace(crew, organisation="organisation")
    yield Shot("new-token", "/profile/tokens", state="open", ready="Wall", act=_button("New token"))
    report = _button("Report this agent")
    yield Shot("report", "/marketplace/{offer}", state="open", ready="Report this", act=report)
    variables = "/agents/{agent}/variables"
    yield Shot("agent-variables", variables, state="open", ready="saved", act=_button("Paste"))
    yield Shot("agent-delete", "/agents/{agent}/settings", state="open", act=_button("Delete"))
    yield Shot("account-delete", "/profile", state="open", act=_button("Delete account"))
    rolled = "/agents/{agent}/deployments/{deployment}"
    yield Shot("deployment", rolled, state="open", ready="Live", act=_button("Roll back"))
    audit = Shot("organisation-audit", "/organisation/audit", "grace", "open", act=_record)
    yield replace(audit, organisation="organisation")
    yield Shot("report-decision", "/operations", "operator", "open", act=_button("Decide"))


def _press(keys: str) -> Act:
    return lambda page: page.keyboard.press(keys)


def _button(name: str) -> Act:
    def press(page: Page) -> None:
        page.get_by_role("button", name=re.compile(f"^{name}")).first.click()
        page.get_by_role("dialog").wait_for()

    return press


def _menu(name: str) -> Act:
    def press(page: Page) -> None:
        button = page.get_by_role("button", name=re.compile(f"^{name}"))
        # In a wide window the bar itself holds what the menu would.
        if button.is_visible():
            button.click()
            page.get_by_role("menu").wait_for()

    return press


def _refused(name: str) -> Act:
    """Press what the API refuses."""

    def press(page: Page) -> None:
        page.locator("main").get_by_role("button", name=name).click()
        page.get_by_role("alert").first.wait_for()

    return press


def _record(page: Page) -> None:
    page.get_by_role("button", name=re.compile("invitation created")).first.click()


def _end_session(page: Page) -> None:
    """As if it had been ended elsewhere: its next call finds out."""
    page.route(
        re.compile("/api/v1/"),
        lambda route: answer_with(route, 401, {"code": "unauthenticated"}),
    )
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.get_by_role("dialog").wait_for()


def _rights(page: Page) -> None:
    page.get_by_role("button", name="Actions for Linus").click()
    page.get_by_role("menuitem", name=re.compile("Change|Rights|Role")).first.click()
    page.get_by_role("dialog").wait_for()


def _ask_for_link(page: Page) -> None:
    page.get_by_label("Email").fill("ada@example.org")
    page.get_by_role("button", name="Send me a link").click()
    page.get_by_text("Check your mail").wait_for()


def _drop_nothing(page: Page) -> None:
    page.get_by_test_id("files").set_input_files(
        {"name": "notes.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"}
    )
    page.get_by_role("alert").wait_for()


def drop(page: Page) -> None:
    """Bring a folder, and wait until what it is was found out."""
    folder = ROOT / ".local" / "scene" / "harbour-guide"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in GUIDE.items():
        (folder / name).write_text(text)
    page.get_by_test_id("folder").set_input_files(folder)
    page.get_by_role("button", name="Launch", exact=True).wait_for()


@contextmanager
def hindered(page: Page, shot: Shot) -> Iterator[None]:
    """While this holds, calls fail, wait or are answered as a picture needs it."""
    held: list[Route] = []

    def fail(route: Route) -> None:
        detail = "This is our fault, not yours. Quote the trace id when you report it."
        answer_with(route, 500, {"title": "Something went wrong on our side", "detail": detail})

    if shot.fails:
        page.route(shot.fails, fail)
    if shot.waits:
        page.route(shot.waits, lambda route: held.append(route))  # noqa: PLW0108 - a marked one
    if shot.answers:
        end, said = shot.answers
        text = json.dumps(said)
        page.route(
            re.compile(rf"/api/v1{end}(\?|$)"),
            lambda route: route.fulfill(body=text, content_type="application/json"),
        )
    try:
        yield
    finally:
        # A call that is still held when its window closes would be told of as lost.
        for route in held:
            with suppress(Error):
                route.abort()
        page.unroute_all(behavior="ignoreErrors")
