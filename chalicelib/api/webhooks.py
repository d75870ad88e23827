"""Endpoints that other systems call."""

from __future__ import annotations

import hmac
from typing import Any

from chalice.app import Blueprint
from pydantic import ConfigDict, Field

from chalicelib.api.http import FORM, JSON, Call, Model, View, endpoint
from chalicelib.domain.limits import RateClass
from chalicelib.errors import TooManyRequests, Unauthenticated
from chalicelib.services.deliveries import Arrival

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


@endpoint(
    webhooks,
    "POST",
    "/webhooks/github",
    summary="GitHub tells our app what has happened; it is remembered, and carried out later",
    answer=Acknowledged,
    status=202,
    errors=(401, 404, 413),
    public=True,
    raw=True,
    takes=(JSON, FORM),
    rate=RateClass.WEBHOOK,
)
def github_webhook(call: Call) -> Acknowledged:
    return _received(call, None)


@endpoint(
    webhooks,
    "POST",
    "/webhooks/github/{hook_id}",
    summary="A repository's own webhook tells one agent what has happened",
    answer=Acknowledged,
    status=202,
    errors=(401, 404, 413),
    public=True,
    raw=True,
    takes=(JSON, FORM),
    rate=RateClass.WEBHOOK,
)
def repository_webhook(call: Call, hook_id: str) -> Acknowledged:
    return _received(call, hook_id)


def _received(call: Call, hook_id: str | None) -> Acknowledged:
    arrival = Arrival(
        event=call.header("x-github-event"),
        guid=call.header("x-github-delivery"),
        sha256=call.header("x-hub-signature-256"),
        sha1=call.header("x-hub-signature"),
        length=call.length,
        is_form=_is_form(call.header("content-type")),
    )
    try:
        new = call.platform.deliveries.receive(arrival, call.body, hook_id)
    except Unauthenticated:
        # Those who prove themselves are never counted here, wherever they call from.
        taken = call.platform.limits.take(RateClass.CREDENTIAL, address=call.address)
        if taken is not None and taken.exceeded:
            raise TooManyRequests(
                "Too many calls with wrong signatures came from your network.",
                retry_after=taken.resets_in,
            ) from None
        raise
    return Acknowledged(detail="Received." if new else "Received already.")


def _is_form(content_type: str | None) -> bool:
    """A call that carries its payload as the one field of a form, as GitHub's webhooks do unless
    somebody chooses JSON."""
    return (content_type or "").partition(";")[0].strip().lower() == FORM
