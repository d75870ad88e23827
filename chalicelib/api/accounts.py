"""Endpoints of sign-in, the signed-in person and API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from pydantic import AwareDatetime, StringConstraints

from chalicelib.api.agents import Name
from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.domain.limits import RateClass
from chalicelib.domain.tenancy import Action, Role, Scope

accounts = Blueprint(__name__)


class LinkRequest(Model):
    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]


class LinkSent(View):
    detail: str


class LinkRedemption(Model):
    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class UserView(View):
    id: str
    email: str
    name: str


class OrganisationView(View):
    id: str
    name: str
    personal: bool
    tier: str


class Session(View):
    access_token: str
    token_type: str
    expires_in: int
    user: UserView


class Me(View):
    user: UserView
    organisation: OrganisationView
    role: Role
    scope: Scope


class NewToken(Model):
    name: Name
    scope: Scope = Scope.DEPLOY
    expires_at: AwareDatetime | None = None


class TokenView(View):
    id: str
    name: str
    scope: Scope
    hint: str
    created_at: datetime
    expires_at: datetime | None


class CreatedToken(TokenView):
    """`token` is shown this once."""

    token: str


class TokenPage(View):
    items: list[TokenView]
    next_cursor: str | None


@endpoint(
    accounts,
    "POST",
    "/auth/email",
    summary="Ask for a one-time sign-in link by email",
    body=LinkRequest,
    answer=LinkSent,
    status=202,
    public=True,
    rate=RateClass.SIGN_IN,
)
def request_link(call: Call, body: LinkRequest) -> LinkSent:
    call.platform.accounts.request_link(body.email)
    return LinkSent(detail="If we can write to this address, a sign-in link is on its way.")


@endpoint(
    accounts,
    "POST",
    "/auth/email/redeem",
    summary="Turn the secret of a sign-in link into a session, once",
    body=LinkRedemption,
    answer=Session,
    errors=(401,),
    public=True,
    rate=RateClass.SIGN_IN,
)
def redeem_link(call: Call, body: LinkRedemption) -> Session:
    signed = call.platform.accounts.redeem(body.token)
    return Session(
        access_token=signed.access_token,
        token_type="Bearer",  # noqa: S106 - the scheme's name
        expires_in=signed.expires_in,
        user=UserView.model_validate(signed.user),
    )


@endpoint(accounts, "GET", "/me", summary="Who am I, where, with which rights", answer=Me)
def get_me(call: Call) -> Me:
    user, organisation = call.platform.accounts.me(call.principal)
    return Me(
        user=UserView.model_validate(user),
        organisation=OrganisationView.model_validate(organisation),
        role=call.principal.role,
        scope=call.principal.scope,
    )


@endpoint(
    accounts,
    "GET",
    "/tokens",
    summary="List the organisation's API tokens, without their secrets",
    action=Action.TOKEN_MANAGE,
    query=PageQuery,
    answer=TokenPage,
)
def list_tokens(call: Call, query: PageQuery) -> TokenPage:
    page = call.platform.accounts.tokens(call.principal, limit=query.limit, after=query.cursor)
    return TokenPage(items=[TokenView.model_validate(t) for t in page.items], next_cursor=page.next)


@endpoint(
    accounts,
    "POST",
    "/tokens",
    summary="Create an API token; its secret is shown this once",
    action=Action.TOKEN_MANAGE,
    body=NewToken,
    answer=CreatedToken,
    status=201,
)
def create_token(call: Call, body: NewToken) -> Answer:
    token, secret = call.platform.accounts.create_token(
        call.principal, name=body.name, scope=body.scope, expires_at=body.expires_at
    )
    view = TokenView.model_validate(token)
    return Answer(CreatedToken(**view.model_dump(), token=secret))


@endpoint(
    accounts,
    "DELETE",
    "/tokens/{token_id}",
    summary="Revoke an API token, at once",
    action=Action.TOKEN_MANAGE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def revoke_token(call: Call, token_id: str) -> None:
    call.platform.accounts.revoke_token(call.principal, token_id)
