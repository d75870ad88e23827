"""The packed build program on the real sandbox: what comes out, and what cannot happen."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.build.pack import pack
from infra.local.ground.boxes import proven
from tests.unit.build_stage import SERVER, Cloud, zipped

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "agent-templates"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One machine's build data, shared by the tests so that its caches are warm."""
    folder = tmp_path_factory.mktemp("machine")
    isolation = proven(folder)
    if not isolation.usable:
        pytest.skip(f"no isolation here: {isolation.reason}")
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as it is published."""
    target = tmp_path_factory.mktemp("program") / "slipway-build.pyz"
    pack(target)
    return target


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


class Machine:
    """Runs the program as CodeBuild does."""

    def __init__(self, cloud: Cloud, data: Path, program: Path) -> None:
        self.cloud = cloud
        self._argv = [sys.executable, str(program)]
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(ROOT),
            "SLIPWAY_DATA": str(data),
            "SLIPWAY_BUILD_GROUND": "infra.local.ground:LocalGround",
            "SLIPWAY_ORDER_BUCKET": "artifacts",
            "SLIPWAY_ORDER_KEY": "order.json",
            **cloud.env,
        }

    def order(self, files: Mapping[str, str | bytes], plan: Mapping[str, Any], **more: Any) -> None:
        limits = {"build_seconds": 60, "start_seconds": 20, "test_seconds": 20, "disk_mb": 200}
        limits |= more.pop("limits", {})
        plan = {"runtime": "python", "start_command": "python main.py", **plan}
        self.cloud.put_order(zipped(files), plan, limits=limits, **more)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._argv, env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def run(self) -> dict[str, Any]:
        with self.start() as process:
            process.wait(120)
        return self.cloud.report()

    def build(
        self, files: Mapping[str, str | bytes], plan: Mapping[str, Any], **more: Any
    ) -> dict[str, Any]:
        self.order(files, plan, **more)
        return self.run()


@pytest.fixture
def machine(cloud: Cloud, data: Path, program: Path) -> Machine:
    return Machine(cloud, data, program)


def template(name: str) -> dict[str, str | bytes]:
    folder = TEMPLATES / name
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {"target", "__pycache__"} & set(path.parts)
    }


def test_a_python_source_without_dependencies(machine: Machine, data: Path) -> None:
    tests = [{"request": {"path": "/x"}, "expect": {"json": {"path": "/x"}}}]
    report = machine.build({"main.py": SERVER}, {"tests": tests})
    assert report["state"] == "succeeded", report["reasons"]
    assert "not on $PORT" not in machine.cloud.log_text()
    assert list((data / "builds" / "work").iterdir()) == []


def test_the_static_template(machine: Machine) -> None:
    plan = {"runtime": "static", "static_dir": "site", "start_command": None}
    report = machine.build(template("static"), plan)
    assert report["state"] == "succeeded", report["reasons"]


@pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no Node.js")
def test_the_nodejs_template(machine: Machine) -> None:
    plan = {"runtime": "nodejs", "installer": "npm", "start_command": "node server.js"}
    report = machine.build(template("nodejs"), {**plan, "health_path": "/health"})
    assert report["state"] == "succeeded", report["reasons"]


@pytest.mark.skipif(shutil.which("cargo") is None, reason="this machine has no Rust")
def test_the_rust_template(machine: Machine) -> None:
    plan = {
        "runtime": "rust",
        "installer": "cargo",
        "start_command": "./target/release/table-profiler",
        "include": ["target/release/table-profiler"],
    }
    report = machine.build(template("rust"), plan)
    assert report["state"] == "succeeded", report["reasons"]
    manifest = json.loads(machine.cloud.manifests["ver_1"])
    layer = machine.cloud.blobs[manifest["layers"][0]["digest"]]
    assert b"app/target/release/table-profiler\0" in layer
    assert b"app/src/main.rs\0" not in layer
    assert b"app/target/release/deps" not in layer


def test_an_unchanged_set_of_dependencies_is_not_installed_again(
    machine: Machine, data: Path
) -> None:
    # A dependency that needs no registry: a folder of the source's own.
    own = {
        "own/pyproject.toml": "[project]\nname='own'\nversion='1'\n"
        "[build-system]\nrequires=[]\nbuild-backend='backend'\nbackend-path=['.']\n",
        "own/backend.py": (
            "import zipfile\n"
            "def build_wheel(d, c=None, m=None):\n"
            "    n='own-1-py3-none-any.whl'\n"
            "    with zipfile.ZipFile(d+'/'+n,'w') as z:\n"
            "        z.writestr('own.py','VALUE=42')\n"
            "        z.writestr('own-1.dist-info/METADATA',"
            "'Metadata-Version: 2.1\\nName: own\\nVersion: 1\\n')\n"
            "        z.writestr('own-1.dist-info/WHEEL','Wheel-Version: 1.0\\nGenerator: x\\n"
            "Root-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
            "        z.writestr('own-1.dist-info/RECORD','')\n"
            "    return n\n"
        ),
        "requirements.txt": "./own\n",
        "main.py": "import own\n" + SERVER,
    }
    plan = {"installer": "requirements", "install_files": ["requirements.txt"]}
    first = machine.build(own, plan)
    assert first["state"] == "succeeded", first["reasons"]
    assert any("built from its source" in warning for warning in first["warnings"])
    second = machine.build(own, plan)
    assert second["state"] == "succeeded", second["reasons"]
    assert "from the cache" in machine.cloud.log_text()
    assert second["image"] == first["image"]
    other = machine.build(own, plan, org_id="org_2")
    assert "from the cache" not in machine.cloud.log_text()
    assert other["state"] == "succeeded"


def test_a_wheel_runs_nothing_while_the_shared_downloads_are_in_reach(
    machine: Machine, data: Path
) -> None:
    about = "Metadata-Version: 2.1\nName: bad\nVersion: 1\n"
    kind = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    names = ("bad.pth", "bad.py", "bad-1.dist-info/METADATA", "bad-1.dist-info/WHEEL")
    wheel = zipped(
        {
            "bad.pth": "import os; os.path.isdir('/build/uv') and open('/build/uv/BAD', 'w')\n",
            "bad.py": "VALUE = 1\n",
            "bad-1.dist-info/METADATA": about,
            "bad-1.dist-info/WHEEL": kind,
            "bad-1.dist-info/RECORD": "".join(
                f"{name},,\n" for name in (*names, "bad-1.dist-info/RECORD")
            ),
        }
    )
    files: dict[str, str | bytes] = {
        "main.py": "import bad\n" + SERVER,
        "requirements.txt": "./bad-1-py3-none-any.whl\n",
        "bad-1-py3-none-any.whl": wheel,
    }
    plan = {"installer": "requirements", "install_files": ["requirements.txt"]}
    report = machine.build(files, plan, org_id="org_wheel")
    assert report["state"] == "succeeded", report["reasons"]
    downloads = data / "builds/downloads/org_wheel"
    assert (downloads / "uv").is_dir()
    assert not list(downloads.rglob("BAD"))
    assert list((data / "builds/dependencies/org_wheel").rglob("bad.*.pyc"))


@pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no Node.js")
def test_a_folder_that_an_install_turns_into_a_link_ends_the_build(machine: Machine) -> None:
    swap = "mv /app/web /app/elsewhere && ln -s /root /app/web"
    files = {
        "readme.md": "x",
        "web/package.json": json.dumps({"name": "x", "dependencies": {"own": "file:./own"}}),
        "web/own/package.json": json.dumps(
            {"name": "own", "version": "1.0.0", "scripts": {"install": swap}}
        ),
    }
    plan = {"runtime": "nodejs", "installer": "npm", "root": "web", "start_command": "node x.js"}
    report = machine.build(files, plan)
    assert report["state"] == "failed"
    assert report["reasons"][0]["code"] == "build_path_is_a_link", machine.cloud.log_text()
    assert report["reasons"][0]["file"] == "web"


@pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no Node.js")
def test_a_source_with_its_own_git_reaches_no_shared_downloads(
    machine: Machine, data: Path
) -> None:
    files = {
        "package.json": json.dumps(
            {"name": "x", "optionalDependencies": {"zz": "git+https://github.com/x/y.git"}}
        ),
        ".npmrc": "git=/app/evil.sh\n",
        "evil.sh": "#!/bin/sh\ntouch /build/packages/BAD\necho EVIL\nexit 1\n",
        "main.py": SERVER,
    }
    plan = {"runtime": "nodejs", "installer": "npm", "build_command": "true"}
    machine.build(files, {**plan, "start_command": "python3 main.py"}, org_id="org_npm")
    assert "EVIL" not in machine.cloud.log_text()
    assert not (data / "builds/downloads/org_npm").exists()


def test_what_a_build_writes_into_bound_dependencies_changes_nobody_elses(
    machine: Machine,
) -> None:
    plan = {"build_command": "echo 'raise SystemExit(9)' > .venv/lib/python3*/site-packages/x.pth"}
    assert machine.build({"main.py": SERVER}, plan)["state"] == "failed"
    assert machine.build({"main.py": SERVER}, {})["state"] == "succeeded"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (
            "for i in 1 2 3 4 5 6; do head -c 100M /dev/zero > f$i; sleep 0.3; done",
            "build_disk_full",
        ),
        ("while :; do sleep 600 & done", "build_too_many_processes"),
        ("python -c 'x = bytearray(1 << 33)'", "build_out_of_memory"),
        ("exit 4", "build_command_failed"),
    ],
)
def test_a_build_that_runs_wild_ends_with_its_reason(
    machine: Machine, line: str, code: str
) -> None:
    report = machine.build({"main.py": SERVER}, {"build_command": line})
    assert report["state"] == "failed"
    assert report["reasons"][0]["code"] == code


def test_a_build_sees_no_credentials_and_reaches_no_neighbour(machine: Machine) -> None:
    check = (
        f'env; ls {ROOT} / /root; python -c "import socket; '
        f"socket.create_connection(('127.0.0.1', {machine.cloud.port}), 2)\" && echo REACHED"
    )
    machine.build({"main.py": SERVER}, {"build_command": check})
    text = machine.cloud.log_text()
    assert "AWS_SECRET_ACCESS_KEY=" not in text
    assert "SLIPWAY_" not in text.replace("SLIPWAY_BUILD", "")
    assert "pyproject.toml" not in text
    assert "\nREACHED" not in text


def test_a_stopped_build_ends_at_once_and_says_so(machine: Machine) -> None:
    machine.order({"main.py": SERVER}, {"build_command": "echo working; sleep 60"})
    with machine.start() as process:
        deadline = time.monotonic() + 20
        while "working" not in machine.cloud.log_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(45) == 1
    report = machine.cloud.report()
    assert report["state"] == "failed"
    assert report["reasons"][0]["code"] == "build_stopped"
