"""Whether what answers at the URL is the version that was deployed, and does what it must.

Three questions, in this order: does the URL answer, is it this version that answers, do the
manifest's tests pass. Each is asked of the public URL, as anybody would.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.deployments import Deployment
from chalicelib.domain.masking import Masker
from chalicelib.domain.smoke import in_order, judge
from chalicelib.domain.versions import Reason
from chalicelib.ports import Answer, Caller, Clock

LOOK_SECONDS = 8.0
"""How long one look at the URL may take before the waiting is handed to the machine."""
VERSION_HEADER = "x-slipway-version"
DEPLOYMENT_HEADER = "x-slipway-deployment"
AGENT_CARD = "/.well-known/agent-card.json"
_GATEWAY_ERRORS = frozenset({502, 503, 504})


@dataclass
class Smoke:
    """How the manifest's tests went. `warnings` come from advisory ones."""

    failures: list[Reason] = field(default_factory=list)
    warnings: list[Reason] = field(default_factory=list)


class Verification:
    def __init__(
        self,
        *,
        caller: Caller,
        masker: Callable[[Deployment], Masker],
        clock: Clock,
        smoke_limit: timedelta,
    ) -> None:
        self._caller = caller
        self._masker = masker
        self._clock = clock
        self._smoke_limit = smoke_limit

    def look(self, deployment: Deployment) -> tuple[Reason | None, dict[str, str]]:
        """What is wrong with the answer (None: nothing), and what it proves of the version."""
        until = self._clock.now() + timedelta(seconds=LOOK_SECONDS)
        delay = 0.05
        while True:
            problem, proof = self.look_once(deployment)
            if problem is None:
                return None, {**proof, **self._card(deployment)}
            if self._clock.now() > until:
                return problem, {}
            self._clock.sleep(delay)
            delay = min(delay * 2, 1.0)

    def look_once(self, deployment: Deployment) -> tuple[Reason | None, dict[str, str]]:
        path = deployment.plan.get("health_path")
        url = f"{deployment.url}{path or '/'}"
        answer = self._caller.call("GET", url, timeout_seconds=5)
        problem = _health_problem(answer, path, url)
        proof: dict[str, str] = {}
        if problem is None:
            problem, proof = _version_of(deployment, answer, url)
        if problem is not None:
            # What an agent answers may hold its secrets.
            problem = replace(problem, detail=self._masker(deployment)(problem.detail))
        return problem, proof

    def smoke(self, deployment: Deployment) -> Smoke:
        """The manifest's tests, the certain ones first; what a time cap leaves unrun has failed."""
        until = self._clock.now() + self._smoke_limit
        result = Smoke()
        for test in in_order(deployment.plan.get("tests") or ()):
            if result.failures and int(test.get("runs") or 1) > 1:
                # It is decided already; the repeated ones may cost their owner money.
                continue
            left = (until - self._clock.now()).total_seconds()
            failure = self._run(deployment, test, left)
            if not failure:
                continue
            advisory = bool(test.get("advisory"))
            reason = Reason(
                "smoke_test_advisory" if advisory else "smoke_test_failed",
                f"The test “{test.get('name') or 'unnamed'}” failed at the live URL: {failure}.",
                "agent.yaml",
            )
            (result.warnings if advisory else result.failures).append(reason)
        return result

    def _run(self, deployment: Deployment, test: Mapping[str, Any], left: float) -> str:
        """The last failure when fewer than `passes` of `runs` calls succeed; else empty."""
        request: Mapping[str, Any] = test.get("request") or {}
        runs = int(test.get("runs") or 1)
        needed = int(test.get("passes") or runs)
        headers, body = _request_body(request)
        passed, failure = 0, ""
        mask = self._masker(deployment)
        until = self._clock.now() + timedelta(seconds=left)
        for done in range(runs):
            left = (until - self._clock.now()).total_seconds()
            if left <= 0:
                limit = f"{self._smoke_limit.total_seconds():g}"
                failure = f"the {limit} seconds for all tests were over; {failure or 'not run'}"
                break
            answer = self._caller.call(
                str(request.get("method") or "GET"),
                f"{deployment.url}{request.get('path') or '/'}",
                headers=headers,
                body=body,
                timeout_seconds=min(float(test.get("timeout_seconds") or 10), left),
            )
            wrong = answer.error or judge(
                test.get("expect") or {}, answer.status, answer.headers, answer.body, mask
            )
            passed += not wrong
            failure = wrong or failure
            if passed >= needed:
                return ""
            if passed + runs - done - 1 < needed:
                break
        return f"{failure} ({passed} of {runs} runs passed, {needed} needed)"

    def _card(self, deployment: Deployment) -> dict[str, str]:
        """An A2A agent's card names a version; when it is ours, that is one proof more."""
        if deployment.plan.get("protocol") != "a2a":
            return {}
        answer = self._caller.call("GET", f"{deployment.url}{AGENT_CARD}", timeout_seconds=5)
        try:
            version = str(json.loads(answer.body).get("version") or "")
        except (ValueError, AttributeError, RecursionError):
            return {}
        number = str(deployment.version_number)
        if version and version in (number, f"v{number}", deployment.version_label):
            return {"agent_card": version}
        return {}


def _version_of(
    deployment: Deployment, answer: Answer, url: str
) -> tuple[Reason | None, dict[str, str]]:
    """Agents that say which deployment they are must be this one; others say nothing."""
    headers = {name.lower(): value.strip() for name, value in answer.headers.items()}
    proof = {}
    for name, ours in (
        (DEPLOYMENT_HEADER, deployment.id),
        (VERSION_HEADER, str(deployment.version_number)),
    ):
        said = headers.get(name)
        if said is None:
            continue
        if said.removeprefix("v") != ours:
            return (
                Reason(
                    "wrong_version",
                    f"{url} says {name}: {said}, not {ours}: another deployment answers there, or "
                    "the agent does not take the value from its environment "
                    "(SLIPWAY_VERSION, SLIPWAY_DEPLOYMENT).",
                ),
                {},
            )
        proof[name.removeprefix("x-slipway-") + "_header"] = said
    return None, proof


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
