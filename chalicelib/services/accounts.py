"""Use cases of a person's account: making it at the first sign-in, seeing and renaming it."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.audit import Audited, AuditEvent, Result, changed
from chalicelib.domain.identities import Profile
from chalicelib.domain.ids import new_id
from chalicelib.domain.tenancy import (
    Action,
    EmailClaim,
    Membership,
    Organisation,
    Principal,
    Role,
    User,
)
from chalicelib.errors import ChangedMeanwhile, Unauthenticated
from chalicelib.ports import Change, Clock, Put, Store
from chalicelib.services.audit import Audit

_MAX_NAME = 80


class Accounts:
    def __init__(self, *, store: Store, audit: Audit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    def me(self, principal: Principal) -> tuple[User, Organisation]:
        """The person, and the organisation this call is for."""
        user, organisation = self._store.get_many(
            (User, principal.user_id), (Organisation, principal.org_id)
        )
        if user is None or organisation is None:
            raise _gone()
        return user, organisation

    def rename(self, principal: Principal, name: str) -> User:
        """Changes how the person is called."""
        principal.require(Action.ACCOUNT_MANAGE)
        user = self._store.get(User, principal.user_id)
        if user is None:
            raise _gone()
        if user.name == name:
            return user
        renamed = replace(user, name=name, revision=user.revision + 1)
        before, after = changed(user, renamed, "name")
        event = AuditEvent.by(
            principal, Audited.ACCOUNT_UPDATED, user.id, before=before, after=after
        )
        self._audit.commit(replace(event, org_id=user.personal_org_id), Put(renamed))
        return renamed

    def of_email(self, email: str) -> User:
        """Whose address this is, in its normal form; a new account when it is nobody's."""
        claim = self._store.get(EmailClaim, email)
        if claim is None:
            return self._sign_up(email, name="")
        return self._user(claim)

    def of_profile(self, profile: Profile) -> User:
        """A new account for somebody whose provider vouches for an email that nobody holds.

        Raises ChangedMeanwhile when it has an account since: linking that needs proof.
        """
        if profile.email is None:
            raise ValueError("only a verified email makes an account")
        return self._sign_up(profile.email, name=profile.name, profile=profile)

    def note_refusal(self, email: str, address: str, why: str) -> None:
        """Records that somebody could not sign in to the account of this address, if it is one."""
        claim = self._store.get(EmailClaim, email)
        user = None if claim is None else self._store.get(User, claim.user_id)
        if user is not None:
            event = AuditEvent(
                user.personal_org_id,
                user.id,
                Audited.SIGN_IN_REFUSED,
                user.id,
                address,
                after={"why": why},
                result=Result.REFUSED,
            )
            self._audit.note(event)

    def _sign_up(self, email: str, *, name: str, profile: Profile | None = None) -> User:
        now = self._clock.now()
        org_id, user_id = new_id("org"), new_id("usr")
        name = _printable(name) or email.split("@", 1)[0]
        user = User(user_id, email, name, org_id, now)
        changes: list[Change] = [
            Put(EmailClaim(email, user_id)),
            Put(user),
            Put(Organisation(org_id, f"{name}'s agents"[:_MAX_NAME], True, now)),
            Put(Membership(org_id, user_id, Role.OWNER, now)),
        ]
        if profile is not None:
            changes.append(Put(profile.identity(new_id("idn"), user_id, now)))
        by = "email" if profile is None else profile.provider
        event = AuditEvent(org_id, user_id, Audited.ACCOUNT_CREATED, user_id, after={"by": by})
        try:
            self._audit.commit(event, *changes)
        except ChangedMeanwhile:
            claim = self._store.get(EmailClaim, email)
            if claim is None or profile is not None:
                raise
            # Two links redeemed at once: the other one made the account.
            return self._user(claim)
        return user

    def _user(self, claim: EmailClaim) -> User:
        user = self._store.get(User, claim.user_id)
        if user is None:
            raise _gone()
        return user


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()[:_MAX_NAME]


def _gone() -> Unauthenticated:
    return Unauthenticated("This account no longer exists.", code="account_gone")
