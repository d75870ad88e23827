"""Endpoints of the person who is signed in: who they are, their sessions and ways to sign in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from chalice.app import Blueprint
from pydantic import StringConstraints

from chalicelib.api.agents import Name
from chalicelib.api.cookies import no_refresh_cookie
from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import UserView
from chalicelib.domain.limits import RateClass
from chalicelib.domain.tenancy import Action, Role, Scope

me = Blueprint(__name__)


class OrganisationView(View):
    id: str
    name: str
    personal: bool
    tier: str


class Me(View):
    """`agent_id` is the one agent that the API token of this call is for. `operator`: whether
    `/operations` answers this call."""

    user: UserView
    organisation: OrganisationView
    role: Role
    scope: Scope
    restricted: bool
    agent_id: str | None
    session_id: str | None
    token_id: str | None
    operator: bool


class PersonChange(Model):
    name: Name


class NewAddress(Model):
    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]


class AddressAsked(View):
    detail: str


class NewAddressProof(Model):
    """The secret behind the `#token=` of the mailed link."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class OwnSession(View):
    """`method` is email or a provider's id; `address` and `user_agent` are of its last use."""

    id: str
    method: str
    address: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class OwnSessions(View):
    items: list[OwnSession]
    next_cursor: None = None


class EndedSessions(View):
    ended: int


class IdentityView(View):
    id: str
    provider: str
    email: str | None
    name: str
    created_at: datetime


class IdentityList(View):
    items: list[IdentityView]
    next_cursor: None = None


class PendingIdentity(View):
    """A way to sign in that was proven in this browser, and is linked when it is confirmed."""

    provider: str
    email: str | None
    name: str
    expires_at: datetime


class PendingIdentities(View):
    items: list[PendingIdentity]
    next_cursor: None = None


class Farewell(Model):
    """`confirm` is the account's email address, typed once more."""

    confirm: Annotated[str, StringConstraints(min_length=1, max_length=254)]


@endpoint(
    me,
    "GET",
    "/me",
    summary="Who am I, where, with which rights",
    action=Action.ACCOUNT_READ,
    answer=Me,
)
def get_me(call: Call) -> Me:
    user, organisation = call.platform.accounts.me(call.principal)
    return Me(
        user=UserView.model_validate(user),
        organisation=OrganisationView.model_validate(organisation),
        role=call.principal.role,
        scope=call.principal.scope,
        restricted=call.principal.restricted,
        agent_id=call.principal.agent_id,
        session_id=call.principal.session_id,
        token_id=call.principal.token_id,
        operator=call.platform.operations.is_operator(user, call.principal),
    )


@endpoint(
    me,
    "PATCH",
    "/me",
    summary="Change how I am called",
    action=Action.ACCOUNT_MANAGE,
    body=PersonChange,
    answer=UserView,
    errors=(409,),
)
def update_me(call: Call, body: PersonChange) -> UserView:
    return UserView.model_validate(call.platform.accounts.rename(call.principal, body.name))


@endpoint(
    me,
    "POST",
    "/me/email",
    summary="Ask for a one-time link to another address, to sign in with it from then on",
    action=Action.ACCOUNT_MANAGE,
    body=NewAddress,
    answer=AddressAsked,
    status=202,
    rate=RateClass.SIGN_IN,
)
def ask_new_address(call: Call, body: NewAddress) -> AddressAsked:
    call.platform.addresses.ask(call.principal, body.email)
    return AddressAsked(detail="If we can write to this address, a link is on its way.")


@endpoint(
    me,
    "POST",
    "/me/email/confirm",
    summary="Change my address to the one this link was sent to, and end my other sessions",
    action=Action.ACCOUNT_MANAGE,
    body=NewAddressProof,
    answer=UserView,
    errors=(404, 409),
    rate=RateClass.SIGN_IN,
)
def confirm_new_address(call: Call, body: NewAddressProof) -> UserView:
    return UserView.model_validate(call.platform.addresses.confirm(call.principal, body.token))


@endpoint(
    me,
    "GET",
    "/me/sessions",
    summary="List my sessions, newest first",
    action=Action.ACCOUNT_MANAGE,
    answer=OwnSessions,
)
def list_sessions(call: Call) -> OwnSessions:
    found = call.platform.sessions.mine(call.principal)
    return OwnSessions(
        items=[
            OwnSession(
                id=s.id,
                method=s.method,
                address=s.address,
                user_agent=s.user_agent,
                created_at=s.created_at,
                last_used_at=s.last_used_at,
                expires_at=s.expires_at,
                current=s.id == call.principal.session_id,
            )
            for s in found
        ]
    )


@endpoint(
    me,
    "DELETE",
    "/me/sessions/{session_id}",
    summary="End one of my sessions",
    action=Action.ACCOUNT_MANAGE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def end_session(call: Call, session_id: str) -> None:
    call.platform.sessions.end(call.principal, session_id)


@endpoint(
    me,
    "POST",
    "/me/sessions/end-others",
    summary="End all my sessions but this one",
    action=Action.ACCOUNT_MANAGE,
    answer=EndedSessions,
    errors=(409,),
)
def end_other_sessions(call: Call) -> EndedSessions:
    return EndedSessions(ended=call.platform.sessions.end_others(call.principal))


@endpoint(
    me,
    "GET",
    "/me/identities",
    summary="List the providers' accounts that sign in to mine",
    action=Action.ACCOUNT_MANAGE,
    answer=IdentityList,
)
def list_identities(call: Call) -> IdentityList:
    found = call.platform.identities.mine(call.principal)
    return IdentityList(items=[IdentityView.model_validate(i) for i in found])


@endpoint(
    me,
    "GET",
    "/me/identities/pending",
    summary="What was proven in this browser and waits to be linked to my account",
    action=Action.ACCOUNT_MANAGE,
    answer=PendingIdentities,
)
def pending_identities(call: Call) -> PendingIdentities:
    offer = call.platform.identities.pending(call.principal)
    if offer is None:
        return PendingIdentities(items=[])
    profile = offer.profile
    return PendingIdentities(
        items=[
            PendingIdentity(
                provider=profile.provider,
                email=profile.email,
                name=profile.name,
                expires_at=offer.expires_at,
            )
        ]
    )


@endpoint(
    me,
    "POST",
    "/me/identities/confirm",
    summary="Link what waits: from now on it signs in to my account",
    action=Action.ACCOUNT_MANAGE,
    answer=IdentityView,
    errors=(404, 409),
)
def confirm_identity(call: Call) -> IdentityView:
    return IdentityView.model_validate(call.platform.identities.confirm(call.principal))


@endpoint(
    me,
    "DELETE",
    "/me/identities/{identity_id}",
    summary="Unlink a provider's account from mine",
    action=Action.ACCOUNT_MANAGE,
    answer=None,
    status=204,
    errors=(404,),
)
def unlink_identity(call: Call, identity_id: str) -> None:
    call.platform.identities.unlink(call.principal, identity_id)


@endpoint(
    me,
    "GET",
    "/me/export",
    summary="Everything that is kept about me, as JSON",
    action=Action.ACCOUNT_MANAGE,
    answer=dict[str, Any],
)
def export_me(call: Call) -> Answer:
    return Answer(call.platform.personal_data.export(call.principal))


@endpoint(
    me,
    "DELETE",
    "/me",
    summary="Delete my account, my own agents and everything kept about me, for good",
    action=Action.ACCOUNT_MANAGE,
    body=Farewell,
    answer=None,
    status=204,
    errors=(409, 502),
)
def delete_me(call: Call, body: Farewell) -> Answer:
    call.platform.personal_data.delete(call.principal, confirm=body.confirm)
    return Answer(None, cookies=(no_refresh_cookie(call),))
