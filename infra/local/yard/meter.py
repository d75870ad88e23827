"""Samples of what every running copy uses, taken at intervals and kept."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import Any

from infra.local.yard.fleet import Fleet
from infra.local.yard.live import Live
from infra.local.yard.replica import Replica
from infra.local.yard.store import Store

GB = 1e9
KEEP_SECONDS = 30 * 86_400
TRIM_EVERY = 720


class Sampler:
    """Looks at each copy every few seconds."""

    def __init__(self, fleet: Fleet, store: Store, interval: float) -> None:
        self._fleet = fleet
        self._store = store
        self._interval = interval
        self._cpu: dict[tuple[str, int], float] = {}
        self._bytes: dict[str, tuple[int, int]] = {}
        self._rounds = 0

    async def run(self) -> None:
        """Samples until cancelled."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(self._interval)
            moment = time.monotonic()
            await self._round(moment - last)
            last = moment

    async def _round(self, seconds: float) -> None:
        at = int(time.time())
        rows: list[tuple[Any, ...]] = []
        seen: dict[tuple[str, int], float] = {}
        lives = self._fleet.lives()
        present = {live.id for live in lives}
        self._bytes = {one: counts for one, counts in self._bytes.items() if one in present}
        for live in lives:
            rx, tx = self._traffic(live)
            running = [one for one in live.replicas if one.run is not None]
            for replica in running:
                levels = await self._levels(replica, seconds, seen)
                limits = (live.cpu, live.memory_mb / 1000)
                rows.append(_row(at, live, replica.id, seconds, (*levels, rx, tx, *limits)))
                rx = tx = 0.0
            if live.site is not None:
                rows.append(_row(at, live, "", seconds, (0.0, 0.0, 0.0, rx, tx, 0.0, 0.0)))
        self._cpu = seen
        self._rounds += 1
        trim = self._rounds % TRIM_EVERY == 0
        if rows or trim:
            await self._store.write(lambda db: _write(db, rows, trim=trim))

    async def _levels(
        self, replica: Replica, seconds: float, seen: dict[tuple[str, int], float]
    ) -> tuple[float, float, float]:
        """Cores, gigabytes of memory, gigabytes of disk."""
        if replica.run is None:
            return 0.0, 0.0, 0.0
        usage = await replica.run.usage()
        key = (replica.id, replica.starts)
        # The first look at a run counts all it used since its start.
        used = max(0.0, usage.cpu_seconds - self._cpu.get(key, 0.0))
        seen[key] = usage.cpu_seconds
        return used / max(seconds, 0.001), usage.rss_bytes / GB, usage.disk_bytes / GB

    def _traffic(self, live: Live) -> tuple[float, float]:
        """Bytes through the proxy since the last look; what it sends elsewhere is not seen."""
        before = self._bytes.get(live.id, (0, 0))
        self._bytes[live.id] = (live.rx_bytes, live.tx_bytes)
        return (live.rx_bytes - before[0]) / GB, (live.tx_bytes - before[1]) / GB


def _row(
    at: int, live: Live, replica_id: str, seconds: float, values: tuple[float, ...]
) -> tuple[Any, ...]:
    place = live.place
    return (
        at,
        place.deployment_id,
        replica_id,
        place.service_id,
        place.environment_id,
        place.project_id,
        seconds,
        *values,
    )


def _write(db: sqlite3.Connection, rows: list[tuple[Any, ...]], *, trim: bool) -> None:
    marks = ",".join("?" * 14)
    db.executemany(f"INSERT INTO samples VALUES ({marks})", rows)  # noqa: S608 - question marks
    if trim:
        db.execute("DELETE FROM samples WHERE at < ?", (int(time.time()) - KEEP_SECONDS,))
