"""Endpoints of sharing: with whom an agent is shared, and what others share with the caller."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from chalice.app import Blueprint
from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from chalicelib.api.copies import CopyView, NewCopy, copy_view
from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.marketplace import (
    FacetsView,
    LookUpQuery,
    MarketplaceQuery,
    OfferView,
    PageQuery,
    PageView,
    PassagesView,
    asked,
    offer_fields,
    passages,
    rest_of,
)
from chalicelib.api.words import one_line
from chalicelib.domain.agents import Category, Runtime
from chalicelib.domain.limits import RateClass
from chalicelib.domain.listings import Found
from chalicelib.domain.shares import ShareKind
from chalicelib.domain.tenancy import Action

sharing = Blueprint(__name__)

Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# A link that is passed on must not lead a search engine to what it shows.
_UNLISTED = {"X-Robots-Tag": "noindex, nofollow"}


class NewShare(Model):
    """`with` an `organisation` (its id), a `person` (their address) or a `link`."""

    kind: ShareKind = Field(alias="with")
    organisation_id: Annotated[str, StringConstraints(max_length=40)] = ""
    email: Annotated[str, StringConstraints(max_length=320)] = ""
    note: Annotated[str, one_line(80)] = ""
    """What it is for; for the agent's own people."""
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _says_with_whom(self) -> NewShare:
        wanted = {ShareKind.ORGANISATION: "organisation_id", ShareKind.PERSON: "email"}
        for kind, name in wanted.items():
            if bool(getattr(self, name)) != (self.kind is kind):
                word = "needs" if self.kind is kind else "takes no"
                raise ValueError(f"A share with a {self.kind} {word} {name}.")
        return self


class ShareView(View):
    """`grantee`: an organisation's id, or a person's address."""

    id: str
    kind: ShareKind
    grantee: str
    note: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None


class NewShareView(ShareView):
    """`token` is the secret of a link; it is shown this once. `url` is the link."""

    token: str | None
    url: str | None


class SharesView(View):
    items: list[ShareView]


class SharedCardView(View):
    """An agent that is not for everybody. `shown_by`: `member` of the same organisation, or the
    kind of share."""

    offer_id: str
    shown_by: Literal["member", "organisation", "person"]
    slug: str
    name: str
    summary: str
    publisher: str
    categories: list[Category]
    tags: list[str]
    runtime: Runtime | None
    icon: str
    picture: str
    label: str
    refreshed_at: datetime


class SharedPage(View):
    items: list[SharedCardView]
    facets: FacetsView
    total: int
    total_is_exact: bool
    corrected: str | None
    next_cursor: str | None


class SharedOfferView(OfferView):
    offer_id: str
    shown_by: Literal["member", "organisation", "person", "link"]


class LinkToken(Model):
    """What stands behind `#token=` in the link."""

    token: Secret


class LinkPage(LinkToken):
    path: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class LinkLookUp(LinkToken):
    """Without `q` every page is listed."""

    q: Annotated[str, StringConstraints(max_length=200)] = ""


class SharedCopy(NewCopy):
    """Of what is shared: `offer_id`, or the `token` of a link."""

    offer_id: Annotated[str, StringConstraints(max_length=40)] | None = None
    token: Secret | None = None

    @model_validator(mode="after")
    def _says_which(self) -> SharedCopy:
        if (self.offer_id is None) == (self.token is None):
            raise ValueError("Say which agent: either offer_id or token.")
        return self


@endpoint(
    sharing,
    "GET",
    "/agents/{agent_id}/shares",
    summary="List with whom the agent is shared",
    action=Action.AGENT_SHARE,
    answer=SharesView,
    errors=(404,),
)
def list_shares(call: Call, agent_id: str) -> SharesView:
    found = call.platform.sharing.shares(call.principal, agent_id)
    return SharesView(items=[ShareView.model_validate(share) for share in found])


@endpoint(
    sharing,
    "POST",
    "/agents/{agent_id}/shares",
    summary="Share the agent with an organisation, a person or whoever holds a secret link",
    action=Action.AGENT_SHARE,
    body=NewShare,
    answer=NewShareView,
    status=201,
    errors=(404, 409),
)
def create_share(call: Call, agent_id: str, body: NewShare) -> NewShareView:
    made, token = call.platform.sharing.share(call.principal, agent_id, **dict(body))
    # The secret stays behind the '#', so that no server on the way sees it.
    url = f"{call.platform.settings.web_url}/shared#token={token}" if token else None
    return NewShareView(**dict(ShareView.model_validate(made)), token=token, url=url)


@endpoint(
    sharing,
    "DELETE",
    "/agents/{agent_id}/shares/{share_id}",
    summary="End a share at once; copies that were made go on",
    action=Action.AGENT_SHARE,
    answer=None,
    status=204,
    errors=(404,),
)
def end_share(call: Call, agent_id: str, share_id: str) -> None:
    call.platform.sharing.revoke(call.principal, agent_id, share_id)


@endpoint(
    sharing,
    "GET",
    "/marketplace/shared",
    summary="Search what your organisation and others show to you, beside what is public",
    action=Action.AGENT_READ,
    query=MarketplaceQuery,
    answer=SharedPage,
)
def search_shared(call: Call, query: MarketplaceQuery) -> SharedPage:
    page, how = call.platform.sharing.search(call.principal, asked(query))
    items = [
        SharedCardView.model_validate(
            {**vars(one), "offer_id": one.agent_id, "shown_by": how[one.agent_id]},
            from_attributes=False,
        )
        for one in page.items
    ]
    return SharedPage(items=items, **rest_of(page))


@endpoint(
    sharing,
    "POST",
    "/marketplace/shared/preview",
    summary="Read the agent that a secret link leads to",
    body=LinkToken,
    answer=SharedOfferView,
    errors=(404,),
    public=True,
    rate=RateClass.SIGN_IN,
)
def preview_shared(call: Call, body: LinkToken) -> Answer:
    return _offer(call, call.platform.sharing.opened(body.token))


@endpoint(
    sharing,
    "POST",
    "/marketplace/shared/copies",
    summary="Make and deploy a copy of an agent that is shared with you",
    action=Action.AGENT_CREATE,
    body=SharedCopy,
    answer=CopyView,
    status=201,
    errors=(404, 409),
    idempotent=True,
)
def create_shared_copy(call: Call, body: SharedCopy) -> CopyView:
    found = (
        call.platform.sharing.opened(body.token)
        if body.token is not None
        else call.platform.sharing.find(call.principal, body.offer_id or "")
    )
    wanted = {name: value for name, value in body if name not in ("offer_id", "token")}
    return copy_view(call.platform.copies.create(call.principal, found, **wanted))


@endpoint(
    sharing,
    "GET",
    "/marketplace/shared/{offer_id}",
    summary="Read an agent that is shared with you",
    action=Action.AGENT_READ,
    answer=SharedOfferView,
    errors=(404,),
)
def get_shared(call: Call, offer_id: str) -> Answer:
    return _offer(call, call.platform.sharing.find(call.principal, offer_id))


@endpoint(
    sharing,
    "DELETE",
    "/marketplace/shared/{offer_id}",
    summary="Be shown no longer what somebody shares with you in person",
    action=Action.ACCOUNT_MANAGE,
    answer=None,
    status=204,
    errors=(404,),
)
def decline_shared(call: Call, offer_id: str) -> None:
    call.platform.sharing.decline(call.principal, offer_id)


@endpoint(
    sharing,
    "GET",
    "/marketplace/shared/{offer_id}/docs",
    summary="Read one page of the documentation of an agent that is shared with you",
    action=Action.AGENT_READ,
    query=PageQuery,
    answer=PageView,
    errors=(404,),
)
def get_shared_page(call: Call, offer_id: str, query: PageQuery) -> PageView:
    found = call.platform.sharing.find(call.principal, offer_id)
    page = call.platform.marketplace.page(found, query.path, query.version_id)
    return PageView.model_validate(page)


@endpoint(
    sharing,
    "GET",
    "/marketplace/shared/{offer_id}/pages",
    summary="List the pages of the documentation of an agent that is shared with you, or search",
    action=Action.AGENT_READ,
    query=LookUpQuery,
    answer=PassagesView,
    errors=(404,),
)
def look_up_shared_pages(call: Call, offer_id: str, query: LookUpQuery) -> PassagesView:
    found = call.platform.sharing.find(call.principal, offer_id)
    return passages(call.platform.marketplace.look_up(found, query.q, query.version_id))


@endpoint(
    sharing,
    "POST",
    "/marketplace/shared/page",
    summary="Read one page of the documentation of the agent that a secret link leads to",
    body=LinkPage,
    answer=PageView,
    errors=(404,),
    public=True,
    rate=RateClass.SIGN_IN,
)
def get_linked_page(call: Call, body: LinkPage) -> Answer:
    found = call.platform.sharing.opened(body.token)
    page = call.platform.marketplace.page(found, body.path, None)
    return Answer(PageView.model_validate(page), headers=_UNLISTED)


# What is typed is looked for as one types: it counts as reading. No secret is guessed this way, as
# long as it is.
@endpoint(
    sharing,
    "POST",
    "/marketplace/shared/pages",
    summary="Search the documentation of the agent that a secret link leads to, or list its pages",
    body=LinkLookUp,
    answer=PassagesView,
    errors=(404,),
    public=True,
    rate=RateClass.READ,
)
def look_up_linked_pages(call: Call, body: LinkLookUp) -> Answer:
    found = call.platform.sharing.opened(body.token)
    places = call.platform.marketplace.look_up(found, body.q, None)
    return Answer(passages(places), headers=_UNLISTED)


def _offer(call: Call, found: Found) -> Answer:
    offer = call.platform.marketplace.offer(found)
    view = SharedOfferView(
        **offer_fields(offer),
        offer_id=found.listing.agent_id,
        shown_by=found.shared_by or found.sight.value,
    )
    return Answer(view, headers=_UNLISTED)
