"""What agent.yaml sets is shown by the plan before it is applied, and is at the host afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from chalicelib.domain.manifest import model
from tests.conftest import PYTHON_AGENT, World

PARTS: dict[str, Any] = {
    "health": model.Health,
    "resources": model.Resources,
    "restart": model.Restart,
    "shutdown": model.Shutdown,
}
BASE: dict[str, dict[str, Any]] = {
    "health": {"path": "/health", "timeout_seconds": 20},
    "resources": {"cpu": 1, "memory_mb": 512, "replicas": 1, "sleep": False},
    "restart": {"policy": "on_failure", "retries": 5},
    "shutdown": {"grace_seconds": 10, "overlap_seconds": 0},
}
CHANGES: dict[tuple[str, str], tuple[Any, str, Any]] = {
    ("health", "path"): ("/ready", "health_path", "/ready"),
    ("health", "timeout_seconds"): (41, "health_timeout_seconds", 41),
    ("resources", "cpu"): (0.5, "cpu", 0.5),
    ("resources", "memory_mb"): (700, "memory_gb", 0.7),
    ("resources", "replicas"): (3, "replicas", 3),
    ("resources", "sleep"): (True, "sleep", True),
    ("restart", "policy"): ("never", "restart_policy", "NEVER"),
    ("restart", "retries"): (2, "restart_retries", 2),
    ("shutdown", "grace_seconds"): (33, "draining_seconds", 33),
    ("shutdown", "overlap_seconds"): (7, "overlap_seconds", 7),
}
"""What each field is changed to, and what the plan then names with which value."""


def source(**parts: Any) -> dict[str, str]:
    return {**PYTHON_AGENT, "agent.yaml": yaml.safe_dump({**BASE, **parts})}


def test_every_field_of_these_parts_is_tried_here() -> None:
    fields = {(part, name) for part, kind in PARTS.items() for name in kind.model_fields}
    assert fields == set(CHANGES)


@pytest.mark.parametrize(("part", "name"), CHANGES, ids=lambda one: one)
def test_a_field_shows_in_the_plan_and_reaches_the_host(world: World, part: str, name: str) -> None:
    value, told, after = CHANGES[(part, name)]
    who = world.founded()
    agent = world.agent(who)
    first = world.finish_build(world.upload(who, agent, source(), deploy=True))
    live = world.run_machine(who, str(first.deployment_id))
    changed = source(**{part: {**BASE[part], name: value}})
    second = world.finish_build(world.upload(who, agent, changed))
    plan = world.platform.previews.of(
        who, agent.id, version_id=second.id, environment=live.environment
    )
    seen = {change.name: change.after for change in plan.changes}
    assert seen == {told: after, "image": second.image}
    deployed = world.platform.deployments.request(
        who, agent.id, version_id=second.id, environment=live.environment
    )
    world.run_machine(who, deployed.id)
    configured = world.host.inspect(live.host.service_id)
    assert configured is not None
    assert configured.settings[told] == after


def test_variables_and_a_fixed_port_show_by_name(world: World) -> None:
    who = world.founded()
    agent = world.agent(who)
    first = world.finish_build(world.upload(who, agent, source(), deploy=True))
    live = world.run_machine(who, str(first.deployment_id))
    more = source(port=9000, env=[{"name": "SIZE", "default": "7"}])
    second = world.finish_build(world.upload(who, agent, more))
    plan = world.platform.previews.of(
        who, agent.id, version_id=second.id, environment=live.environment
    )
    assert {c.name: (c.before, c.after) for c in plan.variable_changes} == {
        "PORT": (None, "set"),
        "SIZE": (None, "set"),
    }
