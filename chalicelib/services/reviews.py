"""Reviewing agents: by people who have run them, one each, with the author's reply."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import islice

from chalicelib.domain.copies import Run
from chalicelib.domain.deployments import DeploymentState
from chalicelib.domain.listings import AgentListing
from chalicelib.domain.reviews import Review, Vote, review_id, shown_name
from chalicelib.domain.tenancy import Action, Membership, Principal, User
from chalicelib.errors import ChangedMeanwhile, Conflict, Forbidden, NotFound
from chalicelib.ports import (
    DEPLOYMENTS,
    REVIEWS,
    RUNS,
    VOTES,
    Change,
    Clock,
    Delete,
    Page,
    Put,
    Store,
    Tally,
    every,
)
from chalicelib.services.agents import Agents
from chalicelib.services.marketplace import Marketplace
from chalicelib.values import frozen

_TRIES = 8
_LOOK_BACK = 20
_VOTES_SEEN = 500
"""So many of a person's votes are looked through for those on one agent."""


@frozen
class Standing:
    """Whether somebody may review an agent; `why_not` says what is in the way, for people."""

    review: Review | None
    may_review: bool
    why_not: str | None
    voted: tuple[str, ...] = ()
    """The reviews of this agent that they found helpful."""


class Reviews:
    def __init__(
        self, *, store: Store, marketplace: Marketplace, agents: Agents, clock: Clock
    ) -> None:
        self._store = store
        self._marketplace = marketplace
        self._agents = agents
        self._clock = clock

    def page(self, slug: str, *, limit: int, after: str | None) -> Page[Review]:
        """The reviews of a public agent, the most helpful first."""
        listing = self._marketplace.find(slug)
        return self._store.page(REVIEWS, listing.org_id, listing.agent_id, limit=limit, after=after)

    def standing(self, principal: Principal, slug: str) -> Standing:
        """The caller's own review, and whether they may write one."""
        principal.require(Action.REVIEW_WRITE)
        listing = self._marketplace.find(slug)
        review = self._own(listing, principal.user_id)
        why_not = self._why_not(principal, listing)
        cast = islice(every(self._store, VOTES, principal.user_id), _VOTES_SEEN)
        voted = tuple(vote.review_id for vote in cast if vote.agent_id == listing.agent_id)
        return Standing(review, why_not is None, why_not, voted)

    def put(self, principal: Principal, slug: str, *, stars: int, text: str) -> Review:
        """Writes or changes the caller's review. Raises Forbidden for who has not run the agent,
        and for its author."""
        principal.require(Action.REVIEW_WRITE)
        listing = self._marketplace.find(slug)
        why_not = self._why_not(principal, listing)
        if why_not is not None:
            raise Forbidden(why_not)
        user = self._store.get(User, principal.user_id)
        author = shown_name(user.name, user.email) if user else "A user"

        def change(found: Review | None, now: datetime) -> tuple[Review, list[Change]]:
            if found is None:
                made = Review(
                    org_id=listing.org_id,
                    agent_id=listing.agent_id,
                    id=review_id(listing.agent_id, principal.user_id),
                    user_id=principal.user_id,
                    author=author,
                    stars=stars,
                    text=text,
                    label=listing.label,
                    created_at=now,
                    updated_at=now,
                )
                return made, [Put(made), _count(made, ratings=1, stars=stars)]
            if (found.stars, found.text, found.author) == (stars, text, author):
                return found, []
            after = found.changed(now, stars=stars, text=text, author=author, label=listing.label)
            counted = (
                []
                if found.hidden or stars == found.stars
                else [_count(found, stars=stars - found.stars)]
            )
            return after, [Put(after), *counted]

        return self._changing(lambda: self._own(listing, principal.user_id), change)

    def delete(self, principal: Principal, slug: str) -> None:
        """Takes the caller's review back; without one, nothing happens."""
        principal.require(Action.REVIEW_WRITE)
        listing = self._marketplace.find(slug)
        self._remove(listing.org_id, listing.agent_id, principal.user_id)

    def vote(self, principal: Principal, slug: str, review: str, *, helpful: bool) -> None:
        """Says, or takes back, that somebody else's review is helpful. Safe to repeat."""
        principal.require(Action.REVIEW_WRITE)
        listing = self._marketplace.find(slug)
        voter = principal.user_id

        def change(found: Review | None, now: datetime) -> tuple[Review, list[Change]]:
            if found is None or found.hidden:
                raise _unknown()
            if found.user_id == voter:
                raise Forbidden("This review is your own; others say whether it is helpful.")
            vote = self._store.get(Vote, listing.org_id, listing.agent_id, found.id, voter)
            if (vote is not None) == helpful:
                return found, []
            after = found.changed(found.updated_at, helpful=found.helpful + (1 if helpful else -1))
            cast = Vote(listing.org_id, listing.agent_id, found.id, voter, now)
            return after, [Put(after), Put(cast) if vote is None else Delete(vote)]

        self._changing(lambda: self._get(listing.org_id, listing.agent_id, review), change)

    def reply(self, principal: Principal, agent_id: str, review: str, text: str) -> Review:
        """The author's answer to a review, shown below it; an empty one takes it away."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.AGENT_PUBLISH, agent_id)

        def change(found: Review | None, now: datetime) -> tuple[Review, list[Change]]:
            if found is None:
                raise _unknown()
            if found.reply == text:
                return found, []
            after = found.changed(found.updated_at, reply=text, replied_at=now if text else None)
            return after, [Put(after)]

        return self._changing(lambda: self._get(agent.org_id, agent.id, review), change)

    def hide(self, org_id: str, agent_id: str, review: str, reason: str, *, hidden: bool) -> None:
        """For operators: a hidden review is shown to nobody and counts for nothing."""

        def change(found: Review | None, now: datetime) -> tuple[Review, list[Change]]:
            if found is None:
                raise _unknown()
            if found.hidden == hidden:
                return found, []
            after = found.changed(now, hidden=hidden, hidden_reason=reason if hidden else "")
            sign = -1 if hidden else 1
            return after, [Put(after), _count(found, ratings=sign, stars=sign * found.stars)]

        self._changing(lambda: self._get(org_id, agent_id, review), change)

    def of(self, user_id: str) -> list[tuple[str, Review]]:
        """Every review a person has written, with the agent's slug; "" once the agent is gone."""
        found: list[tuple[str, Review]] = []
        for run in every(self._store, RUNS, user_id):
            listing, review = self._store.get_many(
                (AgentListing, run.org_id, run.agent_id),
                (Review, run.org_id, run.agent_id, review_id(run.agent_id, user_id)),
            )
            if review is not None:
                found.append((listing.slug if listing else "", review))
        return found

    def forget(self, user_id: str) -> None:
        """Removes everything a person has said, and that they have run anything. What was counted
        of their copies and their votes stays."""
        for vote in list(every(self._store, VOTES, user_id)):
            self._store.commit(Delete(vote))
        for run in list(every(self._store, RUNS, user_id)):
            self._remove(run.org_id, run.agent_id, user_id)
            self._store.commit(Delete(run))

    # --- how ------------------------------------------------------------------------------

    def _remove(self, org_id: str, agent_id: str, user_id: str) -> None:
        for _ in range(_TRIES):
            found = self._get(org_id, agent_id, review_id(agent_id, user_id))
            if found is None:
                return
            counted = [] if found.hidden else [_count(found, ratings=-1, stars=-found.stars)]
            try:
                self._store.commit(Delete(found), *counted)
            except ChangedMeanwhile:
                continue
            return
        raise Conflict("This review is changing too fast; try again.")

    def _changing(
        self,
        read: Callable[[], Review | None],
        change: Callable[[Review | None, datetime], tuple[Review, list[Change]]],
    ) -> Review:
        for _ in range(_TRIES):
            after, changes = change(read(), self._clock.now())
            if not changes:
                return after
            try:
                self._store.commit(*changes)
            except ChangedMeanwhile:
                continue
            return after
        raise Conflict("This review is changing too fast; try again.")

    def _why_not(self, principal: Principal, listing: AgentListing) -> str | None:
        run, membership = self._store.get_many(
            (Run, listing.org_id, listing.agent_id, principal.user_id),
            (Membership, listing.org_id, principal.user_id),
        )
        if membership is not None:
            return "You belong to the organisation that publishes this agent; others review it."
        if run is None:
            return "Deploy your own copy and try it first; then say what you think of it."
        for org_id, agent_id in run.copies:
            newest = self._store.page(DEPLOYMENTS, org_id, agent_id, limit=_LOOK_BACK).items
            if any(DeploymentState.LIVE.value in d.timings for d in newest):
                return None
        return "Your copy was never live yet. Deploy it, try it, and then say what you think."

    def _own(self, listing: AgentListing, user_id: str) -> Review | None:
        return self._get(listing.org_id, listing.agent_id, review_id(listing.agent_id, user_id))

    def _get(self, org_id: str, agent_id: str, review: str) -> Review | None:
        return self._store.get(Review, org_id, agent_id, review)


def _count(review: Review, **amounts: int) -> Tally:
    return Tally(review.org_id, review.agent_id, amounts)


def _unknown() -> NotFound:
    return NotFound("There is no such review.", code="review_unknown")
