"""Endpoints of reviews: reading them, writing one's own, voting, replying, reporting."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from pydantic import Field, StringConstraints

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.api.words import filled_line, written
from chalicelib.domain.reviews import MAX_TEXT, Decision, ReportReason, Review
from chalicelib.domain.tenancy import Action
from chalicelib.services.moderation import Case

reviews = Blueprint(__name__)

ReviewText = Annotated[
    str,
    written(
        r"^[^\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$",
        "Leave out characters that are not seen or turn the text around; lines may break.",
        max_length=MAX_TEXT,
    ),
]
Why = Annotated[str, filled_line(500)]


class ReviewChange(Model):
    stars: int = Field(ge=1, le=5)
    text: ReviewText = ""


class Reply(Model):
    """An empty text takes the reply away."""

    text: ReviewText


class NewReport(Model):
    """`review_id` names one review; without it the whole listing is meant."""

    reason: ReportReason
    detail: ReviewText = ""
    review_id: Annotated[str, StringConstraints(max_length=40)] | None = None


class Verdict(Model):
    """The reason is shown to the author of what is hidden."""

    decision: Decision
    reason: Why


class Restoration(Model):
    reason: Why


class ReviewView(View):
    """Plain text; show it as such."""

    id: str
    author: str
    stars: int
    text: str
    label: str
    helpful: int
    reply: str
    replied_at: datetime | None
    created_at: datetime
    updated_at: datetime


class OwnReviewView(ReviewView):
    hidden: bool
    hidden_reason: str


class ReviewPage(View):
    items: list[ReviewView]
    next_cursor: str | None


class ReviewerView(View):
    """`why_not` is a sentence for people; `voted` names the reviews the caller found helpful."""

    review: OwnReviewView | None
    may_review: bool
    why_not: str | None
    voted: list[str]


class ReceivedView(View):
    id: str


class CaseView(View):
    id: str
    slug: str
    name: str
    reason: ReportReason
    detail: str
    created_at: datetime
    decision: Decision | None
    review_id: str | None
    review_text: str | None
    review_stars: int | None


class CasePage(View):
    items: list[CaseView]
    next_cursor: str | None


@endpoint(
    reviews,
    "GET",
    "/marketplace/agents/{slug}/reviews",
    summary="Read the reviews of a public agent, the most helpful first",
    query=PageQuery,
    answer=ReviewPage,
    errors=(404,),
    public=True,
)
def list_reviews(call: Call, slug: str, query: PageQuery) -> ReviewPage:
    page = call.platform.reviews.page(slug, limit=query.limit, after=query.cursor)
    return ReviewPage(
        items=[ReviewView.model_validate(review) for review in page.items], next_cursor=page.next
    )


@endpoint(
    reviews,
    "GET",
    "/marketplace/agents/{slug}/review",
    summary="Read my review of an agent, and whether I may write one",
    action=Action.REVIEW_WRITE,
    answer=ReviewerView,
    errors=(404,),
)
def get_own_review(call: Call, slug: str) -> ReviewerView:
    return ReviewerView.model_validate(call.platform.reviews.standing(call.principal, slug))


@endpoint(
    reviews,
    "PUT",
    "/marketplace/agents/{slug}/review",
    summary="Write or change my review of an agent that I have run",
    action=Action.REVIEW_WRITE,
    body=ReviewChange,
    answer=OwnReviewView,
    errors=(404, 409),
)
def put_review(call: Call, slug: str, body: ReviewChange) -> OwnReviewView:
    review = call.platform.reviews.put(call.principal, slug, stars=body.stars, text=body.text)
    return OwnReviewView.model_validate(review)


@endpoint(
    reviews,
    "DELETE",
    "/marketplace/agents/{slug}/review",
    summary="Take my review back",
    action=Action.REVIEW_WRITE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def delete_review(call: Call, slug: str) -> None:
    call.platform.reviews.delete(call.principal, slug)


@endpoint(
    reviews,
    "PUT",
    "/marketplace/agents/{slug}/reviews/{review_id}/helpful",
    summary="Say that somebody's review is helpful",
    action=Action.REVIEW_WRITE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def vote_helpful(call: Call, slug: str, review_id: str) -> None:
    call.platform.reviews.vote(call.principal, slug, review_id, helpful=True)


@endpoint(
    reviews,
    "DELETE",
    "/marketplace/agents/{slug}/reviews/{review_id}/helpful",
    summary="Take back that somebody's review is helpful",
    action=Action.REVIEW_WRITE,
    answer=None,
    status=204,
    errors=(404, 409),
)
def unvote_helpful(call: Call, slug: str, review_id: str) -> None:
    call.platform.reviews.vote(call.principal, slug, review_id, helpful=False)


@endpoint(
    reviews,
    "PUT",
    "/agents/{agent_id}/reviews/{review_id}/reply",
    summary="Reply to a review of my agent; an empty text takes the reply away",
    action=Action.AGENT_PUBLISH,
    body=Reply,
    answer=ReviewView,
    errors=(404, 409),
)
def reply_to_review(call: Call, agent_id: str, review_id: str, body: Reply) -> ReviewView:
    review: Review = call.platform.reviews.reply(call.principal, agent_id, review_id, body.text)
    return ReviewView.model_validate(review)


@endpoint(
    reviews,
    "POST",
    "/marketplace/agents/{slug}/reports",
    summary="Report a listing or a review that should not be there",
    action=Action.REVIEW_WRITE,
    body=NewReport,
    answer=ReceivedView,
    status=202,
    errors=(404,),
)
def report_listing(call: Call, slug: str, body: NewReport) -> ReceivedView:
    report = call.platform.moderators.report(
        call.principal, slug, reason=body.reason, detail=body.detail, review=body.review_id
    )
    return ReceivedView(id=report.id)


@endpoint(
    reviews,
    "GET",
    "/moderation/reports",
    summary="For operators: the reports that wait for a decision, oldest first",
    action=Action.MARKETPLACE_MODERATE,
    query=PageQuery,
    answer=CasePage,
    errors=(404,),
)
def list_reports(call: Call, query: PageQuery) -> CasePage:
    cases, following = call.platform.moderators.queue(
        call.principal, limit=query.limit, after=query.cursor
    )
    return CasePage(items=[_case(case) for case in cases], next_cursor=following)


@endpoint(
    reviews,
    "POST",
    "/moderation/reports/{report_id}/decision",
    summary="For operators: hide what was reported, or leave it, with the reason",
    action=Action.MARKETPLACE_MODERATE,
    body=Verdict,
    answer=CaseView,
    errors=(404, 409),
)
def decide_report(call: Call, report_id: str, body: Verdict) -> CaseView:
    return _case(
        call.platform.moderators.decide(
            call.principal, report_id, decision=body.decision, reason=body.reason
        )
    )


@endpoint(
    reviews,
    "POST",
    "/moderation/listings/{slug}/restore",
    summary="For operators: show a hidden listing again",
    action=Action.MARKETPLACE_MODERATE,
    body=Restoration,
    answer=None,
    status=204,
    errors=(404, 409),
)
def restore_listing(call: Call, slug: str, body: Restoration) -> Answer:
    call.platform.moderators.restore(call.principal, slug, reason=body.reason)
    return Answer(None)


def _case(case: Case) -> CaseView:
    report, review = case.report, case.review
    return CaseView(
        id=report.id,
        slug=report.slug,
        name=case.name,
        reason=report.reason,
        detail=report.detail,
        created_at=report.created_at,
        decision=report.decision,
        review_id=review.id if review else None,
        review_text=review.text if review else None,
        review_stars=review.stars if review else None,
    )
