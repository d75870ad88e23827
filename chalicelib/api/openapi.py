"""The OpenAPI 3.1 document, made from the endpoint declarations."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chalicelib.api.http import ENDPOINTS, FORM, JSON, PROBLEM, Endpoint, Problem

VERSION = "0.1.0"
_REFS = "#/components/schemas/{model}"
_MEANINGS = {
    400: "The request cannot be read",
    401: "Nobody is signed in, or the token is not valid",
    403: "The role or the token's scope does not allow this",
    404: "It does not exist, or belongs to another organisation",
    409: "The present state does not allow this",
    412: "It has changed since it was read",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "The request can be read, but says something that cannot be done",
    429: "Too many requests of this class; `Retry-After` says when to go on",
    500: "A fault of ours",
    502: "The host of the agents, the code host or the sign-in provider refused",
    503: "Something we depend on does not answer just now",
}


def document() -> dict[str, Any]:
    """The whole API as one OpenAPI 3.1 document."""
    wanted = _models()
    _, definitions = models_json_schema(wanted, ref_template=_REFS)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in sorted(ENDPOINTS, key=lambda e: (e.path, e.method)):
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Slipway",
            "version": VERSION,
            "description": "Deploy and run AI agents: source in, live URL out.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name} for name in sorted({e.tag for e in ENDPOINTS})],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token from sign-in, or an API token (slp_…).",
                }
            },
        },
    }


def _models() -> list[tuple[type[BaseModel], Any]]:
    found: dict[type[BaseModel], str] = {Problem: "serialization"}
    for endpoint in ENDPOINTS:
        if endpoint.body is not None:
            found[endpoint.body] = "validation"
        if _is_model(endpoint.answer):
            found[endpoint.answer] = "serialization"
    return list(found.items())


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": _responses(endpoint),
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.action is not None:
        operation["x-permission"] = endpoint.action.value
    if endpoint.own_action is not None:
        operation["x-permission-oneself"] = endpoint.own_action.value
    if parameters := _parameters(endpoint):
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(endpoint.body)}},
        }
    if endpoint.raw:
        # Signed as it is: it is no model's business before its signature was looked at.
        operation["requestBody"] = {
            "required": True,
            "content": {media: {"schema": _UNREAD[media]} for media in endpoint.takes},
        }
        operation["parameters"] = [*parameters, *_SIGNED]
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    if endpoint.query is not None:
        schema = endpoint.query.model_json_schema()
        required = schema.get("required", [])
        named = schema.get("$defs", {})
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "schema": _plain(value, named),
            }
            for name, value in schema["properties"].items()
        ]
    if endpoint.idempotent:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 255, "pattern": r"^[\x20-\x7e]+$"},
                "description": "A repeat with the same key is answered, not done again.",
            }
        )
    return parameters


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    good: dict[str, Any] = {"description": endpoint.summary}
    if endpoint.answer is not None:
        schema = _ref(endpoint.answer) if _is_model(endpoint.answer) else {"type": "object"}
        good["content"] = {endpoint.media: {"schema": schema}}
    elif endpoint.media != JSON:
        good["content"] = {endpoint.media: {"schema": {"type": "string"}}}
    if endpoint.status == 302:
        good["headers"] = {"Location": {"schema": {"type": "string", "format": "uri"}}}
    responses = {str(endpoint.status): good}
    if endpoint.method == "GET" and not endpoint.public:
        responses["304"] = {"description": "Not changed since the ETag in If-None-Match"}
    for status in sorted(_errors(endpoint)):
        responses[str(status)] = {
            "description": _MEANINGS[status],
            "content": {PROBLEM: {"schema": _ref(Problem)}},
        }
    return responses


def _errors(endpoint: Endpoint) -> set[int]:
    errors = {*endpoint.errors, 400, 429, 500, 503}
    if not endpoint.public:
        errors |= {401, 403}
    if endpoint.raw:
        errors |= {413, 415}
    if endpoint.body is not None:
        errors |= {413, 415, 422}
    if endpoint.query is not None or endpoint.idempotent or "{environment}" in endpoint.path:
        errors.add(422)
    if endpoint.idempotent:
        errors.add(409)
    return errors


def _plain(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Query parameters cannot be null: that branch is left out; a reference is resolved."""
    branches = [b for b in schema.get("anyOf", []) if b.get("type") != "null"]
    kept = {k: v for k, v in schema.items() if k not in ("anyOf", "default", "title")}
    if len(branches) == 1:
        kept |= branches[0]
    if reference := kept.pop("$ref", None):
        kept |= named[reference.rsplit("/", 1)[-1]]
        kept.pop("title", None)
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    return kept


_UNREAD: dict[str, dict[str, Any]] = {
    JSON: {"type": "object"},
    FORM: {
        "type": "object",
        "required": ["payload"],
        "properties": {
            "payload": {"type": "string", "description": "What would be the body as JSON."}
        },
        "additionalProperties": False,
    },
}

_SIGNED: list[dict[str, Any]] = [
    {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
    for name in ("X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256")
]


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFS.format(model=model.__name__)}


def _is_model(answer: Any) -> bool:
    return isinstance(answer, type) and issubclass(answer, BaseModel)
