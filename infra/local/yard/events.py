"""Events on their way to the emulator's bus: kept until they have arrived, at least once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.yard.config import Aws
from infra.local.yard.faults import Faults
from infra.local.yard.outgoing import call_aws
from infra.local.yard.store import Store, dump

log = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = 0.2, 5.0


class Events:
    """The outbox. Delivery survives restarts of either side."""

    def __init__(self, aws: Aws, store: Store, faults: Faults) -> None:
        self._aws = aws
        self._store = store
        self._faults = faults
        self._news = asyncio.Event()
        self._later: set[asyncio.Task[None]] = set()

    async def announce(self, build: Mapping[str, Any]) -> None:
        """A build changed its state."""
        if not self._aws.endpoint_url:
            return
        entry = build_event(build)
        copies = 1
        if build["buildComplete"]:
            services = [build["projectName"], build["id"]]
            fault = self._faults.take(
                "build_event_lost", "build_event_doubled", "build_event_delayed", services=services
            )
            match fault.kind if fault else "":
                case "build_event_lost":
                    return
                case "build_event_doubled":
                    copies = 2
                case "build_event_delayed":
                    seconds = fault.seconds if fault and fault.seconds is not None else 10.0
                    task = asyncio.create_task(self._put_later(entry, seconds))
                    self._later.add(task)
                    task.add_done_callback(self._later.discard)
                    return
        for _ in range(copies):
            await self._put(entry)

    async def _put(self, entry: Mapping[str, Any]) -> None:
        await self._store.execute("INSERT INTO outbox (entry) VALUES (?)", dump(entry))
        self._news.set()

    async def _put_later(self, entry: Mapping[str, Any], seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._put(entry)

    async def run(self) -> None:
        """Delivers until cancelled, in order, trying again for as long as it takes."""
        pause = FIRST_RETRY
        while True:
            row = self._store.row("SELECT * FROM outbox ORDER BY seq LIMIT 1")
            if row is None:
                self._news.clear()
                await self._news.wait()
                continue
            if await self.deliver(row["entry"]):
                await self._store.execute("DELETE FROM outbox WHERE seq = ?", row["seq"])
                pause = FIRST_RETRY
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_RETRY)

    async def deliver(self, entry: str) -> bool:
        """One try; whether it need not be tried again."""
        body = json.dumps({"Entries": [json.loads(entry)]}).encode()
        try:
            reply = await call_aws(self._aws, "events", "AWSEvents.PutEvents", body, seconds=10)
        except (OSError, TimeoutError) as exc:
            log.warning("an event could not be delivered yet: %s", exc)
            return False
        if reply.status >= 500 or reply.status == 429:
            log.warning("an event could not be delivered yet: status %s", reply.status)
            return False
        if reply.status != 200 or json.loads(reply.body).get("FailedEntryCount"):
            # Trying again would not help, and must not hold up the others.
            log.error("an event was refused: %s %s", reply.status, reply.body[:500])
        return True

    async def close(self) -> None:
        """Forgets what was delayed by a fault."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)


def build_event(build: Mapping[str, Any]) -> dict[str, Any]:
    """An entry for PutEvents in the shape of CodeBuild's own."""
    environment = build["environment"]
    additional: dict[str, Any] = {
        "artifact": {"location": build["artifacts"]["location"]},
        "environment": {
            "image": environment["image"],
            "privileged-mode": environment["privilegedMode"],
            "compute-type": environment["computeType"],
            "type": environment["type"],
            "environment-variables": [
                {"name": one["name"], "type": one["type"], "value": one["value"]}
                for one in environment["environmentVariables"]
            ],
        },
        "timeout-in-minutes": build["timeoutInMinutes"],
        "build-complete": build["buildComplete"],
        "build-number": float(build["buildNumber"]),
        "initiator": build["initiator"],
        "build-start-time": _moment(build["startTime"]),
        "source": {"type": build["source"]["type"]},
        "source-version": "",
        "logs": {
            "group-name": build["logs"]["groupName"],
            "stream-name": build["logs"]["streamName"],
            "deep-link": build["logs"]["deepLink"],
        },
        "phases": [_phase(one) for one in build["phases"]],
    }
    detail = {
        "build-status": build["buildStatus"],
        "project-name": build["projectName"],
        "build-id": build["arn"],
        "additional-information": additional,
        "current-phase": build["currentPhase"],
        "current-phase-context": "[]",
        "version": "1",
    }
    return {
        "Source": "aws.codebuild",
        "DetailType": "CodeBuild Build State Change",
        "Resources": [build["arn"]],
        "Time": build.get("endTime", build["startTime"]),
        "Detail": dump(detail),
    }


def _phase(phase: Mapping[str, Any]) -> dict[str, Any]:
    contexts = [f"{one['statusCode']}: {one['message']}" for one in phase.get("contexts", ())]
    out: dict[str, Any] = {
        "phase-context": contexts or [": "],
        "start-time": _moment(phase["startTime"]),
        "phase-type": phase["phaseType"],
    }
    if "endTime" in phase:
        out["end-time"] = _moment(phase["endTime"])
        out["duration-in-seconds"] = phase["durationInSeconds"]
        out["phase-status"] = phase["phaseStatus"]
    return out


def _moment(seconds: float) -> str:
    """As CodeBuild writes times in events: Sep 1, 2017 4:12:29 PM."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%b} {moment.day}, {moment:%Y} {moment.hour % 12 or 12}:{moment:%M:%S %p}"
