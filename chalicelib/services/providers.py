"""Use cases of signing in at a provider: the way there, the way back, and whom that makes."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.identities import OFFER_LIFETIME, Identity, Offer, PendingLink, Profile
from chalicelib.domain.sessions import Session
from chalicelib.domain.sign_in import (
    SIGN_IN_LIFETIME,
    Handshake,
    browser_secret,
    challenge_of,
    new_secret,
    safe_path,
)
from chalicelib.domain.tenancy import EmailClaim, User
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    NotFound,
    ProviderRefused,
    Unauthenticated,
)
from chalicelib.ports import Clock, Delete, Provider, Put, Store
from chalicelib.services.accounts import Accounts
from chalicelib.services.sessions import Sessions, SignedIn, Visitor
from chalicelib.services.sign_in import SignIn
from chalicelib.values import frozen

_MAX_PARAMETER = 4096
_TRIES = 4


@frozen
class Departure:
    """Where the browser goes to sign in, and what its cookie is to hold."""

    address: str
    browser: str


@frozen
class Arrival:
    """Where the browser goes after it came back. `signed_in` is None when proof is still due."""

    path: str
    signed_in: SignedIn | None = None


class Providers:
    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        accounts: Accounts,
        sessions: Sessions,
        sign_in: SignIn,
        clock: Clock,
        web_url: str,
    ) -> None:
        self._store = store
        self._providers = providers
        self._accounts = accounts
        self._sessions = sessions
        self._sign_in = sign_in
        self._clock = clock
        self._web_url = web_url

    def listed(self) -> list[Provider]:
        """The providers that have credentials, in the order of the settings."""
        return list(self._providers.values())

    def depart(
        self, provider_id: str, visitor: Visitor, *, return_to: str | None, linking: bool = False
    ) -> Departure:
        """Begins a trip to the provider. `linking` is for somebody who is signed in."""
        provider = self._provider(provider_id)
        page = safe_path(return_to)
        if linking and self._sessions.of_cookie(visitor) is None:
            raise Unauthenticated(
                "Sign in first; then you can add another way to sign in.", code="session_ended"
            )
        state, nonce, verifier = new_secret(), new_secret(), new_secret()
        browser = browser_secret(visitor.browser)
        now = self._clock.now()
        address = provider.address(
            redirect_uri=self._redirect_uri(provider_id),
            state=state,
            nonce=nonce,
            challenge=challenge_of(verifier),
        )
        self._store.commit(
            Put(
                Handshake(
                    hash=hash_secret(state),
                    provider=provider_id,
                    browser_hash=hash_secret(browser),
                    nonce=nonce,
                    verifier=verifier,
                    return_to=page,
                    created_at=now,
                    expires_at=now + SIGN_IN_LIFETIME,
                    linking=linking,
                )
            )
        )
        return Departure(address, browser)

    def arrive(
        self,
        provider_id: str,
        visitor: Visitor,
        *,
        state: str | None,
        code: str | None,
        error: str | None,
        issuer: str | None = None,
    ) -> Arrival:
        """Ends the trip: the browser signs in, or is told what proof is missing.

        Raises Unauthenticated (`sign_in_expired`, `sign_in_other_browser`), ProviderRefused,
        Conflict or Unavailable. Whatever happens, the trip is over: state and code count once.
        """
        provider = self._provider(provider_id)
        handshake = self._taken(provider_id, visitor, state)
        if error is not None:
            raise ProviderRefused(
                f"{provider.name} did not sign you in: you may have declined. Try again, or choose "
                "another way.",
                code="provider_declined" if error == "access_denied" else "provider_refused",
            )
        if not code or len(code) > _MAX_PARAMETER:
            raise ProviderRefused(f"{provider.name} sent you back without a code. Try again.")
        profile = provider.profile(
            code=code,
            redirect_uri=self._redirect_uri(provider_id),
            verifier=handshake.verifier,
            nonce=handshake.nonce,
        )
        if issuer is not None and issuer != profile.issuer:
            # RFC 9207: the answer came from another issuer than the one we asked.
            raise ProviderRefused("The answer came from another issuer than was asked. Try again.")
        if handshake.linking:
            return self._offered(profile, visitor, handshake)
        return self._arrived(profile, visitor, handshake)

    def _taken(self, provider_id: str, visitor: Visitor, state: str | None) -> Handshake:
        """The handshake this browser began, which is over with this."""
        known = (
            self._store.get(Handshake, hash_secret(state))
            if state and len(state) <= _MAX_PARAMETER
            else None
        )
        if known is None or known.provider != provider_id or known.expires_at <= self._clock.now():
            raise _expired()
        if not hmac.compare_digest(hash_secret(visitor.browser or ""), known.browser_hash):
            raise Unauthenticated(
                "This sign-in was begun in another browser. Begin it again in this one.",
                code="sign_in_other_browser",
            )
        try:
            self._store.commit(Delete(known))
        except ChangedMeanwhile:
            raise _expired() from None
        return known

    def _arrived(self, profile: Profile, visitor: Visitor, handshake: Handshake) -> Arrival:
        identity = self._store.get(Identity, profile.issuer, profile.subject)
        user = None if identity is None else self._store.get(User, identity.user_id)
        if identity is not None and user is None:
            # It was linked in the very moment in which its account was deleted.
            self._store.commit(Delete(identity))
        if user is None:
            if profile.email is None:
                raise ProviderRefused(
                    "Your account there has no verified email address. Verify one there, then try "
                    "again, or sign in by email.",
                    code="email_unverified",
                )
            claim = self._store.get(EmailClaim, profile.email)
            if claim is not None:
                return self._proof_due(profile, claim, visitor)
            user = self._accounts.of_profile(profile)
        signed = self._sign_in.complete(user, visitor, method=profile.provider)
        return Arrival(handshake.return_to, replace(signed, return_to=handshake.return_to))

    def _proof_due(self, profile: Profile, claim: EmailClaim, visitor: Visitor) -> Arrival:
        """The email has an account already: whose it is, they show by signing in to it."""
        now = self._clock.now()
        browser_hash = hash_secret(visitor.browser or "")
        before = self._store.get(PendingLink, browser_hash)
        until = now + OFFER_LIFETIME
        pending = PendingLink(
            browser_hash=browser_hash,
            user_id=claim.user_id,
            offer=Offer(profile, until),
            expires_at=until,
            revision=1 if before is None else before.revision + 1,
        )
        self._store.commit(Put(pending))
        return Arrival(f"/sign-in/link?provider={quote(profile.provider)}")

    def _offered(self, profile: Profile, visitor: Visitor, handshake: Handshake) -> Arrival:
        """Somebody signed in has come back with one more identity: they confirm it next."""
        session = self._session(visitor)
        identity = self._store.get(Identity, profile.issuer, profile.subject)
        if identity is not None:
            if identity.user_id != session.user_id:
                raise Conflict(
                    "This account there already signs in to another account here.",
                    code="identity_taken",
                )
            return Arrival(handshake.return_to)
        offer = Offer(profile, self._clock.now() + OFFER_LIFETIME)
        for _ in range(_TRIES):
            try:
                self._sessions.save(replace(self._session(visitor), offer=offer))
            except ChangedMeanwhile:
                continue  # another tab has refreshed it
            return Arrival(f"/sign-in/link?provider={quote(profile.provider)}")
        raise ChangedMeanwhile("Your session is being refreshed elsewhere. Add it again.")

    def _session(self, visitor: Visitor) -> Session:
        """The session in which somebody adds a way to sign in."""
        session = self._sessions.of_cookie(visitor)
        if session is None:
            raise Unauthenticated(
                "Your session ended on the way. Sign in, then add it again.", code="session_ended"
            )
        return session

    def _provider(self, provider_id: str) -> Provider:
        found = self._providers.get(provider_id)
        if found is None:
            raise NotFound(
                "There is no such way to sign in here. Choose one that is listed.",
                code="provider_unknown",
            )
        return found

    def _redirect_uri(self, provider_id: str) -> str:
        return f"{self._web_url}/api/v1/auth/{quote(provider_id)}/callback"


def _expired() -> Unauthenticated:
    return Unauthenticated(
        "This sign-in has ended or was used already. Begin it again.", code="sign_in_expired"
    )
