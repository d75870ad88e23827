"""Resolvers for deployments: asking for one, and what may be done with it afterwards."""

from __future__ import annotations

import json
from typing import Any

from infra.local.yard.core import Core
from infra.local.yard.errors import NotFound, NotImplementedHere, Refusal
from infra.local.yard.paging import connection
from infra.local.yard.store import Row
from infra.local.yard.views import can_redeploy, can_roll_back, deployment_view
from infra.local.yard.wire import Args, Call, Resolver

MAX_LISTED = 2000


class Deployments:
    """Deployments and their steps."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def queries(self) -> dict[str, Resolver]:
        """Root fields of Query."""
        return {
            "deployment": self._get,
            "deploymentEvents": self._events,
            "deployments": self._list,
        }

    def mutations(self) -> dict[str, Resolver]:
        """Root fields of Mutation."""
        return {
            "deploymentCancel": self._cancel,
            "deploymentRedeploy": self._redeploy,
            "deploymentRemove": self._remove,
            "deploymentRestart": self._restart,
            "deploymentRollback": self._roll_back,
            "deploymentStop": self._stop,
            "serviceInstanceDeploy": self._deploy_source,
            "serviceInstanceDeployV2": self._deploy,
            "serviceInstanceRedeploy": self._redeploy_latest,
        }

    def _get(self, call: Call, args: Args) -> Any:
        return deployment_view(self._core, self._core.deployment(call, args["id"]))

    def _list(self, call: Call, args: Args) -> Any:
        given = args["input"]
        who = call.who
        wanted = {
            "project_id": given.get("projectId") or who.project_id,
            "environment_id": given.get("environmentId") or who.environment_id,
            "service_id": given.get("serviceId"),
        }
        who.require(
            wanted["project_id"] if given.get("projectId") else who.project_id,
            wanted["environment_id"],
        )
        clauses = [f"{name} = ?" for name, value in wanted.items() if value]
        values: list[Any] = [value for value in wanted.values() if value]
        status = given.get("status") or {}
        for word, names in (("IN", status.get("in")), ("NOT IN", status.get("notIn"))):
            if names is not None:
                clauses.append(f"status {word} ({','.join('?' * len(names))})")
                values += names
        where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
        rows = self._core.store.rows(
            f"SELECT * FROM deployments {where} ORDER BY seq DESC LIMIT {MAX_LISTED}",  # noqa: S608
            *values,
        )
        return connection(rows, args, _id, lambda row: deployment_view(self._core, row))

    def _events(self, call: Call, args: Args) -> Any:
        row = self._core.deployment(call, args["id"])
        rows = self._core.store.rows(
            "SELECT * FROM events WHERE deployment_id = ? ORDER BY seq", row["id"]
        )
        return connection(rows, args, _id, _event_view)

    async def _deploy(self, call: Call, args: Args) -> Any:
        if args.get("commitSha"):
            raise NotImplementedHere("deploying a commit")
        instance = self._core.instance(call, args["serviceId"], args["environmentId"])
        return await self._core.deployer.deploy(instance, reason="deploy")

    async def _deploy_source(self, call: Call, args: Args) -> Any:
        await self._deploy(call, args)
        return True

    async def _redeploy_latest(self, call: Call, args: Args) -> Any:
        instance = self._core.instance(call, args["serviceId"], args["environmentId"])
        latest = self._core.records.latest(args["serviceId"], args["environmentId"])
        if latest is None:
            raise NotFound("Deployment")
        await self._core.deployer.rerun(instance, latest, reason="redeploy")
        return True

    async def _redeploy(self, call: Call, args: Args) -> Any:
        row = self._core.deployment(call, args["id"])
        if not can_redeploy(row):
            raise Refusal("Deployment cannot be redeployed")
        instance = self._core.instance(call, row["service_id"], row["environment_id"])
        deployment_id = await self._core.deployer.rerun(instance, row, reason="redeploy")
        return deployment_view(self._core, self._core.deployment(call, deployment_id))

    async def _roll_back(self, call: Call, args: Args) -> Any:
        row = self._core.deployment(call, args["id"])
        if not can_roll_back(self._core, row):
            raise Refusal("Deployment cannot be rolled back to")
        instance = self._core.instance(call, row["service_id"], row["environment_id"])
        await self._core.deployer.repeat(instance, row, reason="rollback")
        return True

    async def _restart(self, call: Call, args: Args) -> Any:
        await self._core.fleet.restart(self._core.deployment(call, args["id"])["id"])
        return True

    async def _stop(self, call: Call, args: Args) -> Any:
        await self._core.fleet.stop(self._core.deployment(call, args["id"])["id"])
        return True

    async def _remove(self, call: Call, args: Args) -> Any:
        await self._core.fleet.remove(self._core.deployment(call, args["id"])["id"])
        return True

    async def _cancel(self, call: Call, args: Args) -> Any:
        await self._core.fleet.cancel(self._core.deployment(call, args["id"])["id"])
        return True


def _id(row: Row) -> str:
    return str(row["id"])


def _event_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "step": row["step"],
        "createdAt": row["created_at"],
        "completedAt": row["completed_at"],
        "payload": json.loads(row["payload"]) or None,
    }
