"""Keeping the search index at what is true: whatever changed is read again and handed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chalicelib.domain.listings import AgentListing
from chalicelib.domain.pages import PAGES, Pages, plain_text
from chalicelib.domain.search import Counts, Entry, Withdrawn
from chalicelib.errors import NotFound, PlatformError
from chalicelib.ports import LISTING_SHARDS, PUBLIC_LISTINGS, Artifacts, Catalogue, Store, every
from chalicelib.telemetry import logger


class Indexing:
    def __init__(self, *, store: Store, artifacts: Artifacts, catalogue: Catalogue) -> None:
        self._store = store
        self._artifacts = artifacts
        self._catalogue = catalogue

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
