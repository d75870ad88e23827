"""Members of an organisation: their rights, and how they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chalicelib.domain.agents import Agent
from chalicelib.domain.audit import Audited, AuditEvent, changed
from chalicelib.domain.ids import is_id
from chalicelib.domain.members import (
    Headcount,
    changed_rights,
    owner_difference,
    require_person,
    require_rank,
)
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
    FieldError,
    Invalid,
    NotFound,
    PreconditionFailed,
)
from chalicelib.ports import MEMBERS, Change, Delete, Page, Put, Store
from chalicelib.services.access import Access
from chalicelib.services.audit import Audit
from chalicelib.services.organisations import TRIES, changing_too_fast, gone, places_left
from chalicelib.services.tokens import Tokens
from chalicelib.values import frozen

_RIGHTS = ("role", "restricted", "grants")


@frozen
class Member:
    """A membership and whose it is; the user is None once the account is gone."""

    membership: Membership
    user: User | None


@frozen
class _Scene:
    """What a change of members is judged by, read at one moment."""

    organisation: Organisation
    headcount: Headcount
    actor: Membership
    target: Membership


class Members:
    def __init__(self, *, store: Store, access: Access, audit: Audit, tokens: Tokens) -> None:
        self._store = store
        self._access = access
        self._audit = audit
        self._tokens = tokens

    def page(self, principal: Principal, *, limit: int, after: str | None) -> Page[Member]:
        """The members in the order in which they have signed up with Slipway."""
        principal.require(Action.MEMBER_READ)
        page = self._store.page(
            MEMBERS, principal.org_id, limit=limit, after=after, newest_first=False
        )
        users = self._store.get_many(*((User, m.user_id) for m in page.items))
        pairs = zip(page.items, users, strict=True)
        return Page(tuple(Member(_shown(m, principal), user) for m, user in pairs), page.next)

    def update(
        self,
        principal: Principal,
        user_id: str,
        *,
        if_revision: int | None,
        role: Role | None = None,
        restricted: bool | None = None,
        grants: Mapping[str, Role] | None = None,
    ) -> Member:
        """Gives a member other rights; their API tokens change in the same moment."""
        principal.require(Action.MEMBER_UPDATE)
        if grants is not None:
            self.require_agents(principal.org_id, grants)
        for _ in range(TRIES):
            scene = self._scene(principal, user_id, Action.MEMBER_UPDATE)
            before = scene.target
            require_person(principal.token_id, before.role, role)
            if if_revision is not None and if_revision != before.revision:
                raise PreconditionFailed(
                    "Somebody changed this member since you read them. Read again and repeat."
                )
            after = changed_rights(
                scene.actor, before, role=role, restricted=restricted, grants=grants
            )
            if after is not before:
                old, new = changed(before, after, *_RIGHTS)
                event = AuditEvent.by(
                    principal, Audited.MEMBER_UPDATED, user_id, before=old, after=new
                )
                owners = owner_difference(before.role, after.role)
                changes: list[Change] = [
                    Put(scene.headcount.after(owners=owners)),
                    Put(after),
                    *self._tokens.rewritten(after, tier=scene.organisation.tier),
                ]
                if not self._committed(event, changes):
                    continue
            return Member(_shown(after, principal), self._store.get(User, user_id))
        raise changing_too_fast()

    def remove(self, principal: Principal, user_id: str) -> None:
        """Removes a member, or lets the caller leave. What they made stays: it is the
        organisation's. Their API tokens end."""
        leaving = user_id == principal.user_id
        action = Action.MEMBER_LEAVE if leaving else Action.MEMBER_REMOVE
        principal.require(action)
        for _ in range(TRIES):
            scene = self._scene(principal, user_id, action)
            if scene.organisation.personal:
                raise Conflict(
                    "This is your personal organisation; it goes with your account. Delete the "
                    "account to leave it.",
                    code="organisation_personal",
                )
            if not leaving:
                require_person(principal.token_id, scene.target.role)
                require_rank(scene.actor.role, scene.target.role)
            owners = owner_difference(scene.target.role, None)
            event = AuditEvent.by(
                principal,
                Audited.MEMBER_LEFT if leaving else Audited.MEMBER_REMOVED,
                user_id,
                before={"role": scene.target.role},
            )
            changes: list[Change] = [
                Put(scene.headcount.after(owners=owners, members=-1)),
                Delete(scene.target),
                *self._tokens.removed(scene.target.org_id, user_id),
                *places_left(self._store, [user_id]),
            ]
            if self._committed(event, changes):
                return
        raise changing_too_fast()

    def depart(self, membership: Membership, *, address: str) -> None:
        """Takes a member out whose account is being deleted. Raises Conflict for the last owner."""
        org_id, user_id = membership.org_id, membership.user_id
        for _ in range(TRIES):
            headcount, present = self._store.get_many(
                (Headcount, org_id), (Membership, org_id, user_id)
            )
            if present is None:
                return
            headcount = headcount or Headcount(org_id)
            owners = owner_difference(present.role, None)
            event = AuditEvent(
                org_id=org_id,
                actor=user_id,
                action=Audited.MEMBER_LEFT,
                subject=user_id,
                address=address,
                before={"role": present.role},
            )
            changes: list[Change] = [
                Put(headcount.after(owners=owners, members=-1)),
                Delete(present),
                *self._tokens.removed(org_id, user_id),
                *places_left(self._store, [user_id]),
            ]
            if self._committed(event, changes):
                return
        raise changing_too_fast()

    def transfer(self, principal: Principal, user_id: str) -> Member:
        """Makes another member an owner and the caller an admin, in one step."""
        principal.require(Action.ORGANISATION_TRANSFER)
        if user_id == principal.user_id:
            raise Invalid(
                "An organisation is transferred to somebody else.",
                errors=(FieldError("user_id", "Name another member."),),
            )
        for _ in range(TRIES):
            scene = self._scene(principal, user_id, Action.ORGANISATION_TRANSFER)
            if scene.organisation.personal:
                raise Conflict(
                    "A personal organisation belongs to its person. Create an organisation, and "
                    "transfer that one.",
                    code="organisation_personal",
                )
            if scene.target.role is Role.OWNER:
                raise Conflict(
                    "This member is an owner already. To step back, lower your own role or leave.",
                    code="already_owner",
                )
            heir = replace(
                scene.target,
                role=Role.OWNER,
                restricted=False,
                revision=scene.target.revision + 1,
            )
            former = replace(scene.actor, role=Role.ADMIN, revision=scene.actor.revision + 1)
            event = AuditEvent.by(
                principal,
                Audited.ORGANISATION_TRANSFERRED,
                principal.org_id,
                before={"owner": principal.user_id, "role": scene.target.role},
                after={"owner": user_id},
            )
            changes: list[Change] = [
                Put(scene.headcount.after()),
                Put(heir),
                Put(former),
                *self._tokens.rewritten(heir, tier=scene.organisation.tier),
                *self._tokens.rewritten(former, tier=scene.organisation.tier),
            ]
            if self._committed(event, changes):
                return Member(_shown(heir, principal), self._store.get(User, user_id))
        raise changing_too_fast()

    def require_agents(self, org_id: str, grants: Mapping[str, Role]) -> None:
        """Raises Invalid for grants on what is no agent of the organisation."""
        wanted = [a for a in grants if is_id(a, "agt")]
        found = self._store.get_many(*((Agent, org_id, a) for a in wanted))
        known = {agent.id for agent in found if agent is not None}
        unknown = [a for a in grants if a not in known]
        if unknown:
            raise Invalid(
                "Some grants are on no agent of this organisation.",
                errors=tuple(FieldError("grants", f"There is no agent {a}.") for a in unknown[:10]),
            )

    # --- how ---------------------------------------------------------------------------------

    def _scene(self, principal: Principal, user_id: str, action: Action) -> _Scene:
        """Everything the change depends on; the caller's own rights as they are now, not as they
        were remembered."""
        org_id = principal.org_id
        if not is_id(user_id, "usr"):
            raise _no_member()
        wanted = list(dict.fromkeys((principal.user_id, user_id)))
        organisation, headcount, *found = self._store.get_many(
            (Organisation, org_id),
            (Headcount, org_id),
            *((Membership, org_id, one) for one in wanted),
        )
        actor, target = found[0], found[-1]
        if organisation is None or actor is None:
            raise gone()
        replace(
            principal,
            role=actor.role,
            grants=actor.grants,
            restricted=actor.restricted,
            closing=organisation.closing,
        ).require(action)
        if target is None:
            raise _no_member()
        return _Scene(organisation, headcount or Headcount(org_id), actor, target)

    def _committed(self, event: AuditEvent, changes: list[Change]) -> bool:
        """False when somebody else was faster: look again."""
        try:
            self._audit.commit(event, *changes)
        except ChangedMeanwhile:
            return False
        self._access.forget()
        return True


def _shown(membership: Membership, principal: Principal) -> Membership:
    """Without grants on agents that the caller does not see."""
    visible = {a: role for a, role in membership.grants.items() if principal.sees(a)}
    return replace(membership, grants=visible)


def _no_member() -> NotFound:
    return NotFound("This organisation has no such member.", code="member_unknown")
