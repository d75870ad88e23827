"""Endpoints of signing in: by a link in an email, at a provider, and staying signed in."""

from __future__ import annotations

from typing import Annotated, Literal

from chalice.app import Blueprint
from pydantic import ConfigDict, Field, StringConstraints

from chalicelib.api.cookies import (
    no_refresh_cookie,
    refresh_cookie,
    require_own_page,
    sign_in_cookie,
    visitor,
)
from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import UserView
from chalicelib.domain.limits import RateClass
from chalicelib.domain.sign_in import new_secret
from chalicelib.services.sessions import SignedIn

auth = Blueprint(__name__)

Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ReturnTo = Annotated[str, StringConstraints(max_length=512)]


class ProviderView(View):
    id: str
    name: str
    kind: Literal["github", "google", "oidc"]


class ProviderList(View):
    """The ways to sign in. `mailbox_url` is where mails can be read on the local ground."""

    items: list[ProviderView]
    email: bool = True
    mailbox_url: str | None


class LinkRequest(Model):
    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]
    return_to: ReturnTo | None = Field(None, description="A path of ours to go to after it.")


class LinkSent(View):
    detail: str


class LinkRedemption(Model):
    token: Secret


class SessionView(View):
    """An access token for the next minutes; the refresh cookie comes with it."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: UserView
    return_to: str


class DepartureQuery(Model):
    return_to: ReturnTo | None = None
    link: bool = False


class ArrivalQuery(Model):
    # Providers add parameters of their own, such as `scope` and `authuser`.
    model_config = ConfigDict(extra="ignore")

    state: str | None = None
    code: str | None = None
    error: str | None = None
    iss: str | None = None


@endpoint(
    auth,
    "GET",
    "/auth/providers",
    summary="List the ways to sign in",
    answer=ProviderList,
    public=True,
)
def list_providers(call: Call) -> ProviderList:
    settings = call.platform.settings
    is_local = settings.ground.get("kind") == "local"
    return ProviderList(
        items=[ProviderView.model_validate(p) for p in call.platform.providers.listed()],
        mailbox_url=f"{settings.web_url}/local/mailbox" if is_local else None,
    )


@endpoint(
    auth,
    "POST",
    "/auth/email",
    summary="Ask for a one-time sign-in link by email, for this browser",
    body=LinkRequest,
    answer=LinkSent,
    status=202,
    errors=(403,),
    public=True,
    rate=RateClass.SIGN_IN,
)
def request_link(call: Call, body: LinkRequest) -> Answer:
    require_own_page(call, header=False)
    browser = call.platform.sign_in.request_link(
        body.email, visitor(call), return_to=body.return_to
    )
    sent = LinkSent(detail="If we can write to this address, a sign-in link is on its way.")
    return Answer(sent, cookies=(sign_in_cookie(call, browser),))


@endpoint(
    auth,
    "POST",
    "/auth/email/redeem",
    summary="Turn the secret of a sign-in link into a session, once, in the browser that asked",
    body=LinkRedemption,
    answer=SessionView,
    errors=(401, 403),
    public=True,
    rate=RateClass.SIGN_IN,
)
def redeem_link(call: Call, body: LinkRedemption) -> Answer:
    require_own_page(call, header=False)
    return _session(call, call.platform.sign_in.redeem(body.token, visitor(call)))


@endpoint(
    auth,
    "GET",
    "/auth/{provider}/start",
    summary="Go to a provider to sign in there, or with link=true to add it to one's account",
    query=DepartureQuery,
    answer=None,
    status=302,
    public=True,
    rate=RateClass.SIGN_IN,
)
def start_sign_in(call: Call, provider: str, query: DepartureQuery) -> Answer:
    departure = call.platform.providers.depart(
        provider, visitor(call), return_to=query.return_to, linking=query.link
    )
    return _redirect(departure.address, sign_in_cookie(call, departure.browser))


@endpoint(
    auth,
    "GET",
    "/auth/{provider}/callback",
    summary="Come back from a provider: into a session, or to a page that says what is missing",
    query=ArrivalQuery,
    answer=None,
    status=302,
    public=True,
    rate=RateClass.SIGN_IN,
)
def finish_sign_in(call: Call, provider: str, query: ArrivalQuery) -> Answer:
    arrival = call.platform.providers.arrive(
        provider,
        visitor(call),
        state=query.state,
        code=query.code,
        error=query.error,
        issuer=query.iss,
    )
    address = f"{call.platform.settings.web_url}{arrival.path}"
    if arrival.signed_in is None:
        # Proof is due in this browser: it keeps its name for as long again.
        return _redirect(address, sign_in_cookie(call, visitor(call).browser or new_secret()))
    return _redirect(address, refresh_cookie(call, arrival.signed_in.refresh))


@endpoint(
    auth,
    "POST",
    "/auth/refresh",
    summary="A new access token for the session in this browser's cookie",
    answer=SessionView,
    errors=(401, 403, 409),
    public=True,
    # Each browser asks every ten minutes, and a whole company may stand behind one address.
    rate=RateClass.READ,
)
def refresh_session(call: Call) -> Answer:
    require_own_page(call, header=True)
    return _session(call, call.platform.sessions.refresh(visitor(call)))


@endpoint(
    auth,
    "POST",
    "/auth/sign-out",
    summary="End the session in this browser",
    answer=None,
    status=204,
    errors=(403, 409),
    public=True,
)
def sign_out(call: Call) -> Answer:
    require_own_page(call, header=True)
    call.platform.sessions.sign_out(visitor(call))
    return Answer(None, cookies=(no_refresh_cookie(call),))


def _session(call: Call, signed: SignedIn) -> Answer:
    view = SessionView(
        access_token=signed.access_token,
        token_type="Bearer",  # noqa: S106 - the scheme's name
        expires_in=signed.expires_in,
        user=UserView.model_validate(signed.user),
        return_to=signed.return_to,
    )
    return Answer(view, cookies=(refresh_cookie(call, signed.refresh),))


def _redirect(address: str, *cookies: str) -> Answer:
    return Answer(None, headers={"Location": address}, cookies=cookies)
