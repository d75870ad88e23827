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

from chalicelib.adapters.keys import (
    LAYOUTS,
    Key,
    codec,
    counter_key,
    index_key,
    range_of,
    revision_of,
    strikes_key,
    tally_key,
)
from chalicelib.adapters.search_index import SearchIndex
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.limits import Bucket, Strikes
from chalicelib.domain.release import Configure, EnsureService, SetVariables, Step
from chalicelib.domain.search import Counts, Entry, SearchPage, SearchQuery, Withdrawn
from chalicelib.domain.versions import Version
from chalicelib.errors import ChangedMeanwhile, Unauthenticated, Unavailable
from chalicelib.ports import (
    Answer,
    BuildStatus,
    Change,
    Count,
    HostDeployment,
    Listing,
    LogLine,
    Page,
    Put,
    Released,
    ReleaseNote,
    Sample,
    UploadForm,
)

E = TypeVar("E")
MOST_AT_ONCE = 100
"""Items that one request to DynamoDB may read or write together."""


class MemoryStore:
    """Keeps the written form, so that what cannot be stored cannot pass a test either."""

    def __init__(self) -> None:
        self._items: dict[Key, tuple[type, bytes]] = {}
        self._counts: dict[tuple[str, str], dict[str, float]] = {}
        self._lock = threading.Lock()
        self.calls = 0

    def get(self, kind: type[E], *key: str) -> E | None:
        self.calls += 1
        found = self._items.get(LAYOUTS[kind].key(*key))
        return None if found is None else codec(kind).validate_json(found[1])

    def get_many(self, *wanted: tuple[type, *tuple[str, ...]]) -> list[Any]:
        keys = [LAYOUTS[kind].key(*key) for kind, *key in wanted]
        if not keys:
            return []
        if len(set(keys)) != len(keys) or len(keys) > MOST_AT_ONCE:
            raise AssertionError(f"no request reads one item twice, or {len(keys)}: {keys}")
        self.calls += 1
        found = [self._items.get(key) for key in keys]
        return [None if item is None else codec(item[0]).validate_json(item[1]) for item in found]

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
        found: list[tuple[str, Any]] = []
        for kind, document in list(self._items.values()):
            entity: Any = codec(kind).validate_json(document)
            key = index_key(entity, where.index)
            if key is not None and key.pk == where.pk and key.sk.startswith(where.begins):
                found.append((key.sk, entity))
        found.sort(key=lambda pair: pair[0], reverse=newest_first)
        if after is not None:
            found = [p for p in found if (p[0] < after if newest_first else p[0] > after)]
        shown = found[:limit]
        return Page(
            tuple(entity for _, entity in shown), shown[-1][0] if len(found) > limit else None
        )

    def touch(self, kind: type[E], *key: str, at: datetime) -> E | None:
        self.calls += 1
        with self._lock:
            place = LAYOUTS[kind].key(*key)
            if place not in self._items:
                return None
            entity: Any = codec(kind).validate_json(self._items[place][1])
            entity = replace(entity, last_used_at=at.replace(microsecond=0))
            self._items[place] = (kind, codec(kind).dump_json(entity))
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
                if not isinstance(change, Count)
                and self._revision(key)
                != revision_of(change.entity) - (1 if isinstance(change, Put) else 0)
            )
            if lost:
                raise ChangedMeanwhile("Somebody else changed this at the same moment.", lost=lost)
            for change, key in zip(changes, keys, strict=True):
                if isinstance(change, Count):
                    self._count(change)
                    continue
                kind = type(change.entity)
                if isinstance(change, Put):
                    self._items[key] = (kind, codec(kind).dump_json(change.entity))
                else:
                    del self._items[key]

    def counts(self, org_id: str, agent_id: str) -> Counts:
        self.calls += 1
        return Counts(**self._counts.get((org_id, agent_id), {}))  # type: ignore[arg-type]

    def _count(self, change: Count) -> None:
        sums = self._counts.setdefault((change.org_id, change.agent_id), {})
        for name, amount in change.amounts.items():
            sums[name] = sums.get(name, 0) + amount

    def dump(self) -> dict[Key, bytes]:
        """Everything that is stored, as it is written."""
        return {key: document for key, (_, document) in self._items.items()}

    def _revision(self, key: Key) -> int:
        found = self._items.get(key)
        if found is None:
            return 0
        return revision_of(codec(found[0]).validate_json(found[1]))


def _key_of(change: Change) -> Key:
    if isinstance(change, Count):
        return tally_key(change.org_id, change.agent_id, change.shard)
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

    def put_json(self, key: str, value: Any) -> None:
        self.objects[key] = json.dumps(value).encode()

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

    def is_ready(self) -> bool:
        return self._index is not None

    def feed(self, entries: Sequence[Entry | Withdrawn]) -> bool:
        if self._index is None:
            return False
        self._index.apply(entries)
        return True

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
class MemoryHost:
    """Runs nothing, but keeps services and deployments as a host would."""

    outcome: str = "SUCCESS"
    services: dict[str, str] = field(default_factory=dict)
    running: dict[str, HostDeployment] = field(default_factory=dict)
    of_service: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, Mapping[str, str]] = field(default_factory=dict)
    lines: dict[str, list[LogLine]] = field(default_factory=dict)

    def carry_out(
        self, steps: Sequence[Step], *, requested_at: datetime | None, note: ReleaseNote
    ) -> Released:
        named = next(s for s in steps if isinstance(s, EnsureService))
        configured = next(s for s in steps if isinstance(s, Configure))
        service = self.services.setdefault(named.name, f"svc-{len(self.services)}")
        domain = f"{service}.test"
        self.variables[service] = next(s for s in steps if isinstance(s, SetVariables)).variables
        earlier = self.of_service.setdefault(service, [])
        if requested_at is not None and earlier:
            newest = self.running[earlier[-1]]
            if newest.image == configured.image:
                return Released(service, newest.id, domain)
        note(service, domain)
        deployment_id = f"host-{len(self.running)}"
        if self.outcome == "SUCCESS":
            for old in earlier:
                self.running[old] = replace(self.running[old], status="REMOVED")
        self.running[deployment_id] = HostDeployment(deployment_id, self.outcome, configured.image)
        earlier.append(deployment_id)
        return Released(service, deployment_id, domain)

    def deployments(self, ids: Sequence[str]) -> Mapping[str, HostDeployment]:
        return {i: self.running[i] for i in ids if i in self.running}

    def newest(self, service_id: str) -> HostDeployment | None:
        ids = self.of_service.get(service_id)
        return self.running[ids[-1]] if ids else None

    def restart(self, deployment_id: str) -> None:
        self.set_status(deployment_id, "SUCCESS")

    def stop(self, deployment_id: str) -> None:
        self.set_status(deployment_id, "REMOVED")

    def cancel(self, deployment_id: str) -> None:
        self.set_status(deployment_id, "REMOVED")

    def remove_service(self, service_id: str) -> None:
        for deployment_id in self.of_service.pop(service_id, []):
            self.running.pop(deployment_id, None)

    def logs(self, deployment_id: str, *, since: str | None, limit: int) -> list[LogLine]:
        lines = self.lines.get(deployment_id, [])
        if since is None:
            return lines[-limit:]
        return [line for line in lines if line.timestamp >= since][:limit]

    def metrics(
        self, service_id: str, *, start: datetime, end: datetime
    ) -> Mapping[str, list[Sample]]:
        if service_id not in self.of_service:
            return {}
        return {"cpu": [Sample(int(start.timestamp()), 0.0), Sample(int(end.timestamp()), 0.0)]}

    def set_status(self, deployment_id: str, status: str) -> None:
        if deployment_id in self.running:
            self.running[deployment_id] = replace(self.running[deployment_id], status=status)


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
