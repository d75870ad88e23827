"""Deployments as people use them: ask for one, look at it, cancel, stop, restart, roll back.

One deployment moves at a time per agent and environment. A newer request takes the place of a
queued one and waits for the one that moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.deployments import (
    Deployment,
    DeploymentEvent,
    DeploymentState,
    Environment,
    HistoryItem,
    Trigger,
)
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.release import Step, plan_release
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.domain.versions import Reason, Version, VersionState
from chalicelib.errors import ChangedMeanwhile, Conflict, NotFound, PlatformError
from chalicelib.ports import (
    DEPLOYMENTS,
    HISTORY,
    Change,
    Clock,
    Engine,
    Host,
    HostDeployment,
    LogLine,
    Page,
    Put,
    Sample,
    Schedule,
    Store,
)
from chalicelib.services.agents import Agents, environment_name
from chalicelib.services.variables import EnvironmentVariables
from chalicelib.telemetry import logger

_TRIES = 8
REMEMBERED_GOOD = 20


class Deployments:
    def __init__(
        self,
        *,
        store: Store,
        host: Host,
        engine: Engine,
        schedule: Schedule,
        agents: Agents,
        variables: EnvironmentVariables,
        clock: Clock,
        release_limit: timedelta,
    ) -> None:
        self._store = store
        self._host = host
        self._engine = engine
        self._schedule = schedule
        self._agents = agents
        self._variables = variables
        self._clock = clock
        self._release_limit = release_limit

    # --- asking for one -----------------------------------------------------------------

    def request(
        self, principal: Principal, agent_id: str, *, version_id: str, environment: str
    ) -> Deployment:
        """A deployment of a ready version, started or queued behind the one that moves."""
        principal.require(Action.DEPLOYMENT_CREATE)
        agent = self._agents.get(principal, agent_id)
        version = (
            self._store.get(Version, agent.org_id, version_id) if is_id(version_id, "ver") else None
        )
        if version is None or version.agent_id != agent.id:
            raise NotFound("This agent has no version with this id.")
        if version.state is not VersionState.READY or version.image is None:
            raise Conflict(
                f"Version {version.number} is {version.state}; only a ready version can be "
                "deployed.",
                code="version_not_ready",
            )
        return self._admit(
            self._draft(version, environment_name(environment), principal.user_id, Trigger.REQUEST)
        )

    def request_for_build(self, version: Version) -> Version:
        """The deployment a version asked for when it was made; noted on the version in the same
        transaction, so that a repeated build event makes no second one."""
        draft = self._draft(version, version.environment, version.created_by, Trigger.BUILD)
        noted = replace(
            version,
            deployment_id=draft.id,
            updated_at=self._clock.now(),
            revision=version.revision + 1,
        )
        try:
            self._admit(draft, Put(noted))
        except ChangedMeanwhile:
            return self._store.get(Version, version.org_id, version.id) or version
        return noted

    def roll_back(self, principal: Principal, deployment_id: str) -> Deployment:
        """A new deployment of an earlier one's version and variables, without a build.

        Asked of the deployment that serves now, it goes back to the one that was live before it;
        asked of an earlier one, to that one.
        """
        principal.require(Action.DEPLOYMENT_CREATE)
        named = self.get(principal, deployment_id)
        environment = self.environment(named)
        target = named
        if environment.serving == named.id or named.id not in environment.last_good:
            target = self._good_before(environment, named)
        return self._admit(self._again(target, Trigger.ROLLBACK, principal.user_id))

    def restore(self, failed: Deployment, environment: Environment) -> Deployment | None:
        """A draft that brings the last good deployment back after `failed`; None without one."""
        if failed.trigger is Trigger.RESTORE:
            return None
        for good in environment.last_good:
            found = self._store.get(Deployment, failed.org_id, good)
            if found is not None and found.id != failed.id:
                return replace(
                    self._again(found, Trigger.RESTORE, "slipway"), rollback_of=failed.id
                )
        return None

    # --- reading ------------------------------------------------------------------------

    def get(self, principal: Principal, deployment_id: str) -> Deployment:
        principal.require(Action.DEPLOYMENT_READ)
        found = (
            self._store.get(Deployment, principal.org_id, deployment_id)
            if is_id(deployment_id, "dep")
            else None
        )
        if found is None:
            raise NotFound("There is no deployment with this id in your organisation.")
        return found

    def page(
        self, principal: Principal, agent_id: str, *, limit: int, after: str | None
    ) -> Page[Deployment]:
        principal.require(Action.DEPLOYMENT_READ)
        agent = self._agents.get(principal, agent_id)
        return self._store.page(DEPLOYMENTS, agent.org_id, agent.id, limit=limit, after=after)

    def history(
        self, principal: Principal, deployment_id: str, *, limit: int, after: str | None
    ) -> Page[HistoryItem]:
        """What happened to a deployment, oldest first."""
        found = self.get(principal, deployment_id)
        return self._store.page(
            HISTORY, found.org_id, found.id, limit=limit, after=after, newest_first=False
        )

    def logs(
        self, principal: Principal, deployment_id: str, *, cursor: str | None, limit: int
    ) -> tuple[list[LogLine], str | None]:
        """The agent's own output after the cursor, as the host kept it."""
        found = self.get(principal, deployment_id)
        if not found.host.deployment_id:
            return [], None
        since, seen = _log_position(cursor)
        lines = self._host.logs(found.host.deployment_id, since=since, limit=limit + seen)
        fresh = lines[_already_seen(lines, since, seen) :][:limit]
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

    def plan(self, deployment: Deployment) -> Sequence[Step]:
        """The steps this deployment's release takes at the host."""
        return plan_release(deployment, self.opened_variables(deployment))

    def opened_variables(self, deployment: Deployment) -> dict[str, str]:
        return self._variables.reopen(
            deployment.variables, deployment.org_id, deployment.agent_id, deployment.environment
        )

    # --- operating ------------------------------------------------------------------------

    def cancel(self, principal: Principal, deployment_id: str) -> Deployment:
        """Ends a deployment that is on its way; what served before goes on serving."""
        principal.require(Action.DEPLOYMENT_OPERATE)
        found = self.get(principal, deployment_id)
        if found.state.is_final:
            return found
        if found.state.is_serving:
            raise Conflict(
                f"This deployment is {found.state}; it can be stopped, not cancelled.",
                code="deployment_state",
            )
        switched = found.state is DeploymentState.VERIFYING
        reasons = (Reason("cancelled", "Cancelled by request."),)
        ended = self.end(
            found,
            DeploymentEvent.CANCELLED,
            actor=principal.user_id,
            reasons=reasons,
            restore=switched,
        )
        if ended.host.deployment_id:
            self._try_at_host(self._host.cancel, ended.host.deployment_id)
        return ended

    def stop(self, principal: Principal, deployment_id: str) -> Deployment:
        """Takes the deployment that serves out of service. Its URL stays reserved."""
        principal.require(Action.DEPLOYMENT_OPERATE)
        found = self.get(principal, deployment_id)
        if found.state.is_final:
            return found
        if found.state.is_moving:
            raise Conflict(
                f"This deployment is {found.state}; cancel it instead.", code="deployment_state"
            )
        self._host.stop(found.host.deployment_id)
        for _ in range(_TRIES):
            environment = self.environment(found)
            now = self._clock.now()
            stopped = found.after(DeploymentEvent.STOPPED, now, confirmed_at=now)
            changes: list[Change] = [
                Put(stopped),
                Put(item(stopped, DeploymentEvent.STOPPED, actor=principal.user_id)),
            ]
            if environment.serving == found.id:
                changes.append(Put(following(environment, now, serving=None)))
            try:
                self._store.commit(*changes)
            except ChangedMeanwhile:
                found = self.get(principal, deployment_id)
                if found.state.is_final:
                    return found
                continue
            return stopped
        raise _too_fast()

    def restart(self, principal: Principal, deployment_id: str) -> Deployment:
        """Starts the running version anew, with the variables it was deployed with."""
        principal.require(Action.DEPLOYMENT_OPERATE)
        found = self.get(principal, deployment_id)
        if not found.state.is_serving:
            raise Conflict(
                f"This deployment is {found.state}; only one that serves can be restarted.",
                code="deployment_state",
            )
        self._host.restart(found.host.deployment_id)
        now = self._clock.now()
        noted = found.noting(now, restarts=found.restarts + 1)
        try:
            self._store.commit(Put(noted), Put(_note(noted, "restarted", actor=principal.user_id)))
        except ChangedMeanwhile:
            return self.get(principal, deployment_id)
        return noted

    # --- for the workers --------------------------------------------------------------------

    def stored(self, org_id: str, deployment_id: str) -> Deployment | None:
        return self._store.get(Deployment, org_id, deployment_id)

    def environment(self, deployment: Deployment) -> Environment:
        """The environment a deployment belongs to; revision 0 when it is not stored yet."""
        found = self._store.get(
            Environment, deployment.org_id, deployment.agent_id, deployment.environment
        )
        return found or Environment(
            org_id=deployment.org_id,
            agent_id=deployment.agent_id,
            name=deployment.environment,
            updated_at=self._clock.now(),
        )

    def end(
        self,
        deployment: Deployment,
        event: DeploymentEvent,
        *,
        reasons: tuple[Reason, ...],
        actor: str = "slipway",
        restore: bool = False,
    ) -> Deployment:
        """Ends a moving deployment without success and lets the next one go.

        With `restore` the host already runs this one in place of the last good one, which is
        then brought back by a deployment of its own.
        """
        for _ in range(_TRIES):
            if not deployment.state.is_moving:
                return deployment
            now = self._clock.now()
            ended = deployment.after(event, now, reasons=reasons)
            environment = self.environment(deployment)
            changes: list[Change] = [Put(ended), Put(item(ended, event, actor=actor))]
            started: Deployment | None = None
            next_environment = following(environment, now)
            if environment.moving == deployment.id:
                back = self.restore(ended, environment) if restore else None
                if back is not None:
                    started = back
                    changes += self._replaced(environment, now)
                    changes += [Put(back), Put(_note(back, "restoring", detail=_why(reasons)))]
                    next_environment = following(environment, now, moving=back.id, serving=None)
                else:
                    started = self._queued(environment)
                    next_environment = following(
                        environment, now, moving=environment.queued, queued=None
                    )
            elif environment.queued == deployment.id:
                next_environment = following(environment, now, queued=None)
            try:
                self._store.commit(*changes, Put(next_environment))
            except ChangedMeanwhile:
                deployment = self._reread(deployment)
                continue
            self._start(started)
            return ended
        raise _too_fast()

    def succeed(self, deployment: Deployment, **facts: Any) -> Deployment:
        """The deployment is live: it takes over the environment, and the next one may go."""
        for _ in range(_TRIES):
            if deployment.state is not DeploymentState.VERIFYING:
                return deployment
            now = self._clock.now()
            live = deployment.after(DeploymentEvent.VERIFIED, now, confirmed_at=now, **facts)
            environment = self.environment(deployment)
            good = [live.id, *(d for d in environment.last_good if d != live.id)]
            ours = environment.moving in (None, live.id)
            started = self._queued(environment) if ours else None
            changes: list[Change] = [
                Put(live),
                Put(item(live, DeploymentEvent.VERIFIED)),
                *(self._replaced(environment, now) if environment.serving != live.id else []),
                Put(
                    following(
                        environment,
                        now,
                        serving=live.id,
                        moving=environment.queued if ours else environment.moving,
                        queued=None if ours else environment.queued,
                        last_good=tuple(good[:REMEMBERED_GOOD]),
                    )
                ),
            ]
            try:
                self._store.commit(*changes)
            except ChangedMeanwhile:
                deployment = self._reread(deployment)
                continue
            self._start(started)
            return live
        raise _too_fast()

    def move(self, deployment: Deployment, event: DeploymentEvent, **facts: Any) -> Deployment:
        """Commits a transition with its history item; the stored state when the race is lost."""
        moved = deployment.after(event, self._clock.now(), **facts)
        if moved is deployment:
            return deployment
        try:
            self._store.commit(Put(moved), Put(item(moved, event)))
        except ChangedMeanwhile:
            return self._reread(deployment)
        return moved

    def note(self, deployment: Deployment, **facts: Any) -> Deployment:
        """Commits facts that change no state."""
        noted = deployment.noting(self._clock.now(), **facts)
        try:
            self._store.commit(Put(noted))
        except ChangedMeanwhile:
            return self._reread(deployment)
        return noted

    def give_turn(self, deployment: Deployment) -> None:
        """A queued deployment whose environment nothing moves in gets its turn."""
        environment = self.environment(deployment)
        if environment.moving is not None:
            return
        now = self._clock.now()
        self._store.commit(Put(following(environment, now, moving=deployment.id, queued=None)))
        self._start(deployment)

    def adopt(self, deployment: Deployment, seen: HostDeployment) -> Deployment:
        """The host itself moved the agent to a new deployment of the same image."""
        return self.note(
            deployment,
            host=replace(deployment.host, deployment_id=seen.id),
            host_status=seen.status,
            confirmed_at=self._clock.now(),
        )

    def removed_at_host(self, deployment: Deployment) -> Deployment:
        """Nobody asked us, but the host no longer runs it: say so."""
        now = self._clock.now()
        gone = deployment.after(
            DeploymentEvent.STOPPED,
            now,
            confirmed_at=now,
            reasons=(
                Reason(
                    "removed_at_host",
                    "Somebody removed this deployment at the host. Deploy again to bring it back.",
                ),
            ),
        )
        changes: list[Change] = [Put(gone), Put(item(gone, DeploymentEvent.STOPPED))]
        environment = self.environment(deployment)
        if environment.serving == deployment.id:
            changes.append(Put(following(environment, now, serving=None)))
        try:
            self._store.commit(*changes)
        except ChangedMeanwhile:
            return self._reread(deployment)
        return gone

    def remember_service(self, deployment: Deployment, service_id: str, domain: str) -> None:
        """The environment keeps its service and address for all deployments to come."""
        environment = self.environment(deployment)
        if (environment.service_id, environment.domain) != (service_id, domain):
            self._store.commit(
                Put(following(environment, self._clock.now(), service_id=service_id, domain=domain))
            )

    # --- how ----------------------------------------------------------------------------------

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
            created_by=actor,
            created_at=now,
            updated_at=now,
            trigger=trigger,
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

    def _again(self, target: Deployment, trigger: Trigger, actor: str) -> Deployment:
        """A fresh draft with another deployment's version, image, plan and variables."""
        now = self._clock.now()
        return Deployment(
            id=new_id("dep"),
            org_id=target.org_id,
            agent_id=target.agent_id,
            version_id=target.version_id,
            version_number=target.version_number,
            environment=target.environment,
            state=DeploymentState.QUEUED,
            image=target.image,
            plan=target.plan,
            variables=target.variables,
            created_by=actor,
            created_at=now,
            updated_at=now,
            trigger=trigger,
            rollback_of=target.id if trigger is Trigger.ROLLBACK else None,
            deadline_at=now + self._release_limit,
            timings={DeploymentState.QUEUED.value: now.isoformat()},
        )

    def _admit(self, draft: Deployment, *more: Change) -> Deployment:
        """Stores a draft and gives it its turn: now, or behind the one that moves."""
        for _ in range(_TRIES):
            now = self._clock.now()
            changes: list[Change] = [Put(draft), Put(_note(draft, "requested", draft.created_by))]
            starts = False
            if draft.state is DeploymentState.QUEUED:
                environment = self.environment(draft)
                starts = environment.moving is None
                if starts:
                    changes.append(Put(following(environment, now, moving=draft.id)))
                else:
                    waiting = self._queued(environment)
                    if waiting is not None:
                        replaced = waiting.after(DeploymentEvent.SUPERSEDED, now)
                        changes += [
                            Put(replaced),
                            Put(item(replaced, DeploymentEvent.SUPERSEDED)),
                        ]
                    changes.append(Put(following(environment, now, queued=draft.id)))
            try:
                self._store.commit(*changes, *more)
            except ChangedMeanwhile:
                if more:
                    # The caller's own write may be what was lost; it decides.
                    raise
                continue
            self._schedule.enable()
            self._start(draft if starts else None)
            return draft
        raise _too_fast()

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

    def _replaced(self, environment: Environment, now: datetime) -> list[Change]:
        if environment.serving is None:
            return []
        old = self._store.get(Deployment, environment.org_id, environment.serving)
        if old is None or not old.state.is_serving:
            return []
        gone = old.after(DeploymentEvent.SUPERSEDED, now)
        return [Put(gone), Put(item(gone, DeploymentEvent.SUPERSEDED))]

    def _queued(self, environment: Environment) -> Deployment | None:
        if environment.queued is None:
            return None
        return self._store.get(Deployment, environment.org_id, environment.queued)

    def _reread(self, deployment: Deployment) -> Deployment:
        found = self._store.get(Deployment, deployment.org_id, deployment.id)
        if found is None:
            raise NotFound("This deployment is gone.")
        return found

    def _start(self, deployment: Deployment | None) -> None:
        """Wakes the engine. If it does not answer, the reconciler starts it later."""
        if deployment is None:
            return
        try:
            self._engine.start(deployment)
        except PlatformError as error:
            logger.warning("engine not started", extra={"detail": error.detail})

    @staticmethod
    def _try_at_host(action: Any, deployment_id: str) -> None:
        try:
            action(deployment_id)
        except PlatformError as error:
            logger.warning("host did not follow", extra={"detail": error.detail})


def following(environment: Environment, now: datetime, **changes: Any) -> Environment:
    """The environment's next revision."""
    return replace(environment, updated_at=now, revision=environment.revision + 1, **changes)


def item(deployment: Deployment, event: DeploymentEvent, *, actor: str = "slipway") -> HistoryItem:
    """The history item that belongs to a transition; one for each revision."""
    return _note(deployment, event.value, actor, _why(deployment.reasons))


def _note(
    deployment: Deployment, event: str, actor: str = "slipway", detail: str = ""
) -> HistoryItem:
    return HistoryItem(
        org_id=deployment.org_id,
        subject_id=deployment.id,
        sequence=deployment.revision,
        at=deployment.updated_at,
        event=event,
        state=deployment.state.value,
        detail=detail,
        actor=actor,
    )


def _why(reasons: tuple[Reason, ...]) -> str:
    return reasons[0].detail if reasons else ""


def _log_position(cursor: str | None) -> tuple[str | None, int]:
    """A cursor is the last line's time and how many lines of that very time were read."""
    if not cursor:
        return None, 0
    since, _, count = cursor.partition("~")
    return since, int(count) if count.isdigit() else 0


def _already_seen(lines: Sequence[LogLine], since: str | None, seen: int) -> int:
    same = 0
    while same < len(lines) and same < seen and lines[same].timestamp == since:
        same += 1
    return same


def _too_fast() -> Conflict:
    return Conflict("This agent is changing too fast; try again in a moment.")
