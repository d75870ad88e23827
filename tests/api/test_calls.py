"""What each route costs in calls to the store, as docs/data-model.md says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import app as _app  # noqa: F401 - registers the endpoints
from chalicelib.api.http import ENDPOINTS, Endpoint
from chalicelib.domain.tenancy import Action
from chalicelib.domain.versions import Version
from chalicelib.ports import Answer
from tests.api import test_matrix as matrix
from tests.api.conftest import Client
from tests.api.stage import ORGANISATION, PUBLIC_SLUG, copied
from tests.conftest import World

DATA_MODEL = Path(__file__).parents[2] / "docs" / "data-model.md"
ROW = re.compile(r"^\| `(\w+) /api/v1(\S*)` \| (\d+) \|", re.MULTILINE)
DOCUMENTED = {f"{m[1]} {m[2]}": int(m[3]) for m in ROW.finditer(DATA_MODEL.read_text())}
ENVIRONMENT = "/agents/{agent_id}/environments/{environment}/variables"


class Stage:
    """One agent with a live deployment behind a second version, and somebody with a session."""

    def __init__(self, world: World, client: Client) -> None:
        self.world, self.client = world, client
        self.who = world.platform.access.principal(str(client.token))
        self.agent = world.agent(self.who)
        self.first = world.live(self.who, self.agent)
        self.second = world.live(self.who, self.agent)
        self.waiting = world.upload(self.who, self.agent)

    def path_values(self, version: Version | None = None) -> dict[str, str]:
        return {
            "agent_id": self.agent.id,
            "version_id": (version or self.waiting).id,
            "deployment_id": self.second.id,
            "environment": "production",
        }


CALLS: dict[str, object] = {
    "GET /health": None,
    "GET /me": None,
    "GET /agents": None,
    "POST /agents": {"name": "Other"},
    "GET /agents/{agent_id}": None,
    "PATCH /agents/{agent_id}": {"name": "Renamed"},
    "GET /agents/{agent_id}/versions": None,
    "POST /agents/{agent_id}/versions": {"source": "upload", "filename": "a.zip"},
    "GET /agents/{agent_id}/versions/{version_id}": None,
    "GET /agents/{agent_id}/versions/{version_id}/report": None,
    "GET /agents/{agent_id}/versions/{version_id}/logs": None,
    "POST /agents/{agent_id}/versions/{version_id}/cancel": None,
    f"GET {ENVIRONMENT}": None,
    f"PUT {ENVIRONMENT}": {"items": [{"name": "A", "value": "1"}]},
    "GET /agents/{agent_id}/deployments": None,
    "GET /agents/{agent_id}/deployments/plan": None,
    "GET /agents/{agent_id}/environments": None,
    "POST /agents/{agent_id}/environments/{environment}/resume": None,
    "POST /agents/{agent_id}/deployments": {"version_id": "second"},
    "GET /deployments": None,
    "GET /deployments/{deployment_id}": None,
    "GET /deployments/{deployment_id}/events": None,
    "GET /deployments/{deployment_id}/logs": None,
    "GET /deployments/{deployment_id}/metrics": None,
    "GET /deployments/{deployment_id}/variables": None,
    "POST /deployments/{deployment_id}/rollback": None,
    "POST /deployments/{deployment_id}/restart": None,
    "POST /deployments/{deployment_id}/stop": None,
    "GET /audit": None,
    "GET /audit/verify": None,
    "GET /tokens": None,
    "POST /tokens": {"name": "ci"},
}


@pytest.mark.parametrize("route", CALLS)
def test_a_route_makes_as_many_calls_as_documented(
    route: str, world: World, client: Client
) -> None:
    stage = Stage(world, client)
    method, path = route.split(" ")
    body = CALLS[route]
    if body == {"version_id": "second"}:
        body = {"version_id": stage.second.version_id}
    names = re.findall(r"{(\w+)}", path)
    if path.endswith("/plan"):
        path += f"?version_id={stage.second.version_id}"
    world.store.calls = world.counters.calls = 0
    reply = client(method, path, body, headers=None, **{n: stage.path_values()[n] for n in names})
    assert reply.status < 300, reply.text
    assert world.store.calls == DOCUMENTED[route]
    assert world.counters.calls == 1


OF_ORGANISATIONS = [
    e
    for e in ENDPOINTS
    if e.tag in ("organisations", "members", "invitations", "permissions")
    # Grows with what it stops.
    and e.name != "delete_organisation"
]


@pytest.mark.parametrize(
    "endpoint",
    OF_ORGANISATIONS,
    ids=lambda e: e.name,
)
def test_a_route_of_organisations_makes_as_many_calls_as_documented(endpoint: Endpoint) -> None:
    built, callers = matrix.stage()
    owner = callers["owner"]
    world = copied(built.world)
    if endpoint.name == "restore_organisation":
        who = world.within(built.org_id, owner.email)
        world.platform.closing.close(who, confirm=ORGANISATION)
    body = {"token": owner.invitation} if endpoint.name == "preview_invitation" else None
    client = Client(world, owner.bearer)
    client("GET", "/me", headers=owner.headers)
    world.store.calls = 0
    if endpoint.public:
        reply = client(endpoint.method, endpoint.path, body)
    else:
        reply = matrix.call(endpoint, "owner", at=world)
    assert reply.status < 300, reply.text
    assert world.store.calls == DOCUMENTED[f"{endpoint.method} {endpoint.path}"]


OF_REPOSITORIES = [e for e in ENDPOINTS if e.tag in ("github", "repositories")]


@pytest.mark.parametrize("endpoint", OF_REPOSITORIES, ids=lambda e: e.name)
def test_a_route_of_repositories_makes_as_many_calls_as_documented(endpoint: Endpoint) -> None:
    built, callers = matrix.stage()
    owner = callers["owner"]
    world = matrix.prepared(endpoint, built, owner, token=False)
    Client(world, owner.bearer)("GET", "/me", headers=owner.headers)
    world.store.calls = 0
    reply = matrix.call(endpoint, "owner", at=world)
    assert reply.status < 300, reply.text
    assert world.store.calls == DOCUMENTED[f"{endpoint.method} {endpoint.path}"]


OF_THE_MARKETPLACE = [
    e
    for e in ENDPOINTS
    if e.tag in ("listings", "images", "marketplace", "sharing", "copies", "reviews", "feeds")
    # For operators, who wait for a queue of any length; and a map of everything that is public.
    and e.action is not Action.MARKETPLACE_MODERATE
    and e.name != "get_sitemap"
]


@pytest.mark.parametrize("endpoint", OF_THE_MARKETPLACE, ids=lambda e: e.name)
def test_a_route_of_the_marketplace_makes_as_many_calls_as_documented(endpoint: Endpoint) -> None:
    built, callers = matrix.stage()
    owner = callers["owner"]
    world = copied(built.world)
    client = Client(world, owner.bearer)
    client("GET", "/me", headers=owner.headers)
    if endpoint.public:
        _, query, body = matrix.PUBLIC[endpoint.name]
        known = {"slug": PUBLIC_SLUG}
        values = {name: known[name] for name in re.findall(r"{(\w+)}", endpoint.path)}
        if endpoint.name in ("preview_shared", "get_linked_page", "look_up_linked_pages"):
            body = {**body, "token": built.link}
        world.store.calls = 0
        reply = client(endpoint.method, f"{endpoint.path}{query}", body, headers=None, **values)
    else:
        at = matrix.prepared(endpoint, built, owner, token=False)
        Client(at, owner.bearer)("GET", "/me", headers=owner.headers)
        at.store.calls = 0
        reply = matrix.call(endpoint, "owner", at=at)
        world = at
    assert reply.status < 300, reply.text
    assert world.store.calls == DOCUMENTED[f"{endpoint.method} {endpoint.path}"]


def test_an_api_token_costs_one_call_more_than_a_session(world: World, client: Client) -> None:
    secret = client("POST", "/tokens", {"name": "ci"}).json["token"]
    world.store.calls = 0
    Client(world, secret)("GET", "/agents")
    assert world.store.calls == DOCUMENTED["GET /agents"] + 1


def count(world: World, work: Callable[[], object]) -> int:
    world.store.calls = 0
    work()
    return world.store.calls


def test_a_deployment_from_queued_to_live_stays_within_its_calls(world: World) -> None:
    who = world.sign_in()
    version = world.ready(who, world.agent(who), deploy=True)
    world.caller.answer = Answer(200, {}, b"")
    calls = count(world, lambda: world.run_machine(who, str(version.deployment_id)))
    assert calls <= 20
