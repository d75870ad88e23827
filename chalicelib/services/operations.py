"""What operators see and may do: the host's budget, the reconciler, repairs, orphans, stuck work,
and what the code host has told of nobody.

Operators are named in the settings by their addresses. To everybody else none of this exists.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.budget import BudgetState
from chalicelib.domain.deliveries import Receipt
from chalicelib.domain.deployments import Deployment, Environment
from chalicelib.domain.operations import Orphan, ReconcilerRun, Repair
from chalicelib.domain.tenancy import Principal, Scope, User
from chalicelib.errors import NotFound
from chalicelib.ports import (
    NOBODYS_RECEIPTS,
    OPEN_DEPLOYMENTS,
    ORPHANS,
    REPAIRS,
    UNSETTLED,
    Clock,
    Host,
    Page,
    Store,
    every,
)
from chalicelib.services.orphans import Orphans
from chalicelib.values import frozen

STUCK_AFTER = timedelta(minutes=5)
SHOWN = 50


@frozen
class StuckWork:
    """Something that should have moved by now, and what it waits for."""

    org_id: str
    agent_id: str
    environment: str
    deployment_id: str
    state: str
    since: datetime
    detail: str


@frozen
class Overview:
    budget: BudgetState
    reconciler: ReconcilerRun | None
    repairs: tuple[Repair, ...]
    orphans: tuple[Orphan, ...]
    stuck: tuple[StuckWork, ...]
    moving: int
    serving: int


class Operations:
    def __init__(
        self,
        *,
        store: Store,
        host: Host,
        orphans: Orphans,
        clock: Clock,
        operators: frozenset[str],
    ) -> None:
        self._store = store
        self._host = host
        self._orphans = orphans
        self._clock = clock
        self._operators = operators

    def is_operator(self, user: User, principal: Principal) -> bool:
        """Whether this person is an operator, and this call of theirs may do what operators do."""
        return user.email.lower() in self._operators and principal.scope is Scope.ADMIN

    def require_operator(self, principal: Principal) -> User:
        """Raises NotFound for everybody who is not an operator: this is not here for them."""
        user = self._store.get(User, principal.user_id) if self._operators else None
        if user is None or not self.is_operator(user, principal):
            raise NotFound("There is no such thing here.")
        return user

    def overview(self, principal: Principal) -> Overview:
        self.require_operator(principal)
        opened = list(every(self._store, OPEN_DEPLOYMENTS))
        moving = [d for d in opened if d.state.is_moving]
        return Overview(
            budget=self._host.budget.state(),
            reconciler=self._store.get(ReconcilerRun),
            repairs=self._store.page(REPAIRS, limit=SHOWN).items,
            orphans=tuple(every(self._store, ORPHANS)),
            stuck=tuple(self._stuck(moving)),
            moving=len(moving),
            serving=len(opened) - len(moving),
        )

    def repairs(self, principal: Principal, *, limit: int, after: str | None) -> Page[Repair]:
        """What was mended, newest first; kept for thirty days."""
        self.require_operator(principal)
        return self._store.page(REPAIRS, limit=limit, after=after)

    def receipts(self, principal: Principal, *, limit: int, after: str | None) -> Page[Receipt]:
        """What the code host has told that no agent can show, newest first, for thirty days."""
        self.require_operator(principal)
        return self._store.page(NOBODYS_RECEIPTS, limit=limit, after=after)

    def search_orphans(self, principal: Principal) -> list[Orphan]:
        """Looks now instead of at the next hour."""
        self.require_operator(principal)
        self._orphans.search()
        return list(every(self._store, ORPHANS))

    def remove_orphan(self, principal: Principal, service_id: str) -> None:
        """Removes it at the host; recorded in the operator's own organisation."""
        user = self.require_operator(principal)
        event = AuditEvent.by(principal, Audited.ORPHAN_REMOVED, service_id)
        self._orphans.remove(service_id, replace(event, org_id=user.personal_org_id))

    def _stuck(self, moving: list[Deployment]) -> list[StuckWork]:
        now = self._clock.now()
        found = [
            StuckWork(
                d.org_id,
                d.agent_id,
                d.environment,
                d.id,
                d.state.value,
                d.updated_at,
                d.trouble.detail if d.trouble else "It has not moved; the reconciler takes it up.",
            )
            for d in moving
            if now - d.updated_at > STUCK_AFTER
            or (d.trouble is not None and now - d.trouble.since > STUCK_AFTER)
        ]
        for environment in every(self._store, UNSETTLED):
            found += [_left(environment, one.deployment_id, one.since) for one in
                      environment.leftovers if now - one.since > STUCK_AFTER]  # fmt: skip
        return found


def _left(environment: Environment, deployment_id: str, since: datetime) -> StuckWork:
    return StuckWork(
        environment.org_id,
        environment.agent_id,
        environment.name,
        deployment_id,
        "ended",
        since,
        "It has ended here, and the host has not confirmed that it has ended it.",
    )
