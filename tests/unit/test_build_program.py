"""The build program from order to report, on a fake cloud and without a sandbox."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.build import program
from infra.build.order import Location, Order
from infra.build.storage import Storage
from infra.local.ground import LocalGround
from tests.unit.build_stage import SERVER, Cloud, DirectBox, toolchains, zipped

PLAN: dict[str, Any] = {"runtime": "python", "start_command": f"{sys.executable} main.py"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


def build(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: Mapping[str, str | bytes],
    plan: Mapping[str, Any],
    **more: Any,
) -> int:
    """One whole build; the results are in the fake cloud."""
    cloud.put_order(zipped(files), plan, **more)
    ground = LocalGround(
        tmp_path / "data", box=DirectBox(), toolchains=toolchains, registries=frozenset
    )
    monkeypatch.setattr(program, "load_ground", lambda _name: ground)
    storage = Storage(cloud.env)
    order = Order.parse(storage.read(Location("artifacts", "order.json")))
    return program.carry_out(order, storage, cloud.env, time.perf_counter())


def test_a_python_source_becomes_a_published_image(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = [
        {"name": "says ok", "request": {"path": "/x"}, "expect": {"json": {"me": {"ok": True}}}}
    ]
    plan = {**PLAN, "tests": tests, "health_path": "/health"}
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, plan) == 0, cloud.report()
    report = cloud.report()
    assert report["state"] == "succeeded"
    assert [(s["name"], s["state"]) for s in report["steps"]] == [
        (name, "passed") for name in ("fetch", "scan", "build", "start", "test", "publish")
    ]
    assert report["tests"] == [
        {"name": "says ok", "passed": True, "runs": 1, "passes": 1, "detail": ""}
    ]
    assert report["image"].startswith(f"127.0.0.1:{cloud.port}/slipway/agt_1@sha256:")
    assert report["size_bytes"] > 0
    manifest = json.loads(cloud.manifests["ver_1"])
    config = json.loads(cloud.blobs[manifest["config"]["digest"]])["config"]
    assert config["Cmd"] == ["/bin/sh", "-c", plan["start_command"]]
    assert config["Labels"]["slipway.runtime"] == "python"
    assert "PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin" in config["Env"]
    assert cloud.order_of_writes[-1].endswith("report.json")
    assert not list((tmp_path / "data" / "builds" / "work").iterdir())


def test_secret_values_never_reach_log_or_report(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cr3t/with+signs&more"
    code = (
        "import base64,os\nt=os.environ['TOKEN']\n"
        "print(base64.b64encode(b'u:'+t.encode()).decode())\n"
    )
    files = {"main.py": code + SERVER + "\n"}
    variables = {"TOKEN": secret}
    more = {"variables": variables, "secret_names": ["TOKEN"]}
    assert build(cloud, tmp_path, monkeypatch, files, PLAN, **more) == 0
    everything = b"".join(
        data for key, data in cloud.objects.items() if "build-log" in key or "report" in key
    ).decode()
    assert "token is •••" in everything
    assert secret not in everything
    assert base64.b64encode(b"u:" + secret.encode()).decode()[4:-4] not in everything


@pytest.mark.parametrize("changed", [False, True])
def test_only_the_source_that_was_reviewed_is_built(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, changed: bool
) -> None:
    files = {"main.py": SERVER}
    reviewed = zipped({"main.py": "print('harmless')"} if changed else files)
    source = {
        "bucket": "sources",
        "key": "source",
        "filename": "source.zip",
        "digest": hashlib.sha256(reviewed).hexdigest(),
    }
    build(cloud, tmp_path, monkeypatch, files, PLAN, source=source)
    report = cloud.report()
    assert report["state"] == ("failed" if changed else "succeeded")
    assert [reason["code"] for reason in report["reasons"]] == ["source_changed"] * changed


MCP = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
PAGES = {None: (["fetch", "SHOUT"], "two"), "two": (["search"], None)}
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self): self.answer(200, b"ok")
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/mcp": return self.answer(404, b"")
        if said["method"] == "initialize":
            return self.say(said, {"protocolVersion": "2025-06-18"}, {"Mcp-Session-Id": "s1"})
        if self.headers.get("Mcp-Session-Id") != "s1": return self.answer(400, b"")
        if said["method"] == "tools/list":
            names, cursor = PAGES[said["params"].get("cursor")]
            tools = [{"name": n, "description": os.environ.get(n, "A tool"),
                      "inputSchema": {"type": "object", "properties": {"url": {"type": "string"}}}}
                     for n in names]
            result = {"tools": tools, **({"nextCursor": cursor} if cursor else {})}
            return self.say(said, result, {"Content-Type": "text/event-stream"})
        self.answer(202, b"")
    def say(self, said, result, headers):
        body = json.dumps({"jsonrpc": "2.0", "id": said["id"], "result": result})
        if "Content-Type" in headers: body = f"event: message\\ndata: {body}\\n\\n"
        self.answer(200, body.encode(), headers)
    def answer(self, status, body, headers={}):
        self.send_response(status)
        for name, value in headers.items(): self.send_header(name, value)
        self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""


def interface(cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cloud.objects["artifacts/org_1/agt_1/ver_1/interface.json"])
    return found


def test_the_tools_of_an_mcp_server_are_written_down(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {**PLAN, "protocol": "mcp"}
    secret = "k3y-that-nobody-reads"
    more = {"variables": {"SHOUT": secret}, "secret_names": ["SHOUT"]}
    assert build(cloud, tmp_path, monkeypatch, {"main.py": MCP}, plan, **more) == 0, cloud.report()
    tools = interface(cloud)["tools"]
    assert [tool["name"] for tool in tools] == ["SHOUT", "fetch", "search"]
    assert tools[1]["inputs"][0]["name"] == "url"
    assert secret not in json.dumps(tools)
    assert "It offers 3 tools" in cloud.log_text()


def test_an_agent_that_says_nothing_of_itself_is_built_all_the_same(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {**PLAN, "protocol": "mcp"}
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, plan) == 0, cloud.report()
    assert interface(cloud) == {"tools": None, "operations": None}


def test_skills_and_the_http_api_are_written_down(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {"skills": [{"id": "translate", "description": "Translates"}]}
    document = {"openapi": "3.1.0", "paths": {"/say": {"get": {"summary": "Says it"}}}}
    answers = {"/.well-known/agent-card.json": card, "/openapi.json": document}
    source = SERVER.replace(
        '{"path": self.path, "me": {"ok": True, "n": 1}}', f"{answers!r}.get(self.path, {{}})"
    )
    plan = {**PLAN, "protocol": "a2a"}
    assert build(cloud, tmp_path, monkeypatch, {"main.py": source}, plan) == 0, cloud.report()
    found = interface(cloud)
    assert [skill["name"] for skill in found["tools"]] == ["translate"]
    assert [operation["path"] for operation in found["operations"]] == ["/say"]


def test_a_static_folder_is_tested_and_labelled(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = [
        {"request": {"path": "/"}, "expect": {"status": 200, "text": "Hello"}},
        {"request": {"path": "/deep/link"}, "expect": {"text": "Hello"}},
        {"request": {"path": "/nothing.js"}, "expect": {"status": 404}},
    ]
    plan = {"runtime": "static", "static_dir": "public", "single_page": True, "tests": tests}
    files = {
        "public/index.html": "<h1>Hello</h1>",
        "notes.md": "x",
        "public/../a.txt".replace("../", ""): "y",
    }
    assert build(cloud, tmp_path, monkeypatch, files, plan) == 0, cloud.report()
    manifest = json.loads(cloud.manifests["ver_1"])
    config = json.loads(cloud.blobs[manifest["config"]["digest"]])["config"]
    assert config["Labels"]["slipway.static_dir"] == "public"
    layer = cloud.blobs[manifest["layers"][0]["digest"]]
    assert b"app/public/index.html" in layer
    assert b"notes.md" not in layer


@pytest.mark.parametrize(
    "ending",
    [
        ("import fastapi_that_is_not\n", "module_missing", "fastapi-that-is-not"),
        ("import yaml_missing, os\n", "module_missing", "requirements.txt"),
        ("import os\nos.environ['OPENAI_API_KEY']\n", "variable_missing", "OPENAI_API_KEY"),
        ("print('all done')\n", "agent_is_a_job", "a job, not a server"),
        ("raise SystemExit(3)\n", "agent_crashed", "exit code 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "agent_crashed", "SIGSEGV"),
        ("open('nope.json')\n", "agent_crashed", "No such file"),
    ],
)
def test_an_agent_that_ends_says_what_to_change(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: tuple[str, str, str]
) -> None:
    code, expected, words = ending
    assert build(cloud, tmp_path, monkeypatch, {"main.py": code}, PLAN) == 1
    report = cloud.report()
    assert report["state"] == "failed"
    assert report["reasons"][0]["code"] == expected, report["reasons"]
    assert words in report["reasons"][0]["detail"]
    assert report["steps"][-1]["state"] == "skipped"
    assert report["image"] is None


def test_a_port_that_never_opens_ends_in_time(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    limits = {"build_seconds": 60, "start_seconds": 5, "test_seconds": 10}
    files = {"main.py": "import time\nprint('thinking', flush=True)\ntime.sleep(60)\n"}
    assert build(cloud, tmp_path, monkeypatch, files, PLAN, limits=limits) == 1
    assert time.monotonic() - began < 45
    reason = cloud.report()["reasons"][0]
    assert reason["code"] == "agent_no_port"
    assert "thinking" in reason["detail"]
    assert "PORT" in reason["detail"]


def test_a_health_check_that_answers_500_shows_what_it_said(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"build_seconds": 60, "start_seconds": 5, "test_seconds": 10}
    plan = {**PLAN, "health_path": "/broken"}
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, plan, limits=limits) == 1
    reason = cloud.report()["reasons"][0]
    assert reason["code"] == "agent_unhealthy"
    assert "answered 500" in reason["detail"]
    assert '"path": "/broken"' in reason["detail"]


def test_a_hard_coded_port_is_found(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = SERVER.replace('int(os.environ["PORT"])', "0")
    assert build(cloud, tmp_path, monkeypatch, {"main.py": code}, PLAN) == 0
    assert "not on $PORT" in cloud.log_text()


def test_failing_tests_are_named_with_their_difference(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = [
        {"name": "good", "request": {"path": "/"}, "expect": {"status": 200}},
        {
            "name": "number",
            "request": {"method": "GET", "path": "/"},
            "expect": {"json": {"me": {"n": 2}}},
            "runs": 3,
            "passes": 2,
        },
    ]
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, {**PLAN, "tests": tests}) == 1
    report = cloud.report()
    assert [test["passed"] for test in report["tests"]] == [True, False]
    assert report["tests"][1]["runs"] == 3
    assert report["reasons"][0]["code"] == "test_failed"
    assert "$.me.n is 1, not 2" in report["reasons"][0]["detail"]
    assert report["steps"][-1] == {
        "name": "publish", "state": "skipped", "started_at": None, "finished_at": None,
    }  # fmt: skip


def test_an_endless_build_is_stopped_by_our_own_clock(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"build_seconds": 3, "start_seconds": 5, "test_seconds": 5}
    plan = {**PLAN, "build_command": "echo begun; sleep 300 & sleep 300"}
    began = time.monotonic()
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, plan, limits=limits) == 1
    assert time.monotonic() - began < 45
    assert cloud.report()["reasons"][0]["code"] == "build_timeout"
    assert "begun" in cloud.log_text()


def test_a_flood_of_output_is_cut_and_the_build_goes_on(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"build_seconds": 60, "start_seconds": 10, "log_bytes": 200_000}
    plan = {
        **PLAN,
        "build_command": "yes 0123456789012345678901234567890123456789 | head -c 50000000",
    }
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, plan, limits=limits) == 0
    size = sum(len(data) for key, data in cloud.objects.items() if "build-log" in key)
    assert size < 300_000
    assert any("size limit" in line["message"] for line in cloud.log())


def test_output_that_is_no_utf8_is_shown_as_far_as_it_can_be(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {**PLAN, "build_command": r"printf 'caf\351 \000\033[31mred\033[0m\n'"}
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, plan) == 0
    assert "caf\ufffd \ufffdred" in cloud.log_text()


def test_a_secret_in_the_source_rejects_it_before_anything_runs(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"main.py": "x = 1\nKEY = 'AKIA" + "QZ7RT5WLHK3MNPXY'\n"}
    assert build(cloud, tmp_path, monkeypatch, files, PLAN) == 1
    report = cloud.report()
    assert report["state"] == "rejected"
    reason = report["reasons"][0]
    assert (reason["code"], reason["file"], reason["line"]) == (
        "scan_secret_aws_access_key",
        "main.py",
        2,
    )
    assert [step["state"] for step in report["steps"]][:3] == ["passed", "failed", "skipped"]


def test_a_broken_archive_is_rejected_with_its_reasons(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(cloud, tmp_path, monkeypatch, {"../../etc/passwd": "x"}, PLAN) == 1
    report = cloud.report()
    assert report["state"] == "rejected"
    assert report["reasons"][0]["code"] == "archive_path"


def test_a_missing_source_says_so(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"source": {"bucket": "sources", "key": "gone", "filename": "a.zip"}}
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, PLAN, **more) == 1
    assert cloud.report()["reasons"][0]["code"] == "source_missing"


def test_storage_that_stumbles_loses_nothing(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.fail_writes = 3
    assert build(cloud, tmp_path, monkeypatch, {"main.py": SERVER}, PLAN) == 0
    numbers = [key for key in cloud.objects if "build-log" in key]
    assert min(numbers).endswith("000001.jsonl")
    assert "Fetched source.zip" in cloud.log_text()


def test_what_the_trial_writes_is_not_in_the_image(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "open('made-while-running.txt', 'w').write('x')\n" + SERVER
    assert build(cloud, tmp_path, monkeypatch, {"main.py": code}, PLAN) == 0
    assert not any(b"made-while-running.txt\0" in blob for blob in cloud.blobs.values())
