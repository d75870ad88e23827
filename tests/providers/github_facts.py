"""What GitHub's published description says of its operations and webhooks, and whether it is kept.

The two JSON files beside this module are our own extract of that description.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

HERE = Path(__file__).parent


@cache
def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / name).read_text())
    return found


@dataclass(frozen=True)
class Operation:
    """One operation of the REST API."""

    id: str
    method: str
    path: str
    auth: str
    """Who may ask: app (a JWT), installation (its token), user, or none."""
    permissions: dict[str, str]
    public: bool
    query: dict[str, Any]
    path_parameters: dict[str, Any]
    body: dict[str, Any] | None
    responses: dict[str, Any]

    def named(self, path: str) -> dict[str, str] | None:
        """The path's parameters, decoded; None if this is not its path. A `/` in one is encoded."""
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        return {k: unquote(v) for k, v in found.groupdict().items()} if found else None


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(
            one["operation"],
            one["method"],
            one["path"],
            one["auth"],
            one["permissions"],
            one.get("public", False),
            one["query"],
            one["path_parameters"],
            one.get("body"),
            one["responses"],
        )
        for one in _read("github_api_facts.json")["operations"]
    )


def version() -> str:
    """The API's version that the description is of."""
    return str(_read("github_api_facts.json")["version"])


def wrong_with_body(operation: Operation, body: Any) -> list[str]:
    """What the description does not allow in a request."""
    if operation.body is None:
        return [] if body is None else ["a body where there is none"]
    return _faults(operation.body, {} if body is None else body, "github_api_facts.json")


def wrong_with_query(operation: Operation, query: dict[str, str]) -> list[str]:
    faults = []
    for name, value in query.items():
        rule = operation.query.get(name)
        if rule is None:
            faults.append(f"no such query parameter: {name}")
        elif rule.get("type") == "integer" and not value.isdecimal():
            faults.append(f"{name} is a number")
        elif "enum" in rule and value not in rule["enum"]:
            faults.append(f"{name} is one of {rule['enum']}")
        elif name == "per_page" and not 1 <= int(value) <= 100:
            faults.append("per_page is at most 100")
    return faults


def wrong_with_path(operation: Operation, named: dict[str, str]) -> list[str]:
    return [
        f"{name} is a number"
        for name, rule in operation.path_parameters.items()
        if rule.get("type") == "integer" and not named[name].isdecimal()
    ]


def answer(operation: Operation, status: int, given: Any) -> Any:
    """What we answer, with everything that GitHub's answers always hold; AssertionError when it is
    not an answer of that form."""
    schema = operation.responses.get(str(status))
    if schema is None:
        return given
    whole = _filled(schema, given, "github_api_facts.json")
    faults = _faults(schema, whole, "github_api_facts.json")
    assert not faults, f"the stand-in's own answer to {operation.id}: {faults}"
    return whole


def payload(event: str, given: dict[str, Any]) -> dict[str, Any]:
    """A webhook's payload, with everything that such a one always holds."""
    name = event if "action" not in given else f"{event}.{given['action']}"
    schema = _read("github_webhook_facts.json")["events"][name]
    whole: dict[str, Any] = _filled(schema, given, "github_webhook_facts.json")
    faults = _faults(schema, whole, "github_webhook_facts.json")
    assert not faults, f"the stand-in's own payload of {name}: {faults}"
    return whole


def _faults(schema: dict[str, Any], value: Any, name: str) -> list[str]:
    validator = Draft202012Validator({**schema, "$defs": _read(name)["$defs"]})
    return [
        f"{'/'.join(map(str, one.absolute_path))}: {one.message[:200]}"
        for one in validator.iter_errors(value)
    ][:5]


def _filled(schema: dict[str, Any], value: Any, name: str) -> Any:
    schema = _resolved(schema, name)
    for part in schema.get("allOf", ()):
        value = _filled(part, value, name)
    options = [_resolved(one, name) for key in ("oneOf", "anyOf") for one in schema.get(key, ())]
    if isinstance(value, dict) and options and "properties" not in schema:
        # Of several forms we make the first.
        form = next((one for one in options if "properties" in one), None)
        return _filled(form, value, name) if form else value
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        made = {key: _filled(properties.get(key, {}), one, name) for key, one in value.items()}
        for key in schema.get("required", ()):
            if key not in made:
                made[key] = _neutral(properties.get(key, {}), name)
        return made
    if isinstance(value, list) and "items" in schema:
        return [_filled(schema["items"], one, name) for one in value]
    return value


def _neutral(schema: dict[str, Any], name: str) -> Any:
    schema = _resolved(schema, name)
    for kind in ("oneOf", "anyOf"):
        if kind in schema:
            options = [_neutral(one, name) for one in schema[kind]]
            return None if None in options else options[0]
    if "allOf" in schema:
        return _filled(schema, {}, name)
    kinds = schema.get("type", "string")
    if isinstance(kinds, list):
        return None
    if "enum" in schema:
        return schema["enum"][0]
    if kinds == "object":
        return _filled(schema, {}, name)
    return {"integer": 0, "number": 0, "boolean": False, "array": []}.get(kinds, "")


def _resolved(schema: dict[str, Any], name: str) -> dict[str, Any]:
    while "$ref" in schema:
        schema = _read(name)["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema
