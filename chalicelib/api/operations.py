"""Endpoints for operators of the platform; to everybody else they answer 404."""

from __future__ import annotations

from datetime import datetime

from chalice.app import Blueprint

from chalicelib.api.http import Call, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.domain.deliveries import DeliveryState, Facts, Receipt

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


class ReceiptView(View):
    """What the code host told, of no agent. `source` is `app`, or the webhook that was called."""

    id: str
    received_at: datetime
    source: str
    guid: str
    event: str
    action: str
    size: int
    repository: str
    account: str
    installation_id: int | None
    state: DeliveryState
    code: str
    detail: str


class ReceiptPage(View):
    items: list[ReceiptView]
    next_cursor: str | None


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
    "GET",
    "/operations/deliveries",
    summary="List what the code host has told that concerns no agent, and what came of it",
    query=PageQuery,
    answer=ReceiptPage,
    errors=(404,),
)
def list_receipts(call: Call, query: PageQuery) -> ReceiptPage:
    page = call.platform.operations.receipts(call.principal, limit=query.limit, after=query.cursor)
    return ReceiptPage(items=[_receipt(one) for one in page.items], next_cursor=page.next)


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


def _receipt(one: Receipt) -> ReceiptView:
    facts = one.facts or Facts(one.event)
    return ReceiptView(
        id=one.id,
        received_at=one.received_at,
        source=one.source,
        guid=one.guid,
        event=one.event,
        action=facts.action,
        size=one.size,
        repository=facts.repository,
        account=facts.account,
        installation_id=facts.installation_id,
        state=one.state,
        code=one.code,
        detail=one.detail,
    )
