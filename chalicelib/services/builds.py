"""Builds: what one is told, and what its report means for the version it was made for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalicelib.domain.versions import (
    InferredValue,
    Reason,
    Template,
    Version,
    VersionEvent,
    VersionState,
)
from chalicelib.errors import PlatformError
from chalicelib.ports import Artifacts, Builder, BuildStatus
from chalicelib.services.progress import Progress
from chalicelib.services.variables import EnvironmentVariables, secret_names
from chalicelib.telemetry import logger

SECRET_AT_BUILD = "set-by-slipway-when-it-runs"  # noqa: S105 - stands in for secrets at build time
_LOST = frozenset({"FAULT", "LOST"})
"""Ends of a build that come from the service, not from what it built."""


class Builds:
    """Orders builds of versions at the build service, and says what came of them."""

    def __init__(
        self,
        *,
        artifacts: Artifacts,
        builder: Builder,
        variables: EnvironmentVariables,
        progress: Progress,
        repository: str,
        strategy: str,
        limit: timedelta,
    ) -> None:
        self._artifacts = artifacts
        self._builder = builder
        self._variables = variables
        self._progress = progress
        self._repository = repository
        self._strategy = strategy
        self._limit = limit

    def start(self, version: Version) -> Version:
        """Orders the build, or one more attempt at it."""
        order_key = f"{version.prefix}order.json"
        order = build_order(
            version,
            variables=self._variables,
            artifacts=self._artifacts,
            repository=self._repository,
            strategy=self._strategy,
            limit=self._limit,
        )
        self._artifacts.put_json(order_key, order)
        try:
            build_id = self._builder.start(version, order_key)
        except PlatformError as error:
            # Stays "uploaded": the reconciler tries again until the build limit is over.
            logger.warning("build not started", extra={"detail": error.detail})
            return version
        if version.state is VersionState.BUILDING:
            return self._progress.note(version, build_id=build_id)
        return self._progress.move(version, VersionEvent.BUILD_STARTED, build_id=build_id)

    def conclude(self, version: Version, status: str) -> Version:
        """The build has ended with this status; its report says what came of it."""
        report = self._variables.masker_of(version).deep(self.report(version))
        state = report.get("state")
        reasons = reasons_of(report)
        if state == "succeeded" and report.get("image"):
            return self._progress.move(
                version,
                VersionEvent.BUILD_SUCCEEDED,
                image=report["image"],
                image_size=report.get("size_bytes"),
                warnings=warnings_of(version, report),
                **observed_health(version, report),
            )
        if state == "rejected":
            return self._progress.move(version, VersionEvent.SOURCE_REJECTED, reasons=reasons)
        lost = not reasons and state != "failed"
        if lost and status in _LOST and version.attempt == 0:
            # The machine under the build went away; nothing says that the source is at fault.
            again = self._progress.note(version, attempt=version.attempt + 1, build_id=None)
            return self.start(again)
        if not reasons:
            reasons = (
                Reason(
                    "build_lost",
                    f"The build ended ({status}) without saying why. Upload the source again; if "
                    "it happens twice, the log shows how far it came.",
                ),
            )
        return self._progress.move(version, VersionEvent.FAILED, reasons=reasons)

    def status(self, build_id: str) -> BuildStatus | None:
        """What the build service says of the build; None: it knows of none."""
        return self._builder.status([build_id]).get(build_id)

    def stop(self, build_id: str) -> None:
        self._builder.stop(build_id)

    def report(self, version: Version) -> Mapping[str, Any]:
        """The build program's own report; empty until it has written one."""
        return self._artifacts.get_json(f"{version.prefix}report.json") or {}


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
