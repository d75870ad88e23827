"""The steps of the deployment machine: release, watch, verify. Each can run twice.

A step looks at what is stored, does the next thing, and returns its outcome as data; the machine
chooses where to go. Deadlines are kept here by our own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import chain, repeat
from typing import Any

from chalicelib.domain import hosting
from chalicelib.domain.deployments import (
    Deployment,
    DeploymentEvent,
    DeploymentState,
    HealthSeen,
    HostRef,
    Trigger,
    Trouble,
)
from chalicelib.domain.release import (
    Strategy,
    image_named,
    is_image_of,
    is_of_another,
    strategy_of,
)
from chalicelib.domain.versions import Reason
from chalicelib.errors import HostRefused, HostUnavailable, PlatformError, Unavailable
from chalicelib.ports import Clock, Host, HostDeployment
from chalicelib.services.deployments import Deployments
from chalicelib.services.settling import Settling
from chalicelib.services.turns import Turns
from chalicelib.services.verification import Verification
from chalicelib.telemetry import logger
from chalicelib.values import frozen

LOOK_SECONDS = 8.0
"""How long one watching step may look before it hands the waiting to the machine."""
LOG_TAIL = 12
APPEARS_WITHIN = timedelta(seconds=30)
"""How long a deployment that the host has just begun may be unknown to its own reads."""
MAX_WAIT = 60


@frozen
class Outcome:
    """Where the machine goes next: `watch`, `verify`, `wait` (then the same step), or `done`."""

    next: str
    wait_seconds: int = 1

    def to_json(self, org_id: str, deployment_id: str) -> dict[str, Any]:
        return {
            "org_id": org_id,
            "deployment_id": deployment_id,
            "next": self.next,
            "wait_seconds": self.wait_seconds,
        }


DONE = Outcome("done")


class _EndedMeanwhile(Exception):
    """The deployment was cancelled while its release was being prepared: nothing is asked for."""


class Releases:
    def __init__(
        self,
        *,
        deployments: Deployments,
        turns: Turns,
        host: Host,
        settling: Settling,
        verification: Verification,
        clock: Clock,
        url_scheme: str,
        watch_seconds: tuple[float, ...],
        verify_limit: timedelta,
    ) -> None:
        self._deployments = deployments
        self._turns = turns
        self._host = host
        self._settling = settling
        self._verification = verification
        self._clock = clock
        self._url_scheme = url_scheme
        self._watch_seconds = watch_seconds
        self._verify_limit = verify_limit

    def step(self, name: str, org_id: str, deployment_id: str) -> Outcome:
        """Carries out the named step; a deployment that has ended needs none."""
        deployment = self._turns.stored(org_id, deployment_id)
        if deployment is None or not deployment.state.is_moving:
            return DONE
        if deployment.deadline_at is not None and self._clock.now() > deployment.deadline_at:
            return self._out_of_time(deployment)
        if name == "give_up":
            return self._fail(
                deployment,
                Reason(
                    "step_failed",
                    "A step of this deployment failed again and again on our side. Deploy the "
                    "version once more; nothing of it is lost.",
                ),
            )
        steps = {"release": self._release, "watch": self._watch, "verify": self._verify}
        try:
            return steps[name](deployment)
        except HostRefused as error:
            return self._fail(self._reread(deployment), Reason("host_refused", error.detail))
        except Unavailable as error:
            return self._held_up(self._reread(deployment), error)

    def _held_up(self, deployment: Deployment, error: Unavailable) -> Outcome:
        """Waits as data, and says for what: not a failure before the deadline."""
        self._warn(deployment, "host not available", error)
        if not deployment.state.is_moving:
            return DONE
        asked = deployment.timings.get("host_asked")
        if error.code == "host_unauthorized" and not asked:
            # Nothing was begun: what is wrong can be said at once.
            return self._fail(deployment, Reason(error.code, error.detail), settled=True)
        if deployment.trouble is None or deployment.trouble.code != error.code:
            trace = error.trace if isinstance(error, HostUnavailable) else ""
            detail = self._turns.masker(deployment)(error.detail)
            trouble = Trouble(error.code, detail, self._clock.now(), trace)
            self._turns.note(deployment, event="host_trouble", detail=detail, trouble=trouble)
        return Outcome("wait", max(1, min(error.retry_after or 2, MAX_WAIT)))

    # --- release ------------------------------------------------------------------------

    def _release(self, deployment: Deployment) -> Outcome:
        if deployment.state is DeploymentState.VERIFYING:
            return Outcome("watch")
        deployment = self._turns.move(deployment, DeploymentEvent.RELEASE_STARTED)
        if deployment.state is not DeploymentState.RELEASING:
            return DONE if deployment.state.is_final else Outcome("watch")
        if deployment.host.deployment_id:
            return Outcome("watch")
        return self._carry_out(deployment)

    def _carry_out(self, deployment: Deployment) -> Outcome:
        current, has_asked = deployment, False

        def note(service_id: str, domain: str, *, asking: bool) -> None:
            nonlocal current, has_asked
            self._turns.remember_service(current, service_id, domain)
            if not asking:
                return
            asked = {**current.timings, "host_asked": self._clock.now().isoformat()}
            current = self._turns.note(
                current, host=HostRef(service_id=service_id, domain=domain), timings=asked
            )
            if current.state is not DeploymentState.RELEASING or current.host.deployment_id:
                raise _EndedMeanwhile
            has_asked = True

        try:
            released = self._host.carry_out(
                self._deployments.steps_of(deployment),
                requested_at=hosting.asked_at(deployment.timings.get("host_asked")),
                note=note,
            )
        except _EndedMeanwhile:
            return Outcome("watch") if current.state.is_moving else DONE
        except (HostRefused, HostUnavailable) as error:
            # What failed before may have been the look for what an earlier try began.
            if has_asked:
                self._not_asked(current, error)
            raise
        host = HostRef(released.service_id, released.deployment_id, released.domain)
        url = f"{self._url_scheme}://{released.domain}"
        current = self._turns.note(current, host=host, url=url, trouble=None)
        if current.state.is_final:
            # Cancelled in the very moment: the host has begun it all the same.
            if current.host.deployment_id != released.deployment_id:
                current = self._turns.note(current, host=host)
            self._settling.try_now(current)
            return DONE
        return Outcome("watch")

    def _not_asked(self, current: Deployment, error: HostRefused | HostUnavailable) -> None:
        """The host surely did nothing: the next try need not look for what it began."""
        if isinstance(error, HostUnavailable) and error.ambiguous:
            return
        if current.timings.get("host_asked") and not current.host.deployment_id:
            timings = {k: v for k, v in current.timings.items() if k != "host_asked"}
            self._turns.note(current, timings=timings)

    # --- watch --------------------------------------------------------------------------

    def _watch(self, deployment: Deployment) -> Outcome:
        if deployment.state is DeploymentState.VERIFYING:
            return Outcome("verify")
        if not deployment.host.deployment_id:
            return Outcome("release")
        named = deployment.host.deployment_id
        now = self._clock.now()
        until = now + timedelta(seconds=LOOK_SECONDS)
        asked = hosting.asked_at(deployment.timings.get("host_asked")) or now
        for delay in waits(self._watch_seconds, (now - asked).total_seconds()):
            if self._clock.now() + timedelta(seconds=delay) > until:
                return Outcome("wait", max(1, int(delay) - 1))
            self._clock.sleep(delay)
            found = self._host.deployments([named]).get(named)
            if found is None and not self._should_be_known(deployment):
                continue
            verdict = hosting.verdict(found)
            if verdict is hosting.Verdict.UP and found is not None:
                return self._released(deployment, found)
            if verdict is hosting.Verdict.DOWN:
                moved = self._moved(deployment, found)
                if moved is not None:
                    self._turns.adopt(deployment, moved)
                    return Outcome("wait")
                return self._host_failed(deployment, found)
        raise AssertionError("unreachable")

    def _moved(self, deployment: Deployment, found: HostDeployment | None) -> HostDeployment | None:
        """The host itself may move an agent to a new deployment of the same image, at any time."""
        if found is not None and found.status not in ("REMOVED", "REMOVING"):
            return None
        for seen in self._host.recent(deployment.host.service_id):
            if seen.id == deployment.host.deployment_id:
                return None
            up = hosting.verdict(seen) is not hosting.Verdict.DOWN
            if up and is_image_of(deployment, seen, self._turns.others(deployment)):
                return seen
        return None

    def _should_be_known(self, deployment: Deployment) -> bool:
        asked = hosting.asked_at(deployment.timings.get("host_asked"))
        return asked is None or self._clock.now() - asked > APPEARS_WITHIN

    def _released(self, deployment: Deployment, found: HostDeployment) -> Outcome:
        proof = _proof_by_host(deployment, found, self._turns.others)
        if isinstance(proof, Reason):
            return self._roll_back(deployment, proof)
        if found.stopped:
            return self._roll_back(deployment, self._ended_by_itself(deployment))
        self._turns.move(
            deployment,
            DeploymentEvent.RELEASED,
            host_status=found.status,
            confirmed_image=image_named(found),
            confirmed_at=self._clock.now(),
            instances=found.instances,
            proof=proof,
            trouble=None,
        )
        return Outcome("verify")

    # --- verify -------------------------------------------------------------------------

    def _verify(self, deployment: Deployment) -> Outcome:
        if deployment.state is not DeploymentState.VERIFYING:
            return Outcome("watch")
        problem, proof = self._verification.look(deployment)
        if problem is not None:
            began = hosting.asked_at(deployment.timings.get(DeploymentState.VERIFYING.value))
            waited = self._clock.now() - (began or deployment.created_at)
            if waited < self._verify_limit:
                return Outcome("wait", 1)
            self._turns.forget_domain(deployment)
            return self._unverified(deployment, (problem,))
        smoke = self._verification.smoke(deployment)
        if smoke.failures:
            return self._unverified(deployment, tuple(smoke.failures))
        now = self._clock.now()
        self._turns.succeed(
            deployment,
            proof={**deployment.proof, **proof},
            warnings=tuple(smoke.warnings),
            health=HealthSeen(True, "", now, now),
        )
        return DONE

    def _unverified(self, deployment: Deployment, reasons: tuple[Reason, ...]) -> Outcome:
        if deployment.trigger is not Trigger.RESTORE:
            return self._roll_back(deployment, *reasons)
        # It was live before and nothing better is known: it stays, and says what is wrong.
        now = self._clock.now()
        silent = [r for r in reasons if not r.code.startswith("smoke_")]
        self._turns.succeed(
            deployment,
            warnings=reasons,
            health=HealthSeen(not silent, silent[0].detail if silent else "", now, now),
        )
        return DONE

    # --- ends -----------------------------------------------------------------------------

    def _host_failed(self, deployment: Deployment, found: HostDeployment | None) -> Outcome:
        former_serves = self._former_serves(deployment)
        if found is None:
            reason = Reason(
                "host_lost_it",
                "The host no longer knows this deployment; somebody may have removed it there. "
                "Deploy again.",
            )
        else:
            text = hosting.explain(found.status, deployment.plan, former_serves=former_serves)
            tail = self._log_tail(deployment)
            reason = Reason(f"host_{found.status.lower()}", f"{text}{tail}")
        if former_serves is False:
            return self._roll_back(deployment, reason)
        return self._fail(deployment, reason, settled=True)

    def _former_serves(self, deployment: Deployment) -> bool | None:
        """Whether what served before still does, by the host's word; None: nothing served."""
        environment = self._turns.environment(deployment)
        former = (
            self._turns.stored(deployment.org_id, environment.serving)
            if environment.serving
            else None
        )
        if former is None or not former.state.is_serving:
            return None
        named = former.host.deployment_id
        seen = self._host.deployments([named]).get(named)
        # One that had crashed by itself was not taken away by this one.
        return seen is not None and seen.status not in ("REMOVED", "REMOVING")

    def _ended_by_itself(self, deployment: Deployment) -> Reason:
        return Reason(
            "agent_exited",
            "The agent started and ended by itself with exit code 0 without serving. An agent "
            "must keep listening on $PORT; if this is a one-off job, it is not an agent."
            f"{self._log_tail(deployment)}",
        )

    def _out_of_time(self, deployment: Deployment) -> Outcome:
        word, trouble = deployment.host_status, deployment.trouble
        reason = Reason(
            "deploy_timeout",
            "The deployment did not become live within its time limit"
            + (f"; the host's last word was {word}" if word else "")
            + (f"; it waited for the host: {trouble.detail.rstrip('.')}" if trouble else "")
            + ". Deploy again.",
        )
        if deployment.state is DeploymentState.VERIFYING:
            return self._roll_back(deployment, reason)
        return self._fail(deployment, reason)

    def _fail(self, deployment: Deployment, *reasons: Reason, settled: bool = False) -> Outcome:
        ended = self._turns.end(
            deployment, DeploymentEvent.FAILED, reasons=reasons, settled=settled
        )
        if not settled:
            self._settling.try_now(ended)
        return DONE

    def _roll_back(self, deployment: Deployment, *reasons: Reason) -> Outcome:
        """The host has already switched to this one: end it and bring the last good one back."""
        environment = self._turns.environment(deployment)
        has_good = any(good != deployment.id for good in environment.last_good)
        if has_good and deployment.trigger is not Trigger.RESTORE:
            self._turns.end(deployment, DeploymentEvent.ROLLED_BACK, reasons=reasons, restore=True)
            return DONE
        return self._fail(deployment, *reasons)

    def _warn(self, deployment: Deployment, what: str, error: PlatformError) -> None:
        """A line in the platform's own log; what the host says may hold the agent's secrets."""
        logger.warning(what, extra={"detail": self._turns.masker(deployment)(error.detail)})

    def _log_tail(self, deployment: Deployment) -> str:
        try:
            lines = self._host.logs(deployment.host.deployment_id, since=None, limit=LOG_TAIL)
        except PlatformError:
            return ""
        text = "\n".join(line.message for line in lines[-LOG_TAIL:])
        return f"\nIts last output:\n{text}" if text else ""

    def _reread(self, deployment: Deployment) -> Deployment:
        return self._turns.stored(deployment.org_id, deployment.id) or deployment


def waits(watch_seconds: Sequence[float], gone: float) -> Iterator[float]:
    """The waits before each look, `gone` seconds after the deployment was asked for. Looks get
    rarer; one that came due while the machine was waiting is made now, not left out."""
    at, begun = 0.0, False
    for delay in chain(watch_seconds, repeat(watch_seconds[-1])):
        at += delay
        if begun:
            yield delay
        elif at > gone - min(2.0, delay / 2):
            begun = True
            yield max(0.0, min(delay, at - gone))


def _proof_by_host(
    deployment: Deployment,
    found: HostDeployment,
    others: Callable[[Deployment], Sequence[Deployment]],
) -> dict[str, str] | Reason:
    """That the host runs what was asked for, from its own record; or what is wrong."""
    if strategy_of(deployment.image) is Strategy.SOURCE:
        # The host built it: that this deployment is the one we sent it for is its only record,
        # beside the name of what it built.
        named = image_named(found)
        if is_of_another(deployment, found, others(deployment)):
            return Reason(
                "wrong_image",
                f"The host runs {named}, which it has built of another version's source. Deploy "
                "again; the version itself is unharmed.",
            )
        return {"host_deployment": found.id, **({"host_image": named} if named else {})}
    digest = deployment.image.rpartition("@")[2]
    if found.image is None and not found.digest:
        return Reason(
            "image_unproven",
            "The host does not say which image it runs, so nothing shows that it is this version. "
            "Deploy again.",
        )
    # What a registry calls the digest may be one of several platforms': the name asked for counts.
    if found.image != deployment.image and not (found.image is None and found.digest == digest):
        return Reason(
            "wrong_image",
            f"The host runs {found.image or found.digest}, not {deployment.image}. Deploy again; "
            "the version itself is unharmed.",
        )
    return {"host_image": found.image or f"@{found.digest}"}
