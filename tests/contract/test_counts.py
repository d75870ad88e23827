"""One suite for every store: what is counted is exact, whoever counts at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.domain.search import Counts, trend_of
from chalicelib.errors import ChangedMeanwhile
from chalicelib.ports import COUNTER_SHARDS, Put, Store, Tally
from tests.contract.test_store import NOW, agent

WHERE = ("org_1", "agt_1")


def test_nothing_counted_is_zero(store: Store) -> None:
    assert store.counts(*WHERE) == Counts()


def test_many_at_once_lose_none(store: Store) -> None:
    def count(number: int) -> None:
        changes = [Tally(*WHERE, {"deployments": 1, "stars": number % 5})]
        # Alone and within a transaction, it is the same.
        store.commit(*changes, *([Put(agent("org_1"))] if number % 2 else []))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(100)))
    found = store.counts(*WHERE)
    assert (found.deployments, found.stars) == (100, 200)


def test_what_is_counted_is_counted_with_its_change_or_not_at_all(store: Store) -> None:
    one = agent("org_1")
    store.commit(Put(one), Tally(*WHERE, {"users": 1}))
    with pytest.raises(ChangedMeanwhile) as lost:
        store.commit(Tally(*WHERE, {"users": 1}), Put(one))
    assert lost.value.lost == {1}
    assert store.counts(*WHERE).users == 1


def test_counting_down_and_every_shard_counts(store: Store) -> None:
    for shard in range(COUNTER_SHARDS):
        store.commit(Tally(*WHERE, {"ratings": 1, "stars": 5}, shard))
    store.commit(Tally(*WHERE, {"ratings": -1, "stars": -5}))
    found = store.counts(*WHERE)
    assert (found.ratings, found.stars) == (COUNTER_SHARDS - 1, 5 * (COUNTER_SHARDS - 1))
    assert store.counts("org_1", "agt_2") == Counts()


def test_a_month_is_counted_for_itself(store: Store) -> None:
    month = Tally(*WHERE, {"active": 1}, 3, month="2026-01", expires_at=NOW)
    store.commit(month)
    store.commit(Put(agent("org_1")), month, Tally(*WHERE, {"users": 1}, 3))
    assert store.counts(*WHERE) == Counts(users=1)
    assert store.counts(*WHERE, "2026-01") == Counts(users=1, active=2)
    assert store.counts(*WHERE, "2026-02") == Counts(users=1)


def test_a_trend_survives_being_stored(store: Store) -> None:
    store.commit(Tally(*WHERE, {"trend": trend_of(NOW)}, 0))
    store.commit(Tally(*WHERE, {"trend": trend_of(NOW)}, 1))
    assert store.counts(*WHERE).trend == pytest.approx(2 * trend_of(NOW))
