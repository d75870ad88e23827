"""What the code host is told of a commit's way: check runs, deployments and comments, as words.

Nothing here calls anybody. What people wrote (reasons, names) is shown as text: it cannot become a
link, a table or the name of somebody who is then notified.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.deployments import Deployment, DeploymentState
from chalicelib.domain.pull_requests import PreviewState, PullRequest
from chalicelib.domain.stations import Station, StationState
from chalicelib.domain.versions import HELD_BACK, Reason, Version, VersionState
from chalicelib.values import frozen

OUR_NAME = "Slipway"
_KEPT = timedelta(days=400)
MAX_REASONS = 20
_FOREIGN = re.compile(r"([\\`*_{}\[\]()#+!|<>~$&@:])")
_MARKS = {
    StationState.WAITING: "·",
    StationState.HELD: "waits for a person",
    StationState.MOVING: "under way",
    StationState.DONE: "done",
    StationState.FAILED: "**failed**",
    StationState.STOPPED: "stopped",
}
_VERDICTS: Mapping[DeploymentState, tuple[str, str | None, str]] = {
    DeploymentState.QUEUED: ("in_progress", None, "Built; waiting for its turn"),
    DeploymentState.RELEASING: ("in_progress", None, "Releasing"),
    DeploymentState.VERIFYING: ("in_progress", None, "Verifying"),
    DeploymentState.LIVE: ("completed", "success", "Live"),
    DeploymentState.ASLEEP: ("completed", "success", "Live"),
    DeploymentState.CRASHED: ("completed", "failure", "The deployment failed"),
    DeploymentState.FAILED: ("completed", "failure", "The deployment failed"),
    DeploymentState.ROLLED_BACK: (
        "completed",
        "failure",
        "It did not work; the last good version serves",
    ),
    DeploymentState.SUPERSEDED: ("completed", "cancelled", "A newer version took its place"),
    DeploymentState.STOPPED: ("completed", "cancelled", "The deployment was cancelled"),
    DeploymentState.CANCELLED: ("completed", "cancelled", "The deployment was cancelled"),
}
_DEPLOYMENT_STATES = {
    DeploymentState.QUEUED: "queued",
    DeploymentState.RELEASING: "in_progress",
    DeploymentState.VERIFYING: "in_progress",
    DeploymentState.LIVE: "success",
    DeploymentState.ASLEEP: "success",
    DeploymentState.CRASHED: "failure",
    DeploymentState.FAILED: "failure",
    DeploymentState.ROLLED_BACK: "failure",
    DeploymentState.SUPERSEDED: "inactive",
    DeploymentState.STOPPED: "inactive",
    DeploymentState.CANCELLED: "inactive",
}


@frozen
class Told:
    """What the code host was last told of one subject, and whether it is owed more.

    Whoever tells holds `busy_until`; who comes meanwhile sets `again`. `remote_id` is the host's
    own number of the check run, the deployment or the comment.
    """

    org_id: str
    subject_id: str
    updated_at: datetime
    digest: str = ""
    remote_id: int | None = None
    settled: bool = False
    """Whether what was told is how it ends, so that nothing more is looked for."""
    by_status: bool = False
    """The App may not make check runs here: commit statuses instead."""
    annotated: bool = False
    """The host adds annotations to those that are there: they are sent once."""
    refused: str = ""
    busy_until: datetime | None = None
    again: bool = False
    failures: int = 0
    owed_since: datetime | None = None
    next_at: datetime | None = None
    revision: int = 1

    @property
    def expires_at(self) -> datetime:
        """Nobody asks about it any more by then."""
        return self.updated_at + _KEPT

    def following(self, at: datetime, **changes: Any) -> Told:
        """The next revision."""
        return replace(self, updated_at=at, revision=self.revision + 1, **changes)


@frozen
class Note:
    """A remark on a line, for the host's annotations."""

    path: str
    line: int
    level: str
    title: str
    message: str


@frozen
class Saying:
    """How a commit's check stands, in words."""

    status: str
    title: str
    summary: str
    conclusion: str | None = None
    notes: tuple[Note, ...] = ()

    @property
    def digest(self) -> str:
        """Tells whether something else is to be said. How long things took is no news."""
        said = asdict(replace(self, summary=re.sub(r"\| [0-9.]+ s \|", "||", self.summary)))
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def check_name(slug: str, environment: str) -> str:
    """The name of an agent's check: the same for every commit, so that rules can require it."""
    what = "preview" if environment.startswith("pr-") else environment
    return f"{OUR_NAME} / {slug} ({what})"


def pull_subject(agent_id: str, number: int) -> str:
    """The subject of what is told in a pull request's comment."""
    return f"{agent_id}:{number}"


def saying(
    version: Version,
    deployment: Deployment | None,
    way: Sequence[Station],
    lines: Mapping[str, Any],
) -> Saying:
    """What the check of a version's commit says now."""
    status, conclusion, title = _verdict(version, deployment)
    reasons = _reasons(version, deployment) if conclusion not in (None, "success") else ()
    parts = [_table(way)]
    if reasons:
        parts.append(_list(reasons))
    if deployment is not None and deployment.url and conclusion == "success":
        parts.append(f"Live at {deployment.url}")
    notes = _notes(reasons, lines) if conclusion == "failure" else ()
    return Saying(status, title, "\n\n".join(parts), conclusion, notes)


def deployment_state(deployment: Deployment) -> str:
    """A deployment's state in the host's words."""
    return _DEPLOYMENT_STATES[deployment.state]


def deployment_words(deployment: Deployment) -> str:
    """One short line about it."""
    if deployment.reasons and deployment_state(deployment) == "failure":
        return _line(deployment.reasons[0].detail)
    return f"Version {deployment.version_number} is {deployment.state.value.replace('_', ' ')}."


def comment(
    request: PullRequest,
    slug: str,
    page: str,
    version: Version | None,
    deployment: Deployment | None,
) -> str:
    """The comment on a pull request; the same one is changed again and again."""
    head = f"<!-- slipway {request.agent_id} -->\n**Preview of {plain(slug)}**"
    if request.state is PreviewState.WAITING:
        return (
            f"{head}\n\nThis pull request comes from a fork. Its preview is built, without any "
            f"secrets, once a member has looked at commit `{request.head_sha[:7]}` and "
            f"[approved it]({page})."
        )
    if not request.state.is_open:
        idle = request.state is PreviewState.IDLE
        why = "nobody used it for days" if idle else "the pull request is closed"
        last = request.head_sha[:7]
        return f"{head}\n\nThe preview was taken away: {why}. Its last commit was `{last}`."
    if request.state is PreviewState.CLOSING:
        return f"{head}\n\nThe preview is being taken away."
    status, conclusion, title = (
        _verdict(version, deployment) if version else ("queued", None, "Waiting to be built")
    )
    url = deployment.url if deployment is not None else None
    where = url if url and conclusion == "success" else "not yet"
    rows = [
        ("Commit", f"`{request.head_sha[:7]}`"),
        ("State", title),
        ("Address", where if status == "completed" or not url else f"{url} (of an earlier commit)"),
    ]
    if conclusion not in (None, "success") and not url:
        rows[-1] = ("Address", "none")
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)])
    reasons = _reasons(version, deployment) if version and conclusion == "failure" else ()
    listed = f"\n\n{_list(reasons)}" if reasons else ""
    return f"{head}\n\n{table}{listed}\n\n[All of it]({page})"


def comment_is_final(
    request: PullRequest, version: Version | None, deployment: Deployment | None
) -> bool:
    """Whether nothing more is to come of what the comment says, until somebody does something."""
    if request.state is not PreviewState.ACTIVE:
        return request.state is not PreviewState.CLOSING
    return version is not None and _verdict(version, deployment)[0] == "completed"


def plain(text: str) -> str:
    """Somebody's words as plain text: no markup, no line break, nobody's name to notify."""
    return _FOREIGN.sub(r"\\\1", " ".join(text.split())).replace("\\@", "@\u200b")


def _verdict(version: Version, deployment: Deployment | None) -> tuple[str, str | None, str]:
    """The check's status, its conclusion and its title."""
    match version.state:
        case VersionState.FAILED:
            return "completed", "failure", "The build failed"
        case VersionState.REJECTED:
            return "completed", "failure", "The source was rejected"
        case VersionState.CANCELLED:
            return "completed", "cancelled", "The build was cancelled"
        case VersionState.READY:
            return _deployed(version, deployment)
        case VersionState.UPLOADED if version.hold and version.plan:
            return "completed", "action_required", "Somebody has to confirm how it is built"
        case VersionState.BUILDING:
            return "in_progress", None, "Building"
        case _:
            return "queued", None, "Fetching the commit"


def _deployed(version: Version, deployment: Deployment | None) -> tuple[str, str | None, str]:
    if deployment is None:
        if version.owes_deployment:
            return "in_progress", None, "Built; about to be deployed"
        if any(warning.code == HELD_BACK for warning in version.warnings):
            return "completed", "neutral", "Built; somebody must look before it is deployed"
        return "completed", "success", "Built; not deployed by itself"
    if deployment.timings.get(DeploymentState.LIVE.value):
        return "completed", "success", "Live"
    return _VERDICTS[deployment.state]


def _reasons(version: Version, deployment: Deployment | None) -> tuple[Reason, ...]:
    found = version.reasons or (deployment.reasons if deployment is not None else ())
    return tuple(found[:MAX_REASONS])


def _table(way: Sequence[Station]) -> str:
    rows = [f"| {one.name.capitalize()} | {_MARKS[one.state]} | {_took(one)} |" for one in way]
    return "\n".join(["| Station | | |", "| --- | --- | --- |", *rows])


def _took(station: Station) -> str:
    return f"{station.seconds:.1f} s" if station.seconds is not None else ""


def _list(reasons: Sequence[Reason]) -> str:
    return "\n".join(f"- {_place(one)}{plain(one.detail)}" for one in reasons)


def _place(reason: Reason) -> str:
    if not reason.file:
        return ""
    line = f":{reason.line}" if reason.line else ""
    file = " ".join(reason.file.replace("`", "").split())
    return f"`{file}{line}` "


def _notes(reasons: Sequence[Reason], lines: Mapping[str, Any]) -> tuple[Note, ...]:
    """The reasons that have a place in the repository, on its lines."""
    found = []
    for reason in reasons:
        file, line = reason.file, reason.line
        if reason.code in ("test_failed", "smoke_test_failed", "variables_missing"):
            file, line = lines.get("file"), _line_of(reason, lines)
        if file and not file.startswith(("/", "..")):
            title = reason.code.replace("_", " ").capitalize()
            found.append(Note(file, line or 1, "failure", title, _line(reason.detail)))
    return tuple(found)


def _line_of(reason: Reason, lines: Mapping[str, Any]) -> int:
    """Where the manifest says what the reason is about; else where its list of it begins."""
    named: Mapping[str, int] = lines.get("names") or {}
    # The longest name first: one may be the beginning of another.
    for name in sorted(named, key=len, reverse=True):
        if f"“{name}”" in reason.detail or re.search(rf"\b{re.escape(name)}\b", reason.detail):
            return int(named[name])
    return int(lines.get("first") or 1)


def _line(text: str) -> str:
    return " ".join(text.split())
