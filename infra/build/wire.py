"""A small HTTP/1.1 client over plain sockets, for S3, the registry and the agent under test.

`http.client` and `urllib.request` cost 40 ms to import and cannot speak over a socket that lives
in an agent's network namespace; a build makes some ten requests, so this is worth its lines.
It trusts nobody: headers and bodies are limited, and the whole exchange has one deadline.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

_BLOCK = 262_144
_MAX_HEAD = 65_536
_MAX_BODY = 16 * 1024 * 1024


class WireError(OSError):
    """The other side did not answer, or not in HTTP; `stage` says how far we came."""

    def __init__(self, detail: str, *, stage: str) -> None:
        super().__init__(detail)
        self.stage = stage


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. Header names are lower case; `complete` is False for a body cut short."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True

    def text(self, limit: int = 2000) -> str:
        """The body for people: never fails, never long."""
        return self.body[:limit].decode("utf-8", "replace")


Dial = Callable[[float], socket.socket]


def dial(url: str) -> tuple[Dial, str]:
    """How to connect to the host of `url`, and the Host header it expects."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)

    def connect(timeout: float) -> socket.socket:
        raw = socket.create_connection((host, port), timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return raw if parts.scheme != "https" else _tls().wrap_socket(raw, server_hostname=host)

    return connect, parts.netloc.rpartition("@")[2]


_tls_context: list[ssl.SSLContext] = []


def _tls() -> ssl.SSLContext:
    # Importing ssl and reading the certificates costs 30 ms that a plain endpoint need not pay.
    import ssl  # noqa: PLC0415

    if not _tls_context:
        _tls_context.append(ssl.create_default_context())
    return _tls_context[0]


class Connection:
    """One connection, opened when first needed and kept alive between requests."""

    def __init__(self, connect: Dial, host: str) -> None:
        self.host = host
        self._connect = connect
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | BinaryIO | None = None,
        *,
        size: int | None = None,
        sink: BinaryIO | None = None,
        timeout: float = 30.0,
        max_body: int = _MAX_BODY,
    ) -> Answer:
        """Send one request and read the whole answer; a good body goes to `sink` when given.

        A kept-alive connection that the server closed meanwhile is opened once more.
        """
        deadline = time.monotonic() + timeout
        length = len(body) if isinstance(body, bytes) else size
        head = _head(method, target, self.host, headers or {}, length)
        reused = self._socket is not None
        start = body.tell() if body is not None and not isinstance(body, bytes) else 0
        try:
            return self._exchange(method, head, body, deadline, sink=sink, max_body=max_body)
        except WireError as broken:
            if not reused or broken.stage not in {"send", "answer"}:
                raise
            if body is not None and not isinstance(body, bytes):
                body.seek(start)
            return self._exchange(method, head, body, deadline, sink=sink, max_body=max_body)

    def _exchange(
        self,
        method: str,
        head: bytes,
        body: bytes | BinaryIO | None,
        deadline: float,
        *,
        sink: BinaryIO | None,
        max_body: int,
    ) -> Answer:
        try:
            sock = self._open(deadline)
            _send(sock, head, body, deadline)
            answer, keep = _read(sock, method, deadline, sink, max_body)
        except BaseException:
            self.close()
            raise
        if not keep:
            self.close()
        return answer

    def _open(self, deadline: float) -> socket.socket:
        if self._socket is None:
            try:
                self._socket = self._connect(max(0.05, deadline - time.monotonic()))
            except OSError as error:
                raise WireError(
                    f"no connection to {self.host}: {error}", stage="connect"
                ) from error
        return self._socket


def _head(
    method: str, target: str, host: str, headers: Mapping[str, str], length: int | None
) -> bytes:
    fields = {"Host": host, "User-Agent": "slipway-build", "Accept": "*/*", **headers}
    if length is not None:
        fields["Content-Length"] = str(length)
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in fields.items():
        if "\r" in value or "\n" in value:
            raise WireError(f"the value of header {name} has a line break", stage="request")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def _send(sock: socket.socket, head: bytes, body: bytes | BinaryIO | None, deadline: float) -> None:
    try:
        if isinstance(body, bytes):
            _limit(sock, deadline)
            sock.sendall(head + body)
            return
        sock.sendall(head)
        while body is not None and (block := body.read(_BLOCK)):
            _limit(sock, deadline)
            sock.sendall(block)
    except OSError as error:
        raise WireError(f"the request could not be sent: {error}", stage="send") from error


def _limit(sock: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for this exchange is over")
    sock.settimeout(left)


class _Reader:
    """Buffered reading with one deadline for everything."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._buffer = b""

    def fill(self, stage: str) -> bool:
        try:
            _limit(self._sock, self._deadline)
            data = self._sock.recv(_BLOCK)
        except OSError as error:
            raise WireError(f"no complete answer: {error}", stage=stage) from error
        self._buffer += data
        return bool(data)

    def until(self, mark: bytes, stage: str) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > _MAX_HEAD:
                raise WireError("the headers of the answer never end", stage="head")
            if not self.fill(stage):
                text = self._buffer[:80]
                detail = f"not an HTTP answer: {text!r}" if text else "closed without an answer"
                raise WireError(detail, stage="head" if text else stage)
        found, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        return found

    def some(self, most: int) -> bytes:
        if not self._buffer and not self.fill("body"):
            return b""
        found, self._buffer = self._buffer[:most], self._buffer[most:]
        return found


def _read(
    sock: socket.socket, method: str, deadline: float, sink: BinaryIO | None, max_body: int
) -> tuple[Answer, bool]:
    reader = _Reader(sock, deadline)
    status = 100
    while status < 200:
        status, reason, headers = _parse_head(reader.until(b"\r\n\r\n", "answer"))
    target = sink if sink is not None and status < 300 else None
    kept = bytearray()
    complete = True
    total = 0
    try:
        for block in _body(reader, method, status, headers):
            total += len(block)
            if target is not None:
                target.write(block)
            else:
                kept += block[: max_body - len(kept)]
                if total > max_body:
                    complete = False
                    break
    except WireError:
        # Endless bodies (server-sent events) and broken ones are still an answer to a probe;
        # who stores the body must not take it for whole.
        if target is not None:
            raise
        complete = False
    bounded = "content-length" in headers or "chunked" in headers.get("transfer-encoding", "")
    keep = complete and bounded and headers.get("connection", "").lower() != "close"
    return Answer(status, reason, headers, bytes(kept), complete), keep


def _parse_head(head: bytes) -> tuple[int, str, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    version, _, tail = first.partition(" ")
    code, _, reason = tail.partition(" ")
    if not version.startswith("HTTP/1.") or not code.isdigit():
        raise WireError(f"not an HTTP answer: {first[:80]!r}", stage="head")
    headers: dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        text = value.strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return int(code), reason, headers


def _body(reader: _Reader, method: str, status: int, headers: Mapping[str, str]) -> Iterator[bytes]:
    if method == "HEAD" or status in {204, 304}:
        return
    if "chunked" in headers.get("transfer-encoding", "").lower():
        yield from _chunks(reader)
    elif "content-length" in headers:
        left = _number(headers["content-length"], 10)
        while left > 0:
            block = reader.some(min(left, _BLOCK))
            if not block:
                raise WireError("the answer ended before its stated length", stage="body")
            left -= len(block)
            yield block
    else:
        while block := reader.some(_BLOCK):
            yield block


def _chunks(reader: _Reader) -> Iterator[bytes]:
    while left := _number(reader.until(b"\r\n", "body").split(b";")[0].decode("latin-1"), 16):
        while left > 0:
            block = reader.some(min(left, _BLOCK))
            if not block:
                raise WireError("the answer ended inside a chunk", stage="body")
            left -= len(block)
            yield block
        reader.until(b"\r\n", "body")
    while reader.until(b"\r\n", "body"):
        pass  # trailers


def _number(text: str, base: int) -> int:
    try:
        value = int(text.strip(), base)
    except ValueError:
        value = -1
    if value < 0:
        raise WireError(f"{text[:40]!r} is not a length", stage="body")
    return value
