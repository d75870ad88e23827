"""What the proxy says when no agent can answer."""

from __future__ import annotations

import html
import json

import h11

from infra.local.yard.exchange import Exchange, begin_answer, end_answer
from infra.local.yard.peer import Peer


class Down(Exception):
    """Nobody can answer; says with which status and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


async def refuse(client: Peer, exc: h11.RemoteProtocolError) -> None:
    """Not HTTP, or HTTP that two readers could understand in two ways."""
    if client.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
        body = f"The request cannot be understood: {exc}\n".encode()
        headers = [
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Content-Length", str(len(body)).encode()),
            (b"Connection", b"close"),
            (b"X-Stand-In", b"1"),
        ]
        status = exc.error_status_hint
        await client.send(h11.Response(status_code=status, headers=headers))
        await client.send(h11.Data(data=body))
        await client.send(h11.EndOfMessage())


async def say_down(exchange: Exchange, down: Down) -> None:
    """A page for browsers, JSON like Railway's for programs."""
    exchange.passage.status = down.status
    accept = dict(exchange.request.headers).get(b"accept", b"").decode(errors="replace")
    title = "Application not found" if down.status == 404 else "Application failed to respond"
    if "text/html" in accept:
        kind, body = b"text/html; charset=utf-8", _page(title, down, exchange.passage.id)
    else:
        kind = b"application/json"
        answer = {
            "status": "error",
            "code": down.status,
            "message": title,
            "request_id": exchange.passage.id,
            "reason": down.reason,
            "standIn": True,
        }
        body = json.dumps(answer) + "\n"
    data = body.encode()
    headers = [
        (b"Content-Type", kind),
        (b"Content-Length", str(len(data)).encode()),
        (b"Cache-Control", b"no-store"),
        (b"X-Railway-Fallback", b"true"),
    ]
    # A body that nobody read stands in the way of another request.
    unread = exchange.client.http.their_state is h11.SEND_BODY
    await begin_answer(exchange, down.status, headers, closing=unread)
    if exchange.method != "HEAD":
        await exchange.client.send(h11.Data(data=data))
    await end_answer(exchange)


def _page(title: str, down: Down, request_id: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{title}</title>"
        "<style>body{font:16px/1.5 system-ui;margin:15vh auto;max-width:34rem;padding:0 1rem}"
        "code{color:#666}</style>"
        f"<h1>{title}</h1><p>{html.escape(down.reason)}.</p>"
        "<p>Look at the deployment's log; it says why.</p>"
        f"<p><code>{down.status} · request {request_id} · local stand-in</code></p></html>"
    )
