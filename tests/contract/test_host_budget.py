"""One suite for every budget and lease: in memory and on DynamoDB they must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.adapters.memory_host import MemoryBudget, MemoryLease
from chalicelib.adapters.railway_budget import DynamoBudget, DynamoLease
from chalicelib.domain.budget import HOUR, Allowance, Need, ceilings
from chalicelib.errors import HostUnavailable
from chalicelib.ports import HostBudget, HostLease
from tests.contract.conftest import TABLE, OneAtATime

PER_HOUR = 50


@dataclass
class Ground:
    """Makes budgets and leases that share what they keep, as functions do."""

    budget: Callable[[], HostBudget]
    lease: Callable[[], HostLease]
    clock: list[float] = field(default_factory=lambda: [1_000_000.0])

    def later(self, seconds: float) -> None:
        self.clock[0] += seconds


@pytest.fixture(params=["memory", "dynamo"])
def ground(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    clock = [1_000_000.0]

    def now() -> float:
        return clock[0]

    if request.param == "memory":
        budget, lease = MemoryBudget(PER_HOUR, now), MemoryLease(now)
        yield Ground(lambda: budget, lambda: lease, clock)
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = OneAtATime(get_session().create_client("dynamodb", region_name="us-east-1"))
        client.create_table(**TABLE)
        yield Ground(
            lambda: DynamoBudget("table", lambda: client, per_hour=PER_HOUR, clock=now),
            lambda: DynamoLease("table", lambda: client, "environment", clock=now),
            clock,
        )


def spend(budget: HostBudget, times: int, need: Need = Need.DEPLOY) -> int:
    """How many of the calls were allowed."""
    allowed = 0
    for _ in range(times):
        try:
            budget.spend(need)
        except HostUnavailable:
            continue
        allowed += 1
    return allowed


def test_however_many_functions_call_at_once_the_limit_is_not_passed(ground: Ground) -> None:
    functions = [ground.budget() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        allowed = sum(pool.map(lambda one: spend(one, 10), functions))
    assert allowed == ceilings(PER_HOUR)[Need.DEPLOY] < PER_HOUR
    state = ground.budget().state()
    assert state.left == PER_HOUR - allowed


def test_the_last_calls_of_an_hour_are_kept_for_deployments(ground: Ground) -> None:
    one, other = ground.budget(), ground.budget()
    allowed = ceilings(PER_HOUR)
    assert spend(one, PER_HOUR, Need.BACKGROUND) == allowed[Need.BACKGROUND]
    read = spend(other, PER_HOUR, Need.READ)
    assert read == allowed[Need.READ] - allowed[Need.BACKGROUND]
    with pytest.raises(HostUnavailable) as refused:
        one.spend(Need.READ)
    assert (refused.value.code, refused.value.ambiguous) == ("host_budget_spent", False)
    assert refused.value.retry_after == HOUR
    one.spend(Need.DEPLOY)


def test_a_new_hour_is_a_new_budget(ground: Ground) -> None:
    one, other = ground.budget(), ground.budget()
    spend(one, PER_HOUR)
    ground.later(HOUR + 1)
    other.spend(Need.BACKGROUND)
    assert ground.budget().state().left == PER_HOUR - 1
    with ThreadPoolExecutor(4) as pool:
        ground.later(HOUR + 1)
        list(pool.map(lambda _: spend(ground.budget(), 2), range(4)))
    assert ground.budget().state().left == PER_HOUR - 8


def test_a_pause_holds_for_everybody_and_ends(ground: Ground) -> None:
    one, other = ground.budget(), ground.budget()
    one.spend(Need.DEPLOY)
    one.learn(None, pause=17)
    with pytest.raises(HostUnavailable) as refused:
        other.spend(Need.DEPLOY)
    assert (refused.value.code, refused.value.retry_after) == ("host_paused", 17)
    one.learn(None, pause=5)
    assert (state := other.state()).paused_until is not None
    assert state.paused_until.timestamp() == ground.clock[0] + 17
    ground.later(17.5)
    other.spend(Need.DEPLOY)
    assert other.state().paused_until is None


def test_the_hosts_own_count_corrects_ours_but_never_gives_calls_back(ground: Ground) -> None:
    one = ground.budget()
    one.spend(Need.DEPLOY)
    resets = ground.clock[0] + HOUR
    # Somebody else uses the token too, and the plan has another limit than we thought.
    one.learn(Allowance(100, 40, resets))
    state = ground.budget().state()
    assert (state.limit, state.left) == (100, 40)
    assert state.heard_at is not None
    one.spend(Need.DEPLOY)
    one.learn(Allowance(100, 90, resets))
    assert ground.budget().state().left == 39
    # The host has begun another hour before ours was over.
    one.learn(Allowance(100, 98, resets + 1800))
    state = ground.budget().state()
    assert state.left == 98
    assert state.resets_at is not None
    assert state.resets_at.timestamp() == resets + 1800


def test_what_the_host_says_makes_no_sense_and_changes_nothing(ground: Ground) -> None:
    one = ground.budget()
    one.learn(Allowance(100, 90, ground.clock[0] - 5))
    one.spend(Need.DEPLOY)
    one.learn(Allowance(100, 90, ground.clock[0] - 5))
    one.learn(None)
    assert one.state().limit == PER_HOUR


def test_a_call_costs_one_write_and_hearing_the_expected_none() -> None:
    with mock_aws():
        client = get_session().create_client(
            "dynamodb",
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        client.create_table(**TABLE)
        clock = [1_000_000.0]
        budget = DynamoBudget("table", lambda: client, per_hour=1000, clock=lambda: clock[0])
        budget.spend(Need.DEPLOY)
        budget.learn(Allowance(1000, 999, clock[0] + HOUR))
        before = budget.writes
        for used in range(2, 22):
            budget.spend(Need.DEPLOY)
            budget.learn(Allowance(1000, 1000 - used, clock[0] + HOUR))
        assert budget.writes - before == 20


def test_one_holds_the_lease_until_it_lets_go(ground: Ground) -> None:
    one, other = ground.lease(), ground.lease()
    assert one.acquire("a")
    assert not other.acquire("b")
    assert one.acquire("a")
    other.release("b")
    assert not other.acquire("b")
    one.release("a")
    assert other.acquire("b")
    assert not one.keep("a")


def test_a_dead_holder_keeps_nobody_out_for_ever(ground: Ground) -> None:
    dead, next_one = ground.lease(), ground.lease()
    assert dead.acquire("a")
    ground.later(60)
    assert not next_one.acquire("b")
    ground.later(20)
    assert next_one.acquire("b")
    # It was only slow: it must not go on beside the other.
    assert not dead.keep("a")
    dead.release("a")
    assert next_one.keep("b")


def test_a_slow_holder_stays_holder_while_it_says_so(ground: Ground) -> None:
    slow, other = ground.lease(), ground.lease()
    assert slow.acquire("a")
    for _ in range(5):
        ground.later(50)
        assert slow.keep("a")
        assert not other.acquire("b")


def test_of_many_only_one_gets_the_lease(ground: Ground) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: ground.lease().acquire(f"holder-{n}"), range(16)))
    assert won.count(True) == 1
