"""The record of requests that passed the proxy, written in batches."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import astuple, dataclass

from infra.local.yard.store import Store, new_id

FLUSH_SECONDS = 0.25
KEEP_SECONDS = 7 * 86_400
KEEP_ROWS = 200_000
TRIM_EVERY = 1000  # flushes


@dataclass
class Passage:
    """One request and what became of it; field order is column order."""

    at: float
    id: str
    deployment_id: str
    service_id: str
    environment_id: str
    replica_id: str
    method: str
    path: str
    host: str
    status: int
    total_ms: int
    upstream_ms: int
    rx: int
    tx: int
    ip: str
    agent: str
    errors: str

    @classmethod
    def begin(cls, slot: tuple[str, str], method: str, path: str, host: str) -> Passage:
        """A request that just came in."""
        return cls(
            at=time.time(),
            id=new_id(),
            deployment_id="",
            service_id=slot[0],
            environment_id=slot[1],
            replica_id="",
            method=method,
            path=path[:2000],
            host=host,
            status=0,
            total_ms=0,
            upstream_ms=0,
            rx=0,
            tx=0,
            ip="127.0.0.1",
            agent="",
            errors="",
        )


class Traffic:
    """Collects passages and writes them down soon after."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[Passage] = []
        self._flushes = 0

    def add(self, passage: Passage) -> None:
        """Remembers a finished request."""
        self._waiting.append(passage)

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Writes what is waiting."""
        if not self._waiting:
            return
        batch, self._waiting = self._waiting, []
        self._flushes += 1
        trim = self._flushes % TRIM_EVERY == 0

        def write(db: sqlite3.Connection) -> None:
            marks = ",".join("?" * 17)
            db.executemany(
                "INSERT INTO requests (at, id, deployment_id, service_id, environment_id,"  # noqa: S608
                " replica_id, method, path, host, status, total_ms, upstream_ms, rx, tx, ip,"
                f" agent, errors) VALUES ({marks})",
                [astuple(one) for one in batch],
            )
            if trim:
                db.execute(
                    "DELETE FROM requests WHERE at < ?"
                    " OR seq < (SELECT max(seq) FROM requests) - ?",
                    (time.time() - KEEP_SECONDS, KEEP_ROWS),
                )

        await self._store.write(write)
