"""What is left at the host of deployments that have ended here: looked for, ended, or replaced.

A deployment can end (cancelled, out of time, failed) while the host still carries it out. Until
the host is known to have ended it too, its environment remembers it, and every look does the next
thing. All of it can be done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chalicelib.domain import hosting
from chalicelib.domain.deployments import Deployment, Environment, Leftover
from chalicelib.domain.operations import Difference
from chalicelib.domain.release import is_image_of, may_be_image_of
from chalicelib.errors import HostRefused, PlatformError
from chalicelib.ports import Clock, Host, HostDeployment, Store
from chalicelib.services.turns import Turns
from chalicelib.telemetry import logger

APPEARS_WITHIN = timedelta(seconds=120)
"""How long after it was asked for a deployment of unknown id may still show at the host."""
MAX_RESTORES = 2


class Settling:
    def __init__(self, *, store: Store, host: Host, turns: Turns, clock: Clock) -> None:
        self._store = store
        self._host = host
        self._turns = turns
        self._clock = clock

    def try_now(self, deployment: Deployment) -> None:
        """Right after a deployment has ended; what cannot be settled now is settled later."""
        try:
            self.settle(self._turns.environment(deployment))
        except PlatformError as error:
            logger.warning("not settled yet", extra={"detail": error.detail})

    def settle(self, environment: Environment) -> int:
        """Does the next thing about each leftover; how many differences it mended."""
        mended = 0
        for leftover in environment.leftovers:
            deployment = self._store.get(Deployment, environment.org_id, leftover.deployment_id)
            if deployment is None or self._is_settled(environment, leftover, deployment):
                self._turns.settle(environment, leftover.deployment_id)
                mended += 1
            environment = self._turns.environment(deployment) if deployment else environment
        return mended

    def _is_settled(
        self, environment: Environment, leftover: Leftover, deployment: Deployment
    ) -> bool:
        if environment.moving is not None and not deployment.host.deployment_id:
            # What moves may look just like it at the host; it is told apart once that has ended.
            return False
        seen = self._at_host(environment, deployment)
        if seen is None:
            return self._never_began(leftover, deployment)
        match hosting.verdict(seen):
            case hosting.Verdict.DOWN:
                return True
            case hosting.Verdict.COMING:
                self._host.cancel(seen.id)
                return self._has_ended(deployment, seen.id)
            case hosting.Verdict.UP:
                return seen.stopped or self._replace(environment, leftover, deployment, seen)

    def _replace(
        self,
        environment: Environment,
        leftover: Leftover,
        deployment: Deployment,
        seen: HostDeployment,
    ) -> bool:
        """The host runs what has ended here: the last good one comes back, or nothing runs."""
        if environment.moving is not None:
            # What moves takes its place, or becomes a leftover itself.
            return False
        if leftover.restores < MAX_RESTORES:
            back = self._turns.bring_back(environment, deployment)
            if back is not None:
                self._record(deployment, seen, f"brought back by {back.id}")
                return False
        try:
            self._host.stop(seen.id)
        except HostRefused as error:
            logger.warning("the host did not stop it", extra={"detail": error.detail})
            return self._has_ended(deployment, seen.id)
        self._record(deployment, seen, "stopped")
        return self._has_ended(deployment, seen.id)

    def _record(self, deployment: Deployment, seen: HostDeployment, done: str) -> None:
        self._turns.note(
            self._turns.stored(deployment.org_id, deployment.id) or deployment,
            event="settled",
            detail=f"The host ran it ({seen.status}) although it has ended here; {done}.",
            difference=Difference(deployment.state.value, f"{seen.id} {seen.status}", done),
        )

    def _has_ended(self, deployment: Deployment, host_id: str) -> bool:
        return not _goes_on(self._or_moved(deployment, host_id))

    def _or_moved(self, deployment: Deployment, host_id: str) -> HostDeployment | None:
        """This deployment of the host, or the one it has itself moved the agent to since."""
        seen = self._host.deployments([host_id]).get(host_id)
        service_id = deployment.host.service_id
        if not service_id or (seen is not None and seen.status not in ("REMOVED", "REMOVING")):
            return seen
        recent = self._host.recent(service_id)
        # Read after the host: whatever we began there meanwhile is known by now.
        environment = self._turns.environment(deployment)
        if environment.moving is not None:
            return seen
        others = self._turns.others(deployment)
        known = {one.host.deployment_id for one in others}
        for one in recent:
            if one.id == host_id:
                break
            if one.id not in known and _goes_on(one) and is_image_of(deployment, one, others):
                return one
        return seen

    def _never_began(self, leftover: Leftover, deployment: Deployment) -> bool:
        if deployment.host.deployment_id:
            return True
        asked = hosting.asked_at(deployment.timings.get("host_asked")) or leftover.since
        return self._clock.now() - asked > APPEARS_WITHIN

    def _at_host(self, environment: Environment, deployment: Deployment) -> HostDeployment | None:
        named = deployment.host.deployment_id
        if named:
            return self._or_moved(deployment, named)
        service_id = deployment.host.service_id or environment.service_id
        asked = hosting.asked_at(deployment.timings.get("host_asked"))
        if not service_id or asked is None:
            return None
        recent = self._host.recent(service_id)
        return _begun_since(recent, deployment, asked, self._turns.others(deployment))


def _goes_on(seen: HostDeployment | None) -> bool:
    return hosting.runs(seen) or (
        seen is not None and hosting.verdict(seen) is hosting.Verdict.COMING
    )


def _begun_since(
    recent: Sequence[HostDeployment],
    deployment: Deployment,
    asked: datetime,
    others: Sequence[Deployment],
) -> HostDeployment | None:
    known = {one.host.deployment_id for one in others}
    for seen in recent:
        if seen.id in known or not may_be_image_of(deployment, seen, others):
            continue
        if seen.created_at is None or seen.created_at >= asked:
            return seen
    return None
