"""Webhooks on changes of status: unsigned, unordered, best effort, as Railway's are."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from infra.local.yard.config import Config
from infra.local.yard.faults import Faults
from infra.local.yard.outgoing import request
from infra.local.yard.store import Row, Store, now

log = logging.getLogger(__name__)

TRIES = 3
SEVERITIES = {"failed": "CRITICAL", "crashed": "CRITICAL", "oom_killed": "CRITICAL"}


class Webhooks:
    """Tells the configured addresses, and nobody waits for it."""

    def __init__(self, config: Config, store: Store, faults: Faults) -> None:
        self._config = config
        self._store = store
        self._faults = faults
        self._sending: set[asyncio.Task[None]] = set()

    def tell(self, row: Row, event: str) -> None:
        """Called after a deployment changed."""
        if not self._config.webhook_urls:
            return
        payload = self._payload(row, event)
        service = payload["resource"]["service"]
        fault = self._faults.take(
            "webhook_lost",
            "webhook_doubled",
            "webhook_delayed",
            operations=[payload["type"]],
            services=[service["id"], service["name"]],
        )
        kind = fault.kind if fault else ""
        if kind == "webhook_lost":
            return
        delay = 0.0
        if fault and kind == "webhook_delayed":
            delay = 5.0 if fault.seconds is None else fault.seconds
        body = json.dumps(payload).encode()
        for url in self._config.webhook_urls:
            for _ in range(2 if kind == "webhook_doubled" else 1):
                task = asyncio.create_task(self._later(url, body, delay))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    def _payload(self, row: Row, event: str) -> dict[str, Any]:
        names = self._store.row(
            "SELECT p.name AS project, e.name AS environment, e.ephemeral, s.name AS service"
            " FROM projects p, environments e, services s"
            " WHERE p.id = ? AND e.id = ? AND s.id = ?",
            row["project_id"],
            row["environment_id"],
            row["service_id"],
        )
        image = json.loads(row["meta"]).get("image")
        return {
            "type": f"Deployment.{event}",
            "details": {"id": row["id"], "source": image, "status": row["status"]},
            "resource": {
                "workspace": {
                    "id": self._config.workspace_id,
                    "name": self._config.workspace_name,
                },
                "project": {"id": row["project_id"], "name": names["project"] if names else ""},
                "environment": {
                    "id": row["environment_id"],
                    "name": names["environment"] if names else "",
                    "isEphemeral": bool(names["ephemeral"]) if names else False,
                },
                "service": {"id": row["service_id"], "name": names["service"] if names else ""},
                "deployment": {"id": row["id"]},
            },
            "severity": SEVERITIES.get(event, "INFO"),
            "timestamp": now(),
            "standIn": True,
        }

    async def _later(self, url: str, body: bytes, delay: float) -> None:
        await asyncio.sleep(delay)
        for attempt in range(TRIES):
            if await self.send(url, body):
                return
            await asyncio.sleep(2**attempt)

    async def send(self, url: str, body: bytes) -> bool:
        """One try; whether it arrived."""
        try:
            reply = await request("POST", url, {"Content-Type": "application/json"}, body)
        except (OSError, TimeoutError) as exc:
            log.info("webhook %s: %s", url, exc)
            return False
        return reply.status < 400

    async def close(self) -> None:
        """Gives up on what is still being sent."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
