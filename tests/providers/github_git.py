"""Real git repositories: made, committed to, archived and compared by git itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ZEROS = "0" * 40
_AUTHOR = "Ada Lovelace <ada@example.org>"
_ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
}


@dataclass(frozen=True)
class Link:
    """A symbolic link as content."""

    target: str


@dataclass(frozen=True)
class Submodule:
    """Another repository's commit as content."""

    sha: str = "1" * 40


Content = str | bytes | Link | Submodule | None
"""What stands at a path; None takes it away."""


@dataclass(frozen=True)
class GitRepository:
    """A bare repository in a folder."""

    path: Path

    @classmethod
    def made(cls, path: Path) -> GitRepository:
        path.mkdir(parents=True)
        made = cls(path)
        made.git("init", "--quiet", "--bare", "--initial-branch=main", ".")
        return made

    def git(self, *arguments: str, given: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=_ENV,
            input=given,
            capture_output=True,
            check=True,
        ).stdout

    def commit(
        self,
        branch: str,
        files: Mapping[str, Content],
        message: str,
        *,
        parent: str | None = None,
        at: int = 1_790_000_000,
    ) -> str:
        """A commit on a branch; on what it is now, or on a `parent`, which rewrites it. An empty
        parent begins anew."""
        before = self.resolve(f"refs/heads/{branch}") if parent is None else parent or None
        said = message.encode()
        stream = bytearray()
        stream += f"commit refs/heads/{branch}\n".encode()
        stream += f"author {_AUTHOR} {at} +0000\ncommitter {_AUTHOR} {at} +0000\n".encode()
        stream += b"data %d\n%s\n" % (len(said), said)
        if before:
            stream += f"from {before}\n".encode()
        for path, content in files.items():
            stream += _change(path, content)
        if before != self.resolve(f"refs/heads/{branch}") and before is None:
            self.git("update-ref", "-d", f"refs/heads/{branch}")
        self.git("fast-import", "--quiet", "--force", given=bytes(stream))
        found = self.resolve(f"refs/heads/{branch}")
        assert found
        return found

    def resolve(self, name: str) -> str | None:
        """The commit that a name stands for."""
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"],
            cwd=self.path,
            env=_ENV,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or None

    def branches(self) -> dict[str, str]:
        listed = self.git(
            "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"
        )
        return dict(line.rsplit(" ", 1) for line in listed.decode().splitlines())

    def delete(self, branch: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def tag(self, name: str, sha: str) -> None:
        self.git("update-ref", f"refs/tags/{name}", sha)

    def fetch(self, other: GitRepository, theirs: str, ours: str) -> None:
        """Takes another repository's branch over, as a pull request does."""
        self.git("fetch", "--quiet", str(other.path), f"+{theirs}:{ours}")

    def archive(self, sha: str, prefix: str) -> bytes:
        return self.git("archive", "--format=tar.gz", f"--prefix={prefix}/", sha)

    def message(self, sha: str) -> str:
        return self.git("show", "--no-patch", "--format=%B", sha).decode().rstrip("\n")

    def date(self, sha: str) -> str:
        return self.git("show", "--no-patch", "--format=%cI", sha).decode().strip()

    def status(self, base: str, head: str) -> str:
        """How two commits stand to each other, in GitHub's words."""
        if base == head:
            return "identical"
        common = self.git("merge-base", base, head).decode().strip()
        return {base: "ahead", head: "behind"}.get(common, "diverged")

    def changes(self, base: str, head: str) -> list[dict[str, str]]:
        """The files that differ since the two parted, with what became of each."""
        common = self.git("merge-base", base, head).decode().strip()
        return self.difference(common, head)

    def difference(self, base: str, head: str) -> list[dict[str, str]]:
        """The files that differ between two commits, or of one and nothing."""
        if base == ZEROS:
            base = self.git("hash-object", "-t", "tree", "--stdin").decode().strip()
        said = self.git("diff", "--name-status", "-M", "-z", base, head).decode().split("\0")
        found = []
        while len(said) > 1:
            letter = said.pop(0)[0]
            former = said.pop(0) if letter == "R" else ""
            word = {"A": "added", "D": "removed", "R": "renamed"}.get(letter, "modified")
            one = {"filename": said.pop(0), "status": word}
            found.append({**one, "previous_filename": former} if former else one)
        return found

    def since(self, before: str, after: str) -> list[str]:
        """The commits that a push brought, oldest first."""
        span = after if before == ZEROS else f"{before}..{after}"
        return self.git("rev-list", "--reverse", "--max-count=20", span).decode().split()


def _change(path: str, content: Content) -> bytes:
    if content is None:
        return f'D "{path}"\n'.encode()
    if isinstance(content, Submodule):
        return f'M 160000 {content.sha} "{path}"\n'.encode()
    mode = "120000" if isinstance(content, Link) else "100644"
    text = content.target if isinstance(content, Link) else content
    body = text.encode() if isinstance(text, str) else text
    return f'M {mode} inline "{path}"\n'.encode() + b"data %d\n%s\n" % (len(body), body)
