"""One side of a proxied conversation: a stream with h11 on top."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import h11

CHUNK = 1 << 17
HEAD_LIMIT = 1 << 16
LINGER_SECONDS = 2.0


class Peer:
    """A connection whose bytes are HTTP/1.1, until it is switched to something else."""

    def __init__(
        self, role: type[Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=HEAD_LIMIT)
        self.reader = reader
        self.writer = writer
        self.received = 0
        self.eof = False

    @classmethod
    async def upstream(cls, made: socket.socket) -> Peer:
        """The proxy's side of a connection to an agent."""
        reader, writer = await asyncio.open_connection(sock=made, limit=CHUNK * 2)
        return cls(h11.CLIENT, reader, writer)

    def hurry(self) -> None:
        """Acknowledges at once what comes next: agents that write an answer's head and body in
        two pieces would otherwise wait 40 ms between them."""
        made = self.writer.get_extra_info("socket")
        if made is not None and made.family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    async def next_event(self) -> Any:
        """The next HTTP event; reads as much as it needs."""
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = await self.reader.read(CHUNK)
            self.take(data)

    def take(self, data: bytes) -> None:
        """Hands bytes that were read to the parser."""
        self.received += len(data)
        self.eof = self.eof or not data
        self.http.receive_data(data)

    async def send(self, event: Any) -> None:
        """Sends an HTTP event at once: nothing is held back."""
        data = self.http.send(event)
        if data:
            self.writer.write(data)
            await self.writer.drain()

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return (
            self.http.our_state is h11.DONE
            and self.http.their_state is h11.DONE
            and not self.eof
            and not self.writer.is_closing()
        )

    @property
    def stale(self) -> bool:
        """Whether a connection that was kept has been closed by the other side meanwhile."""
        return self.reader.at_eof() or self.writer.is_closing()

    async def linger(self) -> None:
        """Hears the other side out for a moment, so that our last words are not lost to a reset."""
        with contextlib.suppress(OSError, TimeoutError):
            self.writer.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                while await self.reader.read(CHUNK):
                    continue

    def close(self) -> None:
        """Lets go of the connection."""
        self.writer.close()


async def tunnel(one: Peer, other: Peer, already: tuple[bytes, bytes]) -> tuple[int, int]:
    """Carries bytes both ways until either side is done; returns how many each way."""
    counts = [0, 0]

    async def carry(index: int, source: Peer, target: Peer, first: bytes) -> None:
        data = first
        while True:
            if data:
                counts[index] += len(data)
                target.writer.write(data)
                await target.writer.drain()
            data = await source.reader.read(CHUNK)
            if not data:
                return

    tasks = [
        asyncio.create_task(carry(0, one, other, already[0])),
        asyncio.create_task(carry(1, other, one, already[1])),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        # The last words of the side that ended must still get across.
        for side in (one, other):
            if not side.writer.is_closing():
                side.writer.write_eof() if side.writer.can_write_eof() else side.close()
        await asyncio.wait(tasks, timeout=1)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return counts[0], counts[1]
