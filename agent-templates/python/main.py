"""The agent as a web service: what it answers, what it refuses, how it starts and stops."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvicorn
from gist import gist
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 512 * 1024
MAX_CHARACTERS = 100_000
LAST_PORT = 65_535
PAGE = {path.name: path.read_bytes() for path in (Path(__file__).parent / "page").iterdir()}
PAGE_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# What GET / tells a program, and what `read_request` holds it to.
DESCRIPTION: dict[str, Any] = {
    "name": "gist",
    "description": "Summarises a text in its own sentences and names its key phrases.",
    "actions": [
        {
            "name": "summarise",
            "method": "POST",
            "path": "/summarise",
            "input": {
                "type": "object",
                "required": ["text"],
                "additionalProperties": False,
                "properties": {
                    "text": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": MAX_CHARACTERS,
                        "description": "The text to read, in English for the best result.",
                    },
                    "sentences": {"type": "integer", "minimum": 1, "maximum": 20, "default": 3},
                    "keyphrases": {"type": "integer", "minimum": 0, "maximum": 50, "default": 8},
                },
            },
        }
    ],
    "health": "/health",
}
INPUT = DESCRIPTION["actions"][0]["input"]


class RequestError(Exception):
    """A request that cannot be answered, with everything that has to change."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, str]] | None = None):
        super().__init__(detail)
        self.status = status
        self.body = {"title": "The request was refused", "status": status, "detail": detail}
        if errors:
            self.body["errors"] = errors


async def home(request: Request) -> Response:
    """A page for people, the same facts as JSON for programs."""
    if "text/html" in request.headers.get("accept", ""):
        return asset("index.html")
    return JSONResponse(DESCRIPTION, headers={"Vary": "Accept"})


async def page_file(request: Request) -> Response:
    """The page's style and script."""
    name = request.path_params["name"]
    if name not in PAGE:
        raise HTTPException(404)
    return asset(name)


async def health(_: Request) -> Response:
    """Up, and able to do the work: the health check really summarises something."""
    working = gist("Ships need slipways. Slipways launch ships.", sentences=1).summary != ()
    return JSONResponse(
        {"status": "ok" if working else "failing", "agent": "gist"}, 200 if working else 503
    )


async def summarise(request: Request) -> Response:
    """The agent's one action."""
    asked = read_request(await read_json(request))
    # Long texts take some hundredths of a second: not on the loop that serves everybody else.
    result = await run_in_threadpool(
        gist, asked["text"], sentences=asked["sentences"], keyphrases=asked["keyphrases"]
    )
    return JSONResponse(
        {
            "summary": list(result.summary),
            "keyphrases": [{"phrase": text, "score": score} for text, score in result.keyphrases],
            "words": result.words,
            "sentences": result.sentences,
        }
    )


async def read_json(request: Request) -> Any:
    """Read the body, never more of it than the limit."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(415, "Send JSON, with the header Content-Type: application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(413, f"The body may have {MAX_BODY_BYTES:,} bytes at most.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"The body is not valid JSON: {error}.") from error


def read_request(value: Any) -> dict[str, Any]:
    """Check the input against DESCRIPTION and fill in defaults; name every fault at once."""
    if not isinstance(value, dict):
        raise RequestError(422, 'Send a JSON object such as {"text": "…"}.')
    faults: list[dict[str, str]] = []
    known = INPUT["properties"]
    for name in value.keys() - known.keys():
        detail = f"There is no such field; known are {', '.join(known)}."
        faults.append({"field": name, "detail": detail})
    text = value.get("text")
    if not isinstance(text, str) or not text.strip():
        faults.append({"field": "text", "detail": "Give the text to summarise as a string."})
    elif len(text) > MAX_CHARACTERS:
        detail = f"It has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}."
        faults.append({"field": "text", "detail": detail})
    elif any("\ud800" <= character <= "\udfff" for character in text):
        # JSON can write half of a surrogate pair; no answer could quote it.
        faults.append({"field": "text", "detail": "It has half a character (a lone surrogate)."})
    asked: dict[str, Any] = {"text": text}
    for name in ("sentences", "keyphrases"):
        low, high = known[name]["minimum"], known[name]["maximum"]
        asked[name] = number = value.get(name, known[name]["default"])
        if type(number) is not int or not low <= number <= high:
            detail = f"Give a whole number from {low} to {high}."
            faults.append({"field": name, "detail": detail})
    if faults:
        faults.sort(key=lambda fault: fault["field"])
        raise RequestError(422, "The input is not as described at GET /.", faults)
    return asked


def asset(name: str) -> Response:
    """One file of the page."""
    kind = PAGE_TYPES[Path(name).suffix]
    return Response(PAGE[name], media_type=kind, headers={**HEADERS, "Vary": "Accept"})


def problem(_: Request, error: Exception) -> Response:
    """Every refusal in one shape (RFC 9457)."""
    headers: dict[str, str] = {}
    if isinstance(error, RequestError):
        status, body = error.status, error.body
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        body = {"title": error.detail, "status": status, "detail": "GET / says what there is."}
    else:
        status, body = 500, {"title": "The agent failed", "status": 500, "detail": "It is logged."}
    return Response(
        json.dumps(body), status, headers=headers, media_type="application/problem+json"
    )


class AccessLog:
    """One line for every request except health checks, which would drown the others."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and log how it ended."""
        if scope["type"] != "http" or scope["path"] == "/health":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        except ClientDisconnect:
            status = 499
        finally:
            level = "error" if status == HTTPStatus.INTERNAL_SERVER_ERROR else "info"
            took = round((time.perf_counter() - began) * 1000, 1)
            facts = {"method": scope["method"], "path": scope["path"], "status": status}
            log(level, "request", **facts, duration_ms=took)


def log(level: str, message: str, **facts: Any) -> None:
    """Write one JSON object on a line of standard output."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(json.dumps({"timestamp": now, "level": level, "message": message, **facts}), flush=True)


class JsonLines(logging.Handler):
    """What libraries log, tracebacks included, in the same form as our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        traced = logging.Formatter().formatException(record.exc_info) if record.exc_info else None
        facts = {"traceback": traced} if traced else {}
        log(record.levelname.lower(), record.getMessage(), logger=record.name, **facts)


app = AccessLog(
    Starlette(
        routes=[
            Route("/", home),
            Route("/health", health),
            Route("/summarise", summarise, methods=["POST"]),
            Route("/page/{name}", page_file),
        ],
        exception_handlers={RequestError: problem, HTTPException: problem, Exception: problem},
    )
)


def main() -> None:
    """Serve until SIGTERM, then finish what is being answered and leave."""
    host = os.environ.get("HOST", "0.0.0.0")  # noqa: S104 - a container is reached from outside
    port = os.environ.get("PORT") or "8000"
    if not port.isdecimal() or not 0 < int(port) <= LAST_PORT:
        sys.exit(f"PORT must be a number from 1 to {LAST_PORT}, not {port!r}.")

    def stopped(signum: int, _: Any) -> None:
        log("info", "stopped", signal=signal.Signals(signum).name)
        sys.exit(0)

    # Uvicorn drains on these signals and then raises them once more, for us.
    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    logging.basicConfig(handlers=[JsonLines()], level=logging.WARNING)
    log("info", "starting", port=int(port))
    uvicorn.run(
        app,
        host=host,
        port=int(port),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
