"""The host of agents in memory, with its budget of calls and its lease; for tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.budget import HOUR, Allowance, BudgetState, Count, Need, ceilings
from chalicelib.domain.hosting import Verdict, verdict
from chalicelib.domain.release import Configure, EnsureService, SetVariables, Step, settings_of
from chalicelib.errors import HostRefused, HostUnavailable
from chalicelib.ports import (
    HostDeployment,
    HostService,
    LogLine,
    Released,
    ReleaseNote,
    Sample,
)


class MemoryBudget:
    """Counts as the shared one does, for one process."""

    def __init__(self, per_hour: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._count = Count(per_hour, 0, 0.0)
        self._clock = clock
        self._lock = threading.Lock()

    def spend(self, need: Need) -> None:
        with self._lock:
            now = self._clock()
            if self._count.resets_at <= now:
                self._count = replace(self._count, used=0, resets_at=now + HOUR)
            fits = self._count.used < ceilings(self._count.limit)[need]
            if not fits or self._count.paused_until > now:
                raise self._count.refusal(now)
            self._count = replace(self._count, used=self._count.used + 1)

    def learn(self, allowance: Allowance | None, *, pause: int = 0) -> None:
        with self._lock:
            now = self._clock()
            until = max(self._count.paused_until, now + pause if pause else 0.0)
            self._count = replace(self._count.corrected(allowance, now), paused_until=until)

    def state(self) -> BudgetState:
        return self._count.state(self._clock())


class MemoryLease:
    """One holder at a time, until it lets go or has outlived its time."""

    def __init__(self, clock: Callable[[], float] = time.time, seconds: float = 75) -> None:
        self._clock = clock
        self._seconds = seconds
        self._held: tuple[str, float] | None = None
        self._lock = threading.Lock()

    def acquire(self, holder: str) -> bool:
        with self._lock:
            now = self._clock()
            if self._held and self._held[0] != holder and self._held[1] >= now:
                return False
            self._held = (holder, now + self._seconds)
            return True

    def keep(self, holder: str) -> bool:
        with self._lock:
            if self._held is None or self._held[0] != holder:
                return False
            self._held = (holder, self._clock() + self._seconds)
            return True

    def release(self, holder: str) -> None:
        with self._lock:
            if self._held and self._held[0] == holder:
                self._held = None


@dataclass
class MemoryHost:
    """Runs nothing, but keeps services and deployments as a host would. `down`: it ends nothing."""

    outcome: str = "SUCCESS"
    services_by_name: dict[str, str] = field(default_factory=dict)
    running: dict[str, HostDeployment] = field(default_factory=dict)
    of_service: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, Mapping[str, str]] = field(default_factory=dict)
    lines: dict[str, list[LogLine]] = field(default_factory=dict)
    budget: MemoryBudget = field(default_factory=MemoryBudget)
    down: bool = False

    def carry_out(
        self, steps: Sequence[Step], *, requested_at: datetime | None, note: ReleaseNote
    ) -> Released:
        named = next(s for s in steps if isinstance(s, EnsureService))
        configured = next(s for s in steps if isinstance(s, Configure))
        if named.name not in self.services_by_name:
            made = f"svc-{len(self.services_by_name)}"
            self.services_by_name[named.name] = made
            self.of_service[made] = []
            note(made, "", asking=False)
        service = self.services_by_name[named.name]
        domain = f"{service}.test"
        self.variables[service] = next(s for s in steps if isinstance(s, SetVariables)).variables
        self.settings[service] = settings_of(tuple(steps))
        earlier = self.of_service.setdefault(service, [])
        if requested_at is not None and earlier:
            newest = self.running[earlier[-1]]
            if newest.image == configured.image:
                return Released(service, newest.id, domain)
        note(service, domain, asking=True)
        deployment_id = self.begin(service, configured.image)
        return Released(service, deployment_id, domain)

    def begin(self, service: str, image: str | None) -> str:
        """A deployment at the host, asked for by us or by somebody else."""
        deployment_id = f"host-{len(self.running)}"
        earlier = self.of_service[service]
        if self.outcome == "SUCCESS":
            for old in earlier:
                self.running[old] = replace(self.running[old], status="REMOVED")
        self.running[deployment_id] = HostDeployment(deployment_id, self.outcome, image)
        earlier.append(deployment_id)
        return deployment_id

    def deployments(
        self,
        ids: Sequence[str],
        *,
        need: Need = Need.DEPLOY,  # noqa: ARG002 - the port's shape
    ) -> Mapping[str, HostDeployment]:
        return {i: self.running[i] for i in ids if i in self.running}

    def recent(
        self,
        service_id: str,
        *,
        need: Need = Need.DEPLOY,  # noqa: ARG002
    ) -> list[HostDeployment]:
        return [self.running[i] for i in reversed(self.of_service.get(service_id, []))]

    def inspect(self, service_id: str) -> HostService | None:
        if service_id not in self.of_service:
            return None
        settings = dict(self.settings.get(service_id, {}))
        recent = self.recent(service_id)
        return HostService(
            id=service_id,
            name=next(n for n, one in self.services_by_name.items() if one == service_id),
            image=settings.pop("image", None),
            domain=f"{service_id}.test",
            settings=settings,
            variables=self.variables.get(service_id, {}),
            latest=recent[0] if recent else None,
        )

    def services(self) -> list[HostService]:
        long_ago = datetime(2025, 1, 1, tzinfo=UTC)
        return [
            HostService(id=service_id, name=name, created_at=long_ago)
            for name, service_id in self.services_by_name.items()
        ]

    def restart(self, deployment_id: str) -> None:
        self.set_status(deployment_id, "SUCCESS")

    def stop(self, deployment_id: str) -> None:
        self._answer()
        if deployment_id in self.running:
            self.running[deployment_id] = replace(self.running[deployment_id], stopped=True)

    def cancel(self, deployment_id: str) -> None:
        found = self.running.get(deployment_id)
        if found is not None and verdict(found) is not Verdict.COMING:
            raise HostRefused("Deployment cannot be cancelled: it is not in progress")
        self.set_status(deployment_id, "REMOVED")

    def remove_service(self, service_id: str) -> None:
        self._answer()
        self.services_by_name = {
            name: one for name, one in self.services_by_name.items() if one != service_id
        }
        for deployment_id in self.of_service.pop(service_id, []):
            self.running.pop(deployment_id, None)

    def _answer(self) -> None:
        if self.down:
            raise HostUnavailable("The host does not answer.")

    def logs(self, deployment_id: str, *, since: str | None, limit: int) -> list[LogLine]:
        lines = self.lines.get(deployment_id, [])
        if since is None:
            return lines[-limit:]
        return [line for line in lines if line.timestamp >= since][:limit]

    def metrics(
        self, service_id: str, *, start: datetime, end: datetime
    ) -> Mapping[str, list[Sample]]:
        if service_id not in self.of_service:
            return {}
        return {"cpu": [Sample(int(start.timestamp()), 0.0), Sample(int(end.timestamp()), 0.0)]}

    def set_status(self, deployment_id: str, status: str) -> None:
        if deployment_id in self.running:
            self.running[deployment_id] = replace(self.running[deployment_id], status=status)
