"""How deployments and domains look in the API."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.yard import clock
from infra.local.yard.records import IN_PROGRESS, Snapshot
from infra.local.yard.store import Row

if TYPE_CHECKING:
    from infra.local.yard.core import Core


def deployment_view(core: Core, row: Row) -> dict[str, Any]:
    """A Deployment. What costs a look elsewhere is a function, called when it is asked for."""

    def url(_info: Any) -> str | None:
        rows = core.edge.domains(row["service_id"], row["environment_id"])
        return core.edge.name(rows[0]) if rows else None

    return {
        "id": row["id"],
        "status": row["status"],
        "statusUpdatedAt": row["status_at"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "projectId": row["project_id"],
        "environmentId": row["environment_id"],
        "serviceId": row["service_id"],
        "snapshotId": None,
        "url": url,
        "staticUrl": url,
        "canRedeploy": lambda _info: can_redeploy(row),
        "canRollback": lambda _info: can_roll_back(core, row),
        "deploymentStopped": bool(row["stopped"]),
        "suggestAddServiceDomain": lambda info: row["status"] == "SUCCESS" and url(info) is None,
        "meta": lambda _info: json.loads(row["meta"]),
        "diagnosis": None,
        "instances": lambda _info: json.loads(row["replicas"]),
    }


def can_redeploy(row: Row) -> bool:
    """Whether it has something to run again."""
    return row["status"] not in IN_PROGRESS and bool(Snapshot.of(row).image)


def can_roll_back(core: Core, row: Row) -> bool:
    """It was live once, is not now, and its image is still there and not too old."""
    if not row["was_live"] or row["status"] not in ("REMOVED", "CRASHED"):
        return False
    hours = core.config.hosting.image_retention_hours
    left_at = datetime.fromisoformat(row["status_at"])
    if clock.moment() - left_at > timedelta(hours=hours):
        return False
    return core.bundles.available(Snapshot.of(row).image or "")


def domain_view(core: Core, row: Row) -> dict[str, Any]:
    """A ServiceDomain."""
    return {
        "id": row["id"],
        "domain": core.edge.name(row),
        "suffix": None,
        "targetPort": row["target_port"],
        "syncStatus": "ACTIVE",
    }
