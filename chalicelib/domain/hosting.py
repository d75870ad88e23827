"""What a host's own words about a deployment mean to us, and to people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Seen(Protocol):
    @property
    def status(self) -> str: ...

    @property
    def stopped(self) -> bool: ...


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


def runs(seen: Seen | None) -> bool:
    """Whether the host has it in service, awake or asleep."""
    return seen is not None and seen.status in ("SUCCESS", "SLEEPING") and not seen.stopped


def word(seen: Seen | None) -> str:
    """The host's word for a deployment, with the two things that it says otherwise."""
    if seen is None:
        return "GONE"
    return "STOPPED" if seen.stopped and seen.status == "SUCCESS" else seen.status


_COLOUR = re.compile(r"\x1b\[[0-9;:]{0,40}m")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


def clean_line(text: str) -> str:
    """A line of an agent's output that a terminal or a page can show: colours stay, everything
    else that would move a cursor, ring, retitle, or turn text around is taken out."""
    parts, at = [], 0
    for match in _COLOUR.finditer(text):
        parts += [_CONTROL.sub("", _SEQUENCE.sub("", text[at : match.start()])), match[0]]
        at = match.end()
    parts.append(_CONTROL.sub("", _SEQUENCE.sub("", text[at:])))
    return "".join(parts)


def explain(status: str, plan: Mapping[str, Any], *, former_serves: bool | None) -> str:
    """Why a deployment did not come up, what to change, and what serves now."""
    path = plan.get("health_path")
    after = {
        True: " What served before still serves.",
        False: " The host had taken away what served before; it is being brought back.",
        None: "",
    }[former_serves]
    if status == "FAILED" and path:
        seconds = plan.get("health_timeout_seconds") or 60
        return (
            f"The agent did not pass its health check: GET {path} must answer 200 within {seconds} "
            "seconds. Its output shows whether it ended, listens elsewhere than on the port in "
            f"$PORT, or answers otherwise.{after}"
        )
    text = {
        "FAILED": "The agent did not start at the host.",
        "CRASHED": (
            "The agent crashed when it started, and again at every restart. Mend the error shown "
            "in its log."
        ),
        "SKIPPED": "The host skipped this deployment. Deploy again.",
        "REMOVED": "Somebody removed this deployment at the host. Deploy again.",
        "REMOVING": "Somebody removed this deployment at the host. Deploy again.",
    }.get(status, f"The host says {status}.")
    return f"{text}{after}"


def asked_at(stamp: str | None) -> datetime | None:
    """A stored time, or None."""
    return datetime.fromisoformat(stamp) if stamp else None
