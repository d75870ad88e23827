"""The interview asks a running agent what it offers: its tools, its skills or its HTTP API.

Nothing depends on the answers but what people read of the agent, so no silence, no nonsense and no
delay of its can fail a build.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chalicelib.domain.interface import Interface, fitted, operations_of, skills_of, tools_of
from infra.build.wire import Answer, WireError

Ask = Callable[[str, str, Mapping[str, str], bytes, float], Answer]

_SECONDS = 4.0
_PAGES = 10
_MCP_VERSION = "2025-06-18"
_MCP_PATHS = ("/mcp", "/mcp/", "/")
_CARDS = ("/.well-known/agent-card.json", "/.well-known/agent.json")
_OPENAPI = "/openapi.json"


def interview(ask: Ask, protocol: str) -> Interface:
    """What the agent says of itself, as far as it says anything."""
    tools = None
    if protocol == "mcp":
        tools = _mcp_tools(ask)
    elif protocol == "a2a":
        tools = _first(_skills(_got(ask, path)) for path in _CARDS)
    return fitted(Interface(tools=tools, operations=operations_of(_got(ask, _OPENAPI))))


def _skills(card: Any) -> tuple[Mapping[str, Any], ...] | None:
    return skills_of(card) if isinstance(card, Mapping) and "skills" in card else None


def _mcp_tools(ask: Ask) -> tuple[Mapping[str, Any], ...] | None:
    return _first(_Server(ask, path).tools() for path in _MCP_PATHS)


class _Server:
    """An MCP server at one path: greeted, then asked page by page."""

    def __init__(self, ask: Ask, path: str) -> None:
        self._ask = ask
        self._path = path
        self._session = ""

    def tools(self) -> tuple[Mapping[str, Any], ...] | None:
        greeting = {
            "protocolVersion": _MCP_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "slipway-build", "version": "1"},
        }
        if self._call("initialize", greeting, number=1) is None:
            return None
        self._call("notifications/initialized", {}, number=None)
        found: list[Any] = []
        cursor: str | None = None
        for page in range(_PAGES):
            given = {} if cursor is None else {"cursor": cursor}
            result = self._call("tools/list", given, number=page + 2)
            if result is None or not isinstance(result.get("tools"), list):
                return None
            found += result["tools"]
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                break
        return tools_of(found)

    def _call(self, method: str, params: Any, *, number: int | None) -> Mapping[str, Any] | None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": _MCP_VERSION,
        }
        if self._session:
            headers["Mcp-Session-Id"] = self._session
        try:
            body = json.dumps(message).encode()
            answer = self._ask("POST", self._path, headers, body, _SECONDS)
        except WireError:
            return None
        self._session = answer.headers.get("mcp-session-id", self._session)
        if answer.status >= 300:
            return None
        for said in _messages(answer):
            result = said.get("result") if isinstance(said, Mapping) else None
            if isinstance(result, Mapping) and said.get("id") == number:
                return result
        return None


def _messages(answer: Answer) -> list[Any]:
    """The JSON messages of an answer: one, or those of an event stream."""
    text = answer.body.decode("utf-8", "replace")
    if "text/event-stream" not in answer.headers.get("content-type", ""):
        return [_json(text)]
    events = text.replace("\r\n", "\n").split("\n\n")
    return [
        _json("\n".join(line[5:].strip() for line in event.split("\n") if line.startswith("data:")))
        for event in events
    ]


def _got(ask: Ask, path: str) -> Any:
    try:
        answer = ask("GET", path, {"Accept": "application/json"}, b"", _SECONDS)
    except WireError:
        return None
    return _json(answer.body.decode("utf-8", "replace")) if answer.status == 200 else None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _first(
    found: Iterable[tuple[Mapping[str, Any], ...] | None],
) -> tuple[Mapping[str, Any], ...] | None:
    return next((one for one in found if one is not None), None)
