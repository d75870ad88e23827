"""Badges of agents: who may see an agent hands out its badge's address, and that shows how it is.

The address holds all it takes to find the agent and a proof that we made it. So a README can show
a private agent's state, and nobody can try ids.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable

from chalicelib.domain.agents import Agent
from chalicelib.domain.badges import badge_of, deploy_address, drawn, image_link
from chalicelib.domain.connections import Connection
from chalicelib.domain.deployments import Deployment, Environment
from chalicelib.domain.tenancy import Principal
from chalicelib.errors import NotFound
from chalicelib.ports import Clock, Store
from chalicelib.services.agents import Agents
from chalicelib.values import frozen

_ADDRESS = re.compile(r"(org_[0-9a-z]{26})\.(agt_[0-9a-z]{26})\.([0-9a-f]{32})")
_ENVIRONMENT = "production"


@frozen
class BadgeLinks:
    """What goes into a README. Without a repository that anybody may read, nothing to deploy."""

    badge_url: str
    page_url: str
    markdown: str
    deploy_url: str | None = None
    deploy_markdown: str | None = None


class Badges:
    def __init__(
        self,
        *,
        store: Store,
        agents: Agents,
        clock: Clock,
        secret: Callable[[], str],
        web_url: str,
    ) -> None:
        self._store = store
        self._agents = agents
        self._clock = clock
        self._secret = secret
        self._web_url = web_url

    def links(self, principal: Principal, agent_id: str) -> BadgeLinks:
        agent = self._agents.get(principal, agent_id)
        picture = f"{self._web_url}/api/v1/badges/{self._address(agent.org_id, agent.id)}"
        page = f"{self._web_url}/agents/{agent.id}"
        made = BadgeLinks(picture, page, image_link("Slipway", picture, page))
        connection = self._store.get(Connection, agent.org_id, agent.id)
        if connection is None or connection.private:
            return made
        target = deploy_address(
            self._web_url, connection.repository, connection.branch, connection.root
        )
        button = f"{self._web_url}/api/v1/deploy-button.svg"
        return BadgeLinks(
            picture,
            page,
            made.markdown,
            target,
            image_link("Deploy on Slipway", button, target),
        )

    def picture(self, address: str) -> str:
        """The badge as it is now. Raises NotFound for an address that we have not made."""
        found = _ADDRESS.fullmatch(address)
        if found is None or not hmac.compare_digest(
            self._proof(found[1], found[2]).encode(), found[3].encode()
        ):
            raise NotFound("This is no badge's address. GET /agents/{agent_id}/badge says it.")
        org_id, agent_id = found[1], found[2]
        agent, environment = self._store.get_many(
            (Agent, org_id, agent_id), (Environment, org_id, agent_id, _ENVIRONMENT)
        )
        if agent is None:
            raise NotFound("This badge's agent is gone.")
        serving = None
        if environment is not None and environment.serving:
            serving = self._store.get(Deployment, org_id, environment.serving)
        return drawn(badge_of(environment, serving, self._clock.now()))

    def _address(self, org_id: str, agent_id: str) -> str:
        return f"{org_id}.{agent_id}.{self._proof(org_id, agent_id)}"

    def _proof(self, org_id: str, agent_id: str) -> str:
        said = f"badge {org_id} {agent_id}".encode()
        return hmac.new(self._secret().encode(), said, hashlib.sha256).hexdigest()[:32]
