"""Who calls: which tokens are accepted, what each may reach, and how often it may call."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.local.yard import clock
from infra.local.yard.config import Config, RateLimit
from infra.local.yard.errors import NotAuthorized
from infra.local.yard.store import Store


@dataclass(frozen=True)
class Principal:
    """An accepted token. A project token reaches one environment of one project, nothing else."""

    kind: str  # account | workspace | project
    key: str
    token_id: str = ""
    project_id: str | None = None
    environment_id: str | None = None

    def require_wide(self) -> None:
        """For what lies outside any one project."""
        if self.kind == "project":
            raise NotAuthorized

    def require_project(self, project_id: str | None) -> None:
        """For reading a project."""
        if self.kind == "project" and project_id != self.project_id:
            raise NotAuthorized

    def require(self, project_id: str | None, environment_id: str | None) -> None:
        """For anything inside an environment."""
        self.require_project(project_id)
        if self.kind == "project" and environment_id != self.environment_id:
            raise NotAuthorized


def fingerprint(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Gate:
    """Turns request headers into a Principal, or None."""

    def __init__(self, config: Config, store: Store) -> None:
        self._store = store
        self._fixed = {fingerprint(one.token): one for one in config.tokens}

    def principal(self, headers: Mapping[str, str]) -> Principal | None:
        """Bearer for account and workspace tokens, Project-Access-Token for project tokens."""
        project_token = headers.get("project-access-token", "")
        if project_token:
            return self._project(fingerprint(project_token))
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        key = fingerprint(token.strip())
        known = self._fixed.get(key)
        if known is None or known.kind == "project":
            return None
        return Principal(kind=known.kind, key=key)

    def _project(self, key: str) -> Principal | None:
        known = self._fixed.get(key)
        if known is not None and known.kind == "project":
            return Principal("project", key, "", known.project_id, known.environment_id)
        row = self._store.row("SELECT * FROM project_tokens WHERE hash = ?", key)
        if row is None:
            return None
        return Principal("project", key, row["id"], row["project_id"], row["environment_id"])


def same(given: str, expected: str) -> bool:
    """Compares secrets in constant time; an unset secret equals nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def peer_is_us(client_port: int) -> bool:
    """Whether a loopback connection comes from a process of this user, or of root.

    For protocols whose signatures cannot be checked here: other users of this machine share the
    loopback interface, and the kernel knows whose socket is whose.
    """
    try:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    except OSError:  # no Linux: nobody to ask
        return True
    wanted = f"0100007F:{client_port:04X}"
    owners = {int(words[7]) for words in map(str.split, lines) if words[1] == wanted}
    return bool(owners) and owners <= {0, os.getuid()}


class Clock(Protocol):
    """Seconds since 1970, replaceable in tests."""

    def __call__(self) -> float: ...


@dataclass
class _Window:
    hour: int = 0
    used: int = 0
    second: int = 0
    used_in_second: int = 0


@dataclass(frozen=True)
class Budget:
    """What is left for a token after this call; `retry_after` is set when it was one too many."""

    limit: int
    remaining: int
    reset: int
    policy: str
    retry_after: int | None = None

    def headers(self) -> dict[str, str]:
        """The headers Railway puts on every answer, and Retry-After on a refusal."""
        out = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
            "RateLimit-Policy": self.policy,
        }
        if self.retry_after is not None:
            out["Retry-After"] = str(self.retry_after)
        return out


class Meter:
    """Counts calls per token in whole hours and whole seconds."""

    def __init__(self, limit: RateLimit, clock: Clock = clock.seconds) -> None:
        self._limit = limit
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._policy = f'"hour";q={limit.per_hour};w=3600, "second";q={limit.per_second};w=1'

    def spend(self, key: str) -> Budget:
        """Counts one call; a call that does not fit is refused and not counted."""
        window, moment = self._window(key)
        if window.used_in_second >= self._limit.per_second:
            return self._budget(window, retry_after=1)
        if window.used >= self._limit.per_hour:
            return self._budget(window, retry_after=self._reset(window) - moment)
        window.used += 1
        window.used_in_second += 1
        return self._budget(window)

    def peek(self, key: str) -> Budget:
        """The budget without spending from it."""
        window, _ = self._window(key)
        return self._budget(window)

    def _window(self, key: str) -> tuple[_Window, int]:
        moment = int(self._clock())
        window = self._windows.setdefault(key, _Window())
        if window.hour != moment // 3600:
            window.hour, window.used = moment // 3600, 0
        if window.second != moment:
            window.second, window.used_in_second = moment, 0
        return window, moment

    @staticmethod
    def _reset(window: _Window) -> int:
        return (window.hour + 1) * 3600

    def _budget(self, window: _Window, retry_after: int | None = None) -> Budget:
        return Budget(
            limit=self._limit.per_hour,
            remaining=max(0, self._limit.per_hour - window.used),
            reset=self._reset(window),
            policy=self._policy,
            retry_after=None if retry_after is None else max(1, retry_after),
        )
