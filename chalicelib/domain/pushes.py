"""What a push means for an agent, and which head is built next. Pure: nobody is asked here.

A track is one line of work: an agent in an environment. One version of it is built at a time, and
of all heads that arrive meanwhile only the newest waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.connections import Connection, ConnectionState
from chalicelib.domain.deliveries import Facts, Outcome, asks_to_skip
from chalicelib.domain.repositories import Checks, Commit
from chalicelib.domain.versions import SourceCommit
from chalicelib.domain.watch import first_watched
from chalicelib.values import frozen


@frozen
class Wanted:
    """The head that is built as soon as the present build has ended."""

    commit: SourceCommit
    delivery_id: str
    created_by: str


@frozen
class Track:
    """`sha` is the newest head that was taken up: being built, built, or waiting."""

    org_id: str
    agent_id: str
    environment: str
    updated_at: datetime
    building: str | None = None
    version_id: str | None = None
    """The version that was made last."""
    sha: str = ""
    wanted: Wanted | None = None
    revision: int = 0

    def following(self, at: datetime, **changes: Any) -> Track:
        """The next revision."""
        return replace(self, updated_at=at, revision=self.revision + 1, **changes)


def ignored_now(connection: Connection) -> Outcome | None:
    """Why nothing of the repository is deployed by itself at present, whatever is told of it."""
    if connection.state is not ConnectionState.CONNECTED:
        return Outcome(
            "disconnected", f"The repository is not connected any more: {connection.reason}"
        )
    if not connection.auto_deploy:
        return Outcome("auto_deploy_off", "Deploying by itself is off for this agent.")
    return None


def outdated(commit: SourceCommit, connection: Connection) -> Outcome | None:
    """Why a commit that waited is not built after all: the connection is another one by now."""
    theirs = (connection.repository_id, connection.root)
    same = (commit.repository_id, commit.root) == theirs
    if commit.pull_request is None:
        ignored = ignored_now(connection)
        if ignored is not None:
            return ignored
        same = same and commit.branch == connection.branch
    elif connection.state is not ConnectionState.CONNECTED:
        return ignored_now(connection)
    if same:
        return None
    return Outcome("settings_changed", "The agent follows something else by now.")


def ignored_push(facts: Facts, connection: Connection) -> Outcome | None:
    """What can be said of a push without asking the host; None: it may concern the agent."""
    ignored = ignored_now(connection)
    if ignored is not None and ignored.code == "disconnected":
        return ignored
    if not facts.branch:
        what = "A tag" if facts.ref.startswith("refs/tags/") else "Something that is no branch"
        return Outcome("not_a_branch", f"{what} was pushed; only pushes to a branch deploy.")
    if facts.branch != connection.branch:
        return Outcome(
            "other_branch",
            f"The push is to {facts.branch}; this agent follows {connection.branch}.",
        )
    if facts.deleted:
        return Outcome("branch_deleted", "The branch was deleted; what runs goes on running.")
    if ignored is not None:
        return ignored
    return SKIPPED if facts.skip else None


def ignored_head(
    head: Commit, track: Track, connection: Connection, paths: Sequence[str] | None
) -> Outcome | None:
    """What can be said once the branch's head is known; `paths` are what differs from what was
    taken up before, None when that is not known."""
    if head.sha == track.sha:
        return Outcome(
            "known_head", f"The head of the branch is {head.sha[:7]}, which was taken up already."
        )
    if asks_to_skip(head.message):
        return SKIPPED
    return ignored_paths(paths, connection)


def ignored_paths(paths: Sequence[str] | None, connection: Connection) -> Outcome | None:
    """Whether none of what has changed matters to the agent."""
    if paths is None or first_watched(paths, connection.root, connection.watch) is not None:
        return None
    where = ", ".join(connection.watch) or f"{connection.root}/"
    return Outcome(
        "not_watched",
        f"Not a watched path: none of the {len(paths)} changed files is in {where}.",
    )


def ignored_checks(checks: Checks) -> Outcome | None:
    """Whether the commit's other checks forbid it."""
    if checks is not Checks.FAILURE:
        return None
    return Outcome(
        "checks_failed", "The commit's other checks have failed, and this agent waits for them."
    )


SKIPPED = Outcome("skip_requested", "The commit's message says [skip deploy].")
