"""The deployment machine, interpreted from its real definition on the virtual clock."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from chalicelib.domain.deployments import Deployment
from chalicelib.errors import Unavailable

MACHINE = json.loads((Path(__file__).parents[2] / "infra" / "deploy.asl.json").read_text())
Task = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class MachineEngine:
    """The port `Engine`: one asyncio task for each execution."""

    def __init__(self, task: Task, gate: Callable[[str], None]) -> None:
        self._task = task
        self._gate = gate
        self._executions: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.refuses = 0
        """How many starts are still refused, as when the service is throttled."""

    def start(self, deployment: Deployment) -> None:
        """Named by deployment and attempt: a repeat starts nothing."""
        self._gate("engine")
        name = (deployment.id, deployment.attempt)
        if name in self._executions:
            return
        if self.refuses:
            self.refuses -= 1
            raise Unavailable("The engine takes no more executions just now.")
        data = {"org_id": deployment.org_id, "deployment_id": deployment.id}
        self._executions[name] = asyncio.ensure_future(self._run(data))
        self._gate("engine")

    def is_running(self, deployment: Deployment) -> bool:
        """Whether this attempt's execution lives."""
        self._gate("engine")
        found = self._executions.get((deployment.id, deployment.attempt))
        return found is not None and not found.done()

    @property
    def running(self) -> int:
        """How many executions live."""
        return sum(not one.done() for one in self._executions.values())

    def lose(self) -> int:
        """Ends every execution without a word, as when the engine itself is lost."""
        lost = [one for one in self._executions.values() if not one.done()]
        for one in lost:
            one.cancel()
        return len(lost)

    async def _run(self, data: Mapping[str, Any]) -> None:
        name: str = MACHINE["StartAt"]
        while True:
            state = MACHINE["States"][name]
            match state["Type"]:
                case "Succeed":
                    return
                case "Fail":
                    return
                case "Task":
                    data, name = await self._carry_out(state, data)
                case "Choice":
                    name = _choose(state, data)
                case "Wait":
                    await asyncio.sleep(float(_value(state["SecondsPath"], data)))
                    name = state["Next"]
                case other:
                    raise NotImplementedError(f"our machine has no state of type {other}")

    async def _carry_out(
        self, state: Mapping[str, Any], data: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], str]:
        payload = {
            key.removesuffix(".$"): _value(value, data) if key.endswith(".$") else value
            for key, value in state["Parameters"]["Payload"].items()
        }
        tries: Counter[int] = Counter()
        while True:
            try:
                async with asyncio.timeout(state.get("TimeoutSeconds")):
                    answer = await self._task(payload)
            except Exception as error:
                retrier = next(iter(state.get("Retry", ())), None)
                if retrier is not None and tries[0] < retrier["MaxAttempts"]:
                    pause = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** tries[0]
                    tries[0] += 1
                    await asyncio.sleep(pause)
                    continue
                for catcher in state.get("Catch", ()):
                    return {**data, "error": {"Error": type(error).__name__}}, catcher["Next"]
                raise
            return answer, state["Next"]


def _choose(state: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    for rule in state["Choices"]:
        if _value(rule["Variable"], data) == rule["StringEquals"]:
            return str(rule["Next"])
    return str(state["Default"])


def _value(path: str, data: Mapping[str, Any]) -> Any:
    found: Any = data
    for part in path.removeprefix("$.").split("."):
        found = found[part]
    return found
