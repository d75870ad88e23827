"""Services at the host that no agent claims: found, reported, removed only by a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.audit import AuditEvent
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.operations import Orphan, ServiceClaim
from chalicelib.errors import ChangedMeanwhile, Conflict, NotFound
from chalicelib.ports import (
    OPEN_DEPLOYMENTS,
    ORPHANS,
    Change,
    Clock,
    Delete,
    Host,
    HostDeployment,
    Put,
    Store,
    every,
)
from chalicelib.services.audit import Audit
from chalicelib.telemetry import logger

SEARCH_EVERY = timedelta(hours=1)
YOUNG = timedelta(minutes=15)
"""A service this young may be one that a release is just making."""
_TRIES = 8


class Orphans:
    def __init__(self, *, store: Store, audit: Audit, host: Host, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._host = host
        self._clock = clock

    def is_due(self, last: datetime) -> bool:
        return self._clock.now() - last > SEARCH_EVERY

    def search(self) -> list[Orphan]:
        """Compares every service at the host with the claims; what is no orphan any more goes."""
        now = self._clock.now()
        known = {one.service_id: one for one in every(self._store, ORPHANS)}
        found: list[Orphan] = []
        there = {service.id: service for service in self._host.services()}
        ours = {d.host.service_id for d in every(self._store, OPEN_DEPLOYMENTS)}
        for service in there.values():
            young = service.created_at is not None and now - service.created_at < YOUNG
            if young or service.id in ours:
                continue
            if self._store.get(ServiceClaim, service.id) is not None:
                continue
            before = known.pop(service.id, None)
            orphan = Orphan(
                service_id=service.id,
                name=service.name,
                detail="No agent claims this service. Somebody made it by hand, or its agent was "
                "deleted while the host did not answer.",
                found_at=before.found_at if before else now,
                seen_at=now,
                revision=before.revision + 1 if before else 1,
            )
            self._keep(orphan)
            found.append(orphan)
        for gone in known.values():
            if not gone.deployment_id or gone.service_id not in there or self._is_ours(gone):
                self._forget(gone)
        return found

    def report_deployment(self, deployment: Deployment, seen: HostDeployment) -> None:
        """A claimed service runs something that none of our deployments is."""
        service_id = deployment.host.service_id
        before = self._store.get(Orphan, service_id)
        now = self._clock.now()
        self._keep(
            Orphan(
                service_id=service_id,
                name=deployment.agent_id.replace("_", "-"),
                detail=f"Somebody deployed {seen.image or 'something'} at the host by hand, in "
                f"place of deployment {deployment.id}. The agent's owner can deploy again.",
                found_at=before.found_at if before else now,
                seen_at=now,
                deployment_id=seen.id,
                revision=before.revision + 1 if before else 1,
            )
        )

    def remove(self, service_id: str, event: AuditEvent) -> None:
        """Removes an orphan at the host, and records `event` with it.

        One that an agent has claimed meanwhile stays (Conflict).
        """
        orphan = self._store.get(Orphan, service_id)
        if orphan is None:
            raise NotFound("No orphan with this service id is known.")
        if self._store.get(ServiceClaim, service_id) is not None:
            raise Conflict(
                "An agent claims this service, so it is not removed here. Its owner can deploy "
                "again, or delete the agent.",
                code="service_claimed",
            )
        self._host.remove_service(service_id)
        self._record(orphan, replace(event, before={"name": orphan.name}))

    def _record(self, removed: Orphan, event: AuditEvent) -> None:
        known: Orphan | None = removed
        for _ in range(_TRIES):
            # A search that ran meanwhile may have seen it once more, or have forgotten it already.
            changes: list[Change] = [] if known is None else [Delete(known)]
            try:
                self._audit.commit(event, *changes)
            except ChangedMeanwhile:
                known = self._store.get(Orphan, removed.service_id)
                continue
            return
        raise Conflict("This orphan is changing too fast; try again.")

    def _is_ours(self, orphan: Orphan) -> bool:
        recent = self._host.recent(orphan.service_id)
        return not any(d.id == orphan.deployment_id and d.status == "SUCCESS" for d in recent)

    def _keep(self, orphan: Orphan) -> None:
        try:
            self._store.commit(Put(orphan))
        except ChangedMeanwhile:
            logger.info("orphan noted meanwhile", extra={"service_id": orphan.service_id})

    def _forget(self, orphan: Orphan) -> None:
        try:
            self._store.commit(Delete(orphan))
        except ChangedMeanwhile:
            logger.info("orphan changed meanwhile", extra={"service_id": orphan.service_id})
