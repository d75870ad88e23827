"""The Chalice app, called with the events API Gateway sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from app import app
from chalicelib import bootstrap
from tests.conftest import World


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str
    cookies: tuple[str, ...] = ()
    """Values of Set-Cookie, as they came."""

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def event(
    method: str, target: str, body: Any, headers: Mapping[str, str], path_values: dict[str, str]
) -> dict[str, Any]:
    """An API Gateway REST proxy event, as recorded."""
    parts = urlsplit(target)
    query = parse_qsl(parts.query, keep_blank_values=True)
    resource = parts.path
    for name, value in path_values.items():
        resource = resource.replace(value, f"{{{name}}}")
    raw = body if isinstance(body, str) else json.dumps(body) if body is not None else None
    sent = {"content-type": "application/json"} if raw is not None else {}
    return {
        "resource": resource,
        "path": parts.path,
        "httpMethod": method,
        "headers": {**sent, **headers},
        "multiValueHeaders": {k: [v] for k, v in {**sent, **headers}.items()},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {k: [v for n, v in query if n == k] for k, _ in query}
        or None,
        "pathParameters": path_values or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "127.0.0.1"},
            "path": f"/api{parts.path}",
            "stage": "api",
        },
        "body": raw,
        "isBase64Encoded": False,
    }


class Client:
    """Calls the app as one person."""

    def __init__(self, world: World, token: str | None) -> None:
        self._app = app
        self._world = world
        self.token = token

    def __call__(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **path_values: str,
    ) -> Reply:
        bootstrap.install(self._world.platform)
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("authorization", f"Bearer {self.token}")
        filled = target.format(**path_values)
        answer = self._app(event(method, f"/v1{filled}", body, sent, path_values), None)
        headers_out = {k.lower(): v for k, v in (answer.get("headers") or {}).items()}
        several = answer.get("multiValueHeaders") or {}
        cookies = tuple(several.get("Set-Cookie", ()))
        return Reply(answer["statusCode"], headers_out, answer.get("body") or "", cookies)


@pytest.fixture
def client(world: World) -> Client:
    return Client(world, world.access_token())


@pytest.fixture
def stranger(world: World) -> Client:
    return Client(world, world.access_token("stranger@example.com"))


@pytest.fixture
def nobody(world: World) -> Client:
    return Client(world, None)
