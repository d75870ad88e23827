"""The search index as one SQLite file: full-text ranking, spelling, facets and orders.

Ids are given in the order of popularity, so that a search which must stop somewhere has seen what
most people want. An entry that changes gets a new id in front of all others; its old words stay
behind and lead to nothing until the index is made anew.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.domain.agents import Category, Runtime
from chalicelib.domain.images import MEDIA
from chalicelib.domain.search import (
    ROLE_WORDS,
    STOP_WORDS,
    Counts,
    Entry,
    SearchPage,
    SearchQuery,
    Sort,
    Withdrawn,
    alternatives,
    bare,
    deletions,
    distance,
    words_of,
)

CAP = 2000
"""How many matches of a query are looked at."""
_ENOUGH = 12
"""With fewer agents that have every word, those that have some of them are shown as well."""
_EXPANSIONS = 6
_SHORT = 3
"""Words up to this length are taken for the beginning of others, too."""
_GUESSED = 4
"""Words up to this length are too near to too many others: unless nothing else was asked for, only
letters that changed places are put right."""
_WEIGHTS = "12.0, 5.0, 3.0, 1.0, 1.0"
_CATEGORIES = {category: 1 << n for n, category in enumerate(Category)}
_RUNTIMES = {runtime: n for n, runtime in enumerate(Runtime, 1)}
_ORDERS = {
    Sort.RELEVANCE: "popularity",
    Sort.RATING: "rating",
    Sort.DEPLOYMENTS: "deployments",
    Sort.NEWEST: "published",
    Sort.TRENDING: "trend",
    Sort.UPDATED: "refreshed",
}
_SETTINGS = (
    "journal_mode = MEMORY",
    "synchronous = OFF",
    "cache_size = -16000",
    "mmap_size = 200000000",
)
_SCHEMA = """
CREATE TABLE entries (
  id INTEGER PRIMARY KEY, agent TEXT NOT NULL, card BLOB NOT NULL, categories INTEGER NOT NULL,
  runtime INTEGER NOT NULL, rating REAL NOT NULL, deployments INTEGER NOT NULL,
  trend REAL NOT NULL, published REAL NOT NULL, refreshed REAL NOT NULL, popularity REAL NOT NULL
);
CREATE UNIQUE INDEX entries_agent ON entries (agent);
CREATE INDEX entries_facets ON entries (categories, runtime);
CREATE TABLE tags (tag TEXT, id INTEGER, PRIMARY KEY (tag, id)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
  name, tags, summary, body, publisher, content='',
  tokenize='porter unicode61 remove_diacritics 2'
);
CREATE TABLE vocabulary (id INTEGER PRIMARY KEY, word TEXT UNIQUE, weight INTEGER NOT NULL);
CREATE TABLE spellings (
  hash INTEGER, word INTEGER, PRIMARY KEY (hash, word)
) WITHOUT ROWID;
"""


class _Row(NamedTuple):
    id: int
    score: float
    categories: int
    runtime: int
    rating: float
    deployments: int
    trend: float
    published: float
    refreshed: float
    popularity: float


class SearchIndex:
    """One file, opened by one process; a file that is read by others is never written."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        try:
            for setting in _SETTINGS:
                self._db.execute(f"PRAGMA {setting}")
        except sqlite3.Error:
            self._db.close()
            raise

    @classmethod
    def create(cls, path: Path | str, entries: Iterable[Entry]) -> SearchIndex:
        """A new index of these; the most popular come first."""
        made = cls(path)
        made._db.executescript(_SCHEMA)
        ordered = sorted(entries, key=_popularity, reverse=True)
        vocabulary: dict[str, int] = {}
        with made._transaction():
            for number, entry in enumerate(ordered, 1):
                made._insert(number, entry)
                for word in _vocabulary_of(entry):
                    vocabulary[word] = vocabulary.get(word, 0) + 1
            made._learn(vocabulary)
            for order in sorted(set(_ORDERS.values())):
                made._db.execute(f"CREATE INDEX by_{order} ON entries ({order} DESC, id)")
        made._db.execute("INSERT INTO words (words) VALUES ('optimize')")
        made._db.execute("VACUUM")
        return made

    def close(self) -> None:
        self._db.close()

    def apply(self, entries: Sequence[Entry | Withdrawn]) -> None:
        """Puts these in place of what is held of the same agents; twice is the same as once."""
        with self._transaction():
            front = self._value("SELECT min(id) FROM entries") or 0
            front = min(int(front), 0)
            for entry in entries:
                self._remove(entry.agent_id)
                if isinstance(entry, Entry):
                    front -= 1
                    self._insert(front, entry)
                    self._learn(dict.fromkeys(_vocabulary_of(entry), 1))

    def stale(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of these that are not held as they are."""
        marks = ",".join("?" * len(entries))
        found = self._db.execute(
            f"SELECT agent, card, categories, runtime FROM entries WHERE agent IN ({marks})",  # noqa: S608 - only marks
            [entry.agent_id for entry in entries],
        ).fetchall()
        known = {row[0]: (_unpacked(row[1]), *row[2:]) for row in found}
        return [
            entry
            for entry in entries
            if known.get(entry.agent_id) != (_written(entry), _mask(entry), _code(entry))
        ]

    def held(self, after: str, limit: int) -> list[tuple[str, str]]:
        """Agent and slug, in the order of the agents' ids."""
        found = self._db.execute(
            "SELECT agent, card FROM entries WHERE agent > ? ORDER BY agent LIMIT ?", (after, limit)
        ).fetchall()
        return [(agent, json.loads(_unpacked(card))[0]) for agent, card in found]

    def size(self) -> int:
        return int(self._value("SELECT count(*) FROM entries") or 0)

    def search(self, query: SearchQuery) -> SearchPage:
        words = words_of(query.text)
        if not words and query.tag is None:
            return self._browse(query)
        corrected = None
        if words:
            groups, corrected = self._groups(words)
            rows = self._matches(groups, query)
        else:
            rows = self._tagged(query.tag or "")
        exact = len(rows) < CAP
        facets = _facets_of(rows, query)
        kept = [row for row in rows if _fits(row, query)]
        kept.sort(key=_key(query, words), reverse=True)
        shown = kept[query.offset : query.offset + query.limit]
        cards = self._cards([row.id for row in shown])
        if query.sort is Sort.RELEVANCE and query.offset == 0:
            cards = _exact_first(cards, query.text)
        return SearchPage(
            items=tuple(cards),
            facets=facets,
            total=len(kept),
            total_is_exact=exact,
            next_offset=_following(query, len(kept)),
            corrected=corrected,
        )

    # --- without words ------------------------------------------------------------------

    def _browse(self, query: SearchQuery) -> SearchPage:
        where, values = "1", []
        if query.category is not None:
            where += " AND categories & ?"
            values.append(_CATEGORIES[query.category])
        if query.runtime is not None:
            where += " AND runtime = ?"
            values.append(_RUNTIMES[query.runtime])
        order = _ORDERS[query.sort]
        found = self._db.execute(
            f"SELECT id FROM entries WHERE {where} ORDER BY {order} DESC, id LIMIT ? OFFSET ?",  # noqa: S608 - names of ours
            (*values, query.limit, query.offset),
        ).fetchall()
        groups = self._db.execute(
            "SELECT categories, runtime, count(*) FROM entries GROUP BY categories, runtime"
        ).fetchall()
        total = sum(n for c, r, n in groups if _matches_filter(c, r, query))
        return SearchPage(
            items=tuple(self._cards([row[0] for row in found])),
            facets=_count_facets(groups, query),
            total=total,
            total_is_exact=True,
            next_offset=_following(query, total),
        )

    # --- with words -----------------------------------------------------------------------

    def _groups(self, words: list[str]) -> tuple[list[list[str]], str | None]:
        """For each word that counts, what may stand for it; and the query as it was understood,
        where it was misspelt."""
        telling = [w for w in words if w not in STOP_WORDS] or words
        telling = [w for w in telling if w not in ROLE_WORDS] or telling
        groups: list[list[str]] = []
        understood: list[str] = []
        for position, word in enumerate(telling):
            group = [w for w in alternatives(word) if self._known(w)]
            joined = [f"{a}{b}" for a, b in pairwise(telling) if word in (a, b)]
            group += [w for w in joined if self._known(w)]
            if not group or len(word) <= _SHORT:
                unfinished = position == len(telling) - 1 or len(word) > _SHORT
                group += self._longer(word) if unfinished else []
            if not group and (halves := self._halves(word)):
                groups += [[half] for half in halves]
                understood += halves
                continue
            if not group:
                group = self._near(word)
                if len(word) <= _GUESSED and len(telling) > 1:
                    group = [w for w in group if sorted(w) == sorted(word)]
                understood += group[:1]
            elif group:
                understood.append(word)
            if group:
                groups.append(group[:_EXPANSIONS])
        changed = understood and understood != [w for w in telling if w in understood]
        return groups, " ".join(understood) if changed else None

    def _known(self, word: str) -> bool:
        return bool(
            self._db.execute(
                "SELECT 1 FROM words JOIN entries ON entries.id = words.rowid "
                "WHERE words MATCH ? LIMIT 1",
                (_quoted(word),),
            ).fetchone()
        )

    def _longer(self, word: str) -> list[str]:
        """The commonest words that begin like this one, which is perhaps still being typed."""
        if len(word) < 2:
            return []
        found = self._db.execute(
            "SELECT word FROM vocabulary WHERE word > ? AND word < ? ORDER BY weight DESC LIMIT ?",
            (word, f"{word}\U0010ffff", _EXPANSIONS),
        ).fetchall()
        return [row[0] for row in found]

    def _halves(self, word: str) -> list[str]:
        """The two words that somebody has written as one."""
        for cut in range(3, len(word) - 2):
            halves = [word[:cut], word[cut:]]
            if all(self._known(half) for half in halves):
                return halves
        return []

    def _near(self, word: str) -> list[str]:
        """The likeliest words meant by one that nobody has written."""
        if len(word) < 3 or word.isdigit():
            return []
        limit = 1 if len(word) < 6 else 2
        hashes = [_hash(w) for w in deletions(word, limit if len(word) < 20 else 1)]
        marks = ",".join("?" * len(hashes))
        found = self._db.execute(
            f"SELECT DISTINCT word, weight FROM vocabulary WHERE id IN "  # noqa: S608 - only marks
            f"(SELECT word FROM spellings WHERE hash IN ({marks}))",
            hashes,
        ).fetchall()
        near = [
            (
                min(distance(word, other, limit), distance(word, bare(other), limit)),
                -weight,
                other,
            )
            for other, weight in found
        ]
        return [other for far, _, other in sorted(near) if far <= limit][:2]

    def _matches(self, groups: list[list[str]], query: SearchQuery) -> list[_Row]:
        if not groups:
            return []
        parts = [" OR ".join(_quoted(word) for word in group) for group in groups]
        # Weighing words takes most of a search's time; other orders do without.
        score = f"-bm25(words, {_WEIGHTS})" if query.sort is Sort.RELEVANCE else "0.0"
        rows = self._ranked(" AND ".join(f"({part})" for part in parts), query.tag, score)
        if len(rows) >= _ENOUGH or len(parts) == 1:
            return rows
        rows = self._ranked(" OR ".join(parts), query.tag, score)
        having = [self._having(part) for part in parts]
        return [
            row._replace(score=row.score * sum(row.id in ids for ids in having) / len(having))
            for row in rows
        ]

    def _having(self, expression: str) -> set[int]:
        found = self._db.execute(
            "SELECT rowid FROM words WHERE words MATCH ? LIMIT ?", (expression, CAP)
        )
        return {row[0] for row in found}

    def _ranked(self, expression: str, tag: str | None, score: str) -> list[_Row]:
        narrowed = "" if tag is None else " AND rowid IN (SELECT id FROM tags WHERE tag = ?)"
        found = self._db.execute(
            f"WITH hits AS MATERIALIZED (SELECT rowid AS id, {score} AS score "  # noqa: S608 - numbers of ours
            f"FROM words WHERE words MATCH ?{narrowed} LIMIT {CAP}) "
            "SELECT e.id, score, categories, runtime, rating, deployments, trend, published, "
            "refreshed, popularity FROM hits JOIN entries e ON e.id = hits.id",
            (expression,) if tag is None else (expression, tag),
        ).fetchall()
        return [_Row(*row) for row in found]

    def _tagged(self, tag: str) -> list[_Row]:
        found = self._db.execute(
            "SELECT e.id, popularity, categories, runtime, rating, deployments, trend, published, "  # noqa: S608 - a number of ours
            "refreshed, popularity FROM tags JOIN entries e ON e.id = tags.id "
            f"WHERE tag = ? LIMIT {CAP}",
            (tag,),
        ).fetchall()
        return [_Row(*row) for row in found]

    def _cards(self, ids: list[int]) -> list[Entry]:
        marks = ",".join("?" * len(ids))
        found = self._db.execute(
            "SELECT id, agent, categories, runtime, card FROM entries "  # noqa: S608 - only marks
            f"WHERE id IN ({marks})",
            ids,
        ).fetchall()
        cards = {row[0]: _read(*row[1:]) for row in found}
        return [cards[n] for n in ids if n in cards]

    # --- writing --------------------------------------------------------------------------

    def _insert(self, number: int, entry: Entry) -> None:
        counts = entry.counts
        self._db.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                entry.agent_id,
                _packed(_written(entry)),
                _mask(entry),
                _code(entry),
                counts.rating,
                counts.deployments,
                counts.trend,
                entry.published_at.timestamp(),
                entry.refreshed_at.timestamp(),
                _popularity(entry),
            ),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, number) for tag in entry.tags]
        )
        named = set(words_of(entry.slug))
        categories = " ".join(category.replace("-", " ") for category in entry.categories)
        self._db.execute(
            "INSERT INTO words (rowid, name, tags, summary, body, publisher) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                number,
                f"{entry.name} {' '.join(sorted(named - set(words_of(entry.name))))}",
                f"{' '.join(entry.tags)} {categories} {entry.runtime or ''}",
                entry.summary,
                entry.body,
                entry.publisher,
            ),
        )

    def _remove(self, agent_id: str) -> None:
        number = self._value("SELECT id FROM entries WHERE agent = ?", agent_id)
        if number is None:
            return
        tags = self._db.execute("SELECT card FROM entries WHERE id = ?", (number,)).fetchone()
        for tag in json.loads(_unpacked(tags[0]))[_TAGS]:
            self._db.execute("DELETE FROM tags WHERE tag = ? AND id = ?", (tag, number))
        self._db.execute("DELETE FROM entries WHERE id = ?", (number,))

    def _learn(self, vocabulary: dict[str, int]) -> None:
        for word, weight in vocabulary.items():
            fresh = self._db.execute(
                "INSERT INTO vocabulary (word, weight) VALUES (?, ?) ON CONFLICT (word) "
                "DO UPDATE SET weight = weight + excluded.weight RETURNING id, weight",
                (word, weight),
            ).fetchone()
            if fresh[1] == weight:
                self._db.executemany(
                    "INSERT OR IGNORE INTO spellings VALUES (?, ?)",
                    [(_hash(w), fresh[0]) for w in deletions(word) | deletions(bare(word))],
                )

    def _value(self, sql: str, *values: Any) -> Any:
        found = self._db.execute(sql, values).fetchone()
        return None if found is None else found[0]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


_TAGS = 4


def _mask(entry: Entry) -> int:
    return sum(_CATEGORIES[category] for category in set(entry.categories))


def _code(entry: Entry) -> int:
    return _RUNTIMES[entry.runtime] if entry.runtime else 0


def _written(entry: Entry) -> str:
    """What a card shows, without names of fields: there are a hundred thousand of these."""
    counts = entry.counts
    fields = (
        entry.slug,
        entry.name,
        entry.summary,
        entry.publisher,
        entry.tags,
        entry.licence,
        entry.icon,
        entry.picture.removeprefix(MEDIA),
        entry.label,
        entry.published_at.timestamp(),
        entry.refreshed_at.timestamp(),
        counts.views,
        counts.deployments,
        counts.users,
        counts.ratings,
        counts.stars,
    )
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


# What nearly every card has, the commonest last: packing one alone would find nothing to share.
_COMMON = (
    b"web-scraping automation data-processing api-integration monitoring utilities Extracts "
    b"Converts Watches Summarises Translates an agent that from and with the for of in your JSON "
    b'CSV PDF email ["python","nodejs"],"Apache-2.0","","","","1.0.0",17,0,0,0,0,0]"],"MIT","","",'
    b'"1.0.0",17'
)


def _packed(card: str) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, _COMMON)
    return packer.compress(card.encode()) + packer.flush()


def _unpacked(card: bytes) -> str:
    return zlib.decompressobj(-15, _COMMON).decompress(card).decode()


def _read(agent: str, categories: int, runtime: int, card: bytes) -> Entry:
    slug, name, summary, publisher, tags, licence, icon, picture, label, *rest = json.loads(
        _unpacked(card)
    )
    published, refreshed, *counts = rest
    return Entry(
        agent_id=agent,
        slug=slug,
        name=name,
        summary=summary,
        publisher=publisher,
        categories=tuple(c for c, bit in _CATEGORIES.items() if categories & bit),
        tags=tuple(tags),
        runtime=next((r for r, code in _RUNTIMES.items() if code == runtime), None),
        licence=licence,
        icon=icon,
        picture=f"{MEDIA}{picture}" if picture else "",
        label=label,
        published_at=datetime.fromtimestamp(published, UTC),
        refreshed_at=datetime.fromtimestamp(refreshed, UTC),
        counts=Counts(*counts),
    )


def _popularity(entry: Entry) -> float:
    """Where an agent stands while nothing is searched for: much used, well rated, used lately."""
    counts = entry.counts
    lately = math.log2(counts.trend + 1) / 10
    return math.log1p(counts.deployments) + 2 * (counts.rating - 3.5) + lately


def _vocabulary_of(entry: Entry) -> set[str]:
    text = f"{entry.name} {' '.join(entry.tags)} {entry.summary}"
    parts = (text[i : i + 200] for i in range(0, len(text), 200))
    return {
        word
        for part in parts
        for word in _all_words(part)
        if 2 < len(word) < 25 and not word.isdigit()
    }


def _all_words(text: str) -> list[str]:
    found: list[str] = []
    pieces = text.split()
    for start in range(0, len(pieces), 6):
        found += words_of(" ".join(pieces[start : start + 6]))
    return found


def _hash(word: str) -> int:
    return zlib.crc32(word.encode())


def _quoted(word: str) -> str:
    return f'"{word}"'


def _exact_first(cards: list[Entry], text: str) -> list[Entry]:
    """Who types a name in full means that agent."""
    meant = " ".join(words_of(text))
    return sorted(cards, key=lambda card: meant not in (_spoken(card.name), _spoken(card.slug)))


def _spoken(name: str) -> str:
    return " ".join(words_of(name))


def _key(query: SearchQuery, words: list[str]) -> Any:
    order = _ORDERS[query.sort]
    if query.sort is not Sort.RELEVANCE or not words:
        return lambda row: (getattr(row, order), -row.id)
    return lambda row: row.score * (1 + 0.04 * math.log1p(row.deployments)) + 0.1 * row.rating


def _following(query: SearchQuery, total: int) -> int | None:
    following = query.offset + query.limit
    return following if following < total else None


def _matches_filter(categories: int, runtime: int, query: SearchQuery) -> bool:
    return (query.category is None or bool(categories & _CATEGORIES[query.category])) and (
        query.runtime is None or runtime == _RUNTIMES[query.runtime]
    )


def _fits(row: _Row, query: SearchQuery) -> bool:
    return _matches_filter(row.categories, row.runtime, query)


def _facets_of(rows: list[_Row], query: SearchQuery) -> dict[str, dict[str, int]]:
    counted: dict[tuple[int, int], int] = {}
    for row in rows:
        key = (row.categories, row.runtime)
        counted[key] = counted.get(key, 0) + 1
    return _count_facets([(c, r, n) for (c, r), n in counted.items()], query)


def _count_facets(
    groups: list[tuple[int, int, int]], query: SearchQuery
) -> dict[str, dict[str, int]]:
    """How many there would be with each other choice: a facet ignores its own filter."""
    category = dict.fromkeys((c.value for c in Category), 0)
    runtime = dict.fromkeys((r.value for r in Runtime), 0)
    for categories, kind, number in groups:
        if query.runtime is None or kind == _RUNTIMES[query.runtime]:
            for one, bit in _CATEGORIES.items():
                category[one.value] += number if categories & bit else 0
        if query.category is None or categories & _CATEGORIES[query.category]:
            for other, code in _RUNTIMES.items():
                runtime[other.value] += number if kind == code else 0
    return {"category": category, "runtime": runtime}
