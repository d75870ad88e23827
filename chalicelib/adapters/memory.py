"""Every port in memory, telling the truth about races and order; for tests of the use cases."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.adapters.keys import Key, tally_key
from chalicelib.adapters.layouts import (
    INDEXES,
    LAYOUTS,
    codec,
    decoded,
    index_key,
    range_of,
    revision_of,
)
from chalicelib.adapters.plain_keys import counter_key, strikes_key
from chalicelib.adapters.search_index import SearchIndex
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.limits import Bucket, Strikes
from chalicelib.domain.search import Counts, Entry, SearchPage, SearchQuery, Withdrawn
from chalicelib.domain.versions import Version
from chalicelib.errors import ChangedMeanwhile, NotFound, Unauthenticated, Unavailable
from chalicelib.ports import (
    Answer,
    BuildStatus,
    Change,
    Listing,
    Page,
    Put,
    Tally,
    Task,
    UploadForm,
)
from chalicelib.values import frozen

E = TypeVar("E")
MOST_AT_ONCE = 100
"""Items that one request to DynamoDB may read or write together."""


_INDEXES = (None, *INDEXES)


@frozen
class _Kept:
    """An item: what was written, and the keys it is found by."""

    kind: type
    document: bytes
    revision: int
    keys: Mapping[str | None, Key | None]


class MemoryStore:
    """Keeps the written form, so that what cannot be stored cannot pass a test either."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], dict[str, float]] = {}
        self._items: dict[Key, _Kept] = {}
        self._lock = threading.Lock()
        self.calls = 0
        self.stream: list[tuple[str, str, str]] = []
        """What was written: INSERT or MODIFY, the kind, and the document."""

    def get(self, kind: type[E], *key: str) -> E | None:
        self.calls += 1
        found = self._items.get(LAYOUTS[kind].key(*key))
        return None if found is None else decoded(kind, found.document)

    def get_many(self, *wanted: tuple[type, *tuple[str, ...]]) -> list[Any]:
        keys = [LAYOUTS[kind].key(*key) for kind, *key in wanted]
        if not keys:
            return []
        if len(set(keys)) != len(keys) or len(keys) > MOST_AT_ONCE:
            raise AssertionError(f"no request reads one item twice, or {len(keys)}: {keys}")
        self.calls += 1
        found = [self._items.get(key) for key in keys]
        return [None if item is None else decoded(item.kind, item.document) for item in found]

    def page(
        self,
        listing: Listing[E],
        *scope: str,
        limit: int = 50,
        after: str | None = None,
        newest_first: bool = True,
    ) -> Page[E]:
        self.calls += 1
        where = range_of(listing, *scope)
        found: list[tuple[str, _Kept]] = []
        for kept in list(self._items.values()):
            key = kept.keys[where.index]
            if key is not None and key.pk == where.pk and key.sk.startswith(where.begins):
                found.append((key.sk, kept))
        found.sort(key=lambda pair: pair[0], reverse=newest_first)
        if after is not None:
            found = [p for p in found if (p[0] < after if newest_first else p[0] > after)]
        shown = found[:limit]
        return Page(
            tuple(decoded(kept.kind, kept.document) for _, kept in shown),
            shown[-1][0] if len(found) > limit else None,
        )

    def touch(self, kind: type[E], *key: str, at: datetime) -> E | None:
        self.calls += 1
        with self._lock:
            place = LAYOUTS[kind].key(*key)
            if place not in self._items:
                return None
            kept = self._items[place]
            entity: Any = decoded(kind, kept.document)
            entity = replace(entity, last_used_at=at.replace(microsecond=0))
            self._items[place] = replace(kept, document=codec(kind).dump_json(entity))
            return entity  # type: ignore[no-any-return]

    def commit(self, *changes: Change) -> None:
        self.calls += 1
        with self._lock:
            keys = [_key_of(change) for change in changes]
            if len(set(keys)) != len(keys) or len(keys) > MOST_AT_ONCE:
                raise AssertionError(f"one transaction writes one item twice: {keys}")
            lost = frozenset(
                position
                for position, (change, key) in enumerate(zip(changes, keys, strict=True))
                if not isinstance(change, Tally)
                and self._revision(key)
                != revision_of(change.entity) - (1 if isinstance(change, Put) else 0)
            )
            if lost:
                raise ChangedMeanwhile("Somebody else changed this at the same moment.", lost=lost)
            for change, key in zip(changes, keys, strict=True):
                if isinstance(change, Tally):
                    self._count(change)
                    continue
                kind = type(change.entity)
                if isinstance(change, Put):
                    document = codec(kind).dump_json(change.entity)
                    event = "MODIFY" if key in self._items else "INSERT"
                    self.stream.append((event, kind.__name__, document.decode()))
                    self._items[key] = _Kept(
                        kind,
                        document,
                        revision_of(change.entity),
                        {index: index_key(change.entity, index) for index in _INDEXES},
                    )
                else:
                    del self._items[key]

    def counts(self, org_id: str, agent_id: str, month: str = "") -> Counts:
        self.calls += 1
        sums = {
            name: amount
            for part in dict.fromkeys(("", month))
            for name, amount in self._counts.get((org_id, agent_id, part), {}).items()
        }
        return Counts(**sums)  # type: ignore[arg-type]

    def _count(self, change: Tally) -> None:
        sums = self._counts.setdefault((change.org_id, change.agent_id, change.month), {})
        for name, amount in change.amounts.items():
            sums[name] = sums.get(name, 0) + amount

    def dump(self) -> dict[Key, bytes]:
        """Everything that is stored, as it is written."""
        return {key: kept.document for key, kept in self._items.items()}

    def _revision(self, key: Key) -> int:
        found = self._items.get(key)
        return 0 if found is None else found.revision


def _key_of(change: Change) -> Key:
    if isinstance(change, Tally):
        return tally_key(change.org_id, change.agent_id, change.shard, change.month)
    return LAYOUTS[type(change.entity)].key_of(change.entity)


@dataclass
class MemoryCounters:
    """`down` makes it not answer."""

    hits: dict[Key, int] = field(default_factory=dict)
    struck: dict[Key, Strikes] = field(default_factory=dict)
    calls: int = 0
    down: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(
        self,
        bucket: Bucket,
        *,
        window: int,
        limit: int,
        expires_at: datetime,  # noqa: ARG002 - the port's shape
    ) -> int | None:
        with self._counted():
            key = counter_key(bucket, window)
            if self.hits.get(key, 0) >= limit:
                return None
            self.hits[key] = self.hits.get(key, 0) + 1
            return self.hits[key]

    def strike(
        self,
        bucket: Bucket,
        *,
        window: int,
        at: datetime,
        expires_at: datetime,  # noqa: ARG002
    ) -> Strikes:
        with self._counted():
            key = strikes_key(bucket, window)
            before = self.struck.get(key)
            self.struck[key] = Strikes(before.count + 1 if before else 1, at)
            return self.struck[key]

    def strikes(self, bucket: Bucket, *, window: int) -> Strikes | None:
        with self._counted():
            return self.struck.get(strikes_key(bucket, window))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.calls += 1
        if self.down:
            raise Unavailable("The counters do not answer.", retry_after=2)
        with self._lock:
            yield


@dataclass
class MemoryClock:
    """Stands still until it is told, or until somebody sleeps."""

    at: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def now(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class MemoryMail:
    sent: list[tuple[str, str, str]] = field(default_factory=list)

    def send(self, to: str, subject: str, text: str) -> None:
        self.sent.append((to, subject, text))


class MemorySigner:
    """Signs with nothing but a list of what it has signed."""

    def __init__(self) -> None:
        self._signed: dict[str, Mapping[str, Any]] = {}

    def sign(self, claims: Mapping[str, Any]) -> str:
        token = f"signed-{len(self._signed)}"
        self._signed[token] = claims
        return token

    def verify(self, token: str) -> Mapping[str, Any]:
        try:
            return self._signed[token]
        except KeyError:
            raise Unauthenticated("Not signed by us.", code="token_invalid") from None


class MemoryVault:
    def seal(self, value: Mapping[str, str], *, context: str) -> str:
        return json.dumps([context, dict(value)])

    def open(self, sealed: str, *, context: str) -> dict[str, str]:
        bound, value = json.loads(sealed)
        if bound != context:
            raise AssertionError(f"sealed for {bound}, opened for {context}")
        return dict(value)


@dataclass
class MemoryArtifacts:
    sources: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    media_types: dict[str, str] = field(default_factory=dict)
    sources_bucket: str = "sources"
    artifacts_bucket: str = "artifacts"

    def upload_form(self, key: str, *, max_bytes: int, expires_seconds: int) -> UploadForm:
        return UploadForm(
            "memory://sources",
            {"key": key, "max": str(max_bytes), "expires": str(expires_seconds)},
        )

    def source_size(self, key: str) -> int | None:
        body = self.sources.get(key)
        return None if body is None else len(body)

    def fetch_source(self, key: str, to: Path) -> None:
        to.write_bytes(self.sources[key])

    def copy_template(self, template_key: str, source_key: str) -> None:
        self.sources[source_key] = self.objects[template_key]

    def copy_source(self, key: str, to_key: str) -> None:
        self.sources[to_key] = self.sources[key]

    def copy_built(self, key: str, to_key: str) -> None:
        if key not in self.objects:
            raise NotFound("There is no such object.")
        self.objects[to_key] = self.objects[key]

    def put_source(self, key: str, pieces: Iterable[bytes]) -> int:
        body = b"".join(pieces)
        self.sources.setdefault(key, body)
        return len(body)

    def put_json(self, key: str, value: Any) -> None:
        self.objects[key] = json.dumps(value).encode()

    def put_media(self, key: str, body: bytes, media_type: str) -> None:
        self.objects[key] = body
        self.media_types[key] = media_type

    def get_json(self, key: str) -> Any | None:
        body = self.objects.get(key)
        return None if body is None else json.loads(body)

    def read(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def keys(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> list[str]:
        found = sorted(k for k in self.objects if k.startswith(prefix))
        return [k for k in found if after is None or k > after][:limit]

    def remove_all(self, prefix: str) -> None:
        for kept in (self.sources, self.objects):
            for key in [k for k in kept if k.startswith(prefix)]:
                del kept[key]


class MemoryCatalogue:
    """The same index, in memory; what is fed is found at once."""

    def __init__(self) -> None:
        self._index: SearchIndex | None = None

    def search(self, query: SearchQuery) -> SearchPage:
        if self._index is None:
            return SearchPage((), {"category": {}, "runtime": {}}, 0, True, None)
        return self._index.search(query)

    def search_among(self, entries: Sequence[Entry], query: SearchQuery) -> SearchPage:
        return SearchIndex.create(":memory:", entries).search(query)

    def is_ready(self) -> bool:
        return self._index is not None

    def feed(self, entries: Sequence[Entry | Withdrawn]) -> bool:
        if self._index is None:
            return False
        self._index.apply(entries)
        return True

    def stale(self, entries: Sequence[Entry]) -> list[Entry]:
        return list(entries) if self._index is None else self._index.stale(entries)

    def held(self, after: str, limit: int) -> list[tuple[str, str]]:
        return [] if self._index is None else self._index.held(after, limit)

    def rebuild(self, entries: Iterable[Entry]) -> None:
        self._index = SearchIndex.create(":memory:", entries)


@dataclass
class MemoryBuilder:
    """Starts nothing: a test says how each build ends."""

    builds: dict[str, str] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)

    def start(self, version: Version, order_key: str) -> str:
        build_id = f"build:{version.id}-{version.attempt}"
        self.builds.setdefault(build_id, "IN_PROGRESS")
        self.orders[build_id] = order_key
        return build_id

    def status(self, build_ids: Sequence[str]) -> Mapping[str, BuildStatus]:
        return {b: BuildStatus(b, self.builds[b]) for b in build_ids if b in self.builds}

    def stop(self, build_id: str) -> None:
        self.builds[build_id] = "STOPPED"


@dataclass
class MemoryEngine:
    started: list[tuple[str, int]] = field(default_factory=list)
    dead: set[tuple[str, int]] = field(default_factory=set)

    def start(self, deployment: Deployment) -> None:
        execution = (deployment.id, deployment.attempt)
        if execution not in self.started:
            self.started.append(execution)

    def is_running(self, deployment: Deployment) -> bool:
        execution = (deployment.id, deployment.attempt)
        return execution in self.started and execution not in self.dead


@dataclass
class MemoryTasks:
    """Does nothing by itself: a test takes out what is to be done."""

    waiting: list[Task] = field(default_factory=list)

    def start(self, tasks: Sequence[Task]) -> None:
        self.waiting += tasks


@dataclass
class MemorySchedule:
    enabled: bool = False

    def enable(self) -> None:
        self.enabled = True

    def disable(self) -> None:
        self.enabled = False


@dataclass
class MemoryCaller:
    """Answers every URL the same way, until told otherwise."""

    answer: Answer = field(default_factory=lambda: Answer(200, {}, b"{}"))
    calls: list[tuple[str, str]] = field(default_factory=list)

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - the port's shape
        body: bytes | None = None,  # noqa: ARG002
        timeout_seconds: float = 10,  # noqa: ARG002
    ) -> Answer:
        self.calls.append((method, url))
        return self.answer
