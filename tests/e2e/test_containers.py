"""The templates' Dockerfiles, built and run by a real container engine.

Nothing outside one temporary folder is touched: images and containers live there, the network is
the host's own (no bridge, no firewall rules), and the base images are made on the spot.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import pytest

from chalicelib.domain.manifest import parse_manifest
from infra.templates import FOLDER
from tests.e2e.base_image import RUST_AT, rust_sysroot, write_base
from tests.infra.template_calls import ask, free_port

NAMES = ("python", "nodejs", "rust", "static")
TOOLS = ("buildah", "podman", "runc", "dpkg-deb", "node", "npm", "rustc")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HEALTHY_WITHIN = 60

pytestmark = pytest.mark.containers


@dataclass(frozen=True)
class Engine:
    """Buildah and podman on a store of their own."""

    work: Path
    driver: str

    @property
    def store(self) -> list[str]:
        """Where images and containers are kept."""
        folders = ["--root", f"{self.work}/s", "--runroot", f"{self.work}/r"]
        return [*folders, "--storage-driver", self.driver]

    def podman(self, *command: str, check: bool = True) -> str:
        """Run podman; what it printed."""
        managed = ["--cgroup-manager", "cgroupfs", "--runtime", "runc"]
        return call(["podman", *self.store, *managed, *command], check=check)

    def build(self, name: str) -> str:
        """Build one template; the image's name."""
        image = f"localhost/slipway-{name}:test"
        command = ["buildah", *self.store, "bud", "--isolation", "chroot", "--network", "host"]
        command += ["--pull-never", "--layers", "--tag", image]
        if name == "rust":
            command += ["--volume", f"{rust_sysroot()}:{RUST_AT}:ro"]
        call([*command, str(FOLDER / name)])
        return image


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine whose store holds every base image the Dockerfiles name."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        lack = f"{', '.join(missing)} to be installed" if missing else "root"
        message = f"Container tests need {lack}; tests/e2e/apt-packages.txt lists the packages."
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    # A short path: podman keeps sockets below it, and their names may have 107 characters.
    work = Path(tempfile.mkdtemp(prefix="slipway-c-", dir="/tmp"))
    made = Engine(work, driver_for(work))
    try:
        base = work / "base.tar"
        write_base(base, work, FOLDER / "python" / "requirements.txt")
        first, *others = sorted(base_names())
        made.podman("import", "--quiet", "--change", f"ENV PATH={PATH}", str(base), first)
        made.podman("tag", first, *others)
        base.unlink()
        yield made
    finally:
        made.podman("rm", "--all", "--force", "--time", "0", check=False)
        call(["buildah", *made.store, "rm", "--all"], check=False)
        for mount in mounts_below(work):
            call(["umount", "--lazy", mount], check=False)
        shutil.rmtree(work)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_runs_in_its_own_image(name: str, engine: Engine) -> None:
    manifest = parse_manifest((FOLDER / name / "agent.yaml").read_bytes()).to_json()
    image = engine.build(name)
    port = free_port()
    container = f"slipway-{name}-{os.getpid()}"
    command = ["run", "--detach", "--name", container, "--pull=never", "--network", "host"]
    # As little as a strict host would give: no rights, nothing to write to but /tmp.
    command += ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "all"]
    command += ["--security-opt", "no-new-privileges", "--env", f"PORT={port}"]
    # Raising a limit is refused on some machines; these can be had everywhere.
    command += ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=512:512"]
    try:
        engine.podman(*command, image)
        wait_for_health(engine, container, port, manifest["health"]["path"])
        faults = {test["name"]: ask(port, test) for test in manifest["tests"]}
        assert faults == dict.fromkeys(faults, "")
        assert engine.podman("exec", container, "sh", "-c", "id -u").strip() != "0"

        engine.podman("stop", "--time", "15", container)
        code = engine.podman("inspect", "--format", "{{.State.ExitCode}}", container).strip()
        assert code == "0", "it leaves in good order when the engine asks it to"
        lines = [json.loads(line) for line in engine.podman("logs", container).splitlines()]
        assert lines
        assert all({"timestamp", "level", "message"} <= line.keys() for line in lines)
    finally:
        engine.podman("rm", "--force", "--time", "0", container, check=False)


def base_names() -> set[str]:
    """Every image the Dockerfiles start from, in full."""
    names: set[str] = set()
    for name in NAMES:
        text = (FOLDER / name / "Dockerfile").read_text()
        names.update(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    return {f"docker.io/library/{name}" for name in names}


def driver_for(work: Path) -> str:
    """Overlay where the kernel lets us mount one here, else plain copies, which are slower."""
    folders = [work / "probe" / part for part in ("lower", "upper", "work", "merged")]
    for folder in folders:
        folder.mkdir(parents=True)
    lower, upper, inner, merged = folders
    options = f"lowerdir={lower},upperdir={upper},workdir={inner}"
    mounted = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, str(merged)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode == 0:
        call(["umount", str(merged)])
    return "overlay" if mounted.returncode == 0 else "vfs"


def wait_for_health(engine: Engine, container: str, port: int, path: str) -> None:
    """Return once the container's health path answers 200."""
    deadline = time.monotonic() + HEALTHY_WITHIN
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as response:
                assert response.status == 200
                return
        except (OSError, HTTPException):
            time.sleep(0.05)
    output = engine.podman("logs", container, check=False)
    pytest.fail(f"{container} was not healthy within {HEALTHY_WITHIN} s:\n{output}")


def mounts_below(folder: Path) -> list[str]:
    """What is still mounted there, innermost first."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((path for path in mounted if path.startswith(f"{folder}/")), reverse=True)


def call(command: list[str], *, check: bool = True) -> str:
    """Run a program; its standard output, or a failure that shows all it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)
    return done.stdout
