"""Organisations: making one, those a person is in, renaming one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from chalicelib.domain.audit import Audited, AuditEvent, changed
from chalicelib.domain.ids import new_id
from chalicelib.domain.members import Places
from chalicelib.domain.tenancy import (
    Action,
    Membership,
    Organisation,
    Principal,
    Role,
    User,
)
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    NotFound,
    PreconditionFailed,
    Unauthenticated,
)
from chalicelib.ports import MEMBERSHIPS, Clock, Page, Put, Store
from chalicelib.services.audit import Audit
from chalicelib.settings import TenantLimits
from chalicelib.values import frozen

TRIES = 8


@frozen
class Belonging:
    """An organisation and a person's place in it."""

    organisation: Organisation
    membership: Membership


class Organisations:
    def __init__(
        self, *, store: Store, audit: Audit, clock: Clock, limits: Mapping[str, TenantLimits]
    ) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._limits = limits

    def create(self, principal: Principal, *, name: str) -> Belonging:
        """A new organisation whose owner is the caller. Raises Conflict at the limit."""
        principal.require(Action.ORGANISATION_CREATE)
        now = self._clock.now()
        org_id = new_id("org")
        organisation = Organisation(org_id, name, personal=False, created_at=now)
        membership = Membership(org_id, principal.user_id, Role.OWNER, now)
        event = AuditEvent(
            org_id=org_id,
            actor=principal.user_id,
            action=Audited.ORGANISATION_CREATED,
            subject=org_id,
            address=principal.address,
            after={"name": name},
        )
        for _ in range(TRIES):
            place = self.another_place(principal.user_id)
            try:
                self._audit.commit(event, Put(organisation), Put(membership), Put(place))
            except ChangedMeanwhile:
                continue
            return Belonging(organisation, membership)
        raise changing_too_fast()

    def mine(self, principal: Principal, *, limit: int, after: str | None) -> Page[Belonging]:
        """Those the caller is in, newest first; a token's own one only."""
        principal.require(Action.ORGANISATION_READ)
        if principal.token_id is not None:
            return Page((self.get(principal),), None)
        page = self._store.page(MEMBERSHIPS, principal.user_id, limit=limit, after=after)
        found = self._store.get_many(*((Organisation, m.org_id) for m in page.items))
        pairs = zip(found, page.items, strict=True)
        return Page(tuple(Belonging(o, m) for o, m in pairs if o is not None), page.next)

    def get(self, principal: Principal) -> Belonging:
        """The organisation that the caller is calling for."""
        principal.require(Action.ORGANISATION_READ)
        organisation, membership = self._store.get_many(
            (Organisation, principal.org_id), (Membership, principal.org_id, principal.user_id)
        )
        if organisation is None or membership is None:
            raise gone()
        return Belonging(organisation, membership)

    def rename(self, principal: Principal, *, name: str, if_revision: int | None) -> Belonging:
        principal.require(Action.ORGANISATION_UPDATE)
        found = self.get(principal)
        organisation = found.organisation
        if if_revision is not None and if_revision != organisation.revision:
            raise PreconditionFailed(
                "Somebody changed this organisation since you read it. Read it again and repeat."
            )
        if name == organisation.name:
            return found
        renamed = replace(organisation, name=name, revision=organisation.revision + 1)
        before, after = changed(organisation, renamed, "name")
        event = AuditEvent.by(
            principal,
            Audited.ORGANISATION_UPDATED,
            organisation.id,
            before=before,
            after=after,
        )
        self._audit.commit(event, Put(renamed))
        return replace(found, organisation=renamed)

    def another_place(self, user_id: str) -> Places:
        """The person's count with one organisation more; raises Conflict at the limit of the tier
        that their personal organisation has."""
        user, places = self._store.get_many((User, user_id), (Places, user_id))
        if user is None:
            raise Unauthenticated("This account no longer exists.")
        places = places or Places(user_id)
        home = self._store.get(Organisation, user.personal_org_id)
        allowed = self.limits(home.tier if home else "free").organisations
        if places.organisations >= allowed:
            raise Conflict(
                f"You are in {places.organisations} organisations, and {allowed} is the limit. "
                "Leave or delete one of them first.",
                code="organisation_limit",
            )
        return places.after(+1)

    def limits(self, tier: str) -> TenantLimits:
        return self._limits.get(tier) or self._limits["free"]


def places_left(store: Store, user_ids: Iterable[str]) -> list[Put]:
    """The counts of these people with one organisation less each."""
    found = store.get_many(*((Places, user_id) for user_id in user_ids))
    # Without one the account is gone.
    return [Put(places.after(-1)) for places in found if places is not None]


def gone() -> NotFound:
    return NotFound(
        "There is no such organisation, or you are not a member of it.",
        code="organisation_unknown",
    )


def changing_too_fast() -> Conflict:
    return Conflict("This organisation is changing too fast; try again in a moment.")
