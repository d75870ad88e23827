"""What a build is told, and what its report means for the version it was made for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalicelib.domain.versions import InferredValue, Reason, Template, Version
from chalicelib.ports import Artifacts
from chalicelib.services.variables import EnvironmentVariables, secret_names

SECRET_AT_BUILD = "set-by-slipway-when-it-runs"  # noqa: S105 - stands in for secrets at build time


def build_order(
    version: Version,
    *,
    variables: EnvironmentVariables,
    artifacts: Artifacts,
    repository: str,
    strategy: str,
    limit: timedelta,
) -> dict[str, Any]:
    """Everything the build program needs to know. The values of secrets are not in it."""
    stored = variables.stored(version.org_id, version.agent_id, version.environment)
    values = variables.open(stored) if stored else {}
    secret = secret_names(stored, version.manifest) & set(values)
    declared = (version.manifest or {}).get("env") or []
    # Only what the agent cannot do without gets a stand-in; the rest stays unset.
    secret |= {
        item["name"] for item in declared if item.get("required") and item.get("default") is None
    } - set(values)
    plain = {name: value for name, value in values.items() if name not in secret}
    return {
        "org_id": version.org_id,
        "agent_id": version.agent_id,
        "version_id": version.id,
        "source": {
            "bucket": artifacts.sources_bucket,
            "key": version.source.key,
            "filename": version.source.filename,
            # What was read here is what is built, whatever is uploaded meanwhile.
            "digest": version.source.digest,
        },
        "plan": dict(version.plan or {}),
        "output": {"bucket": artifacts.artifacts_bucket, "prefix": version.prefix},
        "repository": f"{repository}/{version.agent_id.replace('_', '-')}",
        # What is published: an image in the registry, or the packed source for the host to build.
        "strategy": strategy,
        "variables": {**plain, **dict.fromkeys(sorted(secret), SECRET_AT_BUILD)},
        "secret_names": sorted(secret),
        "limits": {
            "build_seconds": int(limit.total_seconds()) - 120,
            "start_seconds": 90,
            "test_seconds": 120,
            "log_bytes": 10 * 1024 * 1024,
        },
    }


def closed(report: Mapping[str, Any], version: Version) -> dict[str, Any]:
    ended = version.updated_at.isoformat()
    steps = [
        {**step, "state": "failed", "finished_at": ended} if step["state"] == "running" else step
        for step in report.get("steps") or ()
    ]
    return {**report, "state": version.state.value, "steps": steps}


def reasons_of(report: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Why the build ended as it did, in the report's own words."""
    return tuple(
        Reason(r["code"], r["detail"], r.get("file"), r.get("line"))
        for r in report.get("reasons") or ()
    )


def warnings_of(version: Version, report: Mapping[str, Any]) -> tuple[Reason, ...]:
    """What intake warned of, and then what the build saw."""
    seen = tuple(Reason("build_warning", str(text)) for text in report.get("warnings") or ())
    return (*version.warnings, *seen)


def observed_health(version: Version, report: Mapping[str, Any]) -> dict[str, Any]:
    """An agent that named no health path, but whose root answered 200 when the build started it,
    has one: with it the host switches over only when the new deployment answers."""
    plan = version.plan or {}
    if plan.get("health_path") or report.get("root_status") != 200:
        return {}
    seen = InferredValue("health_path", "/", "GET / answered 200 when the build started the agent")
    return {"plan": {**plan, "health_path": "/"}, "inferred": (*version.inferred, seen)}


def published_templates(artifacts: Artifacts) -> list[Template]:
    """The templates that were published with the platform."""
    index = artifacts.get_json("templates/index.json") or []
    names = Template.__dataclass_fields__
    return [Template(**{k: v for k, v in one.items() if k in names}) for one in index]
