"""Creating, reading, changing and deleting agents."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.agents import (
    Agent,
    Category,
    Remains,
    Runtime,
    SlugClaim,
    Visibility,
    slug_of,
)
from chalicelib.domain.audit import Audited, AuditEvent, changed
from chalicelib.domain.connections import Connection, HookClaim
from chalicelib.domain.deployments import Deployment, DeploymentEvent, Environment
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.images import media_folder
from chalicelib.domain.listings import AgentListing
from chalicelib.domain.operations import ServiceClaim
from chalicelib.domain.telling import Told, pull_subject
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
    PULL_REQUESTS,
    SHARES,
    TRACKS,
    VARIABLES,
    Artifacts,
    Change,
    Clock,
    Delete,
    Host,
    Page,
    Put,
    Store,
    every,
)
from chalicelib.services.audit import Audit

_SLUG_TRIES = 50
NO_AGENT = "There is no agent with this id in your organisation."


class Agents:
    def __init__(
        self, *, store: Store, audit: Audit, host: Host, artifacts: Artifacts, clock: Clock
    ) -> None:
        self._store = store
        self._audit = audit
        self._host = host
        self._artifacts = artifacts
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
            said = {"name": name, "slug": slug, "visibility": visibility}
            event = AuditEvent.by(principal, Audited.AGENT_CREATED, agent_id, after=said)
            try:
                self._audit.commit(event, Put(agent), Put(claim))
            except ChangedMeanwhile:
                continue
            return agent
        raise Conflict(
            f"Fifty agents of yours are called “{name}”. Choose another name.", code="name_taken"
        )

    def get(self, principal: Principal, agent_id: str) -> Agent:
        require_on(principal, Action.AGENT_READ, agent_id, or_else=NO_AGENT)
        agent = (
            self._store.get(Agent, principal.org_id, agent_id) if is_id(agent_id, "agt") else None
        )
        if agent is None:
            raise NotFound(NO_AGENT)
        return agent

    def stored(self, org_id: str, agent_id: str) -> Agent | None:
        """For work that nobody is waiting for; people go through `get`."""
        return self._store.get(Agent, org_id, agent_id)

    def page(self, principal: Principal, *, limit: int, after: str | None) -> Page[Agent]:
        """Those the principal sees, newest first."""
        principal.require(Action.AGENT_READ)
        visible = principal.visible_agents()
        if visible is None:
            return self._store.page(AGENTS, principal.org_id, limit=limit, after=after)
        # A few named ones: they are read by their ids, not looked for among all.
        wanted = [a for a in sorted(visible, reverse=True) if after is None or f"{a}#" < after]
        found = self._store.get_many(*((Agent, principal.org_id, a) for a in wanted))
        agents = [agent for agent in found if agent is not None]
        shown = agents[:limit]
        return Page(tuple(shown), f"{shown[-1].id}#" if len(agents) > limit else None)

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
        agent = self.get(principal, agent_id)
        principal.require(Action.AGENT_UPDATE, agent_id)
        if if_revision is not None and if_revision != agent.revision:
            raise PreconditionFailed(
                "Somebody changed this agent since you read it. Read it again and repeat."
            )
        if visibility is Visibility.PUBLIC and agent.visibility is not Visibility.PUBLIC:
            raise _publish_instead()
        wanted = replace(
            agent,
            name=agent.name if name is None else name,
            description=agent.description if description is None else description,
            category=agent.category if category is None else category,
            visibility=agent.visibility if visibility is None else visibility,
        )
        if wanted == agent:
            return agent
        wanted = replace(wanted, updated_at=self._clock.now(), revision=agent.revision + 1)
        before, after = changed(agent, wanted, "name", "description", "category", "visibility")
        event = AuditEvent.by(
            principal, Audited.AGENT_UPDATED, agent.id, before=before, after=after
        )
        shown = (
            self._relisted(agent, wanted.visibility)
            if wanted.visibility is not agent.visibility
            else []
        )
        self._audit.commit(event, Put(wanted), *shown)
        return wanted

    def delete(self, principal: Principal, agent_id: str) -> None:
        """Removes the agent and, at the host, everything that runs for it.

        The host goes first: an agent that cannot be stopped stays visible and can be deleted
        again. Versions and deployments stay readable by id until they expire.
        """
        agent = self.get(principal, agent_id)
        principal.require(Action.AGENT_DELETE, agent_id)
        for environment in self.environments_of(agent):
            if environment.moving:
                raise Conflict(
                    "A deployment of this agent is under way. Cancel it or let it finish first.",
                    code="deployment_moving",
                )
            if environment.service_id:
                self._host.remove_service(environment.service_id)
            self._store.commit(
                *self._ended(environment), *self._unclaimed(environment), Delete(environment)
            )
        for variables in list(every(self._store, VARIABLES, agent.org_id, agent.id)):
            self._store.commit(Delete(variables))
        for request in list(every(self._store, PULL_REQUESTS, agent.org_id, agent.id)):
            told = self._store.get(Told, agent.org_id, pull_subject(agent.id, request.number))
            self._store.commit(Delete(request), *([Delete(told)] if told is not None else []))
        for track in list(every(self._store, TRACKS, agent.org_id, agent.id)):
            self._store.commit(Delete(track))
        for share in list(every(self._store, SHARES, agent.org_id, agent.id)):
            self._store.commit(Delete(share))
        claim = self._store.get(SlugClaim, agent.org_id, agent.slug)
        listing = self._store.get(AgentListing, agent.org_id, agent.id)
        changes: list[Change] = [
            Delete(agent),
            Put(Remains(agent.org_id, agent.id)),
            *disconnecting(self._store, agent.org_id, agent.id),
            *([] if listing is None else [Put(listing.bare(self._clock.now()))]),
        ]
        if claim is not None and claim.agent_id == agent.id:
            changes.append(Delete(claim))
        said = {"name": agent.name, "slug": agent.slug}
        event = AuditEvent.by(principal, Audited.AGENT_DELETED, agent.id, before=said)
        self._audit.commit(event, *changes)
        if listing is not None:
            self._artifacts.remove_all(media_folder(agent.org_id, agent.id))

    def _unclaimed(self, environment: Environment) -> list[Change]:
        """Its service at the host is nobody's any more."""
        if not environment.service_id:
            return []
        claim = self._store.get(ServiceClaim, environment.service_id)
        return [Delete(claim)] if claim is not None else []

    def _ended(self, environment: Environment) -> list[Change]:
        """What served there serves no longer, and says so."""
        if environment.serving is None:
            return []
        serving = self._store.get(Deployment, environment.org_id, environment.serving)
        if serving is None or serving.state.is_final:
            return []
        now = self._clock.now()
        return [Put(serving.after(DeploymentEvent.STOPPED, now, confirmed_at=now))]

    def _relisted(self, agent: Agent, visibility: Visibility) -> list[Change]:
        """Its listing is seen by as many as the agent is; its names stay held."""
        listing = self._store.get(AgentListing, agent.org_id, agent.id)
        if listing is None or listing.visibility is visibility:
            return []
        return [Put(listing.seen_by(visibility, self._clock.now()))]

    def environments_of(self, agent: Agent) -> list[Environment]:
        """Where the agent runs."""
        return list(every(self._store, ENVIRONMENTS, agent.org_id, agent.id))


def disconnecting(store: Store, org_id: str, agent_id: str) -> list[Change]:
    """What joins the removal of an agent that is connected to a repository."""
    known = store.get(Connection, org_id, agent_id)
    if known is None:
        return []
    claim = store.get(HookClaim, known.hook_id) if known.hook_id else None
    return [Delete(known), *([Delete(claim)] if claim is not None else [])]


def unlisting(store: Store, agent: Agent, at: datetime) -> list[Change]:
    """What joins a change after which nobody is offered the agent; its names stay held."""
    listing = store.get(AgentListing, agent.org_id, agent.id)
    if listing is None or listing.version_id is None:
        return []
    return [Put(listing.ended(at))]


def _publish_instead() -> Conflict:
    return Conflict(
        "An agent becomes public by publishing a version of it: POST /agents/{agent_id}/publish, "
        "which says what is still missing.",
        code="publish_instead",
    )


def require_on(principal: Principal, action: Action, agent_id: str, *, or_else: str) -> None:
    """What belongs to an agent that the principal does not see does not exist, in these words;
    what it sees may still be forbidden."""
    if not principal.sees(agent_id):
        raise NotFound(or_else)
    principal.require(action, agent_id)


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
