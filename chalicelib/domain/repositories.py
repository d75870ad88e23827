"""Repositories at a code host, and what the host says of them. Nothing here calls anybody."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from chalicelib.values import frozen


@frozen
class RepositoryRef:
    """Where a repository is, and with whose permission it is read.

    `id` is the host's number, which survives renames and transfers; 0 before it is known.
    `installation_id` is None for a public repository read without any credential.
    """

    full_name: str
    id: int = 0
    installation_id: int | None = None


@frozen
class Repository:
    """One repository as the host describes it. `size` in bytes, as the host estimates it."""

    id: int
    full_name: str
    default_branch: str
    private: bool
    archived: bool = False
    size: int = 0


@frozen
class Branch:
    name: str
    sha: str


@frozen
class Commit:
    """One commit. `message` is whole, as its author wrote it."""

    sha: str
    message: str
    author: str
    committed_at: datetime | None = None


class Checks(StrEnum):
    """What other checks of a commit have come to."""

    NONE = "none"
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


@frozen
class Installation:
    """Our app at one account of the host. `account` is its login.

    `repositories` are the ids of those that the person who was asked about may read in it: the
    app itself may read more.
    """

    id: int
    account: str
    suspended: bool = False
    repositories: frozenset[int] = frozenset()
