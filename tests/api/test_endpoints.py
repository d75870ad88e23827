"""Every endpoint, from the list of endpoints: a new route is covered at birth."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import app as _app  # noqa: F401 - registers the endpoints
from chalicelib.api import openapi
from chalicelib.api.http import ENDPOINTS, HEADERS, Endpoint
from chalicelib.domain.ids import new_id
from chalicelib.domain.tenancy import Action
from tests.api.conftest import Client

PRIVATE = [e for e in ENDPOINTS if not e.public]
BODIES: dict[str, dict[str, Any]] = {
    "create_agent": {"name": "x"},
    "update_agent": {"name": "x"},
    "create_version": {"source": "upload", "filename": "a.zip"},
    "build_version": {},
    "create_deployment": {"version_id": new_id("ver")},
    "put_variables": {"items": []},
    "create_token": {"name": "x"},
    "put_listing": {"summary": "x"},
    "publish_agent": {},
    "create_copy": {},
    "accept_update": {},
    "put_review": {"stars": 5},
    "reply_to_review": {"text": "x"},
    "report_listing": {"reason": "spam"},
    "decide_report": {"decision": "dismiss", "reason": "x"},
    "restore_listing": {"reason": "x"},
    "create_organisation": {"name": "x"},
    "update_organisation": {"name": "x"},
    "delete_organisation": {"confirm": "x"},
    "update_member": {"role": "viewer"},
    "transfer_organisation": {"user_id": new_id("usr")},
    "ask_new_address": {"email": "x@example.com"},
    "confirm_new_address": {"token": "x"},
    "create_invitation": {"email": "x@example.com"},
    "accept_invitation": {"token": "x"},
    "update_me": {"name": "x"},
    "delete_me": {"confirm": "x"},
    "put_repository": {"repository": "acme/open"},
    "approve_preview": {"sha": "a" * 40},
    "complete_installation": {"state": "x", "code": "x", "installation_id": 1},
    "put_icon": {"data": "AA=="},
    "add_screenshot": {"data": "AA=="},
    "arrange_screenshots": {"items": []},
    "create_share": {"with": "link"},
    "create_shared_copy": {"token": "x"},
}
QUERIES = {
    "plan_deployment": f"?version_id={new_id('ver')}",
    "get_shared_page": "?path=docs/usage.md",
}
VALUES = {
    "agent_id": new_id("agt"),
    "version_id": new_id("ver"),
    "deployment_id": new_id("dep"),
    "token_id": new_id("tok"),
    "org_id": new_id("org"),
    "user_id": new_id("usr"),
    "invitation_id": new_id("inv"),
    "session_id": new_id("ses"),
    "identity_id": new_id("idn"),
    "environment": "production",
    "slug": "no-such-agent",
    "review_id": "rev_unknown",
    "report_id": "rep_unknown",
    "service_id": "svc-1",
    "delivery_id": new_id("dlv"),
    "installation_id": "4711",
    "number": "4711",
    "owner": "acme",
    "name": "open",
    "share_id": new_id("shr"),
    "offer_id": new_id("agt"),
}


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def values(endpoint: Endpoint, **known: str) -> dict[str, str]:
    return {name: {**VALUES, **known}[name] for name in re.findall(r"{(\w+)}", endpoint.path)}


@pytest.fixture
def own(client: Client) -> dict[str, str]:
    """Path values of what the caller has."""
    return {"org_id": client("GET", "/organisations").json["items"][0]["id"]}


@pytest.mark.parametrize("endpoint", PRIVATE, ids=named)
def test_nobody_gets_401_as_a_problem(endpoint: Endpoint, nobody: Client) -> None:
    reply = nobody(
        endpoint.method, endpoint.path, BODIES.get(endpoint.name), headers=None, **values(endpoint)
    )
    assert reply.status == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["code"] == "unauthenticated"


@pytest.mark.parametrize(
    "endpoint",
    [e for e in PRIVATE if re.search(r"{\w+_id}", e.path)],
    ids=named,
)
def test_what_does_not_exist_is_404_as_a_problem(endpoint: Endpoint, client: Client) -> None:
    path = endpoint.path + QUERIES.get(endpoint.name, "")
    reply = client(
        endpoint.method, path, BODIES.get(endpoint.name), headers=None, **values(endpoint)
    )
    assert reply.status == 404
    assert set(reply.json) >= {"type", "title", "status", "code", "detail", "trace_id"}


@pytest.mark.parametrize("endpoint", [e for e in PRIVATE if e.body], ids=named)
def test_a_body_that_is_not_json_is_400(
    endpoint: Endpoint, client: Client, own: dict[str, str]
) -> None:
    reply = client(
        endpoint.method, endpoint.path, "{not json", headers=None, **values(endpoint, **own)
    )
    assert (reply.status, reply.json["code"]) == (400, "json_invalid")


@pytest.mark.parametrize("endpoint", [e for e in PRIVATE if e.body], ids=named)
def test_a_field_nobody_knows_is_named(
    endpoint: Endpoint, client: Client, own: dict[str, str]
) -> None:
    body = {**BODIES[endpoint.name], "surprise": 1}
    reply = client(endpoint.method, endpoint.path, body, headers=None, **values(endpoint, **own))
    assert reply.status == 422
    assert "surprise" in [e["field"] for e in reply.json["errors"]]


@pytest.mark.parametrize("endpoint", [e for e in PRIVATE if e.query], ids=named)
def test_a_query_nobody_knows_is_named(
    endpoint: Endpoint, client: Client, own: dict[str, str]
) -> None:
    reply = client(
        endpoint.method, f"{endpoint.path}?surprise=1", headers=None, **values(endpoint, **own)
    )
    assert reply.status == 422


def test_every_endpoint_but_the_public_ones_names_its_permission() -> None:
    without = {e.name for e in PRIVATE if not isinstance(e.action, Action)}
    assert without == {e.name for e in PRIVATE if e.tag == "operations"}


def test_names_and_routes_are_unique() -> None:
    assert len({e.name for e in ENDPOINTS}) == len(ENDPOINTS)
    assert len({(e.method, e.path) for e in ENDPOINTS}) == len(ENDPOINTS)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/agents", 401),
        ("GET", "/nothing", 405),
        ("PUT", "/me", 405),
    ],
)
def test_every_answer_carries_the_security_headers(
    method: str, path: str, status: int, nobody: Client
) -> None:
    reply = nobody(method, path)
    assert reply.status == status
    assert {name: reply.headers[name.lower()] for name in HEADERS} == HEADERS
    assert "no-store" in reply.headers["cache-control"]


def test_the_document_refers_to_nothing_that_is_not_in_it() -> None:
    """Two shapes of one name would both go by longer names, and what refers to them nowhere."""
    written = openapi.document()
    known = set(written["components"]["schemas"])
    referred = set(re.findall(r"#/components/schemas/([\w.-]+)", json.dumps(written)))
    assert referred <= known
    assert not [name for name in known if "__" in name]
