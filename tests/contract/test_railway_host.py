"""How the Railway client behaves when the host answers badly; over real HTTP messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chalicelib.adapters.memory_host import MemoryBudget, MemoryLease
from chalicelib.adapters.railway import RailwayHost, _Progress
from chalicelib.adapters.railway_api import RailwayApi
from chalicelib.adapters.railway_documents import CREATE_SERVICE, FIND_SERVICES
from chalicelib.errors import Conflict, HostRefused, HostUnavailable, NotFound, PlatformError


def api(
    answer: Callable[[dict[str, Any]], httpx.Response], budget: MemoryBudget | None = None
) -> RailwayApi:
    """The client, over a transport that answers each request."""
    made = RailwayApi(
        "http://railway.test/graphql/v2",
        lambda: "token",
        budget=budget or MemoryBudget(),
        sleep=lambda _: None,
    )

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer token"
        return answer(json.loads(request.content))

    made.__dict__["_client"] = httpx.Client(transport=httpx.MockTransport(respond))
    return made


def failing(message: str, status: int = 200) -> Callable[[dict[str, Any]], httpx.Response]:
    error = {"message": message, "traceId": "123", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    return lambda _: httpx.Response(status, json={"data": None, "errors": [error]})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("ServiceInstance not found", NotFound),
        ('A service named "x" already exists in this project', Conflict),
        ("You are creating environments too quickly", HostUnavailable),
        ("Failed to create service domain, please try again", HostUnavailable),
        ("an operation is already in progress", HostUnavailable),
        ("Problem processing request", HostUnavailable),
        ("Not Authorized", HostUnavailable),
        ("Something new", HostRefused),
    ],
)
def test_each_message_of_the_host_becomes_one_of_our_errors(
    message: str, expected: type[PlatformError]
) -> None:
    with pytest.raises(expected, match="trace 123"):
        api(failing(message))(CREATE_SERVICE, input={})


def test_a_rate_limit_says_when_to_come_back() -> None:
    limited = api(lambda _: httpx.Response(429, headers={"retry-after": "17"}))
    with pytest.raises(HostUnavailable) as caught:
        limited(FIND_SERVICES, id="p")
    assert caught.value.retry_after == 17
    assert limited.calls == 1


def test_a_page_of_html_is_not_an_answer() -> None:
    blocked = api(lambda _: httpx.Response(403, html="<h1>Access denied | Cloudflare</h1>"))
    with pytest.raises(HostUnavailable, match="not its API"):
        blocked(CREATE_SERVICE, input={})


def test_reads_are_repeated_and_mutations_are_not() -> None:
    def broken(_: dict[str, Any]) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    for document, calls in ((FIND_SERVICES, 2), (CREATE_SERVICE, 1)):
        client = api(broken)
        with pytest.raises(HostUnavailable):
            client(document)
        assert client.calls == calls


def test_a_service_made_before_a_timeout_is_found_and_not_made_again() -> None:
    made: list[str] = []

    def answer(request: dict[str, Any]) -> httpx.Response:
        if "serviceCreate" in request["query"]:
            made.append(request["variables"]["input"]["name"])
            raise httpx.ReadTimeout("the answer was lost")
        nodes = [{"node": {"id": "svc", "name": name, "deletedAt": None}} for name in made]
        services = {"edges": nodes, "pageInfo": {"hasNextPage": False, "endCursor": None}}
        return httpx.Response(200, json={"data": {"project": {"services": services}}})

    host = RailwayHost(
        api(answer),
        project_id="p",
        environment_id="e",
        credentials=lambda: None,
        lease=MemoryLease(),
    )
    at = _Progress(name="agent")
    host._create_service(at)
    assert at.service_id == "svc"
    assert made == ["agent"]
