"""Sign-in by one-time link, and API tokens."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.credentials import (
    ApiToken,
    SignInLink,
    hash_secret,
    new_token_secret,
)
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.sessions import ACCESS_LIFETIME, SESSION_LIFETIME, Session
from chalicelib.domain.tenancy import (
    Action,
    EmailClaim,
    Membership,
    Organisation,
    Principal,
    Role,
    Scope,
    User,
)
from chalicelib.errors import (
    ChangedMeanwhile,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
)
from chalicelib.ports import TOKENS, Clock, Delete, Mail, Page, Put, Signer, Store, every

LINK_LIFETIME = timedelta(minutes=10)
_EMAIL = re.compile(r"[!#-'*+\-/-9=?^-~.]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")
_MAX_EMAIL = 254


@dataclass(frozen=True)
class SignedIn:
    """A person's session: the access token and how many seconds it lasts."""

    user: User
    access_token: str
    expires_in: int


class Accounts:
    def __init__(
        self, *, store: Store, mail: Mail, signer: Signer, clock: Clock, web_url: str
    ) -> None:
        self._store = store
        self._mail = mail
        self._signer = signer
        self._clock = clock
        self._web_url = web_url

    def request_link(self, email: str) -> None:
        """Mails a sign-in link. The answer is the same whether or not the account exists."""
        address = _normal_email(email)
        now = self._clock.now()
        secret = secrets.token_urlsafe(32)
        link = SignInLink(hash_secret(secret), address, now, now + LINK_LIFETIME)
        self._store.commit(Put(link))
        self._mail.send(
            address,
            "Your sign-in link for Slipway",
            "Open this link to sign in to Slipway:\n\n"
            # The secret stays behind the '#', so neither servers nor link scanners see it.
            f"{self._web_url}/sign-in#token={secret}\n\n"
            "It works once and for ten minutes. If you did not ask for it, ignore this mail.\n",
        )

    def redeem(self, secret: str) -> SignedIn:
        """Turns a link's secret into a session, once; makes the account on first use."""
        link = self._store.get(SignInLink, hash_secret(secret))
        if link is None or link.expires_at <= self._clock.now():
            raise Unauthenticated(
                "This sign-in link has been used or has expired. Ask for a new one.",
                code="link_expired",
            )
        try:
            self._store.commit(Delete(link))
        except ChangedMeanwhile:
            raise Unauthenticated(
                "This sign-in link has just been used. Ask for a new one.", code="link_expired"
            ) from None
        return self._session(self._user_of(link.email))

    def me(self, principal: Principal) -> tuple[User, Organisation]:
        user = self._store.get(User, principal.user_id)
        org = self._store.get(Organisation, principal.org_id)
        if user is None or org is None:
            raise Unauthenticated("This account no longer exists.")
        return user, org

    def create_token(
        self, principal: Principal, *, name: str, scope: Scope, expires_at: datetime | None
    ) -> tuple[ApiToken, str]:
        """The token and its secret, which is never shown again."""
        principal.require(Action.TOKEN_MANAGE)
        if principal.token_id is not None:
            raise Forbidden(
                "An API token cannot make another one: it could outlive itself. Sign in to make "
                "tokens."
            )
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Invalid(
                "The token would expire before it exists.",
                errors=(FieldError("expires_at", "Name a time in the future, or leave it out."),),
            )
        secret = new_token_secret()
        token = ApiToken(
            id=new_id("tok"),
            hash=hash_secret(secret),
            org_id=principal.org_id,
            user_id=principal.user_id,
            role=principal.role,
            name=name,
            scope=scope,
            hint=secret[-4:],
            created_at=now,
            expires_at=expires_at,
            grants=principal.grants,
            restricted=principal.restricted,
            tier=principal.tier,
        )
        self._store.commit(Put(token))
        return token, secret

    def tokens(self, principal: Principal, *, limit: int, after: str | None) -> Page[ApiToken]:
        principal.require(Action.TOKEN_MANAGE)
        return self._store.page(TOKENS, principal.org_id, limit=limit, after=after)

    def revoke_token(self, principal: Principal, token_id: str) -> None:
        """Ends a token at once."""
        principal.require(Action.TOKEN_MANAGE)
        if is_id(token_id, "tok"):
            for token in every(self._store, TOKENS, principal.org_id):
                if token.id == token_id:
                    self._store.commit(Delete(token))
                    return
        raise NotFound("There is no such token in your organisation.")

    def _session(self, user: User) -> SignedIn:
        now = self._clock.now()
        session = Session(
            id=new_id("ses"),
            user_id=user.id,
            refresh_hash=hash_secret(secrets.token_urlsafe(32)),
            created_at=now,
            last_used_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
        self._store.commit(Put(session))
        token = self._signer.sign(
            {
                "sub": user.id,
                "sid": session.id,
                "org": user.personal_org_id,
                "iat": int(now.timestamp()),
                "exp": int((now + ACCESS_LIFETIME).timestamp()),
            }
        )
        return SignedIn(user, token, int(ACCESS_LIFETIME.total_seconds()))

    def _user_of(self, email: str) -> User:
        claim = self._store.get(EmailClaim, email)
        if claim is None:
            claim = self._sign_up(email)
        user = self._store.get(User, claim.user_id)
        if user is None:
            raise Unauthenticated("This account no longer exists.")
        return user

    def _sign_up(self, email: str) -> EmailClaim:
        now = self._clock.now()
        org_id, user_id = new_id("org"), new_id("usr")
        name = email.split("@", 1)[0]
        claim = EmailClaim(email, user_id)
        try:
            self._store.commit(
                Put(claim),
                Put(User(user_id, email, name, org_id, now)),
                Put(Organisation(org_id, f"{name}'s agents", personal=True, created_at=now)),
                Put(Membership(org_id, user_id, Role.OWNER, now)),
            )
        except ChangedMeanwhile:
            # Two links redeemed at once: the other one made the account.
            found = self._store.get(EmailClaim, email)
            if found is None:
                raise
            return found
        return claim


def _normal_email(email: str) -> str:
    address = email.strip().lower()
    if len(address) > _MAX_EMAIL or not _EMAIL.fullmatch(address):
        raise Invalid(
            "This is not an email address we can write to.",
            errors=(FieldError("email", "Give one address such as you@example.com."),),
        )
    return address
