"""What people and the host do to services behind the back of whoever deploys them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.local.yard.core import Core
from infra.local.yard.faults import ACCIDENTS, Fault
from infra.local.yard.records import IN_PROGRESS, UP
from infra.local.yard.services import delete_service
from infra.local.yard.store import Row


class Accidents:
    """Happens when one of their faults strikes."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def after(self, operations: Sequence[str], variables: Mapping[str, Any] | None) -> None:
        """After the effect of an operation."""
        kinds = [kind for kind in ACCIDENTS if kind != "token_revoked"]
        if not self._core.faults.await_any(*kinds):
            return
        service = self._subject(variables or {})
        if service is None:
            return
        names = [service["id"], service["name"]]
        fault = self._core.faults.take(*kinds, operations=operations, services=names)
        if fault is not None:
            await self.happen(fault, service["id"])

    async def happen(self, fault: Fault, service_id: str) -> None:
        """To everything this service runs."""
        match fault.kind:
            case "removed_by_hand":
                for row in self._rows(service_id, (*UP, "CRASHED", *IN_PROGRESS)):
                    await self._core.fleet.remove(row["id"])
            case "service_deleted":
                await delete_service(self._core, service_id)
            case "migrated":
                for row in self._rows(service_id, UP):
                    if row["stopped"]:
                        continue
                    instance = self._core.store.row(
                        "SELECT i.*, s.project_id, s.name AS service_name FROM instances i"
                        " JOIN services s ON s.id = i.service_id AND s.deleted_at IS NULL"
                        " WHERE i.service_id = ? AND i.environment_id = ?",
                        service_id,
                        row["environment_id"],
                    )
                    if instance is not None:
                        await self._core.deployer.repeat(instance, row, reason="migration")

    def _subject(self, variables: Mapping[str, Any]) -> Row | None:
        """The service a request is about: whichever of its values names one, or a deployment."""
        store, values = self._core.store, list(_strings(variables))
        for query in (
            "SELECT id, name FROM services WHERE id = ?",
            (
                "SELECT s.id, s.name FROM deployments d JOIN services s ON s.id = d.service_id"
                " WHERE d.id = ?"
            ),
            "SELECT id, name FROM services WHERE name = ? AND deleted_at IS NULL",
        ):
            for value in values:
                if row := store.row(query, value):
                    return row
        return None

    def _rows(self, service_id: str, statuses: Sequence[str]) -> list[Row]:
        marks = ",".join("?" * len(statuses))
        return self._core.store.rows(
            "SELECT * FROM deployments WHERE service_id = ?"  # noqa: S608 - only question marks
            f" AND status IN ({marks}) ORDER BY seq",
            service_id,
            *statuses,
        )


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for one in value.values():
                yield from _strings(one)
