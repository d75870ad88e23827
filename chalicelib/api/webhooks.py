"""Endpoints that other systems call."""

from __future__ import annotations

import hmac
from typing import Any

from chalice.app import Blueprint
from pydantic import ConfigDict, Field

from chalicelib.api.http import Call, Model, View, endpoint
from chalicelib.domain.limits import RateClass
from chalicelib.errors import Unauthenticated

webhooks = Blueprint(__name__)


class WebhookQuery(Model):
    secret: str


class RailwayEvent(Model):
    """Unsigned, unordered and sometimes doubled: a hint to look, never a fact."""

    model_config = ConfigDict(extra="allow")

    type: str
    resource: dict[str, Any] = Field(default_factory=dict)


class Acknowledged(View):
    detail: str


@endpoint(
    webhooks,
    "POST",
    "/webhooks/railway",
    summary="The host hints that something changed; we look for ourselves",
    query=WebhookQuery,
    body=RailwayEvent,
    answer=Acknowledged,
    status=202,
    errors=(401,),
    public=True,
    rate=RateClass.WEBHOOK,
)
def railway_webhook(call: Call, query: WebhookQuery, body: RailwayEvent) -> Acknowledged:
    expected = call.platform.webhook_secret()
    if not hmac.compare_digest(query.secret.encode(), expected.encode()):
        raise Unauthenticated("The secret in this webhook's address is not ours.")
    service, deployment = (body.resource.get(name) for name in ("service", "deployment"))
    if isinstance(service, dict) and isinstance(service.get("id"), str):
        named = deployment.get("id") if isinstance(deployment, dict) else None
        call.platform.reconciler.hint(service["id"][:100], str(named)[:100])
    return Acknowledged(detail="Looked.")
