"""Requests the yard itself makes: events to the emulator, webhooks, a buildspec from S3."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import h11

from infra.local.yard.config import Aws
from infra.local.yard.peer import Peer

TIMEOUT = 30.0
BODY_LIMIT = 10_000_000


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    body: bytes


async def request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    seconds: float = TIMEOUT,
) -> Reply:
    """One request on a connection of its own; OSError or TimeoutError when it fails."""
    async with asyncio.timeout(seconds):
        try:
            return await _talk(method, url, headers, body)
        except h11.ProtocolError as exc:
            raise ConnectionError(f"{url} does not speak HTTP: {exc}") from exc


async def _talk(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
    peer = Peer(h11.CLIENT, reader, writer)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = [("Host", parts.netloc), ("Content-Length", str(len(body))), ("Connection", "close")]
    head += [(name, value) for name, value in headers.items() if name.lower() != "host"]
    try:
        await peer.send(h11.Request(method=method, target=target, headers=head))
        await peer.send(h11.Data(data=body))
        await peer.send(h11.EndOfMessage())
        status, got = 0, bytearray()
        while True:
            event = await peer.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                got += event.data
                if len(got) > BODY_LIMIT:
                    raise ConnectionError(f"{url} answered more than {BODY_LIMIT} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return Reply(status, bytes(got))
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionError(f"{url} closed the connection")
    finally:
        peer.close()


async def call_aws(
    aws: Aws, service: str, target: str, body: bytes, *, seconds: float = TIMEOUT
) -> Reply:
    """A JSON 1.1 call to the emulator, signed."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": target,
    }
    url = aws.endpoint_url.rstrip("/") + "/"
    signed = sign(aws, service, "POST", url, headers=headers, body=body)
    return await request("POST", url, signed, body, seconds=seconds)


def sign(
    aws: Aws, service: str, method: str, url: str, *, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """The headers with a version 4 signature over them."""
    parts = urlsplit(url)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(body).hexdigest()
    given = {**headers, "Host": parts.netloc, "X-Amz-Date": moment, "X-Amz-Content-Sha256": payload}
    if aws.session_token:
        given["X-Amz-Security-Token"] = aws.session_token
    lowered = sorted((name.lower(), value.strip()) for name, value in given.items())
    names = ";".join(name for name, _ in lowered)
    canonical = "\n".join(
        (
            method,
            parts.path or "/",
            parts.query,
            *(f"{name}:{value}" for name, value in lowered),
            "",
            names,
            payload,
        )
    )
    scope = f"{moment[:8]}/{aws.region}/{service}/aws4_request"
    text = "\n".join(
        ("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{aws.secret_access_key}".encode()
    for part in (moment[:8], aws.region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    given["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={aws.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return given
