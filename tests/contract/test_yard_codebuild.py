"""Builds behind CodeBuild's API are really executed, and told of as AWS does it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.contract.yard_harness import Yard, running

PROJECT = "slipway-build"
SECRET = "codebuild-secret"
BUILDSPEC = """
version: 0.2
env:
  variables:
    FROM_SPEC: spec
phases:
  install:
    commands:
      - SHARED=kept
  build:
    commands:
      - echo "$SHARED $FROM_SPEC $FROM_PROJECT $FROM_CALL $AWS_ENDPOINT_URL"
      - |
        for n in 1 2; do
          echo "line $n"
        done
      - eval "$COMMAND"
  post_build:
    commands:
      - echo "succeeding=$CODEBUILD_BUILD_SUCCEEDING"
    finally:
      - echo finally
"""


class Bus:
    """Takes PutEvents as the emulator's EventBridge would."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.refuse = 0
        bus = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                good = self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
                if bus.refuse:
                    bus.refuse -= 1
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                assert good
                assert self.headers["X-Amz-Target"] == "AWSEvents.PutEvents"
                for entry in body["Entries"]:
                    bus.events.append({**entry, "Detail": json.loads(entry["Detail"])})
                answer = b'{"FailedEntryCount": 0, "Entries": []}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, build: str, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        """The details of a build's events, once there are so many."""
        deadline = time.monotonic() + seconds
        while True:
            found = [
                one["Detail"] for one in self.events if one["Detail"]["build-id"].endswith(build)
            ]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def bus() -> Iterator[Bus]:
    one = Bus()
    yield one
    one.close()


def settings(bus: Bus, folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "aws": {
            "endpoint_url": bus.url,
            "access_key_id": "key",
            "secret_access_key": "secret",
        },
        "codebuild": {
            "project_name": PROJECT,
            "secret": SECRET,
            "buildspec": BUILDSPEC,
            "environment": {"FROM_PROJECT": "project"},
            "build_environment": {"HIDDEN": "not-in-events"},
            **changes,
        },
    }


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory, bus: Bus) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    with running(folder, **settings(bus, folder)) as one:
        yield one


def address(yard: Yard, secret: str = SECRET) -> str:
    return f"http://127.0.0.1:{yard.config['codebuild_port']}/{secret}"


def client(yard: Yard) -> Any:
    return boto3.client(
        "codebuild",
        endpoint_url=address(yard),
        region_name="us-east-1",
        aws_access_key_id="role",
        aws_secret_access_key="role",
        config=Config(retries={"max_attempts": 1}, proxies={}),
    )


def start(yard: Yard, command: str = "true", **more: Any) -> str:
    variables = [
        {"name": "COMMAND", "value": command},
        {"name": "FROM_CALL", "value": "call", "type": "PLAINTEXT"},
    ]
    answer = client(yard).start_build(
        projectName=PROJECT, environmentVariablesOverride=variables, **more
    )
    return str(answer["build"]["id"])


def read(yard: Yard, build: str) -> dict[str, Any]:
    found: dict[str, Any] = client(yard).batch_get_builds(ids=[build])["builds"][0]
    return found


def ended(yard: Yard, build: str, seconds: float = 20) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        found = read(yard, build)
        if found["buildComplete"]:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def log_of(build: dict[str, Any]) -> str:
    return Path(build["logs"]["deepLink"].removeprefix("file://")).read_text()


def phases(build: dict[str, Any]) -> dict[str, str]:
    return {one["phaseType"]: one.get("phaseStatus", "") for one in build["phases"]}


def test_a_build_runs_its_commands_in_one_shell_with_all_its_variables(
    yard: Yard, bus: Bus
) -> None:
    build = ended(yard, start(yard, 'echo "hidden $HIDDEN"; pwd; test "$CI" = true'))
    assert build["buildStatus"] == "SUCCEEDED"
    text = log_of(build)
    assert f"kept spec project call {bus.url}" in text
    assert "line 1\nline 2" in text
    assert "hidden not-in-events" in text
    assert "succeeding=1" in text
    assert "finally" in text
    assert build["currentPhase"] == "COMPLETED"
    assert list(phases(build)) == [
        "SUBMITTED",
        "QUEUED",
        "PROVISIONING",
        "DOWNLOAD_SOURCE",
        "INSTALL",
        "BUILD",
        "POST_BUILD",
        "UPLOAD_ARTIFACTS",
        "FINALIZING",
        "COMPLETED",
    ]
    assert build["endTime"] >= build["startTime"]
    assert build["arn"].endswith(f":build/{build['id']}")


def test_a_failing_command_fails_its_phase_and_post_build_still_runs(yard: Yard) -> None:
    build = ended(yard, start(yard, "exit_code() { return 7; }; exit_code"))
    assert build["buildStatus"] == "FAILED"
    assert phases(build)["BUILD"] == "FAILED"
    context = next(one for one in build["phases"] if one["phaseType"] == "BUILD")["contexts"][0]
    assert context["statusCode"] == "COMMAND_EXECUTION_ERROR"
    assert "exit status 7" in context["message"]
    assert "succeeding=0" in log_of(build)


def test_an_exit_in_the_middle_fails_the_build(yard: Yard) -> None:
    build = ended(yard, start(yard, "exit 3"))
    assert build["buildStatus"] == "FAILED"
    assert phases(build)["BUILD"] == "FAILED"


def test_the_events_have_the_shape_of_codebuilds_own(yard: Yard, bus: Bus) -> None:
    build = ended(yard, start(yard))
    begun, over = bus.of(build["id"], 2)
    assert begun["build-status"] == "IN_PROGRESS"
    assert over["build-status"] == "SUCCEEDED"
    assert over["project-name"] == PROJECT
    assert over["build-id"] == build["arn"]
    more = over["additional-information"]
    assert more["build-complete"] is True
    variables = {one["name"]: one["value"] for one in more["environment"]["environment-variables"]}
    assert variables == {"FROM_PROJECT": "project", "COMMAND": "true", "FROM_CALL": "call"}
    assert {one["phase-type"] for one in more["phases"]} >= {"SUBMITTED", "BUILD", "COMPLETED"}
    assert more["logs"]["stream-name"] in build["id"]
    entry = bus.events[-1]
    assert entry["Source"] == "aws.codebuild"
    assert entry["DetailType"] == "CodeBuild Build State Change"
    assert "not-in-events" not in json.dumps(bus.events)


def test_an_event_that_cannot_be_delivered_is_tried_again(yard: Yard, bus: Bus) -> None:
    bus.refuse = 2
    build = start(yard)
    assert [one["build-status"] for one in bus.of(build, 2)] == ["IN_PROGRESS", "SUCCEEDED"]


def test_one_token_is_one_build_and_may_not_change_its_mind(yard: Yard) -> None:
    first = start(yard, idempotencyToken="once")
    assert start(yard, idempotencyToken="once") == first
    assert start(yard, idempotencyToken="twice") != first
    with pytest.raises(ClientError, match="InvalidInputException"):
        start(yard, "echo other", idempotencyToken="once")


def test_stopping_kills_everything_the_build_started(yard: Yard, bus: Bus) -> None:
    build = start(yard, "echo $$; sleep 300 & (setsid -w sleep 301 & wait) & sleep 302")
    deadline = time.monotonic() + 45
    while read(yard, build)["currentPhase"] != "BUILD":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)
    client(yard).stop_build(id=build)
    found = read(yard, build)
    assert found["buildStatus"] == "STOPPED"
    assert bus.of(build, 2)[-1]["build-status"] == "STOPPED"
    deadline = time.monotonic() + 45
    while [one for one in ("300", "301", "302") if running_sleep(one)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client(yard).stop_build(id=build)  # what has ended stays as it is


def running_sleep(seconds: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == f"sleep\0{seconds}\0".encode():
                return True
        except OSError:
            continue
    return False


def test_a_missing_signature_an_unknown_action_and_an_unknown_project_are_refused(
    yard: Yard,
) -> None:
    target = {"x-amz-target": "CodeBuild_20161006.StartBuild"}
    unsigned = httpx.post(address(yard), json={}, headers=target, trust_env=False)
    assert unsigned.status_code == 403
    assert unsigned.headers["x-stand-in"] == "1"
    with pytest.raises(ClientError, match="not implemented by the local stand-in"):
        client(yard).list_projects()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client(yard).start_build(projectName="other")
    with pytest.raises(ClientError, match="sourceVersion"):
        client(yard).start_build(projectName=PROJECT, sourceVersion="main")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client(yard).stop_build(id=f"{PROJECT}:nothing")


@pytest.mark.parametrize("secret", ["", "wrong", f"{SECRET}/more"])
def test_who_does_not_know_the_secret_may_not_build(yard: Yard, secret: str) -> None:
    headers = {
        "authorization": "AWS4-HMAC-SHA256 Credential=x",
        "x-amz-target": "CodeBuild_20161006.StartBuild",
    }
    body = {"projectName": PROJECT}
    answer = httpx.post(address(yard, secret), json=body, headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["__type"]) == (403, "AccessDeniedException")


def test_a_yard_without_a_secret_builds_for_nobody(tmp_path: Path, bus: Bus) -> None:
    with running(tmp_path, **settings(bus, tmp_path, secret="")) as yard:
        headers = {"authorization": "AWS4-HMAC-SHA256 Credential=x"}
        answer = httpx.post(address(yard, ""), json={}, headers=headers, trust_env=False)
        assert answer.status_code == 403


def test_every_api_answers_only_under_its_own_address(yard: Yard) -> None:
    ports = [yard.config[name] for name in ("graphql_port", "codebuild_port", "registry_port")]
    for port in ports:
        for host in ("rebound.example", f"rebound.example:{port}", "127.0.0.1", "127.0.0.1:1"):
            url = f"http://127.0.0.1:{port}/yard/status"
            answer = httpx.get(url, headers={"host": host}, trust_env=False)
            assert answer.status_code == 421, (port, host)
        own = httpx.get(f"http://localhost:{port}/yard/status", trust_env=False)
        assert own.status_code != 421


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_another_user_of_the_machine_may_not_build(yard: Yard) -> None:
    code = (
        "import sys, urllib.request, urllib.error\n"
        "head = {'Authorization': 'AWS4-HMAC-SHA256 Credential=x',"
        " 'X-Amz-Target': 'CodeBuild_20161006.ListBuildsForProject'}\n"
        "request = urllib.request.Request(sys.argv[1], b'{}', head)\n"
        "try: print(urllib.request.urlopen(request).read())\n"
        "except urllib.error.HTTPError as error: print(error.read())\n"
    )
    said = subprocess.run(
        ["/usr/bin/python3", "-c", code, address(yard)],
        user=65_534,
        env={},
        cwd="/",
        capture_output=True,
        check=True,
    )
    assert b"AccessDeniedException" in said.stdout


def test_builds_are_listed_newest_first_and_unknown_ones_named(yard: Yard) -> None:
    older, newer = start(yard), start(yard)
    ids = client(yard).list_builds_for_project(projectName=PROJECT)["ids"]
    assert ids.index(newer) < ids.index(older)
    answer = client(yard).batch_get_builds(ids=[older, f"{PROJECT}:nothing"])
    assert answer["buildsNotFound"] == [f"{PROJECT}:nothing"]


@pytest.mark.parametrize("own", ["version: 0.2\n", "/etc/passwd", "s3://bucket/buildspec.yml"])
def test_a_caller_does_not_choose_the_commands(yard: Yard, own: str) -> None:
    with pytest.raises(ClientError, match="buildspecOverride"):
        start(yard, buildspecOverride=own)


def test_a_buildspec_that_cannot_be_carried_out_fails_the_build(tmp_path: Path, bus: Bus) -> None:
    with running(tmp_path, **settings(bus, tmp_path, buildspec="version: 0.1\n")) as yard:
        bad = ended(yard, start(yard))
        assert bad["buildStatus"] == "FAILED"
        assert phases(bad)["DOWNLOAD_SOURCE"] == "FAILED"


def test_a_log_without_end_is_cut(tmp_path: Path, bus: Bus) -> None:
    with running(tmp_path, **settings(bus, tmp_path, log_bytes=100_000)) as yard:
        build = ended(yard, start(yard, "yes 'a long line' | head -c 5000000"))
        assert build["buildStatus"] == "SUCCEEDED"
        text = log_of(build)
        assert len(text) < 110_000
        assert "the log is full" in text


def test_builds_wait_for_their_turn(tmp_path: Path, bus: Bus) -> None:
    with running(tmp_path, **settings(bus, tmp_path, concurrency=1)) as yard:
        first, second = start(yard, "sleep 8"), start(yard)
        time.sleep(0.5)
        assert read(yard, second)["currentPhase"] == "QUEUED"
        assert ended(yard, second)["endTime"] > ended(yard, first)["endTime"]


def test_a_build_interrupted_by_a_kill_leaves_nothing_behind_and_is_reported(
    tmp_path: Path, bus: Bus
) -> None:
    with running(tmp_path, **settings(bus, tmp_path)) as yard:
        build = start(yard, "sleep 400")
        deadline = time.monotonic() + 45
        while not running_sleep("400"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yard.kill()
        while running_sleep("400"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yard.start()
        found = read(yard, build)
        assert found["buildStatus"] == "FAULT"
        assert bus.of(build, 2)[-1]["build-status"] == "FAULT"


def test_a_build_interrupted_by_a_clean_stop_is_reported_at_the_next_start(
    tmp_path: Path, bus: Bus
) -> None:
    with running(tmp_path, **settings(bus, tmp_path)) as yard:
        build = start(yard, "sleep 401")
        time.sleep(0.5)
        yard.stop()
        assert not running_sleep("401")
        yard.start()
        assert bus.of(build, 2)[-1]["build-status"] == "FAULT"


class TestFaults:
    def test_a_lost_event_never_comes(self, yard: Yard, bus: Bus) -> None:
        yard.fault("build_event_lost")
        build = start(yard)
        ended(yard, build)
        marker = start(yard)
        bus.of(marker, 2)
        assert [one["build-status"] for one in bus.of(build, 1)] == ["IN_PROGRESS"]

    def test_a_doubled_event_comes_twice(self, yard: Yard, bus: Bus) -> None:
        yard.fault("build_event_doubled")
        build = start(yard)
        found = [one["build-status"] for one in bus.of(build, 3)]
        assert found == ["IN_PROGRESS", "SUCCEEDED", "SUCCEEDED"]

    def test_a_delayed_event_comes_late(self, yard: Yard, bus: Bus) -> None:
        yard.fault("build_event_delayed", seconds=1)
        build = start(yard)
        over = ended(yard, build)["endTime"].timestamp()
        bus.of(build, 2)
        assert time.time() - over > 0.9
