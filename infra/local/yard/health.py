"""What counts as healthy: one complete GET with Railway's Host, answered with exactly 200."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import h11

HEALTH_HOST = "healthcheck.railway.app"
ENOUGH = 1 << 20
"""Bytes of an endless body after which the status is all that matters."""


class Unhealthy(Exception):
    """The health check did not pass."""

    def __init__(self, attempts: int, reason: str) -> None:
        super().__init__(reason)
        self.attempts = attempts
        self.reason = reason


Connect = Callable[[int], Awaitable[socket.socket]]


async def probe(connect: Connect, port: int, path: str, timeout: float) -> int | None:  # noqa: ASYNC109
    """The status of one complete GET, or None without an HTTP answer."""
    try:
        async with asyncio.timeout(max(0.05, timeout)):
            return await _get(await connect(port), path)
    except (OSError, TimeoutError, h11.ProtocolError):
        return None


async def _get(made: socket.socket, path: str) -> int | None:
    reader, writer = await asyncio.open_connection(sock=made)
    client = h11.Connection(h11.CLIENT)
    headers = [("Host", HEALTH_HOST), ("User-Agent", "RailwayHealthCheck/1.0"), ("Accept", "*/*")]
    headers.append(("Connection", "close"))
    target = path if path.startswith("/") else f"/{path}"
    status: int | None = None
    try:
        writer.write(client.send(h11.Request(method="GET", target=target, headers=headers)) or b"")
        writer.write(client.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        read = 0
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(65_536)
                read += len(data)
                client.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return status
            if read > ENOUGH:
                return status
    finally:
        writer.close()
