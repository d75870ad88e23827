"""The variables of an environment: plain ones readable, secret ones write-only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.deployments import Deployment, Variables
from chalicelib.domain.masking import Masker
from chalicelib.domain.pull_requests import number_of
from chalicelib.domain.release import HOST_REFERENCE
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.domain.versions import Version
from chalicelib.errors import Conflict, FieldError, Invalid, PreconditionFailed
from chalicelib.ports import Clock, Put, Store, Vault
from chalicelib.services.agents import Agents, environment_name
from chalicelib.services.audit import Audit
from chalicelib.values import frozen

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED = ("SLIPWAY_", "RAILWAY_")
MAX_VARIABLES = 200
_MASKERS_KEPT = 32
_NOTHING_SECRET = Masker()
MAX_BYTES = 128 * 1024


@frozen
class VariableValue:
    """`value` is None for a secret when it is shown, and for one that is to stay as it is."""

    name: str
    value: str | None
    secret: bool


@frozen
class DeployedVariable:
    """A variable a deployment runs with, and how it differs from the compared one.

    `change` is added, removed, changed or same, and None when nothing was compared. Neither value
    is shown when either of them is secret.
    """

    name: str
    value: str | None
    secret: bool
    change: str | None = None
    before: str | None = None


class EnvironmentVariables:
    def __init__(
        self, *, store: Store, audit: Audit, agents: Agents, vault: Vault, clock: Clock
    ) -> None:
        self._store = store
        self._audit = audit
        self._agents = agents
        self._vault = vault
        # A deployment's variables never change: polling its log makes its masker once.
        self._maskers: dict[str, Masker] = {}
        self._clock = clock

    def get(
        self, principal: Principal, agent_id: str, environment: str
    ) -> tuple[list[VariableValue], int]:
        """The variables, secrets without their values, and the revision."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.VARIABLES_READ, agent_id)
        stored = self.stored(agent.org_id, agent.id, environment_name(environment))
        if stored is None:
            return [], 0
        values = self.open(stored)
        shown = [
            VariableValue(name, None if secret else values.get(name, ""), secret)
            for name, secret in sorted(stored.names.items())
        ]
        return shown, stored.revision

    def put(
        self,
        principal: Principal,
        agent_id: str,
        environment: str,
        wanted: list[VariableValue],
        *,
        if_revision: int | None,
    ) -> tuple[list[VariableValue], int]:
        """Replaces all variables. A secret sent without a value keeps the one it has."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.VARIABLES_WRITE, agent_id)
        name = environment_name(environment)
        if number_of(name) is not None:
            raise Conflict(
                "A pull request's preview has the variables of the environment preview. Set them "
                "there; they take effect with the next push.",
                code="environment_reserved",
            )
        stored = self.stored(agent.org_id, agent.id, name)
        revision = stored.revision if stored else 0
        if if_revision is not None and if_revision != revision:
            raise PreconditionFailed(
                "Somebody changed these variables since you read them. Read them again and repeat."
            )
        changed = self.successor(principal, agent.id, name, wanted, stored)
        old = self.open(stored) if stored else {}
        said = {
            "environment": name,
            **_differences(stored, old, changed.names, self.open(changed)),
        }
        self._audit.commit(
            AuditEvent.by(principal, Audited.VARIABLES_CHANGED, agent.id, after=said),
            Put(changed),
        )
        return self.get(principal, agent_id, name)

    def successor(
        self,
        principal: Principal,
        agent_id: str,
        environment: str,
        wanted: list[VariableValue],
        stored: Variables | None = None,
    ) -> Variables:
        """What is to be stored in place of `stored`, for a transaction of the caller's."""
        values = _checked(
            wanted, self.open(stored) if stored else {}, stored.names if stored else {}
        )
        return self.sealed(
            principal.org_id,
            agent_id,
            environment,
            values,
            {item.name: item.secret for item in wanted},
            by=principal.user_id,
            revision=(stored.revision if stored else 0) + 1,
        )

    def sealed(
        self,
        org_id: str,
        agent_id: str,
        environment: str,
        values: Mapping[str, str],
        names: Mapping[str, bool],
        *,
        by: str,
        revision: int,
    ) -> Variables:
        """Variables as they are stored: they open nowhere but in this environment."""
        return Variables(
            org_id=org_id,
            agent_id=agent_id,
            environment=environment,
            sealed=self._vault.seal(values, context=f"{org_id}/{agent_id}/{environment}"),
            names=names,
            updated_at=self._clock.now(),
            updated_by=by,
            revision=revision,
        )

    def stored(self, org_id: str, agent_id: str, environment: str) -> Variables | None:
        return self._store.get(Variables, org_id, agent_id, environment)

    def open(self, stored: Variables) -> dict[str, str]:
        return self.reopen(stored.sealed, stored.org_id, stored.agent_id, stored.environment)

    def reopen(self, sealed: str, org_id: str, agent_id: str, environment: str) -> dict[str, str]:
        """The values a deployment was sealed with; they open only where they belong."""
        if not sealed:
            return {}
        return self._vault.open(sealed, context=f"{org_id}/{agent_id}/{environment}")

    def masker_of(self, version: Version) -> Masker:
        """Takes out the secrets that the version's environment has now. A build is not told them,
        but its source may hold what somebody has also set as a variable."""
        stored = self.stored(version.org_id, version.agent_id, version.environment)
        names = secret_names(stored, version.manifest)
        if stored is None or not names:
            return _NOTHING_SECRET
        return Masker(value for name, value in self.open(stored).items() if name in names)

    def masker_in(self, org_id: str, agent_id: str, environment: str) -> Masker:
        """Takes out the secrets that an environment has now."""
        stored = self.stored(org_id, agent_id, environment)
        if stored is None or not any(stored.names.values()):
            return _NOTHING_SECRET
        return Masker(value for name, value in self.open(stored).items() if stored.names[name])

    def masker(self, deployment: Deployment) -> Masker:
        """Takes the secrets that this deployment runs with out of what is shown or stored."""
        if not deployment.variables:
            return _NOTHING_SECRET
        known = self._maskers.get(deployment.id)
        if known is None:
            values = self.reopen(
                deployment.variables,
                deployment.org_id,
                deployment.agent_id,
                deployment.environment,
            )
            names = deployment.secret_names
            known = Masker(v for k, v in values.items() if names is None or k in names)
            if len(self._maskers) >= _MASKERS_KEPT:
                self._maskers.pop(next(iter(self._maskers)))
            self._maskers[deployment.id] = known
        return known


def secret_names(stored: Variables | None, manifest: Mapping[str, Any] | None) -> set[str]:
    """What is secret, by the word of whoever set it or of the agent's own manifest."""
    names = {name for name, secret in stored.names.items() if secret} if stored else set()
    declared = (manifest or {}).get("env") or []
    return names | {item["name"] for item in declared if item.get("secret")}


def _differences(
    stored: Variables | None,
    old: Mapping[str, str],
    names: Mapping[str, bool],
    values: Mapping[str, str],
) -> dict[str, list[str]]:
    """What happened to which names; no values."""
    were = stored.names if stored else {}
    both = [n for n in names if n in were]
    return {
        "added": sorted(n for n in names if n not in were),
        "changed": sorted(n for n in both if (old.get(n), were[n]) != (values[n], names[n])),
        "removed": sorted(n for n in were if n not in names),
    }


def compared(
    now: Mapping[str, tuple[str, bool]], before: Mapping[str, tuple[str, bool]] | None
) -> list[DeployedVariable]:
    """Each variable as (value, secret) by name, beside those of another deployment."""
    found: list[DeployedVariable] = []
    for name in sorted({*now, *(before or {})}):
        value, secret = now.get(name, (None, False))
        old, was_secret = (before or {}).get(name, (None, False))
        hidden = secret or was_secret
        found.append(
            DeployedVariable(
                name,
                None if hidden else value,
                hidden,
                None if before is None else _change(old, value),
                None if hidden else old,
            )
        )
    return found


def _change(before: str | None, now: str | None) -> str:
    if before == now:
        return "same"
    return "added" if before is None else "removed" if now is None else "changed"


def _checked(
    wanted: list[VariableValue], old: Mapping[str, str], secret: Mapping[str, bool]
) -> dict[str, str]:
    errors: list[FieldError] = []
    values: dict[str, str] = {}
    for index, item in enumerate(wanted):
        where = f"items[{index}]"
        if fault := _name_fault(item.name, values):
            errors.append(FieldError(f"{where}.name", fault))
        value = item.value if item.value is not None else old.get(item.name)
        if value is None:
            errors.append(FieldError(f"{where}.value", f"{item.name} has no value yet; send one."))
            value = ""
        if item.value is None and not item.secret and secret.get(item.name):
            fault = f"{item.name} is secret; send its value anew to make it readable."
            errors.append(FieldError(f"{where}.value", fault))
        if HOST_REFERENCE in value:
            errors.append(FieldError(f"{where}.value", f"A value cannot contain {HOST_REFERENCE}"))
        if "\x00" in value:
            errors.append(FieldError(f"{where}.value", "A value cannot contain a NUL character."))
        values[item.name] = value
    if len(wanted) > MAX_VARIABLES:
        errors.append(FieldError("items", f"At most {MAX_VARIABLES} variables."))
    if sum(len(k) + len(v.encode()) for k, v in values.items()) > MAX_BYTES:
        errors.append(FieldError("items", f"Together at most {MAX_BYTES // 1024} kB."))
    if errors:
        raise Invalid("Some variables cannot be stored.", errors=tuple(errors))
    return values


def _name_fault(name: str, others: Mapping[str, str]) -> str:
    if not _NAME.fullmatch(name):
        return "Use letters, digits and _; begin with no digit."
    if name.startswith(_RESERVED) or name == "PORT":
        return f"{name} is set by the platform; read it in your code."
    return f"{name} is given twice." if name in others else ""
