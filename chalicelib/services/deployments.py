"""Deployments as people use them: ask for one, look at it, cancel, stop, restart, roll back.

One deployment moves at a time per agent and environment. A newer request takes the place of a
queued one and waits for the one that moves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.agents import Agent
from chalicelib.domain.audit import SYSTEM, Audited, AuditEvent
from chalicelib.domain.deployments import (
    Deployment,
    DeploymentEvent,
    DeploymentState,
    Environment,
    HistoryItem,
    Trigger,
)
from chalicelib.domain.hosting import clean_line, runs, word
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.pull_requests import PreviewState, PullRequest, environment_of, number_of
from chalicelib.domain.release import Step, plan_release
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.domain.versions import HELD_BACK, Reason, Version, VersionState
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    FieldError,
    HostRefused,
    Invalid,
    NotFound,
    Unavailable,
)
from chalicelib.ports import (
    DEPLOYMENTS,
    HISTORY,
    Clock,
    Host,
    LogLine,
    Page,
    Put,
    Sample,
    Store,
)
from chalicelib.services.agents import Agents, environment_name, require_on
from chalicelib.services.audit import Audit
from chalicelib.services.history import item
from chalicelib.services.recent import recent_of
from chalicelib.services.settling import Settling
from chalicelib.services.standings import Standing, standings_of
from chalicelib.services.turns import Turns
from chalicelib.services.variables import (
    DeployedVariable,
    EnvironmentVariables,
    compared,
    secret_names,
)

_NO_DEPLOYMENT = "There is no deployment with this id in your organisation."
_CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))~(\d{1,6})")


_TRIES = 8


class Deployments:
    def __init__(
        self,
        *,
        store: Store,
        audit: Audit,
        host: Host,
        turns: Turns,
        agents: Agents,
        variables: EnvironmentVariables,
        settling: Settling,
        clock: Clock,
        release_limit: timedelta,
    ) -> None:
        self._settling = settling
        self._store = store
        self._audit = audit
        self._host = host
        self._turns = turns
        self._agents = agents
        self._variables = variables
        self._clock = clock
        self._release_limit = release_limit

    # --- at a glance ------------------------------------------------------------------

    def standings(self, principal: Principal, agents: Sequence[Agent]) -> dict[str, Standing]:
        """How these agents stand in production, by the agent's id."""
        return standings_of(self._store, principal, agents)

    # --- asking for one -----------------------------------------------------------------

    def request(
        self, principal: Principal, agent_id: str, *, version_id: str, environment: str
    ) -> Deployment:
        """A deployment of a ready version, started or queued behind the one that moves."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.DEPLOYMENT_CREATE, agent_id)
        version = self._deployable(agent.org_id, agent.id, version_id, environment)
        draft = self._draft(
            version, environment_name(environment), principal.user_id, Trigger.REQUEST
        )
        event = AuditEvent.by(principal, Audited.DEPLOYMENT_REQUESTED, draft.id, after=_said(draft))
        return self._turns.admit(draft, event)

    def request_for_build(self, version: Version) -> Version:
        """The deployment a version asked for when it was made; noted on the version in the same
        transaction, so that a repeated build event makes no second one."""
        for _ in range(_TRIES):
            if not version.owes_deployment:
                return version
            environment, agent = self._store.get_many(
                (Environment, version.org_id, version.agent_id, version.environment),
                (Agent, version.org_id, version.agent_id),
            )
            if environment is not None and environment.paused is not None:
                return self._not_deployed(version, environment)
            if agent is None:
                return self._held_back(version, "Not deployed: the agent was deleted meanwhile.")
            if self._preview_ended(version.org_id, version.agent_id, version.environment):
                return self._held_back(
                    version, "Not deployed: the pull request is closed, and its preview gone."
                )
            draft = self._draft(version, version.environment, version.created_by, Trigger.BUILD)
            noted = replace(
                version,
                deployment_id=draft.id,
                updated_at=self._clock.now(),
                revision=version.revision + 1,
            )
            event = AuditEvent(
                draft.org_id, SYSTEM, Audited.DEPLOYMENT_REQUESTED, draft.id, after=_said(draft)
            )
            try:
                self._turns.admit(draft, event, Put(noted))
            except ChangedMeanwhile:
                # The version was changed, or its environment was: only reading tells.
                version = self._store.get(Version, version.org_id, version.id) or version
                continue
            return noted
        raise Conflict("This agent is changing too fast; try again in a moment.")

    def _not_deployed(self, version: Version, environment: Environment) -> Version:
        """A version that stays ready: nothing deploys by itself here until somebody has looked."""
        if environment.paused is None:
            return version
        return self._held_back(
            version,
            f"Not deployed: after a deployment was rolled back, builds do not deploy by "
            f"themselves to {environment.name} until somebody has looked. It was rolled back "
            f"because: {environment.paused.detail} Deploy this version by hand, or resume the "
            "environment.",
        )

    def _preview_ended(self, org_id: str, agent_id: str, environment: str) -> bool:
        number = number_of(environment)
        if number is None:
            return False
        request = self._store.get(PullRequest, org_id, agent_id, str(number))
        return request is None or request.state is not PreviewState.ACTIVE

    def _held_back(self, version: Version, why: str) -> Version:
        noted = replace(
            version,
            warnings=(*version.warnings, Reason(HELD_BACK, why)),
            updated_at=self._clock.now(),
            revision=version.revision + 1,
        )
        try:
            self._store.commit(Put(noted))
        except ChangedMeanwhile:
            return self._store.get(Version, version.org_id, version.id) or version
        return noted

    def environments(self, principal: Principal, agent_id: str) -> list[Environment]:
        """Where the agent runs, and what moves, waits or is paused there."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.DEPLOYMENT_READ, agent_id)
        return self._agents.environments_of(agent)

    def resume(self, principal: Principal, agent_id: str, environment: str) -> Environment:
        """Somebody has looked: builds deploy by themselves again."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.DEPLOYMENT_CREATE, agent_id)
        name = environment_name(environment)
        found = self._store.get(Environment, agent.org_id, agent.id, name)
        if found is None:
            raise NotFound(f"Nothing of this agent was ever deployed to {name}.")
        event = AuditEvent.by(
            principal, Audited.ENVIRONMENT_RESUMED, agent.id, after={"environment": name}
        )
        return self._turns.resume(found, event)

    def roll_back(self, principal: Principal, deployment_id: str) -> Deployment:
        """A new deployment of an earlier one's version and variables, without a build.

        Asked of the deployment that serves now, it goes back to the one that was live before it;
        asked of an earlier one, to that one.
        """
        named = self.get(principal, deployment_id)
        principal.require(Action.DEPLOYMENT_CREATE, named.agent_id)
        if self._preview_ended(named.org_id, named.agent_id, named.environment):
            raise Conflict("This preview has ended; nothing runs in it.", code="preview_ended")
        environment = self._turns.environment(named)
        if environment.serving == named.id:
            target = self._good_before(environment, named)
        elif DeploymentState.LIVE.value in named.timings:
            target = named
        else:
            raise Conflict(
                f"This deployment is {named.state} and was never live, so there is nothing to go "
                "back to in it. What served before it still serves.",
                code="never_live",
            )
        draft = self._turns.again(target, Trigger.ROLLBACK, principal.user_id)
        event = AuditEvent.by(
            principal,
            Audited.DEPLOYMENT_ROLLED_BACK,
            draft.id,
            before={"serving": environment.serving},
            after=_said(draft),
        )
        return self._turns.admit(draft, event)

    # --- reading ------------------------------------------------------------------------

    def get(self, principal: Principal, deployment_id: str) -> Deployment:
        principal.require(Action.DEPLOYMENT_READ)
        found = (
            self._store.get(Deployment, principal.org_id, deployment_id)
            if is_id(deployment_id, "dep")
            else None
        )
        if found is None:
            raise NotFound(_NO_DEPLOYMENT)
        require_on(principal, Action.DEPLOYMENT_READ, found.agent_id, or_else=_NO_DEPLOYMENT)
        return found

    def page(
        self, principal: Principal, agent_id: str, *, limit: int, after: str | None
    ) -> Page[Deployment]:
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.DEPLOYMENT_READ, agent_id)
        return self._store.page(DEPLOYMENTS, agent.org_id, agent.id, limit=limit, after=after)

    def recent(
        self, principal: Principal, *, limit: int, after: str | None
    ) -> tuple[Page[Deployment], dict[str, Agent]]:
        """Those of every agent the principal sees, newest first, and these agents by id."""
        return recent_of(self._store, principal, limit=limit, after=after)

    def history(
        self, principal: Principal, deployment_id: str, *, limit: int, after: str | None
    ) -> Page[HistoryItem]:
        """What happened to a deployment, oldest first."""
        found = self.get(principal, deployment_id)
        return self._store.page(
            HISTORY, found.org_id, found.id, limit=limit, after=after, newest_first=False
        )

    def logs(
        self,
        principal: Principal,
        deployment_id: str,
        *,
        cursor: str | None,
        limit: int,
        start: datetime | None = None,
    ) -> tuple[list[LogLine], str | None]:
        """The agent's own output after the cursor, as the host kept it.

        Without a cursor: from `start` on, or else the newest lines.
        """
        found = self.get(principal, deployment_id)
        if not found.host.deployment_id:
            return [], None
        since, seen = _log_position(cursor)
        if cursor is None and start is not None:
            since = start.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines = self._host.logs(found.host.deployment_id, since=since, limit=limit + seen)
        lines = [replace(line, message=clean_line(line.message)) for line in lines]
        fresh = lines[_already_seen(lines, since, seen) :][:limit]
        mask = self._variables.masker(found)
        fresh = [replace(line, message=mask(line.message)) for line in fresh]
        if not fresh:
            return [], cursor
        last = fresh[-1].timestamp
        count = sum(1 for line in fresh if line.timestamp == last)
        if last == since:
            count += seen
        return fresh, f"{last}~{count}"

    def metrics(
        self, principal: Principal, deployment_id: str, *, start: datetime, end: datetime
    ) -> Mapping[str, list[Sample]]:
        found = self.get(principal, deployment_id)
        if not found.host.service_id:
            return {}
        return self._host.metrics(found.host.service_id, start=start, end=end)

    def variables(
        self, principal: Principal, deployment_id: str, *, compare: str | None = None
    ) -> list[DeployedVariable]:
        """What it was deployed with, secrets without values; beside another one if named."""
        found = self.get(principal, deployment_id)
        principal.require(Action.VARIABLES_READ, found.agent_id)
        other = self.get(principal, compare) if compare else None
        if other is not None and other.agent_id != found.agent_id:
            raise NotFound("This agent has no deployment with the id named in `compare`.")
        stored = self._variables.stored(found.org_id, found.agent_id, found.environment)
        # What has become secret since is secret here too.
        hidden = {name for name, secret in (stored.names if stored else {}).items() if secret}
        return compared(
            self._with_names(found, hidden),
            self._with_names(other, hidden) if other is not None else None,
        )

    def _with_names(self, deployment: Deployment, hidden: set[str]) -> dict[str, tuple[str, bool]]:
        names = deployment.variable_names or {}
        return {
            name: (value, names.get(name, True) or name in hidden)
            for name, value in self.opened_variables(deployment).items()
        }

    def steps_of(self, deployment: Deployment) -> Sequence[Step]:
        """The steps this deployment's release takes at the host."""
        environment = self._turns.environment(deployment)
        former = ""
        if environment.serving and environment.serving != deployment.id:
            serving = self._turns.stored(deployment.org_id, environment.serving)
            former = serving.host.deployment_id if serving else ""
        return plan_release(deployment, self.opened_variables(deployment), environment, former)

    def opened_variables(self, deployment: Deployment) -> dict[str, str]:
        return self._variables.reopen(
            deployment.variables, deployment.org_id, deployment.agent_id, deployment.environment
        )

    # --- operating ------------------------------------------------------------------------

    def cancel(self, principal: Principal, deployment_id: str) -> Deployment:
        """Ends a deployment that is on its way; what served before goes on serving."""
        found = self.get(principal, deployment_id)
        principal.require(Action.DEPLOYMENT_OPERATE, found.agent_id)
        if found.state.is_final:
            return found
        if found.state.is_serving:
            raise Conflict(
                f"This deployment is {found.state}; it can be stopped, not cancelled.",
                code="deployment_state",
            )
        switched = found.state is DeploymentState.VERIFYING
        reasons = (Reason("cancelled", "Cancelled by request."),)
        ended = self._turns.end(
            found,
            DeploymentEvent.CANCELLED,
            actor=principal.user_id,
            reasons=reasons,
            restore=switched,
            by=AuditEvent.by(
                principal, Audited.DEPLOYMENT_CANCELLED, found.id, before={"state": found.state}
            ),
        )
        self._settling.try_now(ended)
        return ended

    def stop(self, principal: Principal, deployment_id: str) -> Deployment:
        """Takes the deployment that serves out of service. Its URL stays reserved."""
        found = self.get(principal, deployment_id)
        principal.require(Action.DEPLOYMENT_OPERATE, found.agent_id)
        if found.state.is_final:
            return found
        if found.state.is_moving:
            raise Conflict(
                f"This deployment is {found.state}; cancel it instead.", code="deployment_state"
            )
        named = found.host.deployment_id
        try:
            self._host.stop(named)
        except HostRefused:
            # It says so too of what runs no more.
            if runs(self._host.deployments([named]).get(named)):
                raise
        seen = self._host.deployments([named]).get(named)
        if runs(seen):
            raise Unavailable(
                "The host was asked to stop it and has not yet. Ask again in a moment.",
                retry_after=2,
            )
        event = AuditEvent.by(
            principal, Audited.DEPLOYMENT_STOPPED, found.id, before={"state": found.state}
        )
        return self._turns.leave(found, actor=principal.user_id, host_status=word(seen), by=event)

    def restart(self, principal: Principal, deployment_id: str) -> Deployment:
        """Starts the running version anew, with the variables it was deployed with."""
        found = self.get(principal, deployment_id)
        principal.require(Action.DEPLOYMENT_OPERATE, found.agent_id)
        if not found.state.is_serving:
            raise Conflict(
                f"This deployment is {found.state}; only one that serves can be restarted.",
                code="deployment_state",
            )
        self._host.restart(found.host.deployment_id)
        now = self._clock.now()
        noted = found.noting(now, restarts=found.restarts + 1)
        try:
            self._audit.commit(
                AuditEvent.by(principal, Audited.DEPLOYMENT_RESTARTED, found.id),
                Put(noted),
                Put(item(noted, "restarted", principal.user_id)),
            )
        except ChangedMeanwhile:
            return self.get(principal, deployment_id)
        return noted

    def halt_by_id(self, org_id: str, deployment_id: str, why: Reason) -> bool:
        """As `halt`; False when there was nothing to end."""
        found = self._turns.stored(org_id, deployment_id)
        if found is None or found.state.is_final:
            return False
        self.halt(found, why)
        return True

    def halt(self, found: Deployment, why: Reason) -> None:
        """Ends a deployment on the platform's own behalf, whatever state it is in, and brings
        nothing back in its place. Raises what the host raises; it can be said again."""
        if found.state.is_serving:
            self._host.stop(found.host.deployment_id)
            self._turns.leave(found, reasons=(why,))
        elif found.state.is_moving:
            if found.host.deployment_id:
                try:
                    self._host.cancel(found.host.deployment_id)
                except HostRefused:
                    # It is up already, and can only be stopped.
                    self._host.stop(found.host.deployment_id)
            self._turns.end(found, DeploymentEvent.CANCELLED, reasons=(why,))

    # --- how ----------------------------------------------------------------------------------

    def draft(self, principal: Principal, agent_id: str, version_id: str, name: str) -> Deployment:
        """What `request` would store, without storing it."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.DEPLOYMENT_READ, agent_id)
        version = self._deployable(agent.org_id, agent.id, version_id, name)
        return self._draft(version, environment_name(name), principal.user_id, Trigger.REQUEST)

    def _deployable(self, org_id: str, agent_id: str, version_id: str, name: str) -> Version:
        version = self._store.get(Version, org_id, version_id) if is_id(version_id, "ver") else None
        if version is None or version.agent_id != agent_id:
            raise NotFound("This agent has no version with this id.")
        if version.state is not VersionState.READY or version.image is None:
            raise Conflict(
                f"Version {version.number} is {version.state}; only a ready version can be "
                "deployed.",
                code="version_not_ready",
            )
        commit = version.source.commit
        theirs = environment_of(commit.pull_request) if commit and commit.pull_request else None
        if theirs is not None and theirs != environment_name(name):
            raise Conflict(
                f"Version {version.number} is of a pull request that nobody has merged; it runs "
                f"in {theirs} alone. Merge it: the merge is deployed.",
                code="not_merged",
            )
        if theirs is None and number_of(environment_name(name)) is not None:
            raise Conflict(
                f"The environment {name} is a pull request's. Choose another name.",
                code="environment_reserved",
            )
        return version

    def _draft(
        self, version: Version, environment: str, actor: str, trigger: Trigger
    ) -> Deployment:
        now = self._clock.now()
        stored = self._variables.stored(version.org_id, version.agent_id, environment)
        draft = Deployment(
            id=new_id("dep"),
            org_id=version.org_id,
            agent_id=version.agent_id,
            version_id=version.id,
            version_number=version.number,
            environment=environment,
            state=DeploymentState.QUEUED,
            image=version.image or "",
            plan=version.plan or {},
            variables=stored.sealed if stored else "",
            variable_names=stored.names if stored else {},
            secret_names=tuple(sorted(secret_names(stored, version.manifest))),
            created_by=actor,
            created_at=now,
            updated_at=now,
            trigger=trigger,
            version_label=version.label,
            commit=version.source.commit,
            deadline_at=now + self._release_limit,
            timings={DeploymentState.QUEUED.value: now.isoformat()},
        )
        missing = self._missing_variables(version, stored.names if stored else {})
        if not missing:
            return draft
        names = ", ".join(missing)
        failed = draft.after(
            DeploymentEvent.FAILED,
            now,
            reasons=(
                Reason(
                    "variables_missing",
                    f"The manifest requires {names}. Set the value in the variables of the "
                    f"environment {environment}, then deploy again.",
                    "agent.yaml",
                ),
            ),
        )
        # It was never queued: its failure is its first revision.
        return replace(failed, revision=draft.revision)

    @staticmethod
    def _missing_variables(version: Version, names: Mapping[str, bool]) -> list[str]:
        declared = (version.manifest or {}).get("env") or []
        return [
            entry["name"]
            for entry in declared
            if entry.get("required") and entry.get("default") is None and entry["name"] not in names
        ]

    def _good_before(self, environment: Environment, named: Deployment) -> Deployment:
        for good in environment.last_good:
            if good in (named.id, environment.serving):
                continue
            found = self._store.get(Deployment, named.org_id, good)
            if found is not None and found.version_id != named.version_id:
                return found
        raise Conflict(
            "There is no earlier deployment of another version that was live here to go back to.",
            code="nothing_to_roll_back_to",
        )


def _said(draft: Deployment) -> dict[str, Any]:
    """What the audit log keeps of a request for a deployment."""
    return {
        "agent_id": draft.agent_id,
        "version_id": draft.version_id,
        "environment": draft.environment,
        "trigger": draft.trigger,
        "requested_by": draft.created_by,
    }


def _log_position(cursor: str | None) -> tuple[str | None, int]:
    """A cursor is the last line's time and how many lines of that very time were read."""
    if not cursor:
        return None, 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise Invalid(
            "This is not a cursor of this log.",
            code="cursor_invalid",
            errors=(FieldError("cursor", "Send back next_cursor as it came, or leave it out."),),
        )
    return match[1], int(match[2])


def _already_seen(lines: Sequence[LogLine], since: str | None, seen: int) -> int:
    same = 0
    while same < len(lines) and same < seen and lines[same].timestamp == since:
        same += 1
    return same
