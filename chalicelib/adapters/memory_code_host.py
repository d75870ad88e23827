"""A code host in memory: repositories made of commits, branches that are pushed to, and faults."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from chalicelib.domain.repositories import (
    Branch,
    Checks,
    Commit,
    Installation,
    Repository,
    RepositoryRef,
)
from chalicelib.errors import CodeHostRefused, CodeHostUnavailable, TooLarge
from chalicelib.ports import Check

_PIECE = 1 << 16


@dataclass
class MemoryRepository:
    """One repository. `commits` by SHA; `branches` and `tags` name commits."""

    about: Repository
    commits: dict[str, Commit] = field(default_factory=dict)
    trees: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    checks: dict[str, Checks] = field(default_factory=dict)
    installation_id: int | None = None


class MemoryCodeHost:
    """Every answer comes from what tests have pushed; `down` makes it not answer at all."""

    def __init__(self, *, app: bool = True) -> None:
        self.app = app
        self.down: int | None = None
        """None: it answers; otherwise the seconds it says to wait."""
        self.revoked: set[int] = set()
        self.accounts: dict[int, Installation] = {}
        self.people: dict[str, list[int]] = {}
        """The installations that whoever comes back with a code may use."""
        self.unseen: set[int] = set()
        """Repositories that the app may read and these people may not."""
        self.kept: dict[int, MemoryRepository] = {}
        self.meanwhile: list[Callable[[], object]] = []
        """What happens elsewhere, once, while it is on its way to answer which commit is newest."""
        self.calls: list[str] = []
        self.told: list[Check] = []
        self.statuses: list[tuple[str, str, str]] = []
        self.deployments: list[tuple[str, str]] = []
        self.deployment_states: list[tuple[int, str]] = []
        self.comments: dict[int, str] = {}

    # --- what tests do there ------------------------------------------------------------------

    def create(
        self,
        full_name: str,
        *,
        private: bool = False,
        installation_id: int | None = None,
        branch: str = "main",
    ) -> MemoryRepository:
        """A new, empty repository."""
        number = 1000 + len(self.kept)
        made = MemoryRepository(
            Repository(number, full_name, branch, private), installation_id=installation_id
        )
        self.kept[number] = made
        return made

    def install(self, installation_id: int, account: str, *codes: str) -> None:
        """Our app at an account; who comes back with one of the codes may use it."""
        self.accounts[installation_id] = Installation(installation_id, account)
        for code in codes:
            self.people.setdefault(code, []).append(installation_id)

    @staticmethod
    def push(
        repository: MemoryRepository,
        files: Mapping[str, str | bytes],
        message: str = "A change",
        *,
        branch: str = "main",
        author: str = "Ada",
    ) -> Commit:
        """A commit of exactly these files, which the branch names from now on."""
        tree = {name: c.encode() if isinstance(c, str) else c for name, c in files.items()}
        content = repr((sorted(tree.items()), message, len(repository.commits)))
        sha = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
        made = Commit(sha, message, author, datetime(2026, 1, 1, tzinfo=UTC))
        repository.commits[sha] = made
        repository.trees[sha] = tree
        repository.branches[branch] = sha
        return made

    # --- the port -----------------------------------------------------------------------------

    def install_address(self, state: str) -> str:
        return f"https://github.test/apps/slipway/installations/new?state={state}"

    def installations_of(self, code: str, *, reading: int | None = None) -> list[Installation]:
        self._asked("installations_of")
        if code not in self.people:
            raise CodeHostRefused("This code is not valid.", code="code_refused")
        usable = [self.accounts[one] for one in self.people.pop(code)]
        theirs = frozenset(
            number
            for number, kept in self.kept.items()
            if kept.installation_id == reading and number not in self.unseen
        )
        return [replace(one, repositories=theirs) if one.id == reading else one for one in usable]

    def installation(self, installation_id: int) -> Installation:
        self._asked("installation")
        self._permitted(installation_id)
        return self.accounts[installation_id]

    def repositories(self, installation_id: int) -> list[Repository]:
        self._asked("repositories")
        self._permitted(installation_id)
        return [r.about for r in self.kept.values() if r.installation_id == installation_id]

    def repository(self, ref: RepositoryRef) -> Repository:
        self._asked("repository")
        return self._find(ref).about

    def branches(self, ref: RepositoryRef) -> list[Branch]:
        self._asked("branches")
        return [Branch(name, sha) for name, sha in sorted(self._find(ref).branches.items())]

    def commit(self, ref: RepositoryRef, name: str) -> Commit:
        self._asked("commit")
        found = self._find(ref)
        sha = found.branches.get(name) or found.tags.get(name) or name
        if sha not in found.commits:
            raise CodeHostRefused(f"There is no commit {name} there.", code="commit_gone")
        while self.meanwhile:
            self.meanwhile.pop()()
        return found.commits[sha]

    def changed_paths(self, ref: RepositoryRef, base: str, head: str) -> tuple[str, ...] | None:
        self._asked("changed_paths")
        trees = self._find(ref).trees
        if base not in trees or head not in trees:
            return None
        before, after = trees[base], trees[head]
        names = sorted({*before, *after})
        return tuple(name for name in names if before.get(name) != after.get(name))

    def checks(self, ref: RepositoryRef, sha: str, *, besides: str) -> Checks:  # noqa: ARG002
        self._asked("checks")
        return self._find(ref).checks.get(sha, Checks.NONE)

    def archive(self, ref: RepositoryRef, sha: str, *, max_bytes: int) -> Iterator[bytes]:
        self._asked("archive")
        found = self._find(ref)
        if sha not in found.trees:
            raise CodeHostRefused(f"There is no commit {sha} there.", code="commit_gone")
        top = f"{found.about.full_name.replace('/', '-')}-{sha[:7]}"
        body = _packed(top, sha, found.trees[sha])
        for start in range(0, len(body), _PIECE):
            if start + _PIECE > max_bytes and len(body) > max_bytes:
                raise TooLarge("The commit's archive is too large.")
            yield body[start : start + _PIECE]

    def put_check(self, ref: RepositoryRef, check: Check) -> int:
        self._asked("put_check")
        self._find(ref)
        number = check.id or len(self.told) + 1
        self.told.append(replace(check, id=number))
        return number

    def put_status(
        self,
        ref: RepositoryRef,
        sha: str,
        *,
        context: str,
        state: str,
        description: str,  # noqa: ARG002 - the port's shape
        url: str,  # noqa: ARG002
    ) -> None:
        self._asked("put_status")
        self._find(ref)
        self.statuses.append((sha, context, state))

    def create_deployment(
        self,
        ref: RepositoryRef,
        sha: str,
        *,
        environment: str,
        transient: bool,  # noqa: ARG002
    ) -> int:
        self._asked("create_deployment")
        self._find(ref)
        self.deployments.append((sha, environment))
        return len(self.deployments)

    def put_deployment_status(
        self,
        ref: RepositoryRef,
        deployment_id: int,
        *,
        state: str,
        environment_url: str,  # noqa: ARG002
        log_url: str,  # noqa: ARG002
        description: str,  # noqa: ARG002
    ) -> None:
        self._asked("put_deployment_status")
        self._find(ref)
        self.deployment_states.append((deployment_id, state))

    def put_comment(
        self,
        ref: RepositoryRef,
        number: int,  # noqa: ARG002
        text: str,
        *,
        comment_id: int | None,
    ) -> int:
        self._asked("put_comment")
        self._find(ref)
        named = comment_id or len(self.comments) + 1
        self.comments[named] = text
        return named

    # --- how ----------------------------------------------------------------------------------

    def _asked(self, call: str) -> None:
        self.calls.append(call)
        if self.down is not None:
            raise CodeHostUnavailable("The code host does not answer.", retry_after=self.down)

    def _permitted(self, installation_id: int) -> None:
        if installation_id in self.revoked or installation_id not in self.accounts:
            raise CodeHostRefused("This installation was removed.", code="installation_gone")

    def _find(self, ref: RepositoryRef) -> MemoryRepository:
        if ref.installation_id is not None:
            self._permitted(ref.installation_id)
        named = [r for r in self.kept.values() if r.about.full_name == ref.full_name]
        found = self.kept.get(ref.id) if ref.id else next(iter(named), None)
        seen = found is not None and (
            not found.about.private
            or (ref.installation_id is not None and found.installation_id == ref.installation_id)
        )
        if found is None or not seen:
            raise CodeHostRefused(
                f"There is no repository {ref.full_name} that we may read.", code="repository_gone"
            )
        return found


def _packed(top: str, sha: str, tree: Mapping[str, bytes]) -> bytes:
    """A gzipped tar as git makes it: everything in one folder, the commit in a global header."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": sha}
    ) as archive:
        for name, content in sorted(tree.items()):
            entry = tarfile.TarInfo(f"{top}/{name}")
            if content.startswith(b"link:"):
                entry.type, entry.linkname = tarfile.SYMTYPE, content[5:].decode()
                archive.addfile(entry)
                continue
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)
