"""Who may change whose place in an organisation, and how many there are in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chalicelib.domain.tenancy import RANKS, Membership, Role
from chalicelib.errors import Conflict, FieldError, Forbidden, Invalid
from chalicelib.values import frozen

MAX_GRANTS = 50
RESTRICTABLE = frozenset({Role.DEVELOPER, Role.VIEWER})


@frozen
class Headcount:
    """An organisation's owners and members, counted. Whatever changes a membership, or what a new
    one rests on, writes this too: so two such changes never happen at once, and each is judged by
    what is true at its moment. Revision 0 is not stored: one owner, who is the only member."""

    org_id: str
    owners: int = 1
    members: int = 1
    revision: int = 0

    def after(self, *, owners: int = 0, members: int = 0) -> Headcount:
        """With these differences; raises Conflict rather than lose the last owner."""
        if self.owners + owners < 1:
            raise Conflict(
                "An organisation needs an owner, and this is the last one. Make another member an "
                "owner first, or transfer the organisation.",
                code="last_owner",
            )
        return replace(
            self,
            owners=self.owners + owners,
            members=self.members + members,
            revision=self.revision + 1,
        )


@frozen
class Places:
    """In how many organisations a person is, besides the personal one; revision 0 is not stored."""

    user_id: str
    organisations: int = 0
    revision: int = 0

    def after(self, difference: int) -> Places:
        count = max(0, self.organisations + difference)
        return replace(self, organisations=count, revision=self.revision + 1)


def require_rank(actor: Role, *roles: Role) -> None:
    """Owners act on everyone; everybody else only on roles below their own. Raises Forbidden."""
    for role in roles:
        if actor is not Role.OWNER and RANKS[role] >= RANKS[actor]:
            raise Forbidden(
                f"Your role is {actor}: it gives and takes only roles below it, and {role} is not. "
                "Ask an owner of the organisation.",
                code="role_too_low",
            )


def require_person(token_id: str | None, *roles: Role | None) -> None:
    """Whom an organisation belongs to is changed by people who have signed in, whatever a token's
    scope: a token that is lost must not cost the organisation. Raises Forbidden."""
    if token_id is not None and Role.OWNER in roles:
        raise Forbidden(
            "An API token makes, changes and removes no owner. Sign in for it.",
            code="sign_in_required",
        )


def checked_rights(role: Role, *, restricted: bool, grants: Mapping[str, Role]) -> None:
    """Raises Invalid for rights that say nothing, or more than they seem to."""
    errors = []
    if restricted and role not in RESTRICTABLE:
        errors.append(
            FieldError(
                "restricted",
                f"The role {role} counts for the whole organisation; restrict a developer or "
                "viewer.",
            )
        )
    if len(grants) > MAX_GRANTS:
        errors.append(FieldError("grants", f"Grant at most {MAX_GRANTS} agents."))
    if Role.OWNER in grants.values():
        errors.append(
            FieldError("grants", "Agents belong to the organisation; grant admin at most.")
        )
    if errors:
        raise Invalid("These rights do not fit together.", errors=tuple(errors))


def changed_rights(
    actor: Membership,
    member: Membership,
    *,
    role: Role | None,
    restricted: bool | None,
    grants: Mapping[str, Role] | None,
) -> Membership:
    """The member with other rights, or the very same one; raises Forbidden when the actor may not.

    Nobody changes their own rights, but for taking a lower role.
    """
    changed = replace(
        member,
        role=member.role if role is None else role,
        restricted=member.restricted if restricted is None else restricted,
        grants=member.grants if grants is None else dict(grants),
    )
    if changed == member:
        return member
    if actor.user_id == member.user_id:
        lowered = replace(member, role=changed.role) == changed
        if not lowered or RANKS[changed.role] > RANKS[member.role]:
            raise Forbidden(
                "You can lower your own role, and nothing else of your own rights. Ask another "
                "owner or admin.",
                code="own_rights",
            )
    else:
        given = [r for a, r in changed.grants.items() if member.grants.get(a) is not r]
        taken = [r for a, r in member.grants.items() if changed.grants.get(a) is not r]
        require_rank(actor.role, member.role, changed.role, *given, *taken)
    checked_rights(changed.role, restricted=changed.restricted, grants=changed.grants)
    return replace(changed, revision=member.revision + 1)


def owner_difference(before: Role | None, after: Role | None) -> int:
    """By how much the number of owners changes."""
    return (after is Role.OWNER) - (before is Role.OWNER)
