"""A release as data: the steps that bring one image into service at the host.

Planning is pure; an adapter carries the steps out one by one and decides nothing. The same plan
is the preview people see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.deployments import Deployment


@dataclass(frozen=True)
class EnsureService:
    """A service with this name exists; found by name before it is made."""

    name: str


@dataclass(frozen=True)
class Configure:
    """How the service runs. Every value is sent each time: the host forgets what is left out."""

    image: str
    start_command: str | None
    health_path: str | None
    health_timeout_seconds: int
    replicas: int
    restart_policy: str
    restart_retries: int
    draining_seconds: int
    overlap_seconds: int
    sleep: bool


@dataclass(frozen=True)
class SetLimits:
    """CPU in cores, memory in GB (10^9 bytes)."""

    cpu: float
    memory_gb: float


@dataclass(frozen=True)
class SetVariables:
    """All variables of the service; what is not here is removed. Does not deploy."""

    variables: Mapping[str, str]


@dataclass(frozen=True)
class EnsureDomain:
    """The service has a public address."""


@dataclass(frozen=True)
class Deploy:
    """Start exactly one deployment of the configuration above."""


Step = EnsureService | Configure | SetLimits | SetVariables | EnsureDomain | Deploy

DRAINING_SECONDS = 10
RESTART_RETRIES = 5


def service_name(agent_id: str, environment: str) -> str:
    """A name no other agent's service has, short enough for a DNS label with a suffix."""
    name = agent_id.replace("_", "-")
    return name if environment == "production" else f"{name}-{environment}"[:48]


def plan_release(deployment: Deployment, variables: Mapping[str, str]) -> tuple[Step, ...]:
    """The steps of this deployment's release. Pure."""
    plan = deployment.plan
    resources: Mapping[str, Any] = plan.get("resources") or {}
    return (
        EnsureService(service_name(deployment.agent_id, deployment.environment)),
        Configure(
            image=deployment.image,
            start_command=None,
            health_path=plan.get("health_path"),
            health_timeout_seconds=int(plan.get("health_timeout_seconds") or 60),
            replicas=int(resources.get("replicas") or 1),
            restart_policy="ON_FAILURE",
            restart_retries=RESTART_RETRIES,
            draining_seconds=DRAINING_SECONDS,
            overlap_seconds=0,
            sleep=bool(resources.get("sleep", False)),
        ),
        SetLimits(
            cpu=float(resources.get("cpu") or 1),
            memory_gb=float(resources.get("memory_mb") or 512) / 1000,
        ),
        SetVariables(release_variables(deployment, variables)),
        EnsureDomain(),
        Deploy(),
    )


HOST_REFERENCE = "${{"
"""How the host's own references begin. All agents are services of one project there, so a value
with one could name another tenant's variable; there is no way to escape it."""


def release_variables(deployment: Deployment, variables: Mapping[str, str]) -> dict[str, str]:
    """The manifest's defaults, then the environment's own, then what Slipway says about itself."""
    plan = deployment.plan
    merged: dict[str, str] = {**(plan.get("env") or {}), **variables}
    if plan.get("port"):
        # The host probes the port in PORT, so an agent with a fixed one must say so.
        merged.setdefault("PORT", str(plan["port"]))
    merged["SLIPWAY_AGENT_ID"] = deployment.agent_id
    merged["SLIPWAY_VERSION"] = str(deployment.version_number)
    merged["SLIPWAY_DEPLOYMENT_ID"] = deployment.id
    merged["SLIPWAY_ENVIRONMENT"] = deployment.environment
    return merged
