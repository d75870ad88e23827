"""HttpCaller: calls to agents' public URLs, bounded in time and size. Also the real clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from chalicelib.ports import Answer

MAX_BODY = 1_000_000


class HttpCaller:
    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = 10,
    ) -> Answer:
        """The answer, its body cut at 1 MB; status 0 and `error` when there was none."""
        import httpx  # noqa: PLC0415 - only deployments pay for it

        try:
            with self._client.stream(
                method,
                url,
                headers={"user-agent": "Slipway-Verify/1", **(headers or {})},
                content=body,
                timeout=timeout_seconds,
            ) as response:
                received = bytearray()
                for chunk in response.iter_bytes():
                    received += chunk
                    if len(received) > MAX_BODY:
                        break
                return Answer(response.status_code, dict(response.headers), bytes(received))
        except httpx.TimeoutException:
            return Answer(0, {}, b"", f"no answer within {timeout_seconds:g} seconds")
        except httpx.HTTPError as error:
            return Answer(0, {}, b"", str(error) or type(error).__name__)

    @cached_property
    def _client(self) -> Any:
        import httpx  # noqa: PLC0415

        # Not through a proxy from the environment: the public URL is what must answer.
        return httpx.Client(follow_redirects=False, trust_env=False)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
