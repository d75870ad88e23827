"""What those who operate the platform see: the reconciler's runs, its repairs, orphans, claims."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.values import frozen

REPAIRS_KEPT = timedelta(days=30)


@frozen
class Difference:
    """What we said, what the host said, and what was done about it."""

    said: str
    host: str
    done: str


@frozen
class ServiceClaim:
    """Whose a service at the host is. A service that nobody claims is an orphan."""

    service_id: str
    org_id: str
    agent_id: str
    environment: str
    revision: int = 1


@frozen
class ReconcilerRun:
    """The reconciler's last run: when, what it looked at and did, and what is due when."""

    started_at: datetime
    ended_at: datetime
    versions: int = 0
    moving: int = 0
    serving: int = 0
    compared: int = 0
    leftovers: int = 0
    closing: int = 0
    deliveries: int = 0
    """Of the code host's events and previews: what was still open."""
    repaired: int = 0
    failed: int = 0
    problem: str = ""
    compared_at: datetime | None = None
    """When everything that serves was last compared with the host."""
    searched_at: datetime | None = None
    """When orphans were last looked for."""
    revision: int = 0


@frozen
class Sweep:
    """How far the search index has been compared with the table: a part, and where in it."""

    began_at: datetime
    part: int = 0
    after: str | None = None
    done: bool = False
    revision: int = 1


@frozen
class Repair:
    """One difference between what we said and what the host said, and what was done about it."""

    id: str
    at: datetime
    org_id: str
    deployment_id: str
    said: str
    host: str
    done: str
    expires_at: datetime
    revision: int = 1


@frozen
class Orphan:
    """A service at the host that no agent claims, or whose deployment is none of ours."""

    service_id: str
    name: str
    detail: str
    found_at: datetime
    seen_at: datetime
    deployment_id: str = ""
    revision: int = 1
