"""Comparing what we say with what is true, and mending the difference.

Takes up whatever a lost event, a dead execution or a restart left behind. Everything it does can
be done twice; it may itself be killed at any point. What it mends it writes down: what we said,
what the host said, what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chalicelib.domain import hosting
from chalicelib.domain.budget import Need
from chalicelib.domain.deployments import (
    Deployment,
    DeploymentEvent,
    DeploymentState,
    Environment,
)
from chalicelib.domain.operations import Difference, ReconcilerRun, ServiceClaim
from chalicelib.domain.release import is_image_of, may_be_image_of
from chalicelib.domain.versions import Reason
from chalicelib.errors import ChangedMeanwhile, PlatformError
from chalicelib.ports import (
    CLOSING,
    OPEN_DEPLOYMENTS,
    OPEN_VERSIONS,
    UNSETTLED,
    Clock,
    Engine,
    Host,
    HostDeployment,
    Put,
    Schedule,
    Store,
    every,
)
from chalicelib.services.catalogue import Indexing
from chalicelib.services.closing import Closing
from chalicelib.services.health import Health
from chalicelib.services.orphans import Orphans
from chalicelib.services.settling import Settling
from chalicelib.services.turns import Turns
from chalicelib.services.versions import Versions
from chalicelib.services.work import Work
from chalicelib.telemetry import logger

BATCH = 100
CONFIRM_EVERY = timedelta(minutes=7)
"""A state that has not changed is written down again this often: it is what people are shown.
Longer than between two looks at the URL, whose answer is written down in the same write."""
OVERDUE = timedelta(seconds=30)
QUEUED_AT_MOST = timedelta(hours=1)
SHARE_OF_CALLS = 0.25
"""The part of the hour's calls that comparing may take: the more agents, the more rarely."""


Confirmations = dict[str, dict[str, Any]]
"""What the host has confirmed and nobody has written down yet, by deployment."""


@dataclass
class Run:
    """What one run saw and did."""

    versions: int = 0
    moving: int = 0
    serving: int = 0
    closing: int = 0
    deliveries: int = 0
    compared: int = 0
    leftovers: int = 0
    repaired: int = 0
    failed: int = 0
    problem: str = ""


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
        settling: Settling,
        health: Health,
        orphans: Orphans,
        work: Work,
        indexing: Indexing,
        clock: Clock,
    ) -> None:
        self._store = store
        self._host = host
        self._engine = engine
        self._schedule = schedule
        self._versions = versions
        self._turns = turns
        self._closing = closing
        self._settling = settling
        self._health = health
        self._orphans = orphans
        self._work = work
        self._indexing = indexing
        self._clock = clock

    def run(self, *, paced: bool = False) -> Run:
        """Looks at everything that is not final. With nothing left, it turns its own schedule
        off: an unused platform costs nothing. `paced`: what serves is compared no more often than
        its share of the host's calls allows."""
        run = Run()
        last = self._store.get(ReconcilerRun)
        began = self._clock.now()
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
        for environment in list(every(self._store, UNSETTLED)):
            run.leftovers += 1
            self._guard(run, partial(self._settle, environment, run))
        run.deliveries = self._work.reconcile(partial(self._guard, run))
        run.serving = len(serving)
        compared_at = self._compare_all(serving, run, last, paced=paced)
        searched_at = self._search(run, last)
        self._guard(run, self._indexing.sweep)
        for organisation in closing.values():
            # Last, for removing one may take long.
            self._guard(run, partial(self._closing.reconcile, organisation))
        self._write_down(run, last, began, compared_at, searched_at)
        busy = run.versions or run.moving or run.serving or run.leftovers or run.closing
        if not (busy or run.deliveries):
            self._rest()
        return run

    def hint(self, service_id: str, host_deployment_id: str) -> None:
        """Somebody says that something changed there at the host: look at it now.

        A hint may be false, late, doubled or for another tenant's ears: it only causes a look.
        """
        claim = self._store.get(ServiceClaim, service_id) if service_id else None
        if claim is None:
            return
        environment = self._store.get(Environment, claim.org_id, claim.agent_id, claim.environment)
        if environment is None or not environment.serving:
            return
        serving = self._turns.stored(claim.org_id, environment.serving)
        if serving is not None and serving.state.is_serving:
            logger.info("hint", extra={"host_deployment": host_deployment_id})
            self._compare([serving], Run(), Need.READ, {})

    def _rest(self) -> None:
        """Switches the schedule off; on again, if work has come in between."""
        self._schedule.disable()
        if (
            self._store.page(OPEN_VERSIONS, limit=1).items
            or self._store.page(OPEN_DEPLOYMENTS, limit=1).items
            or self._store.page(CLOSING, limit=1).items
            or self._store.page(UNSETTLED, limit=1).items
            or self._work.is_open()
        ):
            self._schedule.enable()

    def _guard(self, run: Run, work: Callable[[], object]) -> None:
        """One thing that cannot be mended now must not keep the others from it."""
        try:
            work()
        except PlatformError as error:
            run.failed += 1
            run.problem = run.problem or error.detail
            logger.warning("could not reconcile", extra={"detail": error.detail})
        except Exception as error:  # noqa: BLE001 - a fault in one is no reason to leave others
            run.failed += 1
            run.problem = run.problem or f"{type(error).__name__}: {error}"
            logger.exception("could not reconcile")

    def _write_down(
        self,
        run: Run,
        last: ReconcilerRun | None,
        began: datetime,
        compared_at: datetime | None,
        searched_at: datetime | None,
    ) -> None:
        done = ReconcilerRun(
            started_at=began,
            ended_at=self._clock.now(),
            compared_at=compared_at,
            searched_at=searched_at,
            revision=(last.revision if last else 0) + 1,
            **vars(run),
        )
        try:
            self._store.commit(Put(done))
        except ChangedMeanwhile:
            logger.info("another run has ended meanwhile; its record stays")

    # --- what moves ---------------------------------------------------------------------

    def _take_up(self, deployment: Deployment, run: Run) -> None:
        """A moving deployment needs a living execution, or its turn."""
        environment = self._turns.environment(deployment)
        now = self._clock.now()
        if environment.moving != deployment.id:
            if environment.moving is None and environment.queued in (None, deployment.id):
                run.repaired += 1
                self._turns.give_turn(deployment)
            elif now - deployment.created_at > QUEUED_AT_MOST:
                self._end(deployment, run, "It waited for its turn for too long. Deploy again.")
            return
        if deployment.deadline_at and now > deployment.deadline_at + OVERDUE:
            # The machine keeps this limit; whoever is later than that is not coming.
            self._end(deployment, run, "It did not become live in time. Deploy again.")
            return
        if self._engine.is_running(deployment):
            return
        run.repaired += 1
        again = self._turns.note(deployment, attempt=deployment.attempt + 1)
        if again.state.is_moving:
            self._engine.start(again)

    def _end(self, deployment: Deployment, run: Run, why: str) -> None:
        run.repaired += 1
        switched = deployment.state is DeploymentState.VERIFYING
        ended = self._turns.end(
            deployment,
            DeploymentEvent.ROLLED_BACK if switched else DeploymentEvent.FAILED,
            reasons=(Reason("deploy_timeout", why),),
            restore=switched,
            difference=Difference(
                deployment.state.value, deployment.host_status or "unknown", "ended: out of time"
            ),
        )
        self._settling.try_now(ended)

    def _settle(self, environment: Environment, run: Run) -> None:
        run.repaired += self._settling.settle(environment)

    # --- what serves --------------------------------------------------------------------

    def _compare_all(
        self, serving: list[Deployment], run: Run, last: ReconcilerRun | None, *, paced: bool
    ) -> datetime | None:
        """Compares all that serves, unless that was done not long ago; when it was done last."""
        before = last.compared_at if last else None
        if paced and before and self._clock.now() - before < self._compare_every(len(serving)):
            return before
        whole = True
        began = self._clock.now()
        due = self._health.due(serving)
        unwritten: Confirmations = {deployment.id: {} for deployment in due}
        for batch in _batches(serving):
            failed = run.failed
            self._guard(run, partial(self._compare, batch, run, Need.BACKGROUND, unwritten))
            whole = whole and run.failed == failed
        if run.compared:
            self._guard(run, partial(self._health.look, due, unwritten))
        for deployment in due:
            # There was no time to call these; what the host said of them still stands.
            if facts := unwritten.get(deployment.id):
                self._guard(run, partial(self._confirm, deployment, facts))
        return began if whole else before

    def _compare_every(self, count: int) -> timedelta:
        calls = -(-count // BATCH)
        a_second = self._host.budget.state().limit * SHARE_OF_CALLS / 3600
        return timedelta(seconds=calls / a_second)

    def _compare(
        self, batch: list[Deployment], run: Run, need: Need, unwritten: Confirmations
    ) -> None:
        found = self._host.deployments([d.host.deployment_id for d in batch], need=need)
        for deployment in batch:
            run.compared += 1
            self._guard(run, partial(self._settle_one, deployment, found, run, unwritten))

    def _settle_one(
        self,
        deployment: Deployment,
        found: Mapping[str, HostDeployment],
        run: Run,
        unwritten: Confirmations,
    ) -> None:
        seen = found.get(deployment.host.deployment_id)
        before = deployment.state
        after = self._agree(deployment, seen, unwritten)
        if after.state is not before or after.host != deployment.host:
            run.repaired += 1
            logger.info(
                "state corrected",
                extra={"deployment_id": deployment.id, "was": before, "now": after.state},
            )

    def _agree(
        self, deployment: Deployment, seen: HostDeployment | None, unwritten: Confirmations
    ) -> Deployment:
        """The deployment as the host says it is. A confirmation that `unwritten` has a place for
        is left there, for who writes the deployment down next."""
        if seen is None or seen.status in ("REMOVED", "REMOVING"):
            return self._gone(deployment, seen)
        now = self._clock.now()
        facts: dict[str, Any] = {
            "host_status": hosting.word(seen),
            "instances": seen.instances,
        }
        if seen.status == "SLEEPING":
            event = DeploymentEvent.FELL_ASLEEP
        elif seen.status == "SUCCESS" and not seen.stopped:
            event = DeploymentEvent.RECOVERED
        elif seen.status in ("CRASHED", "FAILED") or seen.stopped:
            event = DeploymentEvent.CRASHED
        else:
            return deployment
        if deployment.after(event, now) is deployment:
            facts["confirmed_at"] = now
            if deployment.id not in unwritten:
                return self._confirm(deployment, facts)
            unwritten[deployment.id].update(facts)
            return deployment
        reasons: tuple[Reason, ...] = ()
        if event is DeploymentEvent.CRASHED:
            reasons = (self._crash(deployment, seen),)
        said, says = deployment.state.value, hosting.word(seen)
        return self._turns.move(
            deployment,
            event,
            reasons=reasons,
            confirmed_at=now,
            difference=Difference(said, says, f"now {deployment.after(event, now).state}"),
            **facts,
        )

    def _confirm(self, deployment: Deployment, facts: Mapping[str, Any]) -> Deployment:
        last = deployment.confirmed_at
        if last is None or facts["confirmed_at"] - last > CONFIRM_EVERY:
            return self._turns.note(deployment, **facts)
        return deployment

    def _gone(self, deployment: Deployment, seen: HostDeployment | None) -> Deployment:
        """Not at the host any more: replaced there by one with our image, or taken away."""
        environment = self._turns.environment(deployment)
        if environment.moving is not None or environment.leftovers:
            # What moves has taken its place, or will; what is left over is dealt with first.
            return deployment
        recent = self._host.recent(deployment.host.service_id, need=Need.BACKGROUND)
        listed = next((d for d in recent if d.id == deployment.host.deployment_id), None)
        if seen is None and hosting.runs(listed):
            # A read that lost one of many is no proof that it is gone.
            return deployment
        newest = next((d for d in recent if hosting.verdict(d) is not hosting.Verdict.DOWN), None)
        if newest is not None and newest.id != deployment.host.deployment_id:
            others = self._turns.others(deployment)
            coming = hosting.verdict(newest) is hosting.Verdict.COMING
            if coming and may_be_image_of(deployment, newest, others):
                # While it is still coming, and perhaps not named yet, the next look decides.
                return deployment
            if is_image_of(deployment, newest, others):
                # It may have fallen asleep or ended by itself since it was moved.
                return self._agree(self._turns.adopt(deployment, newest), newest, {})
            if hosting.runs(newest):
                self._orphans.report_deployment(deployment, newest)
        says = hosting.word(seen)
        now_runs = f"; it runs {newest.image} ({newest.id})" if newest else ""
        return self._turns.leave(
            deployment,
            host_status=says,
            difference=Difference(deployment.state.value, f"{says}{now_runs}", "now stopped"),
            reasons=(
                Reason(
                    "removed_at_host",
                    "Somebody removed this deployment at the host"
                    + (f" and put another one there ({newest.image})" if newest else "")
                    + ". Deploy again to bring it back.",
                ),
            ),
        )

    def _crash(self, deployment: Deployment, seen: HostDeployment) -> Reason:
        tail = self._host.logs(deployment.host.deployment_id, since=None, limit=10)
        text = "\n".join(hosting.clean_line(line.message) for line in tail)
        what = (
            "The agent ended by itself with exit code 0."
            if seen.stopped
            else "The agent crashed and its restarts are used up."
        )
        return Reason(
            "agent_crashed",
            f"{what} Mend the cause and deploy again, or restart it."
            + (f"\nIts last output:\n{text}" if text else ""),
        )

    def _search(self, run: Run, last: ReconcilerRun | None) -> datetime | None:
        """Looks for orphans now and then."""
        before = last.searched_at if last else None
        now = self._clock.now()
        if before and not self._orphans.is_due(before):
            return before
        failed = run.failed
        self._guard(run, self._orphans.search)
        return now if run.failed == failed else before


def _batches(items: list[Deployment]) -> Iterable[list[Deployment]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
