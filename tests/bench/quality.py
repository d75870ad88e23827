"""How good the search is: nDCG@10 over a judged set, beside plain matching of terms.

`judged/listings.txt` holds agents by topic, and what people might type to find them. The agents a
query names after `=` are just what is asked for (3), others of its topic are worth a look (1). A
query without them asks for the topic: its starred agents are best (3), the others good (2), those
of neighbouring topics better than nothing (1). Judgements follow from what agents do, not from what
any search finds; but the search's rules were chosen while looking at this set, so that on other
words it will do somewhat worse.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib.adapters.search_index import SearchIndex
from chalicelib.domain.agents import Category, Runtime, slug_of
from chalicelib.domain.search import Counts, Entry, SearchQuery

FILE = Path(__file__).parent / "judged" / "listings.txt"
DEPTH = 10


@dataclass(frozen=True)
class Judged:
    entries: tuple[Entry, ...]
    queries: tuple[tuple[str, dict[str, int]], ...]
    """What is typed, and the grade of each agent that is any good for it."""


def judged() -> Judged:
    """The set as it is written down."""
    chance = random.Random(11)  # noqa: S311 - the same for everybody
    entries: list[Entry] = []
    topics: dict[str, list[tuple[str, int]]] = {}
    near: dict[str, list[str]] = {}
    asked: list[tuple[str, str, list[str]]] = []
    topic, category, tags = "", "", ""
    for line in FILE.read_text().splitlines():
        if line.startswith("# "):
            topic, category, tags, others = (part.strip() for part in line[2:].split("|"))
            topics[topic], near[topic] = [], [other.strip() for other in others.split(",")]
        elif line.startswith("? "):
            query, _, names = line[2:].partition(" = ")
            asked.append((query, topic, [slug_of(name) for name in names.split(", ") if name]))
        else:
            name, _, summary = line.removeprefix("* ").partition(" :: ")
            made = _entry(chance, name, summary, category, tags)
            entries.append(made)
            topics[topic].append((made.slug, 3 if line.startswith("*") else 2))
    queries = []
    for query, about, wanted in asked:
        if wanted:
            grades = {slug: 3 if slug in wanted else 1 for slug, _ in topics[about]}
        else:
            grades = {slug: 1 for other in near[about] for slug, _ in topics.get(other, [])}
            grades |= dict(topics[about])
        queries.append((query, grades))
    return Judged(tuple(entries), tuple(queries))


def ndcg(found: list[str], grades: dict[str, int]) -> float:
    """1 when the first ten are the best ten in the best order."""

    def gain(values: list[int]) -> float:
        return sum(((1 << value) - 1) / math.log2(n + 2) for n, value in enumerate(values[:DEPTH]))

    best = gain(sorted(grades.values(), reverse=True))
    return gain([grades.get(slug, 0) for slug in found]) / best


def mean(search: Callable[[str], list[str]], given: Judged) -> float:
    """The mean nDCG@10 over all queries."""
    return sum(ndcg(search(query), grades) for query, grades in given.queries) / len(given.queries)


def indexed(given: Judged) -> Callable[[str], list[str]]:
    """The search that people get."""
    index = SearchIndex.create(":memory:", given.entries)
    return lambda query: [e.slug for e in index.search(SearchQuery(query, limit=DEPTH)).items]


def plain(given: Judged) -> Callable[[str], list[str]]:
    """Plain matching: how many of the query's words stand in an agent's text, as they are."""
    words = {
        e.slug: set(re.findall(r"\w+", f"{e.name} {e.summary} {' '.join(e.tags)}".lower()))
        for e in given.entries
    }

    def search(query: str) -> list[str]:
        asked = set(re.findall(r"\w+", query.lower()))
        found = [(-len(asked & held), slug) for slug, held in words.items() if asked & held]
        return [slug for _, slug in sorted(found)]

    return search


def _entry(chance: random.Random, name: str, summary: str, category: str, tags: str) -> Entry:
    deployments = int(chance.paretovariate(0.9)) - 1
    made = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=chance.randrange(200))
    slug = slug_of(name)
    return Entry(
        agent_id=f"agt_{slug}",
        slug=slug,
        name=name,
        summary=summary,
        publisher="",
        categories=(Category(category),),
        tags=tuple(tag.strip() for tag in tags.split(",")),
        runtime=chance.choice(list(Runtime)),
        licence="MIT",
        icon="",
        label="1.0.0",
        published_at=made,
        refreshed_at=made,
        counts=Counts(deployments=min(deployments, 5000)),
    )
