"""A release as data: the steps that bring one version into service at the host.

Planning is pure; an adapter carries the steps out one by one and decides nothing. The same plan
is the preview people see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Any, Protocol

from chalicelib.domain.deployments import Deployment, Environment
from chalicelib.values import frozen


class Strategy(StrEnum):
    """How a version reaches the host: as the image that was built and tested, or as its source."""

    IMAGE = "image"
    SOURCE = "source"


@frozen
class EnsureService:
    """A service with this name exists; found by name before it is made.

    `known` is the host's id of it from an earlier release, which saves looking.
    """

    name: str
    known: str = ""


@frozen
class Configure:
    """How the service runs. Every value is sent each time: the host forgets what is left out.

    Without an image the host builds what is uploaded.
    """

    image: str | None
    start_command: str | None
    health_path: str | None
    health_timeout_seconds: int
    replicas: int
    restart_policy: str
    restart_retries: int
    draining_seconds: int
    overlap_seconds: int
    sleep: bool


@frozen
class SetLimits:
    """CPU in cores, memory in GB (10^9 bytes)."""

    cpu: float
    memory_gb: float


@frozen
class SetVariables:
    """All variables of the service; what is not here is removed. Does not deploy."""

    variables: Mapping[str, str]


@frozen
class EnsureDomain:
    """The service has a public address; `known` is the one it has from an earlier release."""

    known: str = ""


@frozen
class Deploy:
    """Start exactly one deployment of the configuration above; `former` is not it."""

    former: str = ""


@frozen
class Upload:
    """Send the packed source, which the host builds and starts: exactly one deployment."""

    key: str
    former: str = ""


Step = EnsureService | Configure | SetLimits | SetVariables | EnsureDomain | Deploy | Upload

DRAINING_SECONDS = 10
RESTART_RETRIES = 5
SOURCE_IMAGE = "source@sha256:"
"""How what stands for a version's image begins when its source is what the host gets."""
CONTEXT = "context.tar.gz"
"""The packed source with its Dockerfile, among what the build leaves behind."""


def strategy_of(image: str) -> Strategy:
    return Strategy.SOURCE if image.startswith(SOURCE_IMAGE) else Strategy.IMAGE


class Named(Protocol):
    """What a host's own record of a deployment says about its image."""

    @property
    def image(self) -> str | None: ...

    @property
    def digest(self) -> str | None: ...


def image_named(seen: Named) -> str | None:
    """What the host calls what it runs: its name, or its digest alone; None is neither."""
    return seen.image or (f"@{seen.digest}" if seen.digest else None)


def is_of_another(deployment: Deployment, seen: Named, others: Iterable[Deployment]) -> bool:
    """Whether the host runs what it once built of another version's source. Every source is
    built into an image of its own: its digest stands in the Dockerfile."""
    named = image_named(seen)
    return named is not None and any(
        one.confirmed_image == named and one.image != deployment.image for one in others
    )


def is_image_of(deployment: Deployment, seen: Named, others: Iterable[Deployment] = ()) -> bool:
    """Whether what the host names is what this deployment runs: for a source, what the host has
    built of it, which it may not name at all. Until that was confirmed, it can only be told from
    what was built of the `others`."""
    if strategy_of(deployment.image) is not Strategy.SOURCE:
        return seen.image == deployment.image
    if not deployment.proof:
        return not is_of_another(deployment, seen, others)
    return image_named(seen) == deployment.confirmed_image


def may_be_image_of(deployment: Deployment, seen: Named, others: Iterable[Deployment]) -> bool:
    """The same of a deployment that has perhaps only begun, when the host names nothing yet."""
    named = image_named(seen) if strategy_of(deployment.image) is Strategy.SOURCE else seen.image
    return named is None or is_image_of(deployment, seen, others)


def service_name(agent_id: str, environment: str) -> str:
    """A name no other agent's service has, short enough for a DNS label with a suffix."""
    name = agent_id.replace("_", "-")
    return name if environment == "production" else f"{name}-{environment}"[:48]


def plan_release(
    deployment: Deployment,
    variables: Mapping[str, str],
    environment: Environment | None = None,
    former: str = "",
) -> tuple[Step, ...]:
    """The steps of this deployment's release. Pure.

    `environment` tells what the host gave it before; `former` is the host's id of what serves.
    """
    plan = deployment.plan
    resources: Mapping[str, Any] = plan.get("resources") or {}
    restart: Mapping[str, Any] = plan.get("restart") or {}
    shutdown: Mapping[str, Any] = plan.get("shutdown") or {}
    is_image = strategy_of(deployment.image) is Strategy.IMAGE
    last: Step = Deploy(former)
    if not is_image:
        prefix = f"{deployment.org_id}/{deployment.agent_id}/{deployment.version_id}/"
        last = Upload(f"{prefix}{CONTEXT}", former)
    return (
        EnsureService(
            service_name(deployment.agent_id, deployment.environment),
            environment.service_id if environment else "",
        ),
        Configure(
            image=deployment.image if is_image else None,
            start_command=None,
            health_path=plan.get("health_path"),
            health_timeout_seconds=int(plan.get("health_timeout_seconds") or 60),
            replicas=int(resources.get("replicas") or 1),
            restart_policy=str(restart.get("policy") or "on_failure").upper(),
            restart_retries=_number(restart.get("retries"), RESTART_RETRIES),
            draining_seconds=_number(shutdown.get("grace_seconds"), DRAINING_SECONDS),
            overlap_seconds=_number(shutdown.get("overlap_seconds"), 0),
            sleep=bool(resources.get("sleep", False)),
        ),
        SetLimits(
            cpu=float(resources.get("cpu") or 1),
            memory_gb=float(resources.get("memory_mb") or 512) / 1000,
        ),
        SetVariables(release_variables(deployment, variables)),
        EnsureDomain(environment.domain if environment else ""),
        last,
    )


def settings_of(steps: tuple[Step, ...]) -> dict[str, Any]:
    """What a release sets at the host, by name; the variables are not among it."""
    settings: dict[str, Any] = {}
    for step in steps:
        if isinstance(step, Configure | SetLimits):
            settings |= asdict(step)
    return settings


@frozen
class Change:
    """One thing a release would change, from what it is to what it becomes."""

    name: str
    before: Any
    after: Any


def setting_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    return [
        Change(name, before.get(name), value)
        for name, value in after.items()
        if not _same(before.get(name), value)
    ]


def variable_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """By name only: `before` and `after` say whether there is a value, never which."""
    return [
        Change(name, "set" if name in before else None, "set" if name in after else None)
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float | int) and isinstance(other, float | int):
        return abs(float(one) - float(other)) < 1e-6
    return bool(one == other)


def _number(value: Any, default: int) -> int:
    return default if value is None else int(value)


HOST_REFERENCE = "${{"
"""How the host's own references begin. All agents are services of one project there, so a value
with one could name another tenant's variable; there is no way to escape it."""


OWN_VARIABLES = ("SLIPWAY_DEPLOYMENT", "SLIPWAY_VERSION")
"""Different in every deployment, so no difference that a plan need show."""


def release_variables(deployment: Deployment, variables: Mapping[str, str]) -> dict[str, str]:
    """The manifest's defaults, then the environment's own, then what Slipway says about itself."""
    plan = deployment.plan
    merged: dict[str, str] = {**(plan.get("env") or {}), **variables}
    if plan.get("port"):
        # The host probes the port in PORT, so an agent with a fixed one must say so.
        merged.setdefault("PORT", str(plan["port"]))
    merged["SLIPWAY_AGENT_ID"] = deployment.agent_id
    merged["SLIPWAY_VERSION"] = str(deployment.version_number)
    merged["SLIPWAY_DEPLOYMENT"] = deployment.id
    merged["SLIPWAY_ENVIRONMENT"] = deployment.environment
    return merged
