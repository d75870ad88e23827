"""ProviderHttp: calls to sign-in providers, bounded in time and size, over https alone.

Addresses come from operators' settings and from what those issuers publish, never from a request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from chalicelib.errors import ProviderRefused, Unavailable

MAX_ANSWER = 256_000
_TIMEOUT_SECONDS = 8.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_AGENT = "Slipway-Sign-In/1"


class ProviderHttp:
    """`loopback` allows plain http to this machine, as on the local ground. `transport` is how
    tests answer in the provider's place."""

    def __init__(self, *, loopback: bool = False, transport: Any = None) -> None:
        self._loopback = loopback
        self._transport = transport

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON at this address. Raises Unavailable, or ProviderRefused."""
        return self._json("GET", url, headers=headers)

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """The JSON that a form is answered with. Raises Unavailable, or ProviderRefused."""
        return self._json("POST", url, headers=headers, data=dict(form))

    def _json(
        self, method: str, url: str, *, headers: Mapping[str, str] | None, **given: Any
    ) -> Any:
        import httpx  # noqa: PLC0415 - only signing in at a provider pays for it

        self._check(url)
        sent = {"Accept": "application/json", "User-Agent": _AGENT, **(headers or {})}
        try:
            with self._client.stream(method, url, headers=sent, **given) as answer:
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        raise ProviderRefused("The sign-in provider's answer is too long.")
                status = answer.status_code
        except httpx.HTTPError as error:
            raise Unavailable(
                "The sign-in provider does not answer. Try again in a moment, or sign in by email.",
                retry_after=5,
            ) from error
        if status >= 500 or status == 429:
            raise Unavailable(
                f"The sign-in provider answered with {status}. Try again in a moment, or sign in "
                "by email.",
                retry_after=5,
            )
        if status >= 300:
            raise ProviderRefused(
                "The sign-in provider refused: the sign-in may have been used already. Begin it "
                "again, or sign in by email."
            )
        try:
            return json.loads(body)
        except ValueError as error:
            raise ProviderRefused("The sign-in provider's answer cannot be read.") from error

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        plain = self._loopback and parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not (plain or parts.scheme == "https") or not parts.hostname or "@" in parts.netloc:
            raise ProviderRefused(
                "This sign-in provider is set up with an address that is not https. Tell the "
                "people who run this Slipway."
            )

    @cached_property
    def _client(self) -> Any:
        import httpx  # noqa: PLC0415

        return httpx.Client(
            timeout=_TIMEOUT_SECONDS,
            follow_redirects=False,
            trust_env=False,
            transport=self._transport,
        )


def text_of(document: Any, name: str, *, limit: int = 2048) -> str:
    """A text in an answer; empty when there is none of that name, or not a short plain one."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) and len(value) <= limit else ""
