"""A deployment: a version in an environment with its variables at that moment, and its states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.machine import successor
from chalicelib.domain.versions import Newest, Reason, SourceCommit
from chalicelib.values import frozen


class DeploymentState(StrEnum):
    QUEUED = "queued"
    RELEASING = "releasing"
    VERIFYING = "verifying"
    LIVE = "live"
    SUPERSEDED = "superseded"
    STOPPED = "stopped"
    CRASHED = "crashed"
    ASLEEP = "asleep"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"

    @property
    def is_final(self) -> bool:
        return self in FINAL

    @property
    def is_moving(self) -> bool:
        """On its way: somebody must still bring it to an end."""
        return self in MOVING

    @property
    def is_serving(self) -> bool:
        """The one that holds its environment, running well or not."""
        return self in SERVING


class DeploymentEvent(StrEnum):
    RELEASE_STARTED = "release_started"
    RELEASED = "released"
    VERIFIED = "verified"
    SUPERSEDED = "superseded"
    STOPPED = "stopped"
    CRASHED = "crashed"
    FELL_ASLEEP = "fell_asleep"
    RECOVERED = "recovered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"


MOVING = frozenset({DeploymentState.QUEUED, DeploymentState.RELEASING, DeploymentState.VERIFYING})
SERVING = frozenset({DeploymentState.LIVE, DeploymentState.CRASHED, DeploymentState.ASLEEP})
FINAL = frozenset(
    {
        DeploymentState.SUPERSEDED,
        DeploymentState.STOPPED,
        DeploymentState.FAILED,
        DeploymentState.CANCELLED,
        DeploymentState.ROLLED_BACK,
    }
)


def _table() -> dict[tuple[DeploymentState, DeploymentEvent], DeploymentState]:
    s, e = DeploymentState, DeploymentEvent
    table = {
        (s.QUEUED, e.RELEASE_STARTED): s.RELEASING,
        (s.QUEUED, e.SUPERSEDED): s.SUPERSEDED,
        (s.QUEUED, e.CANCELLED): s.CANCELLED,
        (s.QUEUED, e.FAILED): s.FAILED,
        (s.RELEASING, e.RELEASE_STARTED): s.RELEASING,
        (s.RELEASING, e.RELEASED): s.VERIFYING,
        (s.RELEASING, e.CANCELLED): s.CANCELLED,
        (s.RELEASING, e.FAILED): s.FAILED,
        (s.RELEASING, e.ROLLED_BACK): s.ROLLED_BACK,
        (s.VERIFYING, e.RELEASE_STARTED): s.VERIFYING,
        (s.VERIFYING, e.RELEASED): s.VERIFYING,
        (s.VERIFYING, e.VERIFIED): s.LIVE,
        (s.VERIFYING, e.CANCELLED): s.CANCELLED,
        (s.VERIFYING, e.FAILED): s.FAILED,
        (s.VERIFYING, e.ROLLED_BACK): s.ROLLED_BACK,
    }
    for serving in sorted(SERVING):
        table |= {
            (serving, e.SUPERSEDED): s.SUPERSEDED,
            (serving, e.STOPPED): s.STOPPED,
            (serving, e.CRASHED): s.CRASHED,
            (serving, e.FELL_ASLEEP): s.ASLEEP,
            (serving, e.RECOVERED): s.LIVE,
            # Late echoes of the way up.
            (serving, e.RELEASE_STARTED): serving,
            (serving, e.RELEASED): serving,
            (serving, e.VERIFIED): serving,
        }
    table |= {(state, event): state for state in sorted(FINAL) for event in e}
    return table


TRANSITIONS = _table()


class Trigger(StrEnum):
    """Who or what asked for a deployment."""

    REQUEST = "request"
    BUILD = "build"
    ROLLBACK = "rollback"
    RESTORE = "restore"


@frozen
class HostRef:
    """The names the host knows a deployment by; empty until it has confirmed them."""

    service_id: str = ""
    deployment_id: str = ""
    domain: str = ""


@frozen
class Trouble:
    """What a deployment on its way waits for at the host, and the host's own id of the failure."""

    code: str
    detail: str
    since: datetime
    trace: str = ""


@frozen
class HealthSeen:
    """What the URL last answered when we called it. `since`: from when on it has been so."""

    ok: bool
    detail: str
    at: datetime
    since: datetime


@frozen
class Deployment:
    id: str
    org_id: str
    agent_id: str
    version_id: str
    version_number: int
    environment: str
    state: DeploymentState
    image: str
    plan: Mapping[str, Any]
    variables: str
    """The variables at that moment, sealed by the vault."""
    created_by: str
    created_at: datetime
    updated_at: datetime
    trigger: Trigger = Trigger.REQUEST
    url: str | None = None
    confirmed_at: datetime | None = None
    confirmed_image: str | None = None
    reasons: tuple[Reason, ...] = ()
    host: HostRef = field(default_factory=HostRef)
    attempt: int = 0
    deadline_at: datetime | None = None
    rollback_of: str | None = None
    host_status: str | None = None
    restarts: int = 0
    secret_names: tuple[str, ...] | None = None
    """Which of the variables are secret; None, in what was stored without it: all."""
    """Restarts that people asked for."""
    instances: tuple[tuple[str, str], ...] = ()
    """The running copies as the host last listed them: its id of each, and its word."""
    trouble: Trouble | None = None
    proof: Mapping[str, str] = field(default_factory=dict)
    """What showed that this version is what answers, by kind of proof."""
    health: HealthSeen | None = None
    warnings: tuple[Reason, ...] = ()
    version_label: str = ""
    commit: SourceCommit | None = None
    timings: Mapping[str, str] = field(default_factory=dict)
    variable_names: Mapping[str, bool] | None = None
    """Which of the sealed variables are secret; None in deployments older than this note."""
    revision: int = 1

    def after(self, event: DeploymentEvent, at: datetime, **changes: Any) -> Deployment:
        """The successor, or this same object when the event is repeated or late."""
        return successor(self, TRANSITIONS, event, at, noun="deployment", **changes)

    def noting(self, at: datetime, **changes: Any) -> Deployment:
        """The successor with other facts but the same state."""
        return replace(self, updated_at=at, revision=self.revision + 1, **changes)


@frozen
class HistoryItem:
    """One thing that happened to a version or a deployment. Append-only."""

    org_id: str
    subject_id: str
    sequence: int
    at: datetime
    event: str
    state: str
    detail: str = ""
    actor: str = "slipway"
    facts: Mapping[str, str] = field(default_factory=dict)
    """For a repair: what we said, what the host said, and what was done."""


@frozen
class Leftover:
    """A deployment that has ended here while the host may still run it, or may yet.

    `restores`: how often the last good one was brought back because of it.
    """

    deployment_id: str
    since: datetime
    restores: int = 0


@frozen
class Pause:
    """Why builds do not deploy by themselves here until a person has looked."""

    deployment_id: str
    detail: str
    at: datetime


@frozen
class Environment:
    """A place an agent runs in. It lets one deployment move at a time.

    `serving` holds the URL, `moving` is on its way, `queued` waits for it. A newer request takes
    the queued one's place.
    """

    org_id: str
    agent_id: str
    name: str
    updated_at: datetime
    serving: str | None = None
    moving: str | None = None
    queued: str | None = None
    last_good: tuple[str, ...] = ()
    """Deployments that were live, newest first; what a rollback may go back to."""
    service_id: str = ""
    domain: str = ""
    leftovers: tuple[Leftover, ...] = ()
    paused: Pause | None = None
    newest: Newest | None = None
    """The deployment asked for last, however it ended; one that was brought back is none."""
    revision: int = 0


@frozen
class Variables:
    """The variables of an environment, sealed; `names` tells which are secret."""

    org_id: str
    agent_id: str
    environment: str
    sealed: str
    names: Mapping[str, bool]
    updated_at: datetime
    updated_by: str
    revision: int = 0


STALE = timedelta(minutes=15)
"""A state that the host has not confirmed for this long is told as a difference."""


def differences(deployment: Deployment, now: datetime) -> list[str]:
    """Where what we say and what was last seen of it disagree, in words; empty when nowhere."""
    found = []
    state, word = deployment.state, deployment.host_status
    expected = {
        DeploymentState.LIVE: ("SUCCESS",),
        DeploymentState.ASLEEP: ("SLEEPING",),
        DeploymentState.CRASHED: ("CRASHED", "FAILED", "STOPPED"),
    }.get(state)
    if expected and word and word not in expected:
        found.append(f"We say {state}; the host's last word was {word}.")
    image = deployment.confirmed_image
    is_image = not deployment.image.startswith("source@")
    if state.is_serving and is_image and image not in (None, deployment.image):
        found.append(f"The host runs {image}, not {deployment.image}.")
    if state is DeploymentState.LIVE and deployment.health and not deployment.health.ok:
        since = deployment.health.since.isoformat(timespec="seconds")
        found.append(f"The host says it runs, but since {since}: {deployment.health.detail}")
    confirmed = deployment.confirmed_at
    if state.is_serving and (confirmed is None or now - confirmed > STALE):
        at = confirmed.isoformat(timespec="seconds") if confirmed else "never"
        found.append(f"The host has not been heard of it since {at}.")
    return found
