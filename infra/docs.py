"""Writes the generated documents: OpenAPI, states, errors, permissions, routes.

`python -m infra.docs` writes them; the gate fails when that leaves a difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from app import app as _app  # noqa: F401 - registers the endpoints
from chalicelib import errors
from chalicelib.api.http import ENDPOINTS, Endpoint
from chalicelib.api.openapi import document
from chalicelib.domain import deployments, versions
from chalicelib.domain.tenancy import PERMISSIONS, SCOPES, Action
from infra import agent_spec

DOCS = Path(__file__).parents[1] / "docs"
BEGIN = "<!-- generated: {name} -->"
END = "<!-- end of generated -->"


def main() -> None:
    """Writes every generated document and part of a document."""
    DOCS.mkdir(exist_ok=True)
    text = json.dumps(document(), indent=2, ensure_ascii=False, sort_keys=False)
    (DOCS / "openapi.json").write_text(f"{text}\n")
    _replace("states.md", "version", _machine(versions.VersionState, versions.TRANSITIONS))
    _replace(
        "states.md", "deployment", _machine(deployments.DeploymentState, deployments.TRANSITIONS)
    )
    _replace("errors.md", "errors", _errors())
    _replace("permissions.md", "permissions", _permissions())
    _replace("permissions.md", "routes", _routes())


def _replace(file: str, name: str, content: str) -> None:
    """Puts the content between the part's markers; the words around it are written by hand."""
    path = DOCS / file
    begin = BEGIN.format(name=name)
    before, found, rest = path.read_text().partition(begin)
    if not found:
        raise SystemExit(f"{file} has no place for the generated part {name}: add {begin}")
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{begin}\n{content}\n{END}{after}")


def _machine(states: type[StrEnum], table: Mapping[tuple[Any, Any], Any]) -> str:
    edges: dict[tuple[str, str], list[str]] = {}
    for (state, event), following in table.items():
        if state is not following:
            edges.setdefault((state.value, following.value), []).append(event.value)
    first = next(iter(states)).value
    lines = ["```mermaid", "stateDiagram-v2", f"  [*] --> {first}"]
    lines += [f"  {a} --> {b}: {', '.join(events)}" for (a, b), events in edges.items()]
    lines += [f"  {state.value} --> [*]" for state in states if getattr(state, "is_final", False)]
    return "\n".join([*lines, "```"])


def _errors() -> str:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.PlatformError)
    ]
    rows = sorted((kind.status, kind.code, kind.title) for kind in kinds)
    return _table(("Status", "Code", "Meaning"), rows)


def _permissions() -> str:
    rows = [
        (
            f"`{action}`",
            *("✓" if action in allowed else "" for allowed in PERMISSIONS.values()),
            *("✓" if action in allowed else "" for allowed in SCOPES.values()),
        )
        for action in Action
    ]
    heads = ("Action", *PERMISSIONS, *(f"token: {scope}" for scope in SCOPES))
    return _table(heads, rows)


def _routes() -> str:
    rows = [
        (
            f"`{e.method} /api/v1{e.path}`",
            _permission(e),
            e.rate,
            e.summary,
        )
        for e in sorted(ENDPOINTS, key=lambda e: (e.path, e.method))
    ]
    return _table(("Route", "Permission", "Rate", "What it does"), rows)


def _permission(endpoint: Endpoint) -> str:
    """What a call needs, in the words of the table above."""
    if endpoint.action is None:
        return "anyone"
    words = str(endpoint.action)
    if endpoint.own_action:
        words += f"; oneself: {endpoint.own_action}"
    return words + "".join(f"; some: {action}" for action in endpoint.also)


def _table(heads: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    heads = list(heads)
    lines = ["| " + " | ".join(str(head) for head in heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
    agent_spec.main([])
