"""What the host costs: calls for a deployment, comparing a thousand live ones, and rolling back.

Calls and units are counted in the simulation, where they do not depend on the machine; times are
taken on the running local cloud.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from chalicelib.adapters.layouts import codec
from chalicelib.domain.deployments import Deployment, DeploymentState
from chalicelib.ports import Change, Listing, Page, Put
from chalicelib.telemetry import logger
from infra.local.first import Person
from tests.e2e.conftest import LocalCloud
from tests.simulation import rules
from tests.simulation.agents import Behaviour
from tests.simulation.world import World

E = TypeVar("E")
LIVE = 1000
RUNS = 10
"""Calls of the reconciler, a minute apart: as long as it takes for everything to come round."""
ROLLBACKS = 20
SLOW_AGENT = Behaviour(boots=15.0)
"""As long as an image of some size takes to be pulled and started at Railway."""


@contextmanager
def _world() -> Iterator[World]:
    level = logger.log_level
    logger.setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    made = World(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
        logger.setLevel(level)


def calls() -> dict[str, int]:
    """Calls at Railway for a first deployment, a redeployment and a rollback, queued to live."""
    counted: dict[str, int] = {}
    with _world() as world:
        agent = world.agent()

        def count(what: str, deed: Any) -> None:
            before = world.yard.calls_made
            deed()
            world.pass_time(1)
            while any(d.state.is_moving for d in world.deployments(agent)):
                world.pass_time(0.2)
            newest = world.deployments(agent)[0]
            assert newest.state is DeploymentState.LIVE, newest.reasons
            counted[what] = world.yard.calls_made - before

        def build() -> None:
            world.upload(agent, SLOW_AGENT)
            world.pass_time(3.5)

        # Hints of webhooks cost a call each and are no part of the deployment.
        world.fault("webhook_lost", count=None)
        count("first", build)
        count("redeploy", lambda: rules.redeploy(world, agent, 0))
        build()
        world.pass_time(60)
        count("rollback", lambda: rules.act(world, agent, "roll_back"))
    return counted


@dataclass
class Reconciling:
    """One call of the reconciler, on average."""

    calls: float
    read_units: float
    write_units: float
    seconds: float


class _Metered:
    """A store that knows what DynamoDB would charge: 4 KB a read unit, 1 KB a write unit, half a
    read unit in an index, two write units for an item of a transaction, and one for each index an
    item is in."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.reads = 0.0
        self.writes = 0.0

    def get(self, kind: type[E], *key: str) -> E | None:
        found: E | None = self._inner.get(kind, *key)
        self.reads += math.ceil(max(1, _size(found)) / 4096)
        return found

    def page(self, listing: Listing[E], *scope: str, **given: Any) -> Page[E]:
        page: Page[E] = self._inner.page(listing, *scope, **given)
        self.reads += max(1, math.ceil(sum(map(_size, page.items)) / 4096)) / 2
        return page

    def commit(self, *changes: Change) -> None:
        self._inner.commit(*changes)
        each = 2 if len(changes) > 1 else 1
        for change in changes:
            units = math.ceil(_size(change.entity) / 1024) if isinstance(change, Put) else 1
            self.writes += units * each + 2 * units

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _size(entity: Any) -> int:
    return 0 if entity is None else len(codec(type(entity)).dump_json(entity)) + 200


def reconciling() -> Reconciling:
    """With a thousand live deployments that are as they are said to be."""
    with _world() as world:
        agent, live = rules.live(world)
        world.schedule.disable()
        _multiply(world, live)
        metered = _Metered(world.store.truth)
        world.store.truth = metered  # type: ignore[assignment]
        world.pass_time(400)
        # The first run after a pause finds all of it due at once; those after it are as always.
        world.wait(world.reconcile())
        world.pass_time(60)
        metered.reads = metered.writes = 0.0
        before, seconds = world.yard.calls_made, 0.0
        for _ in range(RUNS):
            began = time.process_time()
            run = world.wait(world.reconcile())
            seconds += time.process_time() - began
            assert run is not None
            assert run["serving"] == LIVE
            assert not run["failed"], run
            world.pass_time(60)
        assert agent is not None
        return Reconciling(
            calls=(world.yard.calls_made - before) / RUNS,
            read_units=metered.reads / RUNS,
            write_units=metered.writes / RUNS,
            seconds=seconds / RUNS,
        )


def _multiply(world: World, live: Deployment) -> None:
    """A thousand of it, here and at the host: each is a deployment of an agent of its own."""
    environment = world.environments()[0]
    rows: list[tuple[Any, ...]] = []
    found = world.yard.store.row("SELECT * FROM deployments WHERE id = ?", live.host.deployment_id)
    assert found is not None
    columns = [name for name in found.keys() if name != "seq"]  # noqa: SIM118 - a Row is no dict
    for number in range(LIVE - 1):
        agent_id = f"agt_{number:026d}"
        copy = replace(
            live,
            id=f"dep_{number:026d}",
            agent_id=agent_id,
            host=replace(live.host, deployment_id=f"host-{number}"),
            revision=1,
        )
        held = replace(environment, agent_id=agent_id, serving=copy.id, moving=None, revision=1)
        world.store.truth.commit(Put(copy), Put(held))
        values = {name: found[name] for name in columns} | {"id": copy.host.deployment_id}
        rows.append(tuple(values[name] for name in columns))
    marks = ",".join("?" * len(columns))
    world.yard.store.write_now(
        lambda db: db.executemany(
            f"INSERT INTO deployments ({','.join(columns)}) VALUES ({marks})",  # noqa: S608
            rows,
        )
    )


@dataclass
class Times:
    """Seconds."""

    control_plane: float
    rollback_p50: float
    rollback_p95: float


def times(cloud: LocalCloud, person: Person, agent_id: str) -> Times:
    """Rolls an agent with two live versions back and forth."""
    own: list[float] = []
    whole: list[float] = []
    for _ in range(ROLLBACKS):
        agent = person.ask("GET", f"/agents/{agent_id}")
        serving = agent["environments"][0]["serving"]
        began = time.time()
        back = person.create(f"/deployments/{serving}/rollback", {})
        ended = person.wait_for_deployment(back["id"], 60)
        assert ended["state"] == "live", ended["reasons"]
        timings = {name: datetime.fromisoformat(at) for name, at in ended["timings"].items()}
        whole.append(timings["live"].timestamp() - began)
        took = (timings["live"] - timings["queued"]).total_seconds()
        own.append(took - _at_the_host(cloud, ended["confirmed"]["deployment_id"]))
    whole.sort()
    return Times(
        control_plane=statistics.median(own),
        rollback_p50=statistics.median(whole),
        rollback_p95=whole[math.ceil(0.95 * len(whole)) - 1],
    )


def _at_the_host(cloud: LocalCloud, deployment_id: str) -> float:
    """From the moment the host made the deployment until it called it up."""
    query = "query($id: String!) { deployment(id: $id) { createdAt statusUpdatedAt } }"
    token = cloud.layout.credentials().railway_token
    answer = httpx.post(
        f"{cloud.yard_url}/graphql/v2",
        content=json.dumps({"query": query, "variables": {"id": deployment_id}}),
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    ).json()["data"]["deployment"]
    up, made = (datetime.fromisoformat(answer[k]) for k in ("statusUpdatedAt", "createdAt"))
    return (up - made).total_seconds()
