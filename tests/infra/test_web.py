"""The local web server: one origin, the security headers, and nobody else's pages let in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from infra.local.layout import Layout, Ports
from infra.local.mailbox import read_mail
from infra.local.web import Web
from infra.synthesis import load_headers, load_pages

LAYOUT_PORT = 8800


class Upstream:
    """What the emulator would be: keeps what it was asked and answers as it is told."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self.answer: Any = {"fine": True}
        self.down = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        self.asked.append(request)
        self.bodies.append(await request.aread())
        if self.down:
            raise httpx.ConnectError("refused")

        async def pieces() -> AsyncIterator[bytes]:
            yield json.dumps(self.answer).encode()

        return httpx.Response(200, content=pieces(), headers={"Set-Cookie": "session=1"})


class Browser:
    """Asks the web server, without a network between them."""

    def __init__(self, web: Web) -> None:
        self.app = web.app()

    def request(self, method: str, url: str, **given: Any) -> httpx.Response:
        """One request and its whole answer."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=("127.0.0.9", 1))
            async with (
                self.app.router.lifespan_context(self.app),
                httpx.AsyncClient(transport=transport, base_url="http://localhost:8800") as client,
            ):
                request = client.build_request(method, url, **given)
                for name in ("accept-encoding", "user-agent"):
                    if name not in {key.lower() for key in given.get("headers", {})}:
                        del request.headers[name]
                return await client.send(request)

        return asyncio.run(ask())

    def raw(self, method: str, path: str, query: str) -> int:
        """The status for a path exactly as it stands, dots and all."""
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost:8800")],
            "client": ("127.0.0.9", 1),
            "server": ("127.0.0.1", 8800),
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
        }
        said: list[dict[str, Any]] = []

        async def ask() -> None:
            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: Any) -> None:
                said.append(message)

            async with self.app.router.lifespan_context(self.app):
                await self.app(scope, receive, send)

        asyncio.run(ask())
        return int(said[0]["status"])

    def get(self, url: str, **given: Any) -> httpx.Response:
        return self.request("GET", url, **given)

    def post(self, url: str, **given: Any) -> httpx.Response:
        return self.request("POST", url, **given)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "data", Ports(LAYOUT_PORT))
    made.make()
    made.credentials()
    made.outputs.write_text(json.dumps({"RestApiId": "abc123"}))
    return made


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    for _, name in load_pages():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"<!doctype html><title>The app: {name}</title>")
    (folder / "assets" / "app-1234.js").write_text("console.log(1)\n" * 200)
    return folder


@pytest.fixture
def browser(layout: Layout, upstream: Upstream, dist: Path) -> Browser:
    return Browser(
        Web(
            layout,
            dist=dist,
            transport=httpx.MockTransport(upstream),
            is_ours=lambda port: port == 1,
        )
    )


def test_api_calls_reach_the_stage_with_path_and_query_untouched(
    browser: Browser, upstream: Upstream
) -> None:
    browser.get("/api/v1/agents/a%2Fb?cursor=x%3D%3D&q=a+b")
    assert str(upstream.asked[0].url) == (
        "http://127.0.0.1:8804/restapis/abc123/api/_user_request_/v1/agents/a%2Fb"
        "?cursor=x%3D%3D&q=a+b"
    )


def test_the_gateway_learns_who_asked_and_nobody_can_pretend(
    browser: Browser, upstream: Upstream, layout: Layout
) -> None:
    browser.post(
        "/api/v1/agents",
        content=b'{"name": "x"}',
        headers={
            "X-Forwarded-For": "1.2.3.4",
            "X-Forwarded-Proto": "https",
            "Slipway-Origin": "guessed",
            "X-Own": "kept",
        },
    )
    sent = upstream.asked[0]
    assert sent.headers["x-forwarded-for"] == "127.0.0.9"
    assert sent.headers["x-forwarded-proto"] == "http"
    assert sent.headers["x-forwarded-host"] == "localhost:8800"
    assert sent.headers["host"] == "127.0.0.1:8804"
    assert sent.headers["x-own"] == "kept"
    assert sent.headers.get_list("slipway-origin") == [layout.credentials().origin_secret]
    assert upstream.bodies == [b'{"name": "x"}']


def test_nothing_is_added_that_the_caller_did_not_send(
    browser: Browser, upstream: Upstream
) -> None:
    browser.get("/api/v1/health")
    assert "accept-encoding" not in upstream.asked[0].headers
    assert "user-agent" not in upstream.asked[0].headers


def test_a_request_larger_than_the_gateway_takes_is_refused(
    browser: Browser, upstream: Upstream
) -> None:
    answer = browser.post("/api/v1/agents", content=b"x" * (10 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert not upstream.asked


def test_the_limit_also_holds_for_a_body_of_unknown_length(browser: Browser) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 1024 * 1024

    answer = browser.post("/api/v1/agents", content=pieces())
    assert answer.status_code == 413


def test_an_emulator_that_is_starting_again_is_said_to_be(
    browser: Browser, upstream: Upstream
) -> None:
    upstream.down = True
    answer = browser.get("/api/v1/health")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"


def test_search_engines_are_told_where_the_sitemap_is(browser: Browser) -> None:
    answer = browser.request("GET", "/robots.txt")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert f"Sitemap: http://localhost:{LAYOUT_PORT}/api/v1/marketplace/sitemap.xml" in lines
    assert lines.index("Allow: /api/v1/marketplace/") < lines.index("Disallow: /api/")


def test_a_picture_comes_from_where_it_is_kept_and_can_do_nothing(
    browser: Browser, upstream: Upstream, layout: Layout
) -> None:
    outputs = {"RestApiId": "abc123", "ArtifactsBucketName": "artifacts"}
    layout.outputs.write_text(json.dumps(outputs))
    path = f"/media/{'a' * 16}/{'0' * 24}.png"
    answer = browser.get(path)
    assert answer.status_code == 200
    [asked] = upstream.asked
    assert asked.url.path == f"/artifacts{path}"
    assert "X-Amz-Signature" in asked.url.params
    assert "set-cookie" not in answer.headers
    for name, value in load_headers("media").items():
        assert answer.headers[name] == value


@pytest.mark.parametrize(
    "path",
    [
        "/media/",
        "/media/x.png",
        f"/media/{'a' * 16}/{'0' * 24}.svg",
        f"/media/{'a' * 16}/../../org_1/agt_1/ver_1/report.json",
        f"/media/{'a' * 16}/{'0' * 24}.png/../../../index.json",
        f"/media/{'A' * 16}/{'0' * 24}.png",
    ],
)
def test_nothing_but_pictures_is_behind_their_addresses(
    browser: Browser, upstream: Upstream, layout: Layout, path: str
) -> None:
    outputs = {"RestApiId": "abc123", "ArtifactsBucketName": "artifacts"}
    layout.outputs.write_text(json.dumps(outputs))
    assert browser.raw("GET", path, "") == 404
    assert upstream.asked == []


@pytest.mark.parametrize("path", ["/", "/agents/x", "/api/v1/health", "/local/mailbox", "/none.js"])
def test_every_answer_carries_the_security_headers(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    part = "api" if path.startswith("/api/") else "pages"
    for name, value in load_headers(part).items():
        assert answer.headers[name] == value.replace("${UploadOrigin}", "http://127.0.0.1:8804")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost", "localhost:9999", "localhost.evil", ""]
)
@pytest.mark.parametrize("path", ["/", "/api/v1/health", "/local/mailbox?format=json"])
def test_other_host_names_reach_nothing(
    browser: Browser, upstream: Upstream, host: str, path: str
) -> None:
    answer = browser.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert not upstream.asked


def test_pages_live_on_the_name_not_on_the_number(browser: Browser) -> None:
    answer = browser.get("/agents?tab=1", headers={"Host": "127.0.0.1:8800"})
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://localhost:8800/agents?tab=1"


def test_a_path_cannot_lead_the_redirect_elsewhere(browser: Browser) -> None:
    answer = browser.get(
        "http://127.0.0.1:8800//evil.example/x", headers={"Host": "127.0.0.1:8800"}
    )
    assert answer.headers["location"].startswith("http://localhost:8800/")


def test_agents_on_the_number_share_no_cookies_with_the_api(
    browser: Browser, upstream: Upstream
) -> None:
    by_number = {"Host": "127.0.0.1:8800", "Cookie": "an=agents"}
    answer = browser.get("/api/v1/me", headers=by_number)
    assert "set-cookie" not in answer.headers
    assert "cookie" not in upstream.asked[0].headers
    answer = browser.get("/api/v1/me", headers={"Cookie": "our=own"})
    assert answer.headers["set-cookie"] == "session=1"
    assert upstream.asked[1].headers["cookie"] == "our=own"


def test_each_address_begins_with_the_html_of_its_page(browser: Browser) -> None:
    assert "The app: index.html" in browser.get("/").text
    assert "The app: pages/agent.html" in browser.get("/agents/agt_1").text
    assert "The app: pages/other.html" in browser.get("/no/such/page/at/all").text
    assert browser.get("/agents/agt_1").headers["cache-control"] == "no-cache"
    script = browser.get("/assets/app-1234.js", headers={"Accept-Encoding": "gzip"})
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-encoding"] == "gzip"
    assert script.headers["vary"] == "Accept-Encoding"
    head = browser.request("HEAD", "/assets/app-1234.js", headers={"Accept-Encoding": "gzip"})
    assert head.headers["content-length"] == script.headers["content-length"]
    plain = browser.get("/assets/app-1234.js", headers={"Accept-Encoding": "br"})
    assert "content-encoding" not in plain.headers
    assert plain.content == script.content
    known = {"Accept-Encoding": "gzip", "If-None-Match": script.headers["etag"]}
    assert browser.get("/assets/app-1234.js", headers=known).status_code == 304
    assert browser.get("/assets/gone.js").status_code == 404
    assert browser.get("/..%2f..%2fdata%2fcredentials.json").status_code == 404
    assert browser.post("/").status_code == 405


def test_without_the_app_a_plain_page_says_how_things_are(
    layout: Layout, upstream: Upstream, tmp_path: Path
) -> None:
    web = Web(
        layout,
        dist=tmp_path / "none",
        transport=httpx.MockTransport(upstream),
        is_ours=lambda _: True,
    )
    web._seen = (1e12, {"stack": {"name": "s", "status": "CREATE_COMPLETE"}, "parts": {}})
    browser = Browser(web)
    page = browser.get("/").text
    assert "CREATE_COMPLETE" in page
    assert "/local/mailbox" in page
    assert "<style" not in page
    assert "style=" not in page
    assert "make token" in browser.get("/sign-in").text
    assert browser.get("/nothing").status_code == 404


MAIL = {
    "messages": {
        "000000000000": [
            {
                "Source": "slipway@slipway.local",
                "To": ["ada@example.org"],
                "Subject": "Hello <script>",
                "BodyText": "Open http://localhost:8800/sign-in/email#token=abc\n<b>now</b>",
                "Timestamp": 1700000000.5,
            },
            {
                "Source": "slipway@slipway.local",
                "To": ["bob@example.org"],
                "Subject": "Later",
                "BodyText": "",
                "Timestamp": 1700000001,
            },
        ]
    }
}


def test_mail_is_read_newest_first_with_its_links() -> None:
    later, first = read_mail(MAIL)
    assert later["subject"] == "Later"
    assert first["links"] == ["http://localhost:8800/sign-in/email#token=abc"]
    assert first["sent_at"] == "2023-11-14T22:13:20.500+00:00"


def test_the_mailbox_is_a_page_and_a_document(browser: Browser, upstream: Upstream) -> None:
    upstream.answer = MAIL
    page = browser.get("/local/mailbox")
    assert "<script>" not in page.text
    assert 'href="http://localhost:8800/sign-in/email#token=abc"' in page.text
    document = browser.get("/local/mailbox", headers={"Accept": "application/json"}).json()
    assert [item["to"] for item in document["items"]] == ["bob@example.org", "ada@example.org"]
    filtered = browser.get("/local/mailbox?format=json&to=ada").json()
    assert [item["subject"] for item in filtered["items"]] == ["Hello <script>"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/local/mailbox", "/local/status"])
def test_other_pages_cannot_read_what_only_people_here_may(
    browser: Browser, upstream: Upstream, site: str, path: str
) -> None:
    answer = browser.get(path, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert not upstream.asked


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/../../../_ministack/health",
        "/api/v1/%2e%2e/%2E%2E/x",
        "/api/v1/./health",
        "/api/v1/health?X-Amz-Credential=000000000000%2Fx",
        "/api/v1/health?AWSAccessKeyId=test",
    ],
)
def test_no_address_leads_out_of_the_api(browser: Browser, upstream: Upstream, target: str) -> None:
    scope_path, _, query = target.partition("?")
    answer = browser.raw("GET", scope_path, query)
    assert answer in {400, 401}
    assert upstream.asked == []


def test_the_api_takes_bearers_and_no_signatures(browser: Browser, upstream: Upstream) -> None:
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=000000000000/x"}
    assert browser.get("/api/v1/health", headers=signed).status_code == 401
    assert upstream.asked == []
    browser.get("/api/v1/health", headers={"x-amz-target": "DynamoDB_20120810.Scan"})
    assert "x-amz-target" not in upstream.asked[-1].headers


def test_the_mailbox_is_not_for_other_users_of_the_machine(
    layout: Layout, upstream: Upstream, tmp_path: Path
) -> None:
    transport = httpx.MockTransport(upstream)
    web = Web(layout, dist=tmp_path, transport=transport, is_ours=lambda _: False)
    assert Browser(web).get("/local/mailbox?format=json").status_code == 403
