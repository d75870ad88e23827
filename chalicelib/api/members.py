"""Endpoints of an organisation's members."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.domain.members import MAX_GRANTS
from chalicelib.domain.tenancy import Action, Role
from chalicelib.services.members import Member

members = Blueprint(__name__)

AgentId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Grants = Annotated[dict[AgentId, Role], Field(max_length=MAX_GRANTS)]


class MemberChange(Model):
    """`grants` are roles on single agents, by agent id, and replace the present ones. They widen
    the role; with `restricted`, the member sees the granted agents and no others."""

    role: Role | None = None
    restricted: bool | None = None
    grants: Grants | None = None


class Heir(Model):
    user_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class MemberView(View):
    """`grants` shows only agents that the caller sees."""

    user_id: str
    name: str
    email: str
    role: Role
    restricted: bool
    grants: dict[str, Role]
    joined_at: datetime
    revision: int


class MemberPage(View):
    items: list[MemberView]
    next_cursor: str | None


@endpoint(
    members,
    "GET",
    "/organisations/{org_id}/members",
    summary="List the members and their rights",
    action=Action.MEMBER_READ,
    query=PageQuery,
    answer=MemberPage,
    errors=(404,),
)
def list_members(call: Call, org_id: str, query: PageQuery) -> MemberPage:  # noqa: ARG001
    page = call.platform.members.page(call.principal, limit=query.limit, after=query.cursor)
    return MemberPage(items=[_view(m) for m in page.items], next_cursor=page.next)


@endpoint(
    members,
    "PATCH",
    "/organisations/{org_id}/members/{user_id}",
    summary="Give a member another role, grants on single agents, or restrict them to those",
    action=Action.MEMBER_UPDATE,
    body=MemberChange,
    answer=MemberView,
    errors=(404, 409, 412),
)
def update_member(call: Call, org_id: str, user_id: str, body: MemberChange) -> Answer:  # noqa: ARG001
    member = call.platform.members.update(
        call.principal,
        user_id,
        if_revision=call.if_match,
        role=body.role,
        restricted=body.restricted,
        grants=body.grants,
    )
    return _answered(member)


@endpoint(
    members,
    "DELETE",
    "/organisations/{org_id}/members/{user_id}",
    summary="Remove a member, or leave; what they made stays with the organisation",
    action=Action.MEMBER_REMOVE,
    own_action=Action.MEMBER_LEAVE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def remove_member(call: Call, org_id: str, user_id: str) -> None:  # noqa: ARG001
    call.platform.members.remove(call.principal, user_id)


@endpoint(
    members,
    "POST",
    "/organisations/{org_id}/transfer",
    summary="Make another member an owner, and myself an admin",
    action=Action.ORGANISATION_TRANSFER,
    body=Heir,
    answer=MemberView,
    errors=(404, 409),
)
def transfer_organisation(call: Call, org_id: str, body: Heir) -> Answer:  # noqa: ARG001
    return _answered(call.platform.members.transfer(call.principal, body.user_id))


def _view(member: Member) -> MemberView:
    membership, user = member.membership, member.user
    return MemberView(
        user_id=membership.user_id,
        name=user.name if user else "A deleted account",
        email=user.email if user else "",
        role=membership.role,
        restricted=membership.restricted,
        grants=dict(membership.grants),
        joined_at=membership.created_at,
        revision=membership.revision,
    )


def _answered(member: Member) -> Answer:
    return Answer(_view(member), headers={"ETag": f'"{member.membership.revision}"'})
