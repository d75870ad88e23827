"""The end of an organisation: everything stops at once, a week of grace, then it is removed.

Closing is one transaction, so nothing can be half closed. What follows (stopping, and at last
removing) is taken up by the reconciler until it is done, and can be done twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.agents import Agent, SlugClaim, Visibility
from chalicelib.domain.audit import SYSTEM, Audited, AuditEvent
from chalicelib.domain.deployments import Deployment, Environment
from chalicelib.domain.images import media_folder
from chalicelib.domain.listings import AgentListing
from chalicelib.domain.members import Headcount
from chalicelib.domain.telling import Told, pull_subject
from chalicelib.domain.tenancy import Action, Membership, Organisation, Principal
from chalicelib.domain.versions import Reason, Version
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    FieldError,
    Invalid,
    PlatformError,
)
from chalicelib.ports import (
    AGENTS,
    DELIVERIES,
    DEPLOYMENTS,
    ENVIRONMENTS,
    HISTORY,
    INSTALLATIONS,
    INVITATIONS,
    MEMBERS,
    PUBLISHED,
    PULL_REQUESTS,
    REGISTERS,
    REMAINS,
    REVIEWS,
    SHARES,
    TRACKS,
    VARIABLES,
    VERSIONS,
    Artifacts,
    Change,
    Clock,
    Delete,
    Host,
    Put,
    Schedule,
    Store,
    every,
)
from chalicelib.services.access import Access
from chalicelib.services.agents import disconnecting, unlisting
from chalicelib.services.audit import Audit
from chalicelib.services.deployments import Deployments
from chalicelib.services.organisations import (
    TRIES,
    Belonging,
    changing_too_fast,
    gone,
    places_left,
)
from chalicelib.services.tokens import Tokens
from chalicelib.services.versions import Versions
from chalicelib.telemetry import logger

GRACE = timedelta(days=7)
SETTLED_AFTER = timedelta(minutes=2)
"""Until then, somebody whose rights are remembered may still begin something."""
WHILE_ASKED = timedelta(seconds=10)
"""How long somebody who closes an organisation waits for its agents to stop, at most."""
_BATCH = 25
_OVER = frozenset({"REMOVED", "REMOVING", "FAILED", "CRASHED", "SKIPPED"})
"""What the host says of something that runs no more."""
_WHY = Reason(
    "organisation_closing", "Its organisation is being deleted. Restore the organisation first."
)


class Closing:
    def __init__(
        self,
        *,
        store: Store,
        host: Host,
        artifacts: Artifacts,
        schedule: Schedule,
        access: Access,
        audit: Audit,
        tokens: Tokens,
        versions: Versions,
        deployments: Deployments,
        clock: Clock,
    ) -> None:
        self._store = store
        self._host = host
        self._artifacts = artifacts
        self._schedule = schedule
        self._access = access
        self._audit = audit
        self._tokens = tokens
        self._versions = versions
        self._deployments = deployments
        self._clock = clock

    def close(self, principal: Principal, *, confirm: str) -> Belonging:
        """Begins the end; `confirm` is the organisation's name. Said again, it changes nothing."""
        for _ in range(TRIES):
            organisation, headcount, actor = self._scene(principal)
            if organisation.personal:
                raise Conflict(
                    "Your personal organisation goes with your account. Delete its agents one by "
                    "one, or delete the account.",
                    code="organisation_personal",
                )
            if organisation.closing:
                return Belonging(organisation, actor)
            if confirm != organisation.name:
                raise Invalid(
                    "The name does not match, so nothing was deleted.",
                    code="confirmation_mismatch",
                    errors=(FieldError("confirm", f"Type the name: {organisation.name}"),),
                )
            now = self._clock.now()
            closing = replace(
                organisation,
                closed_at=now,
                closes_at=now + GRACE,
                settled=False,
                revision=organisation.revision + 1,
            )
            event = AuditEvent.by(
                principal,
                Audited.ORGANISATION_DELETED,
                organisation.id,
                after={"closes_at": closing.closes_at},
            )
            try:
                self._audit.commit(event, Put(closing), Put(headcount.after()))
            except ChangedMeanwhile:
                continue
            self._access.forget()
            self._schedule.enable()
            self._stop(closing, within=WHILE_ASKED)
            return Belonging(closing, actor)
        raise changing_too_fast()

    def restore(self, principal: Principal) -> Belonging:
        """Takes it back. Agents stay stopped until somebody deploys them, and API tokens are
        gone: both would otherwise act unasked."""
        for _ in range(TRIES):
            organisation, headcount, actor = self._scene(principal)
            if organisation.closes_at is None:
                return Belonging(organisation, actor)
            if organisation.removing or organisation.closes_at <= self._clock.now():
                raise Conflict(
                    "The days of grace are over; this organisation is being removed.",
                    code="organisation_removed",
                )
            restored = replace(
                organisation,
                closed_at=None,
                closes_at=None,
                settled=False,
                revision=organisation.revision + 1,
            )
            event = AuditEvent.by(principal, Audited.ORGANISATION_RESTORED, organisation.id)
            try:
                self._audit.commit(event, Put(restored), Put(headcount.after()))
            except ChangedMeanwhile:
                continue
            self._access.forget()
            return Belonging(restored, actor)
        raise changing_too_fast()

    def abandon(self, organisation: Organisation, *, actor: str, address: str) -> None:
        """Removes an organisation whose only member deletes their account: without grace, for
        nobody is left to restore it."""
        for _ in range(TRIES):
            if organisation.removing or self._abandoned(organisation, actor, address):
                self._schedule.enable()
                self._stop(organisation, within=WHILE_ASKED)
                return
            found = self._store.get(Organisation, organisation.id)
            if found is None:
                return
            organisation = found
        raise changing_too_fast()

    # --- for the reconciler -------------------------------------------------------------------

    def reconcile(self, organisation: Organisation) -> None:
        """Stops what still runs, and removes the organisation when its time has come."""
        now = self._clock.now()
        if organisation.closes_at is None or organisation.closed_at is None:
            return
        if organisation.removing or organisation.closes_at <= now:
            self._remove(organisation)
        elif not organisation.settled:
            found = self._stop(organisation)
            if not found and now > organisation.closed_at + SETTLED_AFTER:
                self._store.commit(
                    Put(replace(organisation, settled=True, revision=organisation.revision + 1))
                )

    def halt(self, thing: Version | Deployment) -> None:
        """Ends something open of a closing organisation, whatever state it is in."""
        if isinstance(thing, Version):
            self._versions.halt(thing, _WHY)
        else:
            self._deployments.halt(thing, _WHY)

    # --- how ----------------------------------------------------------------------------------

    def _scene(self, principal: Principal) -> tuple[Organisation, Headcount, Membership]:
        principal.require(Action.ORGANISATION_DELETE)
        org_id = principal.org_id
        organisation, headcount, actor = self._store.get_many(
            (Organisation, org_id), (Headcount, org_id), (Membership, org_id, principal.user_id)
        )
        if organisation is None or actor is None:
            raise gone()
        replace(principal, role=actor.role).require(Action.ORGANISATION_DELETE)
        return organisation, headcount or Headcount(org_id), actor

    def _abandoned(self, organisation: Organisation, actor: str, address: str) -> bool:
        """False when somebody else was faster."""
        now = self._clock.now()
        closing = replace(
            organisation,
            closed_at=organisation.closed_at or now,
            closes_at=now,
            removing=True,
            revision=organisation.revision + 1,
        )
        event = AuditEvent(
            organisation.id,
            actor,
            Audited.ORGANISATION_DELETED,
            organisation.id,
            address,
            after={"closes_at": now},
        )
        headcount = self._store.get(Headcount, organisation.id) or Headcount(organisation.id)
        if headcount.members > 1:
            raise Conflict(
                f"Somebody has just joined {organisation.name}. Make them an owner, or remove "
                "them; then delete your account.",
                code="last_owner",
            )
        try:
            self._audit.commit(event, Put(closing), Put(headcount.after()))
        except ChangedMeanwhile:
            return False
        return True

    def _stop(self, organisation: Organisation, *, within: timedelta | None = None) -> int:
        """Ends tokens and whatever runs; returns how much of it there was. What takes longer than
        `within` is left to the reconciler."""
        found = 0
        until = None if within is None else self._clock.now() + within
        for member in list(every(self._store, MEMBERS, organisation.id)):
            if self._tokens.of(member.org_id, member.user_id):
                found += 1
                with suppress(ChangedMeanwhile):
                    self._store.commit(*self._tokens.removed(member.org_id, member.user_id))
        for agent in list(every(self._store, AGENTS, organisation.id)):
            found += self._unlist(agent)
            for environment in every(self._store, ENVIRONMENTS, organisation.id, agent.id):
                if until is not None and self._clock.now() > until:
                    return found + 1
                found += self._stop_environment(environment)
        return found

    def _stop_environment(self, environment: Environment) -> int:
        found = 0
        try:
            # What waits goes first: it would otherwise get the turn of what moves.
            for held in (environment.queued, environment.moving, environment.serving):
                if held is not None:
                    found += self._deployments.halt_by_id(environment.org_id, held, _WHY)
            # A release that was under way may have reached the host after we had ended it.
            if environment.service_id:
                for seen in self._host.recent(environment.service_id):
                    if not seen.stopped and seen.status not in _OVER:
                        found += 1
                        self._host.stop(seen.id)
        except PlatformError as error:
            # The reconciler tries again.
            logger.warning("not stopped yet", extra={"detail": error.detail})
            return found + 1
        return found

    def _unlist(self, agent: Agent) -> int:
        """Nobody shall copy what is about to go; restored, it is published again by hand."""
        now = self._clock.now()
        changes = unlisting(self._store, agent, now)
        if not changes:
            return 0
        unseen = replace(
            agent, visibility=Visibility.PRIVATE, updated_at=now, revision=agent.revision + 1
        )
        with suppress(ChangedMeanwhile):
            self._store.commit(Put(unseen), *changes)
        return 1

    def _remove(self, organisation: Organisation) -> None:
        """Removes everything. The organisation itself goes last: until then it is found again."""
        if not organisation.removing:
            organisation = replace(organisation, removing=True, revision=organisation.revision + 1)
            event = AuditEvent(
                organisation.id, SYSTEM, Audited.ORGANISATION_REMOVED, organisation.id
            )
            self._audit.commit(event, Put(organisation))
        org_id = organisation.id
        agents = [agent.id for agent in every(self._store, AGENTS, org_id)]
        remains = list(every(self._store, REMAINS, org_id))
        for agent_id in dict.fromkeys([*agents, *(r.agent_id for r in remains)]):
            self._remove_agent(org_id, agent_id)
        self._artifacts.remove_all(f"{org_id}/")
        self._delete(remains)
        self._delete(list(every(self._store, INVITATIONS, org_id)))
        self._delete(list(every(self._store, INSTALLATIONS, org_id)))
        for membership in list(every(self._store, MEMBERS, org_id)):
            user_id = membership.user_id
            left = [] if organisation.personal else places_left(self._store, [user_id])
            self._store.commit(Delete(membership), *left)
        for register in list(every(self._store, REGISTERS, org_id)):
            self._store.commit(*self._tokens.removed(org_id, register.user_id))
        self._delete(list(every(self._store, REGISTERS, org_id)))
        headcount = self._store.get(Headcount, org_id)
        self._delete([organisation] if headcount is None else [headcount, organisation])
        self._access.forget()
        logger.info("organisation removed", extra={"org_id": org_id})

    def _remove_agent(self, org_id: str, agent_id: str) -> None:
        for environment in list(every(self._store, ENVIRONMENTS, org_id, agent_id)):
            if environment.service_id:
                self._host.remove_service(environment.service_id)
            self._store.commit(Delete(environment))
        self._delete(list(every(self._store, VARIABLES, org_id, agent_id)))
        self._delete(list(every(self._store, PUBLISHED, org_id, agent_id)))
        self._delete(list(every(self._store, SHARES, org_id, agent_id)))
        self._delete(list(every(self._store, REVIEWS, org_id, agent_id)))
        connected = disconnecting(self._store, org_id, agent_id)
        if connected:
            self._store.commit(*connected)
        for request in list(every(self._store, PULL_REQUESTS, org_id, agent_id)):
            self._delete(self._told(org_id, pull_subject(agent_id, request.number)))
        for kept in (DELIVERIES, TRACKS, PULL_REQUESTS):
            self._delete(list(every(self._store, kept, org_id, agent_id)))  # type: ignore[misc]
        self._artifacts.remove_all(media_folder(org_id, agent_id))
        listing = self._store.get(AgentListing, org_id, agent_id)
        self._delete([] if listing is None else [listing])
        subjects: list[Version | Deployment] = [
            *every(self._store, VERSIONS, org_id, agent_id),
            *every(self._store, DEPLOYMENTS, org_id, agent_id),
        ]
        for subject in subjects:
            self._delete(self._told(org_id, subject.id))
            self._delete([*every(self._store, HISTORY, org_id, subject.id), subject])
        agent = self._store.get(Agent, org_id, agent_id)
        if agent is not None:
            claim = self._store.get(SlugClaim, org_id, agent.slug)
            self._delete([agent] if claim is None else [claim, agent])

    def _told(self, org_id: str, subject_id: str) -> list[Told]:
        """What the code host was told of it."""
        told = self._store.get(Told, org_id, subject_id)
        return [] if told is None else [told]

    def _delete(self, entities: Iterable[Any]) -> None:
        """In this order, a few at a time."""
        batch: list[Change] = []
        for entity in entities:
            batch.append(Delete(entity))
            if len(batch) == _BATCH:
                self._store.commit(*batch)
                batch = []
        if batch:
            self._store.commit(*batch)
