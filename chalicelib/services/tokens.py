"""Use cases of API tokens: making, listing and revoking them, and keeping them to their makers'
rights."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.agents import Agent
from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.credentials import (
    MAX_TOKENS,
    ApiToken,
    TokenRegister,
    hash_secret,
    new_token_secret,
)
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.tenancy import Action, Membership, Principal, Scope
from chalicelib.errors import ChangedMeanwhile, Conflict, FieldError, Forbidden, Invalid, NotFound
from chalicelib.ports import TOKENS, Change, Clock, Delete, Page, Put, Store, every
from chalicelib.services.audit import Audit

_TRIES = 4


class Tokens:
    def __init__(self, *, store: Store, audit: Audit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    def create(
        self,
        principal: Principal,
        *,
        name: str,
        scope: Scope,
        expires_at: datetime | None,
        agent_id: str | None = None,
    ) -> tuple[ApiToken, str]:
        """The token and its secret, which is never shown again."""
        if principal.token_id is not None:
            raise Forbidden(
                "An API token cannot make another one: it could outlive itself. Sign in to make "
                "tokens."
            )
        principal.require(Action.TOKEN_CREATE)
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Invalid(
                "The token would expire before it exists.",
                errors=(FieldError("expires_at", "Name a time in the future, or leave it out."),),
            )
        self._check_agent(principal, agent_id)
        secret = new_token_secret()
        for _ in range(_TRIES):
            membership, register = self._store.get_many(
                (Membership, principal.org_id, principal.user_id),
                (TokenRegister, principal.org_id, principal.user_id),
            )
            if membership is None:
                raise NotFound("You are not a member of this organisation any more.")
            live = [token.hash for token in self._of(register)]
            if len(live) >= MAX_TOKENS:
                raise Conflict(
                    f"You have {MAX_TOKENS} API tokens in this organisation, which is the most. "
                    "Revoke one you do not use.",
                    code="too_many_tokens",
                )
            token = ApiToken(
                id=new_id("tok"),
                hash=hash_secret(secret),
                org_id=principal.org_id,
                user_id=principal.user_id,
                role=membership.role,
                name=name,
                scope=scope,
                hint=secret[-4:],
                created_at=now,
                expires_at=expires_at,
                agent_id=agent_id,
                grants=membership.grants,
                restricted=membership.restricted,
                tier=principal.tier,
            )
            register = self._registered(principal.org_id, principal.user_id, register)
            said = {"name": name, "scope": scope, "agent_id": agent_id, "expires_at": expires_at}
            event = AuditEvent.by(principal, Audited.TOKEN_CREATED, token.id, after=said)
            listed = replace(register, hashes=(*live, token.hash))
            try:
                self._audit.commit(event, Put(token), Put(listed))
            except ChangedMeanwhile:
                continue  # the role was changed, or another token made: read again
            return token, secret
        raise ChangedMeanwhile("Your tokens are being changed elsewhere. Try again in a moment.")

    def page(self, principal: Principal, *, limit: int, after: str | None) -> Page[ApiToken]:
        """All of the organisation's for who manages its members; one's own for everybody else."""
        principal.require(Action.TOKEN_MANAGE)
        if self._manages_all(principal):
            return self._store.page(TOKENS, principal.org_id, limit=limit, after=after)
        own = self.of(principal.org_id, principal.user_id)
        own.sort(key=lambda token: token.id, reverse=True)
        return Page(tuple(own), None)

    def revoke(self, principal: Principal, token_id: str) -> None:
        """Ends a token at once. Raises NotFound for what the caller could not have listed."""
        principal.require(Action.TOKEN_MANAGE)
        if is_id(token_id, "tok"):
            for _ in range(_TRIES):
                token = self._find(principal, token_id)
                if token is None:
                    break
                register = self._store.get(TokenRegister, token.org_id, token.user_id)
                register = self._registered(token.org_id, token.user_id, register)
                left = tuple(h for h in register.hashes if h != token.hash)
                said = {"name": token.name, "scope": token.scope, "user_id": token.user_id}
                event = AuditEvent.by(principal, Audited.TOKEN_REVOKED, token.id, before=said)
                try:
                    self._audit.commit(event, Delete(token), Put(replace(register, hashes=left)))
                except ChangedMeanwhile:
                    continue
                return
        raise NotFound("There is no such token in your organisation.")

    def of(self, org_id: str, user_id: str) -> list[ApiToken]:
        """A member's tokens, as they are stored this moment."""
        return self._of(self._store.get(TokenRegister, org_id, user_id))

    def rewritten(self, membership: Membership, *, tier: str) -> list[Change]:
        """The changes that bring a member's tokens in line with their membership.

        For the commit that changes the membership: it loses (ChangedMeanwhile) when a token is
        made or revoked at that moment, and has to be prepared again. At most MAX_TOKENS + 1.
        """
        register = self._store.get(TokenRegister, membership.org_id, membership.user_id)
        tokens = self._of(register)
        register = self._registered(membership.org_id, membership.user_id, register)
        return [
            *(
                Put(
                    replace(
                        token,
                        role=membership.role,
                        grants=membership.grants,
                        restricted=membership.restricted,
                        tier=tier,
                        revision=token.revision + 1,
                    )
                )
                for token in tokens
            ),
            Put(replace(register, hashes=tuple(token.hash for token in tokens))),
        ]

    def removed(self, org_id: str, user_id: str) -> list[Change]:
        """The changes that end all of a member's tokens, for the commit that removes the member."""
        register = self._store.get(TokenRegister, org_id, user_id)
        changes: list[Change] = [Delete(token) for token in self._of(register)]
        # Written even when there is none: a token made at this moment loses the race.
        changes.append(Put(replace(self._registered(org_id, user_id, register), hashes=())))
        return changes

    def _of(self, register: TokenRegister | None) -> list[ApiToken]:
        if register is None or not register.hashes:
            return []
        found = self._store.get_many(*((ApiToken, hashed) for hashed in register.hashes))
        now = self._clock.now()
        return [t for t in found if t is not None and (t.expires_at is None or t.expires_at > now)]

    def _registered(
        self, org_id: str, user_id: str, register: TokenRegister | None
    ) -> TokenRegister:
        """The next revision of the register, to be written."""
        if register is None:
            return TokenRegister(org_id, user_id)
        return replace(register, revision=register.revision + 1)

    def _find(self, principal: Principal, token_id: str) -> ApiToken | None:
        if self._manages_all(principal):
            tokens = list(every(self._store, TOKENS, principal.org_id))
            found = next((token for token in tokens if token.id == token_id), None)
            # The list may be a moment old.
            return None if found is None else self._store.get(ApiToken, found.hash)
        own = self.of(principal.org_id, principal.user_id)
        return next((token for token in own if token.id == token_id), None)

    def _check_agent(self, principal: Principal, agent_id: str | None) -> None:
        if agent_id is None:
            return
        known = (
            is_id(agent_id, "agt")
            and principal.sees(agent_id)
            and self._store.get(Agent, principal.org_id, agent_id) is not None
        )
        if not known:
            raise Invalid(
                "The token is to be for one agent, but there is no such agent here.",
                code="agent_unknown",
                errors=(
                    FieldError("agent_id", "Name an agent of yours, or leave it out for all."),
                ),
            )

    def _manages_all(self, principal: Principal) -> bool:
        return principal.may(Action.MEMBER_REMOVE)
