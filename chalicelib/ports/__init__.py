"""What the use cases need from the world, as protocols. Adapters fulfil them; nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from secrets import randbelow
from typing import Any, Generic, Protocol, TypeVar

from chalicelib.domain.agents import Agent, Remains
from chalicelib.domain.audit import AuditRecord
from chalicelib.domain.budget import Allowance, BudgetState, Need
from chalicelib.domain.connections import Connection, Installed
from chalicelib.domain.copies import Run
from chalicelib.domain.credentials import ApiToken, TokenRegister
from chalicelib.domain.deliveries import Delivery, Receipt
from chalicelib.domain.deployments import Deployment, Environment, HistoryItem, Variables
from chalicelib.domain.identities import Identity, Profile
from chalicelib.domain.invitations import Invitation
from chalicelib.domain.limits import Bucket, Strikes
from chalicelib.domain.listings import AgentListing, PublishedVersion
from chalicelib.domain.operations import Orphan, Repair
from chalicelib.domain.pull_requests import PullRequest
from chalicelib.domain.pushes import Track
from chalicelib.domain.release import Step
from chalicelib.domain.reviews import Report, Review, Vote
from chalicelib.domain.search import Counts, Entry, SearchPage, SearchQuery, Withdrawn
from chalicelib.domain.sessions import Session
from chalicelib.domain.shares import Share
from chalicelib.domain.telling import Told
from chalicelib.domain.tenancy import Membership, Organisation
from chalicelib.domain.versions import Version
from chalicelib.ports.code_host import Annotation as Annotation
from chalicelib.ports.code_host import Check as Check
from chalicelib.ports.code_host import CodeHost as CodeHost
from chalicelib.values import frozen

E = TypeVar("E")


@frozen
class Listing(Generic[E]):
    """A way entities are listed, in the order of their ids (which is the order of time)."""

    name: str
    kind: type[E]


AGENTS = Listing("agents", Agent)  # (org_id)
VERSIONS = Listing("versions", Version)  # (org_id, agent_id)
DEPLOYMENTS = Listing("deployments", Deployment)  # (org_id, agent_id)
ALL_DEPLOYMENTS = Listing("all_deployments", Deployment)  # (org_id)
ENVIRONMENTS = Listing("environments", Environment)  # (org_id, agent_id)
VARIABLES = Listing("variables", Variables)  # (org_id, agent_id)
REMAINS = Listing("remains", Remains)  # (org_id)
INVITATIONS = Listing("invitations", Invitation)  # (org_id)
HISTORY = Listing("history", HistoryItem)  # (org_id, subject_id)
AUDIT = Listing("audit", AuditRecord)  # (org_id, block)
REGISTERS = Listing("registers", TokenRegister)  # (org_id)
TOKENS = Listing("tokens", ApiToken)  # (org_id)
SESSIONS = Listing("sessions", Session)  # (user_id)
MEMBERS = Listing("members", Membership)  # (org_id)
MEMBERSHIPS = Listing("memberships", Membership)  # (user_id)
PUBLISHED = Listing("published", PublishedVersion)  # (org_id, agent_id)
SHARES = Listing("shares", Share)  # (org_id, agent_id)
SHARED_WITH_ORGANISATION = Listing("shared_with_organisation", Share)  # (org_id)
SHARED_WITH_PERSON = Listing("shared_with_person", Share)  # (email)
MEMBERS_LISTINGS = Listing("members_listings", AgentListing)  # (org_id)
REVIEWS = Listing("reviews", Review)  # (org_id, agent_id) - those shown, most helpful last
REPORTS = Listing("reports", Report)  # (org_id, agent_id)
OPEN_REPORTS = Listing("open_reports", Report)  # () - of all tenants, for operators
VOTES = Listing("votes", Vote)  # (user_id)
RUNS = Listing("runs", Run)  # (user_id)
PUBLIC_LISTINGS = Listing("public_listings", AgentListing)  # (shard) - of all tenants
IDENTITIES = Listing("identities", Identity)  # (user_id)
OPEN_VERSIONS = Listing("open_versions", Version)  # () - of all tenants, for the reconciler
CLOSING = Listing("closing", Organisation)  # () - likewise
OPEN_DEPLOYMENTS = Listing("open_deployments", Deployment)  # () - likewise
UNSETTLED = Listing("unsettled", Environment)  # () - likewise
CONNECTIONS = Listing("connections", Connection)  # (repository_id) - of all tenants
INSTALLATIONS = Listing("installations", Installed)  # (org_id)
INSTALLED = Listing("installed", Installed)  # (installation_id) - of all tenants
DELIVERIES = Listing("deliveries", Delivery)  # (org_id, agent_id)
TRACKS = Listing("tracks", Track)  # (org_id, agent_id)
PULL_REQUESTS = Listing("pull_requests", PullRequest)  # (org_id, agent_id)
OPEN_RECEIPTS = Listing("open_receipts", Receipt)  # () - of all tenants, for the reconciler
OPEN_DELIVERIES = Listing("open_deliveries", Delivery)  # () - likewise
OPEN_TRACKS = Listing("open_tracks", Track)  # () - likewise
OPEN_PREVIEWS = Listing("open_previews", PullRequest)  # () - likewise
TELLINGS = Listing("tellings", Told)  # () - likewise
NOBODYS_RECEIPTS = Listing("nobodys_receipts", Receipt)  # () - for operators
REPAIRS = Listing("repairs", Repair)  # ()
ORPHANS = Listing("orphans", Orphan)  # ()


@frozen
class Page(Generic[E]):
    items: tuple[E, ...]
    next: str | None
    """Where the next page begins, or None at the end."""


@frozen
class Put:
    """Store this revision, if the one before it is what is stored (none, for revision 1)."""

    entity: Any


@frozen
class Delete:
    """Remove the entity, if this revision is what is stored."""

    entity: Any


@frozen
class Tally:
    """Add to what is counted of an agent's listing (`Counts`), in the transaction it stands in.

    `shard` says which of the agent's counters takes it, so that many can count at once.
    """

    org_id: str
    agent_id: str
    amounts: Mapping[str, int | float]
    shard: int = field(default_factory=lambda: randbelow(COUNTER_SHARDS))
    month: str = ""
    """The month alone in which it counts, and which may be forgotten then; "" for all time."""
    expires_at: datetime | None = None


COUNTER_SHARDS = 16
LISTING_SHARDS = 16
Change = Put | Delete | Tally


class Store(Protocol):
    """The truth. A commit happens whole or not at all."""

    def get(self, kind: type[E], *key: str) -> E | None: ...

    def get_many(self, *wanted: tuple[type, *tuple[str, ...]]) -> list[Any]:
        """Several entities by kind and key in one request, in this order; None for absent ones."""
        ...

    def page(
        self,
        listing: Listing[E],
        *scope: str,
        limit: int = 50,
        after: str | None = None,
        newest_first: bool = True,
    ) -> Page[E]: ...

    def touch(self, kind: type[E], *key: str, at: datetime) -> E | None:
        """The entity, after noting when it was used: one request, and no new revision."""
        ...

    def commit(self, *changes: Change) -> None:
        """Raises ChangedMeanwhile when a revision is not the stored one."""
        ...

    def counts(self, org_id: str, agent_id: str, month: str = "") -> Counts:
        """The exact sums of everything counted of the agent's listing, of all time and in this
        month."""
        ...


def every(store: Store, listing: Listing[E], *scope: str, newest_first: bool = True) -> Iterator[E]:
    """All of a listing, page by page."""
    after: str | None = None
    while True:
        page = store.page(listing, *scope, limit=100, after=after, newest_first=newest_first)
        yield from page.items
        if page.next is None:
            return
        after = page.next


class Counters(Protocol):
    """Counts that all processes share, exactly. Raises Unavailable when they do not answer."""

    def take(self, bucket: Bucket, *, window: int, limit: int, expires_at: datetime) -> int | None:
        """Counts one more in the window that began at `window`, and returns how many that makes;
        None, and nothing counted, when `limit` had been reached. One conditional write."""
        ...

    def strike(
        self, bucket: Bucket, *, window: int, at: datetime, expires_at: datetime
    ) -> Strikes: ...

    def strikes(self, bucket: Bucket, *, window: int) -> Strikes | None: ...


@frozen
class HostDeployment:
    """What the host says of one deployment. `status` is the host's own word."""

    id: str
    status: str
    image: str | None
    stopped: bool = False
    detail: str = ""
    created_at: datetime | None = None
    digest: str | None = None
    """The digest of the image that was pulled, where the host says it."""
    instances: tuple[tuple[str, str], ...] = ()
    """The running copies: the host's id of each, and its word for how it is."""


@frozen
class HostService:
    """What the host has stored of one service. `settings` in the words of a release's steps."""

    id: str
    name: str
    created_at: datetime | None = None
    image: str | None = None
    domain: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    latest: HostDeployment | None = None


@frozen
class Released:
    """What the host confirmed of a release."""

    service_id: str
    deployment_id: str
    domain: str


@frozen
class LogLine:
    timestamp: str
    level: str
    message: str
    step: str | None = None
    """Which step of a build said it; None for an agent's own output."""


@frozen
class Sample:
    """One measured value; `at` in seconds since 1970."""

    at: int
    value: float


class HostBudget(Protocol):
    """Calls at the host in this hour, counted once for all functions that run."""

    def spend(self, need: Need) -> None:
        """Counts one call, or raises HostUnavailable (`host_budget_spent`, `host_paused`)."""
        ...

    def learn(self, allowance: Allowance | None, *, pause: int = 0) -> None:
        """What an answer said: less is left than we counted, or everybody must wait."""
        ...

    def state(self) -> BudgetState: ...


class HostLease(Protocol):
    """Who may change the host's configuration now: one at a time, and nobody for ever."""

    def acquire(self, holder: str) -> bool:
        """Whether it was free (or its holder has outlived its time) and is ours now."""
        ...

    def keep(self, holder: str) -> bool:
        """Makes sure it stays ours for one more call; False when somebody else has it."""
        ...

    def release(self, holder: str) -> None: ...


class Host(Protocol):
    """Where agents run. Its errors come as HostUnavailable (try again) or HostRefused (do not)."""

    @property
    def budget(self) -> HostBudget: ...

    def carry_out(
        self, steps: Sequence[Step], *, requested_at: datetime | None, note: ReleaseNote
    ) -> Released:
        """Performs the steps in order. Safe to repeat: a deployment that the host began for
        this image after `requested_at` is adopted, not begun again."""
        ...

    def deployments(
        self, ids: Sequence[str], *, need: Need = Need.DEPLOY
    ) -> Mapping[str, HostDeployment]:
        """The named deployments in one batched read; one that is gone is absent."""
        ...

    def recent(self, service_id: str, *, need: Need = Need.DEPLOY) -> list[HostDeployment]:
        """The service's latest deployments, newest first; none when the service is gone."""
        ...

    def inspect(self, service_id: str) -> HostService | None:
        """How the host has the service configured; None when it is gone."""
        ...

    def services(self) -> list[HostService]:
        """Every service at the host: its id, its name and when it was made."""
        ...

    def restart(self, deployment_id: str) -> None: ...

    def stop(self, deployment_id: str) -> None: ...

    def cancel(self, deployment_id: str) -> None: ...

    def remove_service(self, service_id: str) -> None: ...

    def logs(self, deployment_id: str, *, since: str | None, limit: int) -> list[LogLine]: ...

    def metrics(
        self, service_id: str, *, start: datetime, end: datetime
    ) -> Mapping[str, list[Sample]]: ...


class ReleaseNote(Protocol):
    """Told of what is known so far, and (`asking`) just before the host is asked to deploy, so
    that a repeat knows it was. May raise Conflict: then nothing is asked for."""

    def __call__(self, service_id: str, domain: str, *, asking: bool) -> None: ...


@frozen
class BuildStatus:
    """What the build service says. `status`: IN_PROGRESS, SUCCEEDED, FAILED, FAULT, …"""

    id: str
    status: str
    phase: str = ""


class Builder(Protocol):
    def start(self, version: Version, order_key: str) -> str:
        """Starts the build and returns its id; repeated for one version it is the same build."""
        ...

    def status(self, build_ids: Sequence[str]) -> Mapping[str, BuildStatus]: ...

    def stop(self, build_id: str) -> None: ...


@frozen
class UploadForm:
    """A form the client posts its archive with: all fields first, `file` last."""

    url: str
    fields: Mapping[str, str]


class Artifacts(Protocol):
    """Sources that come in and what builds leave behind."""

    @property
    def sources_bucket(self) -> str: ...

    @property
    def artifacts_bucket(self) -> str: ...

    def upload_form(self, key: str, *, max_bytes: int, expires_seconds: int) -> UploadForm: ...

    def source_size(self, key: str) -> int | None: ...

    def fetch_source(self, key: str, to: Path) -> None: ...

    def copy_template(self, template_key: str, source_key: str) -> None: ...

    def copy_source(self, key: str, to_key: str) -> None: ...

    def copy_built(self, key: str, to_key: str) -> None:
        """What a build has left behind, once more; NotFound when it is not there."""
        ...

    def put_source(self, key: str, pieces: Iterable[bytes]) -> int:
        """Stores a source as it arrives, never whole in memory; its size. When the pieces end in
        an error nothing is stored, and what was stored already stays as it is."""
        ...

    def put_json(self, key: str, value: Any) -> None: ...

    def put_media(self, key: str, body: bytes, media_type: str) -> None: ...

    def get_json(self, key: str) -> Any | None: ...

    def read(self, key: str) -> bytes | None: ...

    def keys(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> list[str]: ...

    def remove_all(self, prefix: str) -> None:
        """Removes every source and every artifact whose key begins so."""
        ...


class Catalogue(Protocol):
    """The marketplace's search index. `search_among` searches these few alone; `is_ready`: there is
    one of the present form; `stale`: those that are not held as they are; `held`: agent and slug of
    what is, in the order of agents' ids; `rebuild` makes it anew, of these and no others."""

    def search(self, query: SearchQuery) -> SearchPage: ...

    def search_among(self, entries: Sequence[Entry], query: SearchQuery) -> SearchPage: ...

    def is_ready(self) -> bool: ...

    def feed(self, entries: Sequence[Entry | Withdrawn]) -> bool:
        """Puts these in place of what is held of the same agents. False: `rebuild` comes first."""
        ...

    def stale(self, entries: Sequence[Entry]) -> list[Entry]: ...

    def held(self, after: str, limit: int) -> list[tuple[str, str]]: ...

    def rebuild(self, entries: Iterable[Entry]) -> None: ...


class Mail(Protocol):
    def send(self, to: str, subject: str, text: str) -> None: ...


class Vault(Protocol):
    """Seals what must not be readable in the store."""

    def seal(self, value: Mapping[str, str], *, context: str) -> str: ...

    def open(self, sealed: str, *, context: str) -> dict[str, str]: ...


class Signer(Protocol):
    def sign(self, claims: Mapping[str, Any]) -> str: ...

    def verify(self, token: str) -> Mapping[str, Any]:
        """The claims; raises Unauthenticated for anything not signed by us or out of date."""
        ...


class Provider(Protocol):
    """A place where people sign in and which tells us who they are.

    `kind` is github, google or oidc; `id` is what our addresses call it.
    """

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def address(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        """Where the browser goes to sign in there. Raises Unavailable."""
        ...

    def profile(self, *, code: str, redirect_uri: str, verifier: str, nonce: str) -> Profile:
        """Who came back with this code. Raises Unavailable, or ProviderRefused for a code or an
        answer that is not to be trusted."""
        ...


@frozen
class Task:
    """Something to do that nobody waits for. Doing it twice does no harm.

    `kind`: receipt, delivery, fetch, advance or report; `org_id` is empty where no tenant is known.
    """

    kind: str
    org_id: str
    subject: str
    agent_id: str = ""


class Tasks(Protocol):
    """Has tasks done later, each at least once."""

    def start(self, tasks: Sequence[Task]) -> None: ...


class Engine(Protocol):
    """What waits and retries between the steps of a deployment."""

    def start(self, deployment: Deployment) -> None:
        """Starts the machine for this attempt; a repeat for the same attempt does nothing."""
        ...

    def is_running(self, deployment: Deployment) -> bool: ...


class Schedule(Protocol):
    """Whether the reconciler is called at intervals."""

    def enable(self) -> None: ...

    def disable(self) -> None: ...


@frozen
class Answer:
    """What a URL answered; status 0 when nothing did."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: str = ""


class Caller(Protocol):
    """Calls an agent's public URL."""

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = 10,
    ) -> Answer: ...


class Clock(Protocol):
    def now(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...
