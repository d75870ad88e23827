"""What Railway answers, in our own words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.ports import HostDeployment, HostService


def deployment_seen(node: Mapping[str, Any]) -> HostDeployment:
    meta = node.get("meta") or {}
    created = node.get("createdAt")
    return HostDeployment(
        id=str(node["id"]),
        status=str(node["status"]),
        image=meta.get("image"),
        digest=meta.get("imageDigest"),
        stopped=bool(node.get("deploymentStopped")),
        detail=str(meta.get("reason") or ""),
        created_at=datetime.fromisoformat(str(created)) if created else None,
        instances=tuple((str(i["id"]), str(i["status"])) for i in node.get("instances") or ()),
    )


def service_seen(service_id: str, data: Mapping[str, Any]) -> HostService:
    """The host's configuration in our own words, those of `settings_of`."""
    instance = data["serviceInstance"]
    limits = (data.get("limits") or {}).get("containers") or {}
    domains = instance["domains"]["serviceDomains"]
    latest = instance["latestDeployment"]
    return HostService(
        id=service_id,
        name=str(instance["serviceName"]),
        image=(instance["source"] or {}).get("image"),
        domain=str(domains[0]["domain"]) if domains else "",
        settings={
            "start_command": instance["startCommand"],
            "health_path": instance["healthcheckPath"],
            "health_timeout_seconds": instance["healthcheckTimeout"],
            "replicas": instance["numReplicas"] or 1,
            "restart_policy": instance["restartPolicyType"],
            "restart_retries": instance["restartPolicyMaxRetries"],
            "draining_seconds": instance["drainingSeconds"] or 0,
            "overlap_seconds": instance["overlapSeconds"] or 0,
            "sleep": bool(instance["sleepApplication"]),
            "cpu": _limit_of(limits, "vCPUs", "cpu"),
            "memory_gb": _limit_of(limits, "memoryGB", "memoryBytes"),
        },
        variables={str(k): str(v) for k, v in (data.get("variables") or {}).items()},
        latest=deployment_seen(latest) if latest else None,
    )


def _limit_of(limits: Mapping[str, Any], name: str, other: str) -> float | None:
    """The scalar's shape is not documented: two spellings are known."""
    if limits.get(name) is not None:
        return float(limits[name])
    value = limits.get(other)
    if value is None:
        return None
    return float(value) / 1e9 if other == "memoryBytes" else float(value)


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def sample_seconds(span: float) -> int:
    """The host's own sampling steps, by the length of the window."""
    hour = 3600
    for limit, step in ((hour, 30), (6 * hour, 60), (24 * hour, 240), (168 * hour, 3600)):
        if span <= limit:
            return step
    return 14400
