"""Variables: of a service, shared by an environment, given by the host, and put together."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from infra.local.yard.bundles import Bundle
from infra.local.yard.core import Core
from infra.local.yard.records import UP, Snapshot
from infra.local.yard.store import Row, Store
from infra.local.yard.wire import Args, Call, Resolver

SHARED = ""
REFERENCE = re.compile(r"\$\{\{\s*(?:(?P<owner>[^.{}]+)\.)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
MAX_DEPTH = 10


class Variables:
    """Reading and writing variables."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store

    def queries(self) -> dict[str, Resolver]:
        """Root fields of Query."""
        return {"variables": self._get, "variablesForServiceDeployment": self._rendered}

    def mutations(self) -> dict[str, Resolver]:
        """Root fields of Mutation."""
        return {
            "variableCollectionUpsert": self._upsert_all,
            "variableDelete": self._delete,
            "variableUpsert": self._upsert,
        }

    def _get(self, call: Call, args: Args) -> Any:
        self._core.environment(call, args["environmentId"])
        service_id = args.get("serviceId") or SHARED
        found = stored(self._store, args["environmentId"], service_id)
        if args.get("unrendered") or service_id == SHARED:
            return found
        return rendered(self._store, args["environmentId"], service_id, self._given(args))

    def _rendered(self, call: Call, args: Args) -> Any:
        self._core.instance(call, args["serviceId"], args["environmentId"])
        given = self._given(args)
        own = rendered(self._store, args["environmentId"], args["serviceId"], given)
        return {**given, **own}

    def _given(self, args: Args) -> dict[str, str]:
        return given_names(self._core, args["serviceId"], args["environmentId"])

    async def _upsert_all(self, call: Call, args: Args) -> Any:
        given = args["input"]
        return await self._write(call, given, given["variables"], replace=given["replace"])

    async def _upsert(self, call: Call, args: Args) -> Any:
        given = args["input"]
        return await self._write(call, given, {given["name"]: given["value"]}, replace=False)

    async def _delete(self, call: Call, args: Args) -> Any:
        given = args["input"]
        environment = self._core.environment(call, given["environmentId"])
        gone = await self._store.execute(
            "DELETE FROM variables WHERE environment_id = ? AND service_id = ? AND name = ?",
            environment["id"],
            given.get("serviceId") or SHARED,
            given["name"],
        )
        # There is no skipDeploys here: deleting a variable deploys.
        if gone:
            await self._redeploy(call, given)
        return True

    async def _write(
        self, call: Call, given: Args, variables: Mapping[str, str], *, replace: bool
    ) -> bool:
        environment = self._core.environment(call, given["environmentId"])
        if given.get("serviceId"):
            self._core.instance(call, given["serviceId"], environment["id"])
        key = (environment["id"], given.get("serviceId") or SHARED)

        def write(db: sqlite3.Connection) -> None:
            if replace:
                db.execute("DELETE FROM variables WHERE environment_id = ? AND service_id = ?", key)
            db.executemany(
                "INSERT OR REPLACE INTO variables VALUES (?, ?, ?, ?)",
                [(*key, name, value) for name, value in variables.items()],
            )

        await self._store.write(write)
        if not given.get("skipDeploys"):
            await self._redeploy(call, given)
        return True

    async def _redeploy(self, call: Call, given: Args) -> None:
        """A change of variables redeploys what is active."""
        if not given.get("serviceId"):
            return
        latest = self._core.records.latest(given["serviceId"], given["environmentId"])
        if latest is not None and latest["status"] in (*UP, "CRASHED"):
            instance = self._core.instance(call, given["serviceId"], given["environmentId"])
            await self._core.deployer.rerun(instance, latest, reason="redeploy")


def stored(store: Store, environment_id: str, service_id: str) -> dict[str, str]:
    """Variables as they were written."""
    rows = store.rows(
        "SELECT name, value FROM variables WHERE environment_id = ? AND service_id = ?"
        " ORDER BY name",
        environment_id,
        service_id,
    )
    return {row["name"]: row["value"] for row in rows}


def rendered(
    store: Store, environment_id: str, service_id: str, given: Mapping[str, str]
) -> dict[str, str]:
    """Variables with their references resolved; what refers to nothing becomes empty."""
    own = stored(store, environment_id, service_id)
    return {name: _render(store, environment_id, own, given, value) for name, value in own.items()}


def _render(
    store: Store,
    environment_id: str,
    own: Mapping[str, str],
    given: Mapping[str, str],
    value: str,
    *,
    depth: int = 0,
) -> str:
    if "${{" not in value or depth > MAX_DEPTH:
        return value

    def resolve(match: re.Match[str]) -> str:
        owner, name = match["owner"], match["name"]
        if owner is None:
            found = own.get(name, given.get(name, ""))
        elif owner.strip() == "shared":
            found = stored(store, environment_id, SHARED).get(name, "")
        else:
            row = store.row(
                "SELECT v.value FROM variables v JOIN services s ON s.id = v.service_id"
                " WHERE v.environment_id = ? AND s.name = ? AND v.name = ?"
                " AND s.deleted_at IS NULL",
                environment_id,
                owner.strip(),
                name,
            )
            found = row["value"] if row else ""
        return _render(store, environment_id, own, given, found, depth=depth + 1)

    return REFERENCE.sub(resolve, value)


def given_names(core: Core, service_id: str, environment_id: str) -> dict[str, str]:
    """The RAILWAY_* variables that are the same for every deployment of a service."""
    row = core.store.row(
        "SELECT p.id AS project_id, p.name AS project, e.name AS environment, s.name AS service"
        " FROM services s JOIN projects p ON p.id = s.project_id, environments e"
        " WHERE s.id = ? AND e.id = ?",
        service_id,
        environment_id,
    )
    if row is None:
        return {}
    names = {
        "RAILWAY_PROJECT_ID": row["project_id"],
        "RAILWAY_PROJECT_NAME": row["project"],
        "RAILWAY_ENVIRONMENT": row["environment"],
        "RAILWAY_ENVIRONMENT_ID": environment_id,
        "RAILWAY_ENVIRONMENT_NAME": row["environment"],
        "RAILWAY_SERVICE_ID": service_id,
        "RAILWAY_SERVICE_NAME": row["service"],
    }
    domains = core.edge.domains(service_id, environment_id)
    if domains:
        names["RAILWAY_PUBLIC_DOMAIN"] = core.edge.name(domains[0])
        names["RAILWAY_STATIC_URL"] = core.edge.name(domains[0])
    return names


def process_environment(
    given: Mapping[str, str], row: Row, snapshot: Snapshot, bundle: Bundle
) -> dict[str, str]:
    """All variables a process starts with; PORT is added at the start itself."""
    settings = snapshot.settings
    host = {
        **given,
        "RAILWAY_DEPLOYMENT_ID": row["id"],
        "RAILWAY_REPLICA_REGION": "local",
        "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": str(settings.get("drainingSeconds") or 0),
        "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": str(settings.get("overlapSeconds") or 0),
    }
    return {**bundle.env, **host, **snapshot.variables}
