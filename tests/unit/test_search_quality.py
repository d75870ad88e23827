"""The search's answers to a judged set of queries, against plain matching of terms."""

from __future__ import annotations

from tests.bench.quality import indexed, judged, mean, ndcg, plain


def test_the_search_finds_what_people_mean_better_than_plain_matching() -> None:
    given = judged()
    assert len(given.entries) >= 300
    assert len({entry.slug for entry in given.entries}) == len(given.entries)
    assert len(given.queries) >= 60
    ours, theirs = mean(indexed(given), given), mean(plain(given), given)
    assert ours > 0.8, ours
    assert ours > theirs + 0.15, (ours, theirs)


def test_the_measure_knows_the_best_and_the_worst() -> None:
    grades = {"a": 3, "b": 2, "c": 1}
    assert ndcg(["a", "b", "c"], grades) == 1
    assert ndcg([], grades) == ndcg(["x"], grades) == 0
    assert ndcg(["b", "a"], grades) < ndcg(["a", "b"], grades) < 1
