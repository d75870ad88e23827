"""The parts of a running yard, as the resolvers and servers see them."""

from __future__ import annotations

from dataclasses import dataclass

from infra.local.yard import clock
from infra.local.yard.access import Meter
from infra.local.yard.bundles import Bundles
from infra.local.yard.config import Config
from infra.local.yard.deployer import Deployer
from infra.local.yard.edge import Edge
from infra.local.yard.errors import NotFound
from infra.local.yard.faults import Faults
from infra.local.yard.fleet import Fleet
from infra.local.yard.records import Records
from infra.local.yard.store import Row, Store
from infra.local.yard.wire import Call


@dataclass(frozen=True)
class Core:
    """Everything resolvers work with."""

    config: Config
    store: Store
    records: Records
    bundles: Bundles
    fleet: Fleet
    deployer: Deployer
    edge: Edge
    faults: Faults
    meter: Meter

    def project(self, call: Call, project_id: str) -> Row:
        """A project the caller may read."""
        row = self.store.row(
            "SELECT * FROM projects WHERE id = ? AND deleted_at IS NULL", project_id
        )
        if row is None:
            raise NotFound("Project")
        call.who.require_project(project_id)
        return row

    def environment(self, call: Call, environment_id: str) -> Row:
        """An environment the caller may change."""
        row = self.store.row(
            "SELECT * FROM environments WHERE id = ? AND deleted_at IS NULL", environment_id
        )
        if row is None:
            raise NotFound("Environment")
        call.who.require(row["project_id"], environment_id)
        return row

    def service(self, call: Call, service_id: str) -> Row:
        """A service in a project the caller may read."""
        row = self.store.row(
            "SELECT * FROM services WHERE id = ? AND deleted_at IS NULL", service_id
        )
        if row is None:
            raise NotFound("Service")
        call.who.require_project(row["project_id"])
        return row

    def instance(self, call: Call, service_id: str, environment_id: str) -> Row:
        """A service in one environment. It appears a little after the service: that is a fault."""
        row = self.store.row(
            "SELECT i.*, s.project_id, s.name AS service_name FROM instances i"
            " JOIN services s ON s.id = i.service_id AND s.deleted_at IS NULL"
            " WHERE i.service_id = ? AND i.environment_id = ?"
            " AND i.visible_at <= ?",
            service_id,
            environment_id,
            clock.seconds(),
        )
        if row is None:
            raise NotFound("ServiceInstance")
        call.who.require(row["project_id"], environment_id)
        return row

    def deployment(self, call: Call, deployment_id: str) -> Row:
        """A deployment the caller may see."""
        row = self.records.get(deployment_id)
        if row is None:
            raise NotFound("Deployment")
        call.who.require(row["project_id"], row["environment_id"])
        return row
