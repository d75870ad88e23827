"""Judging an answer against a manifest's test. Standard library only: the build uses it too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_EXCERPT = 200


def judge(expect: Mapping[str, Any], status: int, headers: Mapping[str, str], body: bytes) -> str:
    """What is wrong with the answer, in one sentence; empty when nothing is.

    `expect` may name `status` (default: any below 400), `headers`, `text` (contained in the body)
    and `json` (every given key, at every depth, has the given value).
    """
    wanted = expect.get("status")
    if wanted is None and status >= 400:
        return f"answered {status}: {_excerpt(body)}"
    if wanted is not None and status != wanted:
        return f"answered {status} instead of {wanted}: {_excerpt(body)}"
    lowered = {name.lower(): value for name, value in headers.items()}
    for name, value in (expect.get("headers") or {}).items():
        found = lowered.get(name.lower())
        if found is None or str(value).lower() not in found.lower():
            return f"the header {name} is {found!r}, not {value!r}"
    text = expect.get("text")
    if text is not None and str(text) not in body.decode("utf-8", "replace"):
        return f"the answer does not contain {text!r}: {_excerpt(body)}"
    if expect.get("json") is not None:
        try:
            answer = json.loads(body)
        except ValueError:
            return f"the answer is not JSON: {_excerpt(body)}"
        return _difference(expect["json"], answer, "$")
    return ""


def in_order(tests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that must pass before advisory ones, and those run once, whose answer is certain,
    before those that are repeated because it is not."""
    return sorted(tests, key=lambda t: (bool(t.get("advisory")), int(t.get("runs") or 1) > 1))


def _difference(wanted: Any, found: Any, path: str) -> str:
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return f"{path} is {_short(found)}, not an object"
        for key, value in wanted.items():
            if key not in found:
                return f"{path}.{key} is missing"
            if difference := _difference(value, found[key], f"{path}.{key}"):
                return difference
        return ""
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"{path} is {_short(found)}, not a list of {len(wanted)}"
        for index, value in enumerate(wanted):
            if difference := _difference(value, found[index], f"{path}[{index}]"):
                return difference
        return ""
    return "" if wanted == found else f"{path} is {_short(found)}, not {_short(wanted)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def _excerpt(body: bytes) -> str:
    text = " ".join(body[: 4 * _EXCERPT].decode("utf-8", "replace").split())
    return f"{text[:_EXCERPT]}…" if len(text) > _EXCERPT else text or "an empty body"
