"""Deployments run for real: started, probed, restarted, switched, stopped, put to sleep."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.yard_harness import (
    ENVIRONMENT,
    ISOLATED,
    PROJECT,
    GraphQLFailed,
    Service,
    Yard,
    eventually,
    running,
    server,
)

RUN = "exec python3 main.py"


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with running(tmp_path_factory.mktemp("yard"), hosting={"sleep_after": 0.6}) as one:
        yield one


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    test: str = request.node.name
    return test.removeprefix("test_")


@pytest.fixture
def image(yard: Yard) -> str:
    return yard.push(server(), command=RUN)


def steps(service: Service, deployment: str) -> list[str]:
    data = service.yard.gql(
        "query($id: String!) { deploymentEvents(id: $id) {"
        " edges { node { step completedAt payload { error attempt } } } } }",
        id=deployment,
    )
    return [edge["node"]["step"] for edge in data["deploymentEvents"]["edges"]]


class TestComingUp:
    def test_a_healthy_agent_is_up_with_its_image_and_its_variables(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/health")
        service.variables({"COLOUR": "blue"})
        deployment = service.deploy()
        found = service.wait(deployment, "SUCCESS")
        assert found["meta"]["image"] == image
        assert found["meta"]["imageDigest"] == image.partition("@")[2]
        assert found["meta"]["reason"] == "deploy"
        assert found["meta"]["standIn"] is True
        assert [one["status"] for one in found["instances"]] == ["RUNNING"]
        env = service.get("/").json()["env"]
        assert env["COLOUR"] == "blue"
        assert env["RAILWAY_DEPLOYMENT_ID"] == deployment
        assert env["RAILWAY_SERVICE_NAME"] == name
        assert env["PORT"].isdigit()
        assert "admin-token" not in str(env)
        assert steps(service, deployment) == [
            "CREATE_CONTAINER",
            "HEALTHCHECK",
            "CONFIGURE_NETWORK",
        ]

    def test_the_probe_comes_as_railways_host_and_only_200_counts(
        self, yard: Yard, name: str
    ) -> None:
        picky = server()["app/main.py"].replace(
            "status = int(",
            'status = 404 if self.headers["Host"] != "healthcheck.railway.app" else int(',
        )
        service = yard.service(
            name, yard.push({"app/main.py": picky}, command=RUN), healthcheckPath="/"
        )
        service.up()

    @pytest.mark.parametrize("status", [308, 404, 500])
    def test_any_other_status_fails_the_deployment_and_says_which(
        self, yard: Yard, image: str, status: int
    ) -> None:
        service = yard.service(
            f"status-{status}", image, healthcheckPath=f"/status/{status}", healthcheckTimeout=1
        )
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert str(status) in service.logs(deployment, "buildLogs")[-1]
        assert service.get("/").status_code == 404

    def test_without_a_health_path_started_means_success(self, yard: Yard, name: str) -> None:
        service = yard.service(name, yard.push({"app/x": ""}, command="exec sleep 60"))
        service.up()

    def test_an_agent_that_listens_elsewhere_is_found_and_told_so(
        self, yard: Yard, name: str
    ) -> None:
        stubborn = server()["app/main.py"].replace('int(os.environ["PORT"])', "0")
        service = yard.service(
            name, yard.push({"app/main.py": stubborn}, command=RUN), healthcheckPath="/"
        )
        deployment = service.up()
        assert service.get("/").status_code == 200
        assert any("not on PORT=" in line for line in service.logs(deployment))

    def test_dependencies_in_their_own_layer_are_seen_by_the_app(
        self, yard: Yard, name: str
    ) -> None:
        service = yard.service(
            name,
            yard.push(
                {"app/.venv/lib/greeting.py": "WORD = 'shared'\n"},
                server(),
                command="PYTHONPATH=.venv/lib python3 -c 'import greeting; print(greeting.WORD)'"
                " && exec python3 main.py",
            ),
            healthcheckPath="/",
        )
        assert "shared" in service.logs(service.up())

    def test_the_app_may_write_into_its_folder_and_a_new_deployment_begins_afresh(
        self, yard: Yard, name: str
    ) -> None:
        command = "ls; touch written; exec python3 main.py"
        service = yard.service(name, yard.push(server(), command=command), healthcheckPath="/")
        first, second = service.up(), service.up()
        assert "written" not in service.logs(first)
        assert "written" not in service.logs(second)

    def test_a_pre_deploy_command_that_fails_ends_it(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, preDeployCommand=["echo ready", "exit 4"])
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert "exit code 4" in service.logs(deployment, "buildLogs")[-1]
        assert "ready" in service.logs(deployment)

    def test_several_copies_share_the_work(self, yard: Yard, name: str, image: str) -> None:
        service = yard.service(name, image, healthcheckPath="/", numReplicas=2)
        found = service.read(service.up())
        assert [one["status"] for one in found["instances"]] == ["RUNNING", "RUNNING"]
        boots = {service.get("/").json()["boot"] for _ in range(10)}
        assert len(boots) == 2


class TestImages:
    @pytest.mark.parametrize(
        ("reference", "reason"),
        [
            ("{registry}/slipway/agent@sha256:" + "0" * 64, "manifest unknown"),
            ("ghcr.io/somebody/agent:1", "only has the images of its own registry"),
            ("{registry}/slipway/agent@md5:0", "no sha256 digest"),
            ("nonsense", "not an image reference"),
        ],
    )
    def test_an_image_that_cannot_be_had_fails_with_a_reason(
        self, yard: Yard, reference: str, reason: str
    ) -> None:
        image = reference.format(registry=yard.registry)
        service = yard.service(f"pull-{abs(hash(image))}", image)
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert reason in service.logs(deployment, "buildLogs")[-1]

    def test_wrong_credentials_are_unauthorized(self, yard: Yard, name: str, image: str) -> None:
        service = yard.service(
            name, image, registryCredentials={"username": "builder", "password": "wrong"}
        )
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert "unauthorized" in service.logs(deployment, "buildLogs")[-1]

    def test_credentials_are_never_shown(self, yard: Yard, name: str, image: str) -> None:
        service = yard.service(name, image)
        deployment = service.up()
        assert "secret" not in str(service.read(deployment))

    def test_a_service_without_an_image_fails_with_a_reason(self, yard: Yard, name: str) -> None:
        service = yard.service(name)
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert "no image" in service.logs(deployment, "buildLogs")[-1]

    @pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "app/../../x"])
    def test_a_layer_that_points_outside_is_not_unpacked(self, yard: Yard, path: str) -> None:
        service = yard.service(f"layer-{abs(hash(path))}", yard.push({path: "x"}, command="true"))
        deployment = service.deploy()
        service.wait(deployment, "FAILED")
        assert "points outside" in service.logs(deployment, "buildLogs")[-1]


class TestEnding:
    def test_a_crash_on_start_spends_its_retries_and_is_crashed(
        self, yard: Yard, name: str
    ) -> None:
        service = yard.service(
            name, yard.push({"app/x": ""}, command="echo dying; exit 3"), restartPolicyMaxRetries=2
        )
        deployment = service.deploy()
        found = service.wait(deployment, "CRASHED")
        assert [one["status"] for one in found["instances"]] == ["CRASHED"]
        lines = service.logs(deployment)
        assert lines.count("dying") == 3
        assert "The container exited with code 3" in lines

    def test_a_crash_before_health_fails_and_the_old_one_keeps_serving(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/", restartPolicyMaxRetries=1)
        first = service.up()
        service.configure(
            yard.push({"app/x": ""}, command="echo broken >&2; exit 1"),
            healthcheckPath="/",
            restartPolicyMaxRetries=1,
        )
        second = service.deploy()
        service.wait(second, "FAILED")
        assert "exit code 1" in service.logs(second, "buildLogs")[-1]
        assert "broken" in service.logs(second)
        assert service.get("/").json()["version"] == 1
        assert service.read(first)["status"] == "SUCCESS"

    def test_exit_0_is_success_and_stopped(self, yard: Yard, name: str) -> None:
        service = yard.service(name, yard.push({"app/x": ""}, command="echo done"))
        deployment = service.deploy()
        eventually(lambda: service.read(deployment)["deploymentStopped"])
        found = service.read(deployment)
        assert found["status"] == "SUCCESS"
        assert [one["status"] for one in found["instances"]] == ["EXITED"]
        assert service.get("/").status_code == 502

    def test_never_means_no_retry(self, yard: Yard, name: str) -> None:
        service = yard.service(
            name, yard.push({"app/x": ""}, command="echo once; exit 1"), restartPolicyType="NEVER"
        )
        deployment = service.deploy()
        service.wait(deployment, "CRASHED")
        assert service.logs(deployment).count("once") == 1

    def test_a_killed_agent_comes_back_by_itself(self, yard: Yard, name: str, image: str) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        boot = service.get("/").json()["boot"]
        service.get("/exit/9")
        eventually(lambda: service.get("/").json().get("boot", boot) != boot)
        assert service.read(deployment)["status"] == "SUCCESS"

    def test_sigterm_is_heard_and_sigkill_follows_after_the_drain(
        self, yard: Yard, name: str
    ) -> None:
        deaf = (
            "import signal, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))\n"
            "print('ready', flush=True)\n"
            "while True: time.sleep(0.1)\n"
        )
        service = yard.service(
            name, yard.push({"app/main.py": deaf}, command=RUN), drainingSeconds=1
        )
        deployment = service.up()
        eventually(lambda: "ready" in service.logs(deployment))
        began = time.monotonic()
        service.act("deploymentRemove", deployment)
        service.wait(deployment, "REMOVED")
        assert time.monotonic() - began > 0.9
        assert "heard" in service.logs(deployment)


class TestOperations:
    def test_restart_keeps_the_id_and_changes_the_process(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/", drainingSeconds=2)
        deployment = service.up()
        boot = service.get("/").json()["boot"]
        assert service.act("deploymentRestart", deployment) is True
        service.wait(deployment, "SUCCESS")
        assert service.get("/").json()["boot"] != boot
        assert [one["id"] for one in service.deployments()] == [deployment]
        assert "told to end" in service.logs(deployment)

    def test_stop_ends_the_process_and_restart_brings_it_back(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        service.act("deploymentStop", deployment)
        assert service.read(deployment)["deploymentStopped"] is True
        assert service.get("/").status_code == 502
        service.act("deploymentRestart", deployment)
        service.wait(deployment, "SUCCESS")
        eventually(lambda: not service.read(deployment)["deploymentStopped"])
        assert service.get("/").status_code == 200

    def test_remove_ends_it_for_good(self, yard: Yard, name: str, image: str) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        service.act("deploymentRemove", deployment)
        service.wait(deployment, "REMOVED")
        assert service.get("/").status_code == 404
        with pytest.raises(GraphQLFailed, match="cannot be restarted"):
            service.act("deploymentRestart", deployment)

    def test_cancel_ends_what_is_still_on_its_way(self, yard: Yard, name: str, image: str) -> None:
        service = yard.service(name, image, healthcheckPath="/status/500")
        deployment = service.deploy()
        service.wait(deployment, "DEPLOYING")
        service.act("deploymentCancel", deployment)
        assert service.read(deployment)["status"] == "REMOVED"
        with pytest.raises(GraphQLFailed, match="not in progress"):
            service.act("deploymentCancel", deployment)

    def test_a_newer_deployment_takes_the_place_of_one_on_its_way(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/status/500")
        first = service.deploy()
        service.wait(first, "DEPLOYING")
        service.configure(healthcheckPath="/")
        second = service.up()
        assert service.read(first)["status"] == "REMOVED"
        assert service.read(second)["status"] == "SUCCESS"

    def test_redeploy_runs_the_old_image_though_a_new_one_is_set(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        first = service.up()
        service.configure(yard.push(server(2), command=RUN), healthcheckPath="/")
        service.yard.gql(
            "mutation($s: String!, $e: String!) {"
            " serviceInstanceRedeploy(serviceId: $s, environmentId: $e) }",
            s=service.id,
            e=ENVIRONMENT,
        )
        again = service.deployments()[0]
        service.wait(again["id"], "SUCCESS")
        assert again["meta"] == {**again["meta"], "image": image, "reason": "redeploy"}
        assert service.get("/").json()["version"] == 1
        assert service.read(first)["status"] in ("REMOVING", "REMOVED")
        second = service.up()
        assert service.get("/").json()["version"] == 2
        made = yard.gql(
            "mutation($id: String!) { deploymentRedeploy(id: $id) { id status } }", id=second
        )["deploymentRedeploy"]
        assert made["id"] != second

    def test_rollback_restores_image_and_variables_but_not_those_of_the_service(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        service.variables({"COLOUR": "old"})
        first = service.up()
        assert service.read(first)["canRollback"] is False
        service.configure(yard.push(server(2), command=RUN), healthcheckPath="/")
        service.variables({"COLOUR": "new"})
        service.up()
        service.wait(first, "REMOVED")
        assert service.read(first)["canRollback"] is True
        assert service.act("deploymentRollback", first) is True
        back = service.deployments()[0]
        service.wait(back["id"], "SUCCESS")
        assert back["meta"]["reason"] == "rollback"
        answer = service.get("/").json()
        assert (answer["version"], answer["env"]["COLOUR"]) == (1, "old")
        stored = yard.gql(
            "query($p: String!, $e: String!, $s: String!) {"
            " variables(projectId: $p, environmentId: $e, serviceId: $s) }",
            p=PROJECT,
            e=ENVIRONMENT,
            s=service.id,
        )
        assert stored["variables"] == {"COLOUR": "new"}


class TestSwitching:
    def test_no_request_fails_while_versions_change(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/", drainingSeconds=2)
        service.up()
        seen: list[int] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                seen.append(service.get("/").status_code)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for one in threads:
            one.start()
        for version in (2, 3):
            service.configure(
                yard.push(server(version), command=RUN), healthcheckPath="/", drainingSeconds=2
            )
            service.up()
            time.sleep(0.5)
        over.set()
        for one in threads:
            one.join()
        assert len(seen) > 50
        assert set(seen) == {200}
        assert service.get("/").json()["version"] == 3

    def test_without_a_health_path_requests_wait_for_the_one_that_is_called_a_success(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image)
        service.up()
        eventually(lambda: service.get("/").status_code == 200)
        service.configure(yard.push(server(2), command=f"sleep 1; {RUN}"))
        service.up()
        answers = [service.get("/") for _ in range(3)]
        assert [(a.status_code, a.json()["version"]) for a in answers] == [(200, 2)] * 3


class TestSleeping:
    def test_what_may_sleep_sleeps_and_wakes_on_a_request(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/", sleepApplication=True)
        deployment = service.up()
        service.wait(deployment, "SLEEPING")
        eventually(lambda: service.read(deployment)["instances"][0]["status"] == "STOPPED")
        assert service.get("/").status_code == 200
        service.wait(deployment, "SUCCESS", "SLEEPING")


class TestLogsAndMetrics:
    def test_streams_levels_and_json_lines_are_told_apart(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        lines = {one["message"]: one for one in service.lines(service.up())}
        assert lines["hello from the agent"]["severity"] == "info"
        assert lines["trouble"]["severity"] == "error"
        structured = lines["structured"]
        assert structured["severity"] == "warn"
        assert {"key": "n", "value": "1"} in structured["attributes"]
        assert {"key": "level", "value": '"warn"'} in structured["attributes"]

    def test_lines_can_be_read_on_from_the_last_one_seen(self, yard: Yard, name: str) -> None:
        service = yard.service(
            name, yard.push({"app/x": ""}, command="seq 1 300; sleep 0.2; seq 301 400; sleep 60")
        )
        deployment = service.up()
        eventually(lambda: "400" in service.logs(deployment, limit=1))
        seen: list[str] = []
        start = "2020-01-01T00:00:00Z"
        while True:
            lines = service.lines(deployment, startDate=start, limit=50)
            fresh = [one for one in lines if one["timestamp"] != start]
            if not fresh:
                break
            seen += [one["message"] for one in fresh]
            start = fresh[-1]["timestamp"]
        assert [one for one in seen if one.isdigit()] == [str(n) for n in range(1, 401)]
        assert len(service.lines(deployment, limit=10)) == 11  # Railway's own bug
        assert service.logs(deployment, filter='"399"') == ["399"]
        assert service.logs(deployment, filter="@level:error") == []

    def test_a_flood_is_cut_to_500_lines_a_second_and_says_so(self, yard: Yard, name: str) -> None:
        service = yard.service(
            name, yard.push({"app/x": ""}, command="seq 1 100000; sleep 1.5; echo after; sleep 60")
        )
        deployment = service.up()
        eventually(lambda: "after" in service.logs(deployment))
        lines = service.logs(deployment, limit=5000)
        assert len(lines) < 2500
        assert any("Lines dropped" in one for one in lines)

    def test_logs_of_a_removed_deployment_stay_readable(
        self, yard: Yard, name: str, image: str
    ) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        service.act("deploymentRemove", deployment)
        service.wait(deployment, "REMOVED")
        assert "hello from the agent" in service.logs(deployment)

    def test_use_and_requests_are_measured(self, yard: Yard, name: str, image: str) -> None:
        service = yard.service(name, image, healthcheckPath="/")
        deployment = service.up()
        for path in ("/", "/", "/status/404"):
            service.get(path)
        asked = (
            "query($s: String!, $e: String!, $p: String!, $from: DateTime!, $to: DateTime!) {"
            " metrics(serviceId: $s, environmentId: $e, projectId: $p, startDate: $from,"
            "   sampleRateSeconds: 1, measurements: [CPU_USAGE, MEMORY_USAGE_GB, NETWORK_TX_GB])"
            "   { measurement values { ts value } }"
            " byStatus: httpMetricsGroupedByStatus(serviceId: $s, environmentId: $e,"
            "   startDate: $from, endDate: $to) { statusCode samples { value } }"
            " durations: httpDurationMetrics(serviceId: $s, environmentId: $e,"
            "   startDate: $from, endDate: $to) { samples { p50 p99 } }"
            " usage(projectId: $p, startDate: $from, measurements: [MEMORY_USAGE_GB])"
            "   { measurement value } }"
        )
        known = {
            "s": service.id,
            "e": ENVIRONMENT,
            "p": PROJECT,
            "from": "2020-01-01T00:00:00Z",
            "to": "2100-01-01T00:00:00Z",
        }

        def memory(data: dict[str, Any]) -> list[float]:
            return [
                value["value"]
                for one in data["metrics"]
                if one["measurement"] == "MEMORY_USAGE_GB"
                for value in one["values"]
            ]

        eventually(lambda: memory(yard.gql(asked, **known)))
        time.sleep(0.6)
        data = yard.gql(asked, **known)
        assert 0.001 < max(memory(data)) < 1
        counts = {
            one["statusCode"]: sum(sample["value"] for sample in one["samples"])
            for one in data["byStatus"]
        }
        assert counts == {200: 2.0, 404: 1.0}
        assert data["durations"]["samples"][0]["p99"] >= 0
        assert data["usage"][0]["value"] > 0
        requests = yard.gql(
            "query($id: String!) { httpLogs(deploymentId: $id) {"
            " method path httpStatus totalDuration txBytes deploymentInstanceId } }",
            id=deployment,
        )["httpLogs"]
        assert [one["path"] for one in requests] == ["/", "/", "/status/404"]
        assert all(one["txBytes"] > 0 for one in requests)


class TestComingBack:
    def test_everything_is_as_it_was_after_a_clean_stop(self, tmp_path: Path) -> None:
        with running(tmp_path) as yard:
            image = yard.push(server(), command=RUN)
            service = yard.service("kept", image, healthcheckPath="/", drainingSeconds=5)
            site = yard.service(
                "site", yard.push({"app/index.html": "hi"}, labels={"slipway.static_dir": ""})
            )
            deaf = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(99)\n"
            stubborn = yard.service(
                "deaf", yard.push({"app/main.py": deaf}, command=RUN), drainingSeconds=60
            )
            deployment = service.up()
            site.up()
            stubborn.up()
            service.get("/")
            yard.stop()
            assert (
                "told to end"
                in (tmp_path / "data" / "logs" / deployment / "deploy.jsonl").read_text()
            )
            yard.start()
            eventually(lambda: service.get("/").status_code == 200)
            assert service.read(deployment)["status"] == "SUCCESS"
            assert [one["id"] for one in service.deployments()] == [deployment]
            assert site.get("/").text == "hi"

    def test_a_killed_yard_leaves_no_process_behind_and_brings_all_back(
        self, tmp_path: Path
    ) -> None:
        with running(tmp_path) as yard:
            image = yard.push(server(), command=RUN)
            service = yard.service("kept", image, healthcheckPath="/")
            deployment = service.up()
            pid = service.get("/").json()["pid"]
            yard.kill()
            if not ISOLATED:
                eventually(lambda: not alive(pid))
            yard.start()
            eventually(lambda: service.get("/").status_code == 200)
            assert service.read(deployment)["status"] == "SUCCESS"

    def test_a_deployment_interrupted_by_a_kill_is_taken_up_again(self, tmp_path: Path) -> None:
        with running(tmp_path) as yard:
            image = yard.push(server(), command=RUN)
            service = yard.service("kept", image, healthcheckPath="/")
            first = service.up()
            service.configure(yard.push(server(2), command=f"sleep 1; {RUN}"), healthcheckPath="/")
            second = service.deploy()
            service.wait(second, "DEPLOYING")
            yard.kill()
            yard.start()
            eventually(lambda: service.get("/").status_code == 200)
            service.wait(second, "SUCCESS")
            assert service.get("/").json()["version"] == 2
            service.wait(first, "REMOVED")
            assert len(service.deployments()) == 2

    def test_what_slept_sleeps_on_and_what_was_stopped_stays_stopped(self, tmp_path: Path) -> None:
        with running(tmp_path, hosting={"sleep_after": 0.5}) as yard:
            image = yard.push(server(), command=RUN)
            sleeper = yard.service("sleeper", image, healthcheckPath="/", sleepApplication=True)
            stopped = yard.service("stopped", image, healthcheckPath="/")
            crashed = yard.service(
                "crashed", yard.push({"app/x": ""}, command="exit 1"), restartPolicyType="NEVER"
            )
            asleep, halted, dead = sleeper.up(), stopped.up(), crashed.deploy()
            stopped.act("deploymentStop", halted)
            sleeper.wait(asleep, "SLEEPING")
            crashed.wait(dead, "CRASHED")
            yard.kill()
            yard.start()
            assert sleeper.read(asleep)["status"] == "SLEEPING"
            assert stopped.read(halted)["deploymentStopped"] is True
            assert crashed.read(dead)["status"] == "CRASHED"
            assert stopped.get("/").status_code == 502
            assert sleeper.get("/").status_code == 200


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
