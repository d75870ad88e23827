"""One suite for every catalogue: the one in memory and the one in S3 must find the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.adapters import aws, catalogue
from chalicelib.adapters.catalogue import STATE, S3Catalogue
from chalicelib.adapters.memory import MemoryCatalogue
from chalicelib.domain.search import Counts, SearchQuery, Withdrawn
from chalicelib.errors import Unavailable
from chalicelib.ports import Catalogue
from tests.unit.test_search import FEW, entry, slugs

BUCKET = "artifacts"
FOLD_AT = 5


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    aws.client.cache_clear()
    aws._session.cache_clear()
    with mock_aws():
        get_session().create_client("s3").create_bucket(Bucket=BUCKET)
        yield BUCKET
    aws.client.cache_clear()
    aws._session.cache_clear()


@pytest.fixture(params=["memory", "s3"])
def any_catalogue(request: pytest.FixtureRequest) -> Catalogue:
    if request.param == "memory":
        return MemoryCatalogue()
    return S3Catalogue(request.getfixturevalue("bucket"), look_seconds=0)


def test_without_an_index_nothing_is_found_and_feeding_asks_for_one(
    any_catalogue: Catalogue,
) -> None:
    assert any_catalogue.search(SearchQuery("crawler")).items == ()
    assert any_catalogue.feed([FEW[0]]) is False
    assert any_catalogue.is_ready() is False
    any_catalogue.rebuild(FEW)
    assert any_catalogue.is_ready() is True
    assert any_catalogue.feed([FEW[0]]) is True


def test_what_is_fed_is_found_and_what_is_withdrawn_is_not(any_catalogue: Catalogue) -> None:
    any_catalogue.rebuild(FEW)
    assert slugs(any_catalogue.search(SearchQuery("crawler"))) == ["site-crawler"]
    any_catalogue.feed([entry("weather", "Tells the weather"), Withdrawn(FEW[0].agent_id)])
    assert slugs(any_catalogue.search(SearchQuery("weather"))) == ["weather"]
    assert slugs(any_catalogue.search(SearchQuery("crawler"))) == []


def test_rebuilding_forgets_what_was_there(any_catalogue: Catalogue) -> None:
    any_catalogue.rebuild(FEW)
    any_catalogue.search(SearchQuery())
    any_catalogue.rebuild(FEW[1:2])
    assert slugs(any_catalogue.search(SearchQuery())) == ["price-watch"]


def test_what_is_not_held_as_it_is_is_told_and_what_is_held_is_listed(
    any_catalogue: Catalogue,
) -> None:
    assert any_catalogue.held("", 10) == []
    assert any_catalogue.stale(FEW) == list(FEW)
    any_catalogue.rebuild(FEW)
    assert any_catalogue.stale(FEW) == []
    changed = replace(FEW[0], summary="Something else")
    counted = replace(FEW[1], counts=Counts(views=1))
    new = entry("weather")
    assert any_catalogue.stale([changed, counted, FEW[2], new]) == [changed, counted, new]
    any_catalogue.feed([changed, new])
    assert any_catalogue.stale([changed, new]) == []
    everything = any_catalogue.held("", 100)
    assert [agent for agent, _ in everything] == sorted(e.agent_id for e in [*FEW, new])
    assert (new.agent_id, "weather") in everything
    assert any_catalogue.held(everything[0][0], 1) == everything[1:2]


def test_few_are_searched_alone_and_not_kept(any_catalogue: Catalogue) -> None:
    any_catalogue.rebuild(FEW)
    found = any_catalogue.search_among(
        [entry("weather", "Tells the weather")], SearchQuery("wether")
    )
    assert slugs(found) == ["weather"]
    assert any_catalogue.search_among([], SearchQuery("weather")).total == 0
    assert slugs(any_catalogue.search(SearchQuery("weather"))) == []


def test_what_failed_attempts_left_is_removed_and_nothing_else(bucket: str) -> None:
    writer = S3Catalogue(bucket, look_seconds=0, fold_at=FOLD_AT, left_after=timedelta(0))
    patient = S3Catalogue(bucket, look_seconds=0, fold_at=FOLD_AT)
    writer.rebuild(FEW)
    s3 = get_session().create_client("s3")
    left = [f"{catalogue.FOLDER}bases/x.sqlite", f"{catalogue.FOLDER}segments/x.json"]
    for key in (*left, "marketplaces/other", "media/a.png"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    def keys() -> set[str]:
        return {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}

    for n in range(FOLD_AT):
        patient.feed([entry(f"agent-{n}")])
    assert keys() >= set(left), "what is young may still be on its way"
    for n in range(FOLD_AT):
        writer.feed([entry(f"more-{n}")])
    assert not keys() & set(left)
    assert keys() >= {"marketplaces/other", "media/a.png"}
    fresh = S3Catalogue(bucket, look_seconds=0)
    assert fresh.search(SearchQuery()).total == len(FEW) + 2 * FOLD_AT


def test_a_fold_that_was_overtaken_leaves_no_base(bucket: str) -> None:
    rival = S3Catalogue(bucket, look_seconds=0, fold_at=100)
    rival.rebuild([])

    class Overtaken(S3Catalogue):
        left = 1

        def _put(self, key: str, body: bytes, **conditions: str) -> None:
            if key == STATE and self.left:
                self.left -= 1
                rival.feed([entry("rival")])
            super()._put(key, body, **conditions)

    Overtaken(bucket, look_seconds=0, fold_at=1).feed([entry("mine")])
    s3 = get_session().create_client("s3")
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{catalogue.FOLDER}bases/")["Contents"]
    assert len(found) == 2, "the one that serves, and the one before it"
    assert rival.search(SearchQuery()).total == 2


def test_two_writers_lose_nothing_and_every_reader_sees_all(bucket: str) -> None:
    one, other, reader = (S3Catalogue(bucket, look_seconds=0) for _ in range(3))
    one.rebuild([])
    for n in range(5):
        one.feed([entry(f"one-{n}")])
        other.feed([entry(f"other-{n}")])
        reader.search(SearchQuery())
    assert reader.search(SearchQuery()).total == 10


def test_a_writer_that_was_overtaken_tries_again(bucket: str) -> None:
    writer, rival = S3Catalogue(bucket, look_seconds=0), S3Catalogue(bucket, look_seconds=0)
    writer.rebuild([])

    class Overtaken(S3Catalogue):
        left = 2

        def _put(self, key: str, body: bytes, **conditions: str) -> None:
            if key == STATE and self.left:
                self.left -= 1
                rival.feed([entry(f"rival-{self.left}")])
            super()._put(key, body, **conditions)

    Overtaken(bucket, look_seconds=0).feed([entry("mine")])
    assert writer.search(SearchQuery()).total == 3


def test_folding_keeps_everything_for_old_and_new_readers(bucket: str) -> None:
    writer, old = (
        S3Catalogue(bucket, look_seconds=0, fold_at=FOLD_AT),
        S3Catalogue(bucket, look_seconds=0, fold_at=FOLD_AT),
    )
    writer.rebuild(FEW)
    for n in range(FOLD_AT + 3):
        writer.feed([entry(f"agent-{n}"), replace(FEW[0], summary=f"turn {n}")])
        old.search(SearchQuery())
    fresh = S3Catalogue(bucket, look_seconds=0, fold_at=FOLD_AT)
    for reader in (old, fresh):
        assert reader.search(SearchQuery()).total == len(FEW) + FOLD_AT + 3
        assert slugs(reader.search(SearchQuery(f"turn {FOLD_AT + 2}")))[0] == "site-crawler"
    for n in range(FOLD_AT):
        writer.feed([entry(f"more-{n}")])
    names = [
        item["Key"]
        for item in get_session().create_client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    ]
    assert len([n for n in names if "/bases/" in n]) == 2, "the present one and the one before it"


def test_a_reader_that_slept_through_a_fold_loads_the_new_base(bucket: str) -> None:
    writer, sleeper = (
        S3Catalogue(bucket, look_seconds=0, fold_at=FOLD_AT),
        S3Catalogue(bucket, look_seconds=0, fold_at=FOLD_AT),
    )
    writer.rebuild(FEW)
    assert sleeper.search(SearchQuery()).total == len(FEW)
    for n in range(FOLD_AT * 2 + 1):
        writer.feed([entry(f"agent-{n}")])
    assert sleeper.search(SearchQuery()).total == len(FEW) + FOLD_AT * 2 + 1


def test_an_index_of_another_form_is_not_read(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = S3Catalogue(bucket, look_seconds=0)
    writer.rebuild(FEW)
    monkeypatch.setattr(catalogue, "FORMAT", catalogue.FORMAT + 1)
    newer = S3Catalogue(bucket, look_seconds=0)
    assert newer.search(SearchQuery()).total == 0
    assert newer.feed([FEW[0]]) is False
    assert newer.is_ready() is False


def test_a_damaged_index_is_no_fault_of_who_searches(bucket: str) -> None:
    writer, reader = S3Catalogue(bucket, look_seconds=0), S3Catalogue(bucket, look_seconds=0)
    writer.rebuild(FEW)
    s3 = get_session().create_client("s3")
    state = json.loads(s3.get_object(Bucket=bucket, Key=STATE)["Body"].read())
    s3.put_object(Bucket=bucket, Key=state["base"], Body=b"SQLite format 3\x00 and no more")
    for _ in range(2):
        with pytest.raises(Unavailable):
            reader.search(SearchQuery("crawler"))
    writer.rebuild(FEW)
    assert slugs(reader.search(SearchQuery("crawler"))) == ["site-crawler"]


def test_readers_look_only_now_and_then(bucket: str) -> None:
    writer, reader = S3Catalogue(bucket), S3Catalogue(bucket, look_seconds=3600)
    writer.rebuild(FEW)
    assert reader.search(SearchQuery()).total == len(FEW)
    writer.feed([entry("later")])
    assert reader.search(SearchQuery()).total == len(FEW)
