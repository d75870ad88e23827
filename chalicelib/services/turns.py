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
from chalicelib.domain.copies import month_of
from chalicelib.domain.deployments import (
    Deployment,
    DeploymentEvent,
    DeploymentState,
    Environment,
    Leftover,
    Pause,
    Trigger,
)
from chalicelib.domain.ids import new_id
from chalicelib.domain.masking import Masker
from chalicelib.domain.operations import Difference, ServiceClaim
from chalicelib.domain.versions import Newest, Reason
from chalicelib.errors import ChangedMeanwhile, Conflict, NotFound, PlatformError
from chalicelib.ports import Change, Clock, Engine, HostDeployment, Put, Schedule, Store
from chalicelib.services.activity import Activity
from chalicelib.services.audit import Audit
from chalicelib.services.history import item, repaired, was_asked_for, why_of
from chalicelib.telemetry import logger

_TRIES = 8
REMEMBERED_GOOD = 20
MAX_LEFTOVERS = 20
_NO_LONGER = {"url": None, "host_status": None, "instances": (), "health": None}
"""What was true of a deployment only while it served."""


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
        activity: Activity,
    ) -> None:
        self._store = store
        self._audit = audit
        self._engine = engine
        self._schedule = schedule
        self._clock = clock
        self._release_limit = release_limit
        self._masker = masker
        self._activity = activity

    def admit(self, draft: Deployment, event: AuditEvent, *more: Change) -> Deployment:
        """Stores a draft and gives it its turn: now, or behind the one that moves."""
        for _ in range(_TRIES):
            now = self._clock.now()
            changes: list[Change] = [Put(draft), Put(item(draft, "requested", draft.created_by))]
            starts = False
            if draft.state is DeploymentState.QUEUED:
                environment = self.environment(draft)
                if draft.trigger in (Trigger.REQUEST, Trigger.ROLLBACK):
                    # Somebody has looked, and decided.
                    environment = replace(environment, paused=None)
                environment = replace(environment, newest=Newest(draft.id, draft.created_at))
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

    def others(self, deployment: Deployment) -> list[Deployment]:
        """What else was live, or is on its way, in this environment lately."""
        environment = self.environment(deployment)
        named = (environment.serving, environment.moving, *environment.last_good[:3])
        found = (
            self._store.get(Deployment, deployment.org_id, one)
            for one in dict.fromkeys(named)
            if one and one != deployment.id
        )
        return [one for one in found if one is not None]

    def end(
        self,
        deployment: Deployment,
        event: DeploymentEvent,
        *,
        reasons: tuple[Reason, ...],
        actor: str = "slipway",
        restore: bool = False,
        settled: bool = False,
        difference: Difference | None = None,
        by: AuditEvent | None = None,
    ) -> Deployment:
        """Ends a moving deployment without success and lets the next one go.

        With `restore` the host already runs this one in place of the last good one, which is
        then brought back by a deployment of its own, and builds deploy no more by themselves
        here until a person has looked. Unless `settled` (the host has ended it, or never heard
        of it), the environment remembers it until the host is known to have ended it.
        """
        for _ in range(_TRIES):
            if not deployment.state.is_moving:
                return deployment
            now = self._clock.now()
            shown = self._shown(deployment, reasons)
            ended = deployment.after(event, now, reasons=shown, trouble=None, url=None)
            environment = self.environment(deployment)
            changes: list[Change] = [
                Put(ended),
                Put(item(ended, event.value, actor, difference=difference)),
                *repaired(ended, difference, now),
            ]
            started: Deployment | None = None
            next_environment = following(environment, now)
            if environment.moving == deployment.id:
                back = self._restoring(ended, environment) if restore else None
                if back is not None:
                    started = back
                    changes += self._replaced(environment, now)
                    changes += [Put(back), Put(item(back, "restoring", detail=why_of(shown)))]
                    next_environment = following(environment, now, moving=back.id, serving=None)
                    if event is DeploymentEvent.ROLLED_BACK:
                        pause = Pause(deployment.id, why_of(shown), now)
                        next_environment = replace(next_environment, paused=pause)
                else:
                    started = self._turn_of(environment, now)
                    changes += [Put(started)] if started else []
                    next_environment = following(
                        environment, now, moving=started.id if started else None, queued=None
                    )
                if not settled and was_asked_for(ended):
                    left = Leftover(ended.id, now, restores=1 if back is not None else 0)
                    next_environment = replace(
                        next_environment,
                        leftovers=(*environment.leftovers, left)[-MAX_LEFTOVERS:],
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
            live = deployment.after(
                DeploymentEvent.VERIFIED, now, confirmed_at=now, trouble=None, **facts
            )
            environment = self.environment(deployment)
            good = [live.id, *(d for d in environment.last_good if d != live.id)]
            ours = environment.moving in (None, live.id)
            started = self._turn_of(environment, now) if ours else None
            next_one = started.id if started else None
            changes: list[Change] = [
                *([Put(started)] if started else []),
                Put(live),
                Put(item(live, DeploymentEvent.VERIFIED.value)),
                *(self._replaced(environment, now) if environment.serving != live.id else []),
                Put(
                    following(
                        environment,
                        now,
                        serving=live.id,
                        moving=next_one if ours else environment.moving,
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
            self._activity.ran(live)
            return live
        raise _too_fast()

    def move(
        self,
        deployment: Deployment,
        event: DeploymentEvent,
        *,
        difference: Difference | None = None,
        **facts: Any,
    ) -> Deployment:
        """Commits a transition with its history item; the stored state when the race is lost."""
        if facts.get("reasons"):
            facts["reasons"] = self._shown(deployment, facts["reasons"])
        now = self._clock.now()
        moved = deployment.after(event, now, **facts)
        if moved is deployment:
            return deployment
        try:
            self._store.commit(
                Put(moved),
                Put(item(moved, event.value, difference=difference)),
                *repaired(moved, difference, now),
            )
        except ChangedMeanwhile:
            return self._reread(deployment)
        return moved

    def note(
        self,
        deployment: Deployment,
        *,
        event: str = "",
        detail: str = "",
        difference: Difference | None = None,
        **facts: Any,
    ) -> Deployment:
        """Commits facts that change no state; with a history item when it is an event."""
        now = self._clock.now()
        noted = deployment.noting(now, **facts)
        changes: list[Change] = [Put(noted), *repaired(noted, difference, now)]
        if event:
            changes.append(Put(item(noted, event, detail=detail, difference=difference)))
        try:
            self._store.commit(*changes)
        except ChangedMeanwhile:
            return self._reread(deployment)
        if _in_a_new_month(deployment, noted):
            self._activity.ran(noted)
        return noted

    def give_turn(self, deployment: Deployment) -> None:
        """A queued deployment whose environment nothing moves in gets its turn."""
        environment = self.environment(deployment)
        if environment.moving is not None:
            return
        now = self._clock.now()
        started = deployment.noting(now, deadline_at=now + self._release_limit)
        self._store.commit(
            Put(started), Put(following(environment, now, moving=deployment.id, queued=None))
        )
        self._start(started)

    def adopt(self, deployment: Deployment, seen: HostDeployment) -> Deployment:
        """The host itself moved the agent to a new deployment of the same image."""
        former = deployment.host.deployment_id
        return self.note(
            deployment,
            event="adopted",
            detail="The host moved the agent to a new deployment of the same image.",
            difference=Difference(former, f"{seen.id} {seen.status}", "adopted"),
            host=replace(deployment.host, deployment_id=seen.id),
            host_status=seen.status,
            confirmed_at=self._clock.now(),
        )

    def bring_back(self, environment: Environment, failed: Deployment) -> Deployment | None:
        """The last good deployment comes back in place of `failed`, which the host runs although
        it has ended here. None when there is none, or when something moves already."""
        if environment.moving is not None:
            return None
        now = self._clock.now()
        back = self._good_one(failed, environment)
        if back is None:
            return None
        left = tuple(
            replace(one, restores=one.restores + 1) if one.deployment_id == failed.id else one
            for one in environment.leftovers
        )
        why = "The host went on with a deployment that had ended here."
        pause = environment.paused or Pause(failed.id, why_of(failed.reasons) or why, now)
        self._store.commit(
            *self._replaced(environment, now),
            Put(back),
            Put(item(back, "restoring", detail=why)),
            Put(
                following(
                    environment, now, moving=back.id, serving=None, leftovers=left, paused=pause
                )
            ),
        )
        self._start(back)
        return back

    def settle(self, environment: Environment, deployment_id: str) -> None:
        """The host has ended this deployment too: nothing of it is left."""
        for _ in range(_TRIES):
            left = tuple(o for o in environment.leftovers if o.deployment_id != deployment_id)
            if left == environment.leftovers:
                return
            try:
                self._store.commit(Put(following(environment, self._clock.now(), leftovers=left)))
            except ChangedMeanwhile:
                found = self._store.get(
                    Environment, environment.org_id, environment.agent_id, environment.name
                )
                if found is None:
                    return
                environment = found
                continue
            return
        raise _too_fast()

    def resume(self, environment: Environment, by: AuditEvent) -> Environment:
        """Builds deploy by themselves here again."""
        if environment.paused is None:
            return environment
        resumed = following(environment, self._clock.now(), paused=None)
        self._commit(by, Put(resumed))
        return resumed

    def leave(
        self,
        deployment: Deployment,
        *,
        actor: str = "slipway",
        reasons: tuple[Reason, ...] = (),
        difference: Difference | None = None,
        host_status: str | None = None,
        by: AuditEvent | None = None,
    ) -> Deployment:
        """A deployment that served serves no longer; `host_status` is the host's last word."""
        for _ in range(_TRIES):
            if not deployment.state.is_serving:
                return deployment
            now = self._clock.now()
            shown = self._shown(deployment, reasons)
            ended = {**_NO_LONGER, "host_status": host_status}
            gone = deployment.after(
                DeploymentEvent.STOPPED, now, confirmed_at=now, reasons=shown, **ended
            )
            changes: list[Change] = [
                Put(gone),
                Put(item(gone, DeploymentEvent.STOPPED.value, actor, difference=difference)),
                *repaired(gone, difference, now),
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
        """The environment keeps its service and address for all deployments to come, and the
        service is claimed, so that it is nobody's orphan."""
        for _ in range(_TRIES):
            environment = self.environment(deployment)
            if (environment.service_id, environment.domain) == (service_id, domain):
                return
            found = following(environment, self._clock.now(), service_id=service_id, domain=domain)
            changes: list[Change] = [Put(found)]
            is_new = environment.service_id != service_id
            if is_new and self._store.get(ServiceClaim, service_id) is None:
                whose = (deployment.org_id, deployment.agent_id, deployment.environment)
                changes.append(Put(ServiceClaim(service_id, *whose)))
            try:
                self._store.commit(*changes)
            except ChangedMeanwhile:
                continue
            return
        raise _too_fast()

    def forget_domain(self, deployment: Deployment) -> None:
        """The address does not answer: the next release asks the host for it again."""
        environment = self.environment(deployment)
        if environment.domain:
            try:
                self._store.commit(Put(following(environment, self._clock.now(), domain="")))
            except ChangedMeanwhile:
                logger.info("environment changed meanwhile; its address is kept")

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
            variable_names=target.variable_names,
            secret_names=target.secret_names,
            created_by=actor,
            created_at=now,
            updated_at=now,
            trigger=trigger,
            version_label=target.version_label,
            commit=target.commit,
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
        # One that was to bring it back has failed itself: what is left of it is settled later.
        if failed.trigger is Trigger.RESTORE:
            return None
        return self._good_one(failed, environment)

    def _good_one(self, failed: Deployment, environment: Environment) -> Deployment | None:
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
        gone = old.after(DeploymentEvent.SUPERSEDED, now, **_NO_LONGER)
        return [Put(gone), Put(item(gone, DeploymentEvent.SUPERSEDED.value))]

    def _turn_of(self, environment: Environment, now: datetime) -> Deployment | None:
        """The queued deployment as its turn begins: only now does its time limit run."""
        queued = self._queued(environment)
        if queued is None or queued.state is not DeploymentState.QUEUED:
            return None
        return queued.noting(now, deadline_at=now + self._release_limit)

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


def _too_fast() -> Conflict:
    return Conflict("This agent is changing too fast; try again in a moment.")


def _in_a_new_month(before: Deployment, after: Deployment) -> bool:
    """Whether something that serves was seen for the first time this month."""
    if before.confirmed_at is None or after.confirmed_at is None:
        return False
    runs = after.state in (DeploymentState.LIVE, DeploymentState.ASLEEP)
    return runs and month_of(before.confirmed_at) != month_of(after.confirmed_at)
