"""GitHubApi: one call to GitHub's REST API, and every failure as one of our errors.

Only the configured origin is spoken to: redirects and next pages that lead elsewhere are refused.
Answers that carry an ETag are kept in the process and asked for again on condition. Who is told to
wait is not asked again before the time has come.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urljoin, urlsplit

from chalicelib.errors import CodeHostRefused, CodeHostUnavailable, TooLarge
from chalicelib.values import frozen

API_VERSION = "2022-11-28"
ACCEPT = "application/vnd.github+json"
USER_AGENT = "Slipway/1 (+https://slipway.dev)"
MAX_ANSWER = 16_000_000
MAX_PAGES = 20
OPEN_PAGES = 3
"""Without a credential there are 60 calls an hour, for all agents together."""
ANSWER_SECONDS = 30.0
ARCHIVE_SECONDS = 600.0
RETRY_SECONDS = 30
"""When to ask again if nobody says."""
SECONDARY_SECONDS = 60
"""What GitHub asks for after a secondary limit that names no time."""
_MAX_WAIT = 3700
_MAX_REDIRECTS = 3
_KEPT = 256
_KEPT_SIZE = 100_000
_NEXT = re.compile(r'<([^<>]+)>\s*;[^<]*\brel="?next"?')
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WITHOUT_APP = (
    " Without an App, GitHub answers 60 calls an hour to one address: an operator can set one up "
    "with `make github-app`."
)


class Gone(CodeHostRefused):
    """What was asked for is not there, or not for us; `status` of GitHub's answer beside it."""

    code = "repository_gone"

    def __init__(self, detail: str, answered: int) -> None:
        super().__init__(detail)
        self.answered = answered


class Unauthorized(CodeHostRefused):
    """GitHub does not know the credential, or not any more."""


class Unprocessable(CodeHostRefused):
    """GitHub understood the words and can do nothing with them: often there is no such name."""


class TooLong(CodeHostRefused):
    """An answer longer than anything we asked for ought to be."""


@frozen
class Credential:
    """Who asks. `key` tells credentials apart in what is kept; it holds no secret. Credentials of
    one `account` are counted together at GitHub. Of one that is `passing`, a person's, nothing is
    kept: neither answers nor limits."""

    key: str
    token: Callable[[], str]
    forget: Callable[[], None] = lambda: None
    account: str = ""
    passing: bool = False

    @property
    def counted(self) -> str:
        """Whose limit its calls count against."""
        return self.account or self.key


ANYBODY = Credential("anybody", lambda: "")


@frozen
class Reply:
    """An answer: its document and where the next page is, if there is one."""

    document: Any
    following: str = ""


class GitHubApi:
    """`loopback` allows plain http to this machine, as on the local ground. `transport` and
    `clock` are how tests answer in GitHub's place, and say what time it is."""

    def __init__(
        self,
        url: str,
        *,
        loopback: bool = False,
        transport: Any = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url.rstrip("/")
        self._loopback = loopback
        self._transport = transport
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], tuple[str, Reply]] = OrderedDict()
        self._paused: dict[str, float] = {}

    def call(
        self,
        method: str,
        path: str,
        credential: Credential,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Reply:
        """The answer to one call. A credential that GitHub has forgotten is made anew, once."""
        url = path if "://" in path else f"{self._url}{path}"
        if query:
            url += "?" + "&".join(f"{name}={value}" for name, value in query.items())
        try:
            return self._follow(method, url, credential, body)
        except Unauthorized:
            if credential is ANYBODY:
                raise
            credential.forget()
        return self._follow(method, url, credential, body)

    def pages(
        self, path: str, credential: Credential, *, query: Mapping[str, str | int] | None = None
    ) -> Iterator[Any]:
        """The documents of all pages, as far as GitHub's own links lead."""
        reply = self.call("GET", path, credential, query={"per_page": 100, **(query or {})})
        yield reply.document
        for _ in range((MAX_PAGES if credential is not ANYBODY else OPEN_PAGES) - 1):
            if not reply.following:
                return
            reply = self.call("GET", reply.following, credential)
            yield reply.document

    def form(self, url: str, fields: Mapping[str, str]) -> Any:
        """What GitHub's sign-in answers a form with; it says no with a 200."""
        self._check(url)
        with self._sent("POST", url, {"Accept": "application/json"}, data=dict(fields)) as answer:
            body = _read(answer, time.monotonic() + ANSWER_SECONDS)
            if answer.status_code >= 300:
                raise self._failure(answer, body, ANYBODY)
        return _document(body)

    def archive(
        self, path: str, credential: Credential, *, hosts: frozenset[str], max_bytes: int
    ) -> Iterator[bytes]:
        """What a redirect to one of these hosts leads to, piece by piece; the credential goes no
        further than the API. Raises TooLarge."""
        url = f"{self._url}{path}"
        try:
            place = self._place(url, credential)
        except Unauthorized:
            if credential is ANYBODY:
                raise
            credential.forget()
            place = self._place(url, credential)
        parts = urlsplit(place)
        if parts.netloc.rpartition("@")[2] not in {*hosts, urlsplit(self._url).netloc}:
            raise CodeHostRefused("GitHub named an address for the archive that is not GitHub's.")
        self._check(place)
        deadline = time.monotonic() + ARCHIVE_SECONDS
        received = 0
        with self._sent("GET", place, {"Accept-Encoding": "identity"}) as answer:
            if answer.status_code != 200:
                raise self._failure(answer, _read(answer, deadline), credential)
            for piece in _pieces(answer, deadline):
                received += len(piece)
                if received > max_bytes:
                    raise TooLarge(
                        f"The commit's archive is larger than {max_bytes // 1_000_000} MB. Leave "
                        "large files out of the repository, or name the agent's folder as its root "
                        "directory.",
                        code="archive_too_large",
                    )
                yield piece

    # --- how ------------------------------------------------------------------------------

    def _follow(
        self, method: str, url: str, credential: Credential, body: Mapping[str, Any] | None
    ) -> Reply:
        for _ in range(_MAX_REDIRECTS + 1):
            found = self._once(method, url, credential, body)
            if isinstance(found, Reply):
                return found
            url = found
        raise CodeHostRefused("GitHub led us from one address to the next without end.")

    def _once(
        self, method: str, url: str, credential: Credential, body: Mapping[str, Any] | None
    ) -> Reply | str:
        """The answer, or the address that the call is to be repeated at."""
        self._check_origin(url)
        self._wait_turn(credential)
        keeps = method == "GET" and not credential.passing
        kept = self._kept.get((credential.key, url)) if keeps else None
        headers = self._headers(credential)
        if kept:
            headers["If-None-Match"] = kept[0]
        given = {} if body is None else {"content": json.dumps(body)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with self._sent(method, url, headers, **given) as answer:
            self._note_limits(answer, credential)
            if answer.status_code == 304 and kept:
                self._kept.move_to_end((credential.key, url))
                return kept[1]
            raw = _read(answer, time.monotonic() + ANSWER_SECONDS)
            if answer.status_code in {301, 302, 307, 308} and self._may_follow(method, answer):
                return urljoin(url, str(answer.headers.get("location", "")))
            if not 200 <= answer.status_code < 300:
                raise self._failure(answer, raw, credential)
            reply = Reply(_document(raw), self._following(answer))
            tag = answer.headers.get("etag")
            if keeps and tag and len(raw) <= _KEPT_SIZE:
                self._kept[credential.key, url] = (tag, reply)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return reply

    @staticmethod
    def _may_follow(method: str, answer: Any) -> bool:
        """A write is repeated elsewhere only where GitHub says to repeat it as it is."""
        return method == "GET" or answer.status_code in {307, 308}

    def _place(self, url: str, credential: Credential) -> str:
        """Where an archive lies; renamed repositories lead there by a redirect of their own."""
        for _ in range(_MAX_REDIRECTS + 1):
            self._check_origin(url)
            self._wait_turn(credential)
            with self._sent("GET", url, self._headers(credential)) as answer:
                self._note_limits(answer, credential)
                if answer.status_code not in {301, 302, 307, 308}:
                    raw = _read(answer, time.monotonic() + ANSWER_SECONDS)
                    if answer.status_code < 300:
                        raise CodeHostRefused("GitHub did not say where the archive lies.")
                    raise self._failure(answer, raw, credential)
                leads = urljoin(url, str(answer.headers.get("location", "")))
            if answer.status_code == 302:
                return leads
            url = leads
        raise CodeHostRefused("GitHub led us from one address to the next without end.")

    @contextmanager
    def _sent(
        self, method: str, url: str, headers: Mapping[str, str], **given: Any
    ) -> Iterator[Any]:
        import httpx  # noqa: PLC0415 - only who speaks with GitHub pays for it

        try:
            with self._client.stream(
                method, url, headers={"User-Agent": USER_AGENT, **headers}, **given
            ) as answer:
                yield answer
        except httpx.HTTPError as error:
            raise CodeHostUnavailable(
                "GitHub does not answer just now. Trying again later may help.",
                retry_after=RETRY_SECONDS,
            ) from error

    def _headers(self, credential: Credential) -> dict[str, str]:
        token = credential.token()
        return {
            "Accept": ACCEPT,
            "X-GitHub-Api-Version": API_VERSION,
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }

    def _following(self, answer: Any) -> str:
        found = _NEXT.search(answer.headers.get("link", ""))
        return found[1] if found else ""

    def _wait_turn(self, credential: Credential) -> None:
        left = self._paused.get(credential.counted, 0.0) - self._clock()
        if left > 0:
            raise _slow_down(left, credential)

    def _note_limits(self, answer: Any, credential: Credential) -> None:
        """Remembers until when not to ask; GitHub shuts out who goes on asking."""
        self._pause(credential, self._asked_to_wait(answer, b""))

    def _pause(self, credential: Credential, wait: float) -> None:
        if not wait or credential.passing:
            return
        if len(self._paused) > _KEPT:
            self._paused.clear()
        self._paused[credential.counted] = self._clock() + wait

    def _asked_to_wait(self, answer: Any, raw: bytes) -> float:
        """For how many seconds this answer says not to ask."""
        limited = answer.status_code in {403, 429}
        after = answer.headers.get("retry-after", "")
        if limited and after.isdecimal():
            return float(max(1, int(after)))
        if answer.headers.get("x-ratelimit-remaining") == "0":
            reset = answer.headers.get("x-ratelimit-reset", "")
            if reset.isdecimal():
                return max(1.0, int(reset) - self._clock())
        if answer.status_code == 429 or (limited and b"rate limit" in raw.lower()):
            return float(SECONDARY_SECONDS)
        return 0.0

    def _failure(self, answer: Any, raw: bytes, credential: Credential) -> Exception:
        status = answer.status_code
        said = _said(raw)
        if status in {403, 429} and (wait := self._asked_to_wait(answer, raw)):
            self._pause(credential, wait)
            return _slow_down(wait, credential)
        if status >= 500:
            return CodeHostUnavailable(
                f"GitHub answered with {status}. Trying again later may help.",
                retry_after=RETRY_SECONDS,
            )
        if status == 401:
            return Unauthorized("GitHub does not accept our credential.")
        if status == 403 and "suspended" in said.lower():
            return CodeHostRefused(
                "The GitHub App is suspended at this account. Somebody who administers the account "
                "can lift that on GitHub, under Settings, Applications.",
                code="installation_gone",
            )
        if status == 403:
            return CodeHostRefused(
                "GitHub does not let the App do this. Whoever administers the account may have to "
                f"accept its new permissions. GitHub says: {said}"
            )
        if status in {404, 409, 410, 451}:
            return Gone(
                "The repository is not there, or not visible to Slipway. If it is private, the "
                "GitHub App must be installed for it.",
                status,
            )
        kind = Unprocessable if status == 422 else CodeHostRefused
        return kind(f"GitHub refused ({status}). GitHub says: {said}")

    def _check_origin(self, url: str) -> None:
        ours, theirs = urlsplit(self._url), urlsplit(url)
        if (theirs.scheme, theirs.netloc) != (ours.scheme, ours.netloc):
            raise CodeHostRefused("GitHub led us to an address that is not its API's.")
        self._check(url)

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        plain = self._loopback and parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not (plain or parts.scheme == "https") or not parts.hostname or "@" in parts.netloc:
            raise CodeHostRefused(
                "GitHub is set up with an address that is not https. Tell the people who run this "
                "Slipway."
            )

    @cached_property
    def _client(self) -> Any:
        import httpx  # noqa: PLC0415

        return httpx.Client(
            timeout=httpx.Timeout(20.0, connect=5.0),
            follow_redirects=False,
            trust_env=False,
            transport=self._transport,
        )


def _slow_down(wait: float, credential: Credential) -> CodeHostUnavailable:
    seconds = min(_MAX_WAIT, max(1, int(wait + 0.999)))
    hint = _WITHOUT_APP if credential.key == ANYBODY.key else ""
    return CodeHostUnavailable(
        f"GitHub has been asked enough for now; it answers again in {seconds} seconds.{hint}",
        code="code_host_rate_limited",
        retry_after=seconds,
    )


def _pieces(answer: Any, deadline: float) -> Iterator[bytes]:
    for piece in answer.iter_raw():
        if time.monotonic() > deadline:
            raise CodeHostUnavailable(
                "GitHub answers too slowly. Trying again later may help.", retry_after=RETRY_SECONDS
            )
        yield piece


def _read(answer: Any, deadline: float) -> bytes:
    """A short answer, unpacked: what is counted is what it comes to in memory."""
    body = bytearray()
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > MAX_ANSWER:
            raise TooLong("GitHub's answer is too long.")
        if time.monotonic() > deadline:
            raise CodeHostUnavailable(
                "GitHub answers too slowly. Trying again later may help.", retry_after=RETRY_SECONDS
            )
    return bytes(body)


def _document(raw: bytes) -> Any:
    with legible():
        return json.loads(raw) if raw else None


@contextmanager
def legible() -> Iterator[None]:
    """What an answer does not hold, or holds in another shape, is a fault of the moment."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CodeHostUnavailable(
            "GitHub's answer cannot be read. Trying again later may help.",
            retry_after=RETRY_SECONDS,
        ) from error


def _said(raw: bytes) -> str:
    """GitHub's own short message, on one line."""
    try:
        document = json.loads(raw)
    except ValueError:
        return "nothing"
    message = document.get("message") if isinstance(document, dict) else None
    text = " ".join(message.split()) if isinstance(message, str) else ""
    return text[:200] or "nothing"
