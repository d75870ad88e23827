"""Searching the marketplace: what can be asked, what is found, and how a query is read."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from enum import StrEnum

from chalicelib.domain.agents import Category, Runtime
from chalicelib.values import frozen

MAX_QUERY = 200
MAX_WORDS = 8
MAX_DEPTH = 1000
"""How far down a list of results anybody may page."""


class Sort(StrEnum):
    RELEVANCE = "relevance"
    RATING = "rating"
    DEPLOYMENTS = "deployments"
    NEWEST = "newest"
    TRENDING = "trending"
    UPDATED = "updated"


@frozen
class SearchQuery:
    text: str = ""
    category: Category | None = None
    runtime: Runtime | None = None
    tag: str | None = None
    sort: Sort = Sort.RELEVANCE
    offset: int = 0
    limit: int = 24


@frozen
class Counts:
    """What is counted of a listing; every number is exact."""

    views: int = 0
    deployments: int = 0
    users: int = 0
    ratings: int = 0
    stars: int = 0
    trend: float = 0.0
    active: int = 0
    """People who did something with their copy, in the month that was asked for."""

    @property
    def rating(self) -> float:
        """The mean of the stars, pulled towards the middle while there are few: a single five does
        not outrank a hundred fours."""
        return (PRIOR_STARS * PRIOR_WEIGHT + self.stars) / (PRIOR_WEIGHT + self.ratings)

    @property
    def mean(self) -> float | None:
        return self.stars / self.ratings if self.ratings else None


PRIOR_STARS = 3.5
PRIOR_WEIGHT = 5
_WEEK = 7 * 24 * 3600
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def trend_of(at: datetime) -> float:
    """What one deployment at this moment adds to a trend: twice as much as one a week earlier."""
    return math.exp2((at - _EPOCH).total_seconds() / _WEEK)


@frozen
class Entry:
    """One agent as the index holds it: everything a card shows, and the words to find it by."""

    agent_id: str
    slug: str
    name: str
    summary: str
    publisher: str
    categories: tuple[Category, ...]
    tags: tuple[str, ...]
    runtime: Runtime | None
    licence: str
    icon: str
    label: str
    published_at: datetime
    refreshed_at: datetime
    picture: str = ""
    counts: Counts = field(default_factory=Counts)
    body: str = ""
    """The beginning of the README, in plain words; searched, not shown."""


@frozen
class Withdrawn:
    """An agent that the index shall not hold any more."""

    agent_id: str


@frozen
class SearchPage:
    """`total` counts every match up to a bound; `total_is_exact` says whether it was reached.
    `corrected` is the query that was searched for instead, where words were misspelt."""

    items: tuple[Entry, ...]
    facets: Mapping[str, Mapping[str, int]]
    total: int
    total_is_exact: bool
    next_offset: int | None
    corrected: str | None = None


_WORD = re.compile(r"\w{1,40}")
# Too common in any English sentence to tell agents apart.
STOP_WORDS = frozenset(
    """
    a an and are as at be by can do does for from get has have how i in into is it its me my of on
    or our out so than that the their them then there these this to want need was we what when
    where which who will with you your agent agents bot tool app
    """.split()  # noqa: SIM905 - a paragraph is easier to read than a list
)


ROLE_WORDS = frozenset(
    "best builder easy free generator good helper maker online quick service simple".split()  # noqa: SIM905
)
"""What people add to the thing they mean; searched for only when nothing else was asked."""

# Words that mean the same to people who look for an agent. A line is one meaning.
_SAME = """
    alert alarm notify warn
    anonymise redact pseudonymise
    appointment booking
    availability uptime
    certificate cert
    chatbot assistant
    cv resume
    delete remove
    detect recognise
    doc documentation
    duplicate dupe
    email mail
    error exception
    expiry expire expiration
    forecast predict
    image picture photo
    keyword keyphrase
    kubernetes k8s
    malware virus
    merge join
    monitor watch
    postgres postgresql
    price cost
    shrink compress
    speech voice
    ssl tls
    summary summarise condense tldr
    website site web
    xlsx excel
"""


def _synonyms() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in _SAME.strip().splitlines():
        same = line.split()
        for word in same:
            found[word] = (*found.get(word, ()), *(w for w in same if w != word))
    return found


_SYNONYMS = _synonyms()
_ENDINGS = (
    (re.compile(r"iz(e|es|ed|er|ers|ing|ation|ations)$"), r"is\1"),
    (re.compile(r"is(e|es|ed|er|ers|ing|ation|ations)$"), r"iz\1"),
    (re.compile(r"^(col|fav|lab|behavi|neighb)or"), r"\1our"),
    (re.compile(r"^(col|fav|lab|behavi|neighb)our"), r"\1or"),
)


def alternatives(word: str) -> list[str]:
    """The word, its British or American spelling, and others that mean the same."""
    spelt = [pattern.sub(other, word) for pattern, other in _ENDINGS]
    bases = dict.fromkeys([word, *spelt, *(bare(w) for w in (word, *spelt))])
    same = [other for base in bases for other in _SYNONYMS.get(base, ())]
    return list(dict.fromkeys([word, *(w for w in spelt if w != word), *same]))


def words_of(text: str) -> list[str]:
    """The words of a query, as the index writes them: lower case, without accents, each once."""
    plain = unicodedata.normalize("NFKD", text[:MAX_QUERY].casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).replace("_", " ")
    return list(dict.fromkeys(_WORD.findall(plain)))[:MAX_WORDS]


def distance(a: str, b: str, limit: int = 2) -> int:
    """How many letters must be added, dropped, replaced or swapped with a neighbour to make one
    word of the other; `limit + 1` for anything farther."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, last = last, row
    return min(last[-1], limit + 1)


def bare(word: str) -> str:
    """The word without its ending, where it has a common one: crawls and crawling are crawl."""
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def deletions(word: str, depth: int = 1) -> set[str]:
    """The word and everything left of it when up to `depth` letters are dropped: two words that
    share one of these are a letter or two apart."""
    found = {word}
    edge = {word}
    for _ in range(depth):
        edge = {w[:i] + w[i + 1 :] for w in edge for i in range(len(w)) if len(w) > 2}
        found |= edge
    return found
