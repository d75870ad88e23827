"""The owner's side of the marketplace: drafting a listing, the check list, publishing, withdrawing.

A listing is the agent's own; its slug and its name are held across all organisations from the
moment it is first published, so that links stay right and nobody can pass for somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.agents import Agent, Visibility
from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.ids import is_id
from chalicelib.domain.images import Screenshot
from chalicelib.domain.interface import INTERFACE, MAX_SIGNATURES, Interface, fitted, signature
from chalicelib.domain.listings import (
    BEFORE_ANYBODY,
    RESERVED_SLUGS,
    SLUG,
    AgentListing,
    Check,
    Evidence,
    NameClaim,
    PublishedVersion,
    check_list,
    skeleton,
    visible,
)
from chalicelib.domain.pages import PAGES, Pages
from chalicelib.domain.tenancy import Action, Organisation, Principal
from chalicelib.domain.versions import SourceKind, Version, VersionState
from chalicelib.errors import (
    Conflict,
    FieldError,
    Invalid,
    NotFound,
    PreconditionFailed,
)
from chalicelib.ports import VERSIONS, Artifacts, Change, Clock, Delete, Put, Store
from chalicelib.services.agents import Agents
from chalicelib.services.audit import Audit
from chalicelib.values import frozen

_LOOK_BACK = 20
_LOOKS = 10
"""Among how many of the newest versions one that is ready is looked for: so many, so often."""


@frozen
class Draft:
    """A listing as its owner sees it, with what is still missing before it can be public."""

    listing: AgentListing
    checks: tuple[Check, ...]
    candidate: Version | None
    """The version that publishing would show."""
    pages: Pages

    @property
    def publishable(self) -> bool:
        return not self.unmet(Visibility.PUBLIC)

    def unmet(self, visibility: Visibility) -> tuple[Check, ...]:
        """What is in the way of showing it to so many."""
        public = visibility is Visibility.PUBLIC
        return tuple(
            c for c in self.checks if not c.passed and (public or c.code in BEFORE_ANYBODY)
        )


class Listings:
    def __init__(
        self, *, store: Store, artifacts: Artifacts, agents: Agents, audit: Audit, clock: Clock
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._agents = agents
        self._audit = audit
        self._clock = clock

    def get(self, principal: Principal, agent_id: str) -> Draft:
        """The listing; before anybody has written one, what it would be."""
        principal.require(Action.AGENT_READ, agent_id)
        agent = self._agents.get(principal, agent_id)
        return self._draft(agent, self._stored(agent), None)

    def put(
        self,
        principal: Principal,
        agent_id: str,
        *,
        if_revision: int | None,
        fields: Mapping[str, Any],
    ) -> Draft:
        """Replaces what the listing says. Raises Conflict when slug or name look like somebody
        else's."""
        principal.require(Action.AGENT_UPDATE, agent_id)
        agent = self._agents.get(principal, agent_id)
        stored = self._stored(agent)
        if if_revision is not None and if_revision != stored.revision:
            raise PreconditionFailed(
                "Somebody changed this listing since you read it. Read it again and repeat."
            )
        if stored.is_public:
            principal.require(Action.AGENT_PUBLISH, agent_id)
        wanted = replace(stored, **fields)
        if wanted.slug != stored.slug and stored.published_at is not None:
            raise Conflict(
                f"This agent was published as {stored.slug}; links to it must not break, so the "
                "slug stays.",
                code="slug_fixed",
            )
        if wanted == stored and stored.revision:
            return self._draft(agent, stored, None)
        _slug_checked(wanted.slug)
        changed = replace(
            wanted,
            publisher=wanted.publisher or self._organisation(agent.org_id),
            updated_at=self._clock.now(),
            revision=stored.revision + 1,
        )
        draft = self._draft(agent, changed, None)
        claims = self._claims(changed)
        changes: list[Change] = [Put(changed)]
        if stored.published_at is not None:
            changes += claims + self._given_up(stored, changed)
        if stored.is_public and not draft.publishable:
            raise _unfit(draft.unmet(Visibility.PUBLIC))
        said = AuditEvent.by(
            principal,
            Audited.LISTING_UPDATED,
            agent.id,
            before={k: _plain(getattr(stored, k)) for k in fields if _differs(k, stored, changed)},
            after={k: _plain(getattr(changed, k)) for k in fields if _differs(k, stored, changed)},
        )
        self._audit.commit(said, *changes)
        return draft

    def publish(
        self,
        principal: Principal,
        agent_id: str,
        version_id: str | None,
        visibility: Visibility = Visibility.PUBLIC,
    ) -> Draft:
        """Shows a ready version (by default the newest) to everybody, to the organisation's
        members, or (PRIVATE) to those alone with whom it is shared; safe to repeat.

        Raises Conflict `not_publishable` naming each point of the check list that is not met.
        """
        principal.require(Action.AGENT_PUBLISH, agent_id)
        agent = self._agents.get(principal, agent_id)
        stored = self._stored(agent)
        draft = self._draft(agent, stored, version_id)
        version = draft.candidate
        unmet = draft.unmet(visibility)
        if version is None or version.image is None or unmet:
            raise _unfit(unmet or draft.checks)
        public = visibility is Visibility.PUBLIC
        if public:
            _slug_checked(stored.slug)
        now = self._clock.now()
        shown = replace(
            stored,
            publisher=stored.publisher or self._organisation(agent.org_id),
            licence=stored.licence or draft.pages.licence,
            runtime=agent.runtime,
            visibility=visibility,
            version_id=version.id,
            label=version.label,
            published_at=stored.published_at or (now if public else None),
            refreshed_at=stored.refreshed_at if stored.version_id == version.id else now,
        )
        if shown == stored and agent.visibility is visibility:
            return draft
        shown = replace(shown, updated_at=now, revision=stored.revision + 1)
        # Who sees it among few shall not be taken in either; but a name is held for all to see.
        held = self._claims(shown) if public else self._publisher_claim(shown)
        changes: list[Change] = [Put(shown), *(held if public else [])]
        if agent.visibility is not visibility:
            seen = replace(
                agent, visibility=visibility, updated_at=now, revision=agent.revision + 1
            )
            changes.append(Put(seen))
        changes += self._offered(version, principal, visibility, now)
        said = AuditEvent.by(
            principal,
            Audited.LISTING_PUBLISHED,
            agent.id,
            before={"version_id": stored.version_id},
            after={"version_id": version.id, "slug": shown.slug, "visibility": visibility},
        )
        self._audit.commit(said, *changes)
        return replace(draft, listing=shown)

    def unpublish(self, principal: Principal, agent_id: str) -> Draft:
        """Takes the listing out of the marketplace, the organisation's own among it. Copies and
        shares go on; the slug stays reserved."""
        principal.require(Action.AGENT_PUBLISH, agent_id)
        agent = self._agents.get(principal, agent_id)
        stored = self._stored(agent)
        if stored.visibility is agent.visibility is Visibility.PRIVATE:
            return self._draft(agent, stored, None)
        now = self._clock.now()
        hidden = stored.withdrawn(now)
        unseen = replace(
            agent, visibility=Visibility.PRIVATE, updated_at=now, revision=agent.revision + 1
        )
        said = AuditEvent.by(principal, Audited.LISTING_UNPUBLISHED, agent.id)
        self._audit.commit(said, Put(hidden), Put(unseen))
        return self._draft(unseen, hidden, None)

    def _offered(
        self, version: Version, principal: Principal, visibility: Visibility, now: datetime
    ) -> list[Change]:
        """The version as it is offered, to at least so many; nothing if it is that already."""
        _require_merged(version)
        held = self._store.get(PublishedVersion, version.org_id, version.agent_id, version.id)
        if held is None:
            said = Interface.from_json(self._artifacts.get_json(f"{version.prefix}{INTERFACE}"))
            # One item of the table holds all that a version offers.
            kept = fitted(Interface(tools=said.tools), MAX_SIGNATURES).tools
            tools = None if kept is None else tuple(signature(one) for one in kept)
            made = _published(version, principal.user_id, now)
            return [Put(replace(made, audience=visibility, tools=tools))]
        wider = max(held.audience, visibility, key=list(Visibility).index)
        if wider is held.audience:
            return []
        return [Put(replace(held, audience=wider, revision=held.revision + 1))]

    def _stored(self, agent: Agent) -> AgentListing:
        found = self._store.get(AgentListing, agent.org_id, agent.id)
        if found is not None:
            return found
        return AgentListing(
            org_id=agent.org_id,
            agent_id=agent.id,
            slug=agent.slug,
            name=visible(agent.name),
            summary=visible(agent.description)[:200],
            publisher=visible(self._organisation(agent.org_id)),
            categories=(agent.category,),
            runtime=agent.runtime,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
            revision=0,
        )

    def _draft(self, agent: Agent, listing: AgentListing, version_id: str | None) -> Draft:
        version = self._candidate(agent, version_id)
        pages = Pages()
        report: Mapping[str, Any] = {}
        if version is not None:
            pages = Pages.from_json(self._artifacts.get_json(f"{version.prefix}{PAGES}"))
            report = self._artifacts.get_json(f"{version.prefix}report.json") or {}
        found = Evidence(
            ready=version is not None,
            copied=version is not None and version.source.kind is SourceKind.COPY,
            manifest=(version.manifest if version else None) or {},
            plan=(version.plan if version else None) or {},
            report=report,
            readme=pages.readme,
            licence=listing.licence or pages.licence,
            summary=listing.summary,
            categories=listing.categories,
        )
        return Draft(listing, check_list(found), version, pages)

    def _candidate(self, agent: Agent, version_id: str | None) -> Version | None:
        if version_id is not None:
            named = (
                self._store.get(Version, agent.org_id, version_id)
                if is_id(version_id, "ver")
                else None
            )
            if named is None or named.agent_id != agent.id:
                raise NotFound("This agent has no version with this id.")
            _require_merged(named)
            return named if named.state is VersionState.READY else None
        after: str | None = None
        # A page is nearly always enough; previews of pull requests may fill some.
        for _ in range(_LOOKS):
            newest = self._store.page(
                VERSIONS, agent.org_id, agent.id, limit=_LOOK_BACK, after=after
            )
            fitting = (v for v in newest.items if v.state is VersionState.READY and not v.unmerged)
            found = next(fitting, None)
            after = newest.next
            if found is not None or after is None:
                return found
        return None

    def _claims(self, listing: AgentListing) -> list[Change]:
        """What must be written to hold the slug and the name; nothing if they are held already."""
        wanted = dict.fromkeys(s for s in (skeleton(listing.slug), skeleton(listing.name)) if s)
        held = self._store.get_many(*((NameClaim, s) for s in wanted))
        changes = self._publisher_claim(listing)
        for wish, claim in zip(wanted, held, strict=True):
            if claim is None:
                changes.append(Put(NameClaim(wish, listing.slug, listing.org_id, listing.agent_id)))
            elif claim.agent_id != listing.agent_id:
                field = "slug" if wish == skeleton(listing.slug) else "name"
                raise Conflict(
                    f"“{getattr(listing, field)}” is, or looks like, the name of another "
                    "published agent. Choose one that nobody can take for another.",
                    code="name_taken",
                    errors=(FieldError(field, "Taken, or too much like one that is taken."),),
                )
        return changes

    def _publisher_claim(self, listing: AgentListing) -> list[Change]:
        """What holds the publisher's name; raises Conflict where it is somebody else's."""
        publisher = f"@{skeleton(listing.publisher)}"
        known = self._store.get(NameClaim, publisher)
        if known is None:
            return [Put(NameClaim(publisher, "", listing.org_id, ""))]
        if known.org_id != listing.org_id:
            raise Conflict(
                f"Somebody else publishes as “{listing.publisher}”, or as something that looks "
                "like it. Choose another publisher's name in the listing.",
                code="name_taken",
                errors=(FieldError("publisher", "Taken, or too much like one that is taken."),),
            )
        return []

    def _given_up(self, before: AgentListing, after: AgentListing) -> list[Change]:
        """A published agent that is renamed gives its old name back."""
        old = skeleton(before.name)
        if old in (skeleton(after.name), skeleton(after.slug)):
            return []
        claim = self._store.get(NameClaim, old)
        return [Delete(claim)] if claim and claim.agent_id == after.agent_id else []

    def _organisation(self, org_id: str) -> str:
        found = self._store.get(Organisation, org_id)
        return found.name if found else ""


def _require_merged(version: Version) -> None:
    """Whoever runs a published version runs it with secrets of their own: nothing may be offered
    that nobody has taken in, least of all a stranger's."""
    if version.unmerged:
        raise Conflict(
            f"Version {version.number} is of a pull request that nobody has merged. Merge it and "
            "publish the version that comes of it.",
            code="not_merged",
        )


def _slug_checked(slug: str) -> None:
    if not SLUG.fullmatch(slug) or len(slug) > 40 or slug in RESERVED_SLUGS:
        raise Invalid(
            "This cannot be an agent's address.",
            errors=(
                FieldError(
                    "slug",
                    "Use 1 to 40 of a-z and 0-9, with single dashes between, and none of: "
                    f"{', '.join(sorted(RESERVED_SLUGS))}.",
                ),
            ),
        )


def _unfit(unmet: tuple[Check, ...]) -> Conflict:
    return Conflict(
        "This agent cannot be shown yet; `errors` names each point that is not met, and what to "
        "do about it.",
        code="not_publishable",
        errors=tuple(FieldError(c.code, c.detail) for c in unmet),
    )


def _published(version: Version, user_id: str, now: datetime) -> PublishedVersion:
    return PublishedVersion(
        org_id=version.org_id,
        agent_id=version.agent_id,
        version_id=version.id,
        number=version.number,
        label=version.label,
        image=version.image or "",
        image_size=version.image_size,
        plan=version.plan or {},
        manifest=version.manifest or {},
        source_key=version.source.key,
        source_filename=version.source.filename,
        source_size=version.source.size,
        source_digest=version.source.digest,
        prefix=version.prefix,
        published_by=user_id,
        published_at=now,
    )


def _differs(name: str, before: AgentListing, after: AgentListing) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [one.path if isinstance(one, Screenshot) else one for one in value]
    return value
