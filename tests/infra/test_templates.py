"""The agent templates hold what they promise: their own tests, their manifests, their images."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.archive import open_archive
from chalicelib.domain.inference import infer
from chalicelib.domain.manifest import parse_manifest
from chalicelib.domain.plan import Plan
from chalicelib.domain.smoke import judge
from infra.build.static_site import StaticSite
from infra.templates import FOLDER, pack, publishable, source_files
from tests.infra.template_calls import ask, free_port

NAMES = ("nodejs", "python", "rust", "static")
DEFAULT_PORTS = {"python": "8000", "nodejs": "3000", "rust": "8080", "static": "8080"}
OWN_TESTS = {
    "python": [sys.executable, "-W", "error", "-m", "unittest"],
    "nodejs": ["node", "--test"],
    "rust": ["cargo", "test", "--quiet", "--offline", "--locked"],
    "static": ["node", "--test"],
}
START = {
    "python": [sys.executable, "main.py"],
    "nodejs": ["node", "server.js"],
    "rust": ["target/release/table-profiler"],
}
# Names that would tie a lock file to one registry, or a source to somebody's machine.
HOSTS = re.compile(
    r"registry|pypi|crates\.io|npmjs|unpkg|jsdelivr|/root/|/home/|localhost:\d+/", re.IGNORECASE
)


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each template unpacked from its archive: what a person gets, away from the repository."""
    top = tmp_path_factory.mktemp("templates")
    for name in NAMES:
        pack(name, top / f"{name}.zip")
        with zipfile.ZipFile(top / f"{name}.zip") as archive:
            archive.extractall(top / name)
    return {name: top / name for name in NAMES}


@pytest.fixture(scope="module")
def rust_build(checkouts: dict[str, Path]) -> Path:
    """The Rust template, built as the platform builds it."""
    needed("rust")
    command = ["cargo", "build", "--quiet", "--release", "--offline", "--locked"]
    run(command, checkouts["rust"])
    return checkouts["rust"]


@pytest.fixture(params=NAMES)
def answer(
    request: pytest.FixtureRequest, checkouts: dict[str, Path]
) -> Iterator[tuple[str, Callable[[dict[str, Any]], str]]]:
    """A started template by name, and what is wrong with its answer to one of its tests."""
    name = request.param
    needed(name)
    if name == "static":
        site = StaticSite.open(checkouts[name], Plan("static", static_dir="site"))
        yield name, lambda test: ask_site(site, test)
        return
    if name == "rust":
        request.getfixturevalue("rust_build")
    port = free_port()
    env = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1"}
    agent = subprocess.Popen(
        START[name], cwd=checkouts[name], env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for(port)
        yield name, lambda test: ask(port, test)
    finally:
        agent.terminate()
        output, _ = agent.communicate(timeout=60)
    assert agent.returncode == 0, "SIGTERM is an orderly way to end"
    lines = [json.loads(line) for line in output.splitlines()]
    assert all({"timestamp", "level", "message"} <= line.keys() for line in lines)
    assert lines[-1]["message"] == "stopped"


def test_all_four_are_published_with_what_people_choose_by() -> None:
    templates = publishable()
    assert [template.name for template in templates] == list(NAMES)
    assert [template.runtime for template in templates] == list(NAMES)
    assert len({template.category for template in templates}) == len(NAMES)
    assert all(template.title and template.description for template in templates)


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_says_everything(name: str) -> None:
    manifest = parse_manifest((FOLDER / name / "agent.yaml").read_bytes())
    said = manifest.to_json()
    wanted = {"name", "description", "category", "runtime", "version", "health", "tests"}
    assert wanted <= said.keys()
    assert name == "static" or said["start"]["command"]
    assert any("json" in test["expect"] for test in said["tests"])


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_understood_without_findings(name: str, tmp_path: Path) -> None:
    pack(name, tmp_path / "source.zip")
    archive = open_archive(tmp_path / "source.zip", "source.zip")
    manifest = parse_manifest(archive.read("agent.yaml")).to_json()
    inference = infer(archive, manifest)
    assert inference.plan is not None
    assert inference.plan.runtime == name
    assert inference.plan.health_path == manifest["health"]["path"]
    assert [finding for finding in inference.findings if finding.level != "info"] == []


@pytest.mark.parametrize("name", NAMES)
def test_without_its_manifest_a_template_is_still_recognised(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(FOLDER / name, source, ignore=shutil.ignore_patterns("agent.yaml", "target"))
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as archive:
        for path in sorted(source.rglob("*")):
            archive.write(path, path.relative_to(source))
    plan = infer(open_archive(tmp_path / "source.zip", "source.zip")).plan
    assert plan is not None
    assert plan.runtime == name


@pytest.mark.parametrize("name", NAMES)
def test_its_own_tests_pass_where_a_person_unpacks_it(
    name: str, checkouts: dict[str, Path]
) -> None:
    needed(name)
    run(OWN_TESTS[name], checkouts[name])


def test_the_tests_in_the_manifest_hold(
    answer: tuple[str, Callable[[dict[str, Any]], str]],
) -> None:
    name, fault = answer
    tests = parse_manifest((FOLDER / name / "agent.yaml").read_bytes()).to_json()["tests"]
    assert {test["name"]: fault(test) for test in tests} == {test["name"]: "" for test in tests}


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_finds_nothing(name: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    run([str(hadolint), "--no-color", "Dockerfile"], FOLDER / name)


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_built_in_stages_and_runs_as_nobody_special(name: str) -> None:
    dockerfile = (FOLDER / name / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(stages) == 2
    assert all(re.search(r":[\d.]+|:[a-z]+-slim$", stage) for stage in stages), "tags are pinned"
    user = re.findall(r"^USER (\d+):\d+$", dockerfile, re.MULTILINE)
    assert int(user[-1]) > 0
    assert f"PORT={DEFAULT_PORTS[name]}" in dockerfile
    assert f"EXPOSE {DEFAULT_PORTS[name]}" in dockerfile
    assert "HEALTHCHECK" not in dockerfile
    ignored = (FOLDER / name / ".dockerignore").read_text().splitlines()
    assert "*" in ignored, "only what is named gets into an image"


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_shows_how_to_call_run_test_and_change_it(name: str) -> None:
    readme = (FOLDER / name / "README.md").read_text()
    command = OWN_TESTS[name][-1] if name == "python" else " ".join(OWN_TESTS[name][:2])
    assert "curl" in readme
    assert command in readme or "npm test" in readme
    assert "## Change it" in readme


@pytest.mark.parametrize("name", NAMES)
def test_nothing_names_a_registry_or_a_machine(name: str) -> None:
    for path in source_files(FOLDER / name):
        assert not HOSTS.search(path.read_text()), path


def test_locks_pin_every_dependency() -> None:
    locked = (FOLDER / "python" / "requirements.txt").read_text()
    pins = re.findall(
        r"^(\S+)==\S+(?: ;[^\\]*)? \\\n(?: +--hash=sha256:[0-9a-f]{64}\s*\\?\n?)+",
        locked,
        re.MULTILINE,
    )
    assert {"starlette", "uvicorn", "anyio", "h11"} <= set(pins)
    assert len(pins) == len(re.findall(r"^\w", locked, re.MULTILINE))
    package = json.loads((FOLDER / "nodejs" / "package-lock.json").read_text())
    assert list(package["packages"]) == [""], "a new dependency needs `resolved` left out"
    assert 'name = "table-profiler"' in (FOLDER / "rust" / "Cargo.lock").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_is_small_and_always_the_same(name: str, tmp_path: Path) -> None:
    digest = pack(name, tmp_path / "one.zip")
    copied = tmp_path / "templates"
    shutil.copytree(FOLDER / name, copied / name)
    for leftover in ("target/debug/x", "node_modules/y/z.js", "__pycache__/a.pyc", ".venv/bin/b"):
        (copied / name / leftover).parent.mkdir(parents=True, exist_ok=True)
        (copied / name / leftover).write_text("left behind")
    for path in (copied / name).rglob("*"):
        os.utime(path, (0, 0))
    assert pack(name, tmp_path / "two.zip", copied) == digest
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert (tmp_path / "one.zip").stat().st_size < 100_000


def test_a_template_that_cannot_be_published_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no agent templates"):
        publishable(tmp_path)
    with pytest.raises(FileNotFoundError, match="no agent template 'go'"):
        pack("go", tmp_path / "x.zip", tmp_path)
    (tmp_path / "go").mkdir()
    (tmp_path / "go" / "agent.yaml").write_text("name: Go\n")
    with pytest.raises(ValueError, match="must say name, description, category and runtime"):
        publishable(tmp_path)
    (tmp_path / "go" / "link").symlink_to("agent.yaml")
    with pytest.raises(ValueError, match="is a link"):
        pack("go", tmp_path / "x.zip", tmp_path)


def needed(name: str) -> None:
    """Skip where the runtime is not installed; in CI that is a failure."""
    program = OWN_TESTS[name][0]
    if shutil.which(program) is None:
        message = f"{program} is not installed, so the {name} template cannot be tried."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def run(command: list[str], folder: Path) -> None:
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("CARGO_TARGET_DIR", None)
    env.pop("NODE_TEST_CONTEXT", None)
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def wait_for(port: int) -> None:
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.025)
        else:
            return
    pytest.fail("the agent did not listen within ten seconds")


def ask_site(site: StaticSite, test: dict[str, Any]) -> str:
    found = site.answer(test["request"]["method"], test["request"]["path"])
    return judge(test["expect"], found.status, found.headers, found.body)
