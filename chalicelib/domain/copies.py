"""Copies of published agents: where one came from, and what a newer version would change for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from chalicelib.values import frozen


@frozen
class Origin:
    """The published version that a copy runs."""

    org_id: str
    agent_id: str
    slug: str
    version_id: str
    label: str
    fork: bool = False
    """Made of the source, which may have gone its own way since."""
    share_id: str = ""
    """The share by which it was found, where it was not public."""


@frozen
class Run:
    """Somebody has made copies of an agent; the first counted them among its users."""

    org_id: str
    agent_id: str
    user_id: str
    copies: tuple[tuple[str, str], ...]
    """The newest of their copies: organisation and agent."""
    at: datetime
    revision: int = 1


@frozen
class View:
    """A visitor looked at a listing on a day. `visitor` is a hash that means nothing tomorrow."""

    org_id: str
    agent_id: str
    day: str
    visitor: str
    expires_at: datetime
    revision: int = 1


@frozen
class Active:
    """Somebody did something with their copy of an agent in a month. `person` is a hash that means
    nothing in another month, nor of another agent."""

    org_id: str
    agent_id: str
    month: str
    person: str
    expires_at: datetime
    revision: int = 1


ACTIVE_KEPT = timedelta(days=70)
"""Longer than the month it counts in and the next one, which shows it as the last."""


def month_of(at: datetime) -> str:
    return at.strftime("%Y-%m")


@frozen
class Change:
    """One value that differs. `path` is as in agent.yaml; None stands for absent."""

    path: str
    before: Any
    after: Any


@frozen
class VariableChange:
    """`kind`: added, removed, or changed. `required`: the copy does not run without a value."""

    name: str
    kind: str
    required: bool
    description: str


@frozen
class Difference:
    manifest: tuple[Change, ...]
    tools: tuple[Change, ...]
    variables: tuple[VariableChange, ...]


Tools = Sequence[Mapping[str, Any]] | None


def difference(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    tools_before: Tools = None,
    tools_after: Tools = None,
) -> Difference:
    """What one version says that the other does not: its manifest, the variables apart from the
    rest, and its tools where those of both are known."""
    apart = ("env", "version")
    old = {path: value for path, value in _leaves(before) if path.split(".")[0] not in apart}
    new = {path: value for path, value in _leaves(after) if path.split(".")[0] not in apart}
    return Difference(
        manifest=_changes(old, new),
        tools=_tools(tools_before, tools_after),
        variables=_variables(_named(before.get("env")), _named(after.get("env"))),
    )


def missing(manifest: Mapping[str, Any], given: Mapping[str, str]) -> list[str]:
    """The variables without which nothing runs and for which there is no value."""
    return [
        item["name"]
        for item in manifest.get("env") or ()
        if item.get("required") and item.get("default") is None and not given.get(item["name"])
    ]


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(
        Change(path, old.get(path), new.get(path))
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    )


def _tools(before: Tools, after: Tools) -> tuple[Change, ...]:
    """A tool that is new or gone by its name; one that is both, by what of it differs."""
    if before is None or after is None:
        return ()
    old, new = _named(before), _named(after)
    changes = []
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one is None or other is None:
            changes.append(Change(name, _about(one), _about(other)))
            continue
        leaves = _changes(dict(_leaves(one, name)), dict(_leaves(other, name)))
        changes += [change for change in leaves if not _is_empty(change)]
    return tuple(changes)


def _about(tool: Mapping[str, Any] | None) -> str | None:
    return None if tool is None else str(tool.get("description") or tool["name"])


def _is_empty(change: Change) -> bool:
    """An object without fields beside one with fields is said by the fields."""
    return {} in (change.before, change.after)


def _variables(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[VariableChange, ...]:
    changes = []
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        kind = "added" if one is None else "removed" if other is None else "changed"
        now = other or {}
        required = bool(now.get("required")) and now.get("default") is None
        description = str((other or one or {}).get("description", ""))
        changes.append(VariableChange(name, kind, required, description))
    return tuple(changes)


def _named(items: Any) -> dict[str, Any]:
    return {str(item["name"]): item for item in items or () if isinstance(item, Mapping)}


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        found: list[tuple[str, Any]] = []
        for key, inner in value.items():
            found += _leaves(inner, f"{path}.{key}" if path else str(key))
        return found
    return [(path, value)]
