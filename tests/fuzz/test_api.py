"""The API, fuzzed from its own OpenAPI document: no 500, no status that is not documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chalicelib import bootstrap
from chalicelib.domain.connections import PreviewsOf
from chalicelib.domain.tenancy import Role
from tests.api.wsgi import wsgi
from tests.conftest import PYTHON_AGENT, World
from tests.hooks import INSTALLATION, deliveries, hooked, installed

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
described = schemathesis.openapi.from_path(DOCUMENT)
described.app = wsgi
# A repeat is not another request: what these would do is tested by name.
schema = described.exclude(operation_id=["delete_agent"])


@pytest.fixture(scope="module")
def fuzzed() -> dict[str, str]:
    """A platform with something in it, and the ids of what there is."""
    world = World()
    bootstrap.install(world.platform)
    token = world.access_token()
    who = world.platform.access.principal(token)
    agent = world.agent(who)
    live = world.live(who, agent)
    made = world.platform.organisations.create(who, name="Fuzzed")
    owner = world.within(made.organisation.id, "ada@example.com")
    member = world.join(owner, "member@example.com", Role.VIEWER)
    repo = hooked(world, who, agent, previews=PreviewsOf.ON)
    sha = world.code_host.push(repo.kept, PYTHON_AGENT, "From afar", branch="theirs").sha
    fork = {"id": 5, "full_name": "eve/open"}
    repo.send("pull_request", repo.pull("opened", 4711, sha, head_repo=fork))
    installed(world, who)
    waiting = world.platform.invitations.invite(owner, email="x@example.com", role=Role.VIEWER)
    return {
        "org_id": owner.org_id,
        "user_id": member.user_id,
        "invitation_id": waiting.id,
        "token": token,
        "agent_id": agent.id,
        "version_id": live.version_id,
        "deployment_id": live.id,
        "environment": "production",
        "delivery_id": deliveries(world, agent)[0].id,
        "hook_id": str(repo.hook_id),
        "installation_id": str(INSTALLATION),
        "number": "4711",
        "owner": "acme",
        "name": "open",
    }


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_input_is_answered_with_a_fault_or_a_surprise(case: Any, fuzzed: dict[str, str]) -> None:
    for name in list(case.path_parameters or {}):
        # Half of the calls are about something that exists.
        if name in fuzzed and len(str(case.path_parameters[name])) % 2:
            case.path_parameters[name] = fuzzed[name]
    headers = {"Authorization": f"Bearer {fuzzed['token']}"}
    case.call_and_validate(
        base_url="http://localhost/api/v1",
        headers=headers,
        checks=(
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ),
    )
