"""The workflow that the documents show, run step by step as a GitHub runner would run it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml

from infra.local.first import Person
from tests.e2e.conftest import ROOT, LocalCloud
from tests.e2e.sources import python, server

PAGE = ROOT / "docs" / "github-actions.md"
FAILING = "tests:\n  - name: teapot\n    request: {path: /}\n    expect: {status: 418}\n"


def job() -> dict[str, Any]:
    """The one job of the document's workflow."""
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(block)["jobs"]["deploy"]
    return found


class Runner:
    """What a GitHub runner gives to the steps: a checkout, a folder, an environment, its shell."""

    def __init__(self, folder: Path, files: Mapping[str, str], env: Mapping[str, str]) -> None:
        self.checkout = folder / "work"
        self.temp = folder / "temp"
        for made in (self.checkout, self.temp):
            made.mkdir()
        for name, content in files.items():
            (self.checkout / name).write_text(content)
        for command in (
            ("init", "--quiet"),
            ("add", "."),
            ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-qm", "One"),
        ):
            subprocess.run(["git", *command], cwd=self.checkout, check=True)
        self.summary = folder / "summary.md"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_RUN_ID": uuid4().hex,
            "GITHUB_RUN_ATTEMPT": "1",
            **env,
        }

    def run(self) -> tuple[int, str]:
        """The steps in order, up to the first that fails; its exit code, and all that was said."""
        said = ""
        for number, step in enumerate(job()["steps"]):
            if "uses" in step:
                assert step["uses"].startswith("actions/checkout@")
                continue
            script = self.temp / f"step{number}.sh"
            script.write_text(step["run"])
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
                cwd=self.checkout,
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=240,
            )
            said += done.stdout
            if done.returncode:
                return done.returncode, said
        return 0, said


def environment(cloud: LocalCloud, agent_id: str, token: str) -> dict[str, str]:
    """The job's own environment, with this cloud's values for the document's."""
    given = {"SLIPWAY_URL": cloud.web_url, "SLIPWAY_AGENT": agent_id, "SLIPWAY_TOKEN": token}
    assert set(job()["env"]) == set(given)
    assert job()["env"]["SLIPWAY_TOKEN"] == "${{ secrets.SLIPWAY_TOKEN }}"
    return given


@pytest.fixture
def token(person: Person, agent: dict[str, Any]) -> str:
    """For deploying this agent, and nothing else."""
    wish = {"name": "Actions", "scope": "deploy", "agent_id": agent["id"]}
    return str(person.create("/tokens", wish)["token"])


def test_the_workflow_deploys_what_is_checked_out(
    cloud: LocalCloud, agent: dict[str, Any], token: str, tmp_path: Path
) -> None:
    files = python("health:\n  path: /\n", main_py=server())
    runner = Runner(tmp_path, files, environment(cloud, agent["id"], token))
    code, said = runner.run()
    assert code == 0, said
    found = re.search(r"Live at (\S+)", said)
    assert found is not None
    assert httpx.get(found[1], trust_env=False).text == "served"
    assert found[0] in runner.summary.read_text()
    assert token not in said


def test_the_workflow_fails_with_the_reasons(
    cloud: LocalCloud, agent: dict[str, Any], token: str, tmp_path: Path
) -> None:
    files = python(f"health:\n  path: /\n{FAILING}", main_py=server())
    code, said = Runner(tmp_path, files, environment(cloud, agent["id"], token)).run()
    assert code == 1
    assert "::error::The version ended failed." in said
    assert "teapot" in said


def test_the_workflow_says_what_is_wrong_with_its_token(
    cloud: LocalCloud, agent: dict[str, Any], tmp_path: Path
) -> None:
    files = python(main_py=server())
    code, said = Runner(tmp_path, files, environment(cloud, agent["id"], "slp_nonsense")).run()
    assert code != 0
    assert "returned error: 401" in said
    assert "not a Slipway API token" in said
