"""What the stand-in for GitHub answers to each operation, out of its repositories and notes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from tests.providers.code_host import (
    CLIENT_ID,
    CLIENT_SECRET,
    PEM,
    WEBHOOK_SECRET,
    Answered,
    Asked,
    CodeHostStandIn,
    Refusal,
    Token,
    stamp,
)
from tests.providers.code_host_things import APP_ID, APP_SLUG, Installed, Repo

Named = Mapping[str, str]
Answer = Callable[[CodeHostStandIn, Asked, Named, Any], Answered]
_APP = {"id": APP_ID, "slug": APP_SLUG, "name": "Slipway"}


def _app(_host: CodeHostStandIn, _asked: Asked, _named: Named, _repo: Any) -> Answered:
    return Answered(200, {**_APP, "permissions": {}, "events": []})


def _the(host: CodeHostStandIn, named: Named) -> Installed:
    found = host.installations.get(int(named["installation_id"]))
    if found is None or found.removed:
        raise Refusal(404, "Integration not found")
    return found


def _installation(host: CodeHostStandIn, _asked: Asked, named: Named, _repo: Any) -> Answered:
    return Answered(200, _the(host, named).described())


def _access_token(host: CodeHostStandIn, asked: Asked, named: Named, _repo: Any) -> Answered:
    installed = _the(host, named)
    if installed.suspended:
        raise Refusal(403, "This installation has been suspended")
    wanted = (asked.body or {}).get("repository_ids")
    for number in wanted or ():
        repo = host.repos.get(number)
        if repo is None or repo.gone or repo.installation is not installed:
            raise Refusal(422, "There is at least one repository that is not accessible")
    token = f"ghs_{secrets.token_hex(18)}"
    ends = host.clock() + 3600
    host.tokens[token] = Token(installed, ends, tuple(wanted) if wanted else None)
    said = {"token": token, "expires_at": stamp(ends), "permissions": installed.permissions}
    return Answered(201, said)


def _paged(
    host: CodeHostStandIn, asked: Asked, found: list[Any]
) -> tuple[list[Any], dict[str, str]]:
    """This page's things, and the links to the next ones."""
    size = min(int(asked.query.get("per_page", 30)), host.page_size or 100)
    page = int(asked.query.get("page", 1))
    shown = found[(page - 1) * size : page * size]
    if page * size >= len(found):
        return shown, {}
    query = "&".join(f"{k}={v}" for k, v in {**asked.query, "page": str(page + 1)}.items())
    last = -(-len(found) // size)
    base = f"{host.api_url}{asked.path}"
    ends = query.replace(f"page={page + 1}", f"page={last}")
    return shown, {"Link": f'<{base}?{query}>; rel="next", <{base}?{ends}>; rel="last"'}


def _installed_repositories(
    host: CodeHostStandIn, asked: Asked, _named: Named, _repo: Any
) -> Answered:
    token = host._token(asked)
    assert token is not None
    ours = [one for one in host.repos.values() if one.installation is token.installation]
    shown, links = _paged(host, asked, [one for one in ours if not one.gone])
    said = {"total_count": len(ours), "repositories": [host.described(one) for one in shown]}
    return Answered(200, said, links)


def _persons_installations(
    host: CodeHostStandIn, asked: Asked, _named: Named, _repo: Any
) -> Answered:
    token = asked.headers["authorization"].removeprefix("Bearer ")
    theirs = [host.installations[number] for number in host.people[token]]
    shown, links = _paged(host, asked, theirs)
    said = {"total_count": len(theirs), "installations": [one.described() for one in shown]}
    return Answered(200, said, links)


def _persons_repositories(
    host: CodeHostStandIn, asked: Asked, named: Named, _repo: Any
) -> Answered:
    """Of an installation, what this person may read themselves: rarely all that the App may."""
    token = asked.headers["authorization"].removeprefix("Bearer ")
    number = int(named["installation_id"])
    if number not in host.people[token]:
        raise Refusal(404, "Not Found")
    theirs = [
        one
        for one in host.repos.values()
        if one.installation is not None
        and one.installation.id == number
        and not one.gone
        and one.id not in host.unseen
    ]
    shown, links = _paged(host, asked, theirs)
    said = {"total_count": len(theirs), "repositories": [host.described(one) for one in shown]}
    return Answered(200, said, links)


def _repository(host: CodeHostStandIn, _asked: Asked, _named: Named, repo: Repo) -> Answered:
    return Answered(200, host.described(repo))


def _branches(host: CodeHostStandIn, asked: Asked, _named: Named, repo: Repo) -> Answered:
    found = [
        {"name": name, "commit": {"sha": sha, "url": ""}, "protected": False}
        for name, sha in sorted(repo.git.branches().items())
    ]
    shown, links = _paged(host, asked, found)
    return Answered(200, shown, links)


def _resolved(repo: Repo, name: str) -> str:
    if not repo.git.branches():
        raise Refusal(409, "Git Repository is empty.")
    names = [f"refs/{name}"] if name.startswith(("heads/", "tags/")) else []
    names += [f"refs/heads/{name}", f"refs/tags/{name}", name]
    for one in names:
        if sha := repo.git.resolve(one):
            return sha
    raise Refusal(422, f"No commit found for SHA: {name}")


def _commit_of(repo: Repo, sha: str) -> dict[str, Any]:
    person = {"name": "Ada Lovelace", "email": "ada@example.org", "date": repo.git.date(sha)}
    return {
        "sha": sha,
        "commit": {"message": repo.git.message(sha), "author": person, "committer": person},
        "author": {"login": "ada", "id": 7},
        "committer": {"login": "ada", "id": 7},
        "parents": [],
    }


def _commit(_host: CodeHostStandIn, _asked: Asked, named: Named, repo: Repo) -> Answered:
    return Answered(200, _commit_of(repo, _resolved(repo, named["ref"])))


def _compare(_host: CodeHostStandIn, _asked: Asked, named: Named, repo: Repo) -> Answered:
    base, _, head = named["basehead"].partition("...")
    shas = [repo.git.resolve(one) for one in (base, head)]
    if not all(shas):
        raise Refusal(404, "Not Found")
    before, after = str(shas[0]), str(shas[1])
    files = [
        {"sha": "0" * 40, "additions": 1, "deletions": 0, "changes": 1, **one}
        for one in repo.git.changes(before, after)[:300]
    ]
    said = {
        "status": repo.git.status(before, after),
        "base_commit": _commit_of(repo, before),
        "merge_base_commit": _commit_of(repo, before),
        "ahead_by": 1,
        "behind_by": 0,
        "total_commits": 1,
        "commits": [],
        "files": files,
    }
    return Answered(200, said)


def _checks_of(host: CodeHostStandIn, asked: Asked, named: Named, repo: Repo) -> Answered:
    sha = _resolved(repo, named["ref"])
    runs = [one for one in repo.check_runs.values() if one["head_sha"] == sha]
    shown, links = _paged(host, asked, runs)
    return Answered(200, {"total_count": len(runs), "check_runs": shown}, links)


def _statuses_of(host: CodeHostStandIn, asked: Asked, named: Named, repo: Repo) -> Answered:
    sha = _resolved(repo, named["ref"])
    newest = {one["context"]: one for one in repo.statuses if one["sha"] == sha}
    states = {one["state"] for one in newest.values()}
    worst = "failure" if states & {"failure", "error"} else "success"
    state = "pending" if "pending" in states or not states else worst
    shown, links = _paged(host, asked, list(newest.values()))
    said = {
        "state": state,
        "sha": sha,
        "total_count": len(newest),
        "statuses": [{k: v for k, v in one.items() if k != "sha"} for one in shown],
        "repository": host.described(repo),
    }
    return Answered(200, said, links)


def _tarball(host: CodeHostStandIn, _asked: Asked, named: Named, repo: Repo) -> Answered:
    place = f"{host.url}/codeload/{repo.id}/legacy.tar.gz/{named['ref']}"
    return Answered(302, None, {"Location": place})


def _run(
    host: CodeHostStandIn, body: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    output = {**before.get("output", {}), **body.get("output", {})}
    # GitHub adds the annotations of an update to those that are there.
    notes = [
        *before.get("output", {}).get("annotations", []),
        *body.get("output", {}).get("annotations", []),
    ]
    merged = {**before, **body, "output": {**output, "annotations": notes}}
    if merged.get("conclusion"):
        merged["status"] = "completed"
    if merged.get("status") == "completed" and not merged.get("conclusion"):
        raise Refusal(422, "Invalid request: a completed run has a conclusion")
    return {"app": dict(_APP), "conclusion": None, "updated_at": stamp(host.clock()), **merged}


def _shown_run(run: Mapping[str, Any]) -> dict[str, Any]:
    output = run["output"]
    counted = {**output, "annotations_count": len(output["annotations"])}
    shown = {k: counted.get(k) for k in ("title", "summary", "text", "annotations_count")}
    return {**run, "output": {**shown, "annotations_url": ""}, "pull_requests": []}


def _new_run(host: CodeHostStandIn, asked: Asked, _named: Named, repo: Repo) -> Answered:
    if repo.git.resolve(asked.body["head_sha"]) is None:
        raise Refusal(422, f"No commit found for SHA: {asked.body['head_sha']}")
    number = next(host.numbers)
    repo.check_runs[number] = {"id": number, **_run(host, asked.body, {})}
    return Answered(201, _shown_run(repo.check_runs[number]))


def _changed_run(host: CodeHostStandIn, asked: Asked, named: Named, repo: Repo) -> Answered:
    number = int(named["check_run_id"])
    if number not in repo.check_runs:
        raise Refusal(404, "Not Found")
    repo.check_runs[number] = _run(host, asked.body, repo.check_runs[number])
    return Answered(200, _shown_run(repo.check_runs[number]))


def _new_status(host: CodeHostStandIn, asked: Asked, named: Named, repo: Repo) -> Answered:
    if repo.git.resolve(named["sha"]) is None:
        raise Refusal(422, f"No commit found for SHA: {named['sha']}")
    made = {"id": next(host.numbers), "context": "default", "sha": named["sha"], **asked.body}
    repo.statuses.append(made)
    return Answered(201, {k: v for k, v in made.items() if k != "sha"})


def _new_deployment(host: CodeHostStandIn, asked: Asked, _named: Named, repo: Repo) -> Answered:
    sha = _resolved(repo, asked.body["ref"])
    number = next(host.numbers)
    repo.deployments[number] = {"sha": sha, "statuses": [], **asked.body}
    environment = asked.body.get("environment", "production")
    said = {"id": number, "sha": sha, "ref": asked.body["ref"], "environment": environment}
    return Answered(201, {**said, "task": "deploy", "payload": {}})


def _new_deployment_status(
    host: CodeHostStandIn, asked: Asked, named: Named, repo: Repo
) -> Answered:
    found = repo.deployments.get(int(named["deployment_id"]))
    if found is None:
        raise Refusal(404, "Not Found")
    if len(asked.body.get("description", "")) > 140:
        raise Refusal(422, "description is too long (maximum is 140 characters)")
    found["statuses"].append(asked.body)
    return Answered(201, {"id": next(host.numbers), **asked.body})


def _new_comment(host: CodeHostStandIn, asked: Asked, named: Named, repo: Repo) -> Answered:
    if int(named["issue_number"]) not in repo.pulls:
        raise Refusal(404, "Not Found")
    number = next(host.numbers)
    repo.comments[number] = {"pull": int(named["issue_number"]), "body": asked.body["body"]}
    return Answered(201, {"id": number, "body": asked.body["body"]})


def _changed_comment(_host: CodeHostStandIn, asked: Asked, named: Named, repo: Repo) -> Answered:
    number = int(named["comment_id"])
    if number not in repo.comments:
        raise Refusal(404, "Not Found")
    repo.comments[number]["body"] = asked.body["body"]
    return Answered(200, {"id": number, "body": asked.body["body"]})


def _conversion(host: CodeHostStandIn, _asked: Asked, named: Named, _repo: Any) -> Answered:
    manifest = host.manifests.pop(named["code"], None)
    if manifest is None:
        raise Refusal(404, "Not Found")
    return Answered(
        201,
        {
            **_APP,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "webhook_secret": WEBHOOK_SECRET,
            "pem": PEM,
            "permissions": manifest.get("default_permissions", {}),
            "events": manifest.get("default_events", []),
            "html_url": f"{host.url}/apps/{APP_SLUG}",
            "owner": {"login": "acme", "id": 1, "type": "Organization"},
        },
    )


ANSWERS: dict[str, Answer] = {
    "apps/get-authenticated": _app,
    "apps/get-installation": _installation,
    "apps/create-installation-access-token": _access_token,
    "apps/list-repos-accessible-to-installation": _installed_repositories,
    "apps/list-installations-for-authenticated-user": _persons_installations,
    "apps/list-installation-repos-for-authenticated-user": _persons_repositories,
    "repos/get": _repository,
    "repos/list-branches": _branches,
    "repos/get-commit": _commit,
    "repos/compare-commits-with-basehead": _compare,
    "checks/list-for-ref": _checks_of,
    "repos/get-combined-status-for-ref": _statuses_of,
    "repos/download-tarball-archive": _tarball,
    "checks/create": _new_run,
    "checks/update": _changed_run,
    "repos/create-commit-status": _new_status,
    "repos/create-deployment": _new_deployment,
    "repos/create-deployment-status": _new_deployment_status,
    "issues/create-comment": _new_comment,
    "issues/update-comment": _changed_comment,
    "apps/create-from-manifest": _conversion,
}
