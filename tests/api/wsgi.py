"""The Chalice app behind WSGI, for tools that speak HTTP in process."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

from app import app

PREFIX = "/api"
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def wsgi(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """What API Gateway does: match the route, call the function, give its answer back."""
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").removeprefix(PREFIX)
    method = environ["REQUEST_METHOD"]
    resource, values = _match(method, path)
    if resource is None:
        start_response("404 Not Found", [("Content-Type", "application/problem+json")])
        return [b"{}"]
    called = _event(environ, method=method, resource=resource, path=path, values=values)
    answer = app(called, None)
    status = HTTPStatus(answer["statusCode"])
    headers = [(k, str(v)) for k, v in (answer.get("headers") or {}).items()]
    several = answer.get("multiValueHeaders") or {}
    headers += [(k, str(v)) for k, values in several.items() for v in values]
    start_response(f"{status.value} {status.phrase}", headers)
    return [(answer.get("body") or "").encode()]


def _event(
    environ: dict[str, Any], *, method: str, resource: str, path: str, values: dict[str, str]
) -> dict[str, Any]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    raw = environ["wsgi.input"].read(length) if length else b""
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    # The gateway hands path values on as they stood in the URL.
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {k: [v] for k, v in headers.items()},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {k: [v for n, v in query if n == k] for k, _ in query}
        or None,
        "pathParameters": {k: quote(v) for k, v in values.items()} or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "requestId": "00000000-0000-4000-8000-000000000000",
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": base64.b64encode(raw).decode() if raw else None,
        "isBase64Encoded": bool(raw),
    }


@cache
def _routes() -> list[tuple[str, str, re.Pattern[str]]]:
    found = []
    for resource, methods in app.routes.items():
        pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", resource))
        found += [(method, resource, pattern) for method in methods]
    # A literal segment wins over a variable one, as at the gateway.
    return sorted(found, key=lambda route: route[1].count("{"))


def _match(method: str, path: str) -> tuple[str | None, dict[str, str]]:
    for known, resource, pattern in _routes():
        matched = pattern.fullmatch(path)
        if known == method and matched:
            return resource, matched.groupdict()
    return None, {}
