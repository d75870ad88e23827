"""Moderation: people report what should not be there, the platform's operators decide."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.audit import SYSTEM, Audited, AuditEvent
from chalicelib.domain.listings import AgentListing, Moderation, NameClaim, skeleton
from chalicelib.domain.reviews import (
    LISTING,
    Decision,
    Report,
    ReportReason,
    Review,
    report_id,
)
from chalicelib.domain.tenancy import Action, Principal, User
from chalicelib.errors import ChangedMeanwhile, Conflict, NotFound
from chalicelib.ports import OPEN_REPORTS, REPORTS, Clock, Page, Put, Store
from chalicelib.services.audit import Audit
from chalicelib.services.marketplace import Marketplace
from chalicelib.services.reviews import Reviews
from chalicelib.values import frozen

_TRIES = 8
_AT_ONCE = 100


@frozen
class Case:
    """A report with what it is about, as it is now."""

    report: Report
    name: str
    review: Review | None


class Moderators:
    def __init__(
        self,
        *,
        store: Store,
        marketplace: Marketplace,
        reviews: Reviews,
        audit: Audit,
        clock: Clock,
        operators: frozenset[str],
    ) -> None:
        self._store = store
        self._marketplace = marketplace
        self._reviews = reviews
        self._audit = audit
        self._clock = clock
        self._operators = operators

    def report(
        self,
        principal: Principal,
        slug: str,
        *,
        reason: ReportReason,
        detail: str,
        review: str | None = None,
    ) -> Report:
        """Reports a listing or one of its reviews; the same person's same report counts once."""
        principal.require(Action.REVIEW_WRITE)
        listing = self._marketplace.find(slug)
        subject = LISTING
        if review is not None:
            found = self._store.get(Review, listing.org_id, listing.agent_id, review)
            if found is None or found.hidden:
                raise NotFound("There is no such review.", code="review_unknown")
            subject = found.id
        made = Report(
            id=report_id(listing.agent_id, subject, principal.user_id),
            org_id=listing.org_id,
            agent_id=listing.agent_id,
            slug=listing.slug,
            subject=subject,
            reason=reason,
            detail=detail,
            reporter=principal.user_id,
            created_at=self._clock.now(),
        )
        try:
            self._store.commit(Put(made))
        except ChangedMeanwhile:
            return self._store.get(Report, made.org_id, made.agent_id, made.id) or made
        return made

    def queue(
        self, principal: Principal, *, limit: int, after: str | None
    ) -> tuple[list[Case], str | None]:
        """The reports nobody has decided yet, oldest first."""
        self._operator(principal)
        page: Page[Report] = self._store.page(
            OPEN_REPORTS, limit=limit, after=after, newest_first=False
        )
        return [self._case(report) for report in page.items], page.next

    def decide(self, principal: Principal, report: str, *, decision: Decision, reason: str) -> Case:
        """Hides what was reported, or leaves it; every open report of the same thing is answered.

        The reason is shown to the author. Safe to repeat.
        """
        operator = self._operator(principal)
        found = self._open(report)
        if decision is Decision.HIDE:
            if found.subject == LISTING:
                self._moderate(found.org_id, found.agent_id, Moderation.HIDDEN, reason)
            else:
                self._reviews.hide(found.org_id, found.agent_id, found.subject, reason, hidden=True)
        same = self._store.page(REPORTS, found.org_id, found.agent_id, limit=_AT_ONCE).items
        now = self._clock.now()
        answered = found
        for one in same:
            if one.subject != found.subject or one.decision is not None:
                continue
            closed = replace(
                one,
                decision=decision,
                decided_by=operator,
                decided_reason=reason,
                decided_at=now,
                revision=one.revision + 1,
            )
            try:
                self._store.commit(Put(closed))
            except ChangedMeanwhile:
                continue
            answered = closed if one.id == found.id else answered
        return self._case(answered)

    def restore(self, principal: Principal, slug: str, *, reason: str) -> None:
        """Shows a hidden listing again."""
        self._operator(principal)
        claim = self._store.get(NameClaim, skeleton(slug)) if skeleton(slug) else None
        if claim is None or claim.slug != slug:
            raise NotFound("The marketplace has no agent of this name.", code="listing_unknown")
        self._moderate(claim.org_id, claim.agent_id, Moderation.CLEAR, reason)

    # --- how ------------------------------------------------------------------------------

    def _operator(self, principal: Principal) -> str:
        """Who is no operator learns nothing, not even that there is something to learn."""
        principal.require(Action.MARKETPLACE_MODERATE)
        user = self._store.get(User, principal.user_id) if self._operators else None
        if user is None or user.email not in self._operators:
            raise NotFound("There is nothing here.")
        return user.id

    def _open(self, report: str) -> Report:
        after: str | None = None
        while True:
            page = self._store.page(OPEN_REPORTS, limit=_AT_ONCE, after=after, newest_first=False)
            for one in page.items:
                if one.id == report:
                    return one
            if page.next is None:
                raise NotFound("There is no open report with this id.", code="report_unknown")
            after = page.next

    def _case(self, report: Report) -> Case:
        listing = self._store.get(AgentListing, report.org_id, report.agent_id)
        review = (
            None
            if report.subject == LISTING
            else self._store.get(Review, report.org_id, report.agent_id, report.subject)
        )
        return Case(report, listing.name if listing else report.slug, review)

    def _moderate(self, org_id: str, agent_id: str, to: Moderation, reason: str) -> None:
        for _ in range(_TRIES):
            listing = self._store.get(AgentListing, org_id, agent_id)
            if listing is None:
                raise NotFound("This listing is gone.", code="listing_unknown")
            if listing.moderation is to:
                return
            hidden = to is Moderation.HIDDEN
            changed = replace(
                listing,
                moderation=to,
                moderation_reason=reason if hidden else "",
                updated_at=self._clock.now(),
                revision=listing.revision + 1,
            )
            said = AuditEvent(
                org_id=org_id,
                actor=SYSTEM,
                action=Audited.LISTING_HIDDEN if hidden else Audited.LISTING_RESTORED,
                subject=agent_id,
                after={"reason": reason},
            )
            try:
                self._audit.commit(said, Put(changed))
            except ChangedMeanwhile:
                continue
            return
        raise Conflict("This listing is changing too fast; try again.")
