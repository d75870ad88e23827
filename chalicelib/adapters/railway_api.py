"""RailwayApi: one POST a call to Railway's GraphQL API, and every failure as one of our errors.

Calls are counted in a budget that all functions share. Reads are repeated once; mutations never
here: an error can follow an effect, so whoever asks looks first and then asks again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from chalicelib.domain.budget import Allowance, Need
from chalicelib.domain.masking import Masker
from chalicelib.errors import Conflict, HostRefused, HostUnavailable, NotFound, PlatformError
from chalicelib.ports import HostBudget
from chalicelib.telemetry import logger

USER_AGENT = "Slipway/1 (+https://slipway.dev)"
CONNECT_SECONDS, READ_SECONDS, WRITE_SECONDS = 5.0, 20.0, 60.0
OPERATE_SECONDS = 15.0
"""For what somebody waits for: restarting, stopping, cancelling."""
QUICKLY = 5.0
"""A read that failed within this many seconds is worth repeating at once."""
UPLOAD_SECONDS = 100.0
_MAX_PAUSE = 3600
_PROJECT_TOKEN = "project"  # noqa: S105 - a kind, not a token


def _sent(variables: Mapping[str, Any]) -> Masker:
    """Hides the agent's variables and the registry's password, where they were sent."""
    given = variables.get("input")
    if not isinstance(given, Mapping):
        return Masker()
    values = dict(given.get("variables") or {})
    credentials = given.get("registryCredentials") or {}
    return Masker([*values.values(), credentials.get("password", "")])


class Missing(NotFound):
    """What was asked for is not at the host; `aliases` are the answer's fields that were missed."""

    code = "host_not_found"

    def __init__(self, detail: str, aliases: frozenset[str]) -> None:
        super().__init__(detail)
        self.aliases = aliases


class RailwayApi:
    """`token_kind` is account, workspace or project: a project token has a header of its own."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        budget: HostBudget,
        token_kind: str = "workspace",  # noqa: S107 - a kind, not a token
        forget_token: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._token = token
        self._token_kind = token_kind
        self._forget_token = forget_token
        self._budget = budget
        self._sleep = sleep
        self.calls = 0

    @property
    def budget(self) -> HostBudget:
        return self._budget

    def __call__(
        self,
        document: str,
        *,
        need: Need = Need.DEPLOY,
        seconds: float | None = None,
        **variables: Any,
    ) -> dict[str, Any]:
        """The answer's data; `seconds` is how long to wait for it at most."""
        read = document.startswith("query")
        seconds = seconds or (READ_SECONDS if read else WRITE_SECONDS)
        began = time.monotonic()
        try:
            return self._ask(document, variables, need, seconds)
        except HostUnavailable as error:
            if not read or error.retry_after or time.monotonic() - began > QUICKLY:
                raise
        self._sleep(0.3)
        return self._ask(document, variables, need, seconds)

    def upload(self, path: str, body: bytes, **query: str) -> dict[str, Any]:
        """Sends a gzipped tar; Railway builds it and answers with the deployment's id."""
        response = self._send(
            "POST",
            f"{self._url.removesuffix('/graphql/v2')}{path}",
            UPLOAD_SECONDS,
            Need.DEPLOY,
            params=query,
            content=body,
            headers={"content-type": "application/gzip"},
        )
        answer = _json(response, ambiguous=True)
        if response.status_code == 413:
            raise HostRefused(
                "The source is larger than the host takes. Leave files out with build.include in "
                "agent.yaml.",
                code="host_source_too_large",
            )
        if response.status_code >= 400:
            found = typed({"message": answer.get("message")}, response.status_code, read=False)
            if found.code == "host_unauthorized":
                self._forget_token()
            raise found
        return answer

    def _ask(
        self, document: str, variables: Mapping[str, Any], need: Need, seconds: float
    ) -> dict[str, Any]:
        read = document.startswith("query")
        response = self._send(
            "POST",
            self._url,
            seconds,
            need,
            json={"query": document, "variables": variables},
        )
        answer = _json(response, ambiguous=not read)
        errors = answer.get("errors")
        if errors:
            # The host may quote what it was sent, and what it was sent may be secret.
            said = _sent(variables).deep(errors[0])
            found = typed(said, response.status_code, read=read)
            if isinstance(found, NotFound):
                raise Missing(found.detail, frozenset(_alias(one) for one in errors))
            if found.code == "host_unauthorized":
                # The operator may have put a new one in its place.
                self._forget_token()
            raise found
        data = answer.get("data")
        if not isinstance(data, dict):
            raise HostUnavailable(
                f"The host of the agents answered {response.status_code} without any data.",
                ambiguous=not read,
            )
        return data

    def _send(self, method: str, url: str, seconds: float, need: Need, **request: Any) -> Any:
        import httpx  # noqa: PLC0415 - only deployments pay for it

        self._budget.spend(need)
        self.calls += 1
        headers = {**self._credential(), **request.pop("headers", {})}
        try:
            response = self._client.request(
                method,
                url,
                headers=headers,
                timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
                **request,
            )
        except httpx.HTTPError as error:
            never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            raise HostUnavailable(
                f"The host of the agents did not answer ({type(error).__name__}). We try again.",
                ambiguous=not never_sent,
            ) from error
        allowance = allowance_of(response.headers)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            pause = retry_after_of(response.headers)
            self._budget.learn(allowance, pause=pause)
            raise HostUnavailable(
                "The host allows no more calls just now. We go on as soon as it does.",
                code="host_rate_limited",
                retry_after=pause,
            )
        self._budget.learn(allowance)
        return response

    def _credential(self) -> dict[str, str]:
        token = self._token()
        if self._token_kind == _PROJECT_TOKEN:
            return {"project-access-token": token}
        return {"authorization": f"Bearer {token}"}

    @cached_property
    def _client(self) -> Any:
        import httpx  # noqa: PLC0415

        return httpx.Client(headers={"user-agent": USER_AGENT}, trust_env=False)


def allowance_of(headers: Mapping[str, str]) -> Allowance | None:
    """What the answer's headers say of the hour's budget; None when they say nothing usable."""
    try:
        limit, left = (int(headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining"))
        reset = float(headers["x-ratelimit-reset"])
    except (KeyError, ValueError):
        return None
    if limit < 1 or left < 0:
        return None
    # Documented as a moment in seconds; an older description read as seconds from now.
    return Allowance(limit, left, reset if reset > 10_000_000 else time.time() + reset)


def retry_after_of(headers: Mapping[str, str]) -> int:
    """Seconds to wait after a 429; it may be given as a date."""
    given = str(headers.get("retry-after") or "30").strip()
    if re.fullmatch(r"\d{1,9}", given):
        seconds = float(given)
    else:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except ValueError:
            seconds = 30
    return int(min(max(1, seconds), _MAX_PAUSE))


def _json(response: Any, *, ambiguous: bool) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    raise HostUnavailable(
        f"The host of the agents answered {response.status_code} with something that is not its "
        "API. We try again.",
        code="host_not_its_api",
        # Whoever stands in front of the API and blocks a call has not let it through.
        ambiguous=ambiguous and response.status_code >= 500,
    ) from None


def _alias(error: Mapping[str, Any]) -> str:
    path = error.get("path") or [""]
    return str(path[0])


_THROTTLE = ("too quickly", "every 30s", "every 30 s")
_CONFLICT = ("already exists", "already in use")
_BUSY = ("operation is already in progress",)
_AGAIN = ("please try again", "problem processing request")
_NO_RIGHT = ("not authorized", "token not found", "two factor authentication required")


def typed(error: Mapping[str, Any], status: int, *, read: bool) -> PlatformError:
    """Railway says almost everything with one code, so the message decides."""
    message = " ".join(str(error.get("message") or "no message").split())[:500]
    extensions = error.get("extensions") or {}
    trace = str(error.get("traceId") or extensions.get("traceId") or "")
    code = extensions.get("code")
    logger.warning(
        "host error", extra={"host_message": message, "host_code": code, "host_trace": trace}
    )
    lowered = message.lower()
    told = f"The host said: {message}" + (f" (trace {trace})" if trace else "")
    if any(words in lowered for words in _THROTTLE):
        return HostUnavailable(told, code="host_throttled", retry_after=31, trace=trace)
    if any(words in lowered for words in _NO_RIGHT):
        return HostUnavailable(
            f"{told}. The operator's Railway token is missing, expired or lacks the right; put a "
            "new one in the parameter railway-token.",
            code="host_unauthorized",
            retry_after=15,
            trace=trace,
        )
    if "not found" in lowered:
        return NotFound(told, code="host_not_found")
    if any(words in lowered for words in _CONFLICT):
        return Conflict(told, code="host_conflict")
    if any(words in lowered for words in _BUSY):
        return HostUnavailable(told, code="host_busy", retry_after=2, trace=trace)
    if any(words in lowered for words in _AGAIN) or status >= 500:
        return HostUnavailable(told, retry_after=2, ambiguous=not read, trace=trace)
    return HostRefused(told, trace=trace)
