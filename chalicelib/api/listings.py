"""Endpoints of an agent's listing: drafting it, what is still missing, publishing, withdrawing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib.api.agents import Name
from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.words import one_line, written
from chalicelib.domain.agents import Category, Runtime, Visibility
from chalicelib.domain.listings import Moderation
from chalicelib.domain.tenancy import Action
from chalicelib.services.listings import Draft

listings = Blueprint(__name__)

_DASHED = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_AS_DASHED = "Use small letters a to z and digits, with single dashes between them: site-watch."
Sentence = Annotated[str, one_line(200)]
Slug = Annotated[str, written(_DASHED, _AS_DASHED, max_length=40)]
Tag = Annotated[str, written(_DASHED, _AS_DASHED, min_length=1, max_length=24)]
HttpsUrl = Annotated[
    str,
    written(
        r"^(https://[A-Za-z0-9][^\s\x00-\x1f<>\"'\\]*)?$",
        "Give an address that starts with https:// and has no spaces.",
        max_length=300,
    ),
]
# One picture of a writing system: an emoji is up to a dozen code points, joiners among them.
Icon = Annotated[
    str,
    written(
        r"^[^\x00-\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$",
        "Use one emoji; letters and digits are none.",
        max_length=16,
    ),
]
# What is not seen, or turns what is seen around, is no part of a public name.
PublicName = Annotated[
    Name,
    written(
        r"^[^\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*$",
        "Leave out characters that are not seen or turn the text around.",
    ),
]


class ListingChange(Model):
    """What the listing says from now on; what is left out stays as it is."""

    name: PublicName | None = None
    slug: Slug | None = None
    summary: Sentence | None = None
    categories: Annotated[list[Category], Field(min_length=1, max_length=3)] | None = None
    tags: Annotated[list[Tag], Field(max_length=10)] | None = None
    icon: Icon | None = None
    """One emoji."""
    pricing: Sentence | None = None
    """What using the agent costs beyond running it, for example at a service it calls."""
    licence: (
        Annotated[
            str,
            written(
                r"^[A-Za-z0-9.+ ()-]*$",
                "Give an SPDX expression such as MIT or Apache-2.0.",
                max_length=60,
            ),
        ]
        | None
    ) = None
    """An SPDX expression; empty: what the LICENSE file of the source says."""
    source_url: HttpsUrl | None = None
    publisher: PublicName | None = None
    """Who publishes it; by default the organisation. Nobody else can publish under it then."""
    fork: bool | None = None
    """Whether people may take the source, too."""
    demo: bool | None = None
    """Whether the agent's own address is shown as a live demo."""


class Publication(Model):
    version_id: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The version to show; by default the newest that is ready."""
    visibility: Visibility = Visibility.PUBLIC
    """`organisation`: to its members only; `private`: to those alone with whom it is shared."""


class ScreenshotView(View):
    """`path` is where it is shown: `/` and the path, on our own site."""

    path: str
    width: int
    height: int
    alt: str


class CheckView(View):
    code: str
    title: str
    passed: bool
    detail: str


class ListingView(View):
    agent_id: str
    slug: str
    name: str
    summary: str
    publisher: str
    categories: list[Category]
    tags: list[str]
    icon: str
    picture: str
    screenshots: list[ScreenshotView]
    pricing: str
    licence: str
    source_url: str
    fork: bool
    demo: bool
    runtime: Runtime | None
    visibility: Visibility
    is_public: bool
    version_id: str | None
    label: str
    published_at: datetime | None
    refreshed_at: datetime | None
    moderation: Moderation
    moderation_reason: str
    revision: int


class DraftView(ListingView):
    """`candidate_id` is the version that publishing now would show; `checks` what must hold."""

    checks: list[CheckView]
    publishable: bool
    candidate_id: str | None
    candidate_label: str | None


@endpoint(
    listings,
    "GET",
    "/agents/{agent_id}/listing",
    summary="Read the agent's listing, and what it still needs to be public",
    action=Action.AGENT_READ,
    answer=DraftView,
    errors=(404,),
)
def get_listing(call: Call, agent_id: str) -> Answer:
    return draft_answer(call.platform.listings.get(call.principal, agent_id))


@endpoint(
    listings,
    "PUT",
    "/agents/{agent_id}/listing",
    summary="Change what the listing says; what is left out stays as it is",
    action=Action.AGENT_UPDATE,
    body=ListingChange,
    answer=DraftView,
    errors=(404, 409, 412),
)
def put_listing(call: Call, agent_id: str, body: ListingChange) -> Answer:
    fields = {
        name: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
        for name, value in body
        if value is not None
    }
    return draft_answer(
        call.platform.listings.put(
            call.principal, agent_id, if_revision=call.if_match, fields=fields
        )
    )


@endpoint(
    listings,
    "POST",
    "/agents/{agent_id}/publish",
    summary="Show a ready version to everybody, the organisation or those it is shared with",
    action=Action.AGENT_PUBLISH,
    body=Publication,
    answer=DraftView,
    errors=(404, 409),
)
def publish_agent(call: Call, agent_id: str, body: Publication) -> Answer:
    return draft_answer(
        call.platform.listings.publish(call.principal, agent_id, body.version_id, body.visibility)
    )


@endpoint(
    listings,
    "POST",
    "/agents/{agent_id}/unpublish",
    summary="Take the listing out of the marketplace; copies go on",
    action=Action.AGENT_PUBLISH,
    answer=DraftView,
    errors=(404, 409),
)
def unpublish_agent(call: Call, agent_id: str) -> Answer:
    return draft_answer(call.platform.listings.unpublish(call.principal, agent_id))


def draft_answer(draft: Draft) -> Answer:
    """A listing with its check list, as its owner sees it."""
    view = DraftView(
        **ListingView.model_validate(draft.listing).model_dump(),
        checks=[CheckView.model_validate(check) for check in draft.checks],
        publishable=draft.publishable,
        candidate_id=draft.candidate.id if draft.candidate else None,
        candidate_label=draft.candidate.label if draft.candidate else None,
    )
    # For If-Match only: the check list changes without a revision of the listing.
    return Answer(view, headers={"ETag": f'"{draft.listing.revision}"'})
