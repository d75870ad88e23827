"""The search index: what is found, in which order, and that no query whatever does harm."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.search_index import CAP, SearchIndex
from chalicelib.domain.agents import Category, Runtime
from chalicelib.domain.search import (
    Counts,
    Entry,
    SearchPage,
    SearchQuery,
    Sort,
    Withdrawn,
    deletions,
    distance,
    trend_of,
    words_of,
)
from tests.bench.listings import listings

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def entry(slug: str, summary: str = "", **more: object) -> Entry:
    plain = Entry(
        agent_id=f"agt_{slug}",
        slug=slug,
        name=slug.replace("-", " ").capitalize(),
        summary=summary,
        publisher="",
        categories=(Category.UTILITIES,),
        tags=(),
        runtime=Runtime.PYTHON,
        licence="MIT",
        icon="",
        label="1.0.0",
        published_at=NOW,
        refreshed_at=NOW,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


FEW = (
    entry("site-crawler", "Crawls web sites and gives back their pages as JSON", tags=("web",)),
    entry("price-watch", "Watches prices in shops and tells you when they fall", tags=("shop",)),
    entry("pdf-summary", "Summarises long PDF documents", runtime=Runtime.NODEJS),
    entry("mail-sorter", "Sorts e-mail by what it is about", categories=(Category.AUTOMATION,)),
    entry("cafe-finder", "Finds a café near you", tags=("web",)),
)


def index(entries: Iterable[Entry] = FEW) -> SearchIndex:
    return SearchIndex.create(":memory:", entries)


def slugs(page: SearchPage) -> list[str]:
    return [item.slug for item in page.items]


def found(text: str, entries: Iterable[Entry] = FEW, **more: object) -> list[str]:
    return slugs(index(entries).search(SearchQuery(text, **more)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("crawler", "site-crawler"),
        ("crawling", "site-crawler"),
        ("CRAWLS", "site-crawler"),
        ("crwaler", "site-crawler"),
        ("sumarise", "pdf-summary"),
        ("summa", "pdf-summary"),
        ("web cra", "site-crawler"),
        ("cafe", "cafe-finder"),
        ("CAFÉ", "cafe-finder"),
        ("an agent that watches prices", "price-watch"),
        ("pdf-summary", "pdf-summary"),
        ("mial", "mail-sorter"),
        ("web pgaes jsno", "site-crawler"),
    ],
)
def test_what_is_meant_comes_first(text: str, first: str) -> None:
    assert found(text)[:1] == [first]


def test_a_name_counts_more_than_a_mention() -> None:
    entries = (
        entry("json-diff", "Compares CSV and JSON documents", counts=Counts(deployments=9)),
        entry("csv-to-json", "Turns tables into records"),
        entry("other", "Reads CSV; writes JSON, CSV and more CSV"),
        *FEW,
    )
    assert found("csv json", entries)[0] == "csv-to-json"
    page = index(entries).search(SearchQuery("csv json"))
    assert page.total == 4


def test_a_correction_is_told_and_a_right_word_is_not_touched() -> None:
    assert index().search(SearchQuery("crwaler web")).corrected == "crawler web"
    assert index().search(SearchQuery("crawler web")).corrected is None
    assert index().search(SearchQuery("zzzzzzzz")).items == ()


def test_facets_count_what_another_choice_would_show() -> None:
    page = index().search(SearchQuery("", category=Category.AUTOMATION))
    assert slugs(page) == ["mail-sorter"]
    assert page.facets["category"]["utilities"] == 4
    assert page.facets["runtime"] == {
        "python": 1,
        "nodejs": 0,
        "rust": 0,
        "static": 0,
        "dockerfile": 0,
    }
    page = index().search(SearchQuery("documents", runtime=Runtime.PYTHON))
    assert (page.total, page.facets["runtime"]["nodejs"]) == (0, 1)


def test_a_tag_narrows_with_words_and_without() -> None:
    assert sorted(found("", tag="web")) == ["cafe-finder", "site-crawler"]
    assert found("pages", tag="web") == ["site-crawler"]
    assert found("", tag="none") == []


def test_orders() -> None:
    many = Counts(deployments=50, ratings=40, stars=160, trend=1.0)
    one_five = Counts(deployments=1, ratings=1, stars=5, trend=trend_of(NOW))
    entries = (
        entry("old", counts=many, published_at=NOW - timedelta(days=9)),
        entry("new", counts=one_five, refreshed_at=NOW - timedelta(days=1)),
    )
    assert found("", entries, sort=Sort.RATING) == ["old", "new"]
    assert found("", entries, sort=Sort.DEPLOYMENTS) == ["old", "new"]
    assert found("", entries, sort=Sort.NEWEST) == ["new", "old"]
    assert found("", entries, sort=Sort.TRENDING) == ["new", "old"]
    assert found("", entries, sort=Sort.UPDATED) == ["old", "new"]


def test_pages_follow_each_other_without_gap_or_repeat() -> None:
    made = index(list(listings(90)))
    for text in ("", "json"):
        seen: list[str] = []
        offset: int | None = 0
        while offset is not None:
            page = made.search(SearchQuery(text, offset=offset, limit=7))
            seen += slugs(page)
            offset = page.next_offset
        assert len(seen) == len(set(seen)) == page.total


def test_a_change_replaces_and_a_withdrawal_removes() -> None:
    made = index()
    changed = replace(FEW[0], name="Spider", summary="Walks through a web site", tags=("walk",))
    for _ in range(2):
        made.apply([changed, Withdrawn("agt_price-watch"), Withdrawn("agt_never")])
    assert made.size() == 4
    assert slugs(made.search(SearchQuery("walks"))) == ["site-crawler"]
    assert slugs(made.search(SearchQuery("pages"))) == []
    assert slugs(made.search(SearchQuery("", tag="walk"))) == ["site-crawler"]
    assert slugs(made.search(SearchQuery("prices"))) == []
    assert sum(made.search(SearchQuery()).facets["runtime"].values()) == 4


def test_a_card_shows_what_was_put_in() -> None:
    full = replace(FEW[0], counts=Counts(views=9, deployments=4, users=3, ratings=2, stars=9))
    assert index([full]).search(SearchQuery()).items == (full,)


def test_a_change_that_fails_changes_nothing() -> None:
    made = index()
    broken = replace(FEW[1], counts=None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        made.apply([replace(FEW[0], summary="other"), broken])
    assert made.size() == 5
    assert slugs(made.search(SearchQuery("pages"))) == ["site-crawler"]


def test_a_copy_on_disk_serves_like_the_one_in_memory(tmp_path: Path) -> None:
    SearchIndex.create(tmp_path / "base", FEW).close()
    assert slugs(SearchIndex(tmp_path / "base").search(SearchQuery("crawler")))[0] == "site-crawler"


EVERYTHING = index(list(listings(300)))
WILD = st.one_of(
    st.text(max_size=250),
    st.text(alphabet="\"'*()-+^:{}[]|&~ NEARORANDNOT_%;\\\x00", max_size=60),
    st.lists(st.sampled_from(["NEAR", "OR", "AND", "NOT", '"', "*", "(", ")", "json", ":"])).map(
        " ".join
    ),
)


@settings(max_examples=300, deadline=None)
@given(
    text=WILD,
    tag=st.one_of(st.none(), st.text(max_size=24)),
    sort=st.sampled_from(Sort),
    offset=st.integers(0, 1000),
)
def test_no_query_is_an_error(text: str, tag: str | None, sort: Sort, offset: int) -> None:
    page = EVERYTHING.search(SearchQuery(text, tag=tag, sort=sort, offset=offset))
    assert 0 <= len(page.items) <= 24
    assert page.total <= CAP or not words_of(text)


def test_no_query_reads_a_whole_table() -> None:
    """Each statement finds what it reads through a key, an index or the words; orders go along an
    index from its start and stop at the page's end."""
    made = index(list(listings(50)))
    plans: list[str] = []
    made._db.set_trace_callback(plans.append)
    for text in ("json", "jsno", "js", "an agent for json", ""):
        for sort in Sort:
            made.search(SearchQuery(text, sort=sort))
    made.search(SearchQuery("", tag="json"))
    made._db.set_trace_callback(None)
    assert plans
    for statement in set(plans):
        # FTS5 reads its own few settings whole.
        if "'words_" in statement or not statement.startswith(("SELECT", "WITH")):
            continue
        for row in made._db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall():
            step = str(row[3])
            if step.startswith("SCAN"):
                assert any(
                    word in step
                    for word in ("USING INDEX by_", "USING COVERING INDEX", "VIRTUAL TABLE", "hits")
                ), f"{statement}: {step}"


@given(st.text(alphabet="abcde", max_size=9), st.text(alphabet="abcde", max_size=9))
def test_distance_is_one_letter_at_a_time(a: str, b: str) -> None:
    assert distance(a, a) == 0
    assert distance(a, b) == distance(b, a)
    assert distance(a, a + "x") == 1
    if len(a) > 1 and a[0] != a[1]:
        assert distance(a, a[1] + a[0] + a[2:]) == 1


@given(st.text(alphabet="abcdefgh", min_size=3, max_size=10), st.data())
def test_words_a_letter_apart_share_a_form(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 1))
    for other in (
        word[:at] + word[at + 1 :],
        word[:at] + "z" + word[at + 1 :],
        word[:at] + "z" + word[at:],
        word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
    ):
        assert deletions(word) & deletions(other)


def test_the_index_needs_nothing_newer_than_what_lambda_has() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35), "RETURNING and upserts"


def test_few_stars_are_drawn_to_the_middle() -> None:
    assert Counts(ratings=1, stars=5).rating < Counts(ratings=100, stars=450).rating
    assert Counts(ratings=1, stars=1).rating > Counts(ratings=100, stars=150).rating
    assert Counts().mean is None
