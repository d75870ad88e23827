"""Knows what CloudFront does on AWS: one origin for pages and API, and the security headers.

Serves `frontend/dist` when it has been built, passes `/api/*` to API Gateway, and has what only
the local cloud has: its state and the mailbox, for people at this machine alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.local import pages
from infra.local.cloud import Cloud
from infra.local.layout import ROOT, Layout
from infra.local.mailbox import read_mail
from infra.local.yard.access import peer_is_us
from infra.publish import robots
from infra.synthesis import load_headers, load_pages, page_of

STATIC = ROOT / "infra" / "local" / "static"
MAX_REQUEST_BYTES = 10 * 1024 * 1024  # API Gateway's own limit
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)


_PICTURE = re.compile(r"media/[0-9a-f]{16}/[0-9a-f]{24}\.(png|jpeg|webp)")
#: What packs well; fonts and pictures are packed already.
_PACKED = frozenset(
    {
        *("text/html", "text/css", "text/javascript", "application/javascript"),
        *("image/svg+xml", "application/json", "application/manifest+json"),
    }
)


class Web:
    """The web server of one local cloud."""

    def __init__(
        self,
        layout: Layout,
        *,
        dist: Path = ROOT / "frontend" / "dist",
        transport: httpx.AsyncBaseTransport | None = None,
        is_ours: Callable[[int], bool] = peer_is_us,
    ) -> None:
        self.layout = layout
        self.cloud = Cloud(layout)
        self.dist = dist
        self._transport = transport
        self._is_ours = is_ours
        self._origin = layout.credentials().origin_secret.encode()
        self._api_id = ""
        self._api_read_at = 0.0
        self._seen: tuple[float, dict[str, Any]] = (0.0, {})
        self._looking = asyncio.Lock()
        self._gzipped: dict[tuple[Path, int, int], bytes] = {}
        self._files = load_pages()
        self.upstream: httpx.AsyncClient

    def app(self) -> Starlette:
        """The ASGI application."""

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            limits = httpx.Limits(max_connections=200, max_keepalive_connections=64)
            timeout = httpx.Timeout(35, connect=2)
            self.upstream = httpx.AsyncClient(
                limits=limits, timeout=timeout, trust_env=False, transport=self._transport
            )
            async with self.upstream:
                yield

        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        routes = [
            Route("/api/{path:path}", self.api, methods=methods),
            Route("/media/{path:path}", self.media),
            Route("/robots.txt", self.robots),
            Route("/local/mailbox", self.mailbox),
            Route("/local/status", self.status),
            Route("/local/ready", lambda _request: Response(status_code=204)),
            Mount("/local/static", StaticFiles(directory=STATIC)),
            Mount("/", self._pages()),
        ]
        guard = Middleware(Guard, port=self.layout.ports.web, upload_origin=self.layout.aws_url)
        return Starlette(routes=routes, middleware=[guard], lifespan=lifespan)

    async def robots(self, _request: Request) -> Response:
        """As it is published on AWS."""
        return Response(robots(self.layout.web_url).body, media_type="text/plain")

    # -- the API -----------------------------------------------------------------------------

    async def api(self, request: Request) -> Response:
        """Pass a request to API Gateway and its answer back, without holding either."""
        stage = self._stage_url()
        if stage is None:
            return _unavailable("The stack is not deployed yet. `make status` shows how far it is.")
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length) > MAX_REQUEST_BYTES:
            return _too_large()
        raw: bytes = request.scope["raw_path"]
        path = raw.decode("ascii").removeprefix("/api")
        query = request.scope["query_string"].decode("ascii")
        if refusal := _not_for_the_api(request, path, query):
            return refusal
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        outgoing = self.upstream.build_request(
            request.method,
            httpx.URL(f"{stage}{path}" + (f"?{query}" if query else "")),
            headers=self._forwarded(request),
            content=_limited(request) if has_body else None,
        )
        for name in ("accept", "accept-encoding", "user-agent"):
            # What the caller did not send is not to be added: it might not know the encoding.
            if name not in request.headers:
                del outgoing.headers[name]
        try:
            answer = await self.upstream.send(outgoing, stream=True)
        except _TooLarge:
            return _too_large()
        except httpx.HTTPError:
            return _unavailable("The AWS emulator does not answer; it is started again by itself.")
        response = StreamingResponse(_streamed(answer), status_code=answer.status_code)
        response.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode("latin-1") not in {*_HOP_BY_HOP, "date"}
        ]
        return response

    def _stage_url(self) -> str | None:
        # The emulator gives the API another id when its routes change.
        with contextlib.suppress(OSError):
            changed = self.layout.outputs.stat().st_mtime
            if changed != self._api_read_at:
                self._api_read_at = changed
                self._api_id = self.layout.read(self.layout.outputs).get("RestApiId", "")
        if not self._api_id:
            return None
        return f"{self.layout.aws_url}/restapis/{self._api_id}/api/_user_request_"

    def _forwarded(self, request: Request) -> list[tuple[bytes, bytes]]:
        kept = [
            (name, value)
            for name, value in request.headers.raw
            if name.decode("latin-1") not in _HOP_BY_HOP
            and name != b"host"
            # The gateway's back is AWS itself: nothing that it understands may pass.
            and not name.startswith((b"x-forwarded-", b"x-amz-", b"slipway-origin"))
            # Cookies ignore ports: those of 127.0.0.1 belong to the agents there.
            and not (name == b"cookie" and not _is_localhost(request.headers))
        ]
        client = request.client.host if request.client else "127.0.0.1"
        return [
            *kept,
            # As the distribution does: what the API may believe of where a request comes from.
            (b"slipway-origin", self._origin),
            (b"x-forwarded-for", client.encode()),
            (b"x-forwarded-host", request.headers["host"].encode("latin-1")),
            (b"x-forwarded-port", str(self.layout.ports.web).encode()),
            (b"x-forwarded-proto", b"http"),
        ]

    # -- pictures ----------------------------------------------------------------------------

    async def media(self, request: Request) -> Response:
        """A picture of a listing, from where the platform keeps it."""
        path = request.url.path.lstrip("/")
        bucket = self.layout.read(self.layout.outputs).get("ArtifactsBucketName", "")
        if not _PICTURE.fullmatch(path) or not bucket:
            return pages.not_found()
        # The address is signed without asking anybody; boto3 is slow to load, and rarely needed.
        url = await asyncio.to_thread(self._signed, bucket, path)
        try:
            answer = await self.upstream.get(url)
        except httpx.HTTPError:
            return _unavailable("The AWS emulator does not answer; it is started again by itself.")
        if answer.status_code != 200:
            return pages.not_found()
        kept = ("content-type", "cache-control", "etag")
        headers = {name: answer.headers[name] for name in kept if name in answer.headers}
        return Response(answer.content, 200, headers)

    def _signed(self, bucket: str, key: str) -> str:
        url: str = self.cloud.client("s3").generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60
        )
        return url

    # -- what only the local cloud has ---------------------------------------------------------

    async def mailbox(self, request: Request) -> Response:
        """The mail that the platform has sent, newest first."""
        if _is_foreign(request):
            return PlainTextResponse("The mailbox is read in a window of its own.", 403)
        # Other users of this machine share the loopback interface.
        if request.client is None or not self._is_ours(request.client.port):
            return PlainTextResponse("The mailbox is only for the user who started Slipway.", 403)
        url = f"{self.layout.aws_url}/_ministack/ses/messages"
        headers = {"X-Slipway-Admin": self.layout.credentials().admin_token}
        try:
            answer = await self.upstream.get(url, headers=headers)
            answer.raise_for_status()
        except httpx.HTTPError:
            return _unavailable("The AWS emulator, which keeps the mail, does not answer.")
        items = read_mail(answer.json())
        if wanted := request.query_params.get("to"):
            items = [item for item in items if wanted.lower() in item["to"].lower()]
        if _wants_json(request):
            return JSONResponse({"items": items})
        return pages.mailbox(items)

    async def status(self, request: Request) -> Response:
        """How the local cloud is."""
        if _is_foreign(request):
            return PlainTextResponse("The status is read in a window of its own.", 403)
        return JSONResponse(await self._status())

    async def _status(self) -> dict[str, Any]:
        async with self._looking:
            read_at, seen = self._seen
            if time.monotonic() - read_at > 1:
                seen = await asyncio.to_thread(look, self.layout, self.cloud)
                self._seen = (time.monotonic(), seen)
        return seen

    def _pages(self) -> ASGIApp:
        built = StaticFiles(directory=self.dist, check_dir=False)

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            response = await self._page(request, built)
            if isinstance(response, FileResponse) and "gzip" in _encodings(request):
                response = await asyncio.to_thread(self._packed, response, request.method)
            await response(scope, receive, send)

        return serve

    def _packed(self, response: FileResponse, method: str) -> Response:
        """A file of the web app as CloudFront sends it; packed once, as long as it is the same."""
        path = Path(response.path)
        kind = (response.media_type or "").partition(";")[0]
        if response.status_code != 200 or kind not in _PACKED:
            return response
        state = path.stat()
        key = (path, state.st_mtime_ns, state.st_size)
        body = self._gzipped.get(key)
        if body is None:
            body = self._gzipped[key] = gzip.compress(path.read_bytes(), 9)
        headers = {
            **{name: value for name, value in response.headers.items() if name != "content-length"},
            "Content-Encoding": "gzip",
            "Content-Length": str(len(body)),
            "Vary": "Accept-Encoding",
        }
        return Response(b"" if method == "HEAD" else body, 200, headers)

    async def _page(self, request: Request, built: StaticFiles) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return PlainTextResponse("Pages can only be read.", 405, {"Allow": "GET, HEAD"})
        path = request.url.path.lstrip("/")
        if not (self.dist / "index.html").exists():
            if path == "sign-in" or path.startswith("sign-in/"):
                return pages.sign_in()
            if path:
                return pages.not_found()
            return pages.home(await self._status())
        # As on CloudFront: an address without a dot begins with the HTML file of its page.
        if "." not in path.rsplit("/", 1)[-1]:
            path = page_of(path, self._files)
        try:
            response = await built.get_response(path, request.scope)
        except HTTPException:
            return pages.not_found()
        forever = path.startswith("assets/")
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if forever else "no-cache"
        )
        return response


class Guard:
    """Turns away other host names, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, port: int, upload_origin: str) -> None:
        self.app = app
        self.port = port
        self.pages = {
            name: value.replace("${UploadOrigin}", upload_origin)
            for name, value in load_headers().items()
        }
        self.api = load_headers("api")
        self.media = load_headers("media")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, answer, and mark."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        local = _is_localhost(headers)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in self._headers(scope["path"]).items():
                    answer[name] = value
                if not local:
                    del answer["set-cookie"]
            await send(message)

        response: ASGIApp = self.app
        host = headers.get("host", "")
        if host not in {f"localhost:{self.port}", f"127.0.0.1:{self.port}"}:
            # A name that somebody else's DNS points at this machine must reach nothing here.
            response = PlainTextResponse(f"Open http://localhost:{self.port} instead.\n", 421)
        elif not local and not scope["path"].startswith(("/api/", "/local/")):
            # Pages live on localhost only: agents live on 127.0.0.1 and would share cookies.
            query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
            raw = scope["raw_path"].decode("latin-1").lstrip("/")
            response = RedirectResponse(f"http://localhost:{self.port}/{raw}{query}", 307)
        await response(scope, receive, marked)

    def _headers(self, path: str) -> dict[str, str]:
        """Those of the part that the path leads to."""
        if path.startswith("/api/"):
            return self.api
        return self.media if path.startswith("/media/") else self.pages


def look(layout: Layout, cloud: Cloud) -> dict[str, Any]:
    """Everything there is to know about how the local cloud is."""
    there = layout.read(layout.supervisor)
    agents: list[dict[str, Any]] | None = None
    with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
        agents = cloud.agents()
    return {
        "state": there.get("state", "stopped"),
        "web_url": layout.web_url,
        "mailbox_url": f"{layout.web_url}/local/mailbox",
        "isolation": there.get("isolation", {}),
        "parts": there.get("parts", {}),
        "stack": {"name": "slipway-local", "status": cloud.stack_status()},
        "agents": agents,
        "first_agent": layout.read(layout.first_agent) or None,
    }


class _TooLarge(Exception):
    pass


async def _streamed(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes; the connection is given back even when the reader goes away."""
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


async def _limited(request: Request) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_REQUEST_BYTES:
            raise _TooLarge
        yield chunk


def _is_localhost(headers: Headers) -> bool:
    return headers.get("host", "").partition(":")[0] == "localhost"


def _is_foreign(request: Request) -> bool:
    """Whether another site's page asks in the reader's browser."""
    site = request.headers.get("sec-fetch-site", "none")
    visits = request.headers.get("sec-fetch-mode") == "navigate"
    return site not in {"none", "same-origin"} and not visits


def _not_for_the_api(request: Request, path: str, query: str) -> Response | None:
    """Refuses what could leave the API's own addresses, or sign a call of the emulator."""
    if {".", ".."} & set(unquote(path).replace("\\", "/").split("/")):
        return _problem(400, "Bad request", "path_invalid", "An address cannot hold . or .. here.")
    names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    signs = any(name.startswith("x-amz-") or name == "awsaccesskeyid" for name in names)
    scheme = request.headers.get("authorization", "Bearer").split(" ", 1)[0].lower()
    if signs or scheme != "bearer":
        return _problem(
            401,
            "Sign in first",
            "unauthenticated",
            "Send an access token or API token: Authorization: Bearer <token>.",
        )
    return None


def _encodings(request: Request) -> set[str]:
    listed = request.headers.get("accept-encoding", "").split(",")
    return {one.partition(";")[0].strip().lower() for one in listed}


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return request.query_params.get("format") == "json" or "application/json" in accept


def _problem(status: int, title: str, code: str, detail: str) -> Response:
    document = {
        "type": f"https://slipway.dev/errors/{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return Response(json.dumps(document), status, media_type="application/problem+json")


def _unavailable(detail: str) -> Response:
    response = _problem(503, "Not available for the moment", "unavailable", detail)
    response.headers["Retry-After"] = "1"
    return response


def _too_large() -> Response:
    return _problem(
        413,
        "The request is too large",
        "too_large",
        "A request to the API may have 10 MB. "
        "Sources are uploaded to the address that a new version names.",
    )


def main() -> None:
    """Serve until told to stop."""
    layout = Layout.from_env()
    uvicorn.run(
        Web(layout).app(),
        host="127.0.0.1",
        port=layout.ports.web,
        log_level="warning",
        access_log=False,
        server_header=False,
        # Nobody stands before us: what a client says of its own address is not believed.
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
