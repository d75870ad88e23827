"""What is written beside a version or deployment that changes: its history, what was mended."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from chalicelib.domain.deployments import Deployment, HistoryItem
from chalicelib.domain.ids import new_id
from chalicelib.domain.operations import REPAIRS_KEPT, Difference, Repair
from chalicelib.domain.versions import Reason, Version
from chalicelib.ports import Change, Put


def item(
    subject: Deployment | Version,
    event: str,
    actor: str = "slipway",
    detail: str = "",
    difference: Difference | None = None,
) -> HistoryItem:
    """The history item that belongs to a revision; its detail is the first reason, if any."""
    return HistoryItem(
        org_id=subject.org_id,
        subject_id=subject.id,
        sequence=subject.revision,
        at=subject.updated_at,
        event=event,
        state=subject.state.value,
        detail=detail or why_of(subject.reasons),
        actor=actor,
        facts=asdict(difference) if difference else {},
    )


def repaired(deployment: Deployment, difference: Difference | None, now: datetime) -> list[Change]:
    """What operators are shown of it."""
    if difference is None:
        return []
    repair = Repair(
        id=new_id("rep"),
        at=now,
        org_id=deployment.org_id,
        deployment_id=deployment.id,
        said=difference.said,
        host=difference.host,
        done=difference.done,
        expires_at=now + REPAIRS_KEPT,
    )
    return [Put(repair)]


def was_asked_for(deployment: Deployment) -> bool:
    """Whether the host may have begun it."""
    return bool(deployment.host.deployment_id or deployment.timings.get("host_asked"))


def why_of(reasons: tuple[Reason, ...]) -> str:
    return reasons[0].detail if reasons else ""
