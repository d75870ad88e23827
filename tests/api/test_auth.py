"""Signing in over HTTP: cookies, the proof that our own page calls, and every wrong token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import pytest

from chalicelib import bootstrap
from chalicelib.domain.sessions import GRACE
from tests.api.conftest import Client, Reply
from tests.conftest import World

OWN_PAGE = {"x-slipway-csrf": "1", "origin": "http://localhost:8800"}


class Browser(Client):
    """Keeps cookies as a browser does."""

    def __init__(self, world: World) -> None:
        super().__init__(world, None)
        self.jar: dict[str, str] = {}
        self.world = world

    def __call__(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **path_values: str,
    ) -> Reply:
        cookie = "; ".join(f"{k}={v}" for k, v in self.jar.items())
        sent = {**({"cookie": cookie} if cookie else {}), **(headers or {})}
        reply = super().__call__(method, target, body, sent, **path_values)
        for text in reply.cookies:
            for name, morsel in SimpleCookie(text).items():
                self.jar[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.jar[name]
        return reply

    def ask(self, email: str = "ada@example.com", **more: str) -> str:
        """The secret of the mailed link."""
        reply = self("POST", "/auth/email", {"email": email, **more})
        assert reply.status == 202, reply.text
        return self.world.mail.sent[-1][2].split("#token=")[1].split()[0]

    def sign_in(self) -> Reply:
        reply = self("POST", "/auth/email/redeem", {"token": self.ask()})
        assert reply.status == 200, reply.text
        return reply

    def refresh(self, headers: Mapping[str, str] = OWN_PAGE) -> Reply:
        return self("POST", "/auth/refresh", headers=headers)


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world)


def test_a_person_signs_in_stays_and_leaves(browser: Browser) -> None:
    signed = browser.sign_in().json
    assert set(signed) == {"access_token", "token_type", "expires_in", "user", "return_to"}
    again = browser.refresh().json
    assert again["user"] == signed["user"]
    browser.token = again["access_token"]
    assert browser("GET", "/me").json["user"]["email"] == "ada@example.com"
    assert browser("POST", "/auth/sign-out", headers=OWN_PAGE).status == 204
    assert "slipway_refresh" not in browser.jar
    assert browser("GET", "/me").json["code"] == "session_ended"
    assert browser.refresh().json["code"] == "session_ended"


def test_no_script_reads_our_cookies_and_only_sign_in_gets_them(browser: Browser) -> None:
    asked = browser("POST", "/auth/email", {"email": "ada@example.com"})
    signed = browser.sign_in()
    for text in (*asked.cookies, *signed.cookies):
        assert text.startswith(("slipway_sign_in=", "slipway_refresh="))
        assert "; Path=/api/v1/auth; " in text
        assert "; HttpOnly; SameSite=Lax" in text
        assert "Secure" not in text  # the local ground is plain http


def test_on_https_a_cookie_is_secure_and_says_so_in_its_name(
    world: World, browser: Browser
) -> None:
    settings = replace(world.platform.settings, web_url="https://slipway.example")
    world.platform = replace(world.platform, settings=settings)
    bootstrap.install(world.platform)
    for text in browser.sign_in().cookies:
        assert text.startswith("__Secure-slipway_")
        assert text.endswith("; Secure")
    own = {"x-slipway-csrf": "1", "origin": "https://slipway.example"}
    assert browser.refresh(own).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-slipway-csrf": "0"},
        {"origin": "http://localhost:8800"},
        {"x-slipway-csrf": "1", "origin": "http://localhost:9999"},
        {"x-slipway-csrf": "1", "origin": "http://localhost:8800.evil.example"},
        {"x-slipway-csrf": "1", "origin": "https://localhost:8800"},
        {"x-slipway-csrf": "1", "origin": "null"},
        {"x-slipway-csrf": "1", "sec-fetch-site": "cross-site"},
        {"x-slipway-csrf": "1", "sec-fetch-site": "same-site"},
    ],
)
def test_a_foreign_page_can_neither_refresh_nor_sign_out(
    browser: Browser, headers: dict[str, str]
) -> None:
    browser.sign_in()
    for path in ("/auth/refresh", "/auth/sign-out"):
        reply = browser("POST", path, headers=headers)
        assert (reply.status, reply.json["code"]) == (403, "csrf")
        assert reply.cookies == ()
    assert browser.refresh().status == 200


def test_a_foreign_page_cannot_sign_somebody_in_as_somebody_else(browser: Browser) -> None:
    secret = browser.ask()
    foreign = {"origin": "https://evil.example"}
    for path, body in (("/auth/email", {"email": "a@b.example"}), ("/auth/email/redeem", None)):
        reply = browser("POST", path, body or {"token": secret}, foreign)
        assert reply.json["code"] == "csrf"
    assert browser("POST", "/auth/email/redeem", {"token": secret}).status == 200


def test_a_form_of_a_foreign_page_is_no_json(browser: Browser) -> None:
    form = {"content-type": "text/plain"}
    reply = browser("POST", "/auth/email/redeem", '{"token": "x"}', form)
    assert (reply.status, reply.json["code"]) == (415, "media_type")


def test_a_link_opened_elsewhere_says_what_to_do(world: World, browser: Browser) -> None:
    secret = browser.ask()
    reply = Browser(world)("POST", "/auth/email/redeem", {"token": secret})
    assert (reply.status, reply.json["code"]) == (401, "link_other_browser")
    assert "ask for a new link in this browser" in reply.json["detail"]
    assert browser("POST", "/auth/email/redeem", {"token": secret}).status == 200
    reply = browser("POST", "/auth/email/redeem", {"token": secret})
    assert (reply.status, reply.json["code"]) == (401, "link_expired")
    assert "Ask for a new one" in reply.json["detail"]


def test_a_reused_secret_ends_the_session_and_says_so(world: World, browser: Browser) -> None:
    browser.sign_in()
    thief = Browser(world)
    thief.jar = dict(browser.jar)
    assert browser.refresh().status == 200
    world.clock.sleep(GRACE.total_seconds())
    reply = thief.refresh()
    assert (reply.status, reply.json["code"]) == (401, "session_reused")
    assert browser.refresh().json["code"] == "session_ended"


@pytest.mark.parametrize(
    "cookie",
    [
        "slipway_refresh=",
        "slipway_refresh=nonsense",
        'slipway_refresh="',
        "slipway_refresh=" + "a" * 9000,
        "=; ; ;;=x",
        "slipway_refresh=usr_x.ses_y.z.w",
        "slipway_refresh=\x7f",
    ],
)
def test_a_cookie_of_nonsense_is_no_session(world: World, browser: Browser, cookie: str) -> None:
    reply = browser.refresh({**OWN_PAGE, "cookie": cookie})
    assert (reply.status, reply.json["code"]) == (401, "session_ended")


def test_a_foreign_cookie_does_not_hide_ours(browser: Browser) -> None:
    browser.sign_in()
    ours = f"slipway_refresh={browser.jar['slipway_refresh']}"
    reply = browser.refresh({**OWN_PAGE, "cookie": f'a="b; bad name=1; {ours}; c={{"x":1}}'})
    assert reply.status == 200


def test_return_to_comes_back_or_is_refused(browser: Browser) -> None:
    secret = browser.ask(return_to="/agents?x=1")
    assert browser("POST", "/auth/email/redeem", {"token": secret}).json["return_to"] == (
        "/agents?x=1"
    )
    wrong = {"email": "ada@example.com", "return_to": "//evil.example"}
    reply = browser("POST", "/auth/email", wrong)
    assert (reply.status, reply.json["code"]) == (422, "return_to_invalid")
    assert reply.json["errors"][0]["field"] == "return_to"


def test_the_ways_to_sign_in_are_listed_for_everybody(browser: Browser) -> None:
    reply = browser("GET", "/auth/providers")
    assert reply.json == {"items": [], "email": True, "mailbox_url": None}


def test_sessions_are_listed_with_the_current_one_marked(world: World, browser: Browser) -> None:
    other = Browser(world)
    other.sign_in()
    browser.token = browser.sign_in().json["access_token"]
    items = browser("GET", "/me/sessions").json["items"]
    assert [item["current"] for item in items].count(True) == 1
    assert len(items) == 2
    (theirs,) = [item for item in items if not item["current"]]
    reply = browser("DELETE", "/me/sessions/{session_id}", session_id=theirs["id"])
    assert reply.status == 204
    assert other.refresh().json["code"] == "session_ended"
    assert browser("POST", "/me/sessions/end-others").json == {"ended": 0}
    assert json.dumps(items).count(browser.jar["slipway_refresh"].split(".")[3]) == 0


def test_a_name_is_changed(browser: Browser) -> None:
    browser.token = browser.sign_in().json["access_token"]
    assert browser("PATCH", "/me", {"name": "Ada Lovelace"}).json["name"] == "Ada Lovelace"
    assert browser("GET", "/me").json["user"]["name"] == "Ada Lovelace"


def test_an_api_token_cannot_touch_the_account(world: World, browser: Browser) -> None:
    browser.token = browser.sign_in().json["access_token"]
    made = browser("POST", "/tokens", {"name": "ci", "scope": "admin"}).json
    holder = Client(world, made["token"])
    assert holder("GET", "/me").json["token_id"] == made["id"]
    for method, path in (
        ("GET", "/me/sessions"),
        ("POST", "/me/sessions/end-others"),
        ("GET", "/me/export"),
        ("GET", "/me/identities"),
    ):
        reply = holder(method, path)
        assert (reply.status, reply.json["code"]) == (403, "forbidden")
    assert holder("DELETE", "/me", {"confirm": "ada@example.com"}).status == 403


def test_an_address_is_changed_by_the_link_that_went_there(world: World, browser: Browser) -> None:
    browser.token = browser.sign_in().json["access_token"]
    other = Browser(world)
    other.token = other.sign_in().json["access_token"]
    for taken in ("bob@example.com", "countess@example.org"):
        reply = browser("POST", "/me/email", {"email": taken})
        assert (reply.status, reply.cookies) == (202, ())
        assert "@" not in reply.text
    secret = world.mailed_token()
    elsewhere = other("POST", "/me/email/confirm", {"token": secret})
    assert (elsewhere.status, elsewhere.json["code"]) == (409, "link_other_browser")
    moved = browser("POST", "/me/email/confirm", {"token": secret})
    assert (moved.status, moved.json["email"]) == (200, "countess@example.org")
    assert browser("GET", "/me").json["user"]["email"] == "countess@example.org"
    assert browser.refresh().json["user"]["email"] == "countess@example.org"
    assert other("GET", "/me").json["code"] == "session_ended"
    again = browser("POST", "/me/email/confirm", {"token": secret})
    assert (again.status, again.json["code"]) == (404, "link_expired")
    unchanged = browser("POST", "/me/email", {"email": "Countess@example.org"})
    assert unchanged.status == 422
    assert unchanged.json["errors"][0]["field"] == "email"
