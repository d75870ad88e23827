"""Endpoints of copies: making one of a published agent, seeing what is newer, taking it over."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from chalice.app import Blueprint
from pydantic import ConfigDict, Field, StringConstraints

from chalicelib.api.agents import AgentView, Name, OriginView
from chalicelib.api.http import Call, Model, View, endpoint
from chalicelib.api.words import written
from chalicelib.domain.tenancy import Action
from chalicelib.services.copies import Copy

copies = Blueprint(__name__)

VariableName = Annotated[
    str,
    written(
        r"^[A-Za-z_][A-Za-z0-9_]{0,127}$",
        "Name a variable such as API_KEY: up to 128 letters, digits and _, no digit first.",
    ),
]
VariableValues = Annotated[
    dict[VariableName, Annotated[str, StringConstraints(max_length=65536)]], Field(max_length=200)
]


class NewCopy(Model):
    """`variables` are values for the offer's `inputs`; those that are required must be there."""

    model_config = ConfigDict(str_strip_whitespace=False)

    version_id: Annotated[str, StringConstraints(max_length=40)] | None = None
    name: Name | None = None
    variables: VariableValues = Field(default_factory=dict)
    deploy: bool = True
    fork: bool = False
    """Take the source and build it, where the author allows it, instead of the built version."""


class Acceptance(Model):
    """`variables` are values for what the newer version reads beside what is set already."""

    model_config = ConfigDict(str_strip_whitespace=False)

    variables: VariableValues = Field(default_factory=dict)
    deploy: bool = True


class CopyView(View):
    """`deployment_id` is null when none was asked for or none could begin yet."""

    agent: AgentView
    origin: OriginView
    version_id: str
    deployment_id: str | None


class UpdateChangeView(View):
    """One value that differs; null stands for absent."""

    path: str
    before: Any
    after: Any


class VariableChangeView(View):
    """`kind`: added, removed or changed."""

    name: str
    kind: str
    required: bool
    description: str


class DifferenceView(View):
    manifest: list[UpdateChangeView]
    tools: list[UpdateChangeView]
    variables: list[VariableChangeView]


class ReleaseView(View):
    version_id: str
    number: int
    label: str
    published_at: datetime


class UpdateView(View):
    """`listed`: whether the author still offers the agent, to everybody or to you; `offer_id` is
    there when it is not public. `missing`: what needs a value first."""

    origin: OriginView
    listed: bool
    offer_id: str | None
    name: str | None
    available: bool
    latest: ReleaseView | None
    difference: DifferenceView
    missing: list[str]


@endpoint(
    copies,
    "POST",
    "/marketplace/agents/{slug}/copies",
    summary="Make and deploy a copy of a public agent in your organisation",
    action=Action.AGENT_CREATE,
    body=NewCopy,
    answer=CopyView,
    status=201,
    errors=(404, 409),
    idempotent=True,
)
def create_copy(call: Call, slug: str, body: NewCopy) -> CopyView:
    return copy_view(call.platform.copies.create(call.principal, slug, **dict(body)))


@endpoint(
    copies,
    "POST",
    "/marketplace/agents/{slug}/views",
    summary="Say that somebody looks at a public agent; counted once a visitor and day",
    answer=None,
    status=204,
    errors=(404,),
    public=True,
)
def count_view(call: Call, slug: str) -> None:
    browser = call.header("user-agent") or ""
    call.platform.copies.view(slug, call.address, browser[:300])


@endpoint(
    copies,
    "GET",
    "/agents/{agent_id}/updates",
    summary="See what the author of a copied agent has published since",
    action=Action.AGENT_READ,
    answer=UpdateView,
    errors=(404, 409),
)
def get_updates(call: Call, agent_id: str) -> UpdateView:
    update = call.platform.copies.updates(call.principal, agent_id)
    listing = update.found.listing if update.found else None
    return UpdateView(
        origin=OriginView.model_validate(update.origin),
        listed=listing is not None,
        offer_id=listing.agent_id if listing and not listing.is_public else None,
        name=listing.name if listing else None,
        available=update.available,
        latest=ReleaseView.model_validate(update.latest) if update.latest else None,
        difference=DifferenceView.model_validate(update.difference),
        missing=list(update.missing),
    )


@endpoint(
    copies,
    "POST",
    "/agents/{agent_id}/updates/accept",
    summary="Take over the author's newest version of a copied agent",
    action=Action.VERSION_CREATE,
    body=Acceptance,
    answer=CopyView,
    status=201,
    errors=(404, 409),
    idempotent=True,
)
def accept_update(call: Call, agent_id: str, body: Acceptance) -> CopyView:
    return copy_view(call.platform.copies.accept(call.principal, agent_id, **dict(body)))


def copy_view(copy: Copy) -> CopyView:
    return CopyView(
        agent=AgentView.model_validate(copy.agent),
        origin=OriginView.model_validate(copy.agent.origin),
        version_id=copy.version.id,
        deployment_id=copy.deployment_id,
    )
