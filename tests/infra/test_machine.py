"""The deployment machine: valid, closed, and choosing as the steps' outcomes say."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.deployments import DeploymentState
from chalicelib.errors import Unavailable
from tests.conftest import World

ROOT = Path(__file__).parents[2]
MACHINE_FILE = ROOT / "infra" / "deploy.asl.json"
VALIDATOR = ROOT / ".local" / "npm" / "node_modules" / ".bin" / "asl-validator"
MACHINE = json.loads(MACHINE_FILE.read_text())
STATES: dict[str, dict[str, Any]] = MACHINE["States"]


def nexts(state: dict[str, Any]) -> Iterator[str]:
    """Everywhere a state can lead."""
    for rule in [state, *state.get("Choices", []), *state.get("Catch", [])]:
        if "Next" in rule:
            yield rule["Next"]
    if "Default" in state:
        yield state["Default"]


class Simulator:
    """Walks the machine as the engine does: tasks are called, choices look at `$.next`."""

    def __init__(self, world: World, org_id: str, deployment_id: str) -> None:
        self.world = world
        self.data: dict[str, Any] = {"org_id": org_id, "deployment_id": deployment_id}
        self.path: list[str] = []

    def run(self, limit: int = 500) -> list[str]:
        name = MACHINE["StartAt"]
        for _ in range(limit):
            self.path.append(name)
            state = STATES[name]
            if state["Type"] == "Succeed":
                return self.path
            name = getattr(self, state["Type"].lower())(state)
        raise AssertionError("the machine does not end")

    def task(self, state: dict[str, Any]) -> str:
        payload = state["Parameters"]["Payload"]
        step = payload["step"]
        tries = 1 + state["Retry"][0]["MaxAttempts"]
        for _ in range(tries):
            try:
                outcome = self.world.platform.releases.step(
                    step, self.data["org_id"], self.data["deployment_id"]
                )
            except RuntimeError:
                continue
            self.data = outcome.to_json(self.data["org_id"], self.data["deployment_id"])
            return str(state["Next"])
        self.data["error"] = {}
        return str(state["Catch"][0]["Next"])

    def choice(self, state: dict[str, Any]) -> str:
        for rule in state["Choices"]:
            assert rule["Variable"] == "$.next"
            if self.data["next"] == rule["StringEquals"]:
                return str(rule["Next"])
        return str(state["Default"])

    def wait(self, state: dict[str, Any]) -> str:
        assert state["SecondsPath"] == "$.wait_seconds"
        assert self.data["wait_seconds"] >= 1
        self.world.clock.sleep(self.data["wait_seconds"])
        return str(state["Next"])


def start(world: World) -> Simulator:
    who = world.sign_in()
    version = world.ready(who, world.agent(who), deploy=True)
    return Simulator(world, who.org_id, str(version.deployment_id))


def state_of(world: World, simulator: Simulator) -> DeploymentState:
    found = world.platform.turns.stored(simulator.data["org_id"], simulator.data["deployment_id"])
    assert found is not None
    return found.state


def test_the_validator_of_the_language_accepts_the_definition() -> None:
    done = _validate(MACHINE_FILE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_validator_would_refuse_a_definition_that_leads_nowhere(tmp_path: Path) -> None:
    broken = json.loads(MACHINE_FILE.read_text())
    broken["States"]["Watch"]["Next"] = "Nowhere"
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    assert _validate(tmp_path / "broken.json").returncode != 0


def _validate(definition: Path) -> subprocess.CompletedProcess[str]:
    """The emulator checks no definitions; this does. The function's name stands in the place of
    its address, which is known only when the stack is made."""
    text = definition.read_text().replace(
        "${DeployStepArn}", "arn:aws:lambda:us-east-1:000000000000:function:deploy-step"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(text)
        file.flush()
        return subprocess.run(
            [str(VALIDATOR), "--json-path", file.name], capture_output=True, text=True, check=False
        )


def test_every_state_is_reached_and_every_next_exists() -> None:
    reached = {MACHINE["StartAt"]}
    frontier = [MACHINE["StartAt"]]
    while frontier:
        for following in nexts(STATES[frontier.pop()]):
            assert following in STATES
            if following not in reached:
                reached.add(following)
                frontier.append(following)
    assert reached == set(STATES)


def test_every_task_has_a_time_limit_and_a_way_out() -> None:
    for name, state in STATES.items():
        if state["Type"] == "Task":
            assert state["TimeoutSeconds"] > 0
            assert state["Retry"]
            assert "Catch" in state or name == "GiveUp"


def test_the_straight_way_is_release_watch_verify(world: World) -> None:
    simulator = start(world)
    tasks = [name for name in simulator.run() if STATES[name]["Type"] == "Task"]
    assert tasks == ["Release", "Watch", "Verify"]
    assert state_of(world, simulator) is DeploymentState.LIVE


def test_a_host_that_takes_its_time_is_waited_for(world: World) -> None:
    simulator = start(world)
    world.host.outcome = "DEPLOYING"
    sleep, slept = world.clock.sleep, []

    def count(seconds: float) -> None:
        slept.append(seconds)
        sleep(seconds)
        if len(slept) == 30:
            world.host.set_status("host-0", "SUCCESS")

    world.clock.sleep = count  # type: ignore[method-assign]
    path = simulator.run()
    assert "WaitToWatch" in path
    assert state_of(world, simulator) is DeploymentState.LIVE


def test_a_host_that_is_away_for_a_while_is_tried_again(world: World) -> None:
    simulator = start(world)
    carry_out, failures = world.host.carry_out, [1, 2, 3]

    def away(*args: Any, **named: Any) -> Any:
        if failures:
            failures.pop()
            raise Unavailable("away", retry_after=2)
        return carry_out(*args, **named)

    world.host.carry_out = away  # type: ignore[method-assign]
    path = simulator.run()
    assert path.count("WaitToRelease") == 3
    assert state_of(world, simulator) is DeploymentState.LIVE


@pytest.mark.parametrize("broken", ["release", "watch", "verify"])
def test_a_step_that_always_breaks_ends_in_a_failed_deployment(world: World, broken: str) -> None:
    simulator = start(world)
    step = world.platform.releases.step

    def breaking(name: str, org_id: str, deployment_id: str) -> Any:
        if name == broken:
            raise RuntimeError("a bug of ours")
        return step(name, org_id, deployment_id)

    object.__setattr__(world.platform.releases, "step", breaking)
    path = simulator.run()
    assert path[-2:] == ["GiveUp", "Done"]
    assert state_of(world, simulator) is DeploymentState.FAILED


def test_a_deployment_that_has_ended_needs_no_step(world: World) -> None:
    simulator = start(world)
    who = world.sign_in()
    world.platform.deployments.cancel(who, simulator.data["deployment_id"])
    assert simulator.run() == ["Release", "Released?", "Done"]
