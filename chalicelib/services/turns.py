"""Whose turn it is: one deployment moves at a time in an environment, one serves, one may wait.

Every change of a deployment's state is committed here, with its history item and the environment
it holds or leaves, in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.audit import AuditEvent
from chalicelib.domain.deployments import (
    Deployment,
    DeploymentEvent,
    DeploymentState,
    Environment,
    HistoryItem,
    Trigger,
)
from chalicelib.domain.ids import new_id
from chalicelib.domain.masking import Masker
from chalicelib.domain.versions import Reason, Version
from chalicelib.errors import ChangedMeanwhile, Conflict, NotFound, PlatformError
from chalicelib.ports import Change, Clock, Engine, HostDeployment, Put, Schedule, Store
from chalicelib.services.audit import Audit
from chalicelib.telemetry import logger

_TRIES = 8
REMEMBERED_GOOD = 20


class Turns:
    def __init__(
        self,
        *,
        store: Store,
        audit: Audit,
        engine: Engine,
        schedule: Schedule,
        clock: Clock,
        release_limit: timedelta,
        masker: Callable[[Deployment], Masker],
    ) -> None:
        self._store = store
        self._audit = audit
        self._engine = engine
        self._schedule = schedule
        self._clock = clock
        self._release_limit = release_limit
        self._masker = masker

    def admit(self, draft: Deployment, event: AuditEvent, *more: Change) -> Deployment:
        """Stores a draft and gives it its turn: now, or behind the one that moves."""
        for _ in range(_TRIES):
            now = self._clock.now()
            changes: list[Change] = [Put(draft), Put(item(draft, "requested", draft.created_by))]
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
                            Put(item(replaced, DeploymentEvent.SUPERSEDED.value)),
                        ]
                    changes.append(Put(following(environment, now, queued=draft.id)))
            try:
                self._audit.commit(event, *changes, *more)
            except ChangedMeanwhile:
                if more:
                    # The caller's own write may be what was lost; it decides.
                    raise
                continue
            self._schedule.enable()
            self._start(draft if starts else None)
            return draft
        raise _too_fast()

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
        by: AuditEvent | None = None,
    ) -> Deployment:
        """Ends a moving deployment without success and lets the next one go.

        With `restore` the host already runs this one in place of the last good one, which is
        then brought back by a deployment of its own.
        """
        for _ in range(_TRIES):
            if not deployment.state.is_moving:
                return deployment
            now = self._clock.now()
            ended = deployment.after(event, now, reasons=self._shown(deployment, reasons))
            environment = self.environment(deployment)
            changes: list[Change] = [Put(ended), Put(item(ended, event.value, actor))]
            started: Deployment | None = None
            next_environment = following(environment, now)
            if environment.moving == deployment.id:
                back = self._restoring(ended, environment) if restore else None
                if back is not None:
                    started = back
                    changes += self._replaced(environment, now)
                    changes += [Put(back), Put(item(back, "restoring", detail=_why(ended.reasons)))]
                    next_environment = following(environment, now, moving=back.id, serving=None)
                else:
                    started = self._queued(environment)
                    next_environment = following(
                        environment, now, moving=environment.queued, queued=None
                    )
            elif environment.queued == deployment.id:
                next_environment = following(environment, now, queued=None)
            try:
                self._commit(by, *changes, Put(next_environment))
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
                Put(item(live, DeploymentEvent.VERIFIED.value)),
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
        if facts.get("reasons"):
            facts["reasons"] = self._shown(deployment, facts["reasons"])
        moved = deployment.after(event, self._clock.now(), **facts)
        if moved is deployment:
            return deployment
        try:
            self._store.commit(Put(moved), Put(item(moved, event.value)))
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

    def leave(
        self,
        deployment: Deployment,
        *,
        actor: str = "slipway",
        reasons: tuple[Reason, ...] = (),
        by: AuditEvent | None = None,
    ) -> Deployment:
        """A deployment that served serves no longer."""
        for _ in range(_TRIES):
            if not deployment.state.is_serving:
                return deployment
            now = self._clock.now()
            gone = deployment.after(
                DeploymentEvent.STOPPED,
                now,
                confirmed_at=now,
                reasons=self._shown(deployment, reasons),
            )
            changes: list[Change] = [
                Put(gone),
                Put(item(gone, DeploymentEvent.STOPPED.value, actor)),
            ]
            environment = self.environment(deployment)
            if environment.serving == deployment.id:
                changes.append(Put(following(environment, now, serving=None)))
            try:
                self._commit(by, *changes)
            except ChangedMeanwhile:
                deployment = self._reread(deployment)
                continue
            return gone
        raise _too_fast()

    def remember_service(self, deployment: Deployment, service_id: str, domain: str) -> None:
        """The environment keeps its service and address for all deployments to come."""
        for _ in range(_TRIES):
            environment = self.environment(deployment)
            if (environment.service_id, environment.domain) == (service_id, domain):
                return
            found = following(environment, self._clock.now(), service_id=service_id, domain=domain)
            try:
                self._store.commit(Put(found))
            except ChangedMeanwhile:
                continue
            return
        raise _too_fast()

    def again(self, target: Deployment, trigger: Trigger, actor: str) -> Deployment:
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
            secret_names=target.secret_names,
            created_by=actor,
            created_at=now,
            updated_at=now,
            trigger=trigger,
            rollback_of=target.id if trigger is Trigger.ROLLBACK else None,
            deadline_at=now + self._release_limit,
            timings={DeploymentState.QUEUED.value: now.isoformat()},
        )

    def masker(self, deployment: Deployment) -> Masker:
        """Takes the deployment's secrets out of what is said about it."""
        return self._masker(deployment)

    # --- how ---------------------------------------------------------------------------------

    def _shown(self, deployment: Deployment, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
        """The reasons as they may be kept: what the host or the agent said may hold secrets."""
        if not reasons:
            return reasons
        mask = self._masker(deployment)
        return tuple(replace(reason, detail=mask(reason.detail)) for reason in reasons)

    def _commit(self, by: AuditEvent | None, *changes: Change) -> None:
        """What a person asked for is recorded; what follows from it has its history items."""
        if by is None:
            self._store.commit(*changes)
        else:
            self._audit.commit(by, *changes)

    def _restoring(self, failed: Deployment, environment: Environment) -> Deployment | None:
        """A draft that brings the last good deployment back after `failed`; None without one."""
        if failed.trigger is Trigger.RESTORE:
            return None
        for good in environment.last_good:
            found = self._store.get(Deployment, failed.org_id, good)
            if found is not None and found.id != failed.id:
                return replace(self.again(found, Trigger.RESTORE, "slipway"), rollback_of=failed.id)
        return None

    def _replaced(self, environment: Environment, now: datetime) -> list[Change]:
        if environment.serving is None:
            return []
        old = self._store.get(Deployment, environment.org_id, environment.serving)
        if old is None or not old.state.is_serving:
            return []
        gone = old.after(DeploymentEvent.SUPERSEDED, now)
        return [Put(gone), Put(item(gone, DeploymentEvent.SUPERSEDED.value))]

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


def following(environment: Environment, now: datetime, **changes: Any) -> Environment:
    """The environment's next revision."""
    return replace(environment, updated_at=now, revision=environment.revision + 1, **changes)


def item(
    subject: Deployment | Version, event: str, actor: str = "slipway", detail: str = ""
) -> HistoryItem:
    """The history item that belongs to a revision; its detail is the first reason, if any."""
    return HistoryItem(
        org_id=subject.org_id,
        subject_id=subject.id,
        sequence=subject.revision,
        at=subject.updated_at,
        event=event,
        state=subject.state.value,
        detail=detail or _why(subject.reasons),
        actor=actor,
    )


def _why(reasons: tuple[Reason, ...]) -> str:
    return reasons[0].detail if reasons else ""


def _too_fast() -> Conflict:
    return Conflict("This agent is changing too fast; try again in a moment.")
