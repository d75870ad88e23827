"""What the code host is told: each thing once, the newest only, and sooner or later the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.memory_code_host import MemoryCodeHost
from chalicelib.domain.agents import Agent
from chalicelib.domain.connections import PreviewsOf
from chalicelib.domain.repositories import RepositoryRef
from chalicelib.domain.telling import Told
from chalicelib.domain.tenancy import Principal
from chalicelib.domain.versions import Version
from chalicelib.errors import CodeHostRefused
from chalicelib.ports import (
    OPEN_PREVIEWS,
    TELLINGS,
    VERSIONS,
    Annotation,
    Check,
    Delete,
    Put,
    every,
)
from tests.conftest import World
from tests.hooks import Repo, connected, hooked

MANIFEST = """\
name: Echo
runtime: python
start:
  command: python main.py
env:
  - name: API_KEY
    required: true
tests:
  - name: says
    request: {path: /}
  - name: says hello
    request: {path: /hello}
"""
STEPS = [
    {
        "name": name,
        "state": "passed",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:02Z",
    }
    for name in ("fetch", "scan", "build", "start", "test", "publish")
]


@dataclass
class Host(MemoryCodeHost):
    """Keeps what it is told in order, and lets a test say what happens meanwhile."""

    meanwhile: list[Any] = field(default_factory=list)
    forbidden: bool = False

    def __post_init__(self) -> None:
        MemoryCodeHost.__init__(self)

    def put_check(self, ref: RepositoryRef, check: Check) -> int:
        if self.forbidden:
            raise CodeHostRefused("Resource not accessible by integration")
        if self.meanwhile:
            self.meanwhile.pop()()
        return super().put_check(ref, check)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def world(host: Host) -> World:
    return World(code_host=host)


@pytest.fixture
def who(world: World) -> Principal:
    return world.founded()


@pytest.fixture
def agent(world: World, who: Principal) -> Agent:
    return world.agent(who)


@pytest.fixture
def repo(world: World, who: Principal, agent: Agent) -> Repo:
    return connected(world, who, agent, previews=PreviewsOf.ON)


def newest(world: World, agent: Agent) -> Version:
    return next(every(world.store, VERSIONS, agent.org_id, agent.id))


def told(host: MemoryCodeHost) -> list[tuple[str, str | None, str]]:
    return [(one.status, one.conclusion, one.title) for one in host.told]


def open_tellings(world: World) -> list[Told]:
    return list(every(world.store, TELLINGS))


def test_a_push_is_followed_to_its_end(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    sha = repo.push()
    ready = world.finish_build(newest(world, agent), steps=STEPS)
    world.work()
    assert ready.deployment_id is not None
    world.run_machine(who, ready.deployment_id)
    world.work()
    assert told(host)[0] in [
        ("queued", None, "Fetching the commit"),
        ("in_progress", None, "Building"),
    ]
    assert told(host)[-1] == ("completed", "success", "Live")
    last = host.told[-1]
    assert {(one.id, one.sha, one.name) for one in host.told} == {
        (1, sha, f"Slipway / {agent.slug} (production)")
    }
    assert last.url == f"http://localhost:8800/agents/{agent.id}/deployments/{ready.deployment_id}"
    for station in ("Upload", "Scan", "Build", "Test", "Release", "Verify", "Live"):
        assert f"| {station} | done |" in last.summary
    assert "| Scan | done | 2.0 s |" in last.summary
    assert host.deployments == [(sha, f"{agent.slug}/production")]
    states = [state for _, state in host.deployment_states]
    assert states[-1] == "success"
    assert states == list(dict.fromkeys(states))
    assert open_tellings(world) == []


def test_what_has_been_told_is_not_told_again(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    repo.push()
    ready = world.finish_build(newest(world, agent))
    world.work()
    assert ready.deployment_id is not None
    world.run_machine(who, ready.deployment_id)
    world.work()
    calls = len(host.calls)
    reporting = world.platform.work._reporter
    revision = _stored(world, ready).revision
    for _ in range(3):
        reporting.tell(agent.org_id, ready.id)
        reporting.tell(agent.org_id, ready.deployment_id)
    assert len(host.calls) == calls
    assert _stored(world, ready).revision == revision


def _stored(world: World, version: Version) -> Told:
    found = world.store.get(Told, version.org_id, version.id)
    assert found is not None
    return found


def test_failing_tests_are_remarks_on_the_manifests_lines(
    world: World, agent: Agent, who: Principal, host: Host
) -> None:
    repo = connected(world, who, agent, "acme/mono", root="apps/echo")
    files = {
        "apps__echo__agent_dot_yaml": MANIFEST,
        "apps__echo__main_dot_py": "print('hello')\n",
    }
    repo.push(**files)
    detail = "The test “says hello” failed: status 500, not 200 @everyone <img src=x>"
    reasons = [
        {"code": "test_failed", "detail": detail},
        {"code": "secret_found", "detail": "A key", "file": "apps/echo/main.py", "line": 7},
        {"code": "odd", "detail": "Outside", "file": "../etc/passwd", "line": 1},
    ]
    world.finish_build(newest(world, agent), state="failed", image=None, reasons=reasons)
    world.work()
    last = host.told[-1]
    assert (last.conclusion, last.title) == ("failure", "The build failed")
    assert [(one.path, one.line, one.level) for one in last.annotations] == [
        ("apps/echo/agent.yaml", 11, "failure"),
        ("apps/echo/main.py", 7, "failure"),
    ]
    assert last.annotations[0].message == detail
    # In what is read as Markdown it notifies nobody and draws nothing.
    assert "@everyone" not in last.summary
    assert r"\<img src=x\>" in last.summary
    assert "says hello" in last.summary


def test_remarks_are_sent_once(world: World, agent: Agent, repo: Repo, host: Host) -> None:
    repo.push(agent_dot_yaml=MANIFEST)
    version = newest(world, agent)
    reasons = [{"code": "test_failed", "detail": "The test “says” failed: no"}]
    world.finish_build(version, state="failed", image=None, reasons=reasons)
    world.work()
    note = Annotation("agent.yaml", 9, "failure", "Test failed", "The test “says” failed: no")
    assert host.told[-1].annotations == (note,)
    stored = _stored(world, version)
    world.store.commit(Put(stored.following(world.adapters.clock.now(), digest="other")))
    world.platform.work._reporter.tell(agent.org_id, version.id)
    later = host.told[-1]
    assert later.annotations == ()


def test_a_host_that_is_down_is_told_when_it_is_back(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    repo.push()
    version = newest(world, agent)
    host.down = 90
    ready = world.finish_build(version)
    world.work()
    assert ready.deployment_id is not None
    world.run_machine(who, ready.deployment_id)
    world.work()
    before = len(host.told)
    owed = open_tellings(world)
    assert {one.subject_id for one in owed} == {version.id, ready.deployment_id}
    assert all(one.next_at is not None for one in owed)
    world.platform.reconciler.run()
    world.work()
    assert len(host.told) == before, "not before its time"
    for _ in range(12):
        world.adapters.clock.sleep(3600)
        world.platform.reconciler.run()
        world.work()
    waits = [one.next_at for one in open_tellings(world)]
    assert all(at and at - world.adapters.clock.now() <= timedelta(hours=1) for at in waits)
    host.down = None
    world.adapters.clock.sleep(3601)
    world.platform.reconciler.run()
    world.work()
    assert told(host)[before:] == [("completed", "success", "Live")]
    assert host.deployment_states[-1][1] == "success"
    assert open_tellings(world) == []


def test_after_a_week_nobody_waits_for_it_any_more(
    world: World, agent: Agent, repo: Repo, host: Host
) -> None:
    repo.push()
    host.down = 30
    world.finish_build(newest(world, agent), state="failed", image=None)
    world.work()
    for _ in range(9):
        world.adapters.clock.sleep(24 * 3600)
        world.platform.reconciler.run()
        world.work()
    assert open_tellings(world) == []


def test_of_what_is_gone_nothing_is_owed(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    sha = repo.commit("A feature", "feature")
    repo.send("pull_request", repo.pull("opened", 3, sha))
    version = newest(world, agent)
    host.down = 30
    world.finish_build(version, state="failed", image=None)
    world.work()
    assert open_tellings(world)
    gone = [*every(world.store, OPEN_PREVIEWS), world.store.get(Version, agent.org_id, version.id)]
    world.store.commit(*[Delete(one) for one in gone])
    world.adapters.clock.sleep(3600)
    reporting = world.platform.work._reporter
    for org_id, subject in reporting.due()[0]:
        reporting.tell(org_id, subject)
    assert open_tellings(world) == []


def test_a_deleted_agents_deployment_is_not_shown_as_running(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    repo.push()
    ready = world.finish_build(newest(world, agent))
    world.work()
    assert ready.deployment_id is not None
    world.run_machine(who, ready.deployment_id)
    world.work()
    assert host.deployment_states[-1] == (1, "success")
    world.platform.agents.delete(who, agent.id)
    world.work()
    assert host.deployment_states[-1] == (1, "inactive")


def test_what_was_told_goes_with_its_organisation(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    other = world.agent(who, "Other")
    for n, one in enumerate((agent, other)):
        there = connected(world, who, one, f"acme/{n}", previews=PreviewsOf.ON)
        sha = there.commit("A feature", "feature")
        there.send("pull_request", there.pull("opened", 3 + n, sha))
        there.push()
    told_of = {key.pk for key in world.store.dump() if "#TOLD#" in key.pk}
    assert len(told_of) == 6
    for version in [*every(world.store, VERSIONS, other.org_id, other.id)]:
        world.finish_build(version, state="failed", image=None)
    world.work()
    world.platform.agents.delete(who, other.id)
    world.platform.closing.close(who, confirm="Acme")
    world.adapters.clock.sleep(31 * 24 * 3600)
    world.platform.reconciler.run()
    assert not [key for key in world.store.dump() if "#TOLD#" in key.pk]


def test_a_host_that_refuses_is_left_alone(
    world: World, agent: Agent, repo: Repo, host: Host
) -> None:
    repo.push()
    version = newest(world, agent)
    host.revoked.add(77)
    world.finish_build(version, state="failed", image=None)
    world.work()
    assert open_tellings(world) == []
    assert _stored(world, version).refused == "installation_gone"
    host.revoked.clear()
    world.platform.work._reporter.tell(agent.org_id, version.id)
    assert told(host)[-1] == ("completed", "failure", "The build failed")


def test_where_no_check_may_be_made_a_status_is_set(
    world: World, agent: Agent, repo: Repo, host: Host
) -> None:
    host.forbidden = True
    sha = repo.push()
    world.finish_build(newest(world, agent), state="failed", image=None)
    world.work()
    assert host.told == []
    context = f"Slipway / {agent.slug} (production)"
    assert host.statuses[0] == (sha, context, "pending")
    assert host.statuses[-1] == (sha, context, "failure")


def test_without_an_app_nothing_is_told(
    world: World, who: Principal, agent: Agent, host: Host
) -> None:
    repo = hooked(world, who, agent)
    repo.push()
    world.finish_build(newest(world, agent))
    world.work()
    assert (host.told, host.deployments, host.comments) == ([], [], {})
    assert open_tellings(world) == []


def test_news_that_comes_while_somebody_tells_is_told_after_it(
    world: World, agent: Agent, repo: Repo, host: Host
) -> None:
    """Two functions at once: the second leaves it to the first, which tells how it ended."""
    repo.push()
    version = newest(world, agent)
    stored = _stored(world, version)
    world.store.commit(Put(stored.following(world.adapters.clock.now(), digest="old")))
    before = len(host.told)

    def ends() -> None:
        world.finish_build(version, state="failed", image=None)
        world.platform.work._reporter.tell(agent.org_id, version.id)

    host.meanwhile.append(ends)
    world.platform.work._reporter.tell(agent.org_id, version.id)
    assert told(host)[before:] == [
        ("in_progress", None, "Building"),
        ("completed", "failure", "The build failed"),
    ]
    assert _stored(world, version).settled
    world.work()
    assert len(host.told) == before + 2


def test_who_dies_while_telling_is_replaced(
    world: World, agent: Agent, repo: Repo, host: Host
) -> None:
    repo.push()
    version = newest(world, agent)

    def dies() -> None:
        raise KeyboardInterrupt

    host.meanwhile.append(dies)
    world.finish_build(version, state="failed", image=None)
    with pytest.raises(KeyboardInterrupt):
        world.work()
    world.store.stream.clear()
    world.tasks.waiting.clear()
    world.adapters.clock.sleep(301)
    world.platform.reconciler.run()
    world.work()
    assert told(host)[-1] == ("completed", "failure", "The build failed")


def test_a_pull_request_has_one_comment_that_is_kept_up(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    sha = repo.commit("A feature", "feature")
    repo.send("pull_request", repo.pull("opened", 3, sha))
    assert list(host.comments) == [1]
    assert sha[:7] in host.comments[1]
    version = newest(world, agent)
    assert version.environment == "pr-3"
    ready = world.finish_build(version)
    world.work()
    assert ready.deployment_id is not None
    live = world.run_machine(who, ready.deployment_id)
    world.work()
    assert f"| Address | {live.url} |" in host.comments[1]
    assert "| State | Live |" in host.comments[1]
    assert host.deployments == [(sha, f"{agent.slug}/pr-3")]
    assert host.told[-1].name == f"Slipway / {agent.slug} (preview)"
    at = "2026-01-01T01:00:00Z"
    repo.send("pull_request", repo.pull("closed", 3, sha, at=at))
    for _ in range(3):
        world.platform.reconciler.run()
        world.work()
    assert "was taken away" in host.comments[1]
    assert list(host.comments) == [1]


def test_a_comment_tells_the_end_although_nobody_said_that_it_came(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    sha = repo.commit("A feature", "feature")
    repo.send("pull_request", repo.pull("opened", 3, sha))
    ready = world.finish_build(newest(world, agent))
    world.work()
    assert ready.deployment_id is not None
    world.run_machine(who, ready.deployment_id)
    world.work()
    world.clock.sleep(timedelta(days=8).total_seconds())
    world.host.down = True
    world.platform.reconciler.run()
    world.work()
    assert "is being taken away" in host.comments[1]
    world.host.down = False
    world.platform.reconciler.run()
    assert list(every(world.store, OPEN_PREVIEWS)) == []
    world.store.stream = []  # nobody hears of it
    world.clock.sleep(timedelta(minutes=10).total_seconds())
    world.platform.reconciler.run()
    world.work()
    assert "was taken away" in host.comments[1]


def test_a_fork_waits_for_a_member_and_says_so(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    sha = repo.commit("A feature", "feature")
    theirs = {"id": 999, "full_name": "mallory/echo", "private": False}
    repo.send("pull_request", repo.pull("opened", 4, sha, head_repo=theirs))
    assert "comes from a fork" in host.comments[1]
    assert host.told == []


def test_a_newer_version_that_takes_its_place_ends_the_older_ones_check(
    world: World, who: Principal, agent: Agent, repo: Repo, host: Host
) -> None:
    repo.push()
    first = world.finish_build(newest(world, agent))
    world.work()
    repo.push()
    second = world.finish_build(newest(world, agent))
    world.work()
    assert first.deployment_id is not None
    assert second.deployment_id is not None
    world.run_machine(who, first.deployment_id)
    world.run_machine(who, second.deployment_id)
    world.work()
    ends = {one.sha: one.conclusion for one in host.told}
    assert None not in ends.values()
    assert open_tellings(world) == []
