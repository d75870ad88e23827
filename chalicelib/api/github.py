"""Endpoints of the code host's app: installing it, and what an installation may read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib.api.http import Call, Model, View, endpoint
from chalicelib.domain.repositories import Repository
from chalicelib.domain.tenancy import Action
from chalicelib.errors import NotFound

github = Blueprint(__name__)

Secret = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_MOST_AT_ONCE = 100


class InstallationView(View):
    installation_id: int
    account: str
    suspended: bool
    added_by: str
    added_at: datetime


class GithubView(View):
    """`app` tells whether the operator has an app there; without one, agents are connected to
    public repositories by webhooks of their own."""

    app: bool
    items: list[InstallationView]
    next_cursor: None = None


class DepartureView(View):
    """Send the browser to `address`; it comes back with `code`, `state` and `installation_id`."""

    address: str
    expires_at: datetime


class Return(Model):
    state: Secret
    code: Secret
    installation_id: int = Field(ge=1, lt=1 << 53)


class RepositoryItem(View):
    id: int
    full_name: str
    default_branch: str
    private: bool
    archived: bool
    size: int


class ChoiceQuery(Model):
    q: str = Field("", max_length=100)
    cursor: int = Field(0, ge=0, le=1_000_000)
    limit: int = Field(50, ge=1, le=_MOST_AT_ONCE)


class RepositoryChoice(View):
    items: list[RepositoryItem]
    next_cursor: str | None


class BranchQuery(ChoiceQuery):
    installation_id: int | None = Field(None, ge=1, lt=1 << 53)


class BranchItem(View):
    name: str
    sha: str


class BranchChoice(View):
    repository: RepositoryItem
    items: list[BranchItem]
    next_cursor: str | None


@endpoint(
    github,
    "GET",
    "/github",
    summary="Read whether there is an app at GitHub, and where your organisation has installed it",
    action=Action.INSTALLATION_READ,
    answer=GithubView,
)
def get_github(call: Call) -> GithubView:
    service = call.platform.installations
    found = service.listed(call.principal)
    return GithubView(
        app=service.app, items=[InstallationView.model_validate(one) for one in found]
    )


@endpoint(
    github,
    "POST",
    "/github/installations",
    summary="Begin to install the app: where the browser goes",
    action=Action.INSTALLATION_MANAGE,
    answer=DepartureView,
    status=201,
    errors=(409, 502, 503),
)
def start_installation(call: Call) -> DepartureView:
    address, until = call.platform.installations.start(call.principal)
    return DepartureView(address=address, expires_at=until)


@endpoint(
    github,
    "POST",
    "/github/installations/complete",
    summary="The browser is back: prove that you may use the installation",
    action=Action.INSTALLATION_MANAGE,
    body=Return,
    answer=InstallationView,
    errors=(409, 502, 503),
)
def complete_installation(call: Call, body: Return) -> InstallationView:
    made = call.platform.installations.complete(
        call.principal, state=body.state, code=body.code, installation_id=body.installation_id
    )
    return InstallationView.model_validate(made)


@endpoint(
    github,
    "DELETE",
    "/github/installations/{installation_id}",
    summary="Let go of an installation; agents connected through it stay connected",
    action=Action.INSTALLATION_MANAGE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def remove_installation(call: Call, installation_id: str) -> None:
    call.platform.installations.remove(call.principal, _number(installation_id))


@endpoint(
    github,
    "GET",
    "/github/installations/{installation_id}/repositories",
    summary="List the repositories an installation may read, by name",
    action=Action.INSTALLATION_READ,
    query=ChoiceQuery,
    answer=RepositoryChoice,
    errors=(404, 502, 503),
)
def list_repositories(call: Call, installation_id: str, query: ChoiceQuery) -> RepositoryChoice:
    found = call.platform.installations.repositories(call.principal, _number(installation_id))
    wanted = query.q.lower()
    fitting = [one for one in found if wanted in one.full_name.lower()]
    shown = fitting[query.cursor : query.cursor + query.limit]
    return RepositoryChoice(
        items=[_item(one) for one in shown], next_cursor=_next(query, len(fitting))
    )


@endpoint(
    github,
    "GET",
    "/github/repositories/{owner}/{name}/branches",
    summary="List a repository's branches: one of an installation, or a public one",
    action=Action.INSTALLATION_READ,
    query=BranchQuery,
    answer=BranchChoice,
    errors=(404, 502, 503),
)
def list_branches(call: Call, owner: str, name: str, query: BranchQuery) -> BranchChoice:
    about, found = call.platform.installations.branches(
        call.principal, f"{owner}/{name}", query.installation_id
    )
    wanted = query.q.lower()
    fitting = [one for one in found if wanted in one.name.lower()]
    shown = fitting[query.cursor : query.cursor + query.limit]
    return BranchChoice(
        repository=_item(about),
        items=[BranchItem.model_validate(one) for one in shown],
        next_cursor=_next(query, len(fitting)),
    )


def _item(one: Repository) -> RepositoryItem:
    return RepositoryItem.model_validate(one)


def _next(query: ChoiceQuery, count: int) -> str | None:
    after = query.cursor + query.limit
    return str(after) if after < count else None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise NotFound("Your organisation has no such installation.")
    return int(text)
