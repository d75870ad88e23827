"""Sharing an agent with an organisation, a person or whoever holds a link; and what is found so.

What is shared never enters the public index: who looks among it searches a few listings of their
own, so that no count and no correction tells anybody else that they are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from chalicelib.domain.agents import Visibility
from chalicelib.domain.audit import SYSTEM, Audited, AuditEvent
from chalicelib.domain.copies import Origin
from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.emails import normal_email
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.invitations import plain_line
from chalicelib.domain.listings import AgentListing, Found, Sight
from chalicelib.domain.search import Counts, SearchPage, SearchQuery
from chalicelib.domain.shares import (
    MAX_SHARES,
    Share,
    ShareKind,
    new_secret,
    parsed_secret,
)
from chalicelib.domain.tenancy import Action, Organisation, Principal, User
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    FieldError,
    Invalid,
    NotFound,
    PlatformError,
)
from chalicelib.ports import (
    MEMBERS_LISTINGS,
    SHARED_WITH_ORGANISATION,
    SHARED_WITH_PERSON,
    SHARES,
    Catalogue,
    Clock,
    Delete,
    Listing,
    Mail,
    Put,
    Store,
    every,
)
from chalicelib.services.agents import Agents
from chalicelib.services.audit import Audit
from chalicelib.services.catalogue import entry_of
from chalicelib.services.limits import Limits
from chalicelib.services.listings import Listings
from chalicelib.telemetry import logger

_AT_ONCE = 100
SEEN_AT_MOST = 400
"""So many listings of one's own organisation, and as many shares, are looked through."""


class Sharing:
    def __init__(
        self,
        *,
        store: Store,
        catalogue: Catalogue,
        agents: Agents,
        listings: Listings,
        mail: Mail,
        limits: Limits,
        audit: Audit,
        clock: Clock,
        web_url: str,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._agents = agents
        self._listings = listings
        self._mail = mail
        self._limits = limits
        self._audit = audit
        self._clock = clock
        self._web_url = web_url

    # --- for those who share ----------------------------------------------------------------

    def share(
        self,
        principal: Principal,
        agent_id: str,
        *,
        kind: ShareKind,
        organisation_id: str = "",
        email: str = "",
        note: str = "",
        expires_at: datetime | None = None,
    ) -> tuple[Share, str | None]:
        """The new share, and the secret of a link, which is shown this once.

        Where nothing is offered yet, the newest ready version is, to those it is shared with.
        """
        principal.require(Action.AGENT_SHARE, agent_id)
        agent = self._agents.get(principal, agent_id)
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Invalid(
                "A share cannot have ended already.",
                errors=(FieldError("expires_at", "Name a moment to come, or leave it out."),),
            )
        grantee = self._grantee(principal, kind, organisation_id, email)
        stored = self._store.page(SHARES, agent.org_id, agent.id, limit=MAX_SHARES).items
        # One that has ended stays stored for a while.
        held = [share for share in stored if share.is_open(now)]
        if any(s.kind is kind and s.grantee == grantee != "" for s in held):
            raise Conflict("It is shared with them already.", code="already_shared")
        if len(held) >= MAX_SHARES:
            raise Conflict(
                f"An agent can be shared {MAX_SHARES} times. End some shares first.",
                code="share_limit",
            )
        listing = self._store.get(AgentListing, agent.org_id, agent.id)
        if listing is None or listing.version_id is None:
            listing = self._listings.publish(principal, agent.id, None, Visibility.PRIVATE).listing
        share_id = new_id("shr")
        secret = new_secret(agent.org_id, agent.id, share_id)
        made = Share(
            id=share_id,
            org_id=agent.org_id,
            agent_id=agent.id,
            kind=kind,
            grantee=grantee,
            note=note,
            hash=hash_secret(secret.secret) if kind is ShareKind.LINK else "",
            created_by=principal.user_id,
            created_at=now,
            expires_at=expires_at,
        )
        said: dict[str, object] = {"share_id": share_id, "kind": kind}
        if kind is ShareKind.ORGANISATION:
            said["organisation_id"] = grantee
        event = AuditEvent.by(principal, Audited.AGENT_SHARED, agent.id, after=said)
        self._audit.commit(event, Put(made))
        if kind is ShareKind.PERSON:
            self._tell(principal, made, listing.name)
        return made, str(secret) if kind is ShareKind.LINK else None

    def shares(self, principal: Principal, agent_id: str) -> list[Share]:
        """With whom the agent is shared, the newest first."""
        principal.require(Action.AGENT_SHARE, agent_id)
        agent = self._agents.get(principal, agent_id)
        now = self._clock.now()
        return [s for s in every(self._store, SHARES, agent.org_id, agent.id) if s.is_open(now)]

    def revoke(self, principal: Principal, agent_id: str, share_id: str) -> None:
        """Ends a share at once. Copies that were made go on, without updates."""
        principal.require(Action.AGENT_SHARE, agent_id)
        agent = self._agents.get(principal, agent_id)
        found = (
            self._store.get(Share, agent.org_id, agent.id, share_id)
            if is_id(share_id, "shr")
            else None
        )
        if found is None:
            raise NotFound("This agent has no such share.", code="share_unknown")
        said = {"share_id": share_id, "kind": found.kind}
        event = AuditEvent.by(principal, Audited.AGENT_UNSHARED, agent.id, before=said)
        self._audit.commit(event, Delete(found))

    # --- for those it is shared with ----------------------------------------------------------

    def search(self, principal: Principal, query: SearchQuery) -> tuple[SearchPage, dict[str, str]]:
        """What the caller's organisation and others show to them, beside what is public; and of
        each agent how they come to see it."""
        principal.require(Action.AGENT_READ)
        seen = {found.listing.agent_id: found for found in self._all(principal)}
        entries = [entry_of(found.listing, Counts(), "") for found in seen.values()]
        how = {agent_id: found.shared_by or Sight.MEMBER.value for agent_id, found in seen.items()}
        return self._catalogue.search_among(entries, query), how

    def find(self, principal: Principal, offer_id: str) -> Found:
        """The listing of this agent, if the caller's organisation or somebody else shows it to
        them; raises NotFound for anything else."""
        principal.require(Action.AGENT_READ)
        if is_id(offer_id, "agt"):
            own = self._store.get(AgentListing, principal.org_id, offer_id)
            if own is not None and own.is_for_members and principal.sees(offer_id):
                return Found(own, Sight.MEMBER)
            for share in self._shared_with(principal):
                if share.agent_id == offer_id and (found := self._through(share)):
                    return found
        raise _unknown()

    def decline(self, principal: Principal, offer_id: str) -> None:
        """Ends what somebody shares with the caller in person: nobody has to be shown things."""
        principal.require(Action.ACCOUNT_MANAGE)
        user = self._store.get(User, principal.user_id)
        for share in self.of(user.email) if user is not None else ():
            if share.agent_id != offer_id:
                continue
            # Who it was is not theirs to know beyond what they have written down themselves.
            said = {"share_id": share.id, "kind": share.kind, "declined": True}
            event = AuditEvent(
                share.org_id, SYSTEM, Audited.AGENT_UNSHARED, share.agent_id, before=said
            )
            try:
                self._audit.commit(event, Delete(share))
            except ChangedMeanwhile as error:
                raise _unknown() from error
            return
        raise _unknown()

    def opened(self, token: str) -> Found:
        """The listing that a link leads to; raises NotFound for any that leads nowhere."""
        parsed = parsed_secret(token)
        share = (
            self._store.get(Share, parsed.org_id, parsed.agent_id, parsed.share_id)
            if parsed
            else None
        )
        if parsed is None or share is None or not share.opens_with(parsed.secret):
            raise _ended()
        found = self._through(share)
        if found is None:
            raise _ended()
        return found

    def still(self, origin: Origin, org_id: str) -> Found | None:
        """How a copy in this organisation still sees what it was made of; None: not any more."""
        listing = self._store.get(AgentListing, origin.org_id, origin.agent_id)
        if listing is None or not listing.is_offered:
            return None
        if listing.is_public:
            return Found(listing)
        if listing.is_for_members and org_id == origin.org_id:
            return Found(listing, Sight.MEMBER)
        share = (
            self._store.get(Share, origin.org_id, origin.agent_id, origin.share_id)
            if origin.share_id
            else None
        )
        return self._through(share) if share is not None else None

    def of(self, email: str) -> list[Share]:
        """Everything that is shared with this address, for its owner to read."""
        return list(every(self._store, SHARED_WITH_PERSON, email))

    def forget(self, email: str) -> None:
        """Ends what was shared with a person who is no more."""
        for share in self.of(email):
            self._store.commit(Delete(share))

    # --- how ----------------------------------------------------------------------------------

    def _grantee(
        self, principal: Principal, kind: ShareKind, organisation_id: str, email: str
    ) -> str:
        if kind is ShareKind.LINK:
            return ""
        if kind is ShareKind.PERSON:
            return normal_email(email)
        if organisation_id == principal.org_id:
            raise Invalid(
                "This is the agent's own organisation.",
                errors=(
                    FieldError(
                        "organisation_id",
                        "Its members see the agent when it is published to the organisation.",
                    ),
                ),
            )
        found = (
            self._store.get(Organisation, organisation_id)
            if is_id(organisation_id, "org")
            else None
        )
        if found is None or found.closing:
            raise Invalid(
                "There is no such organisation.",
                errors=(
                    FieldError(
                        "organisation_id",
                        "Ask somebody there for the id; it stands in the organisation's settings.",
                    ),
                ),
            )
        return found.id

    def _all(self, principal: Principal) -> Iterator[Found]:
        own = every(self._store, MEMBERS_LISTINGS, principal.org_id)
        for listing in islice(own, SEEN_AT_MOST):
            if listing.is_for_members and principal.sees(listing.agent_id):
                yield Found(listing, Sight.MEMBER)
        shares = list(self._shared_with(principal))
        now = self._clock.now()
        for start in range(0, len(shares), _AT_ONCE):
            some = {s.agent_id: s for s in shares[start : start + _AT_ONCE] if s.is_open(now)}
            listings = self._store.get_many(
                *((AgentListing, s.org_id, s.agent_id) for s in some.values())
            )
            for share, listing in zip(some.values(), listings, strict=True):
                if listing is not None and listing.is_offered:
                    yield Found(listing, Sight.SHARED, share.id, share.kind.value)

    def _shared_with(self, principal: Principal) -> Iterator[Share]:
        """The newest shares with the caller; none for a token that is for one agent alone, and of
        the organisation's none for a member who sees but some of its agents."""
        if principal.agent_id is not None:
            return
        user = self._store.get(User, principal.user_id)
        asked: list[tuple[Listing[Share], str]] = []
        if user is not None:
            asked.append((SHARED_WITH_PERSON, user.email))
        if not principal.restricted:
            asked.append((SHARED_WITH_ORGANISATION, principal.org_id))
        for listing, scope in asked:
            for share in islice(every(self._store, listing, scope), SEEN_AT_MOST):
                if share.org_id != principal.org_id:
                    yield share

    def _through(self, share: Share) -> Found | None:
        """What a share shows now. Lists may be a little old: it is read again."""
        stored, listing = self._store.get_many(
            (Share, share.org_id, share.agent_id, share.id),
            (AgentListing, share.org_id, share.agent_id),
        )
        if stored is None or not stored.is_open(self._clock.now()):
            return None
        if listing is None or not listing.is_offered:
            return None
        return Found(listing, Sight.SHARED, share.id, share.kind.value)

    def _tell(self, principal: Principal, share: Share, name: str) -> None:
        """A mail to the person. Without it the share is as good: they find it when they sign in."""
        user, organisation = self._store.get_many(
            (User, principal.user_id), (Organisation, principal.org_id)
        )
        if not self._limits.may_mail(share.grantee, principal.address):
            return
        sender = user.email if user else "Somebody"
        try:
            self._mail.send(
                share.grantee,
                f"{plain_line(name)} on Slipway",
                f"{sender} of “{plain_line(organisation.name if organisation else '')}” shares "
                f"the agent “{plain_line(name)}” with you on Slipway.\n\n"
                "Sign in with this address to read about it and run a copy of your own:\n\n"
                f"{self._web_url}/marketplace/shared/{share.agent_id}\n\n"
                "If you do not know who this is, ignore this mail: nothing happens.\n",
            )
        except PlatformError as error:
            logger.warning("a share that nobody was told of", extra={"detail": error.detail})


def _unknown() -> NotFound:
    return NotFound("No such agent is shared with you.", code="share_unknown")


def _ended() -> NotFound:
    return NotFound(
        "This link leads nowhere any more. Ask whoever gave it to you for a new one.",
        code="share_unknown",
    )
