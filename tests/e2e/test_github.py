"""Repositories on the running platform: a push goes live, a pull request is shown, none is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from infra.local.first import Person
from tests.e2e.conftest import LocalCloud
from tests.e2e.sources import python, server
from tests.providers import code_host as stand_in
from tests.providers.code_host import CodeHostStandIn, Hook, Installed, Repo

LIMIT = 120
HEALTHY = "health:\n  path: /\n"
FAILING = "tests:\n  - name: teapot\n    request: {path: /}\n    expect: {status: 418}\n"


@pytest.fixture(scope="module")
def running(
    cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CodeHostStandIn]:
    """GitHub's stand-in, which tells the platform what happens there."""
    folder: Path = tmp_path_factory.mktemp("github")
    with CodeHostStandIn(folder).running(*cloud.code_host_ports) as made:
        made.hooks.append(Hook(f"{cloud.api_url}/webhooks/github", stand_in.WEBHOOK_SECRET))
        yield made


@pytest.fixture
def github(running: CodeHostStandIn) -> Iterator[CodeHostStandIn]:
    """The same for all tests; what one of them has switched on is switched off again."""
    yield running
    running.down = running.silent = False
    assert running.complaints == []


@pytest.fixture(scope="module")
def installation(cloud: LocalCloud, running: CodeHostStandIn) -> Installed:
    """Our App at Acme."""
    return installed(cloud.sign_in(), running, "acme")


def installed(person: Person, running: CodeHostStandIn, account: str) -> Installed:
    """The App at an account, installed by a person who came back with a code."""
    made = running.install(account)
    prove(person, running, made)
    return made


def prove(person: Person, running: CodeHostStandIn, made: Installed) -> None:
    """The way to GitHub and back: what the person may read there now is the organisation's."""
    address = person.ask("POST", "/github/installations")["address"]
    assert address.startswith(f"{running.url}/apps/{stand_in.APP_SLUG}/installations/new?")
    running.people["c0de"] = [made.id]
    back = {
        "code": "c0de",
        "state": parse_qs(urlsplit(address).query)["state"][0],
        "installation_id": made.id,
    }
    person.ask("POST", "/github/installations/complete", json=back)


def repository(person: Person, agent: dict[str, Any]) -> dict[str, Any]:
    return person.ask("GET", f"/agents/{agent['id']}/repository")


def says(word: str, manifest: str = HEALTHY) -> dict[str, str]:
    """A small agent that answers with this word."""
    main = server().replace("b'served'", f"b'{word}'")
    return python(manifest, main_py=main)


def connect(
    person: Person, agent: dict[str, Any], repo: Repo, installation: Installed | None, **wish: Any
) -> dict[str, Any]:
    body = {
        "repository": repo.full_name,
        **({"installation_id": installation.id} if installation else {}),
        **wish,
    }
    return person.ask("PUT", f"/agents/{agent['id']}/repository", json=body)


def versions(person: Person, agent: dict[str, Any]) -> list[dict[str, Any]]:
    """Newest first."""
    found = person.ask("GET", f"/agents/{agent['id']}/versions?limit=100")
    return list(found["items"])


def sha_of(version: dict[str, Any]) -> str:
    return str((version["source"].get("commit") or {}).get("sha"))


def live(
    cloud: LocalCloud, person: Person, agent: dict[str, Any], sha: str, limit: float = LIMIT
) -> dict[str, Any]:
    """The live deployment of a commit that nobody but a push has asked for."""
    found = cloud.wait(
        lambda: {"state": [sha_of(one) for one in versions(person, agent)]},
        lambda seen: sha in seen["state"],
        limit,
        f"a version of {sha}",
    )
    assert found["state"].count(sha) == 1
    version = next(one for one in versions(person, agent) if sha_of(one) == sha)
    return person.wait_for_live(agent["id"], version["id"], limit)


def deliveries(person: Person, agent: dict[str, Any]) -> list[dict[str, Any]]:
    """All of them, newest first."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        path = f"/agents/{agent['id']}/deliveries?limit=100{cursor}"
        page = person.ask("GET", path)
        found += page["items"]
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def eventually(cloud: LocalCloud, what: str, true: Callable[[], Any], limit: float = 60) -> None:
    cloud.wait(lambda: {"state": true()}, lambda seen: bool(seen["state"]), limit, what)


def answer(url: str) -> tuple[int, str]:
    reply = httpx.get(url, timeout=45, trust_env=False)
    return reply.status_code, reply.text


def test_a_push_goes_live_with_no_one_touching_it(
    cloud: LocalCloud,
    person: Person,
    agent: dict[str, Any],
    github: CodeHostStandIn,
    installation: Installed,
) -> None:
    repo = github.repository("acme/echo", says("one"), installation=installation, private=True)
    prove(person, github, installation)
    connect(person, agent, repo, installation)
    sha = github.push(repo, says("two"), "Say two\n\nAnd no more.")
    deployed = live(cloud, person, agent, sha)
    assert answer(deployed["url"]) == (200, "two")
    version = next(one for one in versions(person, agent) if sha_of(one) == sha)
    assert version["source"]["commit"]["message"] == "Say two"
    assert version["source"]["commit"]["branch"] == "main"

    def told() -> bool:
        ends = [one["conclusion"] for one in repo.check_runs.values() if one["head_sha"] == sha]
        states = [s["state"] for d in repo.deployments.values() for s in d["statuses"]]
        return ends == ["success"] and states[-1:] == ["success"]

    eventually(cloud, "the check and the deployment at GitHub", told)
    [run] = [one for one in repo.check_runs.values() if one["head_sha"] == sha]
    assert run["name"] == f"Slipway / {agent['slug']} (production)"
    assert run["details_url"].endswith(f"/agents/{agent['id']}/deployments/{deployed['id']}")
    assert "| Live | done |" in run["output"]["summary"]
    [announced] = repo.deployments.values()
    assert announced["production_environment"] is True
    assert announced["statuses"][-1]["environment_url"] == deployed["url"]
    badge = person.ask("GET", f"/agents/{agent['id']}/badge")["badge_url"]
    assert "Slipway: live" in httpx.get(badge, trust_env=False).text


def test_a_failing_test_is_a_remark_on_its_line(
    cloud: LocalCloud,
    person: Person,
    agent: dict[str, Any],
    github: CodeHostStandIn,
    installation: Installed,
) -> None:
    repo = github.repository("acme/tested", says("one"), installation=installation)
    prove(person, github, installation)
    connect(person, agent, repo, installation)
    good = github.push(repo, says("good"), "Good")
    deployed = live(cloud, person, agent, good)
    files = says("bad", HEALTHY + FAILING)
    bad = github.push(repo, files, "Bad")

    def told() -> bool:
        return any(
            one["head_sha"] == bad and one["conclusion"] == "failure"
            for one in repo.check_runs.values()
        )

    eventually(cloud, "the failed check", told, LIMIT)
    [run] = [one for one in repo.check_runs.values() if one["head_sha"] == bad]
    line = files["agent.yaml"].splitlines().index("  - name: teapot") + 1
    [note] = run["output"]["annotations"]
    assert (note["path"], note["start_line"]) == ("agent.yaml", line)
    assert answer(deployed["url"]) == (200, "good")


def test_a_pull_request_is_shown_and_taken_away(
    cloud: LocalCloud,
    person: Person,
    agent: dict[str, Any],
    github: CodeHostStandIn,
    installation: Installed,
) -> None:
    repo = github.repository("acme/shown", says("base"), installation=installation)
    prove(person, github, installation)
    connect(person, agent, repo, installation, previews="on")
    main = repo.git.branches()["main"]
    github.push(repo, says("feature"), "A feature", branch="feature", parent=main)
    number = github.open_pull(repo, "feature")
    sha = repo.git.branches()["feature"]
    preview = live(cloud, person, agent, sha)
    assert preview["environment"] == f"pr-{number}"
    assert answer(preview["url"]) == (200, "feature")
    eventually(
        cloud,
        "the comment with the address",
        lambda: any(preview["url"] in one["body"] for one in repo.comments.values()),
    )
    again = github.push(repo, says("better"), "Better", branch="feature")
    better = live(cloud, person, agent, again)
    assert answer(better["url"]) == (200, "better")
    github.close_pull(repo, number)

    def gone() -> bool:
        cloud.admin.reconcile()
        try:
            status, text = answer(better["url"])
        except httpx.HTTPError:
            return True
        return status >= 400 or text not in ("feature", "better")

    eventually(cloud, "the preview to be gone", gone, LIMIT)
    eventually(
        cloud,
        "the comment that says so",
        lambda: [one["body"] for one in repo.comments.values() if "taken away" in one["body"]],
    )
    assert len(repo.comments) == 1
    assert {d["transient_environment"] for d in repo.deployments.values()} == {True}


def test_a_forks_pull_request_waits_for_a_member_and_gets_no_secret(
    cloud: LocalCloud,
    person: Person,
    agent: dict[str, Any],
    github: CodeHostStandIn,
    installation: Installed,
) -> None:
    repo = github.repository("acme/forked", says("base"), installation=installation)
    prove(person, github, installation)
    connect(person, agent, repo, installation, previews="on")
    for environment in ("production", "preview"):
        secret = {"items": [{"name": "KEY", "value": f"secret-of-{environment}", "secret": True}]}
        path = f"/agents/{agent['id']}/environments/{environment}/variables"
        person.ask("PUT", path, json=secret)
    fork = github.fork(repo, "mallory")
    shows = server().replace("b'served'", "os.environ.get('KEY', 'nothing').encode()")
    main = fork.git.branches()["main"]
    files = python(HEALTHY, main_py=shows)
    sha = github.push(fork, files, "From outside", branch="idea", parent=main)
    number = github.open_pull(repo, "idea", source=fork)
    eventually(
        cloud,
        "the comment that says what it waits for",
        lambda: [one for one in repo.comments.values() if "comes from a fork" in one["body"]],
    )
    assert versions(person, agent) == []
    person.ask("POST", f"/agents/{agent['id']}/previews/{number}/approve", json={"sha": sha})
    preview = live(cloud, person, agent, sha)
    assert preview["environment"] == f"pr-{number}"
    assert answer(preview["url"]) == (200, "nothing")


def test_a_renamed_repository_stays_connected(
    cloud: LocalCloud,
    person: Person,
    agent: dict[str, Any],
    github: CodeHostStandIn,
    installation: Installed,
) -> None:
    repo = github.repository("acme/former", says("one"), installation=installation)
    prove(person, github, installation)
    connect(person, agent, repo, installation)
    github.rename(repo, "acme/present")
    eventually(
        cloud,
        "the new name",
        lambda: repository(person, agent)["repository"] == "acme/present",
    )
    sha = github.push(repo, says("present"), "After the move")
    assert answer(live(cloud, person, agent, sha)["url"]) == (200, "present")


def test_an_app_that_was_removed_says_so(
    cloud: LocalCloud, person: Person, agent: dict[str, Any], github: CodeHostStandIn
) -> None:
    other = installed(person, github, "leaving")
    repo = github.repository("leaving/agent", says("one"), installation=other)
    prove(person, github, other)
    connect(person, agent, repo, other)
    other.removed = True
    github.installed(other, "deleted")
    eventually(
        cloud, "the end of the connection", lambda: repository(person, agent)["state"] == "gone"
    )
    assert repository(person, agent)["reason"]


def test_ten_pushes_in_a_second_are_two_builds(
    cloud: LocalCloud,
    person: Person,
    agent: dict[str, Any],
    github: CodeHostStandIn,
    installation: Installed,
) -> None:
    repo = github.repository("acme/hasty", says("zero"), installation=installation)
    prove(person, github, installation)
    connect(person, agent, repo, installation)
    github.silent = True
    sent = len(github.deliveries)
    shas = [github.push(repo, says(f"n{n}"), f"Push {n}") for n in range(10)]
    waiting = github.deliveries[sent:]
    github.silent = False
    assert {github.send(one) for one in waiting} == {202}
    deployed = live(cloud, person, agent, shas[-1])
    assert answer(deployed["url"]) == (200, "n9")
    eventually(
        cloud,
        "all deliveries to be settled",
        lambda: len(settled(person, agent)) == 10,
    )
    assert len(versions(person, agent)) <= 2
    assert {sha_of(one) for one in versions(person, agent)} <= set(shas)


def settled(person: Person, agent: dict[str, Any]) -> list[dict[str, Any]]:
    """Pushes of which something has come."""
    open_states = ("received", "waiting", "queued")
    return [
        one
        for one in deliveries(person, agent)
        if one["event"] == "push" and one["state"] not in open_states
    ]


def test_of_200_deliveries_at_once_none_is_lost_and_none_counts_twice(
    cloud: LocalCloud,
    person: Person,
    agent: dict[str, Any],
    github: CodeHostStandIn,
    installation: Installed,
) -> None:
    repo = github.repository("acme/crowd", says("zero"), installation=installation)
    prove(person, github, installation)
    connect(person, agent, repo, installation)
    github.silent = True
    sent = len(github.deliveries)
    shas = [github.push(repo, says(f"n{n}"), f"Push {n}") for n in range(134)]
    once = github.deliveries[sent:]
    github.silent = False
    everything = [*once, *once[: 200 - len(once)]]
    assert len(everything) == 200
    with ThreadPoolExecutor(20) as many:
        list(many.map(github.send, everything))
        # What a busy machine has not answered in time is delivered again, as at GitHub.
        for _ in range(5):
            list(many.map(github.send, [one for one in once if one.status != 202]))
    assert {one.status for one in once} == {202}
    deployed = live(cloud, person, agent, shas[-1], 240)
    assert answer(deployed["url"]) == (200, "n133")
    eventually(cloud, "every push settled", lambda: len(settled(person, agent)) == 134, LIMIT)
    found = deliveries(person, agent)
    assert {one["guid"] for one in found} == {one.id for one in once}
    built = [sha_of(one) for one in versions(person, agent)]
    assert len(built) == len(set(built))


def test_github_may_be_down_for_a_while(
    cloud: LocalCloud,
    person: Person,
    agent: dict[str, Any],
    github: CodeHostStandIn,
    installation: Installed,
) -> None:
    repo = github.repository("acme/patient", says("zero"), installation=installation)
    prove(person, github, installation)
    connect(person, agent, repo, installation)
    github.down = True
    sha = github.push(repo, says("late"), "Late")

    def waits() -> bool:
        found = deliveries(person, agent)
        return [one["state"] for one in found] == ["waiting"] and bool(found[0]["next_at"])

    eventually(cloud, "the delivery to say that it waits", waits)
    github.down = False
    deadline = time.monotonic() + LIMIT
    while not versions(person, agent) and time.monotonic() < deadline:
        cloud.admin.reconcile()
        time.sleep(1)
    deployed = live(cloud, person, agent, sha)
    assert answer(deployed["url"]) == (200, "late")
    eventually(
        cloud,
        "the check that ended well",
        lambda: [one for one in repo.check_runs.values() if one["conclusion"] == "success"],
    )


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_a_public_repository_does_without_the_app(
    cloud: LocalCloud, person: Person, agent: dict[str, Any], github: CodeHostStandIn, form: bool
) -> None:
    repo = github.repository("open/form" if form else "open/source", says("zero"))
    made = connect(person, agent, repo, None)
    github.hooks.append(Hook(made["webhook_url"], made["secret"], repo.id, form=form))
    sha = github.push(repo, says("open"), "Open")
    deployed = live(cloud, person, agent, sha)
    assert answer(deployed["url"]) == (200, "open")
    assert (repo.check_runs, repo.deployments) == ({}, {})


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda headers: headers | {"X-Hub-Signature-256": "sha256=" + "0" * 64}, 401),
        (lambda headers: {k: v for k, v in headers.items() if "256" not in k}, 401),
        (lambda headers: {k: v for k, v in headers.items() if "Signature" not in k}, 401),
    ],
)
def test_what_github_has_not_signed_is_not_heard(
    cloud: LocalCloud,
    github: CodeHostStandIn,
    change: Callable[[dict[str, str]], dict[str, str]],
    status: int,
) -> None:
    github.silent = True
    github.ping()
    one = github.deliveries[-1]
    answered = httpx.post(
        one.hook.url, content=one.body, headers=change(one.headers()), trust_env=False
    )
    assert answered.status_code == status, answered.text
