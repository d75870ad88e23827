"""What an agent says of itself while it runs: the tools it offers, its skills, its HTTP API.

A build asks once, after the tests, and writes down the answers. They come from a stranger's
program: nothing here trusts their shape, and everything is cut to a size that can be kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.values import frozen

INTERFACE = "interface.json"
"""Where a version's answers lie, below its prefix in the artifacts bucket."""
MAX_TOOLS = 100
MAX_OPERATIONS = 200
MAX_BYTES = 300_000
MAX_SIGNATURES = 100_000
"""Bytes of the tools that are kept to compare versions by."""
_MAX_REFERENCE = 300
_PLAIN = (str, int, float)
_MAX_NAME = 120
_MAX_TEXT = 600
_MAX_FIELDS = 60
_MAX_DEPTH = 6
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


@frozen
class Interface:
    """`tools` and `operations` are None where nobody could say."""

    tools: tuple[Mapping[str, Any], ...] | None = None
    operations: tuple[Mapping[str, Any], ...] | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "tools": None if self.tools is None else list(self.tools),
            "operations": None if self.operations is None else list(self.operations),
        }

    @classmethod
    def from_json(cls, found: Any) -> Interface:
        if not isinstance(found, Mapping):
            return cls()
        tools, operations = found.get("tools"), found.get("operations")
        return cls(
            tools=None if tools is None else tuple(tools),
            operations=None if operations is None else tuple(operations),
        )


def fitted(said: Interface, limit: int = MAX_BYTES) -> Interface:
    """The same in so many bytes at most: first the long words go, then what is not a name."""
    for keep in (said, _each(said, _briefly), _each(said, _by_name)):
        if len(json.dumps(keep.to_json())) <= limit:
            return keep
    return Interface()


def signature(tool: Mapping[str, Any]) -> dict[str, Any]:
    """What of a tool makes a difference to whoever calls it, for comparing two versions."""
    return {
        "name": tool["name"],
        "kind": tool.get("kind", "tool"),
        "description": str(tool.get("description", ""))[:200],
        "inputs": {
            one["name"]: f"{one['type'] or 'anything'}{', required' if one['required'] else ''}"
            for one in tool.get("inputs") or ()
        },
    }


def _each(said: Interface, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Interface:
    return Interface(
        tools=None if said.tools is None else tuple(change(one) for one in said.tools),
        operations=(
            None if said.operations is None else tuple(change(one) for one in said.operations)
        ),
    )


def _briefly(one: Mapping[str, Any]) -> Mapping[str, Any]:
    cut = {name: value[:15] if isinstance(value, list) else value for name, value in one.items()}
    return {**cut, "description": str(one.get("description", ""))[:120]}


def _by_name(one: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = ("kind", "name", "method", "path")
    return {
        name: [] if isinstance(v, list) else v if name in kept else "" for name, v in one.items()
    }


def tools_of(listed: Any) -> tuple[Mapping[str, Any], ...]:
    """Tools of an MCP server, as its `tools/list` names them: name, description, inputs."""
    found = [
        {
            "kind": "tool",
            "name": _text(one.get("name"), _MAX_NAME),
            "description": _text(one.get("description") or one.get("title")),
            "inputs": _fields(one.get("inputSchema")),
            "outputs": _fields(one.get("outputSchema")),
        }
        for one in _list(listed)
    ]
    return _named_once(found)


def skills_of(card: Any) -> tuple[Mapping[str, Any], ...]:
    """Skills of an agent card (A2A)."""
    skills = card.get("skills") if isinstance(card, Mapping) else None
    found = [
        {
            "kind": "skill",
            "name": _text(one.get("id") or one.get("name"), _MAX_NAME),
            "description": _text(one.get("description") or one.get("name")),
            "inputs": _modes(one.get("inputModes")),
            "outputs": _modes(one.get("outputModes")),
        }
        for one in _list(skills)
    ]
    return _named_once(found)


def operations_of(document: Any) -> tuple[Mapping[str, Any], ...] | None:
    """Operations of an OpenAPI 3 document; None for anything else."""
    if not isinstance(document, Mapping) or not str(document.get("openapi", "")).startswith("3."):
        return None
    reading = _Reading(document)
    found: list[Mapping[str, Any]] = []
    for path, item in _items(document.get("paths")):
        shared = _list(item.get("parameters"))
        for method in _METHODS:
            operation = item.get(method)
            if isinstance(operation, Mapping) and len(found) < MAX_OPERATIONS:
                found.append(reading.operation(method, path, operation, shared))
    return tuple(found)


@dataclass
class _Reading:
    """An OpenAPI document, and what of it has been followed already."""

    document: Mapping[str, Any]
    room: int = 4000
    """How many more fields are read; references can multiply without end."""

    def operation(
        self, method: str, path: str, said: Mapping[str, Any], shared: list[Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        parameters = [self.followed(p) for p in (*shared, *_list(said.get("parameters")))]
        body = self.followed(said.get("requestBody"))
        answers = [
            {
                "status": _text(status, 20),
                "description": _text(self.followed(answer).get("description")),
                "fields": self.content(self.followed(answer).get("content")),
            }
            for status, answer in _items(said.get("responses"))
        ][:10]
        return {
            "method": method.upper(),
            "path": _text(path, 200),
            "summary": _text(said.get("summary")),
            "description": _text(said.get("description")),
            "parameters": [self.parameter(p) for p in parameters if p][:_MAX_FIELDS],
            "body": self.content(body.get("content")),
            "answers": answers,
        }

    def parameter(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        schema = self.followed(said.get("schema"))
        return {
            "name": _text(said.get("name"), _MAX_NAME),
            "place": _text(said.get("in"), 20),
            "type": _type_of(schema),
            "required": bool(said.get("required")),
            "description": _text(said.get("description") or schema.get("description")),
        }

    def content(self, content: Any) -> list[Mapping[str, Any]]:
        for _, media in _items(content):
            return self.fields(media.get("schema"))
        return []

    def fields(self, schema: Any, before: str = "", depth: int = 0) -> list[Mapping[str, Any]]:
        """The fields of an object, those inside others by their path."""
        found = self.followed(schema)
        if depth > _MAX_DEPTH or self.room <= 0:
            return []
        if found.get("type") == "array" or "items" in found:
            return self.fields(found.get("items"), f"{before}[]", depth + 1)
        wanted = {str(name) for name in _texts(found.get("required"))}
        fields: list[Mapping[str, Any]] = []
        for name, inner in _items(found.get("properties")):
            self.room -= 1
            followed = self.followed(inner)
            path = f"{before}.{name}" if before else str(name)
            fields.append(
                {
                    "name": _text(path, _MAX_NAME),
                    "type": _type_of(followed),
                    "required": name in wanted,
                    "description": _text(followed.get("description")),
                }
            )
            if len(fields) < _MAX_FIELDS:
                fields += self.fields(followed, path, depth + 1)
        return fields[:_MAX_FIELDS]

    def followed(self, said: Any) -> Mapping[str, Any]:
        """What a reference inside the document leads to; nothing for one that leads elsewhere."""
        for _ in range(_MAX_DEPTH):
            if not isinstance(said, Mapping):
                return {}
            reference = said.get("$ref")
            if reference is None:
                return said
            said = self._at(str(reference))
        return {}

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/") or len(reference) > _MAX_REFERENCE:
            return {}
        place: Any = self.document
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            place = place.get(name) if isinstance(place, Mapping) else None
        return place


def _fields(schema: Any) -> list[Mapping[str, Any]]:
    """The fields of a JSON Schema, which may refer to its own definitions."""
    return _Reading(schema).fields(schema) if isinstance(schema, Mapping) else []


def _modes(value: Any) -> list[Mapping[str, Any]]:
    words = ", ".join(_text(word, 60) for word in _texts(value))
    return [{"name": "modes", "type": words, "required": False, "description": ""}] if words else []


def _type_of(schema: Mapping[str, Any], depth: int = 0) -> str:
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(schema.get("enum"), list):
        plain = [one for one in schema["enum"][:12] if isinstance(one, _PLAIN)]
        shown = ", ".join(json.dumps(one[:40] if isinstance(one, str) else one) for one in plain)
        return f"one of {shown}"
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    for several in ("anyOf", "oneOf"):
        if kind is None and isinstance(schema.get(several), list):
            kinds = [_type_of(one, depth + 1) for one in _list(schema[several])]
    words = " or ".join(dict.fromkeys(word for one in kinds if (word := _text(one, 40))))
    made = schema.get("format")
    return f"{words} ({_text(made, 30)})" if words and isinstance(made, str) else words


def _named_once(found: list[dict[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    named = {str(one["name"]): one for one in found if one["name"]}
    return tuple(named[name] for name in sorted(named))[:MAX_TOOLS]


def _list(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        return []
    return [one for one in value if isinstance(one, Mapping)][: MAX_TOOLS * 2]


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _items(value: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, Mapping):
        return []
    return [(str(k), v) for k, v in value.items() if isinstance(v, Mapping)][:MAX_OPERATIONS]


def _text(value: Any, limit: int = _MAX_TEXT) -> str:
    if value is None or not isinstance(value, _PLAIN):
        return ""
    # Cut before it is cleaned: many fields may share one endless text.
    text = _UNPRINTABLE.sub(
        "", (value if isinstance(value, str) else str(value))[: 4 * limit]
    ).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
