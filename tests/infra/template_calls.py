"""How tests talk to a started template: a free port, and a manifest's test as an HTTP request."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import Any

from chalicelib.domain.smoke import judge


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def ask(port: int, test: dict[str, Any]) -> str:
    """What is wrong with the answer to one of the manifest's tests; empty when nothing is."""
    wanted = test["request"]
    headers = dict(wanted.get("headers", {}))
    body = wanted.get("body", "").encode() or None
    if "json" in wanted:
        body = json.dumps(wanted["json"]).encode()
        headers["Content-Type"] = "application/json"
    url = f"http://127.0.0.1:{port}{wanted['path']}"
    request = urllib.request.Request(url, body, headers, method=wanted["method"])
    try:
        with urllib.request.urlopen(request, timeout=45) as response:
            return judge(test["expect"], response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return judge(test["expect"], refused.code, dict(refused.headers), refused.read())
