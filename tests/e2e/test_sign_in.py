"""Signing in, in a browser, on the running platform, at a real OpenID Connect provider."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.conftest import ROOT, LocalCloud

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
REFRESH = """async headers => {
  const answer = await fetch("/api/v1/auth/refresh", { method: "POST", headers });
  return { status: answer.status, body: await answer.json() };
}"""
OWN_PAGE = {"X-Slipway-CSRF": "1"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is missing")
        pytest.skip("chromium is missing (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that has never been here."""
    made = chromium.new_context()
    made.set_default_timeout(60_000)
    yield made
    made.close()


@contextmanager
def running(*command: str, **env: str) -> Iterator[None]:
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert "ready" in process.stdout.readline()
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def acme(cloud: LocalCloud) -> Iterator[None]:
    """A real provider: npm's oidc-provider."""
    back = f"{cloud.api_url}/auth/acme/callback"
    program = str(ROOT / "tests" / "providers" / "oidc_provider.mjs")
    npm = str(ROOT / ".local" / "npm")
    with running("node", program, str(cloud.sign_in_ports[0]), back, SLIPWAY_NPM=npm):
        yield


@pytest.fixture(scope="module")
def github(cloud: LocalCloud) -> Iterator[None]:
    """The stand-in that checks PKCE, state and redirect_uri."""
    back = f"{cloud.api_url}/auth/github/callback"
    port = str(cloud.sign_in_ports[1])
    with running(sys.executable, "-u", "-m", "tests.providers.github", port, back):
        yield


def at_acme(cloud: LocalCloud, context: BrowserContext, login: str, query: str = "") -> Page:
    """Goes to Acme, signs in there, agrees, and comes back."""
    page = context.new_page()
    page.goto(f"{cloud.api_url}/auth/acme/start{query}")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: url.startswith(cloud.web_url) and "/api/" not in url)
    return page


def refreshed(page: Page, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return dict(page.evaluate(REFRESH, OWN_PAGE if headers is None else headers))


def me(cloud: LocalCloud, page: Page) -> dict[str, Any]:
    answer = refreshed(page)
    assert answer["status"] == 200, answer
    token = answer["body"]["access_token"]
    found = httpx.get(f"{cloud.api_url}/me", headers={"Authorization": f"Bearer {token}"})
    return dict(found.json())


def mailed_link(cloud: LocalCloud, page: Page, email: str) -> str:
    """Asks for a link from a page of ours; the address in the mail."""
    asked = """async email => (await fetch("/api/v1/auth/email", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email }),
    })).status"""
    assert page.evaluate(asked, email) == 202

    def mails() -> dict[str, Any]:
        return dict(httpx.get(f"{cloud.web_url}/local/mailbox?format=json&to={email}").json())

    found = cloud.wait(mails, lambda now: bool(now["items"]), what="the mail")
    return str(found["items"][0]["links"][0])


def redeemed(page: Page, link: str) -> dict[str, Any]:
    """What the page behind the link does when its button is pressed."""
    redeem = """async token => {
      const answer = await fetch("/api/v1/auth/email/redeem", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ token }),
      });
      return { status: answer.status, body: await answer.json() };
    }"""
    token = parse_qs(urlsplit(link).fragment)["token"][0]
    return dict(page.evaluate(redeem, token))


def test_the_whole_code_flow_at_a_real_provider(
    cloud: LocalCloud, context: BrowserContext, acme: None
) -> None:
    page = at_acme(cloud, context, "newcomer", "?return_to=/agents")
    assert page.url.startswith(f"{cloud.web_url}/agents")
    user = me(cloud, page)["user"]
    assert (user["email"], user["name"]) == ("newcomer@example.org", "newcomer of Acme")
    cookies = {c["name"]: c for c in context.cookies(f"{cloud.api_url}/auth/refresh")}
    kept = cookies["slipway_refresh"]
    assert (kept["httpOnly"], kept["sameSite"], kept["path"]) == (True, "Lax", "/api/v1/auth")
    assert "slipway" not in page.evaluate("document.cookie")


def test_the_same_person_comes_back_to_the_same_account(
    cloud: LocalCloud, chromium: Browser, acme: None
) -> None:
    found = []
    for _ in range(2):
        with chromium.new_context() as fresh:
            found.append(me(cloud, at_acme(cloud, fresh, "regular"))["user"]["id"])
    assert found[0] == found[1]


def test_an_account_of_the_same_email_is_linked_after_proof(
    cloud: LocalCloud, context: BrowserContext, acme: None
) -> None:
    owner = cloud.sign_in("owner@example.org").ask("GET", "/me")["user"]
    page = at_acme(cloud, context, "owner")
    assert page.url.startswith(f"{cloud.web_url}/sign-in/link?provider=acme")
    assert refreshed(page)["status"] == 401
    signed = redeemed(page, mailed_link(cloud, page, "owner@example.org"))
    assert signed["status"] == 200, signed
    bearer = {"Authorization": f"Bearer {signed['body']['access_token']}"}
    pending = httpx.get(f"{cloud.api_url}/me/identities/pending", headers=bearer).json()
    assert [one["provider"] for one in pending["items"]] == ["acme"]
    linked = httpx.post(f"{cloud.api_url}/me/identities/confirm", headers=bearer, json={})
    assert linked.status_code == 200, linked.text
    context.clear_cookies()
    assert me(cloud, at_acme(cloud, context, "owner"))["user"]["id"] == owner["id"]


def test_an_unverified_address_is_told_what_to_do(
    cloud: LocalCloud, context: BrowserContext, acme: None
) -> None:
    page = at_acme(cloud, context, "unverified")
    assert page.url.startswith(f"{cloud.web_url}/sign-in?error=email_unverified")


def test_who_declines_comes_back_and_is_told(
    cloud: LocalCloud, context: BrowserContext, acme: None
) -> None:
    page = context.new_page()
    page.goto(f"{cloud.api_url}/auth/acme/start")
    page.click("text=Cancel")
    page.wait_for_url(f"{cloud.web_url}/sign-in?error=provider_declined")


def test_another_browser_cannot_finish_what_this_one_began(
    cloud: LocalCloud, context: BrowserContext, acme: None
) -> None:
    """An attacker signs in at Acme, keeps the address they would come back by, and sends it on."""
    back = f"{cloud.api_url}/auth/acme/callback"
    with httpx.Client(trust_env=False) as attacker:
        answer = attacker.get(f"{cloud.api_url}/auth/acme/start")
        while not answer.headers.get("location", "").startswith(back):
            if answer.is_redirect:
                answer = attacker.get(answer.url.join(answer.headers["location"]))
            else:
                prompt = "consent" if "consent" in answer.text else "login"
                form = {"prompt": prompt, "login": "attacker", "password": "any"}
                answer = attacker.post(answer.url, data=form)
    victim = context.new_page()
    victim.goto(answer.headers["location"])
    assert victim.url.startswith(f"{cloud.web_url}/sign-in?error=sign_in_other_browser")
    assert refreshed(victim)["status"] == 401


def test_github_is_asked_as_github_wants_it(
    cloud: LocalCloud, context: BrowserContext, github: None
) -> None:
    page = context.new_page()
    page.goto(f"{cloud.api_url}/auth/github/start?return_to=/agents")
    page.wait_for_url(f"{cloud.web_url}/agents")
    user = me(cloud, page)["user"]
    assert (user["email"], user["name"]) == ("octo@example.org", "Octo Cat")


def test_a_link_works_in_the_browser_that_asked_and_no_other(
    cloud: LocalCloud, context: BrowserContext, chromium: Browser
) -> None:
    page = context.new_page()
    page.goto(f"{cloud.web_url}/sign-in")
    link = mailed_link(cloud, page, "linked@example.org")
    assert link.startswith(f"{cloud.web_url}/sign-in/email#token=")
    with chromium.new_context() as scanner:
        other = scanner.new_page()
        other.goto(link)
        refused = redeemed(other, link)
        assert (refused["status"], refused["body"]["code"]) == (401, "link_other_browser")
    assert redeemed(page, link)["status"] == 200
    again = redeemed(page, link)
    assert (again["status"], again["body"]["code"]) == (401, "link_expired")
    assert me(cloud, page)["user"]["email"] == "linked@example.org"


def test_another_sites_page_can_do_nothing_with_our_cookies(
    cloud: LocalCloud, context: BrowserContext, acme: None
) -> None:
    """Another port of localhost is the same site to a browser: SameSite alone would not help."""
    at_acme(cloud, context, "victim")
    foreign = context.new_page()
    foreign.goto(f"http://localhost:{cloud.sign_in_ports[0]}/.well-known/openid-configuration")
    sent: list[str] = []
    foreign.on("request", lambda request: sent.append(request.url))
    attack = """async url => {
      for (const mode of ["no-cors", "cors"]) {
        await fetch(url, { method: "POST", credentials: "include", mode }).catch(() => {});
      }
    }"""
    foreign.evaluate(attack, f"{cloud.api_url}/auth/sign-out")
    foreign.evaluate(attack, f"{cloud.api_url}/auth/refresh")
    assert {url.rpartition("/")[2] for url in sent} == {"sign-out", "refresh"}
    page = context.new_page()
    page.goto(f"{cloud.web_url}/sign-in")
    assert me(cloud, page)["user"]["email"] == "victim@example.org"


def test_keys_are_rotated_and_nobody_is_signed_out(cloud: LocalCloud) -> None:
    person = cloud.sign_in("rotation@example.org")
    before = person.http.headers["Authorization"]
    me_before = person.ask("GET", "/me")
    said = cloud.command("rotate-keys")
    assert said.returncode == 0, said.stdout + said.stderr
    assert person.ask("GET", "/me") == me_before
    assert person.http.headers["Authorization"] == before
    cloud.people.pop("rotation@example.org").close()
    assert cloud.sign_in("rotation@example.org").ask("GET", "/me")["user"] == me_before["user"]


def test_a_deleted_account_is_gone_at_once_and_its_address_free(cloud: LocalCloud) -> None:
    leaver = cloud.sign_in("leaver@example.org")
    user = leaver.ask("GET", "/me")["user"]
    exported = leaver.ask("GET", "/me/export")
    assert exported["account"]["email"] == "leaver@example.org"
    leaver.ask("DELETE", "/me", json={"confirm": "leaver@example.org"})
    gone = leaver.http.get("/api/v1/me")
    assert gone.status_code == 401
    cloud.people.pop("leaver@example.org").close()
    assert cloud.sign_in("leaver@example.org").ask("GET", "/me")["user"]["id"] != user["id"]
