"""Keeping the search index at what is true: whatever changed is read again and handed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.listings import AgentListing, NameClaim, skeleton
from chalicelib.domain.operations import Sweep
from chalicelib.domain.pages import PAGES, Pages, plain_text
from chalicelib.domain.search import Counts, Entry, Withdrawn
from chalicelib.errors import ChangedMeanwhile, NotFound, PlatformError
from chalicelib.ports import (
    LISTING_SHARDS,
    PUBLIC_LISTINGS,
    Artifacts,
    Catalogue,
    Clock,
    Put,
    Store,
    every,
)
from chalicelib.telemetry import logger

SWEEP_EVERY = timedelta(days=1)
SWEPT_AT_ONCE = 100
"""As many as one read takes."""
SWEPT_FOR = timedelta(seconds=20)
"""How long one run goes on with it; a hundred thousand agents take two or three hours of runs."""


class Indexing:
    def __init__(
        self,
        *,
        store: Store,
        artifacts: Artifacts,
        catalogue: Catalogue,
        clock: Clock,
        swept_at_once: int = SWEPT_AT_ONCE,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._catalogue = catalogue
        self._clock = clock
        self._swept_at_once = swept_at_once

    def refresh(self, agents: Iterable[tuple[str, str]]) -> int:
        """Hands the present state of these agents (organisation, id) to the index.

        It asks the store and believes no event, so that old, repeated and unordered ones all lead
        to the same. The answer is how many were handed over.
        """
        found = [entry for agent in dict.fromkeys(agents) if (entry := self._tried(*agent))]
        if not found:
            return 0
        if not self._catalogue.feed(found):
            logger.info("making the search index anew")
            self.rebuild()
        return len(found)

    def ensure(self) -> None:
        """Makes the index if there is none, or one of an older form."""
        if not self._catalogue.is_ready():
            self.rebuild()

    def rebuild(self) -> None:
        """The whole index from the table, shard by shard; what an empty or outdated one needs."""
        self._catalogue.rebuild(self._all())

    def sweep(self) -> int:
        """Compares a part of the index with the table, and mends what differs; the answer is how
        much that was. Once a day it goes through all of it: an event may have been lost for good.

        It goes on for as long as a run of the reconciler can spare. A run that is killed is
        repeated. Of two at once, one writes down how far it came.
        """
        last = self._store.get(Sweep)
        began = self._clock.now()
        if last is not None and last.done and began - last.began_at < SWEEP_EVERY:
            return 0
        self.ensure()
        sweep = last if last is not None and not last.done else Sweep(began)
        mended = 0
        while not sweep.done and self._clock.now() - began < SWEPT_FOR:
            step = self._by_table if sweep.part < LISTING_SHARDS else self._by_index
            differing, sweep = step(sweep)
            if differing:
                logger.warning("the search index differed", extra={"agents": len(differing)})
                self._catalogue.feed(differing)
                mended += len(differing)
        revision = 1 if last is None else last.revision + 1
        with suppress(ChangedMeanwhile):
            self._store.commit(Put(replace(sweep, revision=revision)))
        return mended

    def _by_table(self, sweep: Sweep) -> tuple[list[Entry | Withdrawn], Sweep]:
        """What is public, and not in the index as it is."""
        page = self._store.page(
            PUBLIC_LISTINGS,
            str(sweep.part),
            limit=self._swept_at_once,
            after=sweep.after,
            newest_first=False,
        )
        found = [self._tried(one.org_id, one.agent_id) for one in page.items]
        public = [entry for entry in found if isinstance(entry, Entry)]
        after = replace(sweep, after=page.next)
        if page.next is None:
            after = replace(sweep, part=sweep.part + 1, after=None)
        return list(self._catalogue.stale(public)) if public else [], after

    def _by_index(self, sweep: Sweep) -> tuple[list[Entry | Withdrawn], Sweep]:
        """What is in the index, and not public."""
        held = self._catalogue.held(sweep.after or "", self._swept_at_once)
        gone = self._gone(held)
        if len(held) < self._swept_at_once:
            return list(gone), replace(sweep, done=True)
        return list(gone), replace(sweep, after=held[-1][0])

    def _gone(self, held: Sequence[tuple[str, str]]) -> list[Withdrawn]:
        """Those of the index that nobody offers to everybody any more; two reads for all."""
        names = dict.fromkeys(skeleton(slug) for _, slug in held)
        claims = self._store.get_many(*((NameClaim, name) for name in names))
        owners = {(one.org_id, one.agent_id) for one in claims if one is not None}
        listings = self._store.get_many(*((AgentListing, *one) for one in sorted(owners)))
        shown = {one.agent_id for one in listings if one is not None and one.is_public}
        return [Withdrawn(agent_id) for agent_id, _ in held if agent_id not in shown]

    def _all(self) -> Iterator[Entry]:
        for shard in range(LISTING_SHARDS):
            for listing in every(self._store, PUBLIC_LISTINGS, str(shard)):
                yield self._entry_of(listing)

    def _tried(self, org_id: str, agent_id: str) -> Entry | Withdrawn | None:
        """What cannot be read for now is tried again, by whoever calls; what can never be read
        must not stand in the way of the rest."""
        try:
            return self._entry(org_id, agent_id)
        except PlatformError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it would come again with each repeat
            logger.exception("a listing that cannot be indexed", extra={"agent_id": agent_id})
            return None

    def _entry(self, org_id: str, agent_id: str) -> Entry | Withdrawn:
        listing = self._store.get(AgentListing, org_id, agent_id)
        if listing is None or not listing.is_public:
            return Withdrawn(agent_id)
        return self._entry_of(listing)

    def _entry_of(self, listing: AgentListing) -> Entry:
        counts = self._store.counts(listing.org_id, listing.agent_id)
        return entry_of(listing, counts, self._body(listing))

    def _body(self, listing: AgentListing) -> str:
        prefix = f"{listing.org_id}/{listing.agent_id}/{listing.version_id}/"
        try:
            pages = Pages.from_json(self._artifacts.get_json(f"{prefix}{PAGES}"))
        except NotFound:
            return ""
        return plain_text(pages.readme)


def entry_of(listing: AgentListing, counts: Counts, body: str) -> Entry:
    """A listing as the index holds it and cards show it."""
    return Entry(
        agent_id=listing.agent_id,
        slug=listing.slug,
        name=listing.name,
        summary=listing.summary,
        publisher=listing.publisher,
        categories=listing.categories,
        tags=listing.tags,
        runtime=listing.runtime,
        licence=listing.licence,
        icon=listing.icon,
        picture=listing.picture,
        label=listing.label,
        published_at=listing.published_at or listing.updated_at,
        refreshed_at=listing.refreshed_at or listing.updated_at,
        counts=counts,
        body=body,
    )
