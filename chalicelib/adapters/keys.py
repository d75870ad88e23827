"""Every key of the table, in one place, and how each entity is written down.

Keys begin with the organisation wherever a thing belongs to one, and `#` closes every segment, so
that no organisation's prefix is a prefix of another's. What exists before an organisation is known
(a user, a sign-in link, a token's hash) and the reconciler's index of open work do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from chalicelib.domain.agents import Agent, Remains, SlugClaim
from chalicelib.domain.audit import AuditHead, AuditRecord, block_of
from chalicelib.domain.copies import Run, View
from chalicelib.domain.credentials import ApiToken, TokenRegister
from chalicelib.domain.deployments import Deployment, Environment, HistoryItem, Variables
from chalicelib.domain.idempotency import Remembered
from chalicelib.domain.identities import Identity, PendingLink
from chalicelib.domain.invitations import Invitation
from chalicelib.domain.limits import Bucket
from chalicelib.domain.listings import AgentListing, NameClaim, PublishedVersion
from chalicelib.domain.members import Headcount, Places
from chalicelib.domain.operations import Orphan, ReconcilerRun, Repair, ServiceClaim
from chalicelib.domain.reviews import Report, Review, Vote
from chalicelib.domain.sessions import Session
from chalicelib.domain.sign_in import Handshake, SignInLink
from chalicelib.domain.tenancy import EmailClaim, Membership, Organisation, User
from chalicelib.domain.versions import Version
from chalicelib.errors import Damaged
from chalicelib.ports import LISTING_SHARDS, Listing
from chalicelib.telemetry import logger

E = TypeVar("E")


@dataclass(frozen=True)
class Key:
    pk: str
    sk: str


@dataclass(frozen=True)
class Layout:
    """Where a kind of entity lies. `key_of` takes the entity, `key` the parts a caller knows."""

    key: Callable[..., Key]
    key_of: Callable[[Any], Key]
    gsi1: Callable[[Any], Key | None] = lambda _: None
    gsi2: Callable[[Any], Key | None] = lambda _: None
    gsi3: Callable[[Any], Key | None] = lambda _: None
    expires: bool = False
    touched: bool = False
    """Whether it notes when it was last used beside its document, without a new revision."""


def _org(org_id: str, *rest: str) -> str:
    return "#".join(["ORG", org_id, *rest, ""])


def _agent_key(org_id: str, agent_id: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id), "AGT#")


def _version_key(org_id: str, version_id: str) -> Key:
    return Key(_org(org_id, "VER", version_id), "VER#")


def _deployment_key(org_id: str, deployment_id: str) -> Key:
    return Key(_org(org_id, "DEP", deployment_id), "DEP#")


def _history_key(org_id: str, subject_id: str, sequence: int) -> Key:
    noun = subject_id[:3].upper()
    return Key(_org(org_id, noun, subject_id), f"EVT#{sequence:08d}#")


def _environment_key(org_id: str, agent_id: str, name: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id), f"ENV#{name}#")


def _variables_key(org_id: str, agent_id: str, environment: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id), f"VARIABLES#{environment}#")


def _membership_key(org_id: str, user_id: str) -> Key:
    return Key(_org(org_id), f"MEMBER#{user_id}#")


def _headcount_key(org_id: str) -> Key:
    return Key(_org(org_id), "COUNT#")


def _invitation_key(org_id: str, invitation_id: str) -> Key:
    return Key(_org(org_id), f"INVITATION#{invitation_id}#")


def _places_key(user_id: str) -> Key:
    return Key(f"USER#{user_id}#", "PLACES#")


def _closing(organisation: Organisation) -> Key | None:
    return Key("WORK#CLOSING#", f"{organisation.id}#") if organisation.closing else None


def _session_key(user_id: str, session_id: str) -> Key:
    return Key(f"USER#{user_id}#", f"SESSION#{session_id}#")


def _remembered_key(org_id: str, key: str) -> Key:
    return Key(_org(org_id, "IDEMPOTENCY", key), "IDEMPOTENCY#")


def _audit_key(org_id: str, sequence: int | str) -> Key:
    return Key(_org(org_id, "AUDIT", f"{block_of(int(sequence)):08d}"), f"{int(sequence):012d}#")


def _register_key(org_id: str, user_id: str) -> Key:
    return Key(_org(org_id), f"TOKENS#{user_id}#")


def _identity_key(issuer: str, subject: str) -> Key:
    # Of unknown length and alphabet, so hashed; the space cannot be in an issuer.
    hashed = hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()
    return Key(f"IDENTITY#{hashed}#", "IDENTITY#")


def _email_key(email: str) -> Key:
    return Key(f"EMAIL#{hashlib.sha256(email.encode()).hexdigest()}#", "EMAIL#")


def _listing_key(org_id: str, agent_id: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id), "LISTING#")


def _published_key(org_id: str, agent_id: str, version_id: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id), f"PUBLISHED#{version_id}#")


def tally_key(org_id: str, agent_id: str, shard: int | None = None) -> Key:
    """One shard of an agent's counters; without a shard, where all of them begin."""
    return Key(
        _org(org_id, "AGT", agent_id), "COUNTS#" + ("" if shard is None else f"{shard:02d}#")
    )


def _run_key(org_id: str, agent_id: str, user_id: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id, "RUN", user_id), "RUN#")


def _view_key(org_id: str, agent_id: str, day: str, visitor: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id, "VIEW", day, visitor), "VIEW#")


def _review_key(org_id: str, agent_id: str, review_id: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id, "REVIEW", review_id), "REVIEW#")


def _shown_review(review: Review) -> Key | None:
    if review.hidden:
        return None
    made = review.created_at.isoformat()
    return Key(
        _org(review.org_id, "AGT", review.agent_id, "REVIEWS"),
        f"{review.helpful:06d}#{made}#{review.id}#",
    )


def _vote_key(org_id: str, agent_id: str, review_id: str, user_id: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id, "REVIEW", review_id), f"VOTE#{user_id}#")


def _report_key(org_id: str, agent_id: str, report_id: str) -> Key:
    return Key(_org(org_id, "AGT", agent_id, "REPORTS"), f"{report_id}#")


def _open_report(report: Report) -> Key | None:
    if report.decision is not None:
        return None
    return Key("WORK#REPORTS#", f"{report.created_at.isoformat()}#{report.id}#")


def _public_listing(listing: AgentListing) -> Key | None:
    if not listing.is_public:
        return None
    shard = int(hashlib.sha256(listing.agent_id.encode()).hexdigest(), 16) % LISTING_SHARDS
    return Key(f"LISTINGS#{shard:02d}#", f"{listing.agent_id}#")


def _open_version(version: Version) -> Key | None:
    if version.state.is_final and not version.owes_deployment:
        return None
    return Key("WORK#VERSIONS#", f"{version.id}#")


def _open_deployment(deployment: Deployment) -> Key | None:
    if deployment.state.is_final:
        return None
    return Key("WORK#DEPLOYMENTS#", f"{deployment.id}#")


def _unsettled(environment: Environment) -> Key | None:
    if not environment.leftovers:
        return None
    return Key("WORK#ENVIRONMENTS#", f"{environment.agent_id}#{environment.name}#")


HOST_BUDGET = Key("HOST#", "BUDGET#")
"""The count of calls at the host. Not an entity: it is added to, never replaced."""


def host_lease(environment: str) -> Key:
    """Who may change the configuration of one of the host's environments."""
    return Key("HOST#", f"LEASE#{environment}#")


LAYOUTS: Mapping[type, Layout] = {
    Agent: Layout(
        key=_agent_key,
        key_of=lambda e: _agent_key(e.org_id, e.id),
        gsi1=lambda e: Key(_org(e.org_id, "AGENTS"), f"{e.id}#"),
    ),
    SlugClaim: Layout(
        key=lambda org_id, slug: Key(_org(org_id, "SLUG", slug), "SLUG#"),
        key_of=lambda e: Key(_org(e.org_id, "SLUG", e.slug), "SLUG#"),
    ),
    Version: Layout(
        key=_version_key,
        key_of=lambda e: _version_key(e.org_id, e.id),
        gsi1=lambda e: Key(_org(e.org_id, "AGT", e.agent_id, "VERSIONS"), f"{e.id}#"),
        gsi2=_open_version,
    ),
    Deployment: Layout(
        key=_deployment_key,
        key_of=lambda e: _deployment_key(e.org_id, e.id),
        gsi1=lambda e: Key(_org(e.org_id, "AGT", e.agent_id, "DEPLOYMENTS"), f"{e.id}#"),
        gsi2=_open_deployment,
        gsi3=lambda e: Key(_org(e.org_id, "DEPLOYMENTS"), f"{e.id}#"),
    ),
    HistoryItem: Layout(
        key=_history_key,
        key_of=lambda e: _history_key(e.org_id, e.subject_id, e.sequence),
    ),
    Environment: Layout(
        key=_environment_key,
        key_of=lambda e: _environment_key(e.org_id, e.agent_id, e.name),
        gsi2=_unsettled,
    ),
    Variables: Layout(
        key=_variables_key,
        key_of=lambda e: _variables_key(e.org_id, e.agent_id, e.environment),
    ),
    AuditHead: Layout(
        key=lambda org_id: Key(_org(org_id, "AUDIT"), "HEAD#"),
        key_of=lambda e: Key(_org(e.org_id, "AUDIT"), "HEAD#"),
    ),
    AuditRecord: Layout(
        key=_audit_key,
        key_of=lambda e: _audit_key(e.org_id, e.sequence),
        expires=True,
    ),
    User: Layout(
        key=lambda user_id: Key(f"USER#{user_id}#", "USER#"),
        key_of=lambda e: Key(f"USER#{e.id}#", "USER#"),
    ),
    EmailClaim: Layout(key=_email_key, key_of=lambda e: _email_key(e.email)),
    Organisation: Layout(
        key=lambda org_id: Key(_org(org_id), "ORG#"),
        key_of=lambda e: Key(_org(e.id), "ORG#"),
        gsi2=_closing,
    ),
    Headcount: Layout(key=_headcount_key, key_of=lambda e: _headcount_key(e.org_id)),
    Places: Layout(key=_places_key, key_of=lambda e: _places_key(e.user_id)),
    Invitation: Layout(
        key=_invitation_key,
        key_of=lambda e: _invitation_key(e.org_id, e.id),
        expires=True,
    ),
    Remains: Layout(
        key=lambda org_id, agent_id: Key(_org(org_id, "REMAINS"), f"{agent_id}#"),
        key_of=lambda e: Key(_org(e.org_id, "REMAINS"), f"{e.agent_id}#"),
    ),
    Membership: Layout(
        key=_membership_key,
        key_of=lambda e: _membership_key(e.org_id, e.user_id),
        gsi1=lambda e: Key(f"USER#{e.user_id}#MEMBERSHIPS#", f"{e.org_id}#"),
    ),
    ApiToken: Layout(
        key=lambda hashed: Key(f"TOKEN#{hashed}#", "TOKEN#"),
        key_of=lambda e: Key(f"TOKEN#{e.hash}#", "TOKEN#"),
        gsi1=lambda e: Key(_org(e.org_id, "TOKENS"), f"{e.id}#"),
        expires=True,
        touched=True,
    ),
    TokenRegister: Layout(
        key=_register_key,
        key_of=lambda e: _register_key(e.org_id, e.user_id),
    ),
    Session: Layout(
        key=_session_key,
        key_of=lambda e: _session_key(e.user_id, e.id),
        expires=True,
    ),
    SignInLink: Layout(
        key=lambda hashed: Key(f"LINK#{hashed}#", "LINK#"),
        key_of=lambda e: Key(f"LINK#{e.hash}#", "LINK#"),
        expires=True,
    ),
    AgentListing: Layout(
        key=_listing_key,
        key_of=lambda e: _listing_key(e.org_id, e.agent_id),
        gsi1=_public_listing,
    ),
    Run: Layout(
        key=_run_key,
        key_of=lambda e: _run_key(e.org_id, e.agent_id, e.user_id),
        gsi1=lambda e: Key(f"USER#{e.user_id}#RUNS#", f"{e.agent_id}#"),
    ),
    Review: Layout(
        key=_review_key,
        key_of=lambda e: _review_key(e.org_id, e.agent_id, e.id),
        gsi1=_shown_review,
    ),
    Vote: Layout(
        key=_vote_key,
        key_of=lambda e: _vote_key(e.org_id, e.agent_id, e.review_id, e.user_id),
        gsi1=lambda e: Key(f"USER#{e.user_id}#VOTES#", f"{e.review_id}#"),
    ),
    Report: Layout(
        key=_report_key,
        key_of=lambda e: _report_key(e.org_id, e.agent_id, e.id),
        gsi2=_open_report,
    ),
    View: Layout(
        key=_view_key,
        key_of=lambda e: _view_key(e.org_id, e.agent_id, e.day, e.visitor),
        expires=True,
    ),
    NameClaim: Layout(
        key=lambda skeleton: Key(f"NAME#{skeleton}#", "NAME#"),
        key_of=lambda e: Key(f"NAME#{e.skeleton}#", "NAME#"),
    ),
    PublishedVersion: Layout(
        key=_published_key,
        key_of=lambda e: _published_key(e.org_id, e.agent_id, e.version_id),
    ),
    Handshake: Layout(
        key=lambda hashed: Key(f"HANDSHAKE#{hashed}#", "HANDSHAKE#"),
        key_of=lambda e: Key(f"HANDSHAKE#{e.hash}#", "HANDSHAKE#"),
        expires=True,
    ),
    PendingLink: Layout(
        key=lambda hashed: Key(f"PENDING#{hashed}#", "PENDING#"),
        key_of=lambda e: Key(f"PENDING#{e.browser_hash}#", "PENDING#"),
        expires=True,
    ),
    Identity: Layout(
        key=_identity_key,
        key_of=lambda e: _identity_key(e.issuer, e.subject),
        gsi1=lambda e: Key(f"USER#{e.user_id}#IDENTITIES#", f"{e.id}#"),
    ),
    ServiceClaim: Layout(
        key=lambda service_id: Key(f"HOST#SERVICE#{service_id}#", "CLAIM#"),
        key_of=lambda e: Key(f"HOST#SERVICE#{e.service_id}#", "CLAIM#"),
    ),
    ReconcilerRun: Layout(
        key=lambda: Key("OPERATIONS#", "RUN#"),
        key_of=lambda _: Key("OPERATIONS#", "RUN#"),
    ),
    Repair: Layout(
        key=lambda repair_id: Key("OPERATIONS#", f"REPAIR#{repair_id}#"),
        key_of=lambda e: Key("OPERATIONS#", f"REPAIR#{e.id}#"),
        expires=True,
    ),
    Orphan: Layout(
        key=lambda service_id: Key("OPERATIONS#", f"ORPHAN#{service_id}#"),
        key_of=lambda e: Key("OPERATIONS#", f"ORPHAN#{e.service_id}#"),
    ),
    Remembered: Layout(
        key=_remembered_key,
        key_of=lambda e: _remembered_key(e.org_id, e.key),
        expires=True,
    ),
}


@dataclass(frozen=True)
class Range:
    """A listing: the partition it is in, and what its sort keys begin with."""

    index: str | None
    pk: str
    begins: str = ""


_RANGES: Mapping[str, Callable[..., Range]] = {
    "agents": lambda org_id: Range("gsi1", _org(org_id, "AGENTS")),
    "versions": lambda org_id, agent_id: Range("gsi1", _org(org_id, "AGT", agent_id, "VERSIONS")),
    "deployments": lambda org_id, agent_id: Range(
        "gsi1", _org(org_id, "AGT", agent_id, "DEPLOYMENTS")
    ),
    "all_deployments": lambda org_id: Range("gsi3", _org(org_id, "DEPLOYMENTS")),
    "environments": lambda org_id, agent_id: Range(None, _org(org_id, "AGT", agent_id), "ENV#"),
    "history": lambda org_id, subject_id: Range(
        None, _org(org_id, subject_id[:3].upper(), subject_id), "EVT#"
    ),
    "audit": lambda org_id, block: Range(None, _org(org_id, "AUDIT", f"{int(block):08d}")),
    "variables": lambda org_id, agent_id: Range(None, _org(org_id, "AGT", agent_id), "VARIABLES#"),
    "remains": lambda org_id: Range(None, _org(org_id, "REMAINS")),
    "invitations": lambda org_id: Range(None, _org(org_id), "INVITATION#"),
    "registers": lambda org_id: Range(None, _org(org_id), "TOKENS#"),
    "closing": lambda: Range("gsi2", "WORK#CLOSING#"),
    "tokens": lambda org_id: Range("gsi1", _org(org_id, "TOKENS")),
    "sessions": lambda user_id: Range(None, f"USER#{user_id}#", "SESSION#"),
    "members": lambda org_id: Range(None, _org(org_id), "MEMBER#"),
    "memberships": lambda user_id: Range("gsi1", f"USER#{user_id}#MEMBERSHIPS#"),
    "published": lambda org_id, agent_id: Range(None, _org(org_id, "AGT", agent_id), "PUBLISHED#"),
    "reviews": lambda org_id, agent_id: Range("gsi1", _org(org_id, "AGT", agent_id, "REVIEWS")),
    "reports": lambda org_id, agent_id: Range(None, _org(org_id, "AGT", agent_id, "REPORTS")),
    "open_reports": lambda: Range("gsi2", "WORK#REPORTS#"),
    "votes": lambda user_id: Range("gsi1", f"USER#{user_id}#VOTES#"),
    "runs": lambda user_id: Range("gsi1", f"USER#{user_id}#RUNS#"),
    "public_listings": lambda shard: Range("gsi1", f"LISTINGS#{int(shard):02d}#"),
    "identities": lambda user_id: Range("gsi1", f"USER#{user_id}#IDENTITIES#"),
    "open_versions": lambda: Range("gsi2", "WORK#VERSIONS#"),
    "open_deployments": lambda: Range("gsi2", "WORK#DEPLOYMENTS#"),
    "unsettled": lambda: Range("gsi2", "WORK#ENVIRONMENTS#"),
    "repairs": lambda: Range(None, "OPERATIONS#", "REPAIR#"),
    "orphans": lambda: Range(None, "OPERATIONS#", "ORPHAN#"),
}


def counter_key(bucket: Bucket, window: int) -> Key:
    """Where the requests of one window are counted."""
    if bucket.org_id is None:
        return Key(f"FROM#{bucket.holder}#RATE#{bucket.rate}#", f"{window}#")
    return Key(_org(bucket.org_id, "RATE", bucket.holder, bucket.rate), f"{window}#")


def strikes_key(bucket: Bucket, window: int) -> Key:
    """Where wrong credentials are counted."""
    return Key(counter_key(bucket, window).pk, f"STRIKES#{window}#")


def range_of(listing: Listing[Any], *scope: str) -> Range:
    """Where this listing's items are."""
    return _RANGES[listing.name](*scope)


INDEXES = ("gsi1", "gsi2", "gsi3")


def index_key(entity: Any, index: str | None) -> Key | None:
    """The entity's key in an index (None: the table itself)."""
    layout = LAYOUTS[type(entity)]
    if index is None:
        return layout.key_of(entity)
    found: Key | None = getattr(layout, index)(entity)
    return found


def codec(kind: type[E]) -> TypeAdapter[E]:
    """Writes an entity as JSON and reads it back, exactly; made on first use."""
    if kind not in _CODECS:
        _CODECS[kind] = TypeAdapter(kind)
    return _CODECS[kind]


_CODECS: dict[type, TypeAdapter[Any]] = {}


def decoded(kind: type[E], document: str | bytes) -> E:
    """The entity that was written so; raises Damaged when the document is not one of its kind."""
    try:
        return codec(kind).validate_json(document)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors()]
        logger.error("stored item cannot be read", extra={"kind": kind.__name__, "why": faults})
        raise Damaged(
            "Something that we stored cannot be read. That is our fault; quote the trace id when "
            "you report it."
        ) from error


def revision_of(entity: Any) -> int:
    """History items are written once; everything else counts its revisions from 1."""
    return getattr(entity, "revision", 1)
