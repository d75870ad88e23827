"""Signing in at GitHub and at an OpenID Connect issuer, all the way and every wrong way."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from chalicelib.adapters.github_sign_in import GitHubSignIn
from chalicelib.adapters.oidc import OidcSignIn
from chalicelib.adapters.provider_http import ProviderHttp
from chalicelib.domain.identities import OFFER_LIFETIME, Identity
from chalicelib.ports import Put
from tests.api.conftest import Reply
from tests.api.test_auth import Browser
from tests.conftest import World
from tests.providers import github as stand_in
from tests.providers.issuer import CLIENT_ID, ISSUER, Issuer

WEB = "http://localhost:8800"


def over(github: stand_in.GitHub) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        headers = {k.lower(): v for k, v in request.headers.items()}
        status, out, text = github.answer(
            request.method, str(request.url), headers, request.content.decode()
        )
        return httpx.Response(status, headers=out, text=text)

    return httpx.MockTransport(answer)


@pytest.fixture
def github() -> stand_in.GitHub:
    return stand_in.GitHub(f"{WEB}/api/v1/auth/github/callback")


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def browser(world: World, github: stand_in.GitHub, issuer: Issuer) -> Browser:
    world.providers["github"] = GitHubSignIn(
        provider_id="github",
        name="GitHub",
        client_id=stand_in.CLIENT_ID,
        secret=lambda: stand_in.CLIENT_SECRET,
        http=ProviderHttp(transport=over(github)),
    )
    world.providers["acme"] = OidcSignIn(
        provider_id="acme",
        name="Acme",
        issuer=ISSUER,
        client_id=CLIENT_ID,
        secret=None,
        http=ProviderHttp(transport=issuer.transport()),
    )
    return Browser(world)


def start(browser: Browser, provider: str = "github", query: str = "") -> str:
    """Where the browser is sent."""
    reply = browser("GET", f"/auth/{{provider}}/start{query}", provider=provider)
    assert reply.status == 302, reply.text
    return reply.headers["location"]


def back(browser: Browser, query: str, provider: str = "github") -> Reply:
    reply = browser("GET", f"/auth/{{provider}}/callback?{query}", provider=provider)
    assert reply.status == 302, reply.text
    return reply


def through(browser: Browser, github: stand_in.GitHub, query: str = "") -> str:
    """The query GitHub sends the browser back with."""
    address = start(browser, query=query)
    status, headers, text = github.answer("GET", address, {}, "")
    assert status == 302, text
    assert headers["Location"].startswith(github.redirect_uri)
    return urlsplit(headers["Location"]).query


def at_acme(browser: Browser, issuer: Issuer, query: str = "") -> str:
    asked = issuer.begin(start(browser, "acme", query))
    return f"state={asked['state']}&code=good&iss={ISSUER}"


def whose(browser: Browser) -> dict[str, Any]:
    signed = browser.refresh()
    assert signed.status == 200, signed.text
    browser.token = signed.json["access_token"]
    return dict(browser("GET", "/me").json["user"])


def error(reply: Reply) -> str:
    parts = urlsplit(reply.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{WEB}/sign-in"
    assert not any("slipway_refresh" in cookie for cookie in reply.cookies)
    return parse_qs(parts.query)["error"][0]


def test_providers_are_listed_when_they_have_credentials(browser: Browser) -> None:
    assert browser("GET", "/auth/providers").json["items"] == [
        {"id": "github", "name": "GitHub", "kind": "github"},
        {"id": "acme", "name": "Acme", "kind": "oidc"},
    ]


def test_somebody_new_signs_in_at_github(browser: Browser, github: stand_in.GitHub) -> None:
    query = through(browser, github, "?return_to=/agents")
    reply = back(browser, query)
    assert reply.headers["location"] == f"{WEB}/agents"
    assert github.complaints == []
    user = whose(browser)
    assert (user["email"], user["name"]) == ("octo@example.org", "Octo Cat")
    (identity,) = browser("GET", "/me/identities").json["items"]
    assert (identity["provider"], identity["email"]) == ("github", "octo@example.org")


def test_the_same_person_is_known_by_number_whatever_else_changes(
    browser: Browser, github: stand_in.GitHub, world: World
) -> None:
    back(browser, through(browser, github))
    first = whose(browser)
    github.account.login, github.account.name = "renamed", None
    github.account.emails = []
    other = Browser(world)
    back(other, through(other, github))
    assert whose(other)["id"] == first["id"]


def test_somebody_new_signs_in_at_an_issuer(browser: Browser, issuer: Issuer) -> None:
    reply = back(browser, at_acme(browser, issuer), "acme")
    assert reply.headers["location"] == f"{WEB}/"
    assert whose(browser)["email"] == "ada@example.com"


def test_an_account_of_the_same_email_is_never_taken_without_proof(
    browser: Browser, issuer: Issuer, world: World
) -> None:
    ada = world.session("ada@example.com").user
    reply = back(browser, at_acme(browser, issuer), "acme")
    assert reply.headers["location"] == f"{WEB}/sign-in/link?provider=acme"
    assert browser.refresh().json["code"] == "session_ended"
    # The proof: the old way of signing in, in this browser.
    browser.token = browser.sign_in().json["access_token"]
    (pending,) = browser("GET", "/me/identities/pending").json["items"]
    assert (pending["provider"], pending["email"]) == ("acme", "ada@example.com")
    for _ in range(2):
        again = browser("POST", "/me/identities/confirm")
    assert again.json["code"] == "nothing_pending"
    assert browser("GET", "/me/identities/pending").json["items"] == []
    fresh = Browser(world)
    back(fresh, at_acme(fresh, issuer), "acme")
    assert whose(fresh)["id"] == ada.id


def test_what_was_proven_elsewhere_or_by_another_is_not_offered(
    browser: Browser, issuer: Issuer, world: World
) -> None:
    world.session("ada@example.com")
    back(browser, at_acme(browser, issuer), "acme")
    elsewhere = Browser(world)
    elsewhere.token = elsewhere.sign_in().json["access_token"]
    assert elsewhere("GET", "/me/identities/pending").json["items"] == []
    assert elsewhere("POST", "/me/identities/confirm").status == 404
    eve = browser("POST", "/auth/email/redeem", {"token": browser.ask("eve@example.com")})
    browser.token = eve.json["access_token"]
    assert browser("GET", "/me/identities/pending").json["items"] == []


def test_the_browser_keeps_its_name_while_proof_is_due(
    browser: Browser, issuer: Issuer, world: World
) -> None:
    world.session("ada@example.com")
    query = at_acme(browser, issuer)
    name = browser.jar["slipway_sign_in"]
    (cookie,) = back(browser, query, "acme").cookies
    assert cookie.startswith(f"slipway_sign_in={name};")


def test_an_identity_whose_account_is_gone_makes_a_new_one(
    browser: Browser, issuer: Issuer, world: World
) -> None:
    left = Identity("idn_1", ISSUER, "ada-1", "usr_gone", "acme", None, "", world.clock.now())
    world.store.commit(Put(left))
    assert back(browser, at_acme(browser, issuer), "acme").headers["location"] == f"{WEB}/"
    assert whose(browser)["email"] == "ada@example.com"


def test_an_offer_does_not_wait_for_ever(browser: Browser, issuer: Issuer, world: World) -> None:
    world.session("ada@example.com")
    back(browser, at_acme(browser, issuer), "acme")
    browser.token = browser.sign_in().json["access_token"]
    world.clock.sleep(OFFER_LIFETIME.total_seconds())
    browser.token = browser.refresh().json["access_token"]
    assert browser("GET", "/me/identities/pending").json["items"] == []
    assert browser("POST", "/me/identities/confirm").json["code"] == "nothing_pending"


def test_an_unverified_email_makes_no_account_and_meets_none(
    browser: Browser, github: stand_in.GitHub, issuer: Issuer, world: World
) -> None:
    world.session("ada@example.com")
    issuer.claims = {"email_verified": False}
    assert error(back(browser, at_acme(browser, issuer), "acme")) == "email_unverified"
    github.account.emails = [{"email": "a@b.example", "primary": True, "verified": False}]
    assert error(back(browser, through(browser, github))) == "email_unverified"


def test_somebody_signed_in_adds_a_provider_with_another_email(
    browser: Browser, github: stand_in.GitHub, world: World
) -> None:
    browser.sign_in()
    ada = whose(browser)
    reply = back(browser, through(browser, github, "?link=true&return_to=/account"))
    assert reply.headers["location"] == f"{WEB}/sign-in/link?provider=github"
    assert browser("POST", "/me/identities/confirm").json["email"] == "octo@example.org"
    reply = back(browser, through(browser, github, "?link=true&return_to=/account"))
    assert reply.headers["location"] == f"{WEB}/account"
    other = Browser(world)
    back(other, through(other, github))
    assert whose(other)["id"] == ada["id"]
    eve = Browser(world)
    eve("POST", "/auth/email/redeem", {"token": eve.ask("eve@example.com")})
    assert error(back(eve, through(eve, github, "?link=true"))) == "identity_taken"


def test_adding_a_provider_needs_a_session_at_both_ends(
    browser: Browser, github: stand_in.GitHub
) -> None:
    reply = browser("GET", "/auth/{provider}/start?link=true", provider="github")
    assert error(reply) == "session_ended"
    browser.sign_in()
    query = through(browser, github, "?link=true")
    browser.jar.pop("slipway_refresh")
    assert error(back(browser, query)) == "session_ended"


def test_an_unlinked_provider_signs_in_no_more(browser: Browser, github: stand_in.GitHub) -> None:
    back(browser, through(browser, github))
    first = whose(browser)
    (identity,) = browser("GET", "/me/identities").json["items"]
    path = "/me/identities/{identity_id}"
    assert browser("DELETE", path, identity_id=identity["id"]).status == 204
    assert browser("DELETE", path, identity_id=identity["id"]).status == 404
    reply = back(browser, through(browser, github))
    assert reply.headers["location"] == f"{WEB}/sign-in/link?provider=github"
    assert first["email"] == "octo@example.org"


# --- what does not fit together ---------------------------------------------------------------


def test_a_state_counts_once_for_ten_minutes_and_for_its_provider(
    browser: Browser, github: stand_in.GitHub, world: World
) -> None:
    query = through(browser, github)
    assert error(back(browser, query, "acme")) == "sign_in_expired"
    back(browser, query)
    assert error(back(browser, query)) == "sign_in_expired"
    late = through(browser, github)
    world.clock.sleep(600)
    assert error(back(browser, late)) == "sign_in_expired"


@pytest.mark.parametrize("state", ["", "guess", "x" * 5000, "%00", "é"])
def test_a_state_that_is_not_ours_is_refused(browser: Browser, state: str) -> None:
    start(browser)
    assert error(back(browser, f"code=good&state={state}")) == "sign_in_expired"


def test_a_callback_without_anything_is_refused(browser: Browser) -> None:
    assert error(back(browser, "")) == "sign_in_expired"


def test_no_foreign_page_makes_its_readers_wait(world: World, browser: Browser) -> None:
    strict = World(env={})
    strict.providers.update(world.providers)
    reader = Browser(strict)
    for _ in range(20):
        assert error(back(reader, "code=x&state=picture")) == "sign_in_expired"
    assert reader.sign_in().status == 200


def test_nobody_is_signed_in_as_somebody_else_by_a_callbacks_address(
    browser: Browser, github: stand_in.GitHub, world: World
) -> None:
    """An attacker's own state and code, followed by the victim."""
    query = through(browser, github)
    victim = Browser(world)
    assert error(back(victim, query)) == "sign_in_other_browser"
    start(victim)
    assert error(back(victim, query)) == "sign_in_other_browser"
    # And it has not spoiled the attacker's own: nothing was used up.
    assert back(browser, query).headers["location"] == f"{WEB}/"


def test_a_code_is_not_taken_twice_nor_another_ones_code(
    browser: Browser, github: stand_in.GitHub
) -> None:
    code = parse_qs(through(browser, github))["code"][0]
    state = parse_qs(through(browser, github))["state"][0]
    # The code belongs to another verifier: GitHub refuses it.
    assert error(back(browser, f"code={code}&state={state}")) == "provider_refused"


def test_two_tabs_may_sign_in_at_once(browser: Browser, github: stand_in.GitHub) -> None:
    first, second = through(browser, github), through(browser, github)
    for query in (second, first):
        assert back(browser, query).headers["location"] == f"{WEB}/"


def test_who_declines_is_told_what_else_there_is(browser: Browser, github: stand_in.GitHub) -> None:
    github.declines = True
    assert error(back(browser, through(browser, github))) == "provider_declined"


@pytest.mark.parametrize("query", ["?error=server_error", "?code=", "?code=" + "x" * 5000])
def test_an_answer_without_a_code_is_refused(browser: Browser, query: str) -> None:
    state = parse_qs(urlsplit(start(browser)).query)["state"][0]
    assert error(back(browser, f"{query[1:]}&state={state}")) == "provider_refused"


def test_a_nonce_of_another_sign_in_is_refused(browser: Browser, issuer: Issuer) -> None:
    query = at_acme(browser, issuer)
    issuer.claims = {"nonce": "another"}
    assert error(back(browser, query, "acme")) == "provider_refused"


def test_an_answer_from_another_issuer_is_refused(browser: Browser, issuer: Issuer) -> None:
    query = at_acme(browser, issuer).replace(ISSUER, "https://evil.example")
    assert error(back(browser, query, "acme")) == "provider_refused"


def test_a_silent_provider_is_said_to_be_silent(browser: Browser, issuer: Issuer) -> None:
    issuer.down = True
    reply = browser("GET", "/auth/{provider}/start", provider="acme")
    assert error(reply) == "unavailable"


@pytest.mark.parametrize("provider", ["google", "x", "GITHUB", "%2e%2e", "a" * 300])
def test_a_provider_without_credentials_is_absent(browser: Browser, provider: str) -> None:
    assert error(browser("GET", "/auth/{provider}/start", provider=provider)) == "provider_unknown"
    reply = browser("GET", "/auth/{provider}/callback?code=x&state=y", provider=provider)
    assert error(reply) == "provider_unknown"


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/%5cevil.example"])
def test_nobody_is_sent_elsewhere_afterwards(browser: Browser, path: str) -> None:
    reply = browser("GET", f"/auth/{{provider}}/start?return_to={path}", provider="github")
    assert error(reply) == "return_to_invalid"


def test_the_secrets_of_a_trip_stay_with_us(
    browser: Browser, github: stand_in.GitHub, world: World
) -> None:
    address = start(browser)
    stored = repr(world.store._items)
    assert parse_qs(urlsplit(address).query)["state"][0] not in stored
    assert browser.jar["slipway_sign_in"] not in stored
    assert "verifier" not in address
    assert stand_in.CLIENT_SECRET not in address
