"""GitHubHost: where sources are kept, spoken with through GitHub's REST API."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from chalicelib.adapters.github_api import (
    ANYBODY,
    Credential,
    GitHubApi,
    Gone,
    TooLong,
    Unauthorized,
    Unprocessable,
    legible,
)
from chalicelib.adapters.github_app import GitHubApp, installation_gone, not_our_app
from chalicelib.domain.repositories import (
    Branch,
    Checks,
    Commit,
    Installation,
    Repository,
    RepositoryRef,
)
from chalicelib.errors import CodeHostRefused, CodeHostUnavailable
from chalicelib.ports import Annotation, Check

MAX_FILES = 300
"""As many changed files as GitHub lists of a comparison; where there are so many, there may be
more."""
_MAX_ANNOTATIONS = 50
_MAX_SUMMARY = 65_000
_MAX_DESCRIPTION = 140
_NAME_SECONDS = 60
_FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# What git allows in no name of a branch or tag; everything else is sent, encoded.
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|^[./-]|\.lock(/|$)|[./]$")
_FINE = frozenset({"success", "neutral", "skipped"})


class GitHubHost:
    """`url` is where people go; `app` is None where the operator has none."""

    def __init__(
        self,
        api: GitHubApi,
        *,
        url: str,
        app: GitHubApp | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._url = url.rstrip("/")
        self._app = app
        self._clock = clock
        self._names: dict[tuple[str, int], tuple[str, float]] = {}
        web = urlsplit(self._url).netloc
        self._archive_hosts = frozenset({web, f"codeload.{web}"})

    @property
    def app(self) -> bool:
        return self._app is not None

    # --- the app --------------------------------------------------------------------------

    def install_address(self, state: str) -> str:
        slug = quote(self._our_app().identity.slug, safe="")
        return f"{self._url}/apps/{slug}/installations/new?{urlencode({'state': state})}"

    def installations_of(self, code: str, *, reading: int | None = None) -> list[Installation]:
        identity = self._our_app().identity
        answer = self._api.form(
            f"{self._url}/login/oauth/access_token",
            {
                "client_id": identity.client_id,
                "client_secret": identity.client_secret(),
                "code": code,
            },
        )
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise CodeHostRefused(
                "GitHub did not say who came back; the code may have been used already. Begin "
                "again."
            )
        # Never kept: it is theirs, and asked for this once.
        person = Credential("person", lambda: token)
        found: list[Installation] = []
        for page in self._api.pages("/user/installations", person):
            with legible():
                found += [_installation(one) for one in page["installations"]]
        return [
            replace(one, repositories=self._readable(one.id, person)) if one.id == reading else one
            for one in found
        ]

    def _readable(self, installation_id: int, person: Credential) -> frozenset[int]:
        """What the person may read in an installation. Whoever may read one of its repositories
        is told of the installation, and need not know of the others."""
        found: set[int] = set()
        for page in self._api.pages(f"/user/installations/{installation_id}/repositories", person):
            with legible():
                found |= {int(one["id"]) for one in page["repositories"]}
        return frozenset(found)

    def installation(self, installation_id: int) -> Installation:
        try:
            reply = self._api.call(
                "GET", f"/app/installations/{int(installation_id)}", self._our_app().itself
            )
        except Gone as error:
            raise installation_gone() from error
        except Unauthorized as error:
            raise not_our_app() from error
        with legible():
            return _installation(reply.document)

    def repositories(self, installation_id: int) -> list[Repository]:
        asking = self._our_app().of_installation(installation_id)
        found: list[Repository] = []
        for page in self._api.pages("/installation/repositories", asking):
            with legible():
                found += [_repository(one) for one in page["repositories"]]
        return found

    # --- reading --------------------------------------------------------------------------

    def repository(self, ref: RepositoryRef) -> Repository:
        # By number where it is known: a name may have become somebody else's.
        path = f"/repositories/{int(ref.id)}" if ref.id else f"/repos/{_name(ref.full_name)}"
        reply = self._api.call("GET", path, self._credential(ref))
        with legible():
            found = _repository(reply.document)
        if found.private and ref.installation_id is None:
            raise CodeHostRefused(
                "The repository is private: connect it through the GitHub App.",
                code="repository_gone",
            )
        return found

    def branches(self, ref: RepositoryRef) -> list[Branch]:
        found: list[Branch] = []
        for page in self._api.pages(f"{self._at(ref)}/branches", self._credential(ref)):
            with legible():
                found += [Branch(one["name"], one["commit"]["sha"]) for one in page]
        return found

    def commit(self, ref: RepositoryRef, name: str) -> Commit:
        for meant in _meant(name):
            try:
                reply = self._api.call(
                    "GET",
                    f"{self._at(ref)}/commits/{quote(meant, safe='')}",
                    self._credential(ref),
                    query={"per_page": 1},
                )
            except CodeHostRefused as error:
                # 422 where the name is not one of a commit, 404 and 409 where there is none.
                if not _names_nothing(error):
                    raise
                missed = error
                continue
            with legible():
                return _commit(reply.document)
        self.repository(ref)
        raise _commit_gone() from missed

    def changed_paths(self, ref: RepositoryRef, base: str, head: str) -> tuple[str, ...] | None:
        if not (_SHA.fullmatch(base) and _SHA.fullmatch(head)) or not base.strip("0"):
            return None
        try:
            found = self._api.call(
                "GET",
                f"{self._at(ref)}/compare/{base}...{head}",
                self._credential(ref),
                # The files stand on the first page, whatever it holds of the commits.
                query={"per_page": 1, "page": 1},
            ).document
        except TooLong:
            return None
        except CodeHostRefused as error:
            if not _names_nothing(error):
                raise
            self.repository(ref)
            return None
        # GitHub compares with where the two parted, which is not what changed if the base is not
        # an ancestor: after a force push, or a step back.
        with legible():
            files = found.get("files") or []
            if found.get("status") not in ("ahead", "identical") or len(files) >= MAX_FILES:
                return None
            paths = {one["filename"] for one in files}
            paths |= {one["previous_filename"] for one in files if one.get("previous_filename")}
            return tuple(sorted(paths))

    def checks(self, ref: RepositoryRef, sha: str, *, besides: str) -> Checks:
        asking, at = self._credential(ref), f"{self._at(ref)}/commits/{_sha(sha)}"
        try:
            states = {
                state
                for page in self._api.pages(f"{at}/check-runs", asking, query={"filter": "latest"})
                for state in self._run_states(page, besides)
            }
            for page in self._api.pages(f"{at}/status", asking):
                with legible():
                    others = [one for one in page["statuses"] if not _ours(one["context"], besides)]
                    states |= {_STATUS.get(one["state"], Checks.FAILURE) for one in others}
        except CodeHostRefused as error:
            if not _names_nothing(error):
                raise
            self.repository(ref)
            raise _commit_gone() from error
        for worst in (Checks.FAILURE, Checks.PENDING, Checks.SUCCESS):
            if worst in states:
                return worst
        return Checks.NONE

    def archive(self, ref: RepositoryRef, sha: str, *, max_bytes: int) -> Iterator[bytes]:
        path = f"{self._at(ref)}/tarball/{_sha(sha)}"
        try:
            yield from self._api.archive(
                path, self._credential(ref), hosts=self._archive_hosts, max_bytes=max_bytes
            )
        except Gone as error:
            self.repository(ref)
            raise _commit_gone() from error

    # --- reporting ------------------------------------------------------------------------

    def put_check(self, ref: RepositoryRef, check: Check) -> int:
        body: dict[str, Any] = {
            "name": check.name,
            "status": check.status,
            "details_url": check.url,
            "external_id": check.external_id,
            **({"conclusion": check.conclusion} if check.conclusion else {}),
        }
        notes = [_annotation(one) for one in check.annotations]
        parts = [notes[i : i + _MAX_ANNOTATIONS] for i in range(0, len(notes), _MAX_ANNOTATIONS)]
        number = check.id
        for part in parts or [[]]:
            body["output"] = {
                "title": check.title[:255],
                "summary": check.summary[:_MAX_SUMMARY],
                **({"annotations": part} if part else {}),
            }
            number = self._put_run(ref, _sha(check.sha), number, body)
        return int(number or 0)

    def put_status(
        self, ref: RepositoryRef, sha: str, *, context: str, state: str, description: str, url: str
    ) -> None:
        body = {
            "state": state,
            "context": context,
            "description": description[:_MAX_DESCRIPTION],
            "target_url": url,
        }
        self._write("POST", ref, f"/statuses/{_sha(sha)}", body)

    def create_deployment(
        self, ref: RepositoryRef, sha: str, *, environment: str, transient: bool
    ) -> int:
        body = {
            "ref": _sha(sha),
            "environment": environment,
            "transient_environment": transient,
            "production_environment": not transient,
            # We say what happens; GitHub is to merge nothing, and to wait for nothing.
            "auto_merge": False,
            "required_contexts": [],
        }
        return int(self._write("POST", ref, "/deployments", body)["id"])

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
        body: dict[str, Any] = {"state": state, "description": description[:_MAX_DESCRIPTION]}
        if environment_url:
            body["environment_url"] = environment_url
        if log_url:
            body["log_url"] = log_url
        self._write("POST", ref, f"/deployments/{int(deployment_id)}/statuses", body)

    def put_comment(
        self, ref: RepositoryRef, number: int, text: str, *, comment_id: int | None
    ) -> int:
        body = {"body": text[:_MAX_SUMMARY]}
        if comment_id is not None:
            try:
                self._write("PATCH", ref, f"/issues/comments/{int(comment_id)}", body)
            except Gone:
                # Somebody has removed it; what it says is said in a new one.
                self.repository(ref)
            else:
                return comment_id
        return int(self._write("POST", ref, f"/issues/{int(number)}/comments", body)["id"])

    # --- how ------------------------------------------------------------------------------

    def _our_app(self) -> GitHubApp:
        if self._app is None:
            raise CodeHostRefused(
                "This Slipway has no GitHub App. Connect a public repository by its address, or "
                "ask the people who run it to set one up with `make github-app`.",
                code="no_app",
            )
        return self._app

    def _credential(self, ref: RepositoryRef) -> Credential:
        if ref.installation_id is None:
            return ANYBODY
        return self._our_app().of_installation(ref.installation_id, ref.id)

    def _at(self, ref: RepositoryRef) -> str:
        """The repository's path by the name it has now."""
        if not ref.id:
            return f"/repos/{_name(ref.full_name)}"
        key = (self._credential(ref).key, ref.id)
        kept = self._names.get(key)
        if kept is None or kept[1] <= self._clock():
            if len(self._names) >= 1000:
                self._names.clear()
            kept = (self.repository(ref).full_name, self._clock() + _NAME_SECONDS)
            self._names[key] = kept
        return f"/repos/{_name(kept[0])}"

    def _run_states(self, page: Mapping[str, Any], besides: str) -> set[Checks]:
        ours = self._app.identity.app_id if self._app else None
        with legible():
            return {
                _run_state(run)
                for run in page["check_runs"]
                if not _ours(run["name"], besides)
                and ((run.get("app") or {}).get("id") or 0) != ours
            }

    def _put_run(
        self, ref: RepositoryRef, sha: str, number: int | None, body: Mapping[str, Any]
    ) -> int:
        if number is not None:
            try:
                found = self._write("PATCH", ref, f"/check-runs/{int(number)}", body)
            except Gone:
                self.repository(ref)
            else:
                return int(found["id"])
        return int(self._write("POST", ref, "/check-runs", {**body, "head_sha": sha})["id"])

    def _write(
        self, method: str, ref: RepositoryRef, path: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        if ref.installation_id is None:
            raise CodeHostRefused(
                "Nothing can be written to a repository that is read without the GitHub App.",
                code="no_app",
            )
        document = self._api.call(
            method, f"{self._at(ref)}{path}", self._credential(ref), body=body
        ).document
        if not isinstance(document, dict) or not isinstance(document.get("id"), int):
            raise CodeHostUnavailable(
                "GitHub's answer does not say what it has made.", retry_after=60
            )
        return document


_STATUS = {"success": Checks.SUCCESS, "pending": Checks.PENDING}


def _ours(name: str, besides: str) -> bool:
    return name == besides or name.startswith(f"{besides} / ")


def _run_state(run: Mapping[str, Any]) -> Checks:
    if run["status"] != "completed":
        return Checks.PENDING
    return Checks.SUCCESS if run["conclusion"] in _FINE else Checks.FAILURE


def _name(full_name: str) -> str:
    if not _FULL_NAME.fullmatch(full_name):
        raise CodeHostRefused(
            "A repository is named as owner/name, with letters, digits, dots, hyphens and "
            "underscores.",
            code="repository_gone",
        )
    return full_name


def _sha(sha: str) -> str:
    if not _SHA.fullmatch(sha):
        raise _commit_gone()
    return sha


def _meant(name: str) -> list[str]:
    """What a name may be, in the order it is looked for: a tag never hides a branch."""
    if _SHA.fullmatch(name):
        return [name]
    bare = name.removeprefix("refs/")
    if not name or len(name) > 255 or _NO_REF.search(name) or name == "@":
        raise _commit_gone()
    return [bare] if bare != name else [f"heads/{name}", f"tags/{name}"]


def _names_nothing(error: CodeHostRefused) -> bool:
    return isinstance(error, (Gone, Unprocessable))


def _commit_gone() -> CodeHostRefused:
    return CodeHostRefused(
        "The repository has no such commit, branch or tag any more. Push again, or choose another "
        "branch.",
        code="commit_gone",
    )


def _repository(document: Mapping[str, Any]) -> Repository:
    return Repository(
        id=int(document["id"]),
        full_name=str(document["full_name"]),
        default_branch=str(document.get("default_branch") or "main"),
        private=bool(document["private"]),
        archived=bool(document.get("archived") or document.get("disabled")),
        size=int(document.get("size") or 0) * 1024,
    )


def _installation(document: Mapping[str, Any]) -> Installation:
    account = document.get("account") or {}
    return Installation(
        id=int(document["id"]),
        account=str(account.get("login") or account.get("slug") or ""),
        suspended=document.get("suspended_at") is not None,
    )


def _commit(document: Mapping[str, Any]) -> Commit:
    commit = document["commit"]
    author = document.get("author") or {}
    written = commit.get("author") or {}
    date = (commit.get("committer") or {}).get("date")
    return Commit(
        sha=str(document["sha"]),
        message=str(commit["message"]),
        author=str(author.get("login") or written.get("name") or ""),
        committed_at=datetime.fromisoformat(date) if date else None,
    )


def _annotation(note: Annotation) -> dict[str, Any]:
    line = max(1, note.line)
    return {
        "path": note.path,
        "start_line": line,
        "end_line": line,
        "annotation_level": note.level,
        "title": note.title[:255],
        "message": note.message[:_MAX_SUMMARY],
    }
