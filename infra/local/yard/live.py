"""One deployment as it runs: its copies of the agent, or the site it serves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.yard.bundles import Bundle
from infra.local.yard.config import Hosting
from infra.local.yard.journal import Journal
from infra.local.yard.records import Snapshot
from infra.local.yard.replica import Doom, Policy, Replica
from infra.local.yard.runs import Ground, Job, in_thread
from infra.local.yard.site import Site
from infra.local.yard.store import new_id


@dataclass(frozen=True)
class Place:
    """Which deployment of what, and where its files are."""

    deployment_id: str
    project_id: str
    environment_id: str
    service_id: str
    service_name: str
    folder: Path

    @property
    def slot(self) -> tuple[str, str]:
        """What can have one running deployment at a time."""
        return self.service_id, self.environment_id


class Live:
    """A deployment that is starting, running, asleep, or has ended but may be restarted.

    `phase` is our own word for where it stands: starting, live, dozing (on its way to asleep),
    asleep, waking, stopped, crashed, removing.
    """

    def __init__(
        self,
        place: Place,
        snapshot: Snapshot,
        bundle: Bundle,
        *,
        ground: Ground,
        hosting: Hosting,
        journal: Journal,
        env: Mapping[str, str],
        changed: Callable[[Live], None],
    ) -> None:
        self.place = place
        self.snapshot = snapshot
        self.bundle = bundle
        self.phase = "starting"
        self.site: Site | None = None
        self.replicas: list[Replica] = []
        self.arrived = asyncio.Event()
        self.turn = asyncio.Lock()
        """Held by whoever starts or ends its processes: one at a time."""
        self.was_up = False
        self.last_traffic = asyncio.get_running_loop().time()
        self.inflight = 0
        self.rx_bytes = 0
        self.tx_bytes = 0
        self._turn = 0
        self._ground = ground
        self._hosting = hosting
        self._journal = journal
        self._env = env
        self._changed = changed
        self._site_replica = new_id()

    @property
    def id(self) -> str:
        """The deployment's id."""
        return self.place.deployment_id

    @property
    def health_path(self) -> str | None:
        """The path that must answer 200 before the deployment counts as up."""
        return self.snapshot.settings.get("healthcheckPath") or None

    @property
    def health_timeout(self) -> float:
        """Seconds the health check may take; Railway's default is 300."""
        return float(self.snapshot.settings.get("healthcheckTimeout") or 300)

    @property
    def drain_seconds(self) -> float:
        """Seconds between SIGTERM and SIGKILL; Railway's default is none."""
        return float(self.snapshot.settings.get("drainingSeconds") or 0)

    @property
    def overlap_seconds(self) -> float:
        """Seconds an old deployment runs beside the new one."""
        return float(self.snapshot.settings.get("overlapSeconds") or 0)

    @property
    def sleeps(self) -> bool:
        """Whether it may be put to sleep. A site costs nothing, so it never is."""
        return bool(self.snapshot.settings.get("sleepApplication")) and self.site is None

    @property
    def memory_mb(self) -> int:
        """Memory one copy may use; the API counts in GB of 10^9 bytes."""
        gigabytes = self.snapshot.limits.get("memoryGB")
        return round(gigabytes * 1000) if gigabytes else self._hosting.default_memory_mb

    @property
    def cpu(self) -> float:
        """Cores one copy may use."""
        return float(self.snapshot.limits.get("vCPUs") or self._hosting.default_cpu)

    async def launch(self, phase: str = "starting") -> None:
        """Lays the files out and starts every copy; returns when they are being supervised.

        Raises PullFailed for an image that cannot be laid out safely.
        """
        self.phase = phase
        self.arrived.clear()
        if self.bundle.static_dir is not None:
            await self._open_site()
            return
        if not self.replicas:
            wanted = int(self.snapshot.settings.get("numReplicas") or 1)
            for index in range(min(wanted, self._hosting.max_replicas)):
                folder = self.place.folder / str(index)
                await in_thread(self.bundle.lay_out, folder)
                self.replicas.append(self._replica(folder))
        for replica in self.replicas:
            replica.doom = None
            replica.start()

    async def _open_site(self) -> None:
        root = self.bundle.site_root()
        if root is None:
            folder = self.place.folder / "0"
            await in_thread(self.bundle.lay_out, folder)
            root = self.bundle.site_in(folder)
        self.site = Site(root, single_page=self.bundle.single_page)
        self._journal.write(f"Serving {self.site.describe()}")
        self.arrived.set()
        self._changed(self)

    def _replica(
        self, folder: Path, command: tuple[str, ...] = (), policy: Policy | None = None
    ) -> Replica:
        replica_id = new_id()
        job = Job(
            app=folder,
            command=command or self.command,
            env={**self._env, "RAILWAY_REPLICA_ID": replica_id},
            workdir=self.bundle.workdir,
            writable=self.bundle.writable,
            binds=self.bundle.binds,
            memory_mb=self.memory_mb,
            cpu=self.cpu,
            runtime=self.bundle.labels.get("slipway.runtime", ""),
        )
        changed = (lambda _one: None) if command else self._on_replica
        return Replica(
            replica_id,
            job,
            ground=self._ground,
            journal=self._journal,
            hosting=self._hosting,
            policy=policy or self._policy,
            changed=changed,
        )

    @property
    def _policy(self) -> Policy:
        kind = self.snapshot.settings.get("restartPolicyType") or "ON_FAILURE"
        retries = self.snapshot.settings.get("restartPolicyMaxRetries")
        return Policy(kind, 10 if retries is None else retries)

    @property
    def command(self) -> tuple[str, ...]:
        """The service's start command, else the image's."""
        line = self.snapshot.settings.get("startCommand")
        return ("/bin/sh", "-c", line) if line else self.bundle.command

    async def run_once(self, line: str) -> int:
        """Runs one command in the place of the agent, before it; returns its exit code."""
        folder = self.place.folder / "0"
        await in_thread(self.bundle.lay_out, folder)
        once = self._replica(folder, ("/bin/sh", "-c", line), Policy("NEVER"))
        once.start()
        await once.over.wait()
        return once.last_code or 0

    def _on_replica(self, replica: Replica) -> None:
        if replica.ready.is_set():
            self.was_up = True
            self.arrived.set()
        elif not any(one.ready.is_set() for one in self.replicas):
            self.arrived.clear()
        self._changed(self)

    async def started(self) -> None:
        """Returns when every copy runs or has ended for good."""
        await asyncio.gather(*(one.begun.wait() for one in self.replicas))

    async def healthy(self, override: Callable[[], int | None]) -> int:
        """Waits until every copy passes the health check; raises Unhealthy."""
        deadline = asyncio.get_running_loop().time() + self.health_timeout
        path = self.health_path or "/"
        if self.site is not None:
            return self.site.healthy(path, override())
        probes = [
            asyncio.create_task(one.healthy(path, deadline, override)) for one in self.replicas
        ]
        try:
            return max(await asyncio.gather(*probes))
        finally:
            for one in probes:
                one.cancel()
            await asyncio.gather(*probes, return_exceptions=True)

    def pick(self) -> Replica | None:
        """The least busy copy that listens; turns break ties."""
        ready = [one for one in self.replicas if one.ready.is_set()]
        if not ready:
            return None
        self._turn += 1
        return min(
            (ready[(self._turn + n) % len(ready)] for n in range(len(ready))),
            key=lambda one: one.inflight,
        )

    async def arrival(self, seconds: float) -> bool:
        """Waits until it can take requests; False when it does not in time or has ended."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.arrived.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self.ended:
                return False
            try:
                await asyncio.wait_for(self.arrived.wait(), min(left, 0.2))
            except TimeoutError:
                continue
        return True

    @property
    def ended(self) -> bool:
        """Whether every copy has ended for good."""
        return bool(self.replicas) and all(one.final for one in self.replicas)

    async def drained(self, seconds: float) -> None:
        """Waits for the requests under way, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # Requests come and go too often for an event per change.
                while self.inflight:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    async def halt(self, grace: float, state: str = "STOPPED") -> None:
        """Ends every copy."""
        await asyncio.gather(*(one.stop(grace, state) for one in self.replicas))
        self.arrived.clear()

    def strike(self, doom: Doom) -> None:
        """Lets a fault end every copy."""
        for one in self.replicas:
            one.strike(doom)

    def instances(self) -> list[dict[str, str]]:
        """The copies as the API shows them."""
        if self.bundle.static_dir is not None:
            state = "RUNNING" if self.phase in ("live", "starting") else "STOPPED"
            return [{"id": self._site_replica, "status": state}]
        return [{"id": one.id, "status": one.state} for one in self.replicas]

    def clear_files(self) -> None:
        """Removes the copies of the app. Blocking."""
        if self.place.folder.exists():
            self._ground.remove(self.place.folder)
