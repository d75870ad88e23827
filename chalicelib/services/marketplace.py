"""The public side of the marketplace: finding agents and reading what they offer."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.copies import month_of
from chalicelib.domain.deployments import Deployment, DeploymentState, Environment
from chalicelib.domain.images import Screenshot
from chalicelib.domain.interface import INTERFACE, Interface
from chalicelib.domain.listings import (
    SLUG,
    AgentListing,
    Found,
    NameClaim,
    PublishedVersion,
    skeleton,
)
from chalicelib.domain.pages import PAGES, Page, Pages, Passage, look_up
from chalicelib.domain.reference import REFERENCE, reference
from chalicelib.domain.search import Counts, Entry, SearchPage, SearchQuery, Sort
from chalicelib.errors import NotFound
from chalicelib.ports import (
    LISTING_SHARDS,
    PUBLIC_LISTINGS,
    PUBLISHED,
    Artifacts,
    Catalogue,
    Clock,
    Store,
    every,
)
from chalicelib.services.catalogue import entry_of
from chalicelib.values import frozen

SHOWN_VERSIONS = 20
README = "readme"
"""The path of the README among the pages; that of the version shown is part of the offer."""
README_TITLE = "README"
FEED_LENGTH = 40
SITEMAP_LENGTH = 20_000
"""A sitemap may have 50,000 addresses; an answer of the API 6 MB."""
_DEMO = frozenset({DeploymentState.LIVE, DeploymentState.ASLEEP})


@frozen
class Offer:
    """Everything the page of one agent shows."""

    listing: AgentListing
    version: PublishedVersion
    versions: tuple[PublishedVersion, ...]
    pages: Pages
    counts: Counts
    demo_url: str | None


class Marketplace:
    def __init__(
        self, *, store: Store, artifacts: Artifacts, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._catalogue = catalogue
        self._clock = clock

    def search(self, query: SearchQuery) -> SearchPage:
        return self._catalogue.search(query)

    def newest(self) -> tuple[Entry, ...]:
        """What was published or updated lately, the latest first."""
        return self._catalogue.search(SearchQuery(sort=Sort.UPDATED, limit=FEED_LENGTH)).items

    def pages(self) -> list[tuple[str, datetime]]:
        """Every public agent's slug and when its page last changed, as far as a sitemap goes."""
        found: list[tuple[str, datetime]] = []
        for shard in range(LISTING_SHARDS):
            for listing in every(self._store, PUBLIC_LISTINGS, str(shard)):
                found.append((listing.slug, listing.updated_at))
                if len(found) == SITEMAP_LENGTH:
                    return found
        return found

    def entry(self, slug: str) -> tuple[Entry, tuple[Screenshot, ...]]:
        """A public agent as its card shows it, with exact counts; and its screenshots."""
        listing = self.find(slug)
        counts = self._store.counts(listing.org_id, listing.agent_id)
        return entry_of(listing, counts, ""), listing.screenshots

    def find(self, slug: str) -> AgentListing:
        """The public listing of this slug; raises NotFound for anything else, hidden ones too."""
        claim = (
            self._store.get(NameClaim, skeleton(slug))
            if len(slug) <= 40 and SLUG.fullmatch(slug)
            else None
        )
        listing = (
            self._store.get(AgentListing, claim.org_id, claim.agent_id)
            if claim is not None and claim.slug == slug
            else None
        )
        if listing is None or not listing.is_public:
            raise NotFound("The marketplace has no agent of this name.", code="listing_unknown")
        return listing

    def read(self, slug: str) -> Offer:
        """The listing with its version, pages and exact counts."""
        return self.offer(Found(self.find(slug)))

    def offer(self, found: Found) -> Offer:
        """What whoever has found the listing sees of it."""
        listing = found.listing
        newest = self._store.page(
            PUBLISHED, listing.org_id, listing.agent_id, limit=SHOWN_VERSIONS
        ).items
        versions = tuple(v for v in newest if v.is_shown_to(found))
        version = next((v for v in versions if v.version_id == listing.version_id), None)
        return Offer(
            listing=listing,
            version=version or self.version(found, listing.version_id or ""),
            versions=versions,
            pages=self._pages(listing, listing.version_id or ""),
            counts=self._store.counts(
                listing.org_id, listing.agent_id, month_of(self._clock.now())
            ),
            demo_url=self._demo(listing) if listing.demo else None,
        )

    def version(self, found: Found, version_id: str) -> PublishedVersion:
        """One published version of a listed agent, if whoever has found it may see it."""
        listing = found.listing
        stored = self._store.get(PublishedVersion, listing.org_id, listing.agent_id, version_id)
        if stored is None or not stored.is_shown_to(found):
            raise NotFound("This agent has not published such a version.", code="version_unknown")
        return stored

    def page(self, found: Found, path: str, version_id: str | None) -> Page:
        """One page of the agent's documentation, in the version shown or another published one."""
        version = self.version(found, version_id or found.listing.version_id or "")
        if path == REFERENCE:
            return self._reference(version)
        pages = Pages.from_json(self._artifacts.get_json(f"{version.prefix}{PAGES}"))
        if path == README and pages.readme:
            return Page(README, README_TITLE, pages.readme)
        for page in pages.docs:
            if page.path == path:
                return page
        raise NotFound("This version has no page of this path.", code="page_unknown")

    def look_up(self, found: Found, text: str, version_id: str | None) -> list[Passage]:
        """Where the documentation of a version has these words, README and reference among it;
        without words, every page it has."""
        version = self.version(found, version_id or found.listing.version_id or "")
        pages = Pages.from_json(self._artifacts.get_json(f"{version.prefix}{PAGES}"))
        readme = [Page(README, README_TITLE, pages.readme)] if pages.readme else []
        every_page = [*readme, *pages.docs, self._reference(version)]
        if not text.strip():
            return [Passage(page.path, page.title, "", "") for page in every_page]
        return look_up(every_page, text)

    def _reference(self, version: PublishedVersion) -> Page:
        said = self._artifacts.get_json(f"{version.prefix}{INTERFACE}")
        return reference(version.manifest, Interface.from_json(said))

    def _pages(self, listing: AgentListing, version_id: str) -> Pages:
        prefix = f"{listing.org_id}/{listing.agent_id}/{version_id}/"
        return Pages.from_json(self._artifacts.get_json(f"{prefix}{PAGES}"))

    def _demo(self, listing: AgentListing) -> str | None:
        place = self._store.get(Environment, listing.org_id, listing.agent_id, "production")
        serving = (
            self._store.get(Deployment, listing.org_id, place.serving)
            if place is not None and place.serving
            else None
        )
        return serving.url if serving is not None and serving.state in _DEMO else None
