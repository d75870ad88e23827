"""How many agents stand in production at once: what runs of each, or else what came of it last."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.agents import Agent
from chalicelib.domain.deployments import Deployment, Environment
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.domain.versions import Version
from chalicelib.ports import Store
from chalicelib.values import frozen

_PRODUCTION = "production"


@frozen
class Standing:
    """At most one of the three: what runs, the deployment that ended last, the newest version."""

    running: Deployment | None = None
    ended: Deployment | None = None
    version: Version | None = None


def standings_of(
    store: Store, principal: Principal, agents: Sequence[Agent]
) -> dict[str, Standing]:
    """By the agent's id: what moves in production, or else what serves, or waits; where nothing
    does, whichever came last of its newest version and its last deployment.

    Two requests for any number up to 100: one key an agent in each.
    """
    readable = [a for a in agents if principal.may(Action.DEPLOYMENT_READ, a.id)]
    if not readable:
        return {}
    places: list[Environment | None] = store.get_many(
        *((Environment, agent.org_id, agent.id, _PRODUCTION) for agent in readable)
    )
    running: set[str] = set()
    wanted: list[tuple[type, str, str]] = []
    for agent, place in zip(readable, places, strict=True):
        chosen = place and (place.moving or place.serving or place.queued)
        if chosen:
            running.add(agent.id)
            wanted.append((Deployment, agent.org_id, chosen))
        elif last := _last(principal, agent, place):
            wanted.append(last)
    if not wanted:
        return {}
    found = [one for one in store.get_many(*wanted) if one is not None]
    return {one.agent_id: _standing(one, runs=one.agent_id in running) for one in found}


def _last(
    principal: Principal, agent: Agent, place: Environment | None
) -> tuple[type, str, str] | None:
    version, deployment = agent.newest, place.newest if place else None
    # A deployment is of a version that was there before: of the same moment, it is the later one.
    if deployment and (version is None or deployment.at >= version.at):
        return Deployment, agent.org_id, deployment.id
    if version and principal.may(Action.VERSION_READ, agent.id):
        return Version, agent.org_id, version.id
    return None


def _standing(found: Deployment | Version, *, runs: bool) -> Standing:
    if isinstance(found, Version):
        return Standing(version=found)
    return Standing(running=found) if runs else Standing(ended=found)
