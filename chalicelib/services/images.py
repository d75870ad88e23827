"""The pictures of a listing: taking them in, in order, and clearing away what is shown no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.domain.images import (
    ICON,
    MAX_SCREENSHOTS,
    SCREENSHOT,
    ImageLimits,
    Screenshot,
    checked,
    media_path,
)
from chalicelib.domain.listings import AgentListing
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.errors import Conflict, FieldError, Invalid, PlatformError
from chalicelib.ports import Artifacts, Store
from chalicelib.services.agents import Agents
from chalicelib.services.listings import Draft, Listings
from chalicelib.telemetry import logger
from chalicelib.values import frozen


@frozen
class Arranged:
    """A screenshot that stays, at its place in the row, and what is said of it."""

    path: str
    alt: str


class Images:
    def __init__(
        self, *, store: Store, artifacts: Artifacts, listings: Listings, agents: Agents
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._listings = listings
        self._agents = agents

    def set_icon(
        self, principal: Principal, agent_id: str, data: bytes, *, if_revision: int | None
    ) -> Draft:
        """Shows this picture as the agent's icon. Raises Invalid for what is none."""
        listing = self._listing(principal, agent_id)
        path = self._taken_in(listing, data, ICON)[0]
        return self._changed(
            principal, listing, if_revision, picture=path, screenshots=listing.screenshots
        )

    def remove_icon(self, principal: Principal, agent_id: str, *, if_revision: int | None) -> Draft:
        listing = self._listing(principal, agent_id)
        return self._changed(
            principal, listing, if_revision, picture="", screenshots=listing.screenshots
        )

    def add_screenshot(
        self,
        principal: Principal,
        agent_id: str,
        data: bytes,
        alt: str,
        *,
        if_revision: int | None,
    ) -> Draft:
        """Adds a screenshot behind the others."""
        listing = self._listing(principal, agent_id)
        if len(listing.screenshots) >= MAX_SCREENSHOTS:
            raise Conflict(
                f"A listing shows at most {MAX_SCREENSHOTS} screenshots. Remove one first.",
                code="screenshot_limit",
            )
        path, width, height = self._taken_in(listing, data, SCREENSHOT)
        shown = (*listing.screenshots, Screenshot(path, width, height, alt))
        return self._changed(
            principal, listing, if_revision, picture=listing.picture, screenshots=shown
        )

    def arrange(
        self,
        principal: Principal,
        agent_id: str,
        wanted: Sequence[Arranged],
        *,
        if_revision: int | None,
    ) -> Draft:
        """Shows these of the listing's screenshots, in this order; the others are removed."""
        listing = self._listing(principal, agent_id)
        known = {one.path: one for one in listing.screenshots}
        shown: dict[str, Screenshot] = {}
        for one in wanted:
            if one.path not in known or one.path in shown:
                raise Invalid(
                    "These are not the listing's screenshots, each once.",
                    errors=(FieldError("items", "Name each by its path, as the listing does."),),
                )
            shown[one.path] = replace(known[one.path], alt=one.alt)
        return self._changed(
            principal,
            listing,
            if_revision,
            picture=listing.picture,
            screenshots=tuple(shown.values()),
        )

    # --- how ----------------------------------------------------------------------------------

    def _listing(self, principal: Principal, agent_id: str) -> AgentListing:
        """The listing, if the caller may change it: nothing is taken in before that is known."""
        listing = self._listings.get(principal, agent_id).listing
        principal.require(Action.AGENT_UPDATE, agent_id)
        if listing.is_public:
            principal.require(Action.AGENT_PUBLISH, agent_id)
        return listing

    def _taken_in(
        self, listing: AgentListing, data: bytes, limits: ImageLimits
    ) -> tuple[str, int, int]:
        image = checked(data, limits)
        path = media_path(listing.org_id, listing.agent_id, image)
        self._artifacts.put_media(path, image.data, image.media_type)
        return path, image.width, image.height

    def _changed(
        self,
        principal: Principal,
        before: AgentListing,
        if_revision: int | None,
        *,
        picture: str,
        screenshots: tuple[Screenshot, ...],
    ) -> Draft:
        """The listing with these pictures. Whichever of the two sides is not shown is removed."""
        old = {before.picture, *(one.path for one in before.screenshots)}
        new = {picture, *(one.path for one in screenshots)}
        # What was read is what is changed: of two who add a picture at once, the second is told.
        revision = before.revision if if_revision is None else if_revision
        try:
            draft = self._listings.put(
                principal,
                before.agent_id,
                if_revision=revision,
                fields={"picture": picture, "screenshots": screenshots},
            )
        except PlatformError:
            self._clear(new - old)
            raise
        self._clear(old - new)
        return draft

    def _clear(self, paths: set[str]) -> None:
        for path in paths - {""}:
            try:
                self._artifacts.remove_all(path)
            except PlatformError as error:
                # It goes with the agent at the latest.
                logger.warning("a picture that was left", extra={"detail": error.detail})
