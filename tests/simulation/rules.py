"""What can happen in a run: every rule of the state machine, as a plain method on a world."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.agents import Agent
from chalicelib.domain.deployments import Deployment, DeploymentState
from chalicelib.domain.versions import VersionState
from tests.simulation.agents import Behaviour
from tests.simulation.world import World

BEHAVIOURS = {
    "good": Behaviour(),
    "slow": Behaviour(boots=12.0),
    "never up": Behaviour(boots=1e6),
    "health 500": Behaviour(health=500),
    "health 308": Behaviour(health=308),
    "crashes at start": Behaviour(boots=5.0, ends=(1.0, 3)),
    "ends with 0 at start": Behaviour(boots=5.0, ends=(1.0, 0)),
    "out of memory at start": Behaviour(boots=5.0, ends=(1.0, 137), hungry=True),
    "crashes later": Behaviour(ends=(45.0, 1)),
    "ends with 0 later": Behaviour(ends=(45.0, 0)),
    "wrong page": Behaviour(page=(200, b"bad")),
    "page 500": Behaviour(page=(500, b"bad")),
}
OPERATIONS = (
    None,
    "Services",
    "serviceCreate",
    "serviceInstanceUpdate",
    "serviceInstanceLimitsUpdate",
    "variableCollectionUpsert",
    "domains",
    "serviceDomainCreate",
    "serviceInstanceDeployV2",
    "up",
    "deployments",
    "deployment",
    "deploymentStop",
    "deploymentCancel",
    "deploymentRestart",
)
"""Where a fault on the wire may strike; None is anywhere. `up` takes a source, in place of
`serviceInstanceDeployV2`, which takes an image."""
WIRE: dict[str, dict[str, Any]] = {
    "rate_limit": {"retry_after": 7},
    "create_throttle": {},
    "timeout_before": {"seconds": 3.0},
    "timeout_after": {"seconds": 3.0},
    "server_error": {"status": 502},
    "server_error_after": {"status": 503},
    "cloudflare": {},
    "problem": {},
    "problem_after": {},
    "in_progress": {},
    "not_authorized": {},
}
HOST: dict[str, dict[str, Any]] = {
    "slow_visibility": {"seconds": 4.0},
    "stale_image": {},
    "queued": {"seconds": 20.0},
    "health_status": {"status": 308},
    "crash_before_live": {"exit_code": 1},
    "crash_after_live": {"seconds": 8.0},
    "out_of_memory": {"seconds": 1.0},
    "removed_by_hand": {"seconds": 5.0},
    "service_deleted": {"seconds": 5.0},
    "migrated": {"seconds": 5.0},
}
DELIVERY: dict[str, dict[str, Any]] = {
    "build_event_lost": {},
    "build_event_doubled": {},
    "build_event_delayed": {"seconds": 40.0},
    "webhook_lost": {},
    "webhook_doubled": {},
    "webhook_delayed": {"seconds": 15.0},
}
ACCIDENTS = ("removed_by_hand", "service_deleted", "migrated", "token_revoked")
WORKERS = ("api", "deploy-step", "on-upload", "on-build", "reconcile")


def redeploy(world: World, agent: Agent, which: int) -> Deployment | None:
    """One of the ready versions, once more."""
    ready = [v for v in world.versions(agent) if v.state is VersionState.READY]
    if not ready:
        return None
    version = ready[which % len(ready)]
    return world.person(
        lambda: world.platform.deployments.request(
            world.who, agent.id, version_id=version.id, environment="production"
        )
    )


def act(world: World, agent: Agent, verb: str) -> Deployment | None:
    """`roll_back`, `restart`, `stop` or `cancel`, of the deployment it makes most sense for."""
    found = world.deployments(agent)
    fitting = [d for d in found if (d.state.is_moving if verb == "cancel" else d.state.is_serving)]
    target = next(iter(fitting or found), None)
    if target is None:
        return None
    use = getattr(world.platform.deployments, verb)
    # Between the wish and its end the agent may still answer.
    excuse = f"a person asked to {verb} it" if verb in ("stop", "restart") else ""
    if excuse:
        world.callers.excuse(target.host.service_id, excuse)
    done: Deployment | None = world.person(lambda: use(world.who, target.id))
    if excuse and done:
        world.callers.excuse(target.host.service_id, excuse)
    return done


def by_hand(world: World, agent: Agent, kind: str) -> None:
    """Somebody removes what runs at the host, or deletes the whole service there."""
    for environment in world.environments():
        if environment.agent_id == agent.id and environment.service_id:
            world.wait(world.yard.by_hand(kind, environment.service_id))
            world.tally[f"fault {kind}"] += 1


def live(world: World, behaviour: Behaviour | None = None) -> tuple[Agent, Deployment]:
    """An agent with one version live."""
    agent = world.agent()
    world.upload(agent, behaviour or BEHAVIOURS["good"])
    world.pass_time(30)
    deployment = world.deployments(agent)[0]
    assert deployment.state is DeploymentState.LIVE, deployment
    return agent, deployment
