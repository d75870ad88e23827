"""From a push to a version: what deploys, what does not and why, and that nothing is done twice."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.domain.agents import Agent
from chalicelib.domain.connections import ConnectionState
from chalicelib.domain.deliveries import DeliveryState
from chalicelib.domain.repositories import Checks
from chalicelib.domain.tenancy import Principal
from chalicelib.domain.versions import Version, VersionState
from chalicelib.errors import Malformed, NotFound, TooLarge, Unauthenticated
from chalicelib.ports import OPEN_TRACKS, TRACKS, VERSIONS, every
from chalicelib.services.connections import Wish
from chalicelib.services.deliveries import MAX_PAYLOAD, Arrival
from chalicelib.services.variables import VariableValue
from tests.conftest import World
from tests.hooks import (
    INSTALLATION,
    NOTHING,
    Repo,
    connected,
    connection,
    deliveries,
    hooked,
    installed,
    outcomes,
)


@pytest.fixture
def who(world: World) -> Principal:
    return world.founded()


@pytest.fixture
def agent(world: World, who: Principal) -> Agent:
    return world.agent(who)


@pytest.fixture
def repo(world: World, who: Principal, agent: Agent) -> Repo:
    return connected(world, who, agent)


def versions(world: World, agent: Agent) -> list[Version]:
    """Oldest first."""
    return list(every(world.store, VERSIONS, agent.org_id, agent.id, newest_first=False))


def built(world: World, version: Version) -> Version:
    finished = world.finish_build(version)
    world.work()
    return finished


def test_a_push_becomes_a_version_that_goes_live_with_no_one_touching_it(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = repo.push("Say it louder\n\nIn a body of its own")
    [version] = versions(world, agent)
    assert version.state is VersionState.BUILDING
    assert version.label == f"v1+{sha[:7]}"
    commit = version.source.commit
    assert commit is not None
    assert (commit.sha, commit.branch, commit.author) == (sha, "main", "Ada")
    assert commit.message == "Say it louder"
    ready = built(world, version)
    assert ready.deployment_id is not None
    live = world.run_machine(who, ready.deployment_id)
    assert live.state == "live"
    assert live.commit == commit
    [delivery] = deliveries(world, agent)
    assert (delivery.state, delivery.version_id) == (DeliveryState.STARTED, version.id)
    assert not list(every(world.store, OPEN_TRACKS))


def test_a_webhook_of_its_own_does_without_an_app(
    world: World, who: Principal, agent: Agent
) -> None:
    world.code_host.app = False
    repo = hooked(world, who, agent)
    repo.send("ping", {"zen": "Keep it logically awesome."})
    repo.push()
    assert outcomes(world, agent) == ["ping", "started"]


def test_the_manifests_version_is_told_with_the_commit(
    world: World, agent: Agent, repo: Repo
) -> None:
    sha = repo.push(
        agent_dot_yaml="name: Echo\nversion: 1.2.0\nstart:\n  command: python main.py\n"
    )
    [version] = versions(world, agent)
    assert version.label == f"1.2.0+{sha[:7]}"


def test_ten_pushes_in_a_second_are_two_builds(world: World, agent: Agent, repo: Repo) -> None:
    shas = [repo.push(f"Change {n}") for n in range(10)]
    [first] = versions(world, agent)
    assert outcomes(world, agent) == ["started", *["superseded"] * 8, "queued"]
    built(world, first)
    first, second = versions(world, agent)
    assert first.source.commit is not None
    assert second.source.commit is not None
    assert (first.source.commit.sha, second.source.commit.sha) == (shas[0], shas[-1])
    built(world, second)
    assert len(versions(world, agent)) == 2
    assert outcomes(world, agent) == ["started", *["superseded"] * 8, "started"]


def test_what_waited_is_built_when_the_build_before_it_fails(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.push()
    newest = repo.push()
    [first] = versions(world, agent)
    world.finish_build(first, state="failed", image=None)
    world.work()
    _, second = versions(world, agent)
    assert second.source.commit is not None
    assert second.source.commit.sha == newest


def test_a_redelivery_is_remembered_and_changes_nothing(
    world: World, agent: Agent, repo: Repo
) -> None:
    sha = repo.commit()
    payload = repo.pushed(sha)
    assert repo.send("push", payload, guid="one")
    assert not repo.send("push", payload, guid="one")
    assert repo.send("push", payload, guid="another")
    assert outcomes(world, agent) == ["started", "known_head"]
    assert len(versions(world, agent)) == 1


def test_one_webhooks_ids_say_nothing_of_anothers(
    world: World, who: Principal, agent: Agent
) -> None:
    other = world.agent(who)
    repo, theirs = hooked(world, who, agent), hooked(world, who, other, "eve/open")
    assert theirs.send("push", theirs.pushed(theirs.commit()), guid="guessed")
    assert repo.send("push", repo.pushed(repo.commit()), guid="guessed")
    assert outcomes(world, agent) == outcomes(world, other) == ["started"]


def test_pushes_out_of_order_end_with_the_newest(world: World, agent: Agent, repo: Repo) -> None:
    before = repo.kept.branches["main"]
    shas = [repo.commit(f"Change {n}") for n in range(5)]
    for sha in [shas[4], shas[1], shas[0], shas[3], shas[2]]:
        repo.send("push", repo.pushed(sha, before=before))
    [only] = versions(world, agent)
    assert only.source.commit is not None
    assert only.source.commit.sha == shas[4]


@pytest.mark.parametrize("seed", range(5))
def test_many_deliveries_doubled_and_shuffled_lose_none(
    world: World, agent: Agent, repo: Repo, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    before = repo.kept.branches["main"]
    sent = []
    for number in range(40):
        payload = repo.pushed(repo.commit(f"Change {number}"), before=before)
        sent += [(f"guid-{number}", payload)] * (2 if number % 3 == 0 else 1)
    chance.shuffle(sent)
    for guid, payload in sent:
        repo.send("push", payload, guid=guid, work=chance.random() < 0.3)
    world.work(most=2000)
    while open_ones := [v for v in versions(world, agent) if not v.state.is_final]:
        built(world, open_ones[0])
    assert len(deliveries(world, agent)) == 40
    assert all(not d.state.is_open for d in deliveries(world, agent))
    heads = [v.source.commit.sha for v in versions(world, agent) if v.source.commit]
    assert len(set(heads)) == len(heads) <= 2
    assert heads[-1] == repo.kept.branches["main"]


def test_what_waited_gives_way_to_a_push_that_comes_as_the_build_ends(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.push()
    repo.push()
    [first] = versions(world, agent)
    world.finish_build(first)
    repo.send("push", repo.pushed(repo.commit()), work=False)
    changes, world.store.stream = world.store.stream, []
    # The word of the push overtakes that of the build.
    planned = sorted(world.platform.work.plan(changes), key=lambda task: task.kind != "receipt")
    for task in planned:
        world.platform.work.run(task)
    world.work()
    assert outcomes(world, agent) == ["started", "superseded", "started"]
    assert len(versions(world, agent)) == 2


def test_many_at_once_agree_on_the_newest(world: World, agent: Agent, repo: Repo) -> None:
    before = repo.kept.branches["main"]
    for number in range(24):
        repo.send("push", repo.pushed(repo.commit(f"{number}"), before=before), work=False)
    changes, world.store.stream = world.store.stream, []
    planned = world.platform.work.plan(changes)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(world.platform.work.run, planned))
    world.work(most=2000)
    for _ in range(40):
        world.clock.sleep(120)
        world.platform.reconciler.run()
        world.work(most=2000)
    while open_ones := [v for v in versions(world, agent) if not v.state.is_final]:
        built(world, open_ones[0])
    heads = [v.source.commit.sha for v in versions(world, agent) if v.source.commit]
    assert heads == [repo.kept.branches["main"]]
    found = deliveries(world, agent)
    assert len(found) == 24
    assert {one.state for one in found} == {DeliveryState.STARTED, DeliveryState.IGNORED}


def test_who_asked_before_a_newer_commit_was_taken_up_asks_again(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.send("push", repo.pushed(repo.commit("Old")), work=False)
    world.code_host.meanwhile.append(lambda: repo.push("New"))
    world.work()
    [version] = versions(world, agent)
    assert version.source.commit is not None
    assert version.source.commit.sha == repo.kept.branches["main"]
    assert outcomes(world, agent) == ["known_head", "started"]


def test_checks_of_a_commit_that_is_overtaken_meanwhile_build_nothing(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, wait_for_checks=True)
    old = repo.push("Old")
    repo.kept.checks[old] = Checks.SUCCESS

    def newer() -> None:
        sha = repo.commit("New")
        repo.kept.checks[sha] = Checks.SUCCESS
        repo.send("push", repo.pushed(sha))

    suite = {"action": "completed", "check_suite": {"head_sha": old, "head_branch": "main"}}
    repo.send("check_suite", suite, work=False)
    world.code_host.meanwhile.append(newer)
    world.work()
    [version] = versions(world, agent)
    assert version.source.commit is not None
    assert version.source.commit.sha == repo.kept.branches["main"] != old
    assert outcomes(world, agent) == ["checks_pending", "not_newest", "started"]


IGNORED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a tag": ({}, {"ref": "refs/tags/v1"}, "not_a_branch"),
    "notes": ({}, {"ref": "refs/notes/x"}, "not_a_branch"),
    "another branch": ({}, {"ref": "refs/heads/other"}, "other_branch"),
    "a branch with a path in it": ({}, {"ref": "refs/heads/../../main"}, "other_branch"),
    "a branch of many lines": ({}, {"ref": "refs/heads/main\nrm -rf /"}, "other_branch"),
    "a branch for a shell": ({}, {"ref": "refs/heads/$(reboot);`x`"}, "other_branch"),
    "a deleted branch": ({}, {"deleted": True, "after": NOTHING}, "branch_deleted"),
    "told to skip": ({}, {"head_commit": {"message": "Typo [skip deploy]"}}, "skip_requested"),
    "deploys by hand": ({"auto_deploy": False}, {}, "auto_deploy_off"),
    "another folder": ({"root": "agents/other"}, {}, "not_watched"),
    "not watched": ({"watch": ["src/**"]}, {}, "not_watched"),
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_does_not_deploy_says_why(
    world: World, who: Principal, agent: Agent, name: str
) -> None:
    wish, changes, code = IGNORED[name]
    repo = connected(world, who, agent, **wish)
    before = repo.kept.branches["main"]
    payload = {**repo.pushed(repo.commit(), before=before), **changes}
    repo.send("push", payload)
    [delivery] = deliveries(world, agent)
    assert (delivery.state, delivery.code) == (DeliveryState.IGNORED, code)
    assert delivery.detail
    assert versions(world, agent) == []


def test_the_head_says_skip_although_the_payload_does_not(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.send("push", repo.pushed(repo.commit("Docs [Deploy Skip]")))
    assert outcomes(world, agent) == ["skip_requested"]


def test_a_change_that_matters_is_not_lost_behind_one_that_does_not(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, watch=["src/**"])
    first = repo.kept.branches["main"]
    matters = repo.commit("Matters", src__a="1")
    after = repo.commit("Does not", src__a="1", README="x")
    repo.send("push", repo.pushed(after, before=matters))
    repo.send("push", repo.pushed(matters, before=first))
    assert outcomes(world, agent) == ["not_watched", "started"]


def test_a_forced_push_deploys_the_new_head_whatever_has_changed(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, watch=["src/**"])
    repo.send("push", repo.pushed(repo.commit(), before="1" * 40, forced=True))
    assert outcomes(world, agent) == ["started"]


def test_a_monorepo_deploys_the_agents_that_a_push_concerns(
    world: World, who: Principal, agent: Agent
) -> None:
    other = world.agent(who, "Other")
    manifest = "name: Echo\nruntime: python\nversion: 2.0.0\nstart:\n  command: python main.py\n"
    repo = connected(world, who, agent, root="agents/echo")
    connected(world, who, other, root="agents/other")
    files = {"agents__echo__agent_dot_yaml": manifest, "agents__echo__main_dot_py": "print(1)"}
    sha = repo.push(**files)
    assert outcomes(world, agent) == ["started"]
    assert outcomes(world, other) == ["not_watched"]
    [version] = versions(world, agent)
    assert version.plan is not None
    assert version.plan["root"] == "agents/echo"
    assert version.label == f"2.0.0+{sha[:7]}"


def test_a_folder_that_is_not_there_is_named(world: World, who: Principal, agent: Agent) -> None:
    repo = connected(world, who, agent, root="agents/echo")
    repo.send("push", repo.pushed(repo.commit()))
    [version] = versions(world, agent)
    assert [r.code for r in version.reasons] == ["root_missing"]


def test_agents_of_other_organisations_hear_of_their_own_connection_alone(
    world: World, agent: Agent, repo: Repo
) -> None:
    stranger = world.founded("eve@example.com", "Eve")
    theirs = world.agent(stranger)
    connected(world, stranger, theirs)
    repo.push()
    [mine], [other] = deliveries(world, agent), deliveries(world, theirs)
    assert mine.id == other.id
    assert {mine.org_id, other.org_id} == {agent.org_id, stranger.org_id}
    with pytest.raises(NotFound):
        world.platform.deliveries.page(stranger, agent.id, limit=5, after=None)


# --- checks --------------------------------------------------------------------------------------


def test_checks_are_waited_for(world: World, who: Principal, agent: Agent) -> None:
    repo = connected(world, who, agent, wait_for_checks=True)
    sha = repo.commit()
    repo.kept.checks[sha] = Checks.PENDING
    repo.send("push", repo.pushed(sha))
    [delivery] = deliveries(world, agent)
    assert (delivery.state, delivery.code) == (DeliveryState.WAITING, "checks_pending")
    assert delivery.next_at is not None
    repo.kept.checks[sha] = Checks.SUCCESS
    suite = {"action": "completed", "check_suite": {"head_sha": sha, "head_branch": "main"}}
    repo.send("check_suite", suite)
    assert len(versions(world, agent)) == 1
    world.clock.sleep(61)
    world.platform.reconciler.run()
    world.work()
    assert sorted(outcomes(world, agent)) == ["known_head", "started"]


def test_failed_checks_keep_a_commit_from_being_deployed(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, wait_for_checks=True)
    sha = repo.commit()
    repo.kept.checks[sha] = Checks.FAILURE
    repo.send("push", repo.pushed(sha))
    assert outcomes(world, agent) == ["checks_failed"]


def test_a_repository_without_checks_is_not_waited_for_long(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, wait_for_checks=True)
    repo.push()
    assert outcomes(world, agent) == ["checks_pending"]
    world.clock.sleep(100)
    world.platform.reconciler.run()
    world.work()
    assert outcomes(world, agent) == ["started"]


# --- the host is down, or says no ----------------------------------------------------------------


def test_a_host_that_is_down_for_an_hour_is_asked_again_and_the_delivery_says_so(
    world: World, agent: Agent, repo: Repo
) -> None:
    world.code_host.down = 20
    repo.push()
    [delivery] = deliveries(world, agent)
    assert delivery.state is DeliveryState.WAITING
    assert delivery.code == "code_host_unavailable"
    assert world.scheduled()
    waits = []
    for _ in range(60):
        world.clock.sleep(60)
        world.platform.reconciler.run()
        world.work()
        [delivery] = deliveries(world, agent)
        assert delivery.next_at is not None
        waits.append(delivery.attempts)
    assert waits[-1] < 15, "it waits longer each time"
    world.code_host.down = None
    world.clock.sleep(900)
    world.platform.reconciler.run()
    world.work()
    assert outcomes(world, agent) == ["started"]


def test_a_host_that_goes_down_before_the_archive_is_asked_again(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.send("push", repo.pushed(repo.commit()), work=False)
    changes, world.store.stream = world.store.stream, []
    work = world.platform.work
    for task in work.plan(changes):
        work.run(task)
    world.code_host.down = 30
    world.work()
    [version] = versions(world, agent)
    assert [w.code for w in version.warnings] == ["code_host_waiting"]
    world.clock.sleep(100)
    world.code_host.down = None
    world.platform.reconciler.run()
    world.work()
    [version] = versions(world, agent)
    assert version.state is VersionState.BUILDING


def test_a_commit_that_vanished_fails_the_version_and_says_so(
    world: World, agent: Agent, repo: Repo
) -> None:
    sha = repo.commit()
    repo.send("push", repo.pushed(sha), work=False)
    del repo.kept.trees[sha]
    world.work()
    [version] = versions(world, agent)
    assert [r.code for r in version.reasons] == ["commit_gone"]


def test_a_branch_that_vanished_fails_the_delivery(world: World, agent: Agent, repo: Repo) -> None:
    sha = repo.commit()
    del repo.kept.branches["main"]
    repo.send("push", repo.pushed(sha))
    [delivery] = deliveries(world, agent)
    assert (delivery.state, delivery.code) == (DeliveryState.FAILED, "commit_gone")


def test_a_revoked_installation_is_noticed_and_told(world: World, agent: Agent, repo: Repo) -> None:
    world.code_host.revoked.add(77)
    repo.push()
    repo.push()
    assert outcomes(world, agent) == ["installation_gone"], "what is lost is not told of any more"
    assert connection(world, agent).state is ConnectionState.GONE


def test_an_installation_that_is_suspended_and_comes_back(
    world: World, agent: Agent, repo: Repo
) -> None:
    for action, state in (
        ("suspend", ConnectionState.SUSPENDED),
        ("unsuspend", ConnectionState.CONNECTED),
        ("deleted", ConnectionState.GONE),
    ):
        repo.send("installation", {"action": action})
        assert connection(world, agent).state is state


def test_an_installation_stays_suspended_whatever_else_is_told_of_it(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.send("installation", {"action": "suspend"})
    repo.send("installation", {"action": "new_permissions_accepted"})
    [held] = world.platform.installations.listed(who)
    assert held.suspended
    assert connection(world, agent).state is ConnectionState.SUSPENDED


def test_what_is_gone_does_not_come_back_because_the_app_was_suspended(
    world: World, agent: Agent, repo: Repo
) -> None:
    gone = {"repositories_removed": [repo.about]}
    repo.send("installation_repositories", {"action": "removed", **gone})
    reason = connection(world, agent).reason
    for action in ("suspend", "unsuspend"):
        repo.send("installation", {"action": action})
        found = connection(world, agent)
        assert (found.state, found.reason) == (ConnectionState.GONE, reason)


def test_nothing_but_its_owner_lifts_the_suspension_of_an_installation(
    world: World, who: Principal, repo: Repo
) -> None:
    for action, suspended in (
        ("suspend", True),
        ("new_permissions_accepted", True),
        ("unsuspend", False),
        ("created", False),
    ):
        repo.send("installation", {"action": action, "repository": None})
        [held] = world.platform.installations.listed(who)
        assert held.suspended is suspended


def test_a_repository_taken_out_of_the_installation_is_disconnected(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.send(
        "installation_repositories",
        {"action": "removed", "repositories_removed": [{"id": repo.kept.about.id}]},
    )
    assert connection(world, agent).state is ConnectionState.GONE


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("renamed", ConnectionState.CONNECTED),
        ("transferred", ConnectionState.CONNECTED),
        ("archived", ConnectionState.GONE),
        ("deleted", ConnectionState.GONE),
    ],
)
def test_what_happens_to_the_repository_itself_is_followed(
    world: World, agent: Agent, repo: Repo, action: str, state: ConnectionState
) -> None:
    about = {**repo.about, "full_name": "acme/renamed"}
    repo.send("repository", {"action": action, "repository": about})
    found = connection(world, agent)
    assert found.state is state
    if action in ("renamed", "transferred"):
        assert found.repository == "acme/renamed"


OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a new branch": ("create", {"ref": "topic", "ref_type": "branch"}, "not_a_push"),
    "a new tag": ("create", {"ref": "v1", "ref_type": "tag"}, "not_a_push"),
    "no branch any more": ("delete", {"ref": "main", "ref_type": "branch"}, "branch_deleted"),
    "a star": ("star", {"action": "created"}, "event_ignored"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_events_are_acknowledged_and_told(
    world: World, agent: Agent, repo: Repo, name: str
) -> None:
    event, payload, code = OTHERS[name]
    repo.send(event, payload)
    assert outcomes(world, agent) == [code]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"ref": 5, "before": NOTHING, "after": NOTHING},
        {"ref": "refs/heads/main", "before": "x", "after": "y"},
    ],
)
def test_a_push_that_says_nothing_is_refused(
    world: World, who: Principal, agent: Agent, payload: dict[str, Any]
) -> None:
    repo = hooked(world, who, agent)
    with pytest.raises(Malformed):
        repo.send("push", payload)
    world.work()
    assert outcomes(world, agent) == ["payload_malformed"]


# --- what is not believed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"signature": None}, "signature_missing"),
        ({"signature": None, "sha1": "sha1=" + "a" * 40}, "signature_outdated"),
        ({"signature": "sha256=" + "a" * 64}, "signature_wrong"),
        ({"signature": "sha256=" + "é" * 64}, "signature_wrong"),
        ({"signature": ""}, "signature_wrong"),
    ],
)
def test_a_call_that_is_not_believed_leaves_one_record(
    world: World, who: Principal, agent: Agent, more: dict[str, Any], code: str
) -> None:
    repo = hooked(world, who, agent)
    for _ in range(3):
        with pytest.raises(Unauthenticated) as refused:
            repo.send("push", repo.pushed(repo.commit()), **more)
        assert refused.value.code == code
    [delivery] = deliveries(world, agent)
    assert (delivery.state, delivery.code) == (DeliveryState.REFUSED, code)
    assert delivery.facts is None
    assert versions(world, agent) == []


def test_a_forged_call_to_the_app_leaves_nothing_with_any_agent(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.secret = "guessed"
    with pytest.raises(Unauthenticated):
        repo.push()
    assert deliveries(world, agent) == []


def test_a_payload_that_is_too_large_is_not_even_read(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = hooked(world, who, agent)

    def body() -> bytes:
        raise AssertionError("the body was read")

    huge = Arrival("push", "guid", "sha256=x", None, MAX_PAYLOAD + 1)
    with pytest.raises(TooLarge):
        world.platform.deliveries.receive(huge, body, repo.hook_id)
    assert outcomes(world, agent) == ["payload_too_large"]


@pytest.mark.parametrize("body", [b"[]", b"5", b'"push"', b"{", b"", b"\xff", b"[" * 100_000])
def test_a_payload_that_is_no_object_is_refused_and_recorded(
    world: World, who: Principal, agent: Agent, body: bytes
) -> None:
    repo = hooked(world, who, agent)
    with pytest.raises(Malformed):
        repo.send("push", body)
    world.work()
    [delivery] = deliveries(world, agent)
    assert (delivery.state, delivery.code) == (DeliveryState.FAILED, "payload_malformed")


def test_a_webhook_speaks_for_its_own_repository_alone(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = hooked(world, who, agent)
    repo.send("push", {**repo.pushed(repo.commit()), "repository": {"id": 5, "full_name": "x/y"}})
    assert outcomes(world, agent) == ["other_repository"]


def test_no_secret_in_a_commit_message_is_echoed(world: World, agent: Agent, repo: Repo) -> None:
    token = "ghp_" + "a1B2" * 9
    repo.push(f"Use {token} and postgres://me:hunter22@db, mail me@example.com")
    [version] = versions(world, agent)
    assert version.source.commit is not None
    shown = version.source.commit.message
    assert shown == "Use ••• and postgres://•••@db, mail [email]"
    stored = json.dumps([d.decode() for d in world.store.dump().values()])
    assert token not in stored
    assert "hunter22" not in stored


def test_no_value_of_a_secret_variable_in_a_commit_message_is_echoed(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    wanted = [VariableValue("WORD", "tiny-boat-7781", secret=True)]
    world.platform.variables.put(who, agent.id, "production", wanted, if_revision=None)
    repo.push("Sail on tiny-boat-7781 tonight")
    [version] = versions(world, agent)
    assert version.source.commit is not None
    assert version.source.commit.message == "Sail on ••• tonight"


def test_links_out_of_the_tree_are_refused(world: World, agent: Agent, repo: Repo) -> None:
    repo.push(evil="link:../../etc/passwd")
    [version] = versions(world, agent)
    assert version.state is VersionState.REJECTED


def test_submodules_and_lfs_pointers_are_told(world: World, agent: Agent, repo: Repo) -> None:
    pointer = (
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
    )
    repo.push(
        _dot_gitmodules="[submodule]",
        _dot_gitattributes="*.bin filter=lfs diff=lfs merge=lfs -text\n",
        model_dot_bin=pointer,
    )
    [version] = versions(world, agent)
    assert [w.code for w in version.warnings] == ["submodules_missing", "lfs_pointers"]


# --- once more -----------------------------------------------------------------------------------


def test_a_delivery_is_looked_at_again_by_request(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    [version] = versions(world, agent)
    world.finish_build(version, state="failed", image=None)
    world.work()
    [delivery] = deliveries(world, agent)
    world.platform.deliveries.again(who, agent.id, delivery.id)
    world.work()
    assert len(versions(world, agent)) == 2
    world.platform.deliveries.again(who, agent.id, delivery.id)
    world.work()
    assert len(versions(world, agent)) == 2, "what is being built is not built twice"
    assert outcomes(world, agent) == ["known_head"]


def test_what_was_disconnected_meanwhile_is_not_built(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    repo.push()
    world.platform.connections.remove(who, agent.id)
    [version] = versions(world, agent)
    built(world, version)
    assert len(versions(world, agent)) == 1
    assert outcomes(world, agent) == ["started", "disconnected"]


def test_nothing_is_built_in_an_organisation_that_is_being_deleted(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    world.platform.closing.close(who, confirm="Acme")
    repo.push()
    assert outcomes(world, agent) == ["organisation_closing"]


def test_what_waited_is_not_built_in_an_organisation_that_is_being_deleted(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    repo.push()
    [first] = versions(world, agent)
    world.platform.closing.close(who, confirm="Acme")
    built(world, first)
    assert len(versions(world, agent)) == 1
    assert outcomes(world, agent) == ["started", "organisation_closing"]


def test_a_deleted_agent_leaves_nothing_to_do(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    repo.push()
    [version] = versions(world, agent)
    world.platform.agents.delete(who, agent.id)
    world.finish_build(version)
    world.work()
    world.platform.reconciler.run()
    assert len(versions(world, agent)) == 1
    assert not world.platform.work.is_open()
    assert list(every(world.store, TRACKS, agent.org_id, agent.id)) == []


def test_with_nothing_left_to_do_the_schedule_rests(world: World, agent: Agent, repo: Repo) -> None:
    repo.push("Docs [skip deploy]")
    assert world.scheduled()
    world.platform.reconciler.run()
    assert not world.scheduled()
    repo.push()
    world.platform.reconciler.run()
    assert world.scheduled()


def test_checks_that_succeed_deploy_nothing_while_deploying_is_off(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, auto_deploy=False, wait_for_checks=True)
    sha = repo.push()
    repo.kept.checks[sha] = Checks.SUCCESS
    suite = {"action": "completed", "check_suite": {"head_sha": sha, "head_branch": "main"}}
    repo.send("check_suite", suite)
    assert outcomes(world, agent) == ["auto_deploy_off", "auto_deploy_off"]


@pytest.mark.parametrize("change", [{"branch": "release"}, {"auto_deploy": False}, {"root": "x"}])
def test_what_waited_is_not_built_when_the_agent_follows_something_else(
    world: World, who: Principal, agent: Agent, repo: Repo, change: dict[str, Any]
) -> None:
    repo.push()
    repo.push()
    repo.commit("Elsewhere", "release")
    [first] = versions(world, agent)
    connected(world, who, agent, **change)
    built(world, first)
    assert len(versions(world, agent)) == 1
    assert outcomes(world, agent)[-1] in ("settings_changed", "auto_deploy_off")


def test_what_waited_in_vain_can_be_built_once_deploying_is_on_again(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    newest = repo.push()
    [first] = versions(world, agent)
    connected(world, who, agent, auto_deploy=False)
    built(world, first)
    connected(world, who, agent, auto_deploy=True)
    [waited, _] = deliveries(world, agent)
    world.platform.deliveries.again(who, agent.id, waited.id)
    world.work()
    assert outcomes(world, agent) == ["started", "started"]
    *_, version = versions(world, agent)
    assert version.source.commit is not None
    assert version.source.commit.sha == newest


def test_a_build_of_the_repository_before_ends_with_it(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    [old] = versions(world, agent)
    other = connected(world, who, agent, "acme/other")
    other.push()
    *_, new = versions(world, agent)
    built(world, new)
    late = built(world, old)
    assert (late.state, late.deployment_id) == (VersionState.CANCELLED, None)


def test_an_installation_speaks_to_the_agents_that_are_connected_by_it_alone(
    world: World, agent: Agent, repo: Repo
) -> None:
    payload = repo.pushed(repo.commit())
    repo.send("push", {**payload, "installation": {"id": INSTALLATION + 1}})
    repo.send("repository", {"action": "deleted", "installation": {"id": INSTALLATION + 1}})
    assert deliveries(world, agent) == []
    assert connection(world, agent).state == "connected"


def test_what_an_installation_told_before_another_took_its_place_is_ignored(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    world.code_host.down = 1
    repo.push()
    world.code_host.down = None
    repo.kept.installation_id = INSTALLATION + 1
    installed(world, who, INSTALLATION + 1)
    wish = Wish(repo.kept.about.full_name, installation_id=INSTALLATION + 1)
    world.platform.connections.put(who, agent.id, wish, if_revision=None)
    world.clock.sleep(900)
    world.platform.reconciler.run()
    world.work()
    assert outcomes(world, agent) == ["other_installation"]
    assert versions(world, agent) == []


def test_who_has_lost_a_repository_hears_no_more_of_it(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.send("installation", {"action": "deleted"})
    assert connection(world, agent).state is ConnectionState.GONE
    repo.kept.installation_id = 88
    repo.installation_id = 88
    repo.push(branch="the-secret-plan")
    repo.push()
    assert deliveries(world, agent) == []


def test_what_another_installation_says_is_heard_by_nobody(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.installation_id = INSTALLATION + 1
    repo.push()
    assert deliveries(world, agent) == []
    assert versions(world, agent) == []


def test_a_repository_that_is_unarchived_lifts_nothing_else(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.send("installation", {"action": "suspend"})
    repo.send("repository", {"action": "unarchived"})
    assert connection(world, agent).state is ConnectionState.SUSPENDED
    repo.send("installation", {"action": "unsuspend"})
    repo.send("repository", {"action": "archived"})
    assert connection(world, agent).state is ConnectionState.GONE
    repo.send("repository", {"action": "unarchived"})
    assert connection(world, agent).state is ConnectionState.CONNECTED
