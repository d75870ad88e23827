"""Writes the field table and the JSON Schema of agent.yaml into docs/agent-spec.md.

`python -m infra.agent_spec` writes; with `--check` it only says whether it would.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from chalicelib.domain.manifest import manifest_schema

DOCUMENT = Path(__file__).parents[1] / "docs/agent-spec.md"


def rendered(text: str) -> str:
    """The document with its generated parts made anew."""
    schema = manifest_schema()
    text = _between(text, "fields", field_table(schema))
    block = json.dumps(schema, indent=2, ensure_ascii=False)
    return _between(text, "schema", f"```json\n{block}\n```")


def field_table(schema: dict[str, Any]) -> str:
    """Every field with its type, default and meaning, nested ones by their path."""
    rows = ["| Field | Type | Default | Meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{path}` | {kind} | {default} | {meaning} |"
        for path, kind, default, meaning in _rows(schema, schema, "")
    ]
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Write the document, or with --check say that it is out of date."""
    old = DOCUMENT.read_text()
    new = rendered(old)
    if old == new:
        return 0
    if "--check" in arguments:
        sys.stderr.write(f"{DOCUMENT.name} is out of date: run `make gen`.\n")
        return 1
    DOCUMENT.write_text(new)
    return 0


def _between(text: str, name: str, content: str) -> str:
    start, end = f"<!-- generated: {name} -->", "<!-- end of generated -->"
    before, found_start, rest = text.partition(start)
    _, found_end, after = rest.partition(end)
    if not (found_start and found_end):
        raise SystemExit(f"{DOCUMENT.name} has no place for the part {name}: add {start}")
    return f"{before}{start}\n{content}\n{end}{after}"


def _rows(
    schema: dict[str, Any], node: dict[str, Any], prefix: str
) -> list[tuple[str, str, str, str]]:
    rows = []
    required = node.get("required", ())
    for name, field in node.get("properties", {}).items():
        kind, inner = _kind(schema, field)
        path = prefix + name
        default = field.get("default")
        shown = (
            "required" if name in required else "" if default in (None, "") else _literal(default)
        )
        rows.append((path, kind, shown, field.get("description", "")))
        if inner is not None:
            rows += _rows(schema, inner, f"{path}[]." if kind.startswith("list") else f"{path}.")
    return rows


def _kind(schema: dict[str, Any], field: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The type in words, and the object it holds, if any."""
    field = next((one for one in field.get("anyOf", ()) if one.get("type") != "null"), field)
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rpartition("/")[2]]
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"]), None
    if field.get("type") == "array":
        word, inner = _kind(schema, field["items"])
        return f"list of {word}", inner
    if "properties" in field:
        return "object", field
    bounds = [f"{field[key]}" for key in ("minimum", "maximum") if key in field]
    if len(bounds) == 2:
        return f"{field['type']}, {bounds[0]} to {bounds[1]}", None
    if "maxLength" in field and field.get("type") == "string":
        return f"string, at most {field['maxLength']}", None
    return field.get("type", "any"), None


def _literal(value: Any) -> str:
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
