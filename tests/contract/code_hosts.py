"""The code hosts that the suite runs against, and what happens there between our calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from chalicelib.adapters.github_api import GitHubApi
from chalicelib.adapters.github_app import AppIdentity, GitHubApp
from chalicelib.adapters.github_host import GitHubHost
from chalicelib.adapters.memory_code_host import MemoryCodeHost, MemoryRepository
from chalicelib.domain.repositories import Checks, RepositoryRef
from chalicelib.ports import CodeHost
from tests.providers import code_host as stand_in
from tests.providers.code_host import CodeHostStandIn, Repo


class Clock:
    """Seconds since 1970, as a test says."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def github_host(
    github: CodeHostStandIn, clock: Clock, *, app: bool = True, transport: Any = None
) -> GitHubHost:
    """The adapter, told of the stand-in as an operator tells it of GitHub."""
    ours = transport or github.ends.enter_context(httpx.HTTPTransport())
    api = GitHubApi(github.api_url, loopback=True, clock=clock, transport=ours)
    identity = AppIdentity(
        stand_in.APP_ID,
        stand_in.APP_SLUG,
        stand_in.CLIENT_ID,
        lambda: stand_in.CLIENT_SECRET,
        lambda: stand_in.PEM,
    )
    us = GitHubApp(api, identity, clock=clock) if app else None
    return GitHubHost(api, url=github.url, app=us, clock=clock)


class Ground(Protocol):
    """A code host with one installation of ours, and what people do there."""

    host: CodeHost
    installation_id: int

    def create(
        self, name: str, files: Mapping[str, str], *, private: bool = False
    ) -> RepositoryRef:
        """A repository with one commit, which our installation may read."""
        ...

    def push(
        self, ref: RepositoryRef, files: Mapping[str, str], message: str, branch: str
    ) -> str: ...

    def tag(self, ref: RepositoryRef, name: str, sha: str) -> None: ...

    def check(self, ref: RepositoryRef, sha: str, outcome: Checks) -> None:
        """What somebody else's only check of a commit comes to."""
        ...

    def comes_back(self, code: str) -> None:
        """A person who may use the installation comes back with this code."""
        ...

    def hide(self, ref: RepositoryRef) -> None:
        """The app may read it, and the people who come back may not."""
        ...

    def pull(self, ref: RepositoryRef) -> int: ...

    def revoke(self) -> None: ...

    def go_down(self) -> None: ...

    def comments(self, ref: RepositoryRef) -> list[str]: ...

    def runs(self, ref: RepositoryRef) -> dict[int, str | None]:
        """The check runs by id, and what each has come to."""
        ...


class MemoryGround:
    def __init__(self) -> None:
        self.memory = MemoryCodeHost()
        self.host: CodeHost = self.memory
        self.installation_id = 7
        self.memory.install(7, "acme")

    def create(
        self, name: str, files: Mapping[str, str], *, private: bool = False
    ) -> RepositoryRef:
        made = self.memory.create(name, private=private, installation_id=7)
        self.memory.push(made, files, "Begin")
        return RepositoryRef(name, made.about.id, 7)

    def _at(self, ref: RepositoryRef) -> MemoryRepository:
        return self.memory.kept[ref.id]

    def push(self, ref: RepositoryRef, files: Mapping[str, str], message: str, branch: str) -> str:
        found = self._at(ref)
        before = found.branches.get(branch) or found.branches["main"]
        tree = {name: body.decode() for name, body in found.trees[before].items()}
        return self.memory.push(found, {**tree, **files}, message, branch=branch).sha

    def tag(self, ref: RepositoryRef, name: str, sha: str) -> None:
        self._at(ref).tags[name] = sha

    def check(self, ref: RepositoryRef, sha: str, outcome: Checks) -> None:
        self._at(ref).checks[sha] = outcome

    def comes_back(self, code: str) -> None:
        self.memory.install(7, "acme", code)

    def hide(self, ref: RepositoryRef) -> None:
        self.memory.unseen.add(ref.id)

    def pull(self, ref: RepositoryRef) -> int:  # noqa: ARG002 - every number will do
        return 1

    def revoke(self) -> None:
        self.memory.revoked.add(7)

    def go_down(self) -> None:
        self.memory.down = 30

    def comments(self, ref: RepositoryRef) -> list[str]:  # noqa: ARG002
        return list(self.memory.comments.values())

    def runs(self, ref: RepositoryRef) -> dict[int, str | None]:  # noqa: ARG002
        return {one.id or 0: one.conclusion for one in self.memory.told}


@dataclass
class GitHubGround:
    github: CodeHostStandIn
    clock: Clock

    def __post_init__(self) -> None:
        self.host: CodeHost = github_host(self.github, self.clock)
        self.installed = self.github.install("acme")
        self.installation_id = self.installed.id

    def create(
        self, name: str, files: Mapping[str, str], *, private: bool = False
    ) -> RepositoryRef:
        made = self.github.repository(name, files, installation=self.installed, private=private)
        return RepositoryRef(name, made.id, self.installation_id)

    def at(self, ref: RepositoryRef) -> Repo:
        return self.github.repos[ref.id]

    def push(self, ref: RepositoryRef, files: Mapping[str, str], message: str, branch: str) -> str:
        git = self.at(ref).git
        parent = git.resolve(f"refs/heads/{branch}") or git.branches()["main"]
        return self.github.push(self.at(ref), files, message, branch=branch, parent=parent)

    def tag(self, ref: RepositoryRef, name: str, sha: str) -> None:
        self.at(ref).git.tag(name, sha)

    def check(self, ref: RepositoryRef, sha: str, outcome: Checks) -> None:
        conclusion = None if outcome is Checks.PENDING else outcome.value
        self.github.check(self.at(ref), sha, "tests", conclusion)

    def comes_back(self, code: str) -> None:
        self.github.people[code] = [self.installation_id]

    def hide(self, ref: RepositoryRef) -> None:
        self.github.unseen.add(ref.id)

    def pull(self, ref: RepositoryRef) -> int:
        return self.github.open_pull(self.at(ref), "main")

    def revoke(self) -> None:
        self.installed.removed = True

    def go_down(self) -> None:
        self.github.down = True

    def comments(self, ref: RepositoryRef) -> list[str]:
        return [one["body"] for one in self.at(ref).comments.values()]

    def runs(self, ref: RepositoryRef) -> dict[int, str | None]:
        return {number: one["conclusion"] for number, one in self.at(ref).check_runs.items()}


@contextmanager
def standing_in(folder: Path, clock: Clock) -> Iterator[CodeHostStandIn]:
    """GitHub's stand-in; what was asked of it otherwise than described fails the test."""
    with CodeHostStandIn(folder, clock).running() as github:
        yield github
        assert github.complaints == []
