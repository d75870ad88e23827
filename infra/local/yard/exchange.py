"""One request on its way through the proxy: its head, its body up, its answer down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h11

from infra.local.yard.peer import Peer
from infra.local.yard.site import Answer, open_file
from infra.local.yard.traffic import Passage

HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
OURS = frozenset({"forwarded", "x-real-ip", "x-railway-request-id"})
"""Headers that only the proxy may say to an agent; so is every `X-Forwarded-…`."""
FILE_CHUNK = 1 << 18

Headers = list[tuple[bytes, bytes]]


class ClientGone(Exception):
    """Nobody is left to answer to."""


@dataclass
class Exchange:
    """One request on its way."""

    client: Peer
    request: h11.Request
    slot: tuple[str, str]
    target_port: int | None
    passage: Passage
    began: float

    @property
    def method(self) -> str:
        """GET, POST, …"""
        return self.request.method.decode()

    @property
    def upgrade(self) -> bool:
        """Whether the client asks to speak another protocol."""
        return b"upgrade" in dict(self.request.headers) and "upgrade" in _tokens(
            self.request.headers, b"connection"
        )

    @property
    def has_body(self) -> bool:
        """Whether body bytes may follow the head."""
        found = dict(self.request.headers)
        return b"transfer-encoding" in found or found.get(b"content-length", b"0") != b"0"

    @property
    def two_lengths(self) -> bool:
        """Whether the head says twice, and so perhaps differently, where the body ends."""
        return {b"transfer-encoding", b"content-length"} <= dict(self.request.headers).keys()


class Broken(Exception):
    """The agent's side of the connection failed."""


async def both_ways(exchange: Exchange, upstream: Peer) -> None:
    """The request's body goes up while the answer comes down: either may end first."""
    client = exchange.client
    up = _carry_body(exchange, upstream) if exchange.has_body else finish(upstream)
    body = asyncio.create_task(up)
    answer = asyncio.create_task(carry_answer(exchange, upstream))
    tasks: list[asyncio.Task[Any]] = [body, answer]
    try:
        await asyncio.wait({body, answer}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            failure = body.exception()
            # An agent that stops reading may have answered before.
            if failure is not None and not isinstance(failure, Broken):
                raise failure
            if failure is None:
                # The request is complete: the client now waits, or leaves.
                watch = asyncio.create_task(_watch(client))
                tasks.append(watch)
                await asyncio.wait({watch, answer}, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done() and watch.result():
                    raise ClientGone
        await answer
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def finish(upstream: Peer) -> None:
    """Tells the agent that the request is complete."""
    try:
        await upstream.send(h11.EndOfMessage())
    except ConnectionError as exc:
        raise Broken(str(exc)) from exc


async def _carry_body(exchange: Exchange, upstream: Peer) -> None:
    client = exchange.client
    if client.http.they_are_waiting_for_100_continue:
        await client.send(h11.InformationalResponse(status_code=100, headers=[]))
    while True:
        try:
            event = await client.next_event()
        except h11.RemoteProtocolError as exc:
            raise ClientGone from exc
        try:
            if isinstance(event, h11.Data):
                exchange.passage.rx += len(event.data)
                await upstream.send(event)
            elif isinstance(event, h11.EndOfMessage):
                await upstream.send(h11.EndOfMessage())
                return
            else:
                raise ClientGone
        except ConnectionError as exc:
            raise Broken(str(exc)) from exc


async def _watch(client: Peer) -> bool:
    """True when the client is gone; bytes that come are kept for its next request."""
    data = await client.reader.read(1 << 16)
    client.take(data)
    return not data


async def heard(upstream: Peer) -> object:
    """The next event of the agent; raises Broken."""
    try:
        event = await upstream.next_event()
    except (ConnectionError, h11.RemoteProtocolError) as exc:
        raise Broken(str(exc) or "closed") from exc
    if isinstance(event, h11.ConnectionClosed):
        raise Broken("it closed the connection without an answer")
    return event


async def carry_answer(exchange: Exchange, upstream: Peer, first: object = None) -> None:
    """The agent's answer, as it comes."""
    event = first or await heard(upstream)
    while isinstance(event, h11.InformationalResponse):
        if event.status_code != 100:
            await exchange.client.send(event)
        event = await heard(upstream)
    if not isinstance(event, h11.Response):
        raise Broken("it did not begin with a response")
    exchange.passage.upstream_ms = round((time.monotonic() - exchange.began) * 1000)
    await begin_answer(
        exchange, event.status_code, list(event.headers.raw_items()), reason=event.reason
    )
    while True:
        event = await heard(upstream)
        if isinstance(event, h11.Data):
            exchange.passage.tx += len(event.data)
            await exchange.client.send(h11.Data(data=event.data))
        elif isinstance(event, h11.EndOfMessage):
            await end_answer(exchange)
            return
        else:
            raise Broken("its answer has no end")


async def begin_answer(
    exchange: Exchange,
    status: int,
    headers: Headers,
    *,
    reason: bytes = b"",
    closing: bool = False,
) -> None:
    """Sends the head of an answer, marked as coming through the stand-in."""
    kept = _without(headers, HOP_BY_HOP | _named_by_connection(headers))
    if closing or exchange.two_lengths:
        kept.append((b"Connection", b"close"))
    exchange.passage.status = status
    await exchange.client.send(
        h11.Response(status_code=status, reason=reason, headers=marked(exchange, kept))
    )


async def end_answer(exchange: Exchange) -> None:
    """The answer is complete."""
    await exchange.client.send(h11.EndOfMessage())


async def send_file(exchange: Exchange, answer: Answer) -> None:
    """The body of a site's answer."""
    if answer.file is None:
        if answer.body:
            await exchange.client.send(h11.Data(data=answer.body))
        exchange.passage.tx += len(answer.body)
        return
    with open_file(answer.file) as file:
        file.seek(answer.start)
        left = answer.length
        while left > 0:
            data = file.read(min(FILE_CHUNK, left))
            if not data:
                raise ConnectionError("the file became shorter")
            left -= len(data)
            exchange.passage.tx += len(data)
            await exchange.client.send(h11.Data(data=data))


def headers_for_agent(exchange: Exchange) -> Headers:
    """The request's headers as the agent sees them."""
    given = list(exchange.request.headers.raw_items())
    dropped = HOP_BY_HOP | OURS | _named_by_connection(given)
    if exchange.two_lengths:
        dropped |= {"content-length"}
    out = [
        (name, value)
        for name, value in _without(given, dropped)
        if not _plain(name).startswith("x-forwarded-") and name.lower() != b"content_length"
    ]
    if exchange.upgrade:
        value = dict(exchange.request.headers)[b"upgrade"]
        out += [(b"Connection", b"Upgrade"), (b"Upgrade", value)]
    if b"transfer-encoding" in dict(exchange.request.headers):
        out.append((b"Transfer-Encoding", b"chunked"))
    peer = exchange.client.writer.get_extra_info("peername") or ("127.0.0.1", 0)
    ip = str(peer[0]).encode()
    exchange.passage.ip = ip.decode()
    out += [
        (b"X-Forwarded-For", ip),
        (b"X-Forwarded-Host", exchange.passage.host.encode()),
        (b"X-Forwarded-Proto", b"http"),
        (b"X-Real-IP", ip),
        (b"X-Railway-Request-Id", exchange.passage.id.encode()),
    ]
    return out


def marked(exchange: Exchange, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers with the request's id and the stand-in's mark."""
    return [
        *headers,
        (b"X-Railway-Request-Id", exchange.passage.id.encode()),
        (b"X-Stand-In", b"1"),
    ]


def _without(headers: Headers, names: frozenset[str] | set[str]) -> Headers:
    return [(name, value) for name, value in headers if _plain(name) not in names]


def _plain(name: bytes) -> str:
    """A header's name as CGI and its heirs know it: `X_Forwarded_For` is `X-Forwarded-For`."""
    return name.decode().lower().replace("_", "-")


def _named_by_connection(headers: Headers) -> set[str]:
    return {_plain(token.encode()) for token in _tokens(headers, b"connection")}


def _tokens(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> set[str]:
    return {
        token.strip().lower()
        for name, value in headers
        if name.lower() == wanted
        for token in value.decode(errors="replace").split(",")
    }
