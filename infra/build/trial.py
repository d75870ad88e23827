"""The trial starts what was built, waits until it answers, and runs the manifest's tests on it.

Ready means one complete HTTP answer: some servers die of a bare TCP connect, and an open port
proves little. The port is the one the agent really listens on, because one source in five
hard-codes it and one in four binds 127.0.0.1 only.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.interface import Interface
from chalicelib.domain.smoke import in_order, judge
from infra.build.deadline import Deadline
from infra.build.diagnosis import Ending, exited, never_answered, unhealthy
from infra.build.faults import Failed, Reason
from infra.build.grounds import Ground, Job, Process
from infra.build.interview import interview
from infra.build.static_site import StaticSite
from infra.build.wire import Answer, Connection, WireError

_PAUSE_SECONDS = 0.015
_PROBE_SECONDS = 10.0
_GRACE_SECONDS = 10.0
"""How long a health path may answer something else than 200 before it counts as broken."""
_INTERVIEW_SECONDS = 15.0
_TAIL_LINES = 200
_BUSY = 503
_SERVER_ERROR = 500


@dataclass(slots=True)
class _Health:
    """What the health path said last, and since when it has been saying no."""

    answer: Answer | None = None
    since: float | None = None


class Trial:
    """One built agent on trial."""

    def __init__(self, job: Job, ground: Ground) -> None:
        self._job = job
        self._ground = ground
        self._plan = job.order.plan
        self._journal = job.report.journal
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: Process | None = None
        self._port: int | None = None
        self._site: StaticSite | None = None

    def start(self) -> None:
        """Returns when the agent is up; raises with what to change when it does not come up."""
        if self._plan.runtime == "static" and self._ground.serves_files:
            self._site = StaticSite.open(self._job.source, self._plan)
            self._journal.info(f"Static site with {self._site.count} files")
            return
        limits = self._job.order.limits
        patience = min(limits.start_seconds, max(1, self._plan.health_timeout_seconds))
        self._job.deadline = Deadline(patience, "start")
        began = time.perf_counter()
        self._process, given = self._ground.start(self._job, self._environment(), self._heard)
        self._port = self._wait(self._process, given)
        took = (time.perf_counter() - began) * 1000
        note = "" if self._port == given else f" (not on $PORT, which is {given})"
        self._journal.info(f"The agent answers on port {self._port}{note} after {took:.0f} ms")

    def test(self) -> None:
        """Every test of the manifest; raises when one of them does not pass."""
        self._job.deadline = Deadline(self._job.order.limits.test_seconds, "test")
        failed = []
        for test in in_order(self._plan.tests):
            outcome = self._run(test)
            self._job.report.tests.append(outcome)
            self._job.report.send()
            word = "passed" if outcome["passed"] else "failed"
            line = f"{outcome['name']}: {word}, {outcome['passes']} of {outcome['runs']}"
            if outcome["passed"]:
                self._journal.info(line)
            elif test.get("advisory"):
                self._job.report.warn(
                    f"The advisory test “{outcome['name']}” failed: {outcome['detail']}"
                )
            else:
                self._journal.error(f"{line}: {outcome['detail']}")
                failed.append(
                    Reason(
                        "test_failed", f"The test “{outcome['name']}” failed: {outcome['detail']}"
                    )
                )
        if failed:
            raise Failed(*failed)

    def ask(self) -> Interface:
        """What the agent says of itself. It has passed by now: whatever it answers, it stays so."""
        self._job.deadline = Deadline(_INTERVIEW_SECONDS, "interview")
        if self._site is not None:
            return Interface()

        def exchange(
            method: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float
        ) -> Answer:
            left = self._job.deadline.left
            if left <= 0:
                raise WireError("there was no more time to ask", stage="connect")
            return self._exchange(method, path, headers, body, min(seconds, left))

        return interview(exchange, self._plan.protocol)

    def stop(self) -> None:
        """End the agent."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _environment(self) -> dict[str, str]:
        return {**self._plan.env, **self._job.order.variables}

    def _heard(self, line: str) -> None:
        self._tail.append(line)
        self._journal.write("info", line)

    def _wait(self, process: Process, given: int) -> int:
        health = _Health()
        seen: list[int] = []
        while True:
            code = process.poll()
            if code is not None:
                raise self._ended(process, code)
            ports = process.ports()
            for port in sorted(ports, key=lambda p: (p != given, p != self._plan.port, p)):
                if self._answers(process, port, health):
                    return port
            seen = ports or seen
            if self._job.deadline.over:
                raise self._late(given, seen, health)
            time.sleep(_PAUSE_SECONDS)

    def _answers(self, process: Process, port: int, health: _Health) -> bool:
        path = self._plan.health_path or "/"
        timeout = min(_PROBE_SECONDS, self._job.deadline.left + 0.5)
        try:
            answer = _ask(process, port, "GET", path, timeout=timeout)
        except WireError:
            return False
        if self._plan.health_path is None:
            self._job.report.root_status = answer.status
            if answer.status >= _SERVER_ERROR:
                self._job.report.warn(
                    f"The agent is up, but GET / answers {answer.status}: {answer.text(300)}"
                )
            return True
        # The host that runs it counts nothing but 200.
        if answer.status == 200:
            return True
        health.answer = answer
        health.since = health.since or time.monotonic()
        # 503 is how a service says "not yet"; anything else is not going to mend itself.
        if answer.status != _BUSY and time.monotonic() - health.since > _GRACE_SECONDS:
            raise self._unhealthy(answer)
        return False

    def _ended(self, process: Process, code: int) -> Failed:
        time.sleep(0.05)  # its last words may still be on their way
        ending = Ending(code, tuple(self._tail), process.out_of_memory)
        return Failed(*exited(ending, self._plan))

    def _late(self, given: int, seen: list[int], health: _Health) -> Failed:
        if health.answer is not None:
            return self._unhealthy(health.answer)
        seconds = self._job.deadline.seconds
        return Failed(*never_answered(self._plan, given, seen, seconds, tuple(self._tail)))

    def _unhealthy(self, answer: Answer) -> Failed:
        return Failed(unhealthy(self._plan, answer.status, answer.text(500), tuple(self._tail)))

    def _run(self, test: Mapping[str, Any]) -> dict[str, Any]:
        runs = int(test.get("runs") or 1)
        needed = int(test.get("passes") or runs)
        request = test.get("request") or {}
        label = f"{request.get('method', 'GET')} {request.get('path', '/')}"
        name = str(test.get("name") or label)
        passes = 0
        details: list[str] = []
        for _ in range(runs):
            detail = self._attempt(test)
            passes += not detail
            if detail and detail not in details:
                details.append(detail)
        passed = passes >= needed
        detail = "" if passed else f"{label}: " + "; ".join(details)
        if not passed and runs > 1:
            detail = f"passed {passes} of {runs} times, {needed} are needed; {detail}"
        return {"name": name, "passed": passed, "runs": runs, "passes": passes, "detail": detail}

    def _attempt(self, test: Mapping[str, Any]) -> str:
        """What is wrong with one answer; empty when nothing is."""
        self._job.deadline.check("Testing")
        request = test.get("request") or {}
        headers = {str(k): str(v) for k, v in (request.get("headers") or {}).items()}
        body = _request_body(request, headers)
        seconds = min(float(test.get("timeout_seconds") or 10), self._job.deadline.left)
        try:
            answer = self._exchange(
                str(request.get("method") or "GET").upper(),
                str(request.get("path") or "/"),
                headers,
                body,
                seconds,
            )
        except WireError as error:
            code = self._process.poll() if self._process is not None else None
            if code is not None:
                return f"the agent ended with exit code {code} during the test"
            if error.stage in {"answer", "head", "body"}:
                return f"no answer within {seconds:g} s ({error})"
            return str(error)
        return judge(test.get("expect") or {}, answer.status, answer.headers, answer.body)

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Answer:
        if self._site is not None:
            return self._site.answer(method, path)
        if self._process is None or self._port is None:
            raise WireError("the agent is not running", stage="connect")
        return _ask(
            self._process, self._port, method, path, timeout=seconds, headers=headers, body=body
        )


def _request_body(request: Mapping[str, Any], headers: dict[str, str]) -> bytes:
    if request.get("json") is not None:
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        return json.dumps(request["json"]).encode()
    text = request.get("body")
    return b"" if text is None else str(text).encode()


def _ask(
    process: Process,
    port: int,
    method: str,
    path: str,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    connection = Connection(lambda seconds: process.connect(port, seconds), f"localhost:{port}")
    try:
        plain = {"Connection": "close", **(headers or {})}
        payload = body if body or method in {"POST", "PUT", "PATCH"} else None
        return connection.request(method, path, plain, payload, timeout=timeout, max_body=1_048_576)
    finally:
        connection.close()
