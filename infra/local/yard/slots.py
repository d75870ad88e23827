"""The places where deployments run: one slot per service and environment, and what is in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.yard.bundles import Bundle, Bundles
from infra.local.yard.config import Config
from infra.local.yard.errors import NotFound
from infra.local.yard.faults import Fault, Faults
from infra.local.yard.journal import Journal
from infra.local.yard.live import Live, Place
from infra.local.yard.records import ENDED, Records, Snapshot
from infra.local.yard.runs import Ground, in_thread
from infra.local.yard.store import Row, Store
from infra.local.yard.uploads import Uploads

log = logging.getLogger(__name__)

SlotKey = tuple[str, str]
Accident = Callable[[Fault, str], Awaitable[None]]
Environment = Callable[[Row, Snapshot, Bundle], Mapping[str, str]]


@dataclass
class Slot:
    """What runs for one service in one environment."""

    current: Live | None = None
    leaving: Live | None = None
    """The deployment before, still serving until the current one has arrived."""
    pending: dict[str, Rollout] = field(default_factory=dict)


@dataclass
class Rollout:
    """A deployment on its way."""

    task: asyncio.Task[None]
    live: Live | None = None


class Slots:
    """Every slot, with what those who change them have in common."""

    def __init__(
        self,
        config: Config,
        *,
        store: Store,
        records: Records,
        bundles: Bundles,
        ground: Ground,
        faults: Faults,
        environment: Environment,
    ) -> None:
        self.config = config
        self.hosting = config.hosting
        self.store = store
        self.records = records
        self.bundles = bundles
        self.faults = faults
        self.all: dict[SlotKey, Slot] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.journals: dict[tuple[str, str], Journal] = {}
        self.closing = False
        self.uploads: Uploads | None = None
        """Sources that were sent, and what builds them."""
        self.accident: Accident | None = None
        """What happens when the fault of an accident strikes."""
        self.ground = ground
        self._environment = environment
        self._dirty: set[Live] = set()

    def route(self, slot: SlotKey) -> Live | None:
        """The deployment that answers requests now."""
        found = self.all.get(slot)
        if found is None:
            return None
        # What is called SUCCESS is what answers, even while it is not listening yet: requests
        # wait for it. Sending them to the former one would make a status that lies.
        return found.current or found.leaving

    def lives(self) -> list[Live]:
        """Everything that may have processes, for sampling."""
        found = [slot.current for slot in self.all.values()]
        found += [slot.leaving for slot in self.all.values()]
        found += [one.live for slot in self.all.values() for one in slot.pending.values()]
        return [one for one in found if one is not None]

    def log_path(self, deployment_id: str, kind: str) -> Path:
        """The file of a deployment's `build` or `deploy` log."""
        return self.config.data_dir / "logs" / deployment_id / f"{kind}.jsonl"

    def journal(self, deployment_id: str, kind: str) -> Journal:
        """Where to write that log."""
        key = (deployment_id, kind)
        if key not in self.journals:
            path = self.log_path(deployment_id, kind)
            self.journals[key] = Journal(path, self.hosting.log_bytes)
        return self.journals[key]

    def row(self, deployment_id: str) -> Row:
        """A deployment; raises NotFound."""
        row = self.records.get(deployment_id)
        if row is None:
            raise NotFound("Deployment")
        return row

    def slot(self, key: SlotKey) -> Slot:
        """The slot of a service in an environment, made when there is none yet."""
        return self.all.setdefault(key, Slot())

    def named(self, service_id: str) -> tuple[str, ...]:
        """What a fault may call this service: its id or its name."""
        row = self.store.row("SELECT name FROM services WHERE id = ?", service_id)
        return (service_id, row["name"]) if row else (service_id,)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs something beside everything else; its failure is logged."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()):
            log.error("a task of the fleet failed", exc_info=exc)

    def make_live(self, row: Row, snapshot: Snapshot, bundle: Bundle) -> Live:
        """What runs, or will run, for a deployment."""
        service = self.store.row("SELECT name FROM services WHERE id = ?", row["service_id"])
        place = Place(
            deployment_id=row["id"],
            project_id=row["project_id"],
            environment_id=row["environment_id"],
            service_id=row["service_id"],
            service_name=service["name"] if service else "",
            folder=self.config.data_dir / "apps" / row["id"],
        )
        return Live(
            place,
            snapshot,
            bundle,
            ground=self.ground,
            hosting=self.hosting,
            journal=self.journal(row["id"], "deploy"),
            env=self._environment(row, snapshot, bundle),
            changed=self._on_change,
        )

    def _on_change(self, live: Live) -> None:
        if self.closing:
            return
        if live not in self._dirty:
            self._dirty.add(live)
            self.spawn(self._write_down(live))
        self.judge(live)

    async def _write_down(self, live: Live) -> None:
        self._dirty.discard(live)
        await self.records.replicas(live.id, live.instances())

    def judge(self, live: Live) -> None:
        """All copies of something live have ended: crashed, or done."""
        if live.phase != "live" or not live.ended:
            return
        if any(one.state == "CRASHED" for one in live.replicas):
            live.phase = "crashed"
            oom = any(one.last_oom for one in live.replicas)
            event = "oom_killed" if oom else "crashed"
            self.spawn(self.records.status(live.id, "CRASHED", event=event, unless=ENDED))
        else:
            live.phase = "stopped"
            self.spawn(self.records.status(live.id, "SUCCESS", stopped=True, unless=ENDED))

    async def retire(self, live: Live) -> None:
        """Ends a deployment for good, after the requests it has let in."""
        live.phase = "removing"
        async with live.turn:
            await self._end(live)
        await self.forget(live)

    async def _end(self, live: Live) -> None:
        # Requests that were let in are answered before the process hears of its end.
        await live.drained(self.hosting.edge_drain)
        await live.halt(live.drain_seconds, "REMOVED")
        await self.records.replicas(live.id, live.instances())
        await self.records.status(live.id, "REMOVED", event="removed")

    async def forget(self, live: Live) -> None:
        """Lets go of its files; its logs stay."""
        await in_thread(live.clear_files)
        for kind in ("build", "deploy"):
            if journal := self.journals.pop((live.id, kind), None):
                journal.close()
