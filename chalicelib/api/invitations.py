"""Endpoints of invitations: sending, listing, ending, looking at and accepting them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib.api.http import Call, Model, View, endpoint
from chalicelib.api.members import Grants
from chalicelib.api.organisations import OrganisationDetail, detail
from chalicelib.domain.invitations import Invitation, InvitationState
from chalicelib.domain.limits import RateClass
from chalicelib.domain.tenancy import Action, Role

invitations = Blueprint(__name__)


class NewInvitation(Model):
    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]
    role: Role = Role.DEVELOPER
    restricted: bool = False
    grants: Grants = Field(default_factory=dict)


class InvitationToken(Model):
    """The secret behind the `#token=` of the mailed link."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class InvitationView(View):
    id: str
    email: str
    role: Role
    restricted: bool
    grants: dict[str, Role]
    state: InvitationState
    invited_by: str
    created_at: datetime
    sent_at: datetime
    expires_at: datetime


class InvitationList(View):
    items: list[InvitationView]
    next_cursor: None = None


class InvitedTo(View):
    id: str
    name: str


class InvitationPreview(View):
    """`email` is the address it was sent to; who accepts it must have signed in with it."""

    organisation: InvitedTo
    email: str
    role: Role
    restricted: bool
    invited_by: str
    state: InvitationState
    expires_at: datetime


@endpoint(
    invitations,
    "GET",
    "/organisations/{org_id}/invitations",
    summary="List the invitations that wait or have expired unused",
    action=Action.MEMBER_INVITE,
    answer=InvitationList,
    errors=(404,),
)
def list_invitations(call: Call, org_id: str) -> InvitationList:  # noqa: ARG001
    found = call.platform.invitations.listed(call.principal)
    return InvitationList(items=[_view(call, i) for i in found])


@endpoint(
    invitations,
    "POST",
    "/organisations/{org_id}/invitations",
    summary="Invite somebody by email; the link is good for seven days, once, for that address",
    action=Action.MEMBER_INVITE,
    body=NewInvitation,
    answer=InvitationView,
    status=201,
    errors=(404, 409),
    idempotent=True,
)
def create_invitation(call: Call, org_id: str, body: NewInvitation) -> InvitationView:  # noqa: ARG001
    made = call.platform.invitations.invite(
        call.principal,
        email=body.email,
        role=body.role,
        restricted=body.restricted,
        grants=body.grants,
    )
    return _view(call, made)


@endpoint(
    invitations,
    "POST",
    "/organisations/{org_id}/invitations/{invitation_id}/resend",
    summary="Mail an invitation again, with a new link and seven new days",
    action=Action.MEMBER_INVITE,
    answer=InvitationView,
    errors=(404, 409, 429),
)
def resend_invitation(call: Call, org_id: str, invitation_id: str) -> InvitationView:  # noqa: ARG001
    return _view(call, call.platform.invitations.resend(call.principal, invitation_id))


@endpoint(
    invitations,
    "DELETE",
    "/organisations/{org_id}/invitations/{invitation_id}",
    summary="Revoke an invitation that waits",
    action=Action.MEMBER_INVITE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def revoke_invitation(call: Call, org_id: str, invitation_id: str) -> None:  # noqa: ARG001
    call.platform.invitations.revoke(call.principal, invitation_id)


@endpoint(
    invitations,
    "POST",
    "/invitations/preview",
    summary="What the holder of an invitation's link is invited to",
    body=InvitationToken,
    answer=InvitationPreview,
    errors=(404, 409),
    public=True,
    rate=RateClass.SIGN_IN,
)
def preview_invitation(call: Call, body: InvitationToken) -> InvitationPreview:
    found = call.platform.invitations.preview(body.token)
    invitation = found.invitation
    return InvitationPreview(
        organisation=InvitedTo(id=found.organisation.id, name=found.organisation.name),
        email=invitation.email,
        role=invitation.role,
        restricted=invitation.restricted,
        invited_by=found.inviter,
        state=invitation.state,
        expires_at=invitation.ends_at,
    )


@endpoint(
    invitations,
    "POST",
    "/invitations/accept",
    summary="Accept an invitation, signed in with the address it was sent to",
    action=Action.ACCOUNT_MANAGE,
    body=InvitationToken,
    answer=OrganisationDetail,
    errors=(404, 409),
    rate=RateClass.SIGN_IN,
)
def accept_invitation(call: Call, body: InvitationToken) -> OrganisationDetail:
    return detail(call.platform.invitations.accept(call.principal, body.token))


def _view(call: Call, invitation: Invitation) -> InvitationView:
    return InvitationView(
        id=invitation.id,
        email=invitation.email,
        role=invitation.role,
        restricted=invitation.restricted,
        grants=dict(invitation.grants),
        state=invitation.state_at(call.platform.invitations.now()),
        invited_by=invitation.invited_by,
        created_at=invitation.created_at,
        sent_at=invitation.sent_at,
        expires_at=invitation.ends_at,
    )
