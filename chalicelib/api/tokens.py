"""Endpoints of API tokens."""

from __future__ import annotations

from datetime import datetime

from chalice.app import Blueprint
from pydantic import AwareDatetime, Field

from chalicelib.api.agents import Name
from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.domain.tenancy import Action, Scope

tokens = Blueprint(__name__)


class NewToken(Model):
    name: Name
    scope: Scope = Scope.DEPLOY
    expires_at: AwareDatetime | None = None
    agent_id: str | None = Field(
        None, max_length=64, description="The one agent it is for; all when it is left out."
    )


class TokenView(View):
    """`last_used_at` is exact to about five minutes."""

    id: str
    user_id: str
    name: str
    scope: Scope
    agent_id: str | None
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class CreatedToken(TokenView):
    """`token` is shown this once."""

    token: str


class TokenPage(View):
    items: list[TokenView]
    next_cursor: str | None


@endpoint(
    tokens,
    "GET",
    "/tokens",
    summary="List API tokens without their secrets: one's own, or all for who manages members",
    action=Action.TOKEN_MANAGE,
    query=PageQuery,
    answer=TokenPage,
)
def list_tokens(call: Call, query: PageQuery) -> TokenPage:
    page = call.platform.tokens.page(call.principal, limit=query.limit, after=query.cursor)
    return TokenPage(items=[TokenView.model_validate(t) for t in page.items], next_cursor=page.next)


@endpoint(
    tokens,
    "POST",
    "/tokens",
    summary="Create an API token; its secret is shown this once",
    action=Action.TOKEN_CREATE,
    body=NewToken,
    answer=CreatedToken,
    status=201,
    errors=(409,),
)
def create_token(call: Call, body: NewToken) -> Answer:
    token, secret = call.platform.tokens.create(
        call.principal,
        name=body.name,
        scope=body.scope,
        expires_at=body.expires_at,
        agent_id=body.agent_id,
    )
    view = TokenView.model_validate(token)
    return Answer(CreatedToken(**view.model_dump(), token=secret))


@endpoint(
    tokens,
    "DELETE",
    "/tokens/{token_id}",
    summary="Revoke an API token, at once",
    action=Action.TOKEN_MANAGE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def revoke_token(call: Call, token_id: str) -> None:
    call.platform.tokens.revoke(call.principal, token_id)
