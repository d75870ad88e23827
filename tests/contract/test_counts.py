"""One suite for every store: what is counted is exact, whoever counts at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.domain.search import Counts, trend_of
from chalicelib.errors import ChangedMeanwhile
from chalicelib.ports import COUNTER_SHARDS, Count, Put, Store
from tests.contract.test_store import NOW, agent

WHERE = ("org_1", "agt_1")


def test_nothing_counted_is_zero(store: Store) -> None:
    assert store.counts(*WHERE) == Counts()


def test_many_at_once_lose_none(store: Store) -> None:
    def count(number: int) -> None:
        changes = [Count(*WHERE, {"deployments": 1, "stars": number % 5})]
        # Alone and within a transaction, it is the same.
        store.commit(*changes, *([Put(agent("org_1"))] if number % 2 else []))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(100)))
    found = store.counts(*WHERE)
    assert (found.deployments, found.stars) == (100, 200)


def test_what_is_counted_is_counted_with_its_change_or_not_at_all(store: Store) -> None:
    one = agent("org_1")
    store.commit(Put(one), Count(*WHERE, {"users": 1}))
    with pytest.raises(ChangedMeanwhile) as lost:
        store.commit(Count(*WHERE, {"users": 1}), Put(one))
    assert lost.value.lost == {1}
    assert store.counts(*WHERE).users == 1


def test_counting_down_and_every_shard_counts(store: Store) -> None:
    for shard in range(COUNTER_SHARDS):
        store.commit(Count(*WHERE, {"ratings": 1, "stars": 5}, shard))
    store.commit(Count(*WHERE, {"ratings": -1, "stars": -5}))
    found = store.counts(*WHERE)
    assert (found.ratings, found.stars) == (COUNTER_SHARDS - 1, 5 * (COUNTER_SHARDS - 1))
    assert store.counts("org_1", "agt_2") == Counts()


def test_a_trend_survives_being_stored(store: Store) -> None:
    store.commit(Count(*WHERE, {"trend": trend_of(NOW)}, 0))
    store.commit(Count(*WHERE, {"trend": trend_of(NOW)}, 1))
    assert store.counts(*WHERE).trend == pytest.approx(2 * trend_of(NOW))
