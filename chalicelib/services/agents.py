"""Creating, reading, changing and deleting agents."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.agents import Agent, Category, Runtime, SlugClaim, Visibility, slug_of
from chalicelib.domain.deployments import Deployment, DeploymentEvent, Environment
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.listings import AgentListing
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    FieldError,
    Invalid,
    NotFound,
    PreconditionFailed,
)
from chalicelib.ports import (
    AGENTS,
    ENVIRONMENTS,
    Change,
    Clock,
    Delete,
    Host,
    Page,
    Put,
    Store,
    every,
)

_SLUG_TRIES = 50


class Agents:
    def __init__(self, *, store: Store, host: Host, clock: Clock) -> None:
        self._store = store
        self._host = host
        self._clock = clock

    def create(
        self,
        principal: Principal,
        *,
        name: str,
        description: str = "",
        category: Category = Category.OTHER,
        runtime: Runtime | None = None,
        visibility: Visibility = Visibility.PRIVATE,
    ) -> Agent:
        """The new agent, with a slug of its own in the organisation."""
        principal.require(Action.AGENT_CREATE)
        if visibility is Visibility.PUBLIC:
            raise _publish_instead()
        now = self._clock.now()
        base = slug_of(name)
        agent_id = new_id("agt")
        for attempt in range(_SLUG_TRIES):
            slug = base if attempt == 0 else f"{base}-{attempt + 1}"
            if self._store.get(SlugClaim, principal.org_id, slug) is not None:
                continue
            agent = Agent(
                id=agent_id,
                org_id=principal.org_id,
                name=name,
                slug=slug,
                description=description,
                category=category,
                runtime=runtime,
                visibility=visibility,
                created_by=principal.user_id,
                created_at=now,
                updated_at=now,
            )
            claim = SlugClaim(principal.org_id, slug, agent_id)
            try:
                self._store.commit(Put(agent), Put(claim))
            except ChangedMeanwhile:
                continue
            return agent
        raise Conflict(
            f"Fifty agents of yours are called “{name}”. Choose another name.", code="name_taken"
        )

    def get(self, principal: Principal, agent_id: str) -> Agent:
        principal.require(Action.AGENT_READ)
        agent = (
            self._store.get(Agent, principal.org_id, agent_id) if is_id(agent_id, "agt") else None
        )
        if agent is None:
            raise NotFound("There is no agent with this id in your organisation.")
        return agent

    def stored(self, org_id: str, agent_id: str) -> Agent | None:
        """For work that nobody is waiting for; people go through `get`."""
        return self._store.get(Agent, org_id, agent_id)

    def page(self, principal: Principal, *, limit: int, after: str | None) -> Page[Agent]:
        principal.require(Action.AGENT_READ)
        return self._store.page(AGENTS, principal.org_id, limit=limit, after=after)

    def update(
        self,
        principal: Principal,
        agent_id: str,
        *,
        if_revision: int | None,
        name: str | None = None,
        description: str | None = None,
        category: Category | None = None,
        visibility: Visibility | None = None,
    ) -> Agent:
        """Changes what is given. The slug stays: links to it must not break."""
        principal.require(Action.AGENT_UPDATE)
        agent = self.get(principal, agent_id)
        if if_revision is not None and if_revision != agent.revision:
            raise PreconditionFailed(
                "Somebody changed this agent since you read it. Read it again and repeat."
            )
        if visibility is Visibility.PUBLIC and agent.visibility is not Visibility.PUBLIC:
            raise _publish_instead()
        changed = replace(
            agent,
            name=agent.name if name is None else name,
            description=agent.description if description is None else description,
            category=agent.category if category is None else category,
            visibility=agent.visibility if visibility is None else visibility,
        )
        if changed == agent:
            return agent
        changed = replace(changed, updated_at=self._clock.now(), revision=agent.revision + 1)
        unlisted = self._unlisted(agent) if changed.visibility is not agent.visibility else []
        self._store.commit(Put(changed), *unlisted)
        return changed

    def delete(self, principal: Principal, agent_id: str) -> None:
        """Removes the agent and, at the host, everything that runs for it.

        The host goes first: an agent that cannot be stopped stays visible and can be deleted
        again. Versions and deployments stay readable by id until they expire.
        """
        principal.require(Action.AGENT_DELETE)
        agent = self.get(principal, agent_id)
        for environment in self.environments_of(agent):
            if environment.moving:
                raise Conflict(
                    "A deployment of this agent is under way. Cancel it or let it finish first.",
                    code="deployment_moving",
                )
            if environment.service_id:
                self._host.remove_service(environment.service_id)
            self._store.commit(*self._ended(environment), Delete(environment))
        claim = self._store.get(SlugClaim, agent.org_id, agent.slug)
        changes: list[Change] = [Delete(agent), *self._unlisted(agent)]
        if claim is not None and claim.agent_id == agent.id:
            changes.append(Delete(claim))
        self._store.commit(*changes)

    def _unlisted(self, agent: Agent) -> list[Change]:
        """What joins a change that ends an agent's being public; its names stay held."""
        listing = self._store.get(AgentListing, agent.org_id, agent.id)
        if listing is None or listing.visibility is Visibility.PRIVATE:
            return []
        return [Put(listing.withdrawn(self._clock.now()))]

    def _ended(self, environment: Environment) -> list[Change]:
        """What served there serves no longer, and says so."""
        if environment.serving is None:
            return []
        serving = self._store.get(Deployment, environment.org_id, environment.serving)
        if serving is None or serving.state.is_final:
            return []
        now = self._clock.now()
        return [Put(serving.after(DeploymentEvent.STOPPED, now, confirmed_at=now))]

    def environments_of(self, agent: Agent) -> list[Environment]:
        """Where the agent runs."""
        return list(every(self._store, ENVIRONMENTS, agent.org_id, agent.id))


def _publish_instead() -> Conflict:
    return Conflict(
        "An agent becomes public by publishing a version of it: POST /agents/{agent_id}/publish, "
        "which says what is still missing.",
        code="publish_instead",
    )


def environment_name(name: str) -> str:
    """The name, if it can be an environment's; raises Invalid otherwise."""
    if (
        not name
        or len(name) > 24
        or not all(c.isascii() and (c.isalnum() or c == "-") for c in name)
    ):
        raise Invalid(
            "This cannot be an environment's name.",
            errors=(
                FieldError("environment", "Use 1 to 24 letters, digits and dashes: production."),
            ),
        )
    return name.lower()
