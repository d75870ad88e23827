"""What the stand-in for GitHub keeps: the App's places, and repositories over real git."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.providers.github_git import GitRepository

APP_ID = 4711
APP_SLUG = "slipway-test"
PERMISSIONS = {
    "metadata": "read",
    "contents": "read",
    "checks": "write",
    "statuses": "read",
    "deployments": "write",
    "pull_requests": "write",
}


@dataclass
class Installed:
    """The App at an account."""

    id: int
    account: str
    suspended: bool = False
    removed: bool = False
    permissions: dict[str, str] = field(default_factory=lambda: dict(PERMISSIONS))

    def described(self) -> dict[str, Any]:
        """An installation as GitHub describes it."""
        return {
            "id": self.id,
            "app_id": APP_ID,
            "app_slug": APP_SLUG,
            "account": {"login": self.account, "id": self.id, "type": "Organization"},
            "permissions": self.permissions,
            "target_type": "Organization",
            "repository_selection": "selected",
            "suspended_at": "2026-01-01T00:00:00Z" if self.suspended else None,
        }


@dataclass
class Repo:
    """A repository; `private` ones are seen by the App alone."""

    id: int
    owner: str
    name: str
    git: GitRepository
    installation: Installed | None = None
    private: bool = False
    archived: bool = False
    fork_of: Repo | None = None
    former: list[str] = field(default_factory=list)
    check_runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    deployments: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    gone: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def described(self, url: str, api_url: str) -> dict[str, Any]:
        """A repository as GitHub describes it, at these addresses for people and programs."""
        return {
            "id": self.id,
            "name": self.name,
            "full_name": self.full_name,
            "owner": {"login": self.owner, "id": 1, "type": "User"},
            "private": self.private,
            "archived": self.archived,
            "fork": self.fork_of is not None,
            "default_branch": "main",
            "size": 12,
            "html_url": f"{url}/{self.full_name}",
            "url": f"{api_url}/repos/{self.full_name}",
        }
