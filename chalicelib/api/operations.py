"""Endpoints for operators of the platform; to everybody else they answer 404."""

from __future__ import annotations

from datetime import datetime

from chalice.app import Blueprint

from chalicelib.api.http import Call, View, endpoint
from chalicelib.api.shapes import PageQuery

operations = Blueprint(__name__)


class BudgetView(View):
    """Calls at the host in this hour. `heard_at`: when the host itself last said what is left."""

    limit: int
    left: int
    resets_at: datetime | None
    paused_until: datetime | None
    heard_at: datetime | None


class ReconcilerView(View):
    """The last run. `compared_at`: when all that serves was last compared with the host."""

    started_at: datetime
    ended_at: datetime
    versions: int
    moving: int
    serving: int
    compared: int
    leftovers: int
    repaired: int
    failed: int
    problem: str
    compared_at: datetime | None
    searched_at: datetime | None


class RepairView(View):
    id: str
    at: datetime
    org_id: str
    deployment_id: str
    said: str
    host: str
    done: str


class RepairPage(View):
    items: list[RepairView]
    next_cursor: str | None


class OrphanView(View):
    service_id: str
    name: str
    detail: str
    deployment_id: str
    found_at: datetime
    seen_at: datetime


class OrphanList(View):
    items: list[OrphanView]


class StuckView(View):
    org_id: str
    agent_id: str
    environment: str
    deployment_id: str
    state: str
    since: datetime
    detail: str


class OperationsView(View):
    budget: BudgetView
    reconciler: ReconcilerView | None
    repairs: list[RepairView]
    orphans: list[OrphanView]
    stuck: list[StuckView]
    moving: int
    serving: int


@endpoint(
    operations,
    "GET",
    "/operations",
    summary="See the host's budget, the reconciler's last run, repairs, orphans and stuck work",
    answer=OperationsView,
    errors=(404,),
)
def get_operations(call: Call) -> OperationsView:
    return OperationsView.model_validate(call.platform.operations.overview(call.principal))


@endpoint(
    operations,
    "GET",
    "/operations/repairs",
    summary="List what the reconciler has mended in the last thirty days, newest first",
    query=PageQuery,
    answer=RepairPage,
    errors=(404,),
)
def list_repairs(call: Call, query: PageQuery) -> RepairPage:
    page = call.platform.operations.repairs(call.principal, limit=query.limit, after=query.cursor)
    items = [RepairView.model_validate(one) for one in page.items]
    return RepairPage(items=items, next_cursor=page.next)


@endpoint(
    operations,
    "POST",
    "/operations/orphans/search",
    summary="Look for services at the host that no agent claims, now",
    answer=OrphanList,
    errors=(404, 502, 503),
)
def search_orphans(call: Call) -> OrphanList:
    found = call.platform.operations.search_orphans(call.principal)
    return OrphanList(items=[OrphanView.model_validate(one) for one in found])


@endpoint(
    operations,
    "POST",
    "/operations/orphans/{service_id}/remove",
    summary="Remove an orphan at the host",
    answer=None,
    status=204,
    errors=(404, 409, 502, 503),
)
def remove_orphan(call: Call, service_id: str) -> None:
    call.platform.operations.remove_orphan(call.principal, service_id)
