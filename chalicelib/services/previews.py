"""What a deployment would do before it is asked for, and how it differs from what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.deployments import Deployment, Environment
from chalicelib.domain.hosting import runs, word
from chalicelib.domain.release import (
    OWN_VARIABLES,
    Change,
    Configure,
    Deploy,
    EnsureDomain,
    EnsureService,
    SetLimits,
    SetVariables,
    Step,
    plan_release,
    release_variables,
    setting_changes,
    settings_of,
    strategy_of,
    variable_changes,
)
from chalicelib.domain.tenancy import Principal
from chalicelib.errors import PlatformError
from chalicelib.ports import Host
from chalicelib.services.deployments import Deployments
from chalicelib.services.turns import Turns


@dataclass
class Preview:
    """`changes` compare with what serves now, `host_changes` with what the host has stored."""

    version_id: str
    version_number: int
    environment: str
    strategy: str
    image: str
    steps: list[str]
    settings: Mapping[str, Any]
    variables: list[str]
    blocked: str
    """Why asking for it now would fail at once; empty when it would not."""
    serving: Deployment | None
    changes: list[Change] = field(default_factory=list)
    variable_changes: list[Change] = field(default_factory=list)
    host: str = ""
    host_read: bool = False
    host_changes: list[Change] = field(default_factory=list)
    host_variable_changes: list[Change] = field(default_factory=list)


class Previews:
    def __init__(self, *, deployments: Deployments, turns: Turns, host: Host) -> None:
        self._deployments = deployments
        self._turns = turns
        self._host = host

    def of(
        self, principal: Principal, agent_id: str, *, version_id: str, environment: str
    ) -> Preview:
        """The preview of a ready version in an environment. Variables are compared by value and
        named without it."""
        draft = self._deployments.draft(principal, agent_id, version_id, environment)
        place = self._turns.environment(draft)
        serving = self._turns.stored(draft.org_id, place.serving) if place.serving else None
        former = serving.host.deployment_id if serving else ""
        steps = self._steps(draft, place, former)
        wanted = self._variables_of(draft)
        preview = Preview(
            version_id=draft.version_id,
            version_number=draft.version_number,
            environment=draft.environment,
            strategy=strategy_of(draft.image).value,
            image=draft.image,
            steps=[told(step) for step in steps],
            settings=settings_of(steps),
            variables=sorted(wanted),
            blocked=draft.reasons[0].detail if draft.reasons else "",
            serving=serving,
        )
        if serving is not None:
            before = settings_of(self._steps(serving, place, ""))
            preview.changes = setting_changes(before, preview.settings)
            preview.variable_changes = variable_changes(self._variables_of(serving), wanted)
        self._compare_with_host(preview, place, wanted)
        return preview

    def _steps(self, deployment: Deployment, place: Environment, former: str) -> tuple[Step, ...]:
        opened = self._deployments.opened_variables(deployment)
        return plan_release(deployment, opened, place, former)

    def _variables_of(self, deployment: Deployment) -> dict[str, str]:
        opened = self._deployments.opened_variables(deployment)
        return _shown(release_variables(deployment, opened))

    def _compare_with_host(
        self, preview: Preview, place: Environment, wanted: Mapping[str, str]
    ) -> None:
        if not place.service_id:
            preview.host = "The host has no service for it yet; one is made."
            return
        try:
            found = self._host.inspect(place.service_id)
        except PlatformError as error:
            preview.host = f"The host could not be asked: {error.detail}"
            return
        if found is None:
            preview.host = "The service is gone at the host; a new one is made."
            return
        preview.host_read = True
        preview.host = f"The host's latest deployment is {word(found.latest)}."
        if preview.serving is not None and not runs(found.latest):
            preview.host += f" We say {preview.serving.state}."
        has = {**found.settings, "image": found.image}
        preview.host_changes = setting_changes(has, preview.settings)
        preview.host_variable_changes = variable_changes(_shown(found.variables), wanted)


def told(step: Step) -> str:
    """A step in words, without any variable's value."""
    match step:
        case EnsureService(name=name, known=known):
            return f"Use the service {name}." if known else f"Make the service {name}."
        case Configure(image=image):
            return f"Set the image to {image}." if image else "Set how the service runs."
        case SetLimits(cpu=cpu, memory_gb=memory):
            return f"Limit it to {cpu:g} cores and {memory:g} GB of memory."
        case SetVariables(variables=variables):
            return f"Set {len(variables)} variables without deploying; remove all others."
        case EnsureDomain(known=known):
            return f"Keep the address {known}." if known else "Give it a public address."
        case Deploy():
            return "Deploy once; the former deployment serves until this one is healthy."
        case _:
            return "Send the source; the host builds it and deploys once."


def _shown(variables: Mapping[str, str]) -> dict[str, str]:
    """Without what is new in every deployment by its nature."""
    return {name: value for name, value in variables.items() if name not in OWN_VARIABLES}
