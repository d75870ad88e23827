"""What is written down about deployments: rows, status changes, steps, and who is told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.yard.store import Row, Store, dump, new_id, now

IN_PROGRESS = ("INITIALIZING", "QUEUED", "WAITING", "NEEDS_APPROVAL", "BUILDING", "DEPLOYING")
UP = ("SUCCESS", "SLEEPING")
ENDED = ("FAILED", "CRASHED", "REMOVED", "REMOVING", "SKIPPED")

Listener = Callable[[Row, str], None]


@dataclass(frozen=True)
class Snapshot:
    """What a deployment runs with, fixed when it is created."""

    image: str | None
    username: str
    password: str
    settings: Mapping[str, Any]
    limits: Mapping[str, Any]
    variables: Mapping[str, str]
    built: bool = False
    """Whether the image was built here, of a source that was sent."""

    @classmethod
    def of(cls, row: Row) -> Snapshot:
        """The snapshot stored with a deployment."""
        return cls(**json.loads(row["snapshot"]))


class Records:
    """The only writer of deployment rows and their steps."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Calls `listener(deployment row, what happened)` after every change of status."""
        self._listeners.append(listener)

    def get(self, deployment_id: str) -> Row | None:
        """A deployment by id."""
        return self._store.row("SELECT * FROM deployments WHERE id = ?", deployment_id)

    def latest(self, service_id: str, environment_id: str) -> Row | None:
        """The newest deployment of a service in an environment."""
        return self._store.row(
            "SELECT * FROM deployments WHERE service_id = ? AND environment_id = ?"
            " ORDER BY seq DESC LIMIT 1",
            service_id,
            environment_id,
        )

    def lived(self, service_id: str, environment_id: str) -> list[Row]:
        """Deployments that were live once, newest first."""
        return self._store.rows(
            "SELECT * FROM deployments WHERE service_id = ? AND environment_id = ? AND was_live"
            " ORDER BY seq DESC LIMIT 50",
            service_id,
            environment_id,
        )

    async def create(
        self, instance: Row, project_id: str, snapshot: Snapshot, meta: Mapping[str, Any]
    ) -> str:
        """A new deployment in INITIALIZING."""
        deployment_id, moment = new_id(), now()
        stored = dump(
            {
                "image": snapshot.image,
                "username": snapshot.username,
                "password": snapshot.password,
                "settings": dict(snapshot.settings),
                "limits": dict(snapshot.limits),
                "variables": dict(snapshot.variables),
                "built": snapshot.built,
            }
        )
        await self._store.execute(
            "INSERT INTO deployments (id, project_id, environment_id, service_id, status,"
            " status_at, created_at, updated_at, snapshot, meta)"
            " VALUES (?, ?, ?, ?, 'INITIALIZING', ?, ?, ?, ?, ?)",
            deployment_id,
            project_id,
            instance["environment_id"],
            instance["service_id"],
            moment,
            moment,
            moment,
            stored,
            dump(meta),
        )
        self._tell(deployment_id, "queued")
        return deployment_id

    async def status(
        self,
        deployment_id: str,
        status: str,
        *,
        event: str | None = None,
        stopped: bool | None = None,
        unless: tuple[str, ...] = (),
    ) -> bool:
        """Changes a status, unless it is one of `unless` already; says whether it did."""

        def change(db: sqlite3.Connection) -> bool:
            moment = now()
            marks = ",".join("?" * len(unless))
            done = db.execute(
                "UPDATE deployments SET status_at ="  # noqa: S608 - only question marks vary
                " CASE WHEN status = ?1 THEN status_at ELSE ?2"
                " END, status = ?1, updated_at = ?2, was_live = was_live OR ?1 = 'SUCCESS',"
                " stopped = coalesce(?3, stopped) WHERE id = ?4"
                + (f" AND status NOT IN ({marks})" if unless else ""),
                (status, moment, stopped, deployment_id, *unless),
            )
            return bool(done.rowcount)

        changed = await self._store.write(change)
        if changed and event:
            self._tell(deployment_id, event)
        return changed

    async def replicas(self, deployment_id: str, replicas: list[dict[str, str]]) -> None:
        """Writes down the states of a deployment's running copies."""
        await self._store.execute(
            "UPDATE deployments SET replicas = ?, updated_at = ? WHERE id = ?",
            dump(replicas),
            now(),
            deployment_id,
        )

    async def built(self, deployment_id: str, snapshot: Snapshot) -> None:
        """What a deployment of an uploaded source runs with is known once it has been built."""
        row = self.get(deployment_id)
        if row is None:
            return
        stored = {
            **json.loads(row["snapshot"]),
            "image": snapshot.image,
            "username": snapshot.username,
            "password": snapshot.password,
            "built": True,
        }
        await self._store.execute(
            "UPDATE deployments SET snapshot = ? WHERE id = ?", dump(stored), deployment_id
        )

    async def amend_meta(self, deployment_id: str, **values: Any) -> None:
        """Adds what became known about the image."""
        await self._store.execute(
            "UPDATE deployments SET meta = json_patch(meta, ?) WHERE id = ?",
            dump(values),
            deployment_id,
        )

    async def begin_step(self, deployment_id: str, step: str) -> str:
        """A step of the deployment begins; returns its id."""
        step_id = new_id()
        await self._store.execute(
            "INSERT INTO events (id, deployment_id, step, created_at, payload)"
            " VALUES (?, ?, ?, ?, '{}')",
            step_id,
            deployment_id,
            step,
            now(),
        )
        return step_id

    async def end_step(self, step_id: str, **payload: Any) -> None:
        """The step is over; the payload says how it went."""
        await self._store.execute(
            "UPDATE events SET completed_at = ?, payload = ? WHERE id = ?",
            now(),
            dump(payload),
            step_id,
        )

    def _tell(self, deployment_id: str, event: str) -> None:
        row = self.get(deployment_id)
        if row is not None:
            for listener in self._listeners:
                listener(row, event)
