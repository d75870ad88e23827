"""A pull request and its preview: an environment of its own, with variables of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.values import frozen

PREVIEW_VARIABLES = "preview"
"""The environment whose variables every preview gets. Production's are never among them."""
_ENVIRONMENT = re.compile(r"pr-([1-9][0-9]{0,8})")


class PreviewState(StrEnum):
    WAITING = "waiting_for_approval"
    ACTIVE = "active"
    CLOSING = "closing"
    CLOSED = "closed"
    IDLE = "idle"

    @property
    def is_open(self) -> bool:
        """Whether something of it may run, or is still to be taken away."""
        return self in (PreviewState.ACTIVE, PreviewState.CLOSING)


@frozen
class PullRequest:
    """What we know of one pull request of an agent's repository.

    `changed_at` is the host's time of the newest event; older ones change nothing. From a fork
    only `approved_sha` is built: every later commit waits for a member's word again.
    """

    org_id: str
    agent_id: str
    number: int
    title: str
    author: str
    head_sha: str
    head_branch: str
    base_sha: str
    fork: bool
    state: PreviewState
    changed_at: datetime
    active_at: datetime
    created_at: datetime
    updated_at: datetime
    repository_id: int = 0
    """Of the repository it is to be merged in; another one may use the same numbers."""
    head_repository: str = ""
    approved_sha: str = ""
    approved_by: str = ""
    delivery_id: str = ""
    """The delivery that tells what came of the newest commit."""
    ends_as: PreviewState = PreviewState.CLOSED
    """What it becomes once all of it is taken away."""
    revision: int = 1

    @property
    def environment(self) -> str:
        return environment_of(self.number)

    @property
    def may_run(self) -> bool:
        """Whether its newest commit may be built and run."""
        return not self.fork or self.approved_sha == self.head_sha

    def following(self, at: datetime, **changes: Any) -> PullRequest:
        """The next revision."""
        return replace(self, updated_at=at, revision=self.revision + 1, **changes)


@frozen
class OpenPreviews:
    """The numbers of an agent's previews that are open: written with each that opens or ends, so
    that no two of them can take the last place."""

    org_id: str
    agent_id: str
    numbers: frozenset[int] = frozenset()
    revision: int = 0

    def following(self, numbers: frozenset[int]) -> OpenPreviews:
        """The next revision."""
        return replace(self, numbers=numbers, revision=self.revision + 1)


def environment_of(number: int) -> str:
    """The environment a pull request's preview runs in."""
    return f"pr-{number}"


def number_of(environment: str) -> int | None:
    """Which pull request an environment belongs to; None for every other environment."""
    match = _ENVIRONMENT.fullmatch(environment)
    return int(match[1]) if match else None
