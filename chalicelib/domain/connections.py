"""An agent's connection to a repository: what is watched, and how its pushes reach us."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.repositories import RepositoryRef
from chalicelib.errors import FieldError, Invalid
from chalicelib.values import frozen

ARCHIVED = "The repository was archived."
"""The one reason that the repository itself can take back."""
TRIP_LIFETIME = timedelta(minutes=30)
_FULL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_MAX_BRANCH = 200
_MAX_ROOT = 200
# What git itself refuses in a branch's name (git-check-ref-format), control characters included.
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(?:/|$)|(?:^|/)\.|^[-/]|[/.]$")


class How(StrEnum):
    """How a repository's events reach us."""

    APP = "app"
    WEBHOOK = "webhook"


class ConnectionState(StrEnum):
    CONNECTED = "connected"
    SUSPENDED = "suspended"
    GONE = "gone"


class PreviewsOf(StrEnum):
    """Whose pull requests get a preview. Those from forks always wait for a member's word."""

    OFF = "off"
    ON = "on"


@frozen
class Connection:
    """One agent's repository. `sealed` holds the webhook's own secret, where it has one."""

    org_id: str
    agent_id: str
    repository: str
    repository_id: int
    branch: str
    how: How
    created_by: str
    created_at: datetime
    updated_at: datetime
    installation_id: int | None = None
    hook_id: str = ""
    sealed: str = ""
    root: str = ""
    watch: tuple[str, ...] = ()
    auto_deploy: bool = True
    wait_for_checks: bool = False
    previews: PreviewsOf = PreviewsOf.OFF
    private: bool = False
    state: ConnectionState = ConnectionState.CONNECTED
    reason: str = ""
    """Why it is not connected any more."""
    seen_at: datetime | None = None
    """When the repository was last heard of."""
    revision: int = 1

    @property
    def ref(self) -> RepositoryRef:
        """Where the host finds the repository, and with whose permission."""
        return RepositoryRef(self.repository, self.repository_id, self.installation_id)

    def following(self, at: datetime, **changes: Any) -> Connection:
        """The next revision."""
        return replace(self, updated_at=at, revision=self.revision + 1, **changes)


@frozen
class HookClaim:
    """Whose a webhook address is. The id in the address is no secret; what signs the calls is."""

    hook_id: str
    org_id: str
    agent_id: str
    revision: int = 1


@frozen
class Installed:
    """An installation of our app that somebody proved they may use, for their organisation.

    `repositories` are those that the members who proved it may read themselves: no others can be
    connected, whatever the app may read.
    """

    org_id: str
    installation_id: int
    account: str
    added_by: str
    added_at: datetime
    suspended: bool = False
    repositories: frozenset[int] = frozenset()
    revision: int = 1


@frozen
class Trip:
    """Somebody is on the way to install the app; by the hash of its state. Used once."""

    hash: str
    user_id: str
    org_id: str
    expires_at: datetime
    revision: int = 1


def checked_repository(name: str) -> str:
    """`owner/name`, out of that or of the repository's address; raises Invalid."""
    text = name.strip().removeprefix("https://github.com/").removesuffix("/").removesuffix(".git")
    if not _FULL_NAME.fullmatch(text):
        raise Invalid(
            "This is no repository's name.",
            errors=(FieldError("repository", "Write owner/name, as in the repository's address."),),
        )
    return text


def checked_branch(name: str, field: str = "branch") -> str:
    """A branch's name as git allows it; raises Invalid."""
    if not name or len(name) > _MAX_BRANCH or _NO_BRANCH.search(name) or name == "@":
        raise Invalid(
            "This cannot be a branch's name.",
            errors=(
                FieldError(
                    field,
                    "Write it as git shows it, such as main or feature/login: no spaces, control "
                    "characters, .. or any of ~ ^ : ? * [ \\",
                ),
            ),
        )
    return name


def checked_ref(name: str) -> str:
    """A branch, a tag or a commit; raises Invalid."""
    return checked_branch(name, "ref")


def checked_root(root: str) -> str:
    """A folder inside the repository, without slashes around it; raises Invalid."""
    text = root.strip().strip("/").removeprefix("./")
    if text in ("", "."):
        return ""
    parts = text.split("/")
    if (
        len(text) > _MAX_ROOT
        or not text.isprintable()
        or "\\" in text
        or {"", ".", ".."} & {*parts}
    ):
        raise Invalid(
            "This cannot be the agent's folder.",
            errors=(FieldError("root", "Name a folder inside the repository: agents/echo"),),
        )
    return text


def shown(connection: Connection) -> Mapping[str, Any]:
    """What the audit log keeps of it; no secret."""
    return {
        "repository": connection.repository,
        "branch": connection.branch,
        "how": connection.how,
        "root": connection.root,
        "watch": connection.watch,
        "auto_deploy": connection.auto_deploy,
        "wait_for_checks": connection.wait_for_checks,
        "previews": connection.previews,
    }
