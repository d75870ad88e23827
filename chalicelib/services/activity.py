"""Who uses an agent: people whose copy of it ran in a month, each counted once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from chalicelib.domain.agents import Agent
from chalicelib.domain.copies import ACTIVE_KEPT, Active, month_of
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.tenancy import Membership
from chalicelib.errors import ChangedMeanwhile, PlatformError
from chalicelib.ports import Clock, Put, Store, Tally
from chalicelib.telemetry import logger


class Activity:
    def __init__(self, *, store: Store, clock: Clock, salt: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._salt = salt

    def ran(self, deployment: Deployment) -> None:
        """A deployment is live, or still is in a new month: whoever asked for it is a user of what
        it is a copy of. Safe to repeat; and no deployment fails for want of it."""
        try:
            self._count(deployment)
        except PlatformError as error:
            logger.warning("a user who was not counted", extra={"detail": error.detail})

    def _count(self, deployment: Deployment) -> None:
        agent = self._store.get(Agent, deployment.org_id, deployment.agent_id)
        origin = agent.origin if agent is not None else None
        if origin is None or origin.org_id == deployment.org_id:
            return
        person = deployment.created_by
        now = self._clock.now()
        month = month_of(now)
        said = f"{self._salt()} {month} {origin.agent_id} {person}"
        hashed = sha256(said.encode()).hexdigest()[:32]
        seen, author = self._store.get_many(
            (Active, origin.org_id, origin.agent_id, month, hashed),
            (Membership, origin.org_id, person),
        )
        if seen is not None or author is not None:
            return
        until = now + ACTIVE_KEPT
        active = Active(origin.org_id, origin.agent_id, month, hashed, until)
        counted = Tally(
            origin.org_id, origin.agent_id, {"active": 1}, month=month, expires_at=until
        )
        try:
            self._store.commit(Put(active), counted)
        except ChangedMeanwhile:
            return
