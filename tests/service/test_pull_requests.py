"""A pull request's preview: its life, what it may see, and strangers' code that waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.agents import Agent, Visibility
from chalicelib.domain.connections import PreviewsOf
from chalicelib.domain.deliveries import DeliveryState
from chalicelib.domain.deployments import Deployment, Environment, Variables
from chalicelib.domain.ids import new_id
from chalicelib.domain.operations import ServiceClaim
from chalicelib.domain.pull_requests import PreviewState, PullRequest
from chalicelib.domain.shares import ShareKind
from chalicelib.domain.tenancy import Principal, Role
from chalicelib.domain.versions import Version, VersionState
from chalicelib.errors import Conflict, Forbidden, NotFound
from chalicelib.ports import OPEN_PREVIEWS, VERSIONS, Put, every
from chalicelib.services.variables import VariableValue
from tests.conftest import World
from tests.hooks import Repo, connected, deliveries, outcomes

FORK = {"id": 5, "full_name": "eve/echo"}


@pytest.fixture
def repo(world: World, who: Principal, agent: Agent) -> Repo:
    return connected(world, who, agent, previews=PreviewsOf.ON)


def opened(repo: Repo, number: int = 3, **more: Any) -> str:
    """A pull request of the repository's own branch; its head."""
    sha = repo.commit(f"Change {number}", f"feature-{number}", extra=f"{number}")
    repo.send("pull_request", repo.pull("opened", number, sha, **more))
    return sha


def renewed(repo: Repo, number: int = 3, *, at: str, **more: Any) -> str:
    sha = repo.commit(f"Again {at}", f"feature-{number}")
    repo.send("pull_request", repo.pull("synchronize", number, sha, at=at, **more))
    return sha


def request_of(world: World, agent: Agent, number: int = 3) -> PullRequest:
    found = world.store.get(PullRequest, agent.org_id, agent.id, str(number))
    assert found is not None
    return found


def environment(world: World, agent: Agent, name: str = "pr-3") -> Environment | None:
    return world.store.get(Environment, agent.org_id, agent.id, name)


def newest(world: World, agent: Agent) -> Version:
    return next(iter(every(world.store, VERSIONS, agent.org_id, agent.id)))


def run(world: World, who: Principal, agent: Agent) -> Deployment:
    """The newest version's build succeeds, and its deployment goes live."""
    ready = world.finish_build(newest(world, agent))
    world.work()
    assert ready.deployment_id is not None
    return world.run_machine(who, ready.deployment_id)


def values(world: World, agent: Agent, name: str = "pr-3") -> dict[str, str]:
    stored = world.store.get(Variables, agent.org_id, agent.id, name)
    return world.platform.variables.open(stored) if stored else {}


def variables(world: World, who: Principal, agent: Agent) -> None:
    """Production's, and those of previews."""
    sets = {"production": "live", "preview": "harmless"}
    for name, word in sets.items():
        wanted = [
            VariableValue("TOKEN", f"{word} secret", secret=True),
            VariableValue("COLOUR", f"{word} colour", secret=False),
        ]
        world.platform.variables.put(who, agent.id, name, wanted, if_revision=None)


def test_opened_it_answers_pushed_to_it_is_renewed_closed_it_is_gone(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    first = opened(repo)
    live = run(world, who, agent)
    assert (live.environment, live.state) == ("pr-3", "live")
    assert live.url
    assert live.commit is not None
    assert (live.commit.sha, live.commit.pull_request) == (first, 3)
    second = renewed(repo, at="2026-01-02T00:00:00Z")
    again = run(world, who, agent)
    assert again.commit is not None
    assert again.commit.sha == second
    place = environment(world, agent)
    assert place is not None
    service_id = place.service_id
    repo.send("pull_request", repo.pull("closed", 3, second, at="2026-01-03T00:00:00Z"))
    assert outcomes(world, agent) == ["started", "started", "preview_removed"]
    assert request_of(world, agent).state is PreviewState.CLOSED
    assert environment(world, agent) is None
    assert world.store.get(ServiceClaim, service_id) is None
    assert world.host.inspect(service_id) is None
    assert world.platform.deployments.get(who, again.id).state == "stopped"
    assert not list(every(world.store, OPEN_PREVIEWS))


def test_production_is_left_alone(world: World, who: Principal, agent: Agent, repo: Repo) -> None:
    repo.push()
    live = run(world, who, agent)
    opened(repo)
    run(world, who, agent)
    assert world.platform.deployments.get(who, live.id).state == "live"


def test_it_has_the_variables_of_previews_and_none_of_productions(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    variables(world, who, agent)
    opened(repo)
    assert values(world, agent) == {"TOKEN": "harmless secret", "COLOUR": "harmless colour"}
    live = run(world, who, agent)
    given = world.platform.deployments.opened_variables(live)
    assert given == values(world, agent)


def test_a_forks_commit_waits_for_a_members_word_and_gets_no_secret(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    variables(world, who, agent)
    sha = opened(repo, head_repo=FORK)
    [delivery] = deliveries(world, agent)
    assert (delivery.state, delivery.code) == (DeliveryState.HELD, "approval_required")
    assert not list(every(world.store, VERSIONS, agent.org_id, agent.id))
    world.clock.sleep(3600)
    world.platform.reconciler.run()
    world.work()
    assert outcomes(world, agent) == ["approval_required"], "it waits for as long as it takes"
    world.platform.pull_requests.approve(who, agent.id, 3, sha=sha)
    world.work()
    live = run(world, who, agent)
    assert live.state == "live"
    assert live.commit is not None
    assert live.commit.fork
    assert world.platform.deployments.opened_variables(live) == {"COLOUR": "harmless colour"}


def test_what_a_fork_pushes_after_the_approval_waits_again(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo, head_repo=FORK)
    later = renewed(repo, at="2026-01-02T00:00:00Z", head_repo=FORK)
    with pytest.raises(Conflict) as moved:
        world.platform.pull_requests.approve(who, agent.id, 3, sha=sha)
    assert moved.value.code == "head_moved"
    world.platform.pull_requests.approve(who, agent.id, 3, sha=later)
    world.work()
    run(world, who, agent)
    renewed(repo, at="2026-01-03T00:00:00Z", head_repo=FORK)
    assert outcomes(world, agent)[-1] == "approval_required"
    versions = list(every(world.store, VERSIONS, agent.org_id, agent.id))
    assert [v.source.commit.sha for v in versions if v.source.commit] == [later]
    assert request_of(world, agent).state is PreviewState.ACTIVE, "the approved one still runs"


def test_an_approval_ends_with_the_pull_request(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo, head_repo=FORK)
    world.platform.pull_requests.approve(who, agent.id, 3, sha=sha)
    world.work()
    run(world, who, agent)
    ended = {"at": "2026-01-02T00:00:00Z", "head_repo": FORK}
    repo.send("pull_request", repo.pull("closed", 3, sha, **ended))
    assert request_of(world, agent).approved_sha == ""
    with pytest.raises(Conflict) as closed:
        world.platform.pull_requests.approve(who, agent.id, 3, sha=sha)
    assert closed.value.code == "pull_request_closed"
    back = {"at": "2026-01-03T00:00:00Z", "head_repo": FORK}
    repo.send("pull_request", repo.pull("reopened", 3, sha, **back))
    assert outcomes(world, agent)[-1] == "approval_required"


def test_what_came_from_a_fork_once_stays_a_strangers(
    world: World, agent: Agent, repo: Repo
) -> None:
    opened(repo, head_repo=FORK)
    renewed(repo, at="2026-01-02T00:00:00Z", head_repo=repo.about)
    assert outcomes(world, agent)[-1] == "approval_required"
    assert list(every(world.store, VERSIONS, agent.org_id, agent.id)) == []


def test_a_fork_that_was_deleted_stays_a_stranger(world: World, agent: Agent, repo: Repo) -> None:
    opened(repo, head_repo=None)
    assert outcomes(world, agent) == ["approval_required"]


def test_what_was_a_strangers_once_stays_a_strangers(
    world: World, agent: Agent, repo: Repo
) -> None:
    opened(repo, head_repo=FORK)
    renewed(repo, at="2026-01-02T00:00:00Z", head_repo=repo.about)
    assert request_of(world, agent).fork
    assert deliveries(world, agent)[0].state is DeliveryState.HELD


def test_an_approval_ends_with_the_preview_it_was_for(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo, head_repo=FORK)
    world.platform.pull_requests.approve(who, agent.id, 3, sha=sha)
    world.work()
    assert request_of(world, agent).state is PreviewState.ACTIVE
    for day, action in ((2, "closed"), (3, "reopened")):
        at = f"2026-01-0{day}T00:00:00Z"
        repo.send("pull_request", repo.pull(action, 3, sha, at=at, head_repo=FORK))
    assert request_of(world, agent).state is PreviewState.WAITING
    assert deliveries(world, agent)[0].state is DeliveryState.HELD
    assert len(list(every(world.store, VERSIONS, agent.org_id, agent.id))) == 1


def test_nothing_is_approved_that_waits_for_no_approval(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    own = opened(repo, 3)
    theirs = opened(repo, 4, head_repo=FORK)
    repo.send("pull_request", repo.pull("closed", 4, theirs, at="2026-01-02T00:00:00Z"))
    for number, sha, code in ((3, own, "not_a_fork"), (4, theirs, "pull_request_closed")):
        with pytest.raises(Conflict) as refused:
            world.platform.pull_requests.approve(who, agent.id, number, sha=sha)
        assert refused.value.code == code
    with pytest.raises(NotFound):
        world.platform.pull_requests.approve(who, agent.id, 5, sha=own)
    world.work()
    assert len(list(every(world.store, VERSIONS, agent.org_id, agent.id))) == 1


def test_who_may_not_approve_does_not(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo, head_repo=FORK)
    viewer = world.join(who, "viewer@example.com", Role.VIEWER)
    with pytest.raises(Forbidden):
        world.platform.pull_requests.approve(viewer, agent.id, 3, sha=sha)
    stranger = world.founded("eve@example.com", "Eve")
    with pytest.raises(NotFound):
        world.platform.pull_requests.approve(stranger, agent.id, 3, sha=sha)


def test_a_strangers_version_runs_nowhere_but_in_its_preview(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    opened(repo)
    run(world, who, agent)
    version = newest(world, agent)
    deployments = world.platform.deployments
    with pytest.raises(Conflict) as refused:
        deployments.request(who, agent.id, version_id=version.id, environment="production")
    assert refused.value.code == "not_merged"
    own = world.ready(who, agent)
    with pytest.raises(Conflict) as reserved:
        deployments.request(who, agent.id, version_id=own.id, environment="pr-3")
    assert reserved.value.code == "environment_reserved"
    with pytest.raises(Conflict):
        world.platform.variables.put(who, agent.id, "pr-3", [], if_revision=None)
    with pytest.raises(Conflict):
        world.platform.versions.create_upload(
            who, agent.id, filename="a.zip", size=None, deploy=True, environment="pr-3"
        )


IGNORED: dict[str, tuple[dict[str, Any], str]] = {
    "to another branch": ({"base": "release"}, "other_branch"),
    "told to skip": ({"message": "No [skip deploy]"}, "skip_requested"),
    "labelled": ({"action": "labeled"}, "event_ignored"),
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_gets_no_preview_says_why(world: World, agent: Agent, repo: Repo, name: str) -> None:
    more, code = IGNORED[name]
    sha = repo.commit(more.pop("message", "A change"), "feature")
    repo.send("pull_request", repo.pull(more.pop("action", "opened"), 3, sha, **more))
    assert outcomes(world, agent) == [code]


def test_previews_are_off_until_somebody_wants_them(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent)
    opened(repo)
    assert outcomes(world, agent) == ["previews_off"]


def test_a_pull_request_that_changes_nothing_of_the_agents_gets_none(
    world: World, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, previews=PreviewsOf.ON, watch=["src/**"])
    opened(repo)
    assert outcomes(world, agent) == ["not_watched"]


def test_events_out_of_order_end_with_the_newest(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    first = repo.commit("One", "feature")
    second = repo.commit("Two", "feature")
    repo.send("pull_request", repo.pull("synchronize", 3, second, at="2026-01-02T00:00:00Z"))
    repo.send("pull_request", repo.pull("opened", 3, first, at="2026-01-01T00:00:00Z"))
    assert outcomes(world, agent) == ["started", "not_newest"]
    assert request_of(world, agent).head_sha == second
    repo.send("pull_request", repo.pull("closed", 3, second, at="2026-01-04T00:00:00Z"))
    repo.send("pull_request", repo.pull("synchronize", 3, second, at="2026-01-03T00:00:00Z"))
    assert outcomes(world, agent)[-2:] == ["preview_removed", "not_newest"]
    assert environment(world, agent) is None


def test_moved_to_another_branch_it_is_gone(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    run(world, who, agent)
    moved = repo.pull("edited", 3, sha, at="2026-01-02T00:00:00Z", base="release")
    repo.send("pull_request", moved)
    assert outcomes(world, agent)[-1] == "preview_removed"
    assert environment(world, agent) is None


def test_reopened_it_comes_back(world: World, who: Principal, agent: Agent, repo: Repo) -> None:
    sha = opened(repo)
    run(world, who, agent)
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    repo.send("pull_request", repo.pull("reopened", 3, sha, at="2026-01-03T00:00:00Z"))
    assert run(world, who, agent).state == "live"
    assert request_of(world, agent).state is PreviewState.ACTIVE


def test_closed_while_it_is_built_nothing_goes_live(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    building = newest(world, agent)
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    world.finish_build(building)
    world.work()
    assert newest(world, agent).state is VersionState.CANCELLED
    assert environment(world, agent) is None


def test_closed_while_it_is_released_nothing_is_left(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    ready = world.finish_build(newest(world, agent))
    assert ready.deployment_id is not None
    world.platform.releases.step("release", who.org_id, ready.deployment_id)
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    assert outcomes(world, agent)[-1] == "preview_removed"
    ended = world.run_machine(who, ready.deployment_id)
    assert ended.state == "cancelled"
    assert environment(world, agent) is None
    assert not world.host.running


def test_a_host_that_is_silent_when_it_is_closed_is_asked_again(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    run(world, who, agent)
    world.host.down = True
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    assert deliveries(world, agent)[0].state is DeliveryState.WAITING
    assert request_of(world, agent).state is PreviewState.CLOSING
    world.host.down = False
    world.clock.sleep(120)
    world.platform.reconciler.run()
    world.work()
    assert request_of(world, agent).state is PreviewState.CLOSED
    assert outcomes(world, agent)[-1] == "preview_removed"


def test_after_idle_days_it_is_taken_away_and_a_push_brings_it_back(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    opened(repo)
    run(world, who, agent)
    world.clock.sleep(6 * 86400)
    world.platform.reconciler.run()
    assert environment(world, agent) is not None
    world.clock.sleep(2 * 86400)
    world.platform.reconciler.run()
    assert environment(world, agent) is None
    assert request_of(world, agent).state is PreviewState.IDLE
    renewed(repo, at="2026-02-01T00:00:00Z")
    assert run(world, who, agent).state == "live"


def test_there_are_no_more_previews_at_a_time_than_the_tier_has(
    world: World, agent: Agent, repo: Repo
) -> None:
    for number in range(1, 5):
        opened(repo, number)
    assert outcomes(world, agent) == ["started"] * 3 + ["too_many_previews"]


def test_what_is_taken_away_makes_place_for_another(world: World, agent: Agent, repo: Repo) -> None:
    heads = [opened(repo, number) for number in range(1, 4)]
    repo.send("pull_request", repo.pull("closed", 1, heads[0], at="2026-01-02T00:00:00Z"))
    opened(repo, 4)
    assert outcomes(world, agent) == ["started"] * 3 + ["preview_removed", "started"]


def test_what_was_closed_is_not_opened_by_other_news_of_that_second(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    run(world, who, agent)
    for action in ("closed", "edited"):
        repo.send("pull_request", repo.pull(action, 3, sha, at="2026-01-02T00:00:00Z"))
    assert outcomes(world, agent)[-2:] == ["preview_removed", "not_newest"]
    assert environment(world, agent) is None


def test_nothing_is_shown_while_the_app_is_suspended(
    world: World, agent: Agent, repo: Repo
) -> None:
    repo.send("installation", {"action": "suspend"})
    opened(repo)
    assert outcomes(world, agent)[-1] == "disconnected"
    assert list(every(world.store, VERSIONS, agent.org_id, agent.id)) == []


def test_disconnected_or_switched_off_all_previews_go(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    opened(repo)
    run(world, who, agent)
    world.platform.connections.remove(who, agent.id)
    world.platform.reconciler.run()
    assert environment(world, agent) is None


def test_they_are_listed_with_where_they_answer(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    opened(repo, 3)
    live = run(world, who, agent)
    opened(repo, 4, head_repo=FORK)
    page, serving = world.platform.pull_requests.page(who, agent.id, limit=10, after=None)
    assert [(one.number, one.state) for one in page.items] == [
        (4, PreviewState.WAITING),
        (3, PreviewState.ACTIVE),
    ]
    assert serving[3].url == live.url


def test_no_commit_of_a_fork_is_what_the_repository_itself_has(
    world: World, agent: Agent, repo: Repo
) -> None:
    """A preview's commits are another track than production's."""
    sha = opened(repo)
    repo.kept.branches["main"] = sha
    repo.send("push", repo.pushed(sha))
    assert outcomes(world, agent) == ["started", "started"]


def test_a_push_that_overtakes_the_end_of_idle_days_keeps_the_preview(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    opened(repo)
    run(world, who, agent)
    world.clock.sleep(8 * 86400)
    seen = request_of(world, agent)
    renewed(repo, at="2026-01-02T00:00:00Z")
    world.platform.pull_requests.reconcile(seen)
    assert request_of(world, agent).state is PreviewState.ACTIVE
    assert run(world, who, agent).state == "live"


def test_what_is_reopened_waits_until_the_preview_before_it_is_gone(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    run(world, who, agent)
    world.host.down = True
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    repo.send("pull_request", repo.pull("reopened", 3, sha, at="2026-01-03T00:00:00Z"))
    assert request_of(world, agent).state is PreviewState.CLOSING
    assert deliveries(world, agent)[0].state is DeliveryState.WAITING
    world.host.down = False
    for _ in range(4):
        world.clock.sleep(120)
        world.platform.reconciler.run()
        world.work()
    assert request_of(world, agent).state is PreviewState.ACTIVE
    assert run(world, who, agent).state == "live"
    place = environment(world, agent)
    assert place is not None
    assert place.serving


def test_the_limit_counts_old_previews_too_and_two_at_once(
    world: World, agent: Agent, repo: Repo
) -> None:
    opened(repo, 1)
    opened(repo, 2)
    sha = repo.kept.branches["feature-1"]
    for number in range(100, 205):
        repo.send("pull_request", repo.pull("opened", number, sha, head_repo=FORK))
    heads = {n: repo.commit(f"{n}", f"feature-{n}", extra=f"{n}") for n in range(300, 306)}
    for number, head in heads.items():
        repo.send("pull_request", repo.pull("opened", number, head), work=False)
    changes, world.store.stream = world.store.stream, []
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(world.platform.work.run, world.platform.work.plan(changes)))
    world.work(most=2000)
    for _ in range(20):
        world.clock.sleep(120)
        world.platform.reconciler.run()
        world.work(most=2000)
    assert len(list(every(world.store, OPEN_PREVIEWS))) == 3


def test_a_pull_request_of_the_repository_before_says_nothing_of_this_one(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    opened(repo, 3, at="2026-05-01T00:00:00Z", head_repo=FORK)
    other = connected(world, who, agent, "acme/other", previews=PreviewsOf.ON)
    opened(other, 3, at="2026-04-01T00:00:00Z")
    assert outcomes(world, agent) == ["approval_required", "started"]
    assert not request_of(world, agent).fork


def test_a_preview_of_the_repository_before_is_gone_before_another_takes_its_number(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    opened(repo)
    run(world, who, agent)
    before = environment(world, agent)
    assert before is not None
    world.host.down = True
    other = connected(world, who, agent, "acme/other", previews=PreviewsOf.ON)
    opened(other)
    assert deliveries(world, agent)[0].state is DeliveryState.WAITING
    assert request_of(world, agent).state is PreviewState.CLOSING
    world.host.down = False
    for _ in range(4):
        world.clock.sleep(120)
        world.platform.reconciler.run()
        world.work()
    assert outcomes(world, agent)[-1] == "started"
    run(world, who, agent)
    after = environment(world, agent)
    assert after is not None
    assert not {*after.last_good} & {*before.last_good}


def test_of_two_pushes_in_one_second_the_later_one_stays(
    world: World, agent: Agent, repo: Repo
) -> None:
    first = opened(repo)
    at = "2026-01-02T00:00:00Z"
    second = repo.commit("Two", "feature-3", extra="2")
    third = repo.commit("Three", "feature-3", extra="3")
    for sha, before in ((third, second), (second, first)):
        repo.send("pull_request", repo.pull("synchronize", 3, sha, at=at, before=before))
    assert request_of(world, agent).head_sha == third


def test_a_pull_request_waits_until_its_number_is_free_of_the_repository_before(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    opened(repo)
    run(world, who, agent)
    world.host.down = True
    other = connected(world, who, agent, "acme/other", previews=PreviewsOf.ON)
    opened(other)
    assert deliveries(world, agent)[0].state is DeliveryState.WAITING
    assert request_of(world, agent).state is PreviewState.CLOSING
    world.host.down = False
    for _ in range(4):
        world.clock.sleep(120)
        world.platform.reconciler.run()
        world.work()
    assert request_of(world, agent).state is PreviewState.ACTIVE
    assert request_of(world, agent).repository_id == other.kept.about.id
    assert run(world, who, agent).state == "live"


def test_what_was_pushed_in_the_second_of_the_end_opens_nothing_again(
    world: World, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    at = "2026-01-02T00:00:00Z"
    repo.send("pull_request", repo.pull("closed", 3, sha, at=at))
    renewed(repo, at=at, before=sha)
    assert outcomes(world, agent) == ["started", "preview_removed", "not_newest"]
    assert request_of(world, agent).state is PreviewState.CLOSED


def test_an_end_that_comes_late_ends_nothing_newer(world: World, agent: Agent, repo: Repo) -> None:
    sha = opened(repo)
    renewed(repo, at="2026-01-03T00:00:00Z", before=sha)
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    assert outcomes(world, agent)[-1] == "not_newest"
    assert request_of(world, agent).state is PreviewState.ACTIVE


def test_a_preview_that_has_ended_makes_room_for_another(
    world: World, agent: Agent, repo: Repo
) -> None:
    heads = [opened(repo, number) for number in range(1, 5)]
    assert outcomes(world, agent) == [*["started"] * 3, "too_many_previews"]
    repo.send("pull_request", repo.pull("closed", 2, heads[1], at="2026-01-02T00:00:00Z"))
    renewed(repo, 4, at="2026-01-03T00:00:00Z")
    assert request_of(world, agent, 4).state is PreviewState.ACTIVE


def test_there_is_no_preview_where_nothing_may_be_built(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.send("installation", {"action": "suspend", "repository": None})
    opened(repo)
    repo.send("installation", {"action": "unsuspend", "repository": None})
    world.platform.closing.close(who, confirm="Acme")
    opened(repo, 4)
    assert outcomes(world, agent) == ["disconnected", "organisation_closing"]
    assert list(every(world.store, OPEN_PREVIEWS)) == []


def test_what_was_built_just_before_the_end_is_not_deployed(
    world: World, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    building = newest(world, agent)
    # The build has ended, and whoever heard of it stopped before asking for the deployment.
    done = replace(building, state=VersionState.READY, image="x", revision=building.revision + 1)
    world.store.commit(Put(done))
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    left = world.platform.deployments.request_for_build(done)
    assert left.deployment_id is None
    assert "preview gone" in left.warnings[-1].detail
    assert environment(world, agent) is None


def test_nothing_comes_back_to_a_preview_that_has_ended(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    live = run(world, who, agent)
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    with pytest.raises(Conflict) as refused:
        world.platform.deployments.roll_back(who, live.id)
    assert refused.value.code == "preview_ended"


def test_a_pull_request_does_not_say_what_the_agent_is_made_of(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    run(world, who, agent)
    other = "name: Echo\nruntime: nodejs\nstart:\n  command: node main.js\n"
    files = {"agent_dot_yaml": other, "main_dot_js": "", "package_dot_json": "{}"}
    sha = repo.commit("Rewritten", "feature-3", **files)
    repo.send("pull_request", repo.pull("opened", 3, sha))
    assert (newest(world, agent).plan or {}).get("runtime") == "nodejs"
    assert world.platform.agents.get(who, agent.id).runtime == "python"


def test_many_previews_hide_no_version_that_can_be_published(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    run(world, who, agent)
    merged = newest(world, agent)
    opened(repo)
    run(world, who, agent)
    preview = newest(world, agent)
    for number in range(30):
        world.store.commit(
            Put(replace(preview, id=new_id("ver"), number=preview.number + 1 + number, revision=1))
        )
    candidate = world.platform.listings.get(who, agent.id).candidate
    assert candidate is not None
    assert candidate.id == merged.id


def test_a_deleted_agent_leaves_no_pull_request_behind(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    sha = opened(repo)
    run(world, who, agent)
    repo.send("pull_request", repo.pull("closed", 3, sha, at="2026-01-02T00:00:00Z"))
    world.platform.agents.delete(who, agent.id)
    assert world.store.get(PullRequest, agent.org_id, agent.id, "3") is None


def test_no_secret_in_a_title_is_kept(world: World, agent: Agent, repo: Repo) -> None:
    token = "ghp_" + "a1B2" * 9
    payload = repo.pull("opened", 3, repo.commit("x", "feature"))
    payload["pull_request"]["title"] = f"Use {token}"
    repo.send("pull_request", payload)
    assert not any(token in one.decode() for one in world.store.dump().values())


def test_a_strangers_version_is_offered_to_nobody(
    world: World, who: Principal, agent: Agent, repo: Repo
) -> None:
    repo.push()
    run(world, who, agent)
    merged = newest(world, agent)
    sha = opened(repo, head_repo=FORK)
    world.platform.pull_requests.approve(who, agent.id, 3, sha=sha)
    world.work()
    run(world, who, agent)
    foreign = newest(world, agent)
    assert foreign.id != merged.id
    listings = world.platform.listings
    draft = listings.get(who, agent.id)
    assert draft.candidate is not None
    assert draft.candidate.id == merged.id
    with pytest.raises(Conflict) as refused:
        listings.publish(who, agent.id, foreign.id, Visibility.ORGANISATION)
    assert refused.value.code == "not_merged"
    _, token = world.platform.sharing.share(who, agent.id, kind=ShareKind.LINK)
    assert token is not None
    assert world.platform.sharing.opened(token).listing.version_id == merged.id
