"""Endpoints of deployments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from chalice.app import Blueprint
from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import CommitView, LogLineView, LogPage, LogQuery, PageQuery, ReasonView
from chalicelib.api.versions import EnvironmentName
from chalicelib.domain.deployments import (
    Deployment,
    DeploymentState,
    Environment,
    Trigger,
    differences,
)
from chalicelib.domain.release import plan_release, settings_of, strategy_of
from chalicelib.domain.tenancy import Action
from chalicelib.domain.versions import Reason

deployments = Blueprint(__name__)

VersionId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class NewDeployment(Model):
    version_id: VersionId
    environment: EnvironmentName = "production"


class AskedView(View):
    """What was asked for: by whom, and what the host is told."""

    at: datetime
    by: str
    trigger: Trigger
    version_number: int
    version_label: str
    strategy: str
    image: str
    settings: dict[str, Any]


class InstanceView(View):
    """One running copy: the host's id of it and its word for how it is."""

    id: str
    status: str


class HealthView(View):
    """What the URL answered when we last called it."""

    ok: bool
    detail: str
    at: datetime
    since: datetime


class ConfirmedView(View):
    """What the host confirmed, and when. `proof` says what showed that this version answers:
    `host_image` (the host's record of the image), `host_deployment` (it built what we sent),
    `version_header`, `deployment_header`, `agent_card`."""

    at: datetime | None
    status: str | None
    image: str | None
    service_id: str
    deployment_id: str
    domain: str
    proof: dict[str, str]
    instances: list[InstanceView]
    health: HealthView | None


class TroubleView(View):
    """What a deployment on its way waits for at the host; `trace` is the host's id of it."""

    code: str
    detail: str
    since: datetime
    trace: str


class DeploymentView(View):
    """What was asked, what the host confirmed and when, and where they differ. `url` and
    `host_status` are those of a deployment that serves or is on its way. `restarts` counts those
    that somebody asked for, not the host's own; an agent that keeps crashing becomes `crashed`."""

    id: str
    agent_id: str
    version_id: str
    version_number: int
    environment: str
    state: DeploymentState
    url: str | None
    confirmed_at: datetime | None
    reasons: list[ReasonView]
    trigger: Trigger
    commit: CommitView | None
    rollback_of: str | None
    image: str
    confirmed_image: str | None
    host_status: str | None
    restarts: int
    warnings: list[ReasonView]
    waiting_for: TroubleView | None
    asked: AskedView
    confirmed: ConfirmedView
    differences: list[str]
    timings: Mapping[str, str]
    created_by: str
    created_at: datetime
    updated_at: datetime
    revision: int


class DeploymentPage(View):
    items: list[DeploymentView]
    next_cursor: str | None


class DeployedAgentView(View):
    id: str
    name: str
    slug: str


class RecentDeploymentView(DeploymentView):
    """`agent` is null once the agent is gone."""

    agent: DeployedAgentView | None


class RecentDeploymentPage(View):
    items: list[RecentDeploymentView]
    next_cursor: str | None


class EventView(View):
    sequence: int
    at: datetime
    event: str
    state: str
    detail: str
    actor: str
    facts: dict[str, str]


class EventPage(View):
    items: list[EventView]
    next_cursor: str | None


class MetricsQuery(Model):
    """A window of at most 30 days; the last hour when it is not given."""

    start: AwareDatetime | None = None
    end: AwareDatetime | None = None

    @model_validator(mode="after")
    def ordered(self) -> MetricsQuery:
        start, end = self.window()
        if start >= end:
            raise ValueError("`start` must be before `end`.")
        if end - start > timedelta(days=30):
            raise ValueError("At most 30 days at once.")
        return self

    def window(self) -> tuple[datetime, datetime]:
        end = self.end or datetime.now(UTC)
        return self.start or end - timedelta(hours=1), end


class RuntimeLogQuery(LogQuery):
    """Without a cursor: from `start` on, or else the newest lines."""

    start: AwareDatetime | None = None


class CompareQuery(Model):
    compare: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """An earlier deployment of the same agent to set beside this one."""


class DeployedVariableView(View):
    """`change` says how it differs from the compared deployment. Secrets come without values."""

    name: str
    value: str | None
    secret: bool
    change: Literal["added", "removed", "changed", "same"] | None
    before: str | None


class DeployedVariablesView(View):
    items: list[DeployedVariableView]
    next_cursor: None = None


class SampleView(View):
    at: int
    value: float


class MetricsView(View):
    """Series by name: `cpu` (cores), `memory_gb`, `received_gb`, `sent_gb`, `requests_<status>`."""

    series: dict[str, list[SampleView]] = Field(default_factory=dict)


@endpoint(
    deployments,
    "GET",
    "/agents/{agent_id}/deployments",
    summary="List an agent's deployments, newest first",
    action=Action.DEPLOYMENT_READ,
    query=PageQuery,
    answer=DeploymentPage,
    errors=(404,),
)
def list_deployments(call: Call, agent_id: str, query: PageQuery) -> DeploymentPage:
    page = call.platform.deployments.page(
        call.principal, agent_id, limit=query.limit, after=query.cursor
    )
    return DeploymentPage(items=[_view(d) for d in page.items], next_cursor=page.next)


@endpoint(
    deployments,
    "GET",
    "/deployments",
    summary="List the deployments of all agents, newest first",
    action=Action.DEPLOYMENT_READ,
    query=PageQuery,
    answer=RecentDeploymentPage,
)
def list_recent_deployments(call: Call, query: PageQuery) -> RecentDeploymentPage:
    page, agents = call.platform.deployments.recent(
        call.principal, limit=query.limit, after=query.cursor
    )
    return RecentDeploymentPage(
        items=[
            RecentDeploymentView(**vars(_view(deployment)), agent=agents.get(deployment.agent_id))
            for deployment in page.items
        ],
        next_cursor=page.next,
    )


@endpoint(
    deployments,
    "POST",
    "/agents/{agent_id}/deployments",
    summary="Deploy a ready version, now or behind the deployment that moves",
    action=Action.DEPLOYMENT_CREATE,
    body=NewDeployment,
    answer=DeploymentView,
    status=202,
    errors=(404, 409),
    idempotent=True,
)
def create_deployment(call: Call, agent_id: str, body: NewDeployment) -> Answer:
    made = call.platform.deployments.request(
        call.principal, agent_id, version_id=body.version_id, environment=body.environment
    )
    return _accepted(made)


class PlanQuery(Model):
    version_id: VersionId
    environment: EnvironmentName = "production"


class ChangeView(View):
    """One difference; null stands for what is not there. A variable is only ever `set`."""

    name: str
    before: Any
    after: Any


class PlanView(View):
    """What a deployment would do. `changes` compare with the deployment that serves (`serving`),
    `host_changes` with what the host has stored, which somebody may have changed there by hand;
    they say something only where `host_read` is true, and `host` says the rest."""

    version_id: str
    version_number: int
    environment: str
    strategy: str
    image: str
    blocked: str
    steps: list[str]
    settings: dict[str, Any]
    variables: list[str]
    serving: str | None
    serving_version_number: int | None
    changes: list[ChangeView]
    variable_changes: list[ChangeView]
    host: str
    host_read: bool
    host_changes: list[ChangeView]
    host_variable_changes: list[ChangeView]


@endpoint(
    deployments,
    "GET",
    "/agents/{agent_id}/deployments/plan",
    summary="See what deploying a version would do and change, without doing it",
    action=Action.DEPLOYMENT_READ,
    query=PlanQuery,
    answer=PlanView,
    errors=(404, 409),
)
def plan_deployment(call: Call, agent_id: str, query: PlanQuery) -> PlanView:
    preview = call.platform.previews.of(
        call.principal, agent_id, version_id=query.version_id, environment=query.environment
    )
    serving = preview.serving
    return PlanView.model_validate(
        {
            **vars(preview),
            "serving": serving.id if serving else None,
            "serving_version_number": serving.version_number if serving else None,
        }
    )


class PauseView(View):
    """Why builds do not deploy by themselves here, and since when."""

    deployment_id: str
    detail: str
    at: datetime


class EnvironmentView(View):
    """Where an agent runs: the deployment that serves, the one that moves, the one that waits.
    With `paused`, builds with `deploy` become ready and stay undeployed until somebody resumes
    the environment or deploys by hand."""

    name: str
    serving: str | None
    moving: str | None
    queued: str | None
    domain: str
    paused: PauseView | None
    updated_at: datetime
    revision: int


class EnvironmentList(View):
    items: list[EnvironmentView]


@endpoint(
    deployments,
    "GET",
    "/agents/{agent_id}/environments",
    summary="List where an agent runs, and whether builds deploy there by themselves",
    action=Action.DEPLOYMENT_READ,
    answer=EnvironmentList,
    errors=(404,),
)
def list_environments(call: Call, agent_id: str) -> EnvironmentList:
    found = call.platform.deployments.environments(call.principal, agent_id)
    return EnvironmentList(items=[_environment(one) for one in found])


@endpoint(
    deployments,
    "POST",
    "/agents/{agent_id}/environments/{environment}/resume",
    summary="Let builds deploy by themselves again after a rollback paused them",
    action=Action.DEPLOYMENT_CREATE,
    answer=EnvironmentView,
    errors=(404, 409),
)
def resume_environment(call: Call, agent_id: str, environment: str) -> EnvironmentView:
    return _environment(call.platform.deployments.resume(call.principal, agent_id, environment))


def _environment(environment: Environment) -> EnvironmentView:
    return EnvironmentView.model_validate(environment)


@endpoint(
    deployments,
    "GET",
    "/deployments/{deployment_id}",
    summary="Read a deployment; cheap to poll with If-None-Match while it moves",
    action=Action.DEPLOYMENT_READ,
    answer=DeploymentView,
    errors=(404,),
)
def get_deployment(call: Call, deployment_id: str) -> Answer:
    found = call.platform.deployments.get(call.principal, deployment_id)
    headers = {"Retry-After": "1"} if found.state.is_moving else {}
    return Answer(_view(found), revision=found.revision, headers=headers)


@endpoint(
    deployments,
    "GET",
    "/deployments/{deployment_id}/events",
    summary="Read what happened to a deployment, oldest first",
    action=Action.DEPLOYMENT_READ,
    query=PageQuery,
    answer=EventPage,
    errors=(404,),
)
def list_events(call: Call, deployment_id: str, query: PageQuery) -> EventPage:
    page = call.platform.deployments.history(
        call.principal, deployment_id, limit=query.limit, after=query.cursor
    )
    return EventPage(items=[EventView.model_validate(e) for e in page.items], next_cursor=page.next)


@endpoint(
    deployments,
    "GET",
    "/deployments/{deployment_id}/logs",
    summary="Read the agent's own output from a cursor on",
    action=Action.DEPLOYMENT_READ,
    query=RuntimeLogQuery,
    answer=LogPage,
    errors=(404, 502, 503),
)
def get_deployment_logs(call: Call, deployment_id: str, query: RuntimeLogQuery) -> Answer:
    lines, cursor = call.platform.deployments.logs(
        call.principal,
        deployment_id,
        cursor=query.cursor,
        limit=query.limit,
        start=query.start,
    )
    page = LogPage(
        items=[LogLineView.model_validate(line) for line in lines], next_cursor=cursor, more=True
    )
    return Answer(page, headers={"Retry-After": "1"})


@endpoint(
    deployments,
    "GET",
    "/deployments/{deployment_id}/variables",
    summary="Read the variables it was deployed with, beside another deployment's if named",
    action=Action.VARIABLES_READ,
    query=CompareQuery,
    answer=DeployedVariablesView,
    errors=(404,),
)
def get_deployed_variables(
    call: Call, deployment_id: str, query: CompareQuery
) -> DeployedVariablesView:
    found = call.platform.deployments.variables(
        call.principal, deployment_id, compare=query.compare
    )
    return DeployedVariablesView(items=[DeployedVariableView.model_validate(v) for v in found])


@endpoint(
    deployments,
    "GET",
    "/deployments/{deployment_id}/metrics",
    summary="Read CPU, memory, traffic and requests over time, as the host measured them",
    action=Action.DEPLOYMENT_READ,
    query=MetricsQuery,
    answer=MetricsView,
    errors=(404, 502, 503),
)
def get_metrics(call: Call, deployment_id: str, query: MetricsQuery) -> dict[str, Any]:
    start, end = query.window()
    series = call.platform.deployments.metrics(call.principal, deployment_id, start=start, end=end)
    return {
        "series": {
            name: [{"at": s.at, "value": s.value} for s in samples]
            for name, samples in series.items()
        }
    }


@endpoint(
    deployments,
    "POST",
    "/deployments/{deployment_id}/rollback",
    summary="Go back: from what serves to what was live before, or to the named earlier one",
    action=Action.DEPLOYMENT_CREATE,
    answer=DeploymentView,
    status=202,
    errors=(404, 409),
    idempotent=True,
)
def roll_back(call: Call, deployment_id: str) -> Answer:
    return _accepted(call.platform.deployments.roll_back(call.principal, deployment_id))


@endpoint(
    deployments,
    "POST",
    "/deployments/{deployment_id}/restart",
    summary="Start the running version anew",
    action=Action.DEPLOYMENT_OPERATE,
    answer=DeploymentView,
    status=202,
    errors=(404, 409, 502, 503),
)
def restart(call: Call, deployment_id: str) -> Answer:
    return _accepted(call.platform.deployments.restart(call.principal, deployment_id))


@endpoint(
    deployments,
    "POST",
    "/deployments/{deployment_id}/stop",
    summary="Take the deployment that serves out of service",
    action=Action.DEPLOYMENT_OPERATE,
    answer=DeploymentView,
    errors=(404, 409, 502, 503),
)
def stop(call: Call, deployment_id: str) -> DeploymentView:
    return _view(call.platform.deployments.stop(call.principal, deployment_id))


@endpoint(
    deployments,
    "POST",
    "/deployments/{deployment_id}/cancel",
    summary="Cancel a deployment on its way; what served before goes on serving",
    action=Action.DEPLOYMENT_OPERATE,
    answer=DeploymentView,
    errors=(404, 409),
)
def cancel(call: Call, deployment_id: str) -> DeploymentView:
    return _view(call.platform.deployments.cancel(call.principal, deployment_id))


def _view(deployment: Deployment) -> DeploymentView:
    known = {
        name: getattr(deployment, name)
        for name in DeploymentView.model_fields
        if hasattr(deployment, name)
    }
    host, trouble = deployment.host, deployment.trouble
    return DeploymentView(
        **{k: v for k, v in known.items() if k not in ("reasons", "warnings", "commit")},
        commit=CommitView.model_validate(deployment.commit) if deployment.commit else None,
        reasons=_reasons(deployment.reasons),
        warnings=_reasons(deployment.warnings),
        waiting_for=TroubleView.model_validate(trouble) if trouble else None,
        asked=AskedView(
            at=deployment.created_at,
            by=deployment.created_by,
            trigger=deployment.trigger,
            version_number=deployment.version_number,
            version_label=deployment.version_label,
            strategy=strategy_of(deployment.image).value,
            image=deployment.image,
            settings=settings_of(plan_release(deployment, {})),
        ),
        confirmed=ConfirmedView(
            at=deployment.confirmed_at,
            status=deployment.host_status,
            image=deployment.confirmed_image,
            service_id=host.service_id,
            deployment_id=host.deployment_id,
            domain=host.domain,
            proof=dict(deployment.proof),
            instances=[InstanceView(id=i, status=s) for i, s in deployment.instances],
            health=HealthView.model_validate(deployment.health) if deployment.health else None,
        ),
        differences=differences(deployment, datetime.now(UTC)),
    )


def _reasons(reasons: tuple[Reason, ...]) -> list[ReasonView]:
    return [ReasonView.model_validate(reason) for reason in reasons]


def _accepted(deployment: Deployment) -> Answer:
    location = f"/api/v1/deployments/{deployment.id}"
    return Answer(_view(deployment), headers={"Location": location, "Retry-After": "1"})
