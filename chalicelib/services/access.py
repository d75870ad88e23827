"""Finding out who is calling, for which organisation, with which rights.

A session costs one read of the store, remembered for up to a minute; an API token one read, never
remembered. So a token is revoked at once, and everything else in a minute at most. What a token
only repeats of its organisation, the tier, is read again with the token itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from chalicelib.domain.credentials import TOKEN_PREFIX, ApiToken, hash_secret, looks_like_token
from chalicelib.domain.ids import is_id
from chalicelib.domain.sessions import Session
from chalicelib.domain.tenancy import Membership, Organisation, Principal
from chalicelib.errors import NotFound, Unauthenticated
from chalicelib.ports import Clock, Signer, Store
from chalicelib.values import frozen

REMEMBERED = timedelta(seconds=60)
MAX_REMEMBERED = 2000
NOTED = timedelta(minutes=5)
"""How exact the time of a token's last use is."""
_MAX_BEARER = 4096
_V = TypeVar("_V")


@frozen
class _Seen:
    principal: Principal
    until: datetime


@frozen
class _Tier:
    """The tier of an organisation as it was read, for the tokens of it."""

    org_id: str
    tier: str
    at: datetime


class Access:
    def __init__(self, *, store: Store, signer: Signer, clock: Clock) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock
        self._seen: OrderedDict[tuple[bytes, str | None], _Seen] = OrderedDict()
        self._noted: OrderedDict[str, datetime] = OrderedDict()
        self._tiers: OrderedDict[str, _Tier] = OrderedDict()

    def principal(
        self, bearer: str, *, organisation: str | None = None, address: str = ""
    ) -> Principal:
        """Who holds this access token or API token, in the organisation asked for (by default a
        person's own, and a token's). Raises Unauthenticated, or NotFound for an organisation that
        the caller is no member of."""
        if len(bearer) > _MAX_BEARER:
            raise Unauthenticated(
                "This is too long to be an access token of ours.", code="token_invalid"
            )
        if bearer.startswith(TOKEN_PREFIX):
            found = self._of_token(bearer, organisation)
        else:
            found = self._of_session(bearer, organisation)
        return replace(found, address=address)

    def forget(self) -> None:
        """What was remembered in this process counts no longer: rights have just changed."""
        self._seen.clear()
        self._tiers.clear()

    def _of_session(self, bearer: str, organisation: str | None) -> Principal:
        key = (sha256(bearer.encode()).digest(), organisation)
        now = self._clock.now()
        seen = self._seen.get(key)
        if seen is not None and now < seen.until:
            return seen.principal
        claims = self._signer.verify(bearer)
        user_id, session_id = str(claims["sub"]), str(claims.get("sid", ""))
        home = str(claims.get("org", ""))
        principal = self._look_up(user_id, session_id, organisation or home)
        ends = datetime.fromtimestamp(int(claims["exp"]), now.tzinfo)
        self._seen[key] = _Seen(principal, min(now + REMEMBERED, ends))
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return principal

    def _look_up(self, user_id: str, session_id: str, org_id: str) -> Principal:
        if not is_id(org_id, "org"):
            raise _no_organisation()
        session, membership, organisation = self._store.get_many(
            (Session, user_id, session_id),
            (Membership, org_id, user_id),
            (Organisation, org_id),
        )
        if session is None or session.expires_at <= self._clock.now():
            raise Unauthenticated("This session was ended. Sign in again.", code="session_ended")
        if membership is None or organisation is None:
            raise _no_organisation()
        return Principal(
            user_id=user_id,
            org_id=org_id,
            role=membership.role,
            grants=membership.grants,
            restricted=membership.restricted,
            session_id=session_id,
            tier=organisation.tier,
            closing=organisation.closing,
        )

    def _of_token(self, bearer: str, organisation: str | None) -> Principal:
        if not looks_like_token(bearer):
            raise Unauthenticated(
                "This is not a Slipway API token: its checksum is wrong. Copy it again, whole.",
                code="token_malformed",
            )
        hashed = hash_secret(bearer)
        token = self._used(hashed)
        if token is None:
            raise Unauthenticated(
                "This API token does not exist or was revoked.", code="token_unknown"
            )
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            raise Unauthenticated("This API token has expired.", code="token_expired")
        if organisation not in (None, token.org_id):
            raise _no_organisation()
        return Principal(
            user_id=token.user_id,
            org_id=token.org_id,
            role=token.role,
            scope=token.scope,
            token_id=token.id,
            agent_id=token.agent_id,
            grants=token.grants,
            restricted=token.restricted,
            tier=token.tier,
        )

    def _used(self, hashed: str) -> ApiToken | None:
        """The token, with its organisation's tier. One call: a process notes the use every few
        minutes while it reads, reads the organisation too every minute, and else just reads."""
        now = self._clock.now()
        noted, known = self._noted.get(hashed), self._tiers.get(hashed)
        is_new = known is not None and now < known.at + REMEMBERED
        # Of two that are due, the one that was done longer ago: a rare caller gets both in turn.
        if noted is None or (
            now >= noted + NOTED and (known is None or is_new or noted <= known.at)
        ):
            _remember(self._noted, hashed, now)
            token = self._store.touch(ApiToken, hashed, at=now)
        elif known is None or is_new:
            token = self._store.get(ApiToken, hashed)
        else:
            token, organisation = self._store.get_many(
                (ApiToken, hashed), (Organisation, known.org_id)
            )
            if organisation is not None:
                known = _Tier(organisation.id, organisation.tier, now)
                _remember(self._tiers, hashed, known)
        if token is None:
            return None
        if known is None:
            # Its own word counts this once. Now we know whose it is, and ask with the next call.
            known = _Tier(token.org_id, token.tier, now - REMEMBERED)
            _remember(self._tiers, hashed, known)
        return token if token.tier == known.tier else replace(token, tier=known.tier)


def _remember(kept: OrderedDict[str, _V], key: str, value: _V) -> None:
    kept[key] = value
    while len(kept) > MAX_REMEMBERED:
        kept.popitem(last=False)


def _no_organisation() -> NotFound:
    return NotFound(
        "There is no such organisation, or you are not a member of it.",
        code="organisation_unknown",
    )
