"""The reference of an agent's inputs and outputs: a page made of its manifest and of what it says.

The words in it are the author's, so it is Markdown like any other page, and shown as such; what
could end a row or begin markup is written so that it does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.domain.interface import Interface
from chalicelib.domain.pages import Page

REFERENCE = "reference"
"""Its path; pages of the source lie in docs/, so that none can be mistaken for it."""
TITLE = "Reference"
_LEAD = (
    "What this version reads and answers, from its manifest and from the agent itself, which was "
    "asked while it ran."
)
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def reference(manifest: Mapping[str, Any], said: Interface) -> Page:
    """Variables, tests as examples, tools or skills, and the operations of its HTTP API."""
    parts = [
        "# Reference",
        _LEAD,
        *_variables(manifest.get("env") or ()),
        *_tools(said.tools),
        *_operations(said.operations),
        *_examples(manifest.get("tests") or ()),
    ]
    return Page(REFERENCE, TITLE, "\n\n".join(parts) + "\n")


def _variables(env: Iterable[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            _code(one["name"]),
            "needed" if one.get("required") and one.get("default") is None else "optional",
            _code(one["default"]) if one.get("default") not in (None, "") else "",
            "yes" if one.get("secret") else "",
            _plain(one.get("description")),
        )
        for one in env
    ]
    head = ("Variable", "Needed", "Without it", "Secret", "What it is for")
    return ["## Variables", _table(head, rows) if rows else "It reads none."]


def _tools(tools: Iterable[Mapping[str, Any]] | None) -> list[str]:
    if tools is None:
        return []
    found = list(tools)
    skills = bool(found) and found[0].get("kind") == "skill"
    parts = ["## Skills" if skills else "## Tools"]
    for tool in found:
        parts += [f"### {_plain(tool['name'])}"]
        parts += [_plain(tool["description"])] if tool.get("description") else []
        parts += _fields("Takes", tool.get("inputs"))
        parts += _fields("Gives", tool.get("outputs"))
    return parts if found else [*parts, "It offers none."]


def _operations(operations: Iterable[Mapping[str, Any]] | None) -> list[str]:
    if operations is None:
        return []
    parts = ["## HTTP API"]
    for one in operations:
        called = f"{one['method']} {one['path']}"
        parts += [f"### {_code(called)}"]
        words = dict.fromkeys(w for w in (one.get("summary"), one.get("description")) if w)
        parts += [_plain(word) for word in words]
        rows = [
            (
                _code(p["name"]),
                _plain(p["place"]),
                _plain(p["type"]),
                "yes" if p["required"] else "",
                _plain(p["description"]),
            )
            for p in one.get("parameters") or ()
        ]
        if rows:
            parts += [_table(("Parameter", "In", "Type", "Needed", "What it is for"), rows)]
        parts += _fields("Body", one.get("body"))
        for answer in one.get("answers") or ():
            said = _plain(answer["description"])
            parts += [f"Answers **{_plain(answer['status'])}**{': ' if said else ''}{said}"]
            parts += _fields("With", answer.get("fields"))
    return parts if len(parts) > 1 else []


def _fields(title: str, fields: Any) -> list[str]:
    rows = [
        (
            _code(one["name"]),
            _plain(one["type"]),
            "yes" if one["required"] else "",
            _plain(one["description"]),
        )
        for one in fields or ()
    ]
    return [_table((title, "Type", "Needed", "What it is for"), rows)] if rows else []


def _examples(tests: Iterable[Mapping[str, Any]]) -> list[str]:
    """Requests that are known to work: every version was tested with them."""
    parts: list[str] = []
    for test in tests:
        request, expected = test.get("request") or {}, test.get("expect") or {}
        asked = f"{request.get('method') or 'GET'} {request.get('path') or '/'}"
        body = request.get("json")
        lines = [asked, *([_json(body)] if body is not None else [])]
        if body is None and request.get("body"):
            lines.append(str(request["body"])[:1000])
        parts += [f"### {_plain(test.get('name') or asked)}", _fenced("\n".join(lines))]
        if expected.get("json") is not None:
            parts += ["Answers, among other things:", _fenced(_json(expected["json"]))]
        elif expected.get("status"):
            parts += [f"Answers {_plain(expected['status'])}."]
    return ["## Examples", *parts] if parts else []


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: Any) -> str:
    """The author's words on one line, without anything that Markdown would read."""
    text = " ".join(str(value).split()) if value is not None else ""
    return _MARKS.sub(r"\\\1", text)


def _code(value: Any) -> str:
    """The same, set as code; a backtick cannot stand in it, nor an end of the cell."""
    text = " ".join(str(value).split()).replace("`", "'").replace("|", "\\|")
    return f"`{text}`" if text else ""


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)[:4000]
