"""One suite for all counters: exact, whoever counts at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.adapters.counters import DynamoCounters
from chalicelib.adapters.memory import MemoryCounters
from chalicelib.domain.limits import Bucket, RateClass, Strikes
from chalicelib.errors import Unavailable
from chalicelib.ports import Counters
from tests.contract.conftest import OneAtATime

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MINE = Bucket(RateClass.READ, "usr_1", "org_1")


@pytest.fixture(params=["memory", "dynamo"])
def counters(request: pytest.FixtureRequest) -> Counters:
    if request.param == "memory":
        return MemoryCounters()
    client: OneAtATime = request.getfixturevalue("dynamo")
    return DynamoCounters("table", lambda: client)


def take(counters: Counters, bucket: Bucket = MINE, window: int = 0, limit: int = 3) -> int | None:
    return counters.take(bucket, window=window, limit=limit, expires_at=LATER)


def test_counts_up_to_the_limit_and_no_further(counters: Counters) -> None:
    assert [take(counters) for _ in range(5)] == [1, 2, 3, None, None]


def test_a_refused_request_does_not_count(counters: Counters) -> None:
    for _ in range(5):
        take(counters)
    assert take(counters, limit=4) == 4


def test_a_new_window_begins_at_nothing(counters: Counters) -> None:
    for _ in range(5):
        take(counters)
    assert take(counters, window=60) == 1


@pytest.mark.parametrize(
    "other",
    [
        Bucket(RateClass.READ, "usr_2", "org_1"),
        Bucket(RateClass.READ, "usr_1", "org_2"),
        Bucket(RateClass.WRITE, "usr_1", "org_1"),
        Bucket(RateClass.READ, "usr_1"),
    ],
    ids=["person", "organisation", "class", "address"],
)
def test_nobody_uses_up_what_is_anothers(counters: Counters, other: Bucket) -> None:
    for _ in range(5):
        take(counters)
    assert take(counters, other) == 1


def test_twenty_at_once_get_exactly_the_limit(counters: Counters) -> None:
    together = threading.Barrier(20)

    def ask(_: int) -> list[int | None]:
        together.wait(timeout=30)
        return [take(counters, limit=50) for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        answers = [one for several in pool.map(ask, range(20)) for one in several]
    given = sorted(n for n in answers if n is not None)
    assert given == list(range(1, 51))


def test_strikes_are_counted_with_the_time_of_the_last(counters: Counters) -> None:
    place = Bucket(RateClass.CREDENTIAL, "192.0.2.1")
    assert counters.strikes(place, window=0) is None
    for minute in range(3):
        at = NOW + timedelta(minutes=minute)
        counters.strike(place, window=0, at=at, expires_at=LATER)
    assert counters.strikes(place, window=0) == Strikes(3, NOW + timedelta(minutes=2))
    assert counters.strikes(place, window=3600) is None


def test_each_is_one_call(counters: Counters) -> None:
    take(counters)
    assert counters.calls == 1  # type: ignore[attr-defined]


class Silent:
    """A table that cannot be reached."""

    def __getattr__(self, operation: str) -> object:
        def call(**_: object) -> None:
            raise EndpointConnectionError(endpoint_url="http://table.test")

        return call


@pytest.mark.parametrize("silent", [MemoryCounters(down=True), DynamoCounters("table", Silent)])
def test_silence_is_said_to_be_unavailable(silent: Counters) -> None:
    place = Bucket(RateClass.CREDENTIAL, "192.0.2.1")
    with pytest.raises(Unavailable):
        take(silent)
    with pytest.raises(Unavailable):
        silent.strike(place, window=0, at=NOW, expires_at=LATER)
    with pytest.raises(Unavailable):
        silent.strikes(place, window=0)
