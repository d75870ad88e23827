"""Judging an answer against a manifest's test. Standard library only: the build uses it too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_EXCERPT = 200
_LOOKED_AT = 65_536


def judge(
    expect: Mapping[str, Any],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    mask: Callable[[str], str] = str,
) -> str:
    """What is wrong with the answer, in one sentence; empty when nothing is.

    `expect` may name `status` (default: any below 400), `headers`, `text` (contained in the body)
    and `json` (every given key, at every depth, has the given value). What is quoted of the answer
    goes through `mask` before it is cut to length: half a secret would not be known again.
    """
    wanted = expect.get("status")
    if wanted is None and status >= 400:
        return f"answered {status}: {_excerpt(body, mask)}"
    if wanted is not None and status != wanted:
        return f"answered {status} instead of {wanted}: {_excerpt(body, mask)}"
    lowered = {name.lower(): value for name, value in headers.items()}
    for name, value in (expect.get("headers") or {}).items():
        found = lowered.get(name.lower())
        if found is None or str(value).lower() not in found.lower():
            return mask(f"the header {name} is {found!r}, not {value!r}")
    text = expect.get("text")
    if text is not None and str(text) not in body.decode("utf-8", "replace"):
        return f"the answer does not contain {text!r}: {_excerpt(body, mask)}"
    if expect.get("json") is not None:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return f"the answer is not JSON: {_excerpt(body, mask)}"
        return _difference(expect["json"], answer, "$", mask)
    return ""


def in_order(tests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that must pass before advisory ones, and those run once, whose answer is certain,
    before those that are repeated because it is not."""
    return sorted(tests, key=lambda t: (bool(t.get("advisory")), int(t.get("runs") or 1) > 1))


def _difference(wanted: Any, found: Any, path: str, mask: Callable[[str], str]) -> str:
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return f"{path} is {_short(found, mask)}, not an object"
        for key, value in wanted.items():
            if key not in found:
                return f"{path}.{key} is missing"
            if difference := _difference(value, found[key], f"{path}.{key}", mask):
                return difference
        return ""
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"{path} is {_short(found, mask)}, not a list of {len(wanted)}"
        for index, value in enumerate(wanted):
            if difference := _difference(value, found[index], f"{path}[{index}]", mask):
                return difference
        return ""
    return "" if wanted == found else f"{path} is {_short(found, mask)}, not {_short(wanted, mask)}"


def _short(value: Any, mask: Callable[[str], str]) -> str:
    text = mask(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def _excerpt(body: bytes, mask: Callable[[str], str]) -> str:
    text = " ".join(mask(body[:_LOOKED_AT].decode("utf-8", "replace")).split())
    return f"{text[:_EXCERPT]}…" if len(text) > _EXCERPT else text or "an empty body"
