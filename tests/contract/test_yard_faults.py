"""Every fault that can be switched on strikes where it should, as often as it should."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.contract.yard_harness import (
    ADMIN,
    ENVIRONMENT,
    PROJECT,
    GraphQLFailed,
    Yard,
    eventually,
    running,
    server,
)

RUN = "exec python3 main.py"
ASK = "query { apiToken { workspaces { id } } }"
CREATE = "mutation($i: ServiceCreateInput!) { serviceCreate(input: $i) { id } }"


class Receiver:
    """Takes webhooks."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def types(self, service: str) -> list[str]:
        return [one["type"] for one in self.got if one["resource"]["service"]["id"] == service]

    def wait_for(self, service: str, wanted: str) -> None:
        deadline = time.monotonic() + 45
        while wanted not in self.types(service):
            assert time.monotonic() < deadline, self.types(service)
            time.sleep(0.02)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture(scope="module")
def running_yard(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Yard]:
    url = f"http://127.0.0.1:{receiver.server.server_port}/hook"
    with running(tmp_path_factory.mktemp("yard"), webhook_urls=[url]) as one:
        yield one


@pytest.fixture
def yard(running_yard: Yard) -> Iterator[Yard]:
    yield running_yard
    running_yard.clear_faults()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    test: str = request.node.name
    return test.removeprefix("test_")


@pytest.fixture(scope="module")
def image(running_yard: Yard) -> str:
    return running_yard.push(server(), command=RUN)


def create(yard: Yard, name: str, **options: Any) -> httpx.Response:
    return yard.http.post(
        f"{yard.url}/graphql/v2",
        json={
            "query": CREATE,
            "variables": {"i": {"projectId": PROJECT, "environmentId": ENVIRONMENT, "name": name}},
        },
        headers={"authorization": "Bearer account-token"},
        **options,
    )


def exists(yard: Yard, name: str) -> bool:
    data = yard.gql(
        "query($id: String!) { project(id: $id) { services { edges { node { name } } } } }",
        id=PROJECT,
    )
    return name in [edge["node"]["name"] for edge in data["project"]["services"]["edges"]]


class TestTheSwitch:
    def test_only_the_admin_token_moves_it(self, yard: Yard) -> None:
        for headers in ({}, {"authorization": "Bearer account-token"}):
            answer = yard.http.post(
                f"{yard.url}/yard/faults", json={"kind": "problem"}, headers=headers
            )
            assert answer.status_code == 401

    @pytest.mark.parametrize(
        "fault", [{"kind": "no such"}, {"kind": "problem", "colour": 1}, [], {"probability": 2}]
    )
    def test_what_is_no_fault_is_refused_with_a_reason(self, yard: Yard, fault: Any) -> None:
        answer = yard.http.post(
            f"{yard.url}/yard/faults", json=fault, headers={"authorization": f"Bearer {ADMIN}"}
        )
        assert answer.status_code in (201, 422)
        assert (answer.status_code == 422) == bool(fault)

    def test_a_fault_strikes_as_often_as_it_should_and_is_listed(self, yard: Yard) -> None:
        yard.fault("problem", count=2)
        outcomes = ["errors" in yard.post(ASK).json() for _ in range(4)]
        assert outcomes == [True, True, False, False]
        assert yard.status()["faults"][0]["struck"] == 2
        assert yard.status()["faults"][0]["spent"] is True

    def test_a_fault_strikes_only_the_operation_it_names(self, yard: Yard) -> None:
        yard.fault("problem", operation="serviceCreate")
        assert "errors" not in yard.post(ASK).json()
        assert "errors" in create(yard, "never").json()

    def test_dice_can_be_loaded(self, yard: Yard) -> None:
        def throw() -> list[bool]:
            yard.clear_faults()
            yard.fault("problem", count=None, probability=0.5, seed=7)
            return ["errors" in yard.post(ASK).json() for _ in range(20)]

        first = throw()
        assert 0 < sum(first) < 20
        assert throw() == first


class TestTheWire:
    def test_rate_limit(self, yard: Yard) -> None:
        yard.fault("rate_limit", retry_after=7)
        answer = yard.post(ASK)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert int(answer.headers["x-ratelimit-reset"]) > time.time()

    def test_create_throttle(self, yard: Yard, name: str) -> None:
        yard.fault("create_throttle", operation="serviceCreate")
        answer = create(yard, name)
        assert answer.status_code == 200
        assert "creating services too quickly" in answer.json()["errors"][0]["message"]
        assert not exists(yard, name)

    @pytest.mark.parametrize(
        ("kind", "status", "done"),
        [
            ("server_error", 503, False),
            ("server_error_after", 503, True),
            ("cloudflare", 403, False),
        ],
    )
    def test_pages_instead_of_json(self, yard: Yard, kind: str, status: int, done: bool) -> None:
        yard.fault(kind, operation="serviceCreate")
        answer = create(yard, kind)
        assert answer.status_code == status
        with pytest.raises(ValueError, match="Expecting value"):
            answer.json()
        assert exists(yard, kind) is done

    def test_a_status_can_be_chosen(self, yard: Yard) -> None:
        yard.fault("server_error", status=504)
        assert yard.post(ASK).status_code == 504

    @pytest.mark.parametrize(("kind", "done"), [("problem", False), ("problem_after", True)])
    def test_problem_processing_request(self, yard: Yard, kind: str, done: bool) -> None:
        yard.fault(kind, operation="serviceCreate")
        answer = create(yard, kind)
        body = answer.json()
        assert (answer.status_code, body["data"]) == (200, None)
        assert set(body["errors"][0]) == {"message", "traceId"}
        assert exists(yard, kind) is done

    @pytest.mark.parametrize(("kind", "done"), [("timeout_before", False), ("timeout_after", True)])
    def test_no_answer_in_time(self, yard: Yard, kind: str, done: bool) -> None:
        yard.fault(kind, operation="serviceCreate")
        with pytest.raises(httpx.ReadTimeout):
            create(yard, kind, timeout=0.3)
        assert exists(yard, kind) is done
        yard.fault(kind, operation="serviceCreate", seconds=0.1)
        assert create(yard, f"{kind}-short").status_code == 504

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("not_authorized", "Not Authorized"),
            ("in_progress", "an operation is already in progress"),
        ],
    )
    def test_refusals(self, yard: Yard, kind: str, text: str) -> None:
        yard.fault(kind)
        assert yard.post(ASK).json()["errors"][0]["message"] == text

    def test_any_message(self, yard: Yard) -> None:
        yard.fault("message", message="Failed to create service domain, please try again")
        assert "please try again" in yard.post(ASK).json()["errors"][0]["message"]


class TestTheHost:
    def test_a_new_service_is_not_seen_at_once(self, yard: Yard, name: str) -> None:
        yard.fault("slow_visibility", seconds=3)
        service = create(yard, name).json()["data"]["serviceCreate"]["id"]
        read = "query($s: String!, $e: String!) {"
        read += " serviceInstance(serviceId: $s, environmentId: $e) { id } }"
        early = yard.post(read, s=service, e=ENVIRONMENT).json()
        assert early["errors"][0]["message"] == "ServiceInstance not found"
        eventually(lambda: "errors" not in yard.post(read, s=service, e=ENVIRONMENT).json())

    def test_a_stale_image_is_what_meta_says(self, yard: Yard, name: str, image: str) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        service.up()
        service.configure(yard.push(server(2), command=RUN), healthcheckPath="/")
        yard.fault("stale_image", service=name)
        deployment = service.up()
        assert service.read(deployment)["meta"]["image"] == image
        assert service.get("/").json()["version"] == 1

    def test_a_deployment_can_be_kept_waiting(self, yard: Yard, name: str, image: str) -> None:
        yard.fault("queued", seconds=0.5, service=name)
        service = yard.service(name, image)
        deployment = service.deploy()
        service.wait(deployment, "QUEUED")
        service.wait(deployment, "SUCCESS")

    def test_the_probe_can_be_made_to_see_another_status(
        self, yard: Yard, name: str, image: str
    ) -> None:
        yard.fault("health_status", status=308, count=None, service=name)
        service = yard.service(name, image, healthcheckPath="/", healthcheckTimeout=1)
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert "308" in service.logs(deployment, "buildLogs")[-1]

    @pytest.mark.parametrize("code", [3, 0])
    def test_an_end_before_live(self, yard: Yard, name: str, image: str, code: int) -> None:
        service = yard.service(f"{name}-{code}", image, healthcheckPath="/")
        good = service.up()
        yard.fault("crash_before_live", exit_code=code, service=f"{name}-{code}")
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert f"exit code {code}" in service.logs(deployment, "buildLogs")[-1]
        assert service.read(good)["status"] == "SUCCESS"
        assert service.get("/").status_code == 200

    def test_a_crash_after_live(self, yard: Yard, name: str, image: str) -> None:
        yard.fault("crash_after_live", seconds=0.3, exit_code=9, service=name)
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        service.wait(deployment, "CRASHED")
        assert "The container exited with code 9" in service.logs(deployment)
        assert service.get("/").status_code == 502

    def test_an_end_with_exit_0_after_live(self, yard: Yard, name: str, image: str) -> None:
        yard.fault("crash_after_live", exit_code=0, service=name)
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        deadline = time.monotonic() + 45
        while not service.read(deployment)["deploymentStopped"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert service.read(deployment)["status"] == "SUCCESS"

    def test_out_of_memory(self, yard: Yard, name: str, image: str, receiver: Receiver) -> None:
        yard.fault("out_of_memory", service=name)
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.deploy()
        service.wait(deployment, "CRASHED")
        assert any("Out of memory" in line for line in service.logs(deployment))
        receiver.wait_for(service.id, "Deployment.oom_killed")


class TestAccidents:
    def test_a_deployment_is_removed_after_it_is_live(
        self, yard: Yard, name: str, image: str
    ) -> None:
        yard.fault("removed_by_hand", service=name, seconds=0.3)
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        service.wait(deployment, "REMOVED")
        assert service.get("/").status_code == 404

    def test_a_deployment_is_removed_as_soon_as_it_is_asked_for(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        yard.fault("removed_by_hand", service=name, operation="serviceInstanceDeployV2")
        service.wait(service.deploy(), "REMOVED")
        service.up()

    @pytest.mark.parametrize("operation", ["variableCollectionUpsert", None])
    def test_a_service_is_deleted(
        self, yard: Yard, name: str, image: str, operation: str | None
    ) -> None:
        named = f"{name}-{bool(operation)}"
        service = yard.service(named, image, healthcheckPath="/")
        yard.fault("service_deleted", service=named, operation=operation)
        if operation:
            service.variables({"COLOUR": "red"})
        else:
            service.wait(service.deploy(), "REMOVED")
        deadline = time.monotonic() + 45
        while exists(yard, named):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(GraphQLFailed, match="Service not found"):
            service.configure(image)

    def test_the_host_moves_what_runs(self, yard: Yard, name: str, image: str) -> None:
        yard.fault("migrated", service=name, seconds=0.3)
        service = yard.service(name, image, healthcheckPath="/")
        first = service.up()
        service.wait(first, "REMOVED")
        newest = service.deployments()[0]
        assert (newest["status"], newest["meta"]["reason"]) == ("SUCCESS", "migration")
        assert newest["meta"]["image"] == image
        assert service.get("/").status_code == 200

    def test_a_token_is_revoked_in_the_middle(self, yard: Yard, name: str) -> None:
        yard.fault("token_revoked", operation="serviceCreate")
        assert "errors" not in create(yard, name).json()
        assert yard.post(ASK).json()["errors"][0]["message"] == "Not Authorized"
        assert yard.post(ASK, token="workspace-token").json()["data"]
        yard.clear_faults()
        assert "errors" not in yard.post(ASK).json()

    def test_it_may_be_revoked_for_a_while(self, yard: Yard, name: str) -> None:
        yard.fault("token_revoked", operation="serviceCreate", seconds=3)
        create(yard, name)
        assert "errors" in yard.post(ASK).json()
        eventually(lambda: "errors" not in yard.post(ASK).json())

    def test_it_names_the_operation_it_is_revoked_at(self, yard: Yard) -> None:
        with pytest.raises(AssertionError, match="needs the operation"):
            yard.fault("token_revoked")


class TestWebhooks:
    def test_changes_are_told(self, yard: Yard, name: str, image: str, receiver: Receiver) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        receiver.wait_for(service.id, "Deployment.deployed")
        service.act("deploymentRemove", deployment)
        receiver.wait_for(service.id, "Deployment.removed")
        one = next(one for one in receiver.got if one["resource"]["deployment"]["id"] == deployment)
        assert one["resource"]["project"] == {"id": PROJECT, "name": "tests"}
        assert one["resource"]["environment"]["isEphemeral"] is False
        assert set(one) >= {"type", "details", "resource", "severity", "timestamp"}

    def test_a_lost_one_and_a_doubled_one(
        self, yard: Yard, name: str, image: str, receiver: Receiver
    ) -> None:
        yard.fault("webhook_lost", operation="Deployment.deploying", service=name)
        yard.fault("webhook_doubled", operation="Deployment.deployed", service=name)
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        service.act("deploymentRemove", deployment)
        receiver.wait_for(service.id, "Deployment.removed")
        assert "Deployment.deploying" not in receiver.types(service.id)
        assert receiver.types(service.id).count("Deployment.deployed") == 2

    def test_a_delayed_one_is_overtaken(
        self, yard: Yard, name: str, image: str, receiver: Receiver
    ) -> None:
        yard.fault("webhook_delayed", operation="Deployment.deployed", service=name, seconds=1)
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        service.act("deploymentRemove", deployment)
        receiver.wait_for(service.id, "Deployment.deployed")
        types = receiver.types(service.id)
        assert types.index("Deployment.removed") < types.index("Deployment.deployed")
