"""What a host's own words about a deployment mean to us, and to people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Seen(Protocol):
    @property
    def status(self) -> str: ...


class Verdict(StrEnum):
    UP = "up"
    COMING = "coming"
    DOWN = "down"


VERDICTS: dict[str, Verdict] = {
    "INITIALIZING": Verdict.COMING,
    "QUEUED": Verdict.COMING,
    "WAITING": Verdict.COMING,
    "NEEDS_APPROVAL": Verdict.COMING,
    "BUILDING": Verdict.COMING,
    "DEPLOYING": Verdict.COMING,
    "SUCCESS": Verdict.UP,
    "SLEEPING": Verdict.UP,
    "FAILED": Verdict.DOWN,
    "CRASHED": Verdict.DOWN,
    "SKIPPED": Verdict.DOWN,
    "REMOVED": Verdict.DOWN,
    "REMOVING": Verdict.DOWN,
}
"""Every status of Railway's enum; a test compares it with the schema."""


def verdict(seen: Seen | None) -> Verdict:
    """A deployment the host does not know is down; a word we do not know is waited for."""
    if seen is None:
        return Verdict.DOWN
    return VERDICTS.get(seen.status, Verdict.COMING)


def explain(status: str, plan: Mapping[str, Any]) -> str:
    """Why a deployment did not come up, and what to change."""
    path = plan.get("health_path")
    if status == "FAILED" and path:
        seconds = plan.get("health_timeout_seconds") or 60
        return (
            f"The agent did not pass its health check: GET {path} must answer 200 within {seconds} "
            "seconds. Its output shows whether it ended, listens elsewhere than on the port in "
            "$PORT, or answers otherwise. What served before still serves."
        )
    return {
        "FAILED": "The agent did not start at the host. What served before still serves.",
        "CRASHED": (
            "The agent crashed when it started, and again at every restart. Mend the error shown "
            "in its log. What served before still serves."
        ),
        "SKIPPED": "The host skipped this deployment. Deploy again.",
        "REMOVED": "Somebody removed this deployment at the host. Deploy again.",
        "REMOVING": "Somebody removed this deployment at the host. Deploy again.",
    }.get(status, f"The host says {status}.")


def asked_at(stamp: str | None) -> datetime | None:
    """A stored time, or None."""
    return datetime.fromisoformat(stamp) if stamp else None
