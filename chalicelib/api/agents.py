"""Endpoints of agents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from chalice.app import Blueprint
from pydantic import Field

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.api.words import written
from chalicelib.domain.agents import Agent, Category, Runtime, Visibility
from chalicelib.domain.deployments import Deployment, DeploymentState
from chalicelib.domain.tenancy import Action
from chalicelib.domain.versions import Version, VersionState
from chalicelib.services.standings import Standing

agents = Blueprint(__name__)

# Printable on one line, in any script.
_LINE = r"[^\x00-\x1f\x7f]"
Name = Annotated[
    str,
    written(
        rf"^{_LINE}*[^\s\x00-\x1f\x7f]{_LINE}*$",
        "Use one line with at least one letter, digit or sign, in any script.",
        min_length=1,
        max_length=80,
    ),
]
Text = Annotated[str, written(r"^[^\x00]*$", "This may hold no NUL character.", max_length=2000)]


class NewAgent(Model):
    name: Name
    description: Text = ""
    category: Category = Category.OTHER
    runtime: Runtime | None = None
    visibility: Visibility = Visibility.PRIVATE


class AgentChange(Model):
    name: Name | None = None
    description: Text | None = None
    category: Category | None = None
    visibility: Visibility | None = None


class AgentView(View):
    id: str
    slug: str
    name: str
    description: str
    category: Category
    runtime: Runtime | None
    visibility: Visibility
    version_count: int
    created_at: datetime
    updated_at: datetime
    revision: int


class AgentEnvironmentView(View):
    """One place the agent runs in, and which deployments hold it."""

    name: str
    serving: str | None
    moving: str | None
    queued: str | None


class OriginView(View):
    """The published version that a copy runs; a fork is made of its source."""

    slug: str
    version_id: str
    label: str
    fork: bool


class AgentDetail(AgentView):
    """`origin` is there when the agent is a copy: GET …/updates tells what is newer."""

    origin: OriginView | None = None
    environments: list[AgentEnvironmentView] = Field(default_factory=list)


class ProductionView(View):
    """What runs in production, at a glance."""

    deployment_id: str
    version_number: int
    state: DeploymentState
    url: str | None
    confirmed_at: datetime | None


class LatestView(View):
    """What came last of an agent that nothing runs of: its newest version, on its way or how it
    ended, or its last deployment to production, which has ended."""

    version_id: str
    version_number: int
    version_state: VersionState
    deployment_id: str | None
    deployment_state: DeploymentState | None


class ListedAgent(AgentView):
    """`production` is there when it was asked for with `include`, and null when nothing runs.
    Then `latest` says why, where there is something to say."""

    production: ProductionView | None = None
    latest: LatestView | None = None


class AgentQuery(PageQuery):
    include: Literal["production"] | None = None
    """Also say what runs in production, or else what came last."""


class AgentPage(View):
    items: list[ListedAgent]
    next_cursor: str | None


@endpoint(
    agents,
    "GET",
    "/agents",
    summary="List the organisation's agents, newest first",
    action=Action.AGENT_READ,
    query=AgentQuery,
    answer=AgentPage,
)
def list_agents(call: Call, query: AgentQuery) -> AgentPage:
    page = call.platform.agents.page(call.principal, limit=query.limit, after=query.cursor)
    standings: dict[str, Standing] = {}
    if query.include:
        standings = call.platform.deployments.standings(call.principal, page.items)
    items = [_listed(agent, standings.get(agent.id)) for agent in page.items]
    return AgentPage(items=items, next_cursor=page.next)


def _listed(agent: Agent, standing: Standing | None) -> ListedAgent:
    listed = ListedAgent.model_validate(agent)
    if standing and standing.running:
        listed.production = _production(standing.running)
    elif standing and standing.ended:
        listed.latest = _ended(standing.ended)
    elif standing and standing.version:
        listed.latest = _newest(standing.version)
    return listed


def _ended(deployment: Deployment) -> LatestView:
    return LatestView(
        version_id=deployment.version_id,
        version_number=deployment.version_number,
        # Nothing else is deployed, and a ready version stays one.
        version_state=VersionState.READY,
        deployment_id=deployment.id,
        deployment_state=deployment.state,
    )


def _newest(version: Version) -> LatestView:
    return LatestView(
        version_id=version.id,
        version_number=version.number,
        version_state=version.state,
        deployment_id=None,
        deployment_state=None,
    )


def _production(deployment: Deployment) -> ProductionView:
    return ProductionView(
        deployment_id=deployment.id,
        version_number=deployment.version_number,
        state=deployment.state,
        url=deployment.url,
        confirmed_at=deployment.confirmed_at,
    )


@endpoint(
    agents,
    "POST",
    "/agents",
    summary="Create an agent",
    action=Action.AGENT_CREATE,
    body=NewAgent,
    answer=AgentView,
    status=201,
    errors=(409,),
    idempotent=True,
)
def create_agent(call: Call, body: NewAgent) -> AgentView:
    agent = call.platform.agents.create(call.principal, **dict(body))
    return AgentView.model_validate(agent)


@endpoint(
    agents,
    "GET",
    "/agents/{agent_id}",
    summary="Read an agent and what runs of it",
    action=Action.AGENT_READ,
    answer=AgentDetail,
    errors=(404,),
)
def get_agent(call: Call, agent_id: str) -> Answer:
    agent = call.platform.agents.get(call.principal, agent_id)
    environments = call.platform.agents.environments_of(agent)
    detail = AgentDetail(
        **AgentView.model_validate(agent).model_dump(),
        environments=[AgentEnvironmentView.model_validate(e) for e in environments],
        origin=OriginView.model_validate(agent.origin) if agent.origin else None,
    )
    # For If-Match only: what serves may change without a new revision of the agent.
    return Answer(detail, headers={"ETag": f'"{agent.revision}"'})


@endpoint(
    agents,
    "PATCH",
    "/agents/{agent_id}",
    summary="Change an agent; If-Match guards against overwriting somebody else's change",
    action=Action.AGENT_UPDATE,
    body=AgentChange,
    answer=AgentView,
    errors=(404, 409, 412),
)
def update_agent(call: Call, agent_id: str, body: AgentChange) -> Answer:
    changes = body.model_dump(exclude_none=True)
    agent = call.platform.agents.update(
        call.principal, agent_id, if_revision=call.if_match, **changes
    )
    return Answer(AgentView.model_validate(agent), headers={"ETag": f'"{agent.revision}"'})


@endpoint(
    agents,
    "DELETE",
    "/agents/{agent_id}",
    summary="Delete an agent and stop everything that runs of it",
    action=Action.AGENT_DELETE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def delete_agent(call: Call, agent_id: str) -> None:
    call.platform.agents.delete(call.principal, agent_id)
