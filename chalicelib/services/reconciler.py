"""Comparing what we say with what is true, and mending the difference.

Takes up whatever a lost event, a dead execution or a restart left behind. Everything it does can
be done twice; it may itself be killed at any point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from chalicelib.domain.deployments import Deployment, DeploymentEvent, DeploymentState
from chalicelib.domain.versions import Reason
from chalicelib.errors import PlatformError
from chalicelib.ports import (
    CLOSING,
    OPEN_DEPLOYMENTS,
    OPEN_VERSIONS,
    Clock,
    Engine,
    Host,
    HostDeployment,
    Schedule,
    Store,
    every,
)
from chalicelib.services.closing import Closing
from chalicelib.services.turns import Turns
from chalicelib.services.versions import Versions
from chalicelib.telemetry import logger

BATCH = 50
CONFIRM_EVERY = timedelta(seconds=50)
"""A state that has not changed is written down again this often: it is what people are shown."""
OVERDUE = timedelta(seconds=30)


@dataclass
class Run:
    """What one run saw and did."""

    versions: int = 0
    moving: int = 0
    serving: int = 0
    closing: int = 0
    repaired: int = 0
    failed: int = 0


class Reconciler:
    def __init__(
        self,
        *,
        store: Store,
        host: Host,
        engine: Engine,
        schedule: Schedule,
        versions: Versions,
        turns: Turns,
        closing: Closing,
        clock: Clock,
    ) -> None:
        self._store = store
        self._host = host
        self._engine = engine
        self._schedule = schedule
        self._versions = versions
        self._turns = turns
        self._closing = closing
        self._clock = clock

    def run(self) -> Run:
        """Looks at everything that is not final. With nothing left, it turns its own schedule
        off: an unused platform costs nothing."""
        run = Run()
        closing = {organisation.id: organisation for organisation in every(self._store, CLOSING)}
        run.closing = len(closing)
        for version in list(every(self._store, OPEN_VERSIONS)):
            run.versions += 1
            ended = version.org_id in closing
            work = self._closing.halt if ended else self._versions.reconcile
            self._guard(run, partial(work, version))
        serving: list[Deployment] = []
        for deployment in list(every(self._store, OPEN_DEPLOYMENTS)):
            if deployment.org_id in closing:
                run.moving += 1
                self._guard(run, partial(self._closing.halt, deployment))
            elif deployment.state.is_moving:
                run.moving += 1
                self._guard(run, partial(self._take_up, deployment, run))
            else:
                serving.append(deployment)
        run.serving = len(serving)
        for batch in _batches(serving):
            self._guard(run, partial(self._compare, batch, run))
        for organisation in closing.values():
            # Last, for removing one may take long.
            self._guard(run, partial(self._closing.reconcile, organisation))
        if not (run.versions or run.moving or run.serving or run.closing):
            self._rest()
        return run

    def hint(self, host_deployment_id: str) -> None:
        """Somebody says that this deployment changed at the host: look at it now."""
        for deployment in every(self._store, OPEN_DEPLOYMENTS):
            if deployment.host.deployment_id == host_deployment_id:
                if deployment.state.is_serving:
                    self._compare([deployment], Run())
                return

    def _rest(self) -> None:
        """Switches the schedule off; on again, if work has come in between."""
        self._schedule.disable()
        if (
            self._store.page(OPEN_VERSIONS, limit=1).items
            or self._store.page(OPEN_DEPLOYMENTS, limit=1).items
            or self._store.page(CLOSING, limit=1).items
        ):
            self._schedule.enable()

    def _guard(self, run: Run, work: Callable[[], object]) -> None:
        """One thing that cannot be mended now must not keep the others from it."""
        try:
            work()
        except PlatformError as error:
            run.failed += 1
            logger.warning("could not reconcile", extra={"detail": error.detail})
        except Exception:  # noqa: BLE001 - a fault in one is no reason to leave the others
            run.failed += 1
            logger.exception("could not reconcile")

    def _take_up(self, deployment: Deployment, run: Run) -> None:
        """A moving deployment needs a living execution, or its turn."""
        environment = self._turns.environment(deployment)
        if environment.moving != deployment.id:
            if environment.moving is None and environment.queued in (None, deployment.id):
                run.repaired += 1
                self._turns.give_turn(deployment)
            return
        if self._engine.is_running(deployment):
            return
        if deployment.deadline_at and self._clock.now() > deployment.deadline_at + OVERDUE:
            run.repaired += 1
            self._turns.end(
                deployment,
                DeploymentEvent.FAILED,
                reasons=(
                    Reason("deploy_timeout", "It did not become live in time. Deploy again."),
                ),
                restore=deployment.state is DeploymentState.VERIFYING,
            )
            return
        run.repaired += 1
        again = self._turns.note(deployment, attempt=deployment.attempt + 1)
        if again.state.is_moving:
            self._engine.start(again)

    def _compare(self, batch: list[Deployment], run: Run) -> None:
        found = self._host.deployments([d.host.deployment_id for d in batch])
        for deployment in batch:
            before = deployment.state
            after = self._settle(deployment, found.get(deployment.host.deployment_id))
            if after.state is not before:
                run.repaired += 1
                logger.info(
                    "state corrected",
                    extra={"deployment_id": deployment.id, "was": before, "now": after.state},
                )

    def _settle(self, deployment: Deployment, seen: HostDeployment | None) -> Deployment:
        if seen is None or seen.status in ("REMOVED", "REMOVING"):
            return self._gone(deployment)
        facts = {"confirmed_at": self._clock.now(), "host_status": seen.status}
        if seen.status == "SLEEPING":
            event = DeploymentEvent.FELL_ASLEEP
        elif seen.status == "SUCCESS" and not seen.stopped:
            event = DeploymentEvent.RECOVERED
        elif seen.status in ("CRASHED", "FAILED") or seen.stopped:
            event = DeploymentEvent.CRASHED
        else:
            return deployment
        if deployment.after(event, self._clock.now()) is deployment:
            last = deployment.confirmed_at
            if last is None or self._clock.now() - last > CONFIRM_EVERY:
                return self._turns.note(deployment, **facts)
            return deployment
        reasons: tuple[Reason, ...] = ()
        if event is DeploymentEvent.CRASHED:
            reasons = (self._crash(deployment, seen),)
        return self._turns.move(deployment, event, reasons=reasons, **facts)

    def _gone(self, deployment: Deployment) -> Deployment:
        """Not at the host any more: replaced there by one with our image, or taken away."""
        newest = self._host.newest(deployment.host.service_id)
        if (
            newest is not None
            and newest.id != deployment.host.deployment_id
            and newest.status in ("SUCCESS", "SLEEPING")
            and newest.image == deployment.image
        ):
            return self._turns.adopt(deployment, newest)
        return self._turns.leave(
            deployment,
            reasons=(
                Reason(
                    "removed_at_host",
                    "Somebody removed this deployment at the host. Deploy again to bring it back.",
                ),
            ),
        )

    def _crash(self, deployment: Deployment, seen: HostDeployment) -> Reason:
        tail = self._host.logs(deployment.host.deployment_id, since=None, limit=10)
        text = "\n".join(line.message for line in tail)
        what = (
            "The agent ended by itself with exit code 0."
            if seen.stopped
            else seen.detail or "The agent crashed and its restarts are used up."
        )
        return Reason(
            "agent_crashed",
            f"{what} Mend the cause and deploy again, or restart it."
            + (f"\nIts last output:\n{text}" if text else ""),
        )


def _batches(items: list[Deployment]) -> Iterable[list[Deployment]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
