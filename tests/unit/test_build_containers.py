"""The cloud's ground: Dockerfiles that lint clean, and an engine driven by the book."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.plan import Plan
from infra.build import program
from infra.build.containers import ContainerGround
from infra.build.dockerfiles import render
from infra.build.order import Location, Order
from infra.build.storage import Storage
from infra.local.ground.local import free_port
from tests.unit.build_stage import REPOSITORY, Cloud, zipped

PLANS = {
    "requirements": (
        Plan("python", installer="requirements", install_files=("requirements.txt",),
             start_command="uvicorn app:app --port $PORT", env={"A": 'say "$x"'}, port=8000,
             extra_packages=("gunicorn",), post_install=("python manage.py collectstatic",)),
        ["requirements.txt", "app.py"],
    ),
    "uv": (Plan("python", installer="uv-lock", install_files=("uv.lock",), toolchain=">=3.12",
                start_command="serve", root="api"), ["api/uv.lock", "api/pyproject.toml"]),
    "poetry": (Plan("python", installer="poetry", start_command="x"), ["poetry.lock"]),
    "npm": (Plan("nodejs", installer="npm", start_command="node s.js", toolchain="20",
                 build_command="npm run build"), ["package.json", "package-lock.json"]),
    "pnpm": (Plan("nodejs", installer="pnpm", installer_version="9", start_command="node s.js"),
             ["package.json", "pnpm-lock.yaml"]),
    "rust": (Plan("rust", installer="cargo", start_command="./target/release/x"), ["Cargo.lock"]),
    "static": (Plan("static", static_dir="public", single_page=True), ["public/index.html"]),
    "vite": (Plan("static", installer="npm", build_command="npm run build", static_dir="dist"),
             ["package.json", "package-lock.json"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_rendered_dockerfiles_pass_the_linter_and_never_run_as_root(
    tmp_path: Path, name: str
) -> None:
    plan, names = PLANS[name]
    text = render(plan, names)
    file = tmp_path / "Dockerfile"
    file.write_text(text)
    linter = Path(sys.executable).parent / "hadolint"
    # Versions of build tools are left open on purpose, and so is the path of a single file.
    ignore = [
        f"--ignore={rule}" for rule in ("DL3013", "DL3016", "DL3042", "DL3003", "DL3059", "DL4006")
    ]
    done = subprocess.run(
        [linter, *ignore, "-f", "json", file], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == [], text
    stages = text.split("\nFROM ")
    assert len(stages) == 2
    assert "USER 10001:10001" in stages[-1]
    assert text.rstrip().splitlines()[-1].startswith('CMD ["/bin/sh", "-c"')


def test_values_are_quoted_for_the_dockerfile() -> None:
    plan, names = PLANS["requirements"]
    assert r'A="say \"\$x\""' in render(plan, names)


ENGINE = """#!{python}
import json, os, sys, time
from pathlib import Path
state = Path({state!r})
with (state / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
verb = sys.argv[1]
if verb == "build":
    file = sys.argv[sys.argv.index("--file") + 1]
    print("Step 1:", Path(file).name)
    if "broken" in Path(file).read_text():
        print("failed to solve: dockerfile parse error", file=sys.stderr)
        sys.exit(1)
elif verb == "run":
    env = dict(line.split("=", 1) for line in Path(
        sys.argv[sys.argv.index("--env-file") + 1]).read_text().splitlines())
    from http.server import BaseHTTPRequestHandler, HTTPServer
    class H(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.end_headers(); self.wfile.write(env["GREETING"].encode())
    server = HTTPServer(("127.0.0.1", int(env["PORT"])), H)
    # Only now, because here all ports of the machine look like the container's.
    (state / "pid").write_text(str(os.getpid()))
    server.serve_forever()
elif verb == "inspect":
    template = sys.argv[3]
    pid = state / "pid"
    if "Pid" in template: print(pid.read_text() if pid.exists() else 0, "127.0.0.1")
    else: print("false")
elif verb == "image":
    print(json.dumps([{repository!r} + "@sha256:" + "ab" * 32]) if "Repo" in sys.argv[4] else 1234)
elif verb == "login":
    (state / "password").write_text(sys.stdin.read())
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


def run(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    **plan: Any,
) -> list[list[str]]:
    """A whole build with an engine that only pretends; what it was told."""
    repository = f"127.0.0.1:{cloud.port}/{REPOSITORY}"
    engine = tmp_path / "engine"
    engine.write_text(
        ENGINE.format(python=sys.executable, state=str(tmp_path), repository=repository)
    )
    engine.chmod(0o755)
    env = {
        "SLIPWAY_CONTAINER_ENGINE": str(engine),
        "PATH": "/usr/bin:/bin",
        "SLIPWAY_REGISTRY_USERNAME": "me",
        "SLIPWAY_REGISTRY_PASSWORD": "pass",
    }
    monkeypatch.setattr(program, "load_ground", lambda _name: ContainerGround(env))
    tests = [{"request": {"path": "/"}, "expect": {"text": "hello"}}]
    cloud.put_order(
        zipped(files),
        {
            "runtime": "python",
            "start_command": "python a.py",
            "tests": tests,
            "port": free_port(),
            **plan,
        },
        variables={"GREETING": "hello"},
    )
    storage = Storage(cloud.env)
    order = Order.parse(storage.read(Location("artifacts", "order.json")))
    program.carry_out(order, storage, cloud.env, time.perf_counter())
    return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def test_an_image_is_built_tried_and_only_then_pushed(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = run(cloud, tmp_path, monkeypatch, {"a.py": "x"})
    report = cloud.report()
    assert report["state"] == "succeeded", report
    assert report["image"] == f"127.0.0.1:{cloud.port}/{REPOSITORY}@sha256:{'ab' * 32}"
    assert report["size_bytes"] == 1234
    verbs = [call[0] for call in calls]
    assert verbs.index("run") < verbs.index("rm") < verbs.index("login") < verbs.index("push")
    started = next(call for call in calls if call[0] == "run")
    assert {"--cap-drop", "--memory", "--pids-limit", "no-new-privileges"} <= set(started)
    assert "hello" not in " ".join(started)
    assert (tmp_path / "password").read_text() == "pass"


def test_a_broken_dockerfile_does_not_stop_a_source_that_is_understood(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"a.py": "x", "Dockerfile": "broken"}
    calls = run(cloud, tmp_path, monkeypatch, files, dockerfile="Dockerfile")
    assert [call[0] for call in calls].count("build") == 2
    assert cloud.report()["state"] == "succeeded"
    assert "could not be built" in cloud.report()["warnings"][0]


def test_a_broken_dockerfile_alone_fails_with_its_last_words(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"Dockerfile": "broken"}
    run(cloud, tmp_path, monkeypatch, files, runtime="dockerfile", dockerfile="Dockerfile")
    report = cloud.report()
    assert report["state"] == "failed"
    assert "dockerfile parse error" in report["reasons"][0]["detail"]


def test_a_machine_without_an_engine_says_so(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"SLIPWAY_CONTAINER_ENGINE": "/nowhere/docker"}
    monkeypatch.setattr(program, "load_ground", lambda _name: ContainerGround(env))
    cloud.put_order(zipped({"a.py": "x"}), {"runtime": "python", "start_command": "python a.py"})
    storage = Storage(cloud.env)
    order = Order.parse(storage.read(Location("artifacts", "order.json")))
    assert program.carry_out(order, storage, cloud.env, time.perf_counter()) == 1
    assert cloud.report()["reasons"][0]["code"] == "engine_missing"
