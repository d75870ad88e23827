"""Use cases of signing in by a one-time link, and what every way of signing in ends with."""

from __future__ import annotations

import hmac
from dataclasses import replace

from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.emails import normal_email
from chalicelib.domain.identities import PendingLink
from chalicelib.domain.sign_in import (
    SIGN_IN_LIFETIME,
    SignInLink,
    browser_secret,
    new_secret,
    safe_path,
)
from chalicelib.domain.tenancy import User
from chalicelib.errors import ChangedMeanwhile, Unauthenticated
from chalicelib.ports import Clock, Delete, Mail, Put, Store
from chalicelib.services.accounts import Accounts
from chalicelib.services.limits import Limits
from chalicelib.services.sessions import Sessions, SignedIn, Visitor
from chalicelib.telemetry import logger

BY_EMAIL = "email"


class SignIn:
    def __init__(
        self,
        *,
        store: Store,
        mail: Mail,
        limits: Limits,
        accounts: Accounts,
        sessions: Sessions,
        clock: Clock,
        web_url: str,
    ) -> None:
        self._store = store
        self._mail = mail
        self._limits = limits
        self._accounts = accounts
        self._sessions = sessions
        self._clock = clock
        self._web_url = web_url

    def request_link(self, email: str, visitor: Visitor, *, return_to: str | None = None) -> str:
        """Mails a sign-in link that only this browser can use; what its cookie is to hold.

        The answer is the same whether or not the account exists, and whether or not the address
        has had so many mails that it gets no more for now. Links asked for before stay
        valid: mails arrive late and out of order.
        """
        address, page = normal_email(email), safe_path(return_to)
        now = self._clock.now()
        secret, browser = new_secret(), browser_secret(visitor.browser)
        if not self._limits.may_mail(address, visitor.address):
            logger.info("a sign-in link was not mailed: enough have been, this hour")
            return browser
        link = SignInLink(
            hash=hash_secret(secret),
            email=address,
            browser_hash=hash_secret(browser),
            return_to=page,
            created_at=now,
            expires_at=now + SIGN_IN_LIFETIME,
        )
        self._store.commit(Put(link))
        self._mail.send(
            address,
            "Your sign-in link for Slipway",
            "Open this link in the browser where you asked for it, to sign in to Slipway:\n\n"
            # The secret stays behind the '#', so neither servers nor link scanners see it.
            f"{self._web_url}/sign-in/email#token={secret}\n\n"
            "It works once and for ten minutes. If you did not ask for it, ignore this mail:\n"
            "without your browser nobody can use it, and nothing has been changed.\n",
        )
        return browser

    def redeem(self, secret: str, visitor: Visitor) -> SignedIn:
        """Turns a link's secret into a session, once; makes the account on first use.

        Raises Unauthenticated: `link_expired`, or `link_other_browser`, which leaves the link
        usable where it was asked for.
        """
        link = self._store.get(SignInLink, hash_secret(secret))
        if link is None or link.expires_at <= self._clock.now():
            raise _used_up()
        browser_hash = hash_secret(visitor.browser or "")
        if not hmac.compare_digest(browser_hash, link.browser_hash):
            self._accounts.note_refusal(link.email, visitor.address, "link_other_browser")
            raise Unauthenticated(
                "This link was asked for in another browser, or too long ago. Open it there, or "
                "ask for a new link in this browser.",
                code="link_other_browser",
            )
        try:
            self._store.commit(Delete(link))
        except ChangedMeanwhile:
            raise _used_up() from None
        user = self._accounts.of_email(link.email)
        return replace(self.complete(user, visitor, method=BY_EMAIL), return_to=link.return_to)

    def complete(self, user: User, visitor: Visitor, *, method: str) -> SignedIn:
        """The session of somebody who has proven who they are.

        What was proven at a provider before, in this browser and for this account, comes along
        as an offer that the person can confirm.
        """
        session, secret = self._sessions.draft(user, visitor, method=method)
        browser_hash = hash_secret(visitor.browser or "")
        pending = self._store.get(PendingLink, browser_hash) if visitor.browser else None
        if (
            pending is not None
            and pending.user_id == user.id
            and pending.expires_at > self._clock.now()
        ):
            session = replace(session, offer=pending.offer)
        return self._sessions.begin(session, secret, user)


def _used_up() -> Unauthenticated:
    return Unauthenticated(
        "This sign-in link has been used or has expired. Ask for a new one.", code="link_expired"
    )
