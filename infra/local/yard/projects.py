"""Resolvers for tokens, the workspace, projects and environments."""

from __future__ import annotations

import secrets
import sqlite3
from datetime import UTC, datetime
from typing import Any

from infra.local.yard.access import fingerprint
from infra.local.yard.core import Core
from infra.local.yard.errors import NotAuthorized, NotFound, NotImplementedHere, Refusal
from infra.local.yard.paging import connection
from infra.local.yard.services import instance_view, service_view
from infra.local.yard.store import Row, iso, new_id, now
from infra.local.yard.wire import Args, Call, Resolver


class Projects:
    """What lies above services."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store

    def queries(self) -> dict[str, Resolver]:
        """Root fields of Query."""
        return {
            "apiToken": self._api_token,
            "environment": self._environment,
            "environments": self._environments,
            "me": self._me,
            "project": self._project,
            "projectToken": self._project_token,
            "projectTokens": self._project_tokens,
            "projects": self._projects,
            "regions": self._regions,
            "workspace": self._workspace,
        }

    def mutations(self) -> dict[str, Resolver]:
        """Root fields of Mutation."""
        return {
            "environmentCreate": self._create_environment,
            "environmentDelete": self._delete_environment,
            "projectCreate": self._create_project,
            "projectDelete": self._delete_project,
            "projectTokenCreate": self._create_token,
            "projectTokenDelete": self._delete_token,
        }

    # ---- tokens and the workspace ----

    def _api_token(self, call: Call, _args: Args) -> Any:
        call.who.require_wide()
        config = self._core.config
        return {"workspaces": [{"id": config.workspace_id, "name": config.workspace_name}]}

    def _me(self, call: Call, _args: Args) -> Any:
        if call.who.kind != "account":
            raise NotAuthorized
        return {"id": self._core.config.workspace_id, "name": "Local", "email": "local@localhost"}

    def _project_token(self, call: Call, _args: Args) -> Any:
        who = call.who
        if who.kind != "project":
            raise NotFound("Project Token")
        row = self._store.row("SELECT * FROM project_tokens WHERE id = ?", who.token_id)
        if row is not None:
            return _token_view(row)
        return {
            "id": who.key[:32],
            "name": "configured",
            "displayToken": "****",
            "projectId": who.project_id,
            "environmentId": who.environment_id,
            "createdAt": iso(datetime.now(UTC)),
        }

    def _workspace(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        config = self._core.config
        if args["workspaceId"] != config.workspace_id:
            raise NotFound("Workspace")
        budget = self._core.meter.peek(call.who.key)
        return {
            "id": config.workspace_id,
            "name": config.workspace_name,
            "plan": "PRO",
            "preferredRegion": "local",
            "subscriptionPlanLimit": {"standIn": True},
            "projectCount": lambda _info, **_args: len(self._all_projects()),
            "apiTokenRateLimit": {
                "remainingPoints": budget.remaining,
                "resetsAt": iso(datetime.fromtimestamp(budget.reset, UTC)),
            },
            "customer": self._customer,
        }

    def _customer(self, _info: Any) -> Any:
        raise NotImplementedHere("workspace.customer")

    def _regions(self, call: Call, _args: Args) -> Any:
        call.who.require_wide()
        return [{"name": "local", "country": "local", "location": "this machine"}]

    # ---- projects ----

    def _all_projects(self) -> list[Row]:
        return self._store.rows("SELECT * FROM projects WHERE deleted_at IS NULL ORDER BY rowid")

    def _projects(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        rows = self._all_projects()
        match args.get("orderBy"):
            case "NAME_ASC":
                rows.sort(key=lambda row: str(row["name"]))
            case "CREATED_AT_DESC" | "UPDATED_AT_DESC":
                rows.reverse()
        return connection(rows, args, _id, lambda row: self._project_view(call, row))

    def _project(self, call: Call, args: Args) -> Any:
        return self._project_view(call, self._core.project(call, args["id"]))

    def _project_view(self, call: Call, row: Row) -> dict[str, Any]:
        project_id = row["id"]

        def services(_info: Any, **args: Any) -> Any:
            rows = self._store.rows(
                "SELECT * FROM services WHERE project_id = ? AND deleted_at IS NULL ORDER BY rowid",
                project_id,
            )
            return connection(rows, args, _id, service_view)

        return {
            "id": project_id,
            "name": row["name"],
            "description": row["description"],
            "createdAt": row["created_at"],
            "deletedAt": row["deleted_at"],
            "workspaceId": self._core.config.workspace_id,
            "primaryEnvironmentId": row["primary_environment_id"],
            "subscriptionType": "pro",
            "subscriptionPlanLimit": {"standIn": True},
            "environments": lambda _info, **args: self._environment_list(call, project_id, args),
            "services": services,
            "volumes": lambda _info, **args: connection([], args, _id, service_view),
        }

    async def _create_project(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        given = args["input"]
        if given.get("repo"):
            raise NotImplementedHere("a project from a repository")
        project_id, environment_id, moment = new_id(), new_id(), now()
        name = given.get("name") or f"project-{project_id[:8]}"

        def create(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO projects (id, name, description, created_at, primary_environment_id)"
                " VALUES (?, ?, ?, ?, ?)",
                (project_id, name, given.get("description"), moment, environment_id),
            )
            db.execute(
                "INSERT INTO environments (id, project_id, name, created_at) VALUES (?, ?, ?, ?)",
                (
                    environment_id,
                    project_id,
                    given.get("defaultEnvironmentName") or "production",
                    moment,
                ),
            )

        await self._store.write(create)
        return self._project_view(call, self._core.project(call, project_id))

    async def _delete_project(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        row = self._core.project(call, args["id"])
        await self._empty("s.project_id = ?", row["id"])
        await self._store.execute(
            "UPDATE projects SET deleted_at = ? WHERE id = ?", now(), row["id"]
        )
        return True

    # ---- environments ----

    def _environments(self, call: Call, args: Args) -> Any:
        self._core.project(call, args["projectId"])
        return self._environment_list(call, args["projectId"], args)

    def _environment_list(self, call: Call, project_id: str, args: Args) -> Any:
        rows = self._store.rows(
            "SELECT * FROM environments WHERE project_id = ? AND deleted_at IS NULL ORDER BY rowid",
            project_id,
        )
        if args.get("isEphemeral") is not None:
            rows = [row for row in rows if bool(row["ephemeral"]) == args["isEphemeral"]]
        return connection(rows, args, _id, lambda row: self._environment_view(call, row))

    def _environment(self, call: Call, args: Args) -> Any:
        return self._environment_view(call, self._core.environment(call, args["id"]))

    def _environment_view(self, call: Call, row: Row) -> dict[str, Any]:
        def instances(_info: Any, **args: Any) -> Any:
            call.who.require(row["project_id"], row["id"])
            rows = self._store.rows(
                "SELECT i.*, s.project_id, s.name AS service_name FROM instances i"
                " JOIN services s ON s.id = i.service_id AND s.deleted_at IS NULL"
                " WHERE i.environment_id = ? ORDER BY i.rowid",
                row["id"],
            )
            return connection(rows, args, _id, lambda one: instance_view(self._core, one))

        def absent(_info: Any, **_args: Any) -> Any:
            raise NotImplementedHere("environment.config")

        return {
            "id": row["id"],
            "name": row["name"],
            "createdAt": row["created_at"],
            "isEphemeral": bool(row["ephemeral"]),
            "canAccess": call.who.kind != "project" or call.who.environment_id == row["id"],
            "config": absent,
            "configEtag": absent,
            "serviceInstances": instances,
        }

    async def _create_environment(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        given = args["input"]
        project = self._core.project(call, given["projectId"])
        if given.get("sourceEnvironmentId"):
            raise NotImplementedHere("an environment copied from another one")
        taken = self._store.row(
            "SELECT 1 FROM environments WHERE project_id = ? AND name = ? AND deleted_at IS NULL",
            project["id"],
            given["name"],
        )
        if taken:
            raise Refusal(f'An environment named "{given["name"]}" already exists in this project')
        environment_id = new_id()
        await self._store.execute(
            "INSERT INTO environments (id, project_id, name, ephemeral, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            environment_id,
            project["id"],
            given["name"],
            bool(given.get("ephemeral")),
            now(),
        )
        return self._environment_view(call, self._core.environment(call, environment_id))

    async def _delete_environment(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        row = self._core.environment(call, args["id"])
        await self._empty("i.environment_id = ?", row["id"])
        await self._store.execute(
            "UPDATE environments SET deleted_at = ? WHERE id = ?", now(), row["id"]
        )
        return True

    async def _empty(self, which: str, value: str) -> None:
        rows = self._store.rows(
            "SELECT i.service_id, i.environment_id FROM instances i"  # noqa: S608 - our words
            f" JOIN services s ON s.id = i.service_id WHERE {which}",
            value,
        )
        keys = [(row["service_id"], row["environment_id"]) for row in rows]
        await self._core.fleet.vacate(keys)
        for key in keys:
            await self._core.edge.forget(*key)

    # ---- project tokens ----

    def _project_tokens(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        self._core.project(call, args["projectId"])
        rows = self._store.rows(
            "SELECT * FROM project_tokens WHERE project_id = ? ORDER BY rowid", args["projectId"]
        )
        return connection(rows, args, _id, _token_view)

    async def _create_token(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        given = args["input"]
        self._core.project(call, given["projectId"])
        environment = self._core.environment(call, given["environmentId"])
        if environment["project_id"] != given["projectId"]:
            raise NotFound("Environment")
        token = secrets.token_hex(18)
        await self._store.execute(
            "INSERT INTO project_tokens VALUES (?, ?, ?, ?, ?, ?, ?)",
            new_id(),
            given["name"],
            fingerprint(token),
            f"{token[:4]}****",
            given["projectId"],
            given["environmentId"],
            now(),
        )
        return token

    async def _delete_token(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        gone = await self._store.execute("DELETE FROM project_tokens WHERE id = ?", args["id"])
        if not gone:
            raise NotFound("Project Token")
        return True


def _id(row: Row) -> str:
    return str(row["id"])


def _token_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "displayToken": row["shown"],
        "projectId": row["project_id"],
        "environmentId": row["environment_id"],
        "createdAt": row["created_at"],
    }
