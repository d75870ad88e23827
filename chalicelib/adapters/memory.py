"""Every port in memory, telling the truth about races and order; for tests of the use cases."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    decoded,
    index_key,
    range_of,
    revision_of,
    strikes_key,
    tally_key,
)
from chalicelib.adapters.search_index import SearchIndex
from chalicelib.domain.budget import HOUR, Allowance, BudgetState, Count, Need, ceilings
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.hosting import Verdict, verdict
from chalicelib.domain.limits import Bucket, Strikes
from chalicelib.domain.release import Configure, EnsureService, SetVariables, Step, settings_of
from chalicelib.domain.search import Counts, Entry, SearchPage, SearchQuery, Withdrawn
from chalicelib.domain.versions import Version
from chalicelib.errors import ChangedMeanwhile, HostRefused, Unauthenticated, Unavailable
from chalicelib.ports import (
    Answer,
    BuildStatus,
    Change,
    HostDeployment,
    HostService,
    Listing,
    LogLine,
    Page,
    Put,
    Released,
    ReleaseNote,
    Sample,
    Tally,
    UploadForm,
)

E = TypeVar("E")
MOST_AT_ONCE = 100
"""Items that one request to DynamoDB may read or write together."""


_INDEXES = (None, "gsi1", "gsi2")


@dataclass(frozen=True)
class _Kept:
    """An item: what was written, and the keys it is found by."""

    kind: type
    document: bytes
    revision: int
    keys: Mapping[str | None, Key | None]


class MemoryStore:
    """Keeps the written form, so that what cannot be stored cannot pass a test either."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], dict[str, float]] = {}
        self._items: dict[Key, _Kept] = {}
        self._lock = threading.Lock()
        self.calls = 0

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
                    self._items[key] = _Kept(
                        kind,
                        codec(kind).dump_json(change.entity),
                        revision_of(change.entity),
                        {index: index_key(change.entity, index) for index in _INDEXES},
                    )
                else:
                    del self._items[key]

    def counts(self, org_id: str, agent_id: str) -> Counts:
        self.calls += 1
        return Counts(**self._counts.get((org_id, agent_id), {}))  # type: ignore[arg-type]

    def _count(self, change: Tally) -> None:
        sums = self._counts.setdefault((change.org_id, change.agent_id), {})
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


class MemoryBudget:
    """Counts as the shared one does, for one process."""

    def __init__(self, per_hour: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._count = Count(per_hour, 0, 0.0)
        self._clock = clock
        self._lock = threading.Lock()

    def spend(self, need: Need) -> None:
        with self._lock:
            now = self._clock()
            if self._count.resets_at <= now:
                self._count = replace(self._count, used=0, resets_at=now + HOUR)
            fits = self._count.used < ceilings(self._count.limit)[need]
            if not fits or self._count.paused_until > now:
                raise self._count.refusal(now)
            self._count = replace(self._count, used=self._count.used + 1)

    def learn(self, allowance: Allowance | None, *, pause: int = 0) -> None:
        with self._lock:
            now = self._clock()
            until = max(self._count.paused_until, now + pause if pause else 0.0)
            self._count = replace(self._count.corrected(allowance, now), paused_until=until)

    def state(self) -> BudgetState:
        return self._count.state(self._clock())


class MemoryLease:
    """One holder at a time, until it lets go or has outlived its time."""

    def __init__(self, clock: Callable[[], float] = time.time, seconds: float = 75) -> None:
        self._clock = clock
        self._seconds = seconds
        self._held: tuple[str, float] | None = None
        self._lock = threading.Lock()

    def acquire(self, holder: str) -> bool:
        with self._lock:
            now = self._clock()
            if self._held and self._held[0] != holder and self._held[1] >= now:
                return False
            self._held = (holder, now + self._seconds)
            return True

    def keep(self, holder: str) -> bool:
        with self._lock:
            if self._held is None or self._held[0] != holder:
                return False
            self._held = (holder, self._clock() + self._seconds)
            return True

    def release(self, holder: str) -> None:
        with self._lock:
            if self._held and self._held[0] == holder:
                self._held = None


@dataclass
class MemoryHost:
    """Runs nothing, but keeps services and deployments as a host would."""

    outcome: str = "SUCCESS"
    services_by_name: dict[str, str] = field(default_factory=dict)
    running: dict[str, HostDeployment] = field(default_factory=dict)
    of_service: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, Mapping[str, str]] = field(default_factory=dict)
    lines: dict[str, list[LogLine]] = field(default_factory=dict)
    budget: MemoryBudget = field(default_factory=MemoryBudget)

    def carry_out(
        self, steps: Sequence[Step], *, requested_at: datetime | None, note: ReleaseNote
    ) -> Released:
        named = next(s for s in steps if isinstance(s, EnsureService))
        configured = next(s for s in steps if isinstance(s, Configure))
        if named.name not in self.services_by_name:
            made = f"svc-{len(self.services_by_name)}"
            self.services_by_name[named.name] = made
            self.of_service[made] = []
            note(made, "", asking=False)
        service = self.services_by_name[named.name]
        domain = f"{service}.test"
        self.variables[service] = next(s for s in steps if isinstance(s, SetVariables)).variables
        self.settings[service] = settings_of(tuple(steps))
        earlier = self.of_service.setdefault(service, [])
        if requested_at is not None and earlier:
            newest = self.running[earlier[-1]]
            if newest.image == configured.image:
                return Released(service, newest.id, domain)
        note(service, domain, asking=True)
        deployment_id = self.begin(service, configured.image)
        return Released(service, deployment_id, domain)

    def begin(self, service: str, image: str | None) -> str:
        """A deployment at the host, asked for by us or by somebody else."""
        deployment_id = f"host-{len(self.running)}"
        earlier = self.of_service[service]
        if self.outcome == "SUCCESS":
            for old in earlier:
                self.running[old] = replace(self.running[old], status="REMOVED")
        self.running[deployment_id] = HostDeployment(deployment_id, self.outcome, image)
        earlier.append(deployment_id)
        return deployment_id

    def deployments(
        self,
        ids: Sequence[str],
        *,
        need: Need = Need.DEPLOY,  # noqa: ARG002 - the port's shape
    ) -> Mapping[str, HostDeployment]:
        return {i: self.running[i] for i in ids if i in self.running}

    def recent(
        self,
        service_id: str,
        *,
        need: Need = Need.DEPLOY,  # noqa: ARG002
    ) -> list[HostDeployment]:
        return [self.running[i] for i in reversed(self.of_service.get(service_id, []))]

    def inspect(self, service_id: str) -> HostService | None:
        if service_id not in self.of_service:
            return None
        settings = dict(self.settings.get(service_id, {}))
        recent = self.recent(service_id)
        return HostService(
            id=service_id,
            name=next(n for n, one in self.services_by_name.items() if one == service_id),
            image=settings.pop("image", None),
            domain=f"{service_id}.test",
            settings=settings,
            variables=self.variables.get(service_id, {}),
            latest=recent[0] if recent else None,
        )

    def services(self) -> list[HostService]:
        long_ago = datetime(2025, 1, 1, tzinfo=UTC)
        return [
            HostService(id=service_id, name=name, created_at=long_ago)
            for name, service_id in self.services_by_name.items()
        ]

    def restart(self, deployment_id: str) -> None:
        self.set_status(deployment_id, "SUCCESS")

    def stop(self, deployment_id: str) -> None:
        if deployment_id in self.running:
            self.running[deployment_id] = replace(self.running[deployment_id], stopped=True)

    def cancel(self, deployment_id: str) -> None:
        found = self.running.get(deployment_id)
        if found is not None and verdict(found) is not Verdict.COMING:
            raise HostRefused("Deployment cannot be cancelled: it is not in progress")
        self.set_status(deployment_id, "REMOVED")

    def remove_service(self, service_id: str) -> None:
        self.services_by_name = {
            name: one for name, one in self.services_by_name.items() if one != service_id
        }
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
