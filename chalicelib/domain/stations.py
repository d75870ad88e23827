"""The way of an agent as stations: upload, scan, build, test, release, verify, live.

Worked out of a version, its build's report and its deployment, as the web app's pipeline is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.deployments import Deployment, DeploymentState
from chalicelib.domain.versions import Version, VersionState
from chalicelib.values import frozen

LINES = "manifest-lines.json"
"""Where a commit's manifest names its tests and variables, among the version's artifacts."""
NAMES = ("upload", "scan", "build", "test", "release", "verify", "live")
# Which steps of a build's report belong to which station.
_STEPS = {"scan": ("fetch", "scan"), "build": ("build",), "test": ("start", "test")}
_FAILED = frozenset({DeploymentState.FAILED, DeploymentState.ROLLED_BACK, DeploymentState.CRASHED})


class StationState(StrEnum):
    WAITING = "waiting"
    HELD = "held"
    MOVING = "moving"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@frozen
class Station:
    """One station; `seconds` once it is over and both its ends are known."""

    name: str
    state: StationState = StationState.WAITING
    seconds: float | None = None


def stations(
    version: Version, steps: Sequence[Mapping[str, Any]], deployment: Deployment | None
) -> tuple[Station, ...]:
    """All stations in their order."""
    found = {name: Station(name) for name in NAMES}
    found["upload"] = _uploaded(version)
    for name, mine in _STEPS.items():
        found[name] = _built(version, name, [one for one in steps if one.get("name") in mine])
    _settle(version, found)
    if deployment is not None:
        found |= {one.name: one for one in _deployed(deployment)}
    return tuple(found.values())


def _uploaded(version: Version) -> Station:
    times = version.timings
    took = _between(times.get("awaiting_upload"), times.get("building") or times.get("uploaded"))
    state = StationState.DONE
    if version.state is VersionState.AWAITING_UPLOAD:
        state = StationState.MOVING
    elif version.state is VersionState.UPLOADED:
        state = StationState.HELD if version.hold and version.plan else StationState.MOVING
    elif "building" not in times and version.state.is_final:
        state = {
            VersionState.READY: StationState.DONE,
            VersionState.CANCELLED: StationState.STOPPED,
        }.get(version.state, StationState.FAILED)
    return Station("upload", state, took if state is StationState.DONE else None)


def _built(version: Version, name: str, steps: Sequence[Mapping[str, Any]]) -> Station:
    began = next((s["started_at"] for s in steps if s.get("started_at")), None)
    ended = next((s["finished_at"] for s in reversed(steps) if s.get("finished_at")), None)
    states = {str(step.get("state")) for step in steps}
    state = StationState.WAITING
    if version.state is VersionState.READY:
        state = StationState.DONE
    elif "failed" in states:
        state = StationState.FAILED
    elif states and states <= {"passed", "skipped"}:
        state = StationState.DONE if "passed" in states else StationState.WAITING
    elif states & {"running", "passed"}:
        building = version.state is VersionState.BUILDING
        state = StationState.MOVING if building else StationState.STOPPED
    over = state in (StationState.DONE, StationState.FAILED)
    return Station(name, state, _between(began, ended) if over else None)


def _settle(version: Version, found: dict[str, Station]) -> None:
    """A build always stands somewhere, whether or not its report has said so yet."""
    built = [found[name] for name in ("upload", *_STEPS)]
    at = next((one for one in built if one.state is not StationState.DONE), None)
    if at is None or at.state is not StationState.WAITING:
        return
    state = {
        VersionState.BUILDING: StationState.MOVING,
        VersionState.CANCELLED: StationState.STOPPED,
        VersionState.FAILED: StationState.FAILED,
        VersionState.REJECTED: StationState.FAILED,
    }.get(version.state)
    if state is not None:
        found[at.name] = replace(at, state=state)


def _deployed(deployment: Deployment) -> list[Station]:
    times, state = deployment.timings, deployment.state
    verifying, live = times.get("verifying"), times.get("live")
    end = times.get("failed") or times.get("rolled_back") or times.get("cancelled")
    release = Station("release", seconds=_between(times.get("queued"), verifying or live or end))
    verify = Station("verify", seconds=_between(verifying, live or end) if verifying else None)
    if live:
        last = StationState.DONE
        if state in _FAILED:
            last = StationState.FAILED
        elif state is DeploymentState.STOPPED:
            last = StationState.STOPPED
        done = [replace(one, state=StationState.DONE) for one in (release, verify)]
        return [*done, Station("live", last)]
    reached = StationState.STOPPED
    if state.is_moving:
        reached = StationState.MOVING
    elif state in _FAILED:
        reached = StationState.FAILED
    if verifying is None:
        return [replace(release, state=reached), Station("verify"), Station("live")]
    passed = replace(release, state=StationState.DONE)
    return [passed, replace(verify, state=reached), Station("live")]


def _between(began: str | None, ended: str | None) -> float | None:
    if not began or not ended:
        return None
    try:
        took = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    except (ValueError, TypeError):
        return None
    return max(0.0, took)
