"""A version: one immutable state of an agent's source, and the way it takes to become ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.machine import successor
from chalicelib.values import frozen


class VersionState(StrEnum):
    AWAITING_UPLOAD = "awaiting_upload"
    UPLOADED = "uploaded"
    BUILDING = "building"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in _FINAL


class VersionEvent(StrEnum):
    UPLOAD_RECEIVED = "upload_received"
    BUILD_STARTED = "build_started"
    BUILD_SUCCEEDED = "build_succeeded"
    SOURCE_REJECTED = "source_rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


_FINAL = frozenset(
    {VersionState.READY, VersionState.REJECTED, VersionState.FAILED, VersionState.CANCELLED}
)


def _table() -> dict[tuple[VersionState, VersionEvent], VersionState]:
    s, e = VersionState, VersionEvent
    table = {
        (s.AWAITING_UPLOAD, e.UPLOAD_RECEIVED): s.UPLOADED,
        (s.AWAITING_UPLOAD, e.FAILED): s.FAILED,
        (s.AWAITING_UPLOAD, e.CANCELLED): s.CANCELLED,
        (s.UPLOADED, e.UPLOAD_RECEIVED): s.UPLOADED,
        (s.UPLOADED, e.BUILD_STARTED): s.BUILDING,
        # The build's own event may overtake our note that it has started.
        (s.UPLOADED, e.BUILD_SUCCEEDED): s.READY,
        (s.UPLOADED, e.SOURCE_REJECTED): s.REJECTED,
        (s.UPLOADED, e.FAILED): s.FAILED,
        (s.UPLOADED, e.CANCELLED): s.CANCELLED,
        (s.BUILDING, e.UPLOAD_RECEIVED): s.BUILDING,
        (s.BUILDING, e.BUILD_STARTED): s.BUILDING,
        (s.BUILDING, e.BUILD_SUCCEEDED): s.READY,
        (s.BUILDING, e.SOURCE_REJECTED): s.REJECTED,
        (s.BUILDING, e.FAILED): s.FAILED,
        (s.BUILDING, e.CANCELLED): s.CANCELLED,
    }
    # A final version has no way out: whatever arrives late changes nothing.
    table |= {(state, event): state for state in sorted(_FINAL) for event in e}
    return table


TRANSITIONS = _table()
HELD_BACK = "auto_deploy_paused"
"""The warning on a version that was not deployed by itself because somebody must look first."""


class SourceKind(StrEnum):
    UPLOAD = "upload"
    TEMPLATE = "template"
    GITHUB = "github"
    COPY = "copy"
    """A published version of the marketplace, taken as it was built."""
    FORK = "fork"
    """The source of a published version."""


@frozen
class SourceCommit:
    """The commit a source is: where it lies, and what is told of it. `message` is one line."""

    repository: str
    sha: str
    repository_id: int = 0
    installation_id: int | None = None
    branch: str = ""
    message: str = ""
    author: str = ""
    root: str = ""
    """The agent's folder in the repository."""
    pull_request: int | None = None
    fork: bool = False

    @property
    def short(self) -> str:
        return self.sha[:7]


@frozen
class Source:
    """Where a version's source came from. `size` in bytes, `digest` as sha256 hex once known."""

    kind: SourceKind
    filename: str
    key: str
    size: int | None = None
    digest: str | None = None
    template: str | None = None
    commit: SourceCommit | None = None


@frozen
class Reason:
    """One thing that is wrong and what to change, for people."""

    code: str
    detail: str
    file: str | None = None
    line: int | None = None


@frozen
class InferredValue:
    """A value nobody wrote down, and what it was read from."""

    field: str
    value: Any
    source: str


@frozen
class Version:
    id: str
    org_id: str
    agent_id: str
    number: int
    label: str
    state: VersionState
    source: Source
    created_by: str
    created_at: datetime
    updated_at: datetime
    deploy: bool = False
    hold: bool = False
    choice: str | None = None
    """Which of several apps in the source is meant: one of an earlier version's candidates."""
    environment: str = "production"
    manifest: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None
    inferred: tuple[InferredValue, ...] = ()
    candidates: tuple[str, ...] = ()
    warnings: tuple[Reason, ...] = ()
    reasons: tuple[Reason, ...] = ()
    build_id: str | None = None
    attempt: int = 0
    """How often the build was begun again because the build service lost it."""
    image: str | None = None
    image_size: int | None = None
    deployment_id: str | None = None
    timings: Mapping[str, str] = field(default_factory=dict)
    revision: int = 1

    def after(self, event: VersionEvent, at: datetime, **changes: Any) -> Version:
        """The successor, or this same object when the event is repeated or late."""
        return successor(self, TRANSITIONS, event, at, noun="version", **changes)

    @property
    def owes_deployment(self) -> bool:
        """Whether it is ready, was to be deployed then, and has been neither that nor held back."""
        held_back = any(warning.code == HELD_BACK for warning in self.warnings)
        waits = self.deploy and self.deployment_id is None and not held_back
        return self.state is VersionState.READY and waits

    @property
    def unmerged(self) -> bool:
        """Whether it is of a pull request: for its own preview, and for nothing else."""
        commit = self.source.commit
        return commit is not None and commit.pull_request is not None

    @property
    def prefix(self) -> str:
        """Where everything of this version lies in the artifacts bucket; begins with the tenant."""
        return f"{self.org_id}/{self.agent_id}/{self.id}/"


@frozen
class Newest:
    """Which of many came last, noted on what has many of them, so that nobody must look for it."""

    id: str
    at: datetime


@frozen
class Template:
    """A ready-made source people can start from."""

    name: str
    runtime: str
    title: str
    description: str
    key: str
    digest: str
