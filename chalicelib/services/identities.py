"""Use cases of a person's ways to sign in: seeing, linking and unlinking identities."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.identities import MAX_IDENTITIES, Identity, Offer
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.sessions import Session
from chalicelib.domain.tenancy import Action, Principal, User
from chalicelib.errors import ChangedMeanwhile, Conflict, NotFound
from chalicelib.ports import IDENTITIES, Clock, Delete, Put, Store, every
from chalicelib.services.audit import Audit


class Identities:
    def __init__(self, *, store: Store, audit: Audit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    def mine(self, principal: Principal) -> list[Identity]:
        """The identities that sign in to this account; the email link always does too."""
        principal.require(Action.ACCOUNT_MANAGE)
        return list(every(self._store, IDENTITIES, principal.user_id))

    def pending(self, principal: Principal) -> Offer | None:
        """What was proven in this browser and waits for a yes."""
        principal.require(Action.ACCOUNT_MANAGE)
        session = self._session(principal)
        return None if session is None else self._open(session)

    def confirm(self, principal: Principal) -> Identity:
        """Links what was offered to this session. Raises NotFound when nothing was, or no more."""
        principal.require(Action.ACCOUNT_MANAGE)
        session = self._session(principal)
        offer = None if session is None else self._open(session)
        if session is None or offer is None:
            raise NotFound(
                "Nothing waits to be linked in this browser. Sign in at the provider again.",
                code="nothing_pending",
            )
        profile = offer.profile
        cleared = Put(replace(session, offer=None, revision=session.revision + 1))
        known = self._store.get(Identity, profile.issuer, profile.subject)
        if known is not None:
            if known.user_id != principal.user_id:
                raise Conflict(
                    "This account there already signs in to another account here. Unlink it "
                    "there first.",
                    code="identity_taken",
                )
            self._store.commit(cleared)
            return known
        if len(self.mine(principal)) >= MAX_IDENTITIES:
            raise Conflict(
                f"An account can have {MAX_IDENTITIES} ways to sign in. Unlink one first.",
                code="too_many_identities",
            )
        identity = profile.identity(new_id("idn"), principal.user_id, self._clock.now())
        event = self._event(principal, Audited.IDENTITY_LINKED, identity)
        self._audit.commit(event, Put(identity), cleared)
        return identity

    def unlink(self, principal: Principal, identity_id: str) -> None:
        """Removes a way to sign in. The email link stays, so nobody locks themselves out."""
        principal.require(Action.ACCOUNT_MANAGE)
        if is_id(identity_id, "idn"):
            for identity in self.mine(principal):
                if identity.id == identity_id:
                    try:
                        event = self._event(principal, Audited.IDENTITY_UNLINKED, identity)
                        self._audit.commit(event, Delete(identity))
                    except ChangedMeanwhile:
                        break  # the list was a moment old: it is gone already
                    return
        raise NotFound("There is no such way to sign in on your account.")

    def _event(self, principal: Principal, action: Audited, identity: Identity) -> AuditEvent:
        """For the person's own organisation, whichever this call is for."""
        user = self._store.get(User, principal.user_id)
        event = AuditEvent.by(principal, action, identity.id, after={"provider": identity.provider})
        return event if user is None else replace(event, org_id=user.personal_org_id)

    def _session(self, principal: Principal) -> Session | None:
        if principal.session_id is None:
            return None
        return self._store.get(Session, principal.user_id, principal.session_id)

    def _open(self, session: Session) -> Offer | None:
        offer = session.offer
        return offer if offer is not None and offer.expires_at > self._clock.now() else None
