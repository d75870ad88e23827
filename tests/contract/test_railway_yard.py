"""The whole platform against the running yard: what reaches the host, and in how many calls."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.http import HttpCaller, SystemClock
from chalicelib.adapters.memory_host import MemoryBudget, MemoryLease
from chalicelib.adapters.railway import RailwayHost
from chalicelib.adapters.railway_api import RailwayApi
from chalicelib.bootstrap import wire
from chalicelib.domain.agents import Agent
from chalicelib.domain.deployments import Deployment, DeploymentState
from chalicelib.domain.plan import Plan
from chalicelib.domain.release import SOURCE_IMAGE
from chalicelib.domain.tenancy import Principal
from chalicelib.domain.versions import Version
from chalicelib.errors import HostRefused, HostUnavailable
from chalicelib.ports import Put
from chalicelib.services.variables import VariableValue
from tests.conftest import World, settings
from tests.contract.yard_harness import (
    ACCOUNT,
    ENVIRONMENT,
    PROJECT,
    Yard,
    running,
    server,
)

MOST_CALLS = 15


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    build = {"environment": {"SLIPWAY_DATA": str(folder / "builds")}}
    with running(folder, codebuild={"build_environment": build["environment"]}) as one:
        yield one


class Ground(World):
    """The platform in memory, its agents at the yard."""

    def __init__(self, yard: Yard, token: str = ACCOUNT, kind: str = "account") -> None:
        super().__init__()
        self.yard = yard
        self.api = RailwayApi(
            f"{yard.url}/graphql/v2", lambda: token, token_kind=kind, budget=MemoryBudget()
        )
        self.railway = RailwayHost(
            self.api,
            project_id=PROJECT,
            environment_id=ENVIRONMENT,
            credentials=lambda: ("builder", "secret"),
            lease=MemoryLease(),
            read_source=self.artifacts.read,
        )
        given = replace(
            settings(), watch_seconds=(0.15, 0.2, 0.3, 0.5, 0.8, 1, 1), verify_limit_seconds=10
        )
        self.http = HttpCaller()
        self.adapters = replace(
            self.adapters, host=self.railway, caller=self.http, clock=SystemClock()
        )
        self.platform = wire(given, self.adapters)

    def close(self) -> None:
        """Hangs up."""
        self.api._client.close()
        self.http._client.close()

    def body(self, deployment: Deployment) -> bytes:
        """What its URL answers."""
        return self.http.call("GET", f"{deployment.url}/").body

    def version(self, who: Principal, agent: Agent, image: str, **plan: Any) -> Version:
        """A ready version of this image and plan."""
        version = self.finish_build(self.upload(who, agent), image=image)
        changed = replace(
            version, plan={**(version.plan or {}), **plan}, revision=version.revision + 1
        )
        self.store.commit(Put(changed))
        return changed

    def deploy(self, who: Principal, version: Version) -> tuple[Deployment, int]:
        """The ended deployment, and the calls it took."""
        before = self.api.calls
        asked = self.platform.deployments.request(
            who, version.agent_id, version_id=version.id, environment="production"
        )
        return self.run_machine(who, asked.id), self.api.calls - before

    def at_host(self, deployment: Deployment) -> dict[str, Any]:
        """What the yard started, from its own records."""
        found = self.yard.gql(
            "query($s: String!, $e: String!) { serviceInstance(serviceId: $s, environmentId: $e) {"
            " source { image } healthcheckPath healthcheckTimeout numReplicas restartPolicyType"
            " restartPolicyMaxRetries drainingSeconds overlapSeconds sleepApplication }"
            " limits: serviceInstanceLimitOverride(serviceId: $s, environmentId: $e) }",
            s=deployment.host.service_id,
            e=ENVIRONMENT,
        )
        return {**found["serviceInstance"], **found["limits"]["containers"]}

    def begun(self, deployment: Deployment) -> list[dict[str, Any]]:
        """All the host's deployments of the service."""
        data = self.yard.gql(
            "query($i: DeploymentListInput!) { deployments(input: $i)"
            " { edges { node { id status meta } } } }",
            i={"serviceId": deployment.host.service_id, "environmentId": ENVIRONMENT},
        )
        return [edge["node"] for edge in data["deployments"]["edges"]]


@pytest.fixture
def ground(yard: Yard) -> Iterator[Ground]:
    made = Ground(yard)
    yield made
    made.close()
    yard.clear_faults()


@pytest.fixture
def image(yard: Yard) -> str:
    return yard.push(server(), command="exec python3 main.py")


def test_a_first_deployment_and_the_next_take_few_calls_and_one_deployment_each(
    ground: Ground, yard: Yard, image: str
) -> None:
    who = ground.sign_in()
    agent = ground.agent(who)
    first, calls = ground.deploy(who, ground.version(who, agent, image))
    assert (first.state, first.reasons) == (DeploymentState.LIVE, ())
    assert calls <= MOST_CALLS, calls
    assert first.proof == {"host_image": image}
    assert len(ground.begun(first)) == 1
    other = yard.push(server(2), command="exec python3 main.py")
    second, more = ground.deploy(who, ground.version(who, agent, other))
    assert second.state is DeploymentState.LIVE
    assert more <= MOST_CALLS, more
    # Neither the service nor its address is looked for a second time.
    assert more < calls
    assert (second.host.service_id, second.url) == (first.host.service_id, first.url)
    assert sorted(d["meta"]["image"] for d in ground.begun(second)) == sorted([image, other])
    back, again = ground.deploy(who, ground.platform.versions.get(who, agent.id, first.version_id))
    assert back.state is DeploymentState.LIVE
    assert again <= MOST_CALLS
    assert len(ground.begun(back)) == 3


def test_everything_that_can_be_set_reaches_the_host(ground: Ground, image: str) -> None:
    who = ground.sign_in()
    agent = ground.agent(who)
    ground.platform.variables.put(
        who, agent.id, "production", [VariableValue("COLOUR", "red", False)], if_revision=None
    )
    version = ground.version(
        who,
        agent,
        image,
        health_path="/status/200",
        health_timeout_seconds=17,
        env={"SIZE": "7"},
        resources={"cpu": 0.5, "memory_mb": 300, "replicas": 2, "sleep": True},
        restart={"policy": "always", "retries": 3},
        shutdown={"grace_seconds": 4, "overlap_seconds": 1},
    )
    live, _ = ground.deploy(who, version)
    assert live.state is DeploymentState.LIVE, live.reasons
    assert ground.at_host(live) == {
        "source": {"image": image},
        "healthcheckPath": "/status/200",
        "healthcheckTimeout": 17,
        "numReplicas": 2,
        "restartPolicyType": "ALWAYS",
        "restartPolicyMaxRetries": 3,
        "drainingSeconds": 4,
        "overlapSeconds": 1,
        "sleepApplication": True,
        "vCPUs": 0.5,
        "memoryGB": 0.3,
    }
    seen = json.loads(ground.body(live))["env"]
    assert seen["COLOUR"] == "red"
    assert seen["SIZE"] == "7"
    assert (seen["SLIPWAY_VERSION"], seen["SLIPWAY_DEPLOYMENT"]) == (
        str(live.version_number),
        live.id,
    )
    assert len(live.instances) == 2


def test_the_plan_shows_what_somebody_changed_at_the_host(ground: Ground, image: str) -> None:
    who = ground.sign_in()
    agent = ground.agent(who)
    version = ground.version(who, agent, image)
    plan = ground.platform.previews.of
    before = plan(who, agent.id, version_id=version.id, environment="production")
    assert not before.host_read
    assert before.steps[0].startswith("Make the service")
    live, _ = ground.deploy(who, version)
    same = plan(who, agent.id, version_id=version.id, environment="production")
    assert (same.changes, same.host_changes) == ([], [])
    assert (same.variable_changes, same.host_variable_changes) == ([], [])
    ground.yard.gql(
        "mutation($s: String!, $e: String!, $i: ServiceInstanceUpdateInput!)"
        " { serviceInstanceUpdate(serviceId: $s, environmentId: $e, input: $i) }",
        s=live.host.service_id,
        e=ENVIRONMENT,
        i={"numReplicas": 3, "startCommand": "sleep 1"},
    )
    ground.platform.variables.put(
        who, agent.id, "production", [VariableValue("KEY", "s3cret", True)], if_revision=None
    )
    calls = ground.api.calls
    after = plan(who, agent.id, version_id=version.id, environment="production")
    assert ground.api.calls == calls + 1
    assert {c.name: (c.before, c.after) for c in after.host_changes} == {
        "replicas": (3, 1),
        "start_command": ("sleep 1", None),
    }
    assert [(c.name, c.before, c.after) for c in after.variable_changes] == [("KEY", None, "set")]
    assert "s3cret" not in repr(after)


def test_a_service_deleted_by_hand_is_made_anew_by_the_next_release(
    ground: Ground, image: str
) -> None:
    who = ground.sign_in()
    agent = ground.agent(who)
    version = ground.version(who, agent, image)
    first, _ = ground.deploy(who, version)
    ground.yard.gql("mutation($id: String!) { serviceDelete(id: $id) }", id=first.host.service_id)
    ground.platform.reconciler.run()
    gone = ground.platform.deployments.get(who, first.id)
    assert (gone.state, gone.url) == (DeploymentState.STOPPED, None)
    second, calls = ground.deploy(who, version)
    assert second.state is DeploymentState.LIVE, second.reasons
    assert second.host.service_id != first.host.service_id
    assert calls <= MOST_CALLS + 2


@pytest.mark.parametrize("kind", ["timeout_after", "server_error_after", "problem_after"])
def test_a_deploy_whose_answer_is_lost_is_not_begun_twice(
    ground: Ground, image: str, kind: str
) -> None:
    who = ground.sign_in()
    agent = ground.agent(who)
    seconds = {"seconds": 0.2} if kind == "timeout_after" else {}
    ground.yard.fault(kind, operation="serviceInstanceDeployV2", **seconds)
    live, _ = ground.deploy(who, ground.version(who, agent, image))
    assert live.state is DeploymentState.LIVE, live.reasons
    assert [d["id"] for d in ground.begun(live)] == [live.host.deployment_id]


def test_a_call_the_host_has_refused_for_now_is_made_again(ground: Ground, image: str) -> None:
    who = ground.sign_in()
    agent = ground.agent(who)
    ground.yard.fault("in_progress", operation="variableCollectionUpsert")
    ground.yard.fault("rate_limit", operation="serviceInstanceDeployV2", retry_after=1)
    version = ground.version(who, agent, image)
    asked = ground.platform.deployments.request(
        who, agent.id, version_id=version.id, environment="production"
    )
    step = ground.platform.releases.step
    assert step("release", who.org_id, asked.id).next == "wait"
    held = ground.platform.deployments.get(who, asked.id)
    assert held.trouble is not None
    assert held.trouble.code == "host_busy"
    assert held.trouble.trace.isdecimal()
    assert step("release", who.org_id, asked.id).next == "wait"
    state = ground.api.budget.state()
    assert state.paused_until is not None
    with pytest.raises(HostUnavailable, match="asked everybody to wait"):
        ground.api("query X { apiToken { workspaces { id } } }")
    SystemClock().sleep(1.1)
    live = ground.run_machine(who, asked.id)
    assert (live.state, live.trouble) == (DeploymentState.LIVE, None)
    events = ground.platform.deployments.history(who, live.id, limit=50, after=None).items
    assert [e.event for e in events].count("host_trouble") == 2


def test_the_budget_learns_what_the_host_says(ground: Ground) -> None:
    ground.railway.services()
    state = ground.api.budget.state()
    assert state.limit == 1_000_000
    assert state.heard_at is not None


def test_a_project_token_has_its_own_header(yard: Yard, image: str) -> None:
    ground = Ground(yard, "project-token", "project")
    who = ground.sign_in()
    live, _ = ground.deploy(who, ground.version(who, ground.agent(who), image))
    assert live.state is DeploymentState.LIVE, live.reasons
    other = Ground(yard, "project-token", "account")
    with pytest.raises(HostUnavailable, match="railway-token") as refused:
        other.railway.services()
    assert refused.value.code == "host_unauthorized"
    ground.close()
    other.close()


# ---- source ----


def context(files: dict[str, bytes], plan: Plan) -> bytes:
    """A packed source as a build leaves it."""
    everything = {
        **files,
        "Dockerfile": b"FROM nginx\nCOPY . /site\n",
        ".slipway/plan.json": json.dumps(plan.to_json()).encode(),
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in everything.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def sourced(ground: Ground, who: Principal, agent: Agent, page: bytes) -> Version:
    packed = context({"index.html": page}, Plan("static", static_dir=""))
    image = f"{SOURCE_IMAGE}{hashlib.sha256(packed).hexdigest()}"
    version = ground.version(who, agent, image)
    ground.artifacts.objects[f"{version.prefix}context.tar.gz"] = packed
    return version


def test_a_source_is_sent_built_and_started_by_the_host(ground: Ground) -> None:
    who = ground.sign_in()
    agent = ground.agent(who)
    live, calls = ground.deploy(who, sourced(ground, who, agent, b"<h1>one</h1>"))
    assert (live.state, live.reasons) == (DeploymentState.LIVE, ())
    assert calls <= MOST_CALLS
    assert ground.body(live) == b"<h1>one</h1>"
    assert live.proof["host_deployment"] == live.host.deployment_id
    assert len(ground.begun(live)) == 1
    second, _ = ground.deploy(who, sourced(ground, who, agent, b"<h1>two</h1>"))
    assert ground.body(second) == b"<h1>two</h1>"
    back = ground.run_machine(who, ground.platform.deployments.roll_back(who, second.id).id)
    assert back.state is DeploymentState.LIVE
    assert ground.body(back) == b"<h1>one</h1>"


def test_a_source_whose_answer_is_lost_is_not_sent_twice(ground: Ground) -> None:
    who = ground.sign_in()
    ground.yard.fault("server_error_after", operation="up")
    live, _ = ground.deploy(who, sourced(ground, who, ground.agent(who), b"<h1>once</h1>"))
    assert live.state is DeploymentState.LIVE, live.reasons
    assert len(ground.begun(live)) == 1


def test_a_source_that_cannot_be_built_leaves_the_former_one(ground: Ground) -> None:
    who = ground.sign_in()
    agent = ground.agent(who)
    live, _ = ground.deploy(who, sourced(ground, who, agent, b"<h1>good</h1>"))
    packed = context({"page.html": b"x"}, Plan("dockerfile", dockerfile="Dockerfile"))
    version = ground.version(who, agent, f"{SOURCE_IMAGE}{'0' * 64}")
    ground.artifacts.objects[f"{version.prefix}context.tar.gz"] = packed
    failed, _ = ground.deploy(who, version)
    assert failed.state is DeploymentState.FAILED
    assert failed.reasons[0].code == "host_failed"
    assert ground.platform.deployments.get(who, live.id).state is DeploymentState.LIVE
    assert ground.body(live) == b"<h1>good</h1>"


def test_what_is_no_packed_source_is_refused(ground: Ground, image: str) -> None:
    who = ground.sign_in()
    live, _ = ground.deploy(who, ground.version(who, ground.agent(who), image))
    path = f"/project/{PROJECT}/environment/{ENVIRONMENT}/up"
    with pytest.raises(HostRefused, match="archive"):
        ground.api.upload(path, b"no tar at all", serviceId=live.host.service_id)
