"""Endpoints of the marketplace that need no sign-in: searching, reading, documentation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.listings import ScreenshotView
from chalicelib.api.words import CURSOR_BACK, written
from chalicelib.domain.agents import Category, Runtime
from chalicelib.domain.listings import Found
from chalicelib.domain.pages import Passage
from chalicelib.domain.reference import REFERENCE, TITLE
from chalicelib.domain.search import MAX_DEPTH, Counts, Entry, SearchPage, SearchQuery, Sort
from chalicelib.errors import FieldError, Invalid
from chalicelib.services.marketplace import Offer

marketplace = Blueprint(__name__)

_MAX_LIMIT = 60
# Search results may be a few seconds old anyway.
_SHARED = {"Cache-Control": "public, max-age=5"}


class MarketplaceQuery(Model):
    """`q` may be anything; what goes on after 200 characters is not read. Empty: all are listed."""

    q: str = ""
    category: Category | None = None
    runtime: Runtime | None = None
    tag: Annotated[str, StringConstraints(min_length=1, max_length=24)] | None = None
    sort: Sort = Sort.RELEVANCE
    cursor: (
        Annotated[str, written(r"^o[0-9]+$", CURSOR_BACK, min_length=1, max_length=10)] | None
    ) = None
    limit: int = Field(24, ge=1, le=_MAX_LIMIT)


class CountsView(View):
    """Exact numbers. `rating` is the mean of all stars, None before the first review; lists sort
    by a mean that is drawn towards the middle while there are few."""

    views: int
    deployments: int
    users: int
    ratings: int
    rating: float | None


class CardView(View):
    """An agent as lists show it. `picture` is an icon's path on our own site, or empty."""

    slug: str
    name: str
    summary: str
    publisher: str
    categories: list[Category]
    tags: list[str]
    runtime: Runtime | None
    licence: str
    icon: str
    picture: str
    label: str
    published_at: datetime
    refreshed_at: datetime
    counts: CountsView


class FacetsView(View):
    """How many agents each other choice would show, with everything else as asked."""

    category: dict[str, int]
    runtime: dict[str, int]


class MarketplacePage(View):
    """`total_is_exact` is false when there are more matches than are counted. `corrected` is what
    was searched for instead of a misspelt `q`."""

    items: list[CardView]
    facets: FacetsView
    total: int
    total_is_exact: bool
    corrected: str | None
    next_cursor: str | None


class InputView(View):
    """A variable the agent reads; the form of a copy is made of these."""

    name: str
    description: str
    required: bool
    secret: bool
    default: str | None


class DocLinkView(View):
    path: str
    title: str


class OfferedVersionView(View):
    version_id: str
    number: int
    label: str
    image_size: int | None
    published_at: datetime


class OfferView(CardView):
    """One agent with everything its page shows. `readme` is Markdown as the author wrote it, with
    whatever HTML it contains: show it through a sanitiser only."""

    readme: str
    licence_text: str
    active_users: int
    """People whose copy ran this month."""
    screenshots: list[ScreenshotView]
    docs: list[DocLinkView]
    inputs: list[InputView]
    protocol: str | None
    pricing: str
    source_url: str
    demo_url: str | None
    fork: bool
    version: OfferedVersionView
    versions: list[OfferedVersionView]


class PageQuery(Model):
    path: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    version_id: Annotated[str, StringConstraints(max_length=40)] | None = None


class LookUpQuery(Model):
    """Without `q` every page is listed."""

    q: Annotated[str, StringConstraints(max_length=200)] = ""
    version_id: Annotated[str, StringConstraints(max_length=40)] | None = None


class PassageView(View):
    """A place in a page. `path` is `readme` for the README, `reference` for the one that is made
    of the manifest and of what the agent says; `excerpt` is plain text."""

    path: str
    title: str
    heading: str
    excerpt: str


class PassagesView(View):
    items: list[PassageView]


class PageView(View):
    path: str
    title: str
    markdown: str


@endpoint(
    marketplace,
    "GET",
    "/marketplace/agents",
    summary="Search the public agents",
    query=MarketplaceQuery,
    answer=MarketplacePage,
    public=True,
)
def search_marketplace(call: Call, query: MarketplaceQuery) -> Answer:
    page = call.platform.marketplace.search(asked(query))
    body = MarketplacePage(items=[_card(entry) for entry in page.items], **rest_of(page))
    return Answer(body, headers=_SHARED)


@endpoint(
    marketplace,
    "GET",
    "/marketplace/agents/{slug}",
    summary="Read a public agent: README, inputs, versions, counts",
    answer=OfferView,
    errors=(404,),
    public=True,
)
def get_offer(call: Call, slug: str) -> Answer:
    offer = call.platform.marketplace.read(slug)
    return Answer(OfferView(**offer_fields(offer)), headers=_SHARED)


@endpoint(
    marketplace,
    "GET",
    "/marketplace/agents/{slug}/docs",
    summary="Read one page of a public agent's documentation",
    query=PageQuery,
    answer=PageView,
    errors=(404,),
    public=True,
)
def get_offer_page(call: Call, slug: str, query: PageQuery) -> Answer:
    market = call.platform.marketplace
    page = market.page(Found(market.find(slug)), query.path, query.version_id)
    return Answer(PageView.model_validate(page), headers=_SHARED)


@endpoint(
    marketplace,
    "GET",
    "/marketplace/agents/{slug}/pages",
    summary="List the pages of a public agent's documentation, or search in them",
    query=LookUpQuery,
    answer=PassagesView,
    errors=(404,),
    public=True,
)
def look_up_pages(call: Call, slug: str, query: LookUpQuery) -> Answer:
    market = call.platform.marketplace
    return Answer(
        passages(market.look_up(Found(market.find(slug)), query.q, query.version_id)),
        headers=_SHARED,
    )


def passages(found: list[Passage]) -> PassagesView:
    """Places as they are answered."""
    return PassagesView(items=[PassageView.model_validate(one) for one in found])


def asked(query: MarketplaceQuery) -> SearchQuery:
    """What a query means to the catalogue."""
    return SearchQuery(
        text=query.q,
        category=query.category,
        runtime=query.runtime,
        tag=query.tag,
        sort=query.sort,
        offset=_offset(query.cursor),
        limit=query.limit,
    )


def rest_of(page: SearchPage) -> dict[str, Any]:
    """What a page of results says beside the results."""
    following = page.next_offset
    if following is not None and following >= MAX_DEPTH:
        following = None
    return {
        "facets": FacetsView(**page.facets),
        "total": page.total,
        "total_is_exact": page.total_is_exact,
        "corrected": page.corrected,
        "next_cursor": None if following is None else f"o{following}",
    }


def _offset(cursor: str | None) -> int:
    offset = int(cursor[1:]) if cursor else 0
    if offset > MAX_DEPTH:
        raise Invalid(
            "Nobody can page that far; search for something narrower.",
            errors=(FieldError("cursor", "Send back next_cursor as it came."),),
        )
    return offset


def _counts(counts: Counts) -> CountsView:
    return CountsView(
        views=counts.views,
        deployments=counts.deployments,
        users=counts.users,
        ratings=counts.ratings,
        rating=None if counts.mean is None else round(counts.mean, 2),
    )


def _card(entry: Entry) -> CardView:
    return CardView.model_validate(
        {**vars(entry), "counts": _counts(entry.counts)}, from_attributes=False
    )


def offer_fields(offer: Offer) -> dict[str, Any]:
    """Everything an agent's page shows."""
    listing, version = offer.listing, offer.version
    return dict(
        OfferView.model_validate(
            {
                **vars(listing),
                "published_at": listing.published_at or listing.updated_at,
                "refreshed_at": listing.refreshed_at or listing.updated_at,
                "counts": _counts(offer.counts),
                "active_users": offer.counts.active,
                "readme": offer.pages.readme,
                "licence_text": offer.pages.licence_text,
                "screenshots": [vars(one) for one in listing.screenshots],
                "docs": [
                    *(vars(page) for page in offer.pages.docs),
                    {"path": REFERENCE, "title": TITLE},
                ],
                "inputs": [
                    {
                        "name": item["name"],
                        "description": item.get("description", ""),
                        "required": item.get("required", False),
                        "secret": item.get("secret", False),
                        "default": item.get("default"),
                    }
                    for item in version.manifest.get("env") or ()
                ],
                "protocol": version.plan.get("protocol") or version.manifest.get("protocol"),
                "demo_url": offer.demo_url,
                "version": vars(version),
                "versions": [vars(one) for one in offer.versions],
            },
            from_attributes=False,
        )
    )
