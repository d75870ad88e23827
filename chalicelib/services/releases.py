"""The steps of the deployment machine: release, watch, verify. Each can run twice.

A step looks at what is stored, does the next thing, and returns its outcome as data; the machine
chooses where to go. Deadlines are kept here by our own clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.domain import hosting
from chalicelib.domain.deployments import Deployment, DeploymentEvent, DeploymentState, HostRef
from chalicelib.domain.smoke import judge
from chalicelib.domain.versions import Reason
from chalicelib.errors import HostRefused, PlatformError, Unavailable
from chalicelib.ports import Answer, Caller, Clock, Host, HostDeployment
from chalicelib.services.deployments import Deployments
from chalicelib.services.turns import Turns
from chalicelib.telemetry import logger

LOOK_SECONDS = 8.0
"""How long one watching step may look before it hands the waiting to the machine."""
LOG_TAIL = 12
_GATEWAY_ERRORS = frozenset({502, 503, 504})


@dataclass(frozen=True)
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


class Releases:
    def __init__(
        self,
        *,
        deployments: Deployments,
        turns: Turns,
        host: Host,
        caller: Caller,
        clock: Clock,
        url_scheme: str,
        watch_seconds: tuple[float, ...],
        verify_limit: timedelta,
    ) -> None:
        self._deployments = deployments
        self._turns = turns
        self._host = host
        self._caller = caller
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
            return self._fail(deployment, Reason("host_refused", error.detail))
        except Unavailable as error:
            self._warn(deployment, f"host not available for {name}", error)
            return Outcome("wait", max(1, min(error.retry_after or 2, 60)))

    # --- release ------------------------------------------------------------------------

    def _release(self, deployment: Deployment) -> Outcome:
        if deployment.state is DeploymentState.VERIFYING:
            return Outcome("watch")
        deployment = self._turns.move(deployment, DeploymentEvent.RELEASE_STARTED)
        if deployment.state is not DeploymentState.RELEASING:
            return DONE if deployment.state.is_final else Outcome("watch")
        if deployment.host.deployment_id:
            return Outcome("watch")
        before = deployment

        def note(service_id: str, domain: str) -> None:
            nonlocal before
            self._turns.remember_service(before, service_id, domain)
            asked = {**before.timings, "host_asked": self._clock.now().isoformat()}
            before = self._turns.note(
                before, host=HostRef(service_id=service_id, domain=domain), timings=asked
            )

        released = self._host.carry_out(
            self._deployments.plan(deployment),
            requested_at=hosting.asked_at(deployment.timings.get("host_asked")),
            note=note,
        )
        self._turns.note(
            before,
            host=HostRef(released.service_id, released.deployment_id, released.domain),
            url=f"{self._url_scheme}://{released.domain}",
        )
        return Outcome("watch")

    # --- watch --------------------------------------------------------------------------

    def _watch(self, deployment: Deployment) -> Outcome:
        if deployment.state is DeploymentState.VERIFYING:
            return Outcome("verify")
        if not deployment.host.deployment_id:
            return Outcome("release")
        until = self._clock.now() + timedelta(seconds=LOOK_SECONDS)
        delays = iter(self._watch_seconds)
        delay = 0.0
        while True:
            found = self._host.deployments([deployment.host.deployment_id]).get(
                deployment.host.deployment_id
            )
            verdict = hosting.verdict(found)
            if verdict is hosting.Verdict.UP and found is not None:
                return self._released(deployment, found)
            if verdict is hosting.Verdict.DOWN:
                return self._host_failed(deployment, found)
            delay = next(delays, delay)
            if self._clock.now() + timedelta(seconds=delay) > until:
                return Outcome("wait", max(1, round(delay)))
            self._clock.sleep(delay)

    def _released(self, deployment: Deployment, found: HostDeployment) -> Outcome:
        if found.image and found.image != deployment.image:
            return self._roll_back(
                deployment,
                Reason(
                    "wrong_image",
                    f"The host runs {found.image}, not {deployment.image}. Deploy again; the "
                    "version itself is unharmed.",
                ),
            )
        if found.stopped:
            return self._roll_back(deployment, self._ended_by_itself(deployment))
        self._turns.move(
            deployment,
            DeploymentEvent.RELEASED,
            host_status=found.status,
            confirmed_image=found.image,
        )
        return Outcome("verify")

    # --- verify -------------------------------------------------------------------------

    def _verify(self, deployment: Deployment) -> Outcome:
        if deployment.state is not DeploymentState.VERIFYING:
            return Outcome("watch")
        problem = self._does_not_answer(deployment)
        if problem is not None:
            began = hosting.asked_at(deployment.timings.get(DeploymentState.VERIFYING.value))
            waited = self._clock.now() - (began or deployment.created_at)
            if waited < self._verify_limit:
                return Outcome("wait", 1)
            return self._roll_back(deployment, problem)
        failures = self._smoke(deployment)
        if failures:
            return self._roll_back(deployment, *failures)
        self._turns.succeed(deployment)
        return DONE

    def _does_not_answer(self, deployment: Deployment) -> Reason | None:
        """None as soon as the URL answers as it should; otherwise what it did last."""
        path = deployment.plan.get("health_path")
        url = f"{deployment.url}{path or '/'}"
        until = self._clock.now() + timedelta(seconds=LOOK_SECONDS)
        delay = 0.05
        while True:
            answer = self._caller.call("GET", url, timeout_seconds=5)
            problem = _health_problem(answer, path, url)
            if problem is None:
                return None
            if self._clock.now() > until:
                return problem
            self._clock.sleep(delay)
            delay = min(delay * 2, 1.0)

    def _smoke(self, deployment: Deployment) -> list[Reason]:
        failures = []
        for test in deployment.plan.get("tests") or ():
            failure = self._run(deployment, test)
            if failure:
                failures.append(
                    Reason(
                        "smoke_test_failed",
                        f"The test “{test.get('name') or 'unnamed'}” failed at the live URL: "
                        f"{failure}.",
                        "agent.yaml",
                    )
                )
        return failures

    def _run(self, deployment: Deployment, test: Mapping[str, Any]) -> str:
        """The last failure when fewer than `passes` of `runs` calls succeed; else empty."""
        request: Mapping[str, Any] = test.get("request") or {}
        runs = int(test.get("runs") or 1)
        needed = int(test.get("passes") or runs)
        headers, body = _request_body(request)
        passed, failure = 0, ""
        mask = self._turns.masker(deployment)
        for _ in range(runs):
            answer = self._caller.call(
                str(request.get("method") or "GET"),
                f"{deployment.url}{request.get('path') or '/'}",
                headers=headers,
                body=body,
                timeout_seconds=float(test.get("timeout_seconds") or 10),
            )
            wrong = answer.error or judge(
                test.get("expect") or {}, answer.status, answer.headers, answer.body, mask
            )
            passed += not wrong
            failure = wrong or failure
            if passed >= needed:
                return ""
        return f"{failure} ({passed} of {runs} runs passed, {needed} needed)"

    # --- ends -----------------------------------------------------------------------------

    def _host_failed(self, deployment: Deployment, found: HostDeployment | None) -> Outcome:
        if found is None:
            return self._fail(
                deployment,
                Reason(
                    "host_lost_it",
                    "The host no longer knows this deployment; somebody may have removed it "
                    "there. Deploy again.",
                ),
            )
        text = hosting.explain(found.status, deployment.plan)
        tail = self._log_tail(deployment)
        return self._fail(deployment, Reason(f"host_{found.status.lower()}", f"{text}{tail}"))

    def _ended_by_itself(self, deployment: Deployment) -> Reason:
        return Reason(
            "agent_exited",
            "The agent started and ended by itself with exit code 0 without serving. An agent "
            "must keep listening on $PORT; if this is a one-off job, it is not an agent."
            f"{self._log_tail(deployment)}",
        )

    def _out_of_time(self, deployment: Deployment) -> Outcome:
        reason = Reason(
            "deploy_timeout",
            "The deployment did not become live within its time limit"
            + (
                f"; the host's last word was {deployment.host_status}"
                if deployment.host_status
                else ""
            )
            + ". What served before was left in place. Deploy again.",
        )
        if deployment.host.deployment_id:
            try:
                self._host.cancel(deployment.host.deployment_id)
            except PlatformError as error:
                self._warn(deployment, "cancel at the host failed", error)
        if deployment.state is DeploymentState.VERIFYING:
            return self._roll_back(deployment, reason)
        return self._fail(deployment, reason)

    def _fail(self, deployment: Deployment, *reasons: Reason) -> Outcome:
        self._turns.end(deployment, DeploymentEvent.FAILED, reasons=reasons)
        return DONE

    def _roll_back(self, deployment: Deployment, *reasons: Reason) -> Outcome:
        """The host has already switched to this one: end it and bring the last good one back."""
        environment = self._turns.environment(deployment)
        has_good = any(good != deployment.id for good in environment.last_good)
        if has_good:
            self._turns.end(deployment, DeploymentEvent.ROLLED_BACK, reasons=reasons, restore=True)
            return DONE
        self._turns.end(deployment, DeploymentEvent.FAILED, reasons=reasons)
        try:
            self._host.stop(deployment.host.deployment_id)
        except PlatformError as error:
            self._warn(deployment, "stop at the host failed", error)
        return DONE

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


def _health_problem(answer: Answer, path: str | None, url: str) -> Reason | None:
    if answer.error:
        return Reason("url_silent", f"{url} did not answer: {answer.error}.")
    if path is not None and answer.status != 200:
        return Reason(
            "health_failed",
            f"{url} answered {answer.status}; a health path must answer 200. Mend it, or name "
            "another path under health.path in agent.yaml.",
            "agent.yaml",
        )
    if path is None and answer.status in _GATEWAY_ERRORS:
        return Reason("url_unavailable", f"{url} answered {answer.status}: no agent behind it.")
    return None


def _request_body(request: Mapping[str, Any]) -> tuple[dict[str, str], bytes | None]:
    headers = {str(k): str(v) for k, v in (request.get("headers") or {}).items()}
    if request.get("json") is not None:
        headers.setdefault("content-type", "application/json")
        return headers, json.dumps(request["json"]).encode()
    body = request.get("body")
    if body is None:
        return headers, None
    return headers, str(body).encode()
