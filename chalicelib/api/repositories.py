"""Endpoints of an agent's repository: connecting it, what was delivered, pull requests."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.api.words import written
from chalicelib.domain.connections import Connection, ConnectionState, How, PreviewsOf
from chalicelib.domain.deliveries import DeliveryState
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.pull_requests import PreviewState, PullRequest
from chalicelib.domain.tenancy import Action
from chalicelib.errors import NotFound
from chalicelib.services.connections import Connected, Wish

repositories = Blueprint(__name__)

Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
InstallationId = Annotated[int, Field(ge=1, lt=1 << 53)]
Sha = Annotated[
    str,
    written(
        r"^[0-9a-f]{40}([0-9a-f]{24})?$",
        "Give the whole name of a commit: 40 or 64 of the signs 0 to 9 and a to f.",
    ),
]


class RepositoryWish(Model):
    """Without an installation it is a public repository, connected by a webhook of its own."""

    repository: Text
    installation_id: InstallationId | None = None
    branch: Text | None = None
    """The repository's default branch, if it is left out."""
    root: Annotated[str, StringConstraints(max_length=255)] = ""
    """The agent's folder in the repository."""
    watch: list[Text] = Field(default_factory=list, max_length=50)
    """Patterns as in a .gitignore; without any, everything below `root` matters."""
    auto_deploy: bool = True
    wait_for_checks: bool = False
    previews: PreviewsOf = PreviewsOf.OFF


class RepositoryView(View):
    agent_id: str
    repository: str
    repository_id: int
    private: bool
    branch: str
    root: str
    watch: list[str]
    auto_deploy: bool
    wait_for_checks: bool
    previews: PreviewsOf
    how: How
    installation_id: int | None
    webhook_url: str | None
    """Where the repository's own webhook sends to; None when it is connected by the app."""
    secret: str | None = None
    """The webhook's secret, shown when it is made and never again."""
    state: ConnectionState
    reason: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    revision: int


class DeliveryView(View):
    """What arrived, and what came of it: `code` is stable, `detail` says it in words."""

    id: str
    guid: str
    event: str
    action: str
    size: int
    state: DeliveryState
    code: str
    detail: str
    ref: str
    sha: str
    pull_request: int | None
    environment: str
    version_id: str | None
    attempts: int
    next_at: datetime | None
    received_at: datetime
    updated_at: datetime
    revision: int


class DeliveryPage(View):
    items: list[DeliveryView]
    next_cursor: str | None


class PreviewView(View):
    """A pull request and its preview. `approved_sha` is what a member has let run of a fork."""

    number: int
    title: str
    author: str
    fork: bool
    head_repository: str
    head_branch: str
    head_sha: str
    state: PreviewState
    environment: str
    url: str | None
    deployment_id: str | None
    deployment_state: str | None
    approved_sha: str
    approved_by: str
    active_at: datetime
    created_at: datetime
    updated_at: datetime
    revision: int


class PreviewPage(View):
    items: list[PreviewView]
    next_cursor: str | None


class Approval(Model):
    """Names the commit that was looked at: a later one needs another approval."""

    sha: Sha


@endpoint(
    repositories,
    "GET",
    "/agents/{agent_id}/repository",
    summary="Read which repository the agent is connected to, and how",
    action=Action.REPOSITORY_READ,
    answer=RepositoryView,
    errors=(404,),
)
def get_repository(call: Call, agent_id: str) -> Answer:
    found = call.platform.connections.get(call.principal, agent_id)
    return Answer(_view(call, Connected(found)), revision=found.revision)


@endpoint(
    repositories,
    "PUT",
    "/agents/{agent_id}/repository",
    summary="Connect the agent to a repository, or change how it is connected",
    action=Action.REPOSITORY_CONNECT,
    body=RepositoryWish,
    answer=RepositoryView,
    errors=(404, 409, 412, 502, 503),
)
def put_repository(call: Call, agent_id: str, body: RepositoryWish) -> Answer:
    made = call.platform.connections.put(
        call.principal, agent_id, Wish(**body.model_dump()), if_revision=call.if_match
    )
    return Answer(_view(call, made), revision=made.connection.revision)


@endpoint(
    repositories,
    "DELETE",
    "/agents/{agent_id}/repository",
    summary="Disconnect the agent; what runs goes on running, previews are taken away",
    action=Action.REPOSITORY_CONNECT,
    answer=None,
    status=204,
    errors=(404, 409),
)
def delete_repository(call: Call, agent_id: str) -> None:
    call.platform.connections.remove(call.principal, agent_id)


@endpoint(
    repositories,
    "POST",
    "/agents/{agent_id}/repository/secret",
    summary="Make a new secret for the agent's own webhook; the former one counts no more",
    action=Action.REPOSITORY_CONNECT,
    answer=RepositoryView,
    errors=(404, 409),
)
def renew_webhook_secret(call: Call, agent_id: str) -> Answer:
    made = call.platform.connections.renew_secret(call.principal, agent_id)
    return Answer(_view(call, made), revision=made.connection.revision)


@endpoint(
    repositories,
    "GET",
    "/agents/{agent_id}/deliveries",
    summary="List what the code host has told of the agent's repository, and what came of it",
    action=Action.REPOSITORY_READ,
    query=PageQuery,
    answer=DeliveryPage,
    errors=(404,),
)
def list_deliveries(call: Call, agent_id: str, query: PageQuery) -> DeliveryPage:
    page = call.platform.deliveries.page(
        call.principal, agent_id, limit=query.limit, after=query.cursor
    )
    return DeliveryPage(items=[_delivery(one) for one in page.items], next_cursor=page.next)


@endpoint(
    repositories,
    "POST",
    "/agents/{agent_id}/deliveries/{delivery_id}/redeliver",
    summary="Have a delivery looked at once more",
    action=Action.REPOSITORY_CONNECT,
    answer=DeliveryView,
    status=202,
    errors=(404, 409),
)
def redeliver(call: Call, agent_id: str, delivery_id: str) -> Answer:
    return Answer(_delivery(call.platform.deliveries.again(call.principal, agent_id, delivery_id)))


@endpoint(
    repositories,
    "GET",
    "/agents/{agent_id}/previews",
    summary="List the agent's pull requests and their previews, newest first",
    action=Action.REPOSITORY_READ,
    query=PageQuery,
    answer=PreviewPage,
    errors=(404,),
)
def list_previews(call: Call, agent_id: str, query: PageQuery) -> PreviewPage:
    page, serving = call.platform.pull_requests.page(
        call.principal, agent_id, limit=query.limit, after=query.cursor
    )
    items = [_preview(one, serving.get(one.number)) for one in page.items]
    return PreviewPage(items=items, next_cursor=page.next)


@endpoint(
    repositories,
    "POST",
    "/agents/{agent_id}/previews/{number}/approve",
    summary="Let one commit of a fork's pull request be built and run, without secrets",
    action=Action.PREVIEW_APPROVE,
    body=Approval,
    answer=PreviewView,
    status=202,
    errors=(404, 409),
)
def approve_preview(call: Call, agent_id: str, number: str, body: Approval) -> Answer:
    if not number.isdecimal() or not number.isascii() or not 0 < len(number) <= 9:
        raise NotFound("This agent knows of no pull request with this number.")
    approved = call.platform.pull_requests.approve(
        call.principal, agent_id, int(number), sha=body.sha
    )
    return Answer(_preview(approved, None))


def _view(call: Call, made: Connected) -> RepositoryView:
    one = made.connection
    names = [n for n in RepositoryView.model_fields if n not in ("webhook_url", "secret")]
    return RepositoryView(
        **{name: getattr(one, name) for name in names},
        webhook_url=_address(call, one),
        secret=made.secret,
    )


def _address(call: Call, one: Connection) -> str | None:
    if one.how is not How.WEBHOOK:
        return None
    return f"{call.platform.settings.web_url}/api/v1/webhooks/github/{one.hook_id}"


def _delivery(one: object) -> DeliveryView:
    facts = getattr(one, "facts", None)
    own = [n for n in DeliveryView.model_fields if n not in ("action", "ref", "pull_request")]
    return DeliveryView(
        **{name: getattr(one, name) for name in own},
        action=facts.action if facts else "",
        ref=facts.ref if facts else "",
        pull_request=(facts.number or None) if facts else None,
    )


def _preview(one: PullRequest, serving: Deployment | None) -> PreviewView:
    own = [n for n in PreviewView.model_fields if n not in ("url", "deployment_id")]
    return PreviewView(
        **{name: getattr(one, name) for name in own if name != "deployment_state"},
        url=serving.url if serving else None,
        deployment_id=serving.id if serving else None,
        deployment_state=serving.state.value if serving else None,
    )
