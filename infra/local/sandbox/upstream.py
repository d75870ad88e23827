"""The machine's own HTTP proxy, where it needs one to reach the internet."""

from __future__ import annotations

import asyncio
import base64
import functools
import urllib.request
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_WITHIN = 15.0


@dataclass(frozen=True)
class Proxy:
    """Where the machine's proxy is and what it wants to hear."""

    host: str
    port: int
    authorization: str | None


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy this machine is told to use for a host (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)."""
    proxies = _proxies()
    address = proxies.get(scheme) or proxies.get("all")
    if not address or urllib.request.proxy_bypass_environment(f"{host}:{port}", proxies):  # type: ignore[attr-defined]
        return None
    return _parse(address)


async def connect(
    proxy: Proxy, host: str, port: int, *, tunnel: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect through the proxy: a tunnel to the host, or just the proxy itself."""
    async with asyncio.timeout(_WITHIN):
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        if not tunnel:
            return reader, writer
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {name} HTTP/1.1", f"Host: {name}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
    if b" 200" not in answer.partition(b"\r\n")[0]:
        writer.transport.abort()
        raise ConnectionError(f"the machine's proxy refused {name}")
    return reader, writer


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@functools.cache
def _proxies() -> dict[str, str]:
    return urllib.request.getproxies_environment()


@functools.cache
def _parse(address: str) -> Proxy | None:
    parts = urlsplit(address if "//" in address else f"http://{address}")
    if parts.scheme != "http" or not parts.hostname:
        return None  # a SOCKS proxy, say: direct connections may still work
    authorization = None
    if parts.username is not None:
        authorization = basic(unquote(parts.username), unquote(parts.password or ""))
    return Proxy(parts.hostname, parts.port or 80, authorization)
