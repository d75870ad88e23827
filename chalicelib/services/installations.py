"""Installations of our app at the code host: proved by whoever may use them, then listed from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.connections import TRIP_LIFETIME, Installed, Trip, checked_repository
from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.repositories import Branch, Repository, RepositoryRef
from chalicelib.domain.sign_in import new_secret
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.errors import (
    ChangedMeanwhile,
    CodeHostRefused,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from chalicelib.ports import INSTALLATIONS, Clock, CodeHost, Delete, Put, Store, every
from chalicelib.services.audit import Audit

_LONGEST_CODE = 500


class Installations:
    def __init__(self, *, store: Store, audit: Audit, code_host: CodeHost, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._code_host = code_host
        self._clock = clock

    @property
    def app(self) -> bool:
        """Whether the operator has an app at the code host."""
        return self._code_host.app

    def listed(self, principal: Principal) -> list[Installed]:
        """Those the organisation holds a proof of."""
        principal.require(Action.INSTALLATION_READ)
        return list(every(self._store, INSTALLATIONS, principal.org_id))

    def start(self, principal: Principal) -> tuple[str, datetime]:
        """Where the browser goes to install the app, and until when it may come back."""
        principal.require(Action.INSTALLATION_MANAGE)
        self._require_app()
        state = new_secret()
        until = self._clock.now() + TRIP_LIFETIME
        trip = Trip(hash_secret(state), principal.user_id, principal.org_id, until)
        self._store.commit(Put(trip))
        return self._code_host.install_address(state), until

    def complete(
        self, principal: Principal, *, state: str, code: str, installation_id: int
    ) -> Installed:
        """The browser is back. The code proves who came; only what that person may use counts,
        whatever number the address held."""
        principal.require(Action.INSTALLATION_MANAGE)
        self._require_app()
        self._redeem(principal, state)
        try:
            usable = self._code_host.installations_of(code[:_LONGEST_CODE], reading=installation_id)
        except CodeHostRefused as error:
            raise Invalid(
                f"{error.detail} Begin again with POST /github/installations.", code="code_refused"
            ) from error
        found = next((one for one in usable if one.id == installation_id), None)
        if found is None:
            raise Forbidden(
                "You may not use this installation at the code host. Ask somebody who administers "
                "that account to connect it.",
                code="installation_not_yours",
            )
        known = self._store.get(Installed, principal.org_id, str(found.id))
        made = Installed(
            org_id=principal.org_id,
            installation_id=found.id,
            account=found.account,
            added_by=principal.user_id,
            added_at=self._clock.now(),
            suspended=found.suspended,
            repositories=found.repositories | (known.repositories if known else frozenset()),
            revision=(known.revision if known else 0) + 1,
        )
        said = {"account": found.account, "installation_id": str(found.id)}
        event = AuditEvent.by(principal, Audited.INSTALLATION_ADDED, principal.org_id, after=said)
        self._audit.commit(event, Put(made))
        return made

    def remove(self, principal: Principal, installation_id: int) -> None:
        """The organisation holds it no more. Agents that are connected through it stay so: they
        are disconnected one by one."""
        principal.require(Action.INSTALLATION_MANAGE)
        held = self._held(principal, installation_id)
        said = {"account": held.account, "installation_id": str(held.installation_id)}
        event = AuditEvent.by(
            principal, Audited.INSTALLATION_REMOVED, principal.org_id, before=said
        )
        self._audit.commit(event, Delete(held))

    def repositories(self, principal: Principal, installation_id: int) -> list[Repository]:
        """What the installation may read, and whoever proved it may as well, by name."""
        principal.require(Action.INSTALLATION_READ)
        held = self._held(principal, installation_id)
        found = self._code_host.repositories(held.installation_id)
        found = [one for one in found if one.id in held.repositories]
        return sorted(found, key=lambda one: one.full_name.lower())

    def branches(
        self, principal: Principal, name: str, installation_id: int | None
    ) -> tuple[Repository, list[Branch]]:
        """The repository and its branches; without an installation, of a public one."""
        principal.require(Action.INSTALLATION_READ)
        held = None if installation_id is None else self._held(principal, installation_id)
        ref = RepositoryRef(checked_repository(name), 0, installation_id)
        try:
            about = self._code_host.repository(ref)
            if held is not None and about.id not in held.repositories:
                raise NotFound(f"There is no repository {name} that you may read.")
            return about, self._code_host.branches(replace(ref, id=about.id))
        except CodeHostRefused as error:
            raise NotFound(error.detail, code=error.code) from error

    # --- how ----------------------------------------------------------------------------------

    def _require_app(self) -> None:
        if not self._code_host.app:
            raise Conflict(
                "This platform has no app at the code host. Connect the agent by a webhook of its "
                "own, or ask the operator to set the app up.",
                code="no_app",
            )

    def _held(self, principal: Principal, installation_id: int) -> Installed:
        held = self._store.get(Installed, principal.org_id, str(installation_id))
        if held is None:
            raise NotFound("Your organisation has no such installation.")
        return held

    def _redeem(self, principal: Principal, state: str) -> None:
        trip = self._store.get(Trip, hash_secret(state))
        mine = trip is not None and (trip.user_id, trip.org_id) == (
            principal.user_id,
            principal.org_id,
        )
        if trip is None or not mine or trip.expires_at <= self._clock.now():
            raise Invalid(
                "This way back is not yours, was used already, or has expired. Begin again.",
                code="state_invalid",
            )
        try:
            self._store.commit(Delete(trip))
        except ChangedMeanwhile:
            raise Invalid(
                "This way back was used already. Begin again.", code="state_invalid"
            ) from None
