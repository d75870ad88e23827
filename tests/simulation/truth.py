"""The property: what Slipway says is what the yard runs, and nothing is left half done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from chalicelib.domain.deployments import Deployment, DeploymentState, Environment
from chalicelib.domain.release import service_name
from chalicelib.services.reconciler import CONFIRM_EVERY
from infra.local.yard.live import Live
from infra.local.yard.records import Snapshot
from tests.simulation.host import ENVIRONMENT
from tests.simulation.world import RECONCILE_EVERY, World

FRESH = CONFIRM_EVERY + timedelta(seconds=2 * RECONCILE_EVERY)
"""How old a confirmation may be."""


def lies(world: World) -> list[str]:
    """Everything that is not as it should be, once all is quiet."""
    return [
        *_unfinished(world),
        *_differences(world),
        *_orphans(world),
        *_doubles(world),
        *_silences(world),
    ]


def _unfinished(world: World) -> Iterator[str]:
    for agent in world.agents():
        for version in world.versions(agent):
            if not version.state.is_final:
                yield f"the version {version.id} is still {version.state}"
            if version.owes_deployment:
                yield f"the version {version.id} asked for a deployment and got none"
        for deployment in world.deployments(agent):
            if deployment.state.is_moving:
                yield f"{deployment.id} is still {deployment.state}"
    for environment in world.environments():
        if environment.moving or environment.queued:
            waits = f"moving {environment.moving}, queued {environment.queued}"
            yield f"{environment.agent_id}: {waits}"
    if world.engine.running:
        yield f"{world.engine.running} executions still run"


def _differences(world: World) -> Iterator[str]:
    for environment in world.environments():
        name = service_name(environment.agent_id, environment.name)
        rows = world.yard.store.rows(
            "SELECT id FROM services WHERE name = ? AND deleted_at IS NULL", name
        )
        live = world.callers.live(rows[0]["id"]) if rows else None
        said = world.deployment(environment.serving) if environment.serving else None
        yield from _compare(world, environment, said, live)
        for deployment in world.deployments(world.agent_of(environment)):
            if deployment.state.is_serving and deployment.id != environment.serving:
                yield f"{deployment.id} says {deployment.state}, and does not hold its environment"
        for row in rows:
            slot = world.yard.fleet._slots.all.get((row["id"], ENVIRONMENT))
            if slot and slot.pending:
                yield f"the host still deploys {list(slot.pending)}"


def _compare(
    world: World, environment: Environment, said: Deployment | None, live: Live | None
) -> Iterator[str]:
    runs = live.phase if live is not None else "nothing"
    if said is None:
        if runs not in ("nothing", "stopped", "crashed"):
            yield f"{environment.agent_id}: nothing is said to serve, and the host runs {runs}"
        return
    what = f"{said.id} says {said.state}"
    if live is None:
        yield f"{what}, and the host runs nothing"
        return
    if live.id != said.host.deployment_id:
        yield f"{what} of {said.host.deployment_id}, and the host runs {live.id} ({runs})"
    image = world.images.called(live.snapshot.image)
    if image != said.image:
        yield f"{what} of {said.image}, and the host runs {image}"
    if said.confirmed_image not in _names_of(live.snapshot):
        yield f"{what}, confirmed as {said.confirmed_image}, and it is {live.snapshot.image}"
    expected = {
        DeploymentState.LIVE: ("live",),
        DeploymentState.ASLEEP: ("asleep", "dozing"),
        DeploymentState.CRASHED: ("crashed", "stopped"),
    }[said.state]
    if runs not in expected:
        yield f"{what}, and the host says {runs}"
    if said.confirmed_at is None or world.clock.now() - said.confirmed_at > FRESH:
        yield f"{what}, last confirmed at {said.confirmed_at}: long ago"
    yield from _compare_address(world, said, live)


def _names_of(snapshot: Snapshot) -> tuple[str | None, ...]:
    """What may be said of its image: what was built has no name that anybody knows, but a digest;
    None is that nothing has been confirmed yet."""
    named = snapshot.image or ""
    return (None, "@" + named.rpartition("@")[2] if snapshot.built else named)


def _compare_address(world: World, said: Deployment, live: Live) -> Iterator[str]:
    what = f"{said.id} says {said.state}"
    domains = world.yard.edge.domains(*live.place.slot)
    if [said.url] != [f"http://{world.yard.edge.name(one)}" for one in domains]:
        yield f"{what} at {said.url}, and the host has {len(domains)} other addresses"
    elif said.state is DeploymentState.LIVE:
        domain = world.yard.edge.name(domains[0])
        _, _, image = world.wait(world.yard.request(domain, "/"))
        if world.images.called(image) != said.image:
            yield f"{what} of {said.image}, and its address answers with {image or 'nothing'}"


def _orphans(world: World) -> Iterator[str]:
    known = {service_name(e.agent_id, e.name): e for e in world.environments()}
    for row in world.yard.store.rows("SELECT * FROM services WHERE deleted_at IS NULL"):
        environment = known.get(row["name"])
        if environment is None:
            yield f"the service {row['name']} belongs to nobody"
        elif environment.serving and environment.service_id != row["id"]:
            yield f"{row['name']} is {row['id']}, and Slipway thinks {environment.service_id}"
    for row in world.yard.store.rows(
        "SELECT d.* FROM deployments d WHERE d.status IN ('SUCCESS', 'SLEEPING') AND NOT d.stopped"
    ):
        live = world.callers.live(row["service_id"])
        if live is None or live.id != row["id"]:
            yield f"the host says {row['status']} of {row['id']}, which it does not run"


def _doubles(world: World) -> Iterator[str]:
    asked: Counter[str] = Counter()
    # What was made anew after its service had been deleted is no double of what went with it.
    for row in world.yard.store.rows(
        "SELECT d.meta, d.snapshot FROM deployments d JOIN services s ON s.id = d.service_id"
        " WHERE s.deleted_at IS NULL"
    ):
        if json.loads(row["meta"])["reason"] == "deploy":
            asked[json.loads(row["snapshot"])["variables"]["SLIPWAY_DEPLOYMENT"]] += 1
    for deployment_id, times in asked.items():
        if times > 1:
            yield f"{deployment_id} was deployed {times} times"


def _silences(world: World) -> Iterator[str]:
    for line in world.callers.lines.values():
        if line.failures:
            yield f"{len(line.failures)} calls failed for no good reason: {line.failures[:3]}"
    yield from world.overdue
