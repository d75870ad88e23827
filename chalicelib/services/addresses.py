"""Use cases of an account's email address: asking for another one, and moving to it."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.emails import normal_email
from chalicelib.domain.sessions import Session
from chalicelib.domain.sign_in import FRESH, SIGN_IN_LIFETIME, EmailChange, new_secret
from chalicelib.domain.tenancy import Action, EmailClaim, Principal, User
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    PlatformError,
    Unauthenticated,
)
from chalicelib.ports import Clock, Delete, Mail, Put, Store
from chalicelib.services.audit import Audit
from chalicelib.services.limits import Limits
from chalicelib.services.sessions import Sessions
from chalicelib.telemetry import logger

_TRIES = 4


class Addresses:
    def __init__(
        self,
        *,
        store: Store,
        mail: Mail,
        limits: Limits,
        audit: Audit,
        sessions: Sessions,
        clock: Clock,
        web_url: str,
    ) -> None:
        self._store = store
        self._mail = mail
        self._limits = limits
        self._audit = audit
        self._sessions = sessions
        self._clock = clock
        self._web_url = web_url

    def ask(self, principal: Principal, email: str) -> None:
        """Mails a link to the address that the account is to have; only this session can use it.

        Nothing tells whether somebody else has the address, or whether it has had so many mails
        that it gets no more for now: only who reads its mail learns the first.

        Raises Forbidden (`sign_in_again`) unless the session began a moment ago: whoever finds an
        open browser must not be able to keep the account for themselves.
        """
        session, user = self._caller(principal)
        address = normal_email(email)
        if address == user.email:
            raise Invalid(
                "This is your address already.",
                code="email_unchanged",
                errors=(FieldError("email", "Give another address than the present one."),),
            )
        if self._clock.now() - session.created_at > FRESH:
            raise Forbidden(
                "To move your account to another address, sign out, sign in again, and ask within "
                f"{int(FRESH.total_seconds()) // 60} minutes: so nobody does it who finds your "
                "browser open.",
                code="sign_in_again",
            )
        if not self._limits.may_mail(address, principal.address):
            logger.info("a link to a new address was not mailed: enough have been, this hour")
            return
        now, secret = self._clock.now(), new_secret()
        change = EmailChange(
            hash=hash_secret(secret),
            user_id=user.id,
            session_id=session.id,
            before=user.email,
            email=address,
            created_at=now,
            expires_at=now + SIGN_IN_LIFETIME,
        )
        self._store.commit(Put(change))
        self._mail.send(
            address,
            "Confirm your new address for Slipway",
            "Somebody asked to sign in to their Slipway account with this address from now on.\n"
            "If it was you, open this link in the browser where you asked for it:\n\n"
            # The secret stays behind the '#', so neither servers nor link scanners see it.
            f"{self._web_url}/profile/email#token={secret}\n\n"
            "It works once and for ten minutes. If you did not ask for it, ignore this mail:\n"
            "without that browser nobody can use it, and nothing has been changed.\n",
        )

    def confirm(self, principal: Principal, secret: str) -> User:
        """Moves the account to the address that the link was sent to, and ends all other sessions.

        Raises NotFound (`link_expired`), or Conflict: `link_other_browser`, which leaves the link
        usable where it was asked for, and `email_taken`.
        """
        session, user = self._caller(principal)
        for _ in range(_TRIES):
            change = self._store.get(EmailChange, hash_secret(secret))
            if change is None or change.expires_at <= self._clock.now():
                raise _used_up()
            if (change.user_id, change.session_id) != (user.id, session.id):
                raise Conflict(
                    "This link was asked for in another browser, or before you signed in anew. "
                    "Open it there, or ask for another one here.",
                    code="link_other_browser",
                )
            if change.before != user.email:
                raise _used_up()
            held, wanted = self._store.get_many(
                (EmailClaim, user.email), (EmailClaim, change.email)
            )
            if wanted is not None:
                raise Conflict(
                    "Another account signs in with this address. Sign in to it and delete it, or "
                    "choose another address here.",
                    code="email_taken",
                )
            moved = replace(user, email=change.email, revision=user.revision + 1)
            # No address stands in the log, so the record says when and from where, not which.
            event = AuditEvent.by(principal, Audited.ACCOUNT_EMAIL_CHANGED, user.id)
            try:
                self._audit.commit(
                    replace(event, org_id=user.personal_org_id),
                    Delete(change),
                    *([] if held is None else [Delete(held)]),
                    Put(EmailClaim(change.email, user.id)),
                    Put(moved),
                )
            except ChangedMeanwhile:
                _, user = self._caller(principal)
                continue
            self._tell(user.email)
            self._sessions.end_others(principal)
            return moved
        raise ChangedMeanwhile("Your account is being changed elsewhere. Try again in a moment.")

    def _caller(self, principal: Principal) -> tuple[Session, User]:
        principal.require(Action.ACCOUNT_MANAGE)
        if principal.session_id is None:
            raise Forbidden("Only a person who has signed in changes the account's address.")
        # Not as it is remembered for a minute: who was just signed out moves no account.
        user, session = self._store.get_many(
            (User, principal.user_id), (Session, principal.user_id, principal.session_id)
        )
        if user is None:
            raise Unauthenticated("This account no longer exists.", code="account_gone")
        if session is None:
            raise Unauthenticated("This session was ended. Sign in again.", code="session_ended")
        return session, user

    def _tell(self, before: str) -> None:
        """Who still reads the old address learns of it, whoever asked."""
        try:
            self._mail.send(
                before,
                "Your Slipway account has another address now",
                "Your account on Slipway was moved to another email address, confirmed there.\n"
                "This address signs in to it no more, and every other browser was signed out.\n\n"
                "If this was not you, somebody else had a browser of yours: sign in the other\n"
                "way that you have, if you have one, end all other sessions and change the\n"
                f"address back; else write to who runs {self._web_url} at once.\n",
            )
        except PlatformError as error:
            logger.warning(
                "a moved account that nobody was told of", extra={"detail": error.detail}
            )


def _used_up() -> NotFound:
    return NotFound(
        "This link has been used or has expired. Ask for a new one.", code="link_expired"
    )
