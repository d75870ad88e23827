"""Use cases of personal data: handing everything over to the person, and forgetting the person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.emails import normal_email
from chalicelib.domain.members import Places
from chalicelib.domain.tenancy import (
    Action,
    EmailClaim,
    Membership,
    Organisation,
    Principal,
    Role,
    User,
)
from chalicelib.errors import Conflict, FieldError, Invalid, PlatformError, Unauthenticated
from chalicelib.ports import (
    AGENTS,
    IDENTITIES,
    MEMBERS,
    MEMBERSHIPS,
    SESSIONS,
    Change,
    Delete,
    Store,
    every,
)
from chalicelib.services.audit import Audit
from chalicelib.services.closing import Closing
from chalicelib.services.members import Members
from chalicelib.services.reviews import Reviews
from chalicelib.services.sessions import Sessions
from chalicelib.services.sharing import Sharing
from chalicelib.services.tokens import Tokens

# What is a secret, or the trace of one, is nobody's data to carry away.
_SECRET = frozenset(
    {
        *("hash", "family_hash", "refresh_hash", "previous_hash", "successor", "previous"),
        *("offer", "revision"),
    }
)


class PersonalData:
    def __init__(
        self,
        *,
        store: Store,
        audit: Audit,
        members: Members,
        closing: Closing,
        tokens: Tokens,
        sessions: Sessions,
        reviews: Reviews,
        sharing: Sharing,
    ) -> None:
        self._store = store
        self._audit = audit
        self._members = members
        self._closing = closing
        self._tokens = tokens
        self._sessions = sessions
        self._reviews = reviews
        self._sharing = sharing

    def export(self, principal: Principal) -> dict[str, Any]:
        """Everything kept about the person, as JSON; no secret, and nobody else's data."""
        principal.require(Action.ACCOUNT_MANAGE)
        user = self._user(principal)
        memberships = list(every(self._store, MEMBERSHIPS, user.id))
        event = AuditEvent.by(principal, Audited.ACCOUNT_EXPORTED, user.id)
        self._audit.note(replace(event, org_id=user.personal_org_id))
        return {
            "account": _plain(user),
            "identities": [_plain(i) for i in every(self._store, IDENTITIES, user.id)],
            "sessions": [_plain(s) for s in every(self._store, SESSIONS, user.id)],
            "memberships": [self._membership(m) for m in memberships],
            "tokens": [_plain(t) for m in memberships for t in self._tokens.of(m.org_id, user.id)],
            "reviews": [
                {"slug": slug, **_public(_plain(review))}
                for slug, review in self._reviews.of(user.id)
            ],
            "shared_with": [
                {"created_at": s.created_at.isoformat(), "expires_at": _said(s.expires_at)}
                for s in self._sharing.of(user.email)
            ],
            "agents_created": [
                _plain(agent) | {"origin": _public(asdict(agent.origin)) if agent.origin else None}
                for m in memberships
                for agent in every(self._store, AGENTS, m.org_id)
                if agent.created_by == user.id
            ],
            "audit": [
                _plain(record)
                for m in memberships
                for record in self._audit.about(m.org_id, user.id)
            ],
        }

    def delete(self, principal: Principal, *, confirm: str) -> None:
        """Forgets the person. Safe to repeat: what is done already is not done again, and the
        address can sign in until the very last step.

        Raises Invalid unless `confirm` is the account's address, and Conflict while somebody else
        depends on the person.
        """
        principal.require(Action.ACCOUNT_MANAGE)
        user = self._user(principal)
        if not _is_same(confirm, user.email):
            raise Invalid(
                "To delete your account, type its email address.",
                code="confirmation_wrong",
                errors=(FieldError("confirm", f"Type {user.email}, the address of this account."),),
            )
        memberships = list(every(self._store, MEMBERSHIPS, user.id))
        shared = [m for m in memberships if m.org_id != user.personal_org_id]
        alone = self._require_free(user, shared)
        for membership in shared:
            if membership.org_id not in alone:
                self._members.depart(membership, address=principal.address)
        for org_id in (*alone, user.personal_org_id):
            organisation = self._store.get(Organisation, org_id)
            if organisation is not None:
                self._closing.abandon(organisation, actor=user.id, address=principal.address)
        for identity in list(every(self._store, IDENTITIES, user.id)):
            self._store.commit(Delete(identity))
        self._reviews.forget(user.id)
        self._sharing.forget(user.email)
        home = replace(principal, org_id=user.personal_org_id)
        event = AuditEvent.by(home, Audited.ACCOUNT_DELETED, user.id)
        self._audit.commit(event, *self._ending(user))
        self._sessions.forget(user.id)

    def _require_free(self, user: User, shared: list[Membership]) -> list[str]:
        """The organisations that nobody else is in; raises Conflict where others need an owner."""
        alone = []
        for membership in shared:
            found = every(self._store, MEMBERS, membership.org_id)
            others = [m for m in found if m.user_id != user.id]
            if not others:
                alone.append(membership.org_id)
            elif membership.role is Role.OWNER and not any(m.role is Role.OWNER for m in others):
                organisation = self._store.get(Organisation, membership.org_id)
                name = organisation.name if organisation else membership.org_id
                raise Conflict(
                    f"You are the last owner of {name}, and others work there. Make somebody else "
                    "an owner, or delete that organisation; then delete your account.",
                    code="last_owner",
                )
        return alone

    def _ending(self, user: User) -> Iterator[Change]:
        """The last step, whole or not at all: the address is free for a new account after it. What
        the organisations held that nobody else is in is removed by the reconciler."""
        claim, places = self._store.get_many((EmailClaim, user.email), (Places, user.id))
        for entity in (claim, places):
            if entity is not None:
                yield Delete(entity)
        yield Delete(user)

    def _membership(self, membership: Membership) -> dict[str, Any]:
        organisation = self._store.get(Organisation, membership.org_id)
        name = None if organisation is None else organisation.name
        return {**_plain(membership), "organisation": name}

    def _user(self, principal: Principal) -> User:
        user = self._store.get(User, principal.user_id)
        if user is None:
            raise Unauthenticated("This account no longer exists.", code="account_gone")
        return user


def _is_same(typed: str, email: str) -> bool:
    try:
        return normal_email(typed) == email
    except PlatformError:
        return False


def _said(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _public(entity: dict[str, Any]) -> dict[str, Any]:
    """Without what names another organisation's agent; its slug says which one it is."""
    hidden = ("org_id", "agent_id", "share_id")
    return {name: value for name, value in entity.items() if name not in hidden}


def _plain(entity: Any) -> dict[str, Any]:
    return {name: _written(value) for name, value in asdict(entity).items() if name not in _SECRET}


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _written(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_written(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
