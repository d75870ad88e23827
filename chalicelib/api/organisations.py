"""Endpoints of organisations: mine, one, a new one, and the end of one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from pydantic import StringConstraints

from chalicelib.api.agents import Name
from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.domain.tenancy import Action, Role
from chalicelib.services.organisations import Belonging

organisations = Blueprint(__name__)


class NewOrganisation(Model):
    name: Name


class OrganisationChange(Model):
    name: Name


class OrganisationDeletion(Model):
    """`confirm` is the organisation's name, typed."""

    confirm: Annotated[str, StringConstraints(max_length=200)]


class OrganisationDetail(View):
    """An organisation and the caller's place in it. With `closes_at` it is being deleted: all in it
    has stopped, and at that time it is removed for good."""

    id: str
    name: str
    personal: bool
    tier: str
    role: Role
    restricted: bool
    created_at: datetime
    closes_at: datetime | None
    revision: int


class OrganisationPage(View):
    items: list[OrganisationDetail]
    next_cursor: str | None


@endpoint(
    organisations,
    "GET",
    "/organisations",
    summary="List the organisations I am in, newest first; an API token's own one only",
    action=Action.ORGANISATION_READ,
    query=PageQuery,
    answer=OrganisationPage,
)
def list_organisations(call: Call, query: PageQuery) -> OrganisationPage:
    page = call.platform.organisations.mine(call.principal, limit=query.limit, after=query.cursor)
    return OrganisationPage(items=[detail(b) for b in page.items], next_cursor=page.next)


@endpoint(
    organisations,
    "POST",
    "/organisations",
    summary="Create an organisation; I am its owner",
    action=Action.ORGANISATION_CREATE,
    body=NewOrganisation,
    answer=OrganisationDetail,
    status=201,
    errors=(409,),
    idempotent=True,
)
def create_organisation(call: Call, body: NewOrganisation) -> Answer:
    return answered(call.platform.organisations.create(call.principal, name=body.name))


@endpoint(
    organisations,
    "GET",
    "/organisations/{org_id}",
    summary="Read an organisation and my place in it",
    action=Action.ORGANISATION_READ,
    answer=OrganisationDetail,
    errors=(404,),
)
def get_organisation(call: Call, org_id: str) -> Answer:  # noqa: ARG001 - the principal's
    return answered(call.platform.organisations.get(call.principal))


@endpoint(
    organisations,
    "PATCH",
    "/organisations/{org_id}",
    summary="Rename an organisation; If-Match guards against overwriting somebody else's change",
    action=Action.ORGANISATION_UPDATE,
    body=OrganisationChange,
    answer=OrganisationDetail,
    errors=(404, 409, 412),
)
def update_organisation(call: Call, org_id: str, body: OrganisationChange) -> Answer:  # noqa: ARG001
    return answered(
        call.platform.organisations.rename(
            call.principal, name=body.name, if_revision=call.if_match
        )
    )


@endpoint(
    organisations,
    "DELETE",
    "/organisations/{org_id}",
    summary="Stop everything of an organisation now, and remove it for good in seven days",
    action=Action.ORGANISATION_DELETE,
    body=OrganisationDeletion,
    answer=OrganisationDetail,
    status=202,
    errors=(404, 409),
)
def delete_organisation(call: Call, org_id: str, body: OrganisationDeletion) -> Answer:  # noqa: ARG001
    return answered(call.platform.closing.close(call.principal, confirm=body.confirm))


@endpoint(
    organisations,
    "POST",
    "/organisations/{org_id}/restore",
    summary="Take back an organisation that is being deleted; its agents stay stopped",
    action=Action.ORGANISATION_DELETE,
    answer=OrganisationDetail,
    errors=(404, 409),
)
def restore_organisation(call: Call, org_id: str) -> Answer:  # noqa: ARG001
    return answered(call.platform.closing.restore(call.principal))


def detail(belonging: Belonging) -> OrganisationDetail:
    """The organisation as somebody in it sees it."""
    organisation, membership = belonging.organisation, belonging.membership
    return OrganisationDetail(
        id=organisation.id,
        name=organisation.name,
        personal=organisation.personal,
        tier=organisation.tier,
        role=membership.role,
        restricted=membership.restricted,
        created_at=organisation.created_at,
        closes_at=organisation.closes_at,
        revision=organisation.revision,
    )


def answered(belonging: Belonging) -> Answer:
    # For If-Match only: the caller's role may change without a new revision of the organisation.
    etag = {"ETag": f'"{belonging.organisation.revision}"'}
    return Answer(detail(belonging), headers=etag)
