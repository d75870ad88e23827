"""The whole of Slipway on the virtual clock: real use cases and workers, the yard for a host."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from app import app
from chalicelib import bootstrap, workers
from chalicelib.adapters.memory import (
    MemoryArtifacts,
    MemoryCatalogue,
    MemoryCounters,
    MemoryMail,
    MemorySigner,
    MemoryStore,
    MemoryTasks,
    MemoryVault,
)
from chalicelib.adapters.memory_code_host import MemoryCodeHost
from chalicelib.adapters.memory_host import MemoryBudget, MemoryLease
from chalicelib.adapters.railway import RailwayHost
from chalicelib.adapters.railway_api import RailwayApi
from chalicelib.bootstrap import Adapters, wire
from chalicelib.domain import ids
from chalicelib.domain.agents import Agent
from chalicelib.domain.deployments import Deployment, DeploymentState, Environment
from chalicelib.domain.release import CONTEXT, Strategy
from chalicelib.domain.search import Counts
from chalicelib.domain.tenancy import Principal, Role
from chalicelib.domain.versions import Version
from chalicelib.errors import PlatformError
from chalicelib.ports import (
    DEPLOYMENTS,
    ENVIRONMENTS,
    VERSIONS,
    Answer,
    BuildStatus,
    Change,
    Listing,
    Page,
    Tally,
    every,
)
from infra.local.yard.config import Hosting
from infra.local.yard.faults import Fault
from tests.api.conftest import event
from tests.conftest import settings, zipped
from tests.simulation.agents import Behaviour, Images
from tests.simulation.engine import MachineEngine
from tests.simulation.host import ENVIRONMENT, PLATFORM_TOKEN, PROJECT, SimulatedYard
from tests.simulation.people import Callers
from tests.simulation.virtual import Killed, VirtualLoop, Worker, current, wait, work_out

T = TypeVar("T")
E = TypeVar("E")

TEMPLATE = (Path(__file__).parents[2] / "infra" / "template.yaml").read_text()
RELEASE_LIMIT = 180
VERIFY_LIMIT = 30
RECONCILE_EVERY = 60.0
STATED = RELEASE_LIMIT + 30 + 3 * RECONCILE_EVERY
"""Seconds a deployment may move: its limit, the reconciler's patience, and its interval, twice
over where one call of it is killed."""
QUIET = 3 * STATED
"""One that moves, one that brings the former back, and one that waits for both."""
LIFETIME = 5 * 3600.0
"""Virtual seconds a run may last, several times over what the longest one needs."""
CLOSING = 600.0
"""Virtual seconds a run may take to let go of everything."""
BUILD_SECONDS = 3.0
MANIFEST = (
    "name: Echo\nruntime: python\nstart:\n  command: python main.py\n"
    "health:\n  path: /health\n  timeout_seconds: 20\n"
    "tests:\n  - name: says good\n    request: {path: /}\n    expect: {text: good}\n"
)
SOURCES = {
    sleeps: zipped({"agent.yaml": MANIFEST + more, "main.py": "print('hello')\n"})
    for sleeps, more in ((False, ""), (True, "resources: {sleep: true}\n"))
}
"""The source of an agent, by whether it may be put to sleep."""


def function_limit(name: str) -> float:
    """Seconds after which Lambda ends a function, as the template says."""
    found = re.search(rf"FunctionName: !Sub \S+-{name}\n.*?Timeout: (\d+)", TEMPLATE, re.DOTALL)
    assert found is not None, name
    return float(found[1])


class WorkerFailed(Exception):
    """The invocation raised, timed out, or was killed."""


class SimulatedClock:
    """The loop's own time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._loop.wall(), UTC)

    def sleep(self, seconds: float) -> None:
        wait(asyncio.sleep(seconds))


class SimulatedStore:
    """MemoryStore, where each call is a place to be overtaken or killed at."""

    def __init__(self, gate: Callable[[str], None], changed: Callable[[], None]) -> None:
        self.truth = MemoryStore()
        self.moves = 0
        """How often an environment has changed."""
        self._gate = gate
        self._changed = changed

    def get(self, kind: type[E], *key: str) -> E | None:
        self._gate("store")
        return self.truth.get(kind, *key)

    def get_many(self, *wanted: tuple[type, *tuple[str, ...]]) -> list[Any]:
        self._gate("store")
        return self.truth.get_many(*wanted)

    def page(
        self,
        listing: Listing[E],
        *scope: str,
        limit: int = 50,
        after: str | None = None,
        newest_first: bool = True,
    ) -> Page[E]:
        self._gate("store")
        return self.truth.page(listing, *scope, limit=limit, after=after, newest_first=newest_first)

    def touch(self, kind: type[E], *key: str, at: datetime) -> E | None:
        self._gate("store")
        return self.truth.touch(kind, *key, at=at)

    def counts(self, org_id: str, agent_id: str, month: str = "") -> Counts:
        self._gate("store")
        return self.truth.counts(org_id, agent_id, month)

    def commit(self, *changes: Change) -> None:
        self._gate("commit")
        self.truth.commit(*changes)
        if any(
            not isinstance(change, Tally) and isinstance(change.entity, Environment)
            for change in changes
        ):
            self.moves += 1
            self._changed()
        self._gate("commit")


class _Gated:
    """Something several functions share: each call of it is a call to the world."""

    def __init__(self, inner: Any, gate: Callable[[str], None]) -> None:
        self._inner = inner
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*args: Any, **named: Any) -> Any:
            self._gate(name)
            return method(*args, **named)

        return call


class SimulatedBuilder:
    """Builds that take a while, and say so through the yard's own events."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.builds: dict[str, str] = {}

    def start(self, version: Version, order_key: str) -> str:
        self._world.gate("builder")
        build_id = f"slipway-build:{version.id}-{version.attempt}"
        if build_id not in self.builds:
            self.builds[build_id] = "IN_PROGRESS"
            self._world.spawn(self._build(version, build_id))
        self._world.gate("builder")
        return build_id

    def status(self, build_ids: Sequence[str]) -> Mapping[str, BuildStatus]:
        self._world.gate("builder")
        return {b: BuildStatus(b, self.builds[b]) for b in build_ids if b in self.builds}

    def stop(self, build_id: str) -> None:
        self.builds[build_id] = "STOPPED"

    async def _build(self, version: Version, build_id: str) -> None:
        await asyncio.sleep(BUILD_SECONDS)
        if self.builds[build_id] != "IN_PROGRESS":
            return
        image = self._world.image_of(version)
        if self._world.strategy is Strategy.SOURCE:
            self._world.packed[f"{version.prefix}{CONTEXT}"] = image.encode()
        report = {"state": "succeeded", "image": image, "size_bytes": 1}
        self._world.artifacts.put_json(f"{version.prefix}report.json", report)
        self.builds[build_id] = "SUCCEEDED"
        await self._world.yard.events.announce(_build_document(version, build_id))


class SimulatedCaller:
    """Calls agents' addresses at the yard."""

    def __init__(self, world: World) -> None:
        self._world = world

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = 10,
    ) -> Answer:
        self._world.gate("agent")
        domain, _, path = url.removeprefix("http://").partition("/")

        async def ask() -> Answer:
            try:
                async with asyncio.timeout(timeout_seconds):
                    status, content, _ = await self._world.yard.request(domain, f"/{path}")
            except TimeoutError:
                return Answer(0, {}, b"", f"no answer within {timeout_seconds:g} seconds")
            return Answer(status, {}, content, "" if status else "no answer")

        return wait(ask())


class SimulatedSchedule:
    """Whether the reconciler is called at intervals."""

    def __init__(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def disable(self) -> None:
        self.enabled = False


class World:
    """One run. Everything a person, a host or chance can do to it is a method."""

    def __init__(self, folder: Path, seed: int = 0, strategy: Strategy = Strategy.IMAGE) -> None:
        self.loop = VirtualLoop()
        self.loop.allow(LIFETIME)
        self.loop.set_exception_handler(self._broke)
        self.broken: list[str] = []
        asyncio.set_event_loop(self.loop)
        self.dice = random.Random(seed)
        self.tally: Counter[str] = Counter()
        self.dooms: dict[str, int] = {}
        self.strategy = strategy
        self.images = Images()
        self.artifacts = MemoryArtifacts()
        self.store = SimulatedStore(self.gate, self._environment_changed)
        self.schedule = SimulatedSchedule()
        self.clock = SimulatedClock(self.loop)
        self.packed: dict[str, bytes] = {}
        """What builds have left for a host that builds, by its key."""
        self._behaviours: dict[str, str] = {}
        self._seen: tuple[int, list[Environment]] = (-1, [])
        self._tasks: set[asyncio.Task[Any]] = set()
        self._counter = 0
        self._folder = folder
        ids.draw_from(self._next_id)
        self.wait(self._build())

    async def _build(self) -> None:
        hosting = Hosting(sleep_after=600, edge_drain=5.0)
        self.yard = SimulatedYard(self._folder, self.images, hosting)
        self.yard.faults.seed(self.dice.getrandbits(32))
        self.yard.webhooks.receiver = self._on_webhook
        self.yard.events.receiver = self._on_event
        await self.yard.begin()
        self.engine = MachineEngine(self._deploy_step, self.gate)
        self.builder = SimulatedBuilder(self)
        self.platform = wire(self._settings(), self._adapters())
        bootstrap.install(self.platform)
        self.who = Principal(ids.new_id("usr"), ids.new_id("org"), Role.OWNER)
        self.callers = Callers(self.yard, self._said_live)
        self.overdue: list[str] = []
        self._moving_since: dict[str, float] = {}
        self._said: set[str] = set()
        self.spawn(self._reconcile_for_ever())
        self.spawn(self.callers.run())
        self.spawn(self._watch())

    def _settings(self) -> Any:
        import dataclasses  # noqa: PLC0415

        return dataclasses.replace(
            settings(),
            railway_project_id=PROJECT,
            railway_environment_id=ENVIRONMENT,
            release_strategy=self.strategy.value,
            watch_seconds=(2, 3, 5, 8, 13, 20),
            release_limit_seconds=RELEASE_LIMIT,
            verify_limit_seconds=VERIFY_LIMIT,
            upload_limit_seconds=300,
            build_limit_seconds=60,
            smoke_limit_seconds=20,
        )

    def _adapters(self) -> Adapters:
        budget: Any = _Gated(MemoryBudget(1000, self.loop.wall), self.gate)
        lease: Any = _Gated(MemoryLease(self.loop.wall), self.gate)
        api = RailwayApi(
            "http://railway.test/graphql/v2",
            lambda: PLATFORM_TOKEN,
            budget=budget,
            sleep=self.clock.sleep,
        )
        api.__dict__["_client"] = httpx.Client(transport=self.yard.transport(self.gate))
        return Adapters(
            store=self.store,
            counters=MemoryCounters(),
            host=RailwayHost(
                api,
                project_id=PROJECT,
                environment_id=ENVIRONMENT,
                credentials=lambda: ("builder", "secret"),
                lease=lease,
                read_source=self.packed.get,
                now=self.clock.now,
                sleep=self.clock.sleep,
            ),
            builder=self.builder,
            artifacts=self.artifacts,
            catalogue=MemoryCatalogue(),
            mail=MemoryMail(),
            vault=MemoryVault(),
            signer=MemorySigner(),
            engine=self.engine,
            tasks=MemoryTasks(),
            code_host=MemoryCodeHost(),
            code_host_secret=lambda: "",
            schedule=self.schedule,
            caller=SimulatedCaller(self),
            clock=self.clock,
            providers={},
            webhook_secret=lambda: "hook",
        )

    # ---- time, and who dies in it ----

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Lets virtual time pass until this is there."""
        result = self.loop.run_until_complete(_plain(awaitable))
        assert not self.broken, self.broken
        return result

    def _broke(self, _loop: Any, context: Mapping[str, Any]) -> None:
        """Something in the simulation itself raised where nobody was to hear of it."""
        self.broken.append(
            f"{context.get('message')}: {context.get('exception')!r} {context.get('task')}"
        )

    def pass_time(self, seconds: float) -> None:
        """Lets virtual time pass."""
        self.wait(asyncio.sleep(seconds))

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Beside everything else."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken.append(repr(error))

    def gate(self, where: str) -> None:
        """A call of a worker to the world: others may go on meanwhile, and it may die here."""
        worker = current()
        if worker.dead:
            raise Killed
        left = self.dooms.get(worker.kind)
        if left is not None:
            if left > 0:
                self.dooms[worker.kind] = left - 1
            else:
                del self.dooms[worker.kind]
                worker.dead = True
                self.tally[f"killed {worker.kind}"] += 1
                raise Killed
        wait(asyncio.sleep(0.001 + 0.01 * self.dice.random()))
        if worker.dead:
            raise Killed

    def doom(self, kind: str, calls: int) -> None:
        """The next worker of this kind dies after so many more calls to the world."""
        self.dooms[kind] = calls

    async def invoke(self, kind: str, work: Callable[[], T]) -> T:
        """One invocation of a function, killed at its time limit; raises WorkerFailed."""
        worker = Worker(kind)
        self.tally[f"invocations {kind}"] += 1
        try:
            async with asyncio.timeout(function_limit(kind)):
                return await work_out(worker, work)
        except Killed as exc:
            raise WorkerFailed("killed") from exc
        except TimeoutError as exc:
            worker.dead = True
            raise WorkerFailed("timed out") from exc

    # ---- the platform's functions ----

    async def _deploy_step(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self.invoke(
            "deploy-step", lambda: workers.deploy_step(dict(payload), None)
        )
        return found

    async def _reconcile_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_EVERY)
            if self.schedule.enabled:
                await self.reconcile()

    async def reconcile(self) -> Mapping[str, int] | None:
        """One call of the reconciler; None when it was killed."""
        try:
            run: Mapping[str, int] = await self.invoke(
                "reconcile", lambda: workers.reconcile({"source": "aws.events"}, None)
            )
        except WorkerFailed:
            return None
        self.tally["reconciler runs"] += 1
        self.tally["repairs"] += int(run.get("repaired", 0))
        return run

    async def _on_webhook(self, payload: Mapping[str, Any]) -> bool:
        request = event("POST", "/api/v1/webhooks/railway?secret=hook", payload, {}, {})
        try:
            answer = await self.invoke("api", lambda: app(request, None))
        except WorkerFailed:
            return False
        return int(answer["statusCode"]) < 400

    async def _on_event(self, entry: Mapping[str, Any]) -> None:
        """EventBridge hands the event over; Lambda tries twice more when that fails."""
        delivered = {
            "id": "event",
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"]),
            "resources": entry["Resources"],
            "account": "000000000000",
            "region": "us-east-1",
            "time": "2026-01-01T00:00:00Z",
            "version": "0",
        }

        async def hand_over() -> None:
            for pause in (60, 120, None):
                try:
                    await self.invoke("on-build", lambda: workers.on_build(delivered, None))
                except Exception:  # noqa: BLE001 - whatever it was, Lambda tries again
                    if pause is not None:
                        await asyncio.sleep(pause)
                    continue
                return

        self.spawn(hand_over())

    # ---- people ----

    def person(self, work: Callable[[], T]) -> T | None:
        """Somebody calls the API; None when they are told no, or nothing."""

        async def call() -> T | None:
            try:
                return await self.invoke("api", work)
            except (PlatformError, WorkerFailed) as error:
                self.tally[f"told no: {getattr(error, 'code', 'no answer')}"] += 1
                return None

        return self.wait(call())

    def agent(self, name: str = "Echo") -> Agent:
        """A new agent."""
        made = self.person(lambda: self.platform.agents.create(self.who, name=name))
        assert made is not None
        return made

    def upload(self, agent: Agent, behaviour: Behaviour, *, deploy: bool = True) -> Version | None:
        """A new version whose build makes an agent that behaves like this."""

        def create() -> Version:
            version, _ = self.platform.versions.create_upload(
                self.who, agent.id, filename="a.zip", size=None, deploy=deploy
            )
            return version

        version = self.person(create)
        if version is None:
            return None
        make = self.images.pack if self.strategy is Strategy.SOURCE else self.images.make
        self._behaviours[version.id] = make(behaviour)
        self.artifacts.sources[version.source.key] = SOURCES[behaviour.sleeps]
        self.tally["versions"] += 1
        self.spawn(self._receive(version))
        return version

    async def _receive(self, version: Version) -> None:
        detail = {"bucket": {"name": "sources"}, "object": {"key": version.source.key}}
        delivered = {
            "id": "event",
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": detail,
            "resources": [],
            "account": "000000000000",
            "region": "us-east-1",
            "time": "2026-01-01T00:00:00Z",
            "version": "0",
        }
        for pause in (60, 120, None):
            try:
                await self.invoke("on-upload", lambda: workers.on_upload(delivered, None))
            except Exception:  # noqa: BLE001 - whatever it was, Lambda tries again
                if pause is not None:
                    await asyncio.sleep(pause)
                continue
            return

    def image_of(self, version: Version) -> str:
        """What the version's build makes."""
        return self._behaviours[version.id]

    # ---- the host and chance ----

    def fault(self, kind: str, **given: Any) -> Fault:
        """Switches on one of the yard's faults."""
        return self.yard.faults.add(Fault(kind, **given))

    def clear_faults(self) -> None:
        """Switches all of them off, and counts how often they struck."""
        for one in self.yard.faults.describe():
            self.tally[f"fault {one['kind']}"] += one["struck"]
        self.yard.faults.clear()

    def _said_live(self, domain: str) -> str | None:
        for environment in self.environments():
            if environment.domain == domain and environment.serving:
                said = self.deployment(environment.serving)
                return said.image if said.state is DeploymentState.LIVE else None
        return None

    def _environment_changed(self) -> None:
        moving = {e.moving for e in self.environments() if e.moving}
        now = self.loop.time()
        self._moving_since = {d: self._moving_since.get(d, now) for d in moving}
        self.callers.hurry(bool(moving))

    async def _watch(self) -> None:
        """Notes what moves for longer than is promised."""
        while True:
            await asyncio.sleep(10)
            now = self.loop.time()
            for deployment_id, since in self._moving_since.items():
                if now - since > STATED and deployment_id not in self._said:
                    self._said.add(deployment_id)
                    state = self.deployment(deployment_id).state
                    self.overdue.append(
                        f"{deployment_id} is {state} for {now - since:.0f} s; {STATED} are promised"
                    )

    def quiet(self, seconds: float = QUIET) -> None:
        """Faults off, everybody alive, and time enough for all that is promised: so many seconds,
        or fewer once nothing has changed for as long as a deployment may move."""
        self.clear_faults()
        self.dooms.clear()
        self.engine.refuses = 0
        end = self.loop.time() + seconds
        while (left := end - self.loop.time()) > 0:
            before = self.store.moves
            self.pass_time(min(STATED, left))
            if self.store.moves == before and self.still:
                return

    @property
    def still(self) -> bool:
        """Whether all has ended that can end."""
        return (
            not self.engine.running
            and not any(e.moving or e.queued for e in self.environments())
            and all(
                v.state.is_final and not v.owes_deployment
                for agent in self.agents()
                for v in self.versions(agent)
            )
        )

    # ---- looking ----

    def environments(self) -> list[Environment]:
        """All there are."""
        if self._seen[0] != self.store.moves:
            truth = self.store.truth
            found = [e for a in self.agents() for e in every(truth, ENVIRONMENTS, a.org_id, a.id)]
            self._seen = (self.store.moves, found)
        return self._seen[1]

    def deployments(self, agent: Agent) -> list[Deployment]:
        """An agent's, newest first."""
        return list(every(self.store.truth, DEPLOYMENTS, agent.org_id, agent.id))

    def versions(self, agent: Agent) -> list[Version]:
        """An agent's, newest first."""
        return list(every(self.store.truth, VERSIONS, agent.org_id, agent.id))

    def agent_of(self, environment: Environment) -> Agent:
        """The agent an environment belongs to."""
        return next(a for a in self.agents() if a.id == environment.agent_id)

    def agents(self) -> list[Agent]:
        """All there are."""
        return list(every(self.store.truth, _agents(), self.who.org_id))

    def deployment(self, deployment_id: str) -> Deployment:
        """As it is stored."""
        found = self.store.truth.get(Deployment, self.who.org_id, deployment_id)
        assert found is not None
        return found

    # ---- ends ----

    def close(self) -> None:
        """Lets go of everything."""
        self.loop.allow(CLOSING)

        async def end() -> None:
            await _cancel([*self._tasks])
            self.engine.lose()
            await self.yard.close()
            await _cancel([t for t in asyncio.all_tasks() if t is not asyncio.current_task()])

        self.loop.run_until_complete(end())
        self.loop.close()
        asyncio.set_event_loop(None)
        ids.draw_from(None)

    def _next_id(self) -> str:
        """Ids in the order of time, the same in every repetition of a run."""
        self._counter += 1
        return f"01{self._counter:024d}"


def _agents() -> Any:
    from chalicelib.ports import AGENTS  # noqa: PLC0415

    return AGENTS


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _plain(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _build_document(version: Version, build_id: str) -> dict[str, Any]:
    moment = time.time()
    variables = {"SLIPWAY_ORG_ID": version.org_id, "SLIPWAY_VERSION_ID": version.id}
    return {
        "id": build_id,
        "arn": f"arn:aws:codebuild:us-east-1:000000000000:build/{build_id}",
        "projectName": "project",
        "buildStatus": "SUCCEEDED",
        "buildComplete": True,
        "currentPhase": "COMPLETED",
        "timeoutInMinutes": 30,
        "buildNumber": 1,
        "initiator": "slipway",
        "startTime": moment,
        "endTime": moment,
        "source": {"type": "NO_SOURCE"},
        "logs": {"groupName": "", "streamName": "", "deepLink": ""},
        "phases": [],
        "artifacts": {"location": ""},
        "environment": {
            "image": "",
            "privilegedMode": False,
            "computeType": "",
            "type": "",
            "environmentVariables": [
                {"name": name, "type": "PLAINTEXT", "value": value}
                for name, value in variables.items()
            ],
        },
    }
