"""Use cases of sessions: beginning one, refreshing it, seeing and ending one's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.audit import Audited, AuditEvent, Result
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.sessions import (
    ACCESS_LIFETIME,
    MAX_SESSIONS,
    RefreshSecret,
    Session,
    Use,
    begin,
    rotated,
    successor_of,
    use_of,
)
from chalicelib.domain.sign_in import HOME
from chalicelib.domain.tenancy import Action, Principal, User
from chalicelib.errors import ChangedMeanwhile, NotFound, Unauthenticated
from chalicelib.ports import SESSIONS, Clock, Delete, Put, Signer, Store, every
from chalicelib.services.access import Access
from chalicelib.services.audit import Audit
from chalicelib.values import frozen

_TRIES = 5
_BACKDATED = timedelta(seconds=1)


@frozen
class Visitor:
    """The browser that a request comes from. `browser` is its cookie of signing in, if any."""

    address: str = ""
    user_agent: str = ""
    browser: str | None = None
    refresh: str | None = None


@frozen
class SignedIn:
    """A person's session: the access token, its seconds, and what the refresh cookie holds."""

    user: User
    access_token: str
    expires_in: int
    refresh: str
    return_to: str = HOME


class Sessions:
    def __init__(
        self, *, store: Store, audit: Audit, signer: Signer, access: Access, clock: Clock
    ) -> None:
        self._store = store
        self._audit = audit
        self._signer = signer
        self._access = access
        self._clock = clock

    def begin(self, session: Session, secret: RefreshSecret, user: User) -> SignedIn:
        """Stores a new session; a person's oldest ones end when there are too many."""
        said = {"method": session.method, "browser": session.user_agent}
        self._audit.commit(
            _event(user, Audited.SESSION_STARTED, session.id, session.address, said), Put(session)
        )
        self._end_oldest(user.id)
        return self._signed_in(user, session, secret)

    def draft(self, user: User, visitor: Visitor, *, method: str) -> tuple[Session, RefreshSecret]:
        """A session that is not stored yet."""
        return begin(
            new_id("ses"),
            user.id,
            self._clock.now(),
            method=method,
            address=visitor.address,
            user_agent=visitor.user_agent,
        )

    def refresh(self, visitor: Visitor) -> SignedIn:
        """A new access token for who holds the session's present secret, and the next secret.

        Raises Unauthenticated: `session_ended`, or `session_reused` when the secret was used
        before; then the session has ended for whoever else holds one of its secrets.
        """
        shown = RefreshSecret.parse(visitor.refresh)
        if shown is None:
            raise _no_session()
        for _ in range(_TRIES):
            session, user = self._store.get_many(
                (Session, shown.user_id, shown.session_id), (User, shown.user_id)
            )
            if session is None or user is None:
                raise _no_session()
            use = use_of(session, shown, self._clock.now())
            if use in (Use.FOREIGN, Use.EXPIRED):
                raise _no_session()
            if use is Use.REUSED:
                self._remove(session)
                event = _event(user, Audited.SESSION_REUSED, session.id, visitor.address)
                self._audit.note(replace(event, result=Result.REFUSED))
                raise Unauthenticated(
                    "This browser's session was used from somewhere else, so it was ended "
                    "everywhere. Sign in again; if it was not you, look through your sessions.",
                    code="session_reused",
                )
            if use is Use.REPEATED:
                return self._signed_in(user, session, successor_of(session, shown))
            following, secret = rotated(
                session,
                shown,
                self._clock.now(),
                address=visitor.address,
                user_agent=visitor.user_agent,
            )
            try:
                self._store.commit(Put(following))
            except ChangedMeanwhile:
                continue  # another tab was faster: what it did decides
            return self._signed_in(user, following, secret)
        raise ChangedMeanwhile("This session is being refreshed elsewhere. Try again in a moment.")

    def of_cookie(self, visitor: Visitor) -> Session | None:
        """The live session this browser holds, without using its secret up."""
        shown = RefreshSecret.parse(visitor.refresh)
        if shown is None:
            return None
        session = self._store.get(Session, shown.user_id, shown.session_id)
        if session is None:
            return None
        use = use_of(session, shown, self._clock.now())
        return session if use in (Use.PRESENT, Use.REPEATED) else None

    def sign_out(self, visitor: Visitor) -> None:
        """Ends the session this browser holds a secret of; nothing to do when there is none."""
        shown = RefreshSecret.parse(visitor.refresh)
        if shown is None:
            return
        session = self._store.get(Session, shown.user_id, shown.session_id)
        if session is not None and use_of(session, shown, self._clock.now()) is not Use.FOREIGN:
            self._remove(session)
            self._note_end(session, visitor.address)

    def mine(self, principal: Principal) -> list[Session]:
        """The person's live sessions, newest first."""
        principal.require(Action.ACCOUNT_MANAGE)
        now = self._clock.now()
        return [s for s in every(self._store, SESSIONS, principal.user_id) if s.expires_at > now]

    def end(self, principal: Principal, session_id: str) -> None:
        """Ends one of the person's own sessions. Raises NotFound."""
        principal.require(Action.ACCOUNT_MANAGE)
        session = (
            self._store.get(Session, principal.user_id, session_id)
            if is_id(session_id, "ses")
            else None
        )
        if session is None:
            raise NotFound("You have no session with this id; it may have ended already.")
        self._remove(session)
        self._note_end(session, principal.address)

    def end_others(self, principal: Principal) -> int:
        """Ends all of the person's sessions but the one that asks; how many those were."""
        principal.require(Action.ACCOUNT_MANAGE)
        found = [
            session
            for session in every(self._store, SESSIONS, principal.user_id)
            if session.id != principal.session_id
        ]
        for session in found:
            self._remove(session)
            self._note_end(session, principal.address)
        return len(found)

    def forget(self, user_id: str) -> None:
        """Ends every session of somebody whose account is gone."""
        for session in list(every(self._store, SESSIONS, user_id)):
            self._remove(session)

    def save(self, session: Session) -> None:
        """Stores a change of a session. Raises ChangedMeanwhile."""
        self._store.commit(Put(replace(session, revision=session.revision + 1)))

    def _end_oldest(self, user_id: str) -> None:
        page = self._store.page(SESSIONS, user_id, limit=MAX_SESSIONS)
        if page.next is not None:
            older = self._store.page(SESSIONS, user_id, limit=MAX_SESSIONS, after=page.next)
            for session in older.items:
                self._remove(session)

    def _remove(self, session: Session) -> None:
        found: Session | None = session
        for _ in range(_TRIES):
            if found is None:
                break
            try:
                self._store.commit(Delete(found))
                break
            except ChangedMeanwhile:
                # It was refreshed just now; it ends all the same.
                found = self._store.get(Session, session.user_id, session.id)
        else:
            raise ChangedMeanwhile("The session is in use this very moment. Try again.")
        self._access.forget()

    def _note_end(self, session: Session, address: str) -> None:
        user = self._store.get(User, session.user_id)
        if user is not None:
            self._audit.note(_event(user, Audited.SESSION_ENDED, session.id, address))

    def _signed_in(self, user: User, session: Session, secret: RefreshSecret) -> SignedIn:
        now = self._clock.now()
        token = self._signer.sign(
            {
                "sub": user.id,
                "sid": session.id,
                "org": user.personal_org_id,
                "iat": int(now.timestamp()),
                # Clocks differ: one that is a little behind must not take it for the future's.
                "nbf": int((now - _BACKDATED).timestamp()),
                "exp": int((now + ACCESS_LIFETIME).timestamp()),
            }
        )
        return SignedIn(user, token, int(ACCESS_LIFETIME.total_seconds()), str(secret))


def _event(
    user: User, action: Audited, subject: str, address: str, after: dict[str, str] | None = None
) -> AuditEvent:
    """A person's sessions are a matter of their own organisation, whichever they work in."""
    return AuditEvent(
        org_id=user.personal_org_id,
        actor=user.id,
        action=action,
        subject=subject,
        address=address,
        after=after or {},
    )


def _no_session() -> Unauthenticated:
    return Unauthenticated(
        "There is no session in this browser, or it has ended. Sign in again.",
        code="session_ended",
    )
