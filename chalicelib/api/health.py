"""Endpoints that describe the platform itself: health, schemas, templates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from chalice.app import Blueprint

from chalicelib.api.http import Answer, Call, View, endpoint

health = Blueprint(__name__)


class Health(View):
    """`ground` says what runs the agents, and where that is a stand-in, how it isolates them."""

    status: str
    stage: str
    ground: Mapping[str, Any]


class TemplateView(View):
    name: str
    runtime: str
    title: str
    description: str


class TemplateList(View):
    items: list[TemplateView]
    next_cursor: None = None


@endpoint(
    health,
    "GET",
    "/health",
    summary="Is the API up, and on what ground",
    answer=Health,
    public=True,
)
def get_health(call: Call) -> Health:
    settings = call.platform.settings
    return Health(status="ok", stage=settings.stage, ground=settings.ground)


@endpoint(
    health,
    "GET",
    "/openapi.json",
    summary="This API as an OpenAPI 3.1 document",
    answer=dict[str, Any],
    public=True,
)
def get_openapi(call: Call) -> Answer:  # noqa: ARG001 - every view takes its call
    return Answer(_openapi(), headers=_CACHED)


@endpoint(
    health,
    "GET",
    "/agent.schema.json",
    summary="The JSON Schema of agent.yaml",
    answer=dict[str, Any],
    public=True,
)
def get_manifest_schema(call: Call) -> Answer:  # noqa: ARG001
    return Answer(_schema(), headers=_CACHED)


@endpoint(
    health,
    "GET",
    "/templates",
    summary="List the templates an agent can start from",
    answer=TemplateList,
    public=True,
)
def list_templates(call: Call) -> TemplateList:
    found = call.platform.versions.templates()
    return TemplateList(items=[TemplateView.model_validate(t) for t in found])


_CACHED = {"Cache-Control": "public, max-age=300"}


@cache
def _openapi() -> str:
    from chalicelib.api.openapi import document  # noqa: PLC0415 - rarely asked for

    return json.dumps(document())


@cache
def _schema() -> str:
    from chalicelib.domain.manifest import manifest_schema  # noqa: PLC0415 - rarely asked for

    return json.dumps(manifest_schema())
