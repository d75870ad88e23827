"""Resolvers for services and how they are configured in each environment."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from infra.local.yard import clock
from infra.local.yard.core import Core
from infra.local.yard.errors import BadInput, NotFound, NotImplementedHere, Refusal
from infra.local.yard.records import UP
from infra.local.yard.store import Row, dump, new_id, now
from infra.local.yard.views import deployment_view, domain_view
from infra.local.yard.wire import Args, Call, Resolver

DEFAULTS: Mapping[str, Any] = {
    "builder": "RAILPACK",
    "numReplicas": 1,
    "restartPolicyType": "ON_FAILURE",
    "restartPolicyMaxRetries": 10,
    "watchPatterns": [],
}
ABSENT = ("cronSchedule", "multiRegionConfig", "nixpacksPlan", "railwayConfigFile")
"""Settings that would change what runs and cannot be honoured here."""


class Services:
    """Services and service instances."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store

    def queries(self) -> dict[str, Resolver]:
        """Root fields of Query."""
        return {
            "service": self._service,
            "serviceInstance": self._instance,
            "serviceInstanceLimitOverride": self._limit_override,
            "serviceInstanceLimits": self._limits,
        }

    def mutations(self) -> dict[str, Resolver]:
        """Root fields of Mutation."""
        return {
            "serviceConnect": self._connect,
            "serviceCreate": self._create,
            "serviceDelete": self._delete,
            "serviceInstanceLimitsUpdate": self._update_limits,
            "serviceInstanceUpdate": self._update,
            "serviceUpdate": self._rename,
        }

    def _service(self, call: Call, args: Args) -> Any:
        return service_view(self._core.service(call, args["id"]))

    def _instance(self, call: Call, args: Args) -> Any:
        row = self._core.instance(call, args["serviceId"], args["environmentId"])
        return instance_view(self._core, row)

    async def _create(self, call: Call, args: Args) -> Any:
        given = args["input"]
        project = self._core.project(call, given["projectId"])
        environments = self._environments_for(call, project["id"], given.get("environmentId"))
        if given.get("templateId") or given.get("templateServiceId"):
            raise NotImplementedHere("a service from a template")
        settings = dict(DEFAULTS)
        _apply_source(settings, given.get("source") or {})
        if credentials := given.get("registryCredentials"):
            settings["registryCredentials"] = dict(credentials)
        service_id, moment = new_id(), now()
        name = given.get("name") or f"service-{service_id[:8]}"
        visible_at = self._visible_at(call, name)

        def create(db: sqlite3.Connection) -> None:
            try:
                db.execute(
                    "INSERT INTO services (id, project_id, name, created_at) VALUES (?, ?, ?, ?)",
                    (service_id, project["id"], name, moment),
                )
            except sqlite3.IntegrityError as exc:
                raise Refusal(f'A service named "{name}" already exists in this project') from exc
            for environment_id in environments:
                db.execute(
                    "INSERT INTO instances VALUES (?, ?, ?, ?, NULL, ?, ?, ?)",
                    (
                        new_id(),
                        service_id,
                        environment_id,
                        dump(settings),
                        moment,
                        moment,
                        visible_at,
                    ),
                )
                db.executemany(
                    "INSERT INTO variables VALUES (?, ?, ?, ?)",
                    [
                        (environment_id, service_id, key, value)
                        for key, value in (given.get("variables") or {}).items()
                    ],
                )

        await self._store.write(create)
        if settings.get("image"):
            # As at Railway: a service that is born with a source is deployed at once.
            for environment_id in environments:
                instance = self._core.instance(call, service_id, environment_id)
                await self._core.deployer.deploy(instance, reason="deploy")
        return service_view(self._core.service(call, service_id))

    def _environments_for(self, call: Call, project_id: str, wanted: str | None) -> list[str]:
        if wanted is not None:
            row = self._core.environment(call, wanted)
            if row["project_id"] != project_id:
                raise NotFound("Environment")
            return [wanted]
        call.who.require_wide()
        rows = self._store.rows(
            "SELECT id FROM environments WHERE project_id = ? AND ephemeral = 0"
            " AND deleted_at IS NULL ORDER BY rowid",
            project_id,
        )
        return [row["id"] for row in rows]

    def _visible_at(self, call: Call, name: str) -> float:
        fault = self._core.faults.take(
            "slow_visibility", operations=call.operations, services=[name]
        )
        return clock.seconds() + (fault.seconds or 3.0) if fault else 0.0

    async def _delete(self, call: Call, args: Args) -> Any:
        service = self._core.service(call, args["id"])
        environment_id = args.get("environmentId")
        if environment_id is None:
            call.who.require_wide()
        else:
            call.who.require(service["project_id"], environment_id)
        await delete_service(self._core, service["id"], environment_id)
        return True

    async def _rename(self, call: Call, args: Args) -> Any:
        service = self._core.service(call, args["id"])
        call.who.require_wide()
        name = args["input"].get("name")
        if name:
            try:
                await self._store.execute(
                    "UPDATE services SET name = ? WHERE id = ?", name, service["id"]
                )
            except sqlite3.IntegrityError as exc:
                raise Refusal(f'A service named "{name}" already exists in this project') from exc
        return service_view(self._core.service(call, service["id"]))

    async def _connect(self, call: Call, args: Args) -> Any:
        service = self._core.service(call, args["id"])
        call.who.require_wide()
        for row in self._store.rows("SELECT * FROM instances WHERE service_id = ?", service["id"]):
            settings = json.loads(row["settings"])
            _apply_source(settings, args["input"])
            await self._save(row["id"], settings)
        return service_view(service)

    async def _update(self, call: Call, args: Args) -> Any:
        service = self._core.service(call, args["serviceId"])
        environment_id = args.get("environmentId")
        if environment_id is None:
            call.who.require_wide()
            rows = self._store.rows(
                "SELECT * FROM instances WHERE service_id = ? AND visible_at <= ?",
                service["id"],
                clock.seconds(),
            )
            if not rows:
                raise NotFound("ServiceInstance")
        else:
            rows = [self._core.instance(call, service["id"], environment_id)]
        for row in rows:
            before = json.loads(row["settings"])
            after = self._merged(before, args["input"])
            if after != before:
                await self._save(row["id"], after)
        return True

    def _merged(self, before: Mapping[str, Any], given: Args) -> dict[str, Any]:
        for name in ABSENT:
            if given.get(name):
                raise NotImplementedHere(f"serviceInstanceUpdate.{name}")
        after = dict(before)
        changes = dict(given)
        if "source" in changes:
            _apply_source(after, changes.pop("source") or {})
        # What is left out keeps its value, except that the number of replicas falls back to one.
        changes["numReplicas"] = changes.get("numReplicas") or 1
        for name, value in changes.items():
            after[name] = DEFAULTS.get(name) if value is None else value
        _check(after, self._core.config.hosting.max_replicas)
        return after

    async def _save(self, instance_id: str, settings: Mapping[str, Any]) -> None:
        await self._store.execute(
            "UPDATE instances SET settings = ?, updated_at = ? WHERE id = ?",
            dump(settings),
            now(),
            instance_id,
        )

    def _limit_override(self, call: Call, args: Args) -> Any:
        row = self._core.instance(call, args["serviceId"], args["environmentId"])
        if row["limits"] is None:
            return None
        return {"containers": json.loads(row["limits"]), "standIn": True}

    def _limits(self, call: Call, args: Args) -> Any:
        row = self._core.instance(call, args["serviceId"], args["environmentId"])
        own = json.loads(row["limits"] or "{}")
        hosting = self._core.config.hosting
        merged = {"memoryGB": hosting.default_memory_mb / 1000, "vCPUs": hosting.default_cpu, **own}
        return {"containers": merged, "standIn": True}

    async def _update_limits(self, call: Call, args: Args) -> Any:
        given = args["input"]
        row = self._core.instance(call, given["serviceId"], given["environmentId"])
        limits = json.loads(row["limits"] or "{}")
        for name in ("memoryGB", "vCPUs"):
            if name in given:
                limits[name] = given[name]
        limits = {name: value for name, value in limits.items() if value is not None}
        if any(value <= 0 for value in limits.values()):
            raise BadInput("Limits must be greater than zero")
        await self._store.execute(
            "UPDATE instances SET limits = ?, updated_at = ? WHERE id = ?",
            dump(limits) if limits else None,
            now(),
            row["id"],
        )
        return True


async def delete_service(core: Core, service_id: str, environment_id: str | None = None) -> None:
    """Ends what a service runs and forgets it: everywhere, or in one environment."""
    rows = core.store.rows("SELECT environment_id FROM instances WHERE service_id = ?", service_id)
    all_places = [row["environment_id"] for row in rows]
    places = [one for one in all_places if environment_id in (None, one)]
    await core.fleet.vacate((service_id, one) for one in places)
    for one in places:
        await core.edge.forget(service_id, one)

    def delete(db: sqlite3.Connection) -> None:
        for one in places:
            db.execute(
                "DELETE FROM instances WHERE service_id = ? AND environment_id = ?",
                (service_id, one),
            )
            db.execute(
                "DELETE FROM variables WHERE service_id = ? AND environment_id = ?",
                (service_id, one),
            )
        if len(places) == len(all_places):
            db.execute("UPDATE services SET deleted_at = ? WHERE id = ?", (now(), service_id))

    await core.store.write(delete)


def _apply_source(settings: dict[str, Any], source: Mapping[str, Any]) -> None:
    if source.get("repo"):
        raise NotImplementedHere("building from a repository")
    if "image" in source:
        settings["image"] = source["image"]


def _check(settings: Mapping[str, Any], max_replicas: int) -> None:
    if not 1 <= settings["numReplicas"] <= max_replicas:
        raise BadInput(f"numReplicas must be between 1 and {max_replicas}")
    for name in ("healthcheckTimeout", "drainingSeconds", "overlapSeconds"):
        if (settings.get(name) or 0) < 0:
            raise BadInput(f"{name} must not be negative")
    if not 0 <= settings["restartPolicyMaxRetries"] <= 100:
        raise BadInput("restartPolicyMaxRetries must be between 0 and 100")
    path = settings.get("healthcheckPath")
    if path and not path.startswith("/"):
        raise BadInput("healthcheckPath must begin with /")


def service_view(row: Row) -> dict[str, Any]:
    """A Service."""
    return {
        "id": row["id"],
        "name": row["name"],
        "projectId": row["project_id"],
        "createdAt": row["created_at"],
        "deletedAt": row["deleted_at"],
        "isRestricted": False,
    }


def instance_view(core: Core, row: Row) -> dict[str, Any]:
    """A ServiceInstance; `row` carries the service's name and project too."""
    settings: dict[str, Any] = json.loads(row["settings"])
    service_id, environment_id = row["service_id"], row["environment_id"]

    def latest(_info: Any) -> Any:
        found = core.records.latest(service_id, environment_id)
        return deployment_view(core, found) if found else None

    def active(_info: Any) -> Any:
        rows = core.store.rows(
            "SELECT * FROM deployments WHERE service_id = ? AND environment_id = ?"
            " AND status IN (?, ?, 'CRASHED') ORDER BY seq DESC LIMIT 1",
            service_id,
            environment_id,
            *UP,
        )
        return [deployment_view(core, one) for one in rows]

    def domains(_info: Any) -> Any:
        rows = core.edge.domains(service_id, environment_id)
        return {"serviceDomains": [domain_view(core, one) for one in rows], "customDomains": []}

    return {
        **{name: value for name, value in settings.items() if name != "registryCredentials"},
        "id": row["id"],
        "serviceId": service_id,
        "serviceName": row["service_name"],
        "environmentId": environment_id,
        "source": {"image": settings["image"], "repo": None} if settings.get("image") else None,
        "region": settings.get("region") or "local",
        "isUpdatable": False,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "deletedAt": None,
        "latestDeployment": latest,
        "activeDeployments": active,
        "domains": domains,
    }
