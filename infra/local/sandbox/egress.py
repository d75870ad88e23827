"""The way out of a sandbox: an HTTP proxy that lets through what the sandbox's policy allows.

The proxy listens on a socket that was opened inside the sandbox's network, so nobody else can
reach it and it needs no password. It looks names up itself, checks every address, and connects to
the very address it checked: a name that changes its mind in between gains nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from infra.local.sandbox import upstream
from infra.local.sandbox.addresses import Policy, normal
from infra.local.sandbox.spec import Visit

_log = logging.getLogger(__name__)

_HEAD_LIMIT = 64 * 1024
_HEAD_WITHIN = 30.0
_CONNECT_WITHIN = 10.0
_CHUNK = 64 * 1024
_MOST_CONNECTIONS = 256
_MOST_VISITS = 500
_LOOKUPS_EACH, _LOOKUPS = 4, 32


class Refused(Exception):
    """The request may not or cannot be served; carries the HTTP status."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Door:
    """The way out of one sandbox."""

    def __init__(self, policy: Policy, label: str, token: str | None = None) -> None:
        self._policy = policy
        self._label = label
        self._token = token
        self._visits: dict[tuple[str, int, bool], Visit] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._listener: socket.socket | None = None
        self._closed = False
        # One agent's slow names must not take all the threads that look names up.
        self._looking = asyncio.Semaphore(_LOOKUPS_EACH)

    def visits(self) -> tuple[Visit, ...]:
        """Every host that was asked for, with what became of it."""
        return tuple(self._visits.values())

    async def open(self, listener: socket.socket) -> None:
        """Serve the listening socket."""
        self._listener = listener
        if self._closed:
            listener.close()
            return
        self._server = await asyncio.start_server(self._meet, sock=listener, limit=_HEAD_LIMIT)
        if self._is_closed():  # while we waited
            self._server.close()

    def _is_closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # either side went away, or the sandbox ended
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await self._head(reader)
            far_reader, far_writer, greeting = await self._reach(head)
        except Refused as refusal:
            await _refuse(writer, refusal)
            return
        try:
            writer.write(greeting)
            await _relay(reader, writer, far_reader, far_writer)
        finally:
            far_writer.transport.abort()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        if len(self._tasks) > _MOST_CONNECTIONS:
            raise Refused("503 Too many connections", "too many connections at once")
        try:
            async with asyncio.timeout(_HEAD_WITHIN):
                return await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise Refused("431 Headers too large", "the request's headers are too large") from error

    async def _reach(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        request, _, rest = head.partition(b"\r\n")
        words = request.decode("latin-1").split(" ")
        if len(words) != 3:  # method, target, version
            raise Refused("400 Bad request", "this is a proxy for HTTP; it could not read that")
        self._authorise(rest)
        method, target, version = words
        if method == "CONNECT":
            host, port = _authority(target, None)
            far_reader, far_writer = await self._connect(host, port, tunnel=True)
            return far_reader, far_writer, f"{version} 200 Connected\r\n\r\n".encode()
        try:
            parts = urlsplit(target)
        except ValueError as error:
            raise Refused("400 Bad request", f"{target[:200]} is not an address") from error
        if parts.scheme != "http" or not parts.netloc:
            raise Refused("400 Bad request", "this is a proxy: ask with a full http:// address")
        host, port = _authority(parts.netloc.rpartition("@")[2], 80)
        far_reader, far_writer = await self._connect(host, port, tunnel=False)
        path = parts.path or "/"
        asked = f"{path}?{parts.query}" if parts.query else path
        proxy = upstream.proxy_for("http", host, port)
        if proxy is not None:
            asked = target
            if proxy.authorization:
                rest = f"Proxy-Authorization: {proxy.authorization}\r\n".encode() + _kept(rest)
                far_writer.write(f"{method} {asked} {version}\r\n".encode("latin-1") + rest)
                return far_reader, far_writer, b""
        first = f"{method} {asked} {version}\r\n".encode("latin-1")
        far_writer.write(first + _kept(rest))
        return far_reader, far_writer, b""

    def _authorise(self, headers: bytes) -> None:
        if self._token is None:
            return
        for line in headers.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"proxy-authorization":
                given = value.strip().decode("latin-1")
                if given == upstream.basic("agent", self._token):
                    return
        raise Refused("407 Proxy authentication required", "this proxy belongs to another agent")

    async def _connect(
        self, host: str, port: int, *, tunnel: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            connected = await self._connect_checked(host, port, tunnel=tunnel)
        except Refused as refusal:
            self._note(host, port, allowed=False, detail=str(refusal))
            raise
        self._note(host, port, allowed=True)
        return connected

    async def _connect_checked(
        self, host: str, port: int, *, tunnel: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        why = self._policy.refuses_host(host, port)
        if why is not None:
            raise Refused("403 Forbidden", why)
        proxy = upstream.proxy_for("https" if tunnel else "http", host, port)
        async with self._looking:
            addresses = await _look_up(host, port)
        if not addresses and proxy is None:
            raise Refused("502 Bad gateway", f"the name {host} could not be resolved")
        allowed = []
        for address in addresses:
            why = self._policy.refuses_address(host, port, ipaddress.ip_address(address))
            if why is None:
                allowed.append(address)
        # Behind the machine's own proxy a name may resolve only there; then the proxy decides.
        if addresses and not allowed:
            raise Refused("403 Forbidden", why or "no address of this host may be reached")
        if proxy is not None:
            try:
                return await upstream.connect(proxy, host, port, tunnel=tunnel)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                detail = f"this machine's proxy did not reach {host}:{port}: {error}"
                raise Refused("502 Bad gateway", detail) from error
        return await _first(host, port, allowed)

    def _note(self, host: str, port: int, *, allowed: bool, detail: str = "") -> None:
        key = (host[:200], port, allowed)
        seen = self._visits.get(key)
        if seen is None:
            if len(self._visits) >= _MOST_VISITS:
                return
            _log.info(
                "%s %s %s:%d%s",
                self._label,
                "reached" if allowed else "was refused",
                *key[:2],
                f" ({detail})" if detail else "",
            )
        count = 1 if seen is None else seen.count + 1
        self._visits[key] = Visit(key[0], port, allowed, count, detail)


class Doorkeeper:
    """The thread whose event loop serves the doors of all sandboxes."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._resolvers = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="resolver")
        self._loop.set_default_executor(self._resolvers)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="egress")
        self._thread.start()
        self._doors: set[Door] = set()

    def open(self, door: Door, listener: socket.socket) -> None:
        """Let a door serve its socket; the socket is the door's from now on."""
        listener.setblocking(False)
        self._submit(self._admit(door, listener))

    def shut(self, door: Door) -> None:
        """Shut a door."""
        self._submit(self._dismiss(door))

    def close(self) -> None:
        """Shut everything."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(RuntimeError, TimeoutError):
            asyncio.run_coroutine_threadsafe(self._last_rites(), self._loop).result(timeout=5)
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _admit(self, door: Door, listener: socket.socket) -> None:
        self._doors.add(door)
        await door.open(listener)

    async def _dismiss(self, door: Door) -> None:
        self._doors.discard(door)
        await door.close()

    async def _last_rites(self) -> None:
        await asyncio.sleep(0)  # what was submitted before us begins before us
        for door in list(self._doors):
            await door.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look_up(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_WITHIN):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError, RuntimeError):  # the last: we are closing
        return []
    # A zone ("fe80::1%eth0") is part of no public address.
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


async def _first(
    host: str, port: int, addresses: list[str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    problem: Exception | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(_CONNECT_WITHIN):
                reader, writer = await asyncio.open_connection(address, port)
            # A silent far side is only noticed by asking; streams may rest for long.
            far = writer.get_extra_info("socket")
            far.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except (OSError, TimeoutError) as error:
            problem = error
        else:
            return reader, writer
    raise Refused("502 Bad gateway", f"{host}:{port} did not answer: {problem}")


async def _relay(
    near: asyncio.StreamReader,
    near_out: asyncio.StreamWriter,
    far: asyncio.StreamReader,
    far_out: asyncio.StreamWriter,
) -> None:
    upward = asyncio.ensure_future(_copy(near, far_out))
    downward = asyncio.ensure_future(_copy(far, near_out))
    try:
        await asyncio.gather(upward, downward)
    finally:
        for task in (upward, downward):
            task.cancel()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while True:
        part = await source.read(_CHUNK)
        if not part:
            break
        target.write(part)
        await target.drain()
    # Half-close: the other direction may still have much to say.
    if target.can_write_eof():
        target.write_eof()


async def _refuse(writer: asyncio.StreamWriter, refusal: Refused) -> None:
    body = f"Slipway sandbox: {refusal}.\n".encode()
    writer.write(
        f"HTTP/1.1 {refusal.status}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        + body
    )
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            await writer.drain()
            writer.close()
            await writer.wait_closed()


def _authority(text: str, default: int | None) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        host, port = text, ""
    try:
        number = int(port) if port else default
    except ValueError:
        number = None
    if not host or number is None or not 0 < number < 65536:
        raise Refused("400 Bad request", f"{text[:200]} is not a host and a port")
    return normal(host), number


def _kept(headers: bytes) -> bytes:
    """The headers for the far server: ours are taken out, and one request is served at a time."""
    lines = [
        line
        for line in headers.split(b"\r\n")
        if line
        and line.partition(b":")[0].strip().lower()
        not in {b"proxy-connection", b"proxy-authorization", b"connection", b"keep-alive"}
    ]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])
