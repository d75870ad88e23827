"""What was deployed lately, of all agents that somebody sees."""

from __future__ import annotations

from chalicelib.domain.agents import Agent
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.ports import ALL_DEPLOYMENTS, DEPLOYMENTS, Page, Store


def recent_of(
    store: Store, principal: Principal, *, limit: int, after: str | None
) -> tuple[Page[Deployment], dict[str, Agent]]:
    """Those of every agent the principal sees, newest first, and these agents by id."""
    principal.require(Action.DEPLOYMENT_READ)
    visible = principal.visible_agents()
    org_id = principal.org_id
    if visible is None:
        page = store.page(ALL_DEPLOYMENTS, org_id, limit=limit, after=after)
    else:
        # A few named agents: the newest of each are put together.
        read = [
            store.page(DEPLOYMENTS, org_id, agent_id, limit=limit, after=after)
            for agent_id in sorted(visible)
            if principal.may(Action.DEPLOYMENT_READ, agent_id)
        ]
        found = sorted((d for one in read for d in one.items), key=lambda d: d.id, reverse=True)
        more = len(found) > limit or any(one.next for one in read)
        shown = found[:limit]
        page = Page(tuple(shown), f"{shown[-1].id}#" if shown and more else None)
    ids = sorted({deployment.agent_id for deployment in page.items})
    agents = store.get_many(*((Agent, org_id, agent_id) for agent_id in ids))
    return page, {agent.id: agent for agent in agents if agent is not None}
