"""What the stand-in for GitHub tells others: payloads as documented, signed, over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.providers import github_facts as facts
from tests.providers.code_host_things import Installed, Repo
from tests.providers.github_git import ZEROS, Content

FORM = "application/x-www-form-urlencoded"
_ADA = {"login": "ada", "id": 7, "type": "User"}


@dataclass(frozen=True)
class Hook:
    """Where events go: the App's own, of all its repositories, or one repository's."""

    url: str
    secret: str
    repository_id: int | None = None
    form: bool = False
    """Sends its payload as a form's field, which is what a webhook does that was set up by hand
    and not told otherwise."""


@dataclass
class Delivery:
    """One event on its way to one place, and how it was answered; 0 while it was not."""

    id: str
    event: str
    hook: Hook
    body: bytes
    status: int = 0

    def headers(self) -> dict[str, str]:
        secret = self.hook.secret.encode()
        own = self.hook.repository_id is not None
        signed = {
            name: hmac.new(secret, self.body, getattr(hashlib, name)).hexdigest()
            for name in ("sha1", "sha256")
        }
        return {
            "User-Agent": "GitHub-Hookshot/0a1b2c3",
            "Content-Type": FORM if self.hook.form else "application/json",
            "X-GitHub-Hook-ID": "42",
            "X-GitHub-Event": self.event,
            "X-GitHub-Delivery": self.id,
            "X-GitHub-Hook-Installation-Target-Type": "repository" if own else "integration",
            "X-GitHub-Hook-Installation-Target-ID": str(self.hook.repository_id or 4711),
            "X-Hub-Signature": f"sha1={signed['sha1']}",
            "X-Hub-Signature-256": f"sha256={signed['sha256']}",
        }


@dataclass
class Hooks:
    """The part of the stand-in that tells; `silent` keeps what it would send."""

    url: str = ""
    api_url: str = ""
    repos: dict[int, Repo] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1001, 10_000_000)))
    hooks: list[Hook] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    silent: bool = False
    mouth: httpx.Client = field(
        default_factory=lambda: httpx.Client(
            timeout=120, trust_env=False, limits=httpx.Limits(max_connections=100)
        )
    )

    def push(
        self,
        repo: Repo,
        files: Mapping[str, Content],
        message: str = "Change",
        *,
        branch: str = "main",
        parent: str | None = None,
    ) -> str:
        """Commits and pushes; a pull request of that branch is told of it too. The new head."""
        before = repo.git.resolve(f"refs/heads/{branch}") or ZEROS
        after = repo.git.commit(branch, files, message, parent=parent)
        if before == ZEROS:
            self.deliver(repo, "create", self._ref(branch, "branch"))
        self.deliver(repo, "push", self.pushed(repo, f"refs/heads/{branch}", before, after))
        for base in self.repos.values():
            for pull in list(base.pulls.values()):
                if pull["head"] == (repo.id, branch) and pull["state"] == "open":
                    self._take_over(base, pull)
                    said = {"before": before, "after": after}
                    self._pull_event(base, pull, "synchronize", **said)
        return after

    def push_tag(self, repo: Repo, tag: str, sha: str) -> None:
        repo.git.tag(tag, sha)
        self.deliver(repo, "create", self._ref(tag, "tag"))
        self.deliver(repo, "push", self.pushed(repo, f"refs/tags/{tag}", ZEROS, sha))

    def delete_branch(self, repo: Repo, branch: str) -> None:
        before = repo.git.branches()[branch]
        repo.git.delete(branch)
        said = {k: v for k, v in self._ref(branch, "branch").items() if k != "master_branch"}
        said.pop("description")
        self.deliver(repo, "delete", said)
        self.deliver(repo, "push", self.pushed(repo, f"refs/heads/{branch}", before, ZEROS))

    def open_pull(self, repo: Repo, branch: str, *, source: Repo | None = None) -> int:
        """A pull request from a branch, of this repository or of a fork; its number."""
        source = source or repo
        number = len(repo.pulls) + 1
        pull = {"number": number, "head": (source.id, branch), "state": "open", "merged": False}
        repo.pulls[number] = pull
        self._take_over(repo, pull)
        self._pull_event(repo, pull, "opened")
        return number

    def close_pull(self, repo: Repo, number: int, *, merged: bool = False) -> None:
        pull = repo.pulls[number]
        pull |= {"state": "closed", "merged": merged}
        self._pull_event(repo, pull, "closed")

    def check(
        self,
        repo: Repo,
        sha: str,
        name: str,
        conclusion: str | None = None,
        *,
        app_id: int = 15368,
    ) -> None:
        """A check run of somebody else's; with a conclusion its suite is told to be over."""
        number = next(self.numbers)
        run = {
            "id": number,
            "name": name,
            "head_sha": sha,
            "status": "completed" if conclusion else "in_progress",
            "conclusion": conclusion,
            "app": {"id": app_id, "slug": "ci", "name": "CI"},
            "output": {"title": None, "summary": None, "annotations": []},
        }
        same = [k for k, v in repo.check_runs.items() if (v["name"], v["head_sha"]) == (name, sha)]
        for former in same:
            del repo.check_runs[former]
        repo.check_runs[number] = run
        if conclusion:
            suite = {
                "id": next(self.numbers),
                "head_sha": sha,
                "head_branch": "main",
                "status": "completed",
                "conclusion": conclusion,
                "app": {"id": app_id, "slug": "ci", "name": "CI"},
                "head_commit": {"id": sha, "message": repo.git.message(sha)},
            }
            self.deliver(repo, "check_suite", {"action": "completed", "check_suite": suite})

    def installed(self, installation: Installed, action: str) -> None:
        """Tells what became of an installation: created, deleted, suspend or unsuspend."""
        said: dict[str, Any] = {"action": action, "installation": installation.described()}
        if action in ("created", "deleted"):
            said["repositories"] = [
                {"id": one.id, "name": one.name, "full_name": one.full_name, "private": one.private}
                for one in self.repos.values()
                if one.installation is installation
            ]
        body = facts.payload("installation", {**said, "sender": _ADA})
        self._tell("installation", body, [one for one in self.hooks if one.repository_id is None])

    def described(self, repo: Repo) -> dict[str, Any]:
        """A repository as GitHub describes it, at our addresses."""
        return repo.described(self.url, self.api_url)

    # --- payloads -------------------------------------------------------------------------

    def pushed(self, repo: Repo, ref: str, before: str, after: str) -> dict[str, Any]:
        """What a push says. A force push is one whose new head does not follow the old one."""
        known = before != ZEROS and repo.git.resolve(before)
        forced = bool(known and after != ZEROS and repo.git.status(before, after) != "ahead")
        shas = [] if after == ZEROS else repo.git.since(before if known else ZEROS, after)
        commits = [self._said(repo, sha) for sha in shas]
        return {
            "ref": ref,
            "before": before,
            "after": after,
            "created": before == ZEROS,
            "deleted": after == ZEROS,
            "forced": forced,
            "base_ref": None,
            "compare": f"{self.url}/{repo.full_name}/compare/{before[:12]}...{after[:12]}",
            "commits": commits,
            "head_commit": self._said(repo, after) if after != ZEROS else None,
            "pusher": {"name": "ada", "email": "ada@example.org"},
        }

    def _said(self, repo: Repo, sha: str) -> dict[str, Any]:
        parent = repo.git.resolve(f"{sha}~1") or ZEROS
        changed = repo.git.difference(parent, sha)
        person = {"name": "Ada Lovelace", "email": "ada@example.org", "username": "ada"}
        return {
            "id": sha,
            "message": repo.git.message(sha),
            "timestamp": repo.git.date(sha),
            "author": person,
            "committer": person,
            "added": [one["filename"] for one in changed if one["status"] in ("added", "renamed")],
            "modified": [one["filename"] for one in changed if one["status"] == "modified"],
            "removed": [
                one.get("previous_filename") or one["filename"]
                for one in changed
                if one["status"] in ("removed", "renamed")
            ],
        }

    @staticmethod
    def _ref(name: str, kind: str) -> dict[str, Any]:
        return {
            "ref": name,
            "ref_type": kind,
            "master_branch": "main",
            "description": None,
            "pusher_type": "user",
        }

    def _take_over(self, repo: Repo, pull: Mapping[str, Any]) -> None:
        source, branch = pull["head"]
        theirs = self.repos[source].git
        repo.git.fetch(theirs, f"refs/heads/{branch}", f"refs/pull/{pull['number']}/head")

    def _pull_event(self, repo: Repo, pull: Mapping[str, Any], action: str, **more: Any) -> None:
        source, branch = self.repos[pull["head"][0]], pull["head"][1]
        number = pull["number"]

        def side(of: Repo, ref: str, sha: str | None) -> dict[str, Any]:
            return {
                "label": f"{of.owner}:{ref}",
                "ref": ref,
                "sha": sha,
                "repo": self.described(of),
                "user": {"login": of.owner, "id": 1},
            }

        said = {
            "id": number + 900_000,
            "number": number,
            "state": pull["state"],
            "title": f"Change {number}",
            "body": None,
            "draft": False,
            "merged": pull["merged"],
            "html_url": f"{self.url}/{repo.full_name}/pull/{number}",
            "user": {"login": source.owner, "id": 1},
            "head": side(source, branch, repo.git.resolve(f"refs/pull/{number}/head")),
            "base": side(repo, "main", repo.git.resolve("refs/heads/main")),
            "merge_commit_sha": None,
        }
        self.deliver(
            repo,
            "pull_request",
            {"action": action, "number": number, "pull_request": said, **more},
        )

    # --- sending --------------------------------------------------------------------------

    def deliver(self, repo: Repo, event: str, said: dict[str, Any]) -> None:
        """Tells all whom it concerns; each delivery has an id of its own."""
        whole = {**said, "repository": self.described(repo), "sender": _ADA}
        ours = [one for one in self.hooks if one.repository_id == repo.id]
        if ours:
            self._tell(event, facts.payload(event, whole), ours)
        app = [one for one in self.hooks if one.repository_id is None]
        if app and repo.installation is not None and not repo.installation.suspended:
            whole["installation"] = {"id": repo.installation.id, "node_id": ""}
            self._tell(event, facts.payload(event, whole), app)

    def ping(self) -> None:
        """What GitHub says first of all to a new address."""
        for hook in self.hooks:
            self._tell(
                "ping", facts.payload("ping", {"zen": "Keep it simple.", "hook_id": 42}), [hook]
            )

    def _tell(self, event: str, body: Mapping[str, Any], hooks: list[Hook]) -> None:
        raw = json.dumps(body).encode()
        for hook in hooks:
            sent = urlencode({"payload": raw}).encode() if hook.form else raw
            made = Delivery(str(uuid.uuid4()), event, hook, sent)
            self.deliveries.append(made)
            if not self.silent:
                self.send(made)

    def send(self, delivery: Delivery) -> int:
        """Sends it, or sends it again; how it was answered."""
        answer = self.mouth.post(
            delivery.hook.url, content=delivery.body, headers=delivery.headers()
        )
        delivery.status = answer.status_code
        return delivery.status
