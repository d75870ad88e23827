"""What the use cases need of the place where sources are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from chalicelib.domain.repositories import (
    Branch,
    Checks,
    Commit,
    Installation,
    Repository,
    RepositoryRef,
)
from chalicelib.values import frozen


class CodeHost(Protocol):
    """Where sources are kept: GitHub. Raises CodeHostUnavailable (try again, in `retry_after`
    seconds) and CodeHostRefused (`repository_gone`, `commit_gone`, `installation_gone`,
    `code_host_refused`), which trying again does not help."""

    @property
    def app(self) -> bool:
        """Whether the operator has an app there; without one only public repositories are read,
        and nothing is written."""
        ...

    def install_address(self, state: str) -> str:
        """Where a person installs the app; the host sends them back with `state`."""
        ...

    def installations_of(self, code: str, *, reading: int | None = None) -> list[Installation]:
        """The installations that whoever came back with this code may use; the one named by
        `reading` with the repositories that this person may read in it."""
        ...

    def installation(self, installation_id: int) -> Installation: ...

    def repositories(self, installation_id: int) -> list[Repository]: ...

    def repository(self, ref: RepositoryRef) -> Repository: ...

    def branches(self, ref: RepositoryRef) -> list[Branch]: ...

    def commit(self, ref: RepositoryRef, name: str) -> Commit:
        """The commit that a branch, a tag or a SHA names now."""
        ...

    def changed_paths(self, ref: RepositoryRef, base: str, head: str) -> tuple[str, ...] | None:
        """What differs between two commits; None when the host cannot say, or not all of it."""
        ...

    def checks(self, ref: RepositoryRef, sha: str, *, besides: str) -> Checks:
        """What all checks and statuses of the commit come to, but for ours (named `besides`)."""
        ...

    def archive(self, ref: RepositoryRef, sha: str, *, max_bytes: int) -> Iterator[bytes]:
        """The commit's files as a gzipped tar, piece by piece. Raises TooLarge."""
        ...

    def put_check(self, ref: RepositoryRef, check: Check) -> int:
        """Makes or (with its `id`) changes a check run; its id."""
        ...

    def put_status(
        self, ref: RepositoryRef, sha: str, *, context: str, state: str, description: str, url: str
    ) -> None:
        """A commit status; `state`: pending, success, failure or error."""
        ...

    def create_deployment(
        self, ref: RepositoryRef, sha: str, *, environment: str, transient: bool
    ) -> int:
        """Announces a deployment; its id at the host."""
        ...

    def put_deployment_status(
        self,
        ref: RepositoryRef,
        deployment_id: int,
        *,
        state: str,
        environment_url: str,
        log_url: str,
        description: str,
    ) -> None:
        """`state`: queued, in_progress, success, failure, error or inactive."""
        ...

    def put_comment(
        self, ref: RepositoryRef, number: int, text: str, *, comment_id: int | None
    ) -> int:
        """Writes a comment on a pull request, or changes the one named; its id."""
        ...


@frozen
class Annotation:
    """A remark on a line of a file. `level`: notice, warning or failure."""

    path: str
    line: int
    level: str
    title: str
    message: str


@frozen
class Check:
    """A check run. `status`: queued, in_progress or completed, then with a `conclusion`."""

    name: str
    sha: str
    status: str
    title: str
    summary: str
    url: str
    external_id: str
    conclusion: str | None = None
    annotations: tuple[Annotation, ...] = ()
    id: int | None = None
