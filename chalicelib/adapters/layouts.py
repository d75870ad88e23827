"""How every kind of entity is laid out in the table, and how each listing is read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from chalicelib.adapters.keys import (
    Key,
    Layout,
    active_key,
    agent_key,
    audit_key,
    by_repository,
    closing,
    connection_key,
    delivery_key,
    deployment_key,
    email_key,
    environment_key,
    headcount_key,
    history_key,
    identity_key,
    installed_key,
    invitation_key,
    listed_receipt,
    listing_key,
    membership_key,
    open_delivery,
    open_deployment,
    open_preview,
    open_report,
    open_track,
    open_version,
    org_partition,
    places_key,
    previews_key,
    published_key,
    pull_key,
    register_key,
    remembered_key,
    report_key,
    review_key,
    run_key,
    session_key,
    share_key,
    shared_with,
    shared_with_person,
    shown_listing,
    shown_review,
    telling,
    told_key,
    track_key,
    unsettled,
    variables_key,
    version_key,
    view_key,
    vote_key,
)
from chalicelib.domain.agents import Agent, Remains, SlugClaim
from chalicelib.domain.audit import AuditHead, AuditRecord
from chalicelib.domain.connections import Connection, HookClaim, Installed, Trip
from chalicelib.domain.copies import Active, Run, View
from chalicelib.domain.credentials import ApiToken, TokenRegister
from chalicelib.domain.deliveries import Delivery, Receipt
from chalicelib.domain.deployments import Deployment, Environment, HistoryItem, Variables
from chalicelib.domain.idempotency import Remembered
from chalicelib.domain.identities import Identity, PendingLink
from chalicelib.domain.invitations import Invitation
from chalicelib.domain.listings import AgentListing, NameClaim, PublishedVersion
from chalicelib.domain.members import Headcount, Places
from chalicelib.domain.operations import Orphan, ReconcilerRun, Repair, ServiceClaim, Sweep
from chalicelib.domain.pull_requests import OpenPreviews, PullRequest
from chalicelib.domain.pushes import Track
from chalicelib.domain.reviews import Report, Review, Vote
from chalicelib.domain.sessions import Session
from chalicelib.domain.shares import Share
from chalicelib.domain.sign_in import EmailChange, Handshake, SignInLink
from chalicelib.domain.telling import Told
from chalicelib.domain.tenancy import EmailClaim, Membership, Organisation, User
from chalicelib.domain.versions import Version
from chalicelib.errors import Damaged
from chalicelib.ports import Listing
from chalicelib.telemetry import logger
from chalicelib.values import frozen

E = TypeVar("E")


LAYOUTS: Mapping[type, Layout] = {
    Agent: Layout(
        key=agent_key,
        key_of=lambda e: agent_key(e.org_id, e.id),
        gsi1=lambda e: Key(org_partition(e.org_id, "AGENTS"), f"{e.id}#"),
    ),
    SlugClaim: Layout(
        key=lambda org_id, slug: Key(org_partition(org_id, "SLUG", slug), "SLUG#"),
        key_of=lambda e: Key(org_partition(e.org_id, "SLUG", e.slug), "SLUG#"),
    ),
    Version: Layout(
        key=version_key,
        key_of=lambda e: version_key(e.org_id, e.id),
        gsi1=lambda e: Key(org_partition(e.org_id, "AGT", e.agent_id, "VERSIONS"), f"{e.id}#"),
        gsi2=open_version,
    ),
    Deployment: Layout(
        key=deployment_key,
        key_of=lambda e: deployment_key(e.org_id, e.id),
        gsi1=lambda e: Key(org_partition(e.org_id, "AGT", e.agent_id, "DEPLOYMENTS"), f"{e.id}#"),
        gsi2=open_deployment,
        gsi3=lambda e: Key(org_partition(e.org_id, "DEPLOYMENTS"), f"{e.id}#"),
    ),
    HistoryItem: Layout(
        key=history_key,
        key_of=lambda e: history_key(e.org_id, e.subject_id, e.sequence),
    ),
    Environment: Layout(
        key=environment_key,
        key_of=lambda e: environment_key(e.org_id, e.agent_id, e.name),
        gsi2=unsettled,
    ),
    Variables: Layout(
        key=variables_key,
        key_of=lambda e: variables_key(e.org_id, e.agent_id, e.environment),
    ),
    AuditHead: Layout(
        key=lambda org_id: Key(org_partition(org_id, "AUDIT"), "HEAD#"),
        key_of=lambda e: Key(org_partition(e.org_id, "AUDIT"), "HEAD#"),
    ),
    AuditRecord: Layout(
        key=audit_key,
        key_of=lambda e: audit_key(e.org_id, e.sequence),
        expires=True,
    ),
    User: Layout(
        key=lambda user_id: Key(f"USER#{user_id}#", "USER#"),
        key_of=lambda e: Key(f"USER#{e.id}#", "USER#"),
    ),
    EmailClaim: Layout(key=email_key, key_of=lambda e: email_key(e.email)),
    Organisation: Layout(
        key=lambda org_id: Key(org_partition(org_id), "ORG#"),
        key_of=lambda e: Key(org_partition(e.id), "ORG#"),
        gsi2=closing,
    ),
    Headcount: Layout(key=headcount_key, key_of=lambda e: headcount_key(e.org_id)),
    Places: Layout(key=places_key, key_of=lambda e: places_key(e.user_id)),
    Invitation: Layout(
        key=invitation_key,
        key_of=lambda e: invitation_key(e.org_id, e.id),
        expires=True,
    ),
    Remains: Layout(
        key=lambda org_id, agent_id: Key(org_partition(org_id, "REMAINS"), f"{agent_id}#"),
        key_of=lambda e: Key(org_partition(e.org_id, "REMAINS"), f"{e.agent_id}#"),
    ),
    Membership: Layout(
        key=membership_key,
        key_of=lambda e: membership_key(e.org_id, e.user_id),
        gsi1=lambda e: Key(f"USER#{e.user_id}#MEMBERSHIPS#", f"{e.org_id}#"),
    ),
    ApiToken: Layout(
        key=lambda hashed: Key(f"TOKEN#{hashed}#", "TOKEN#"),
        key_of=lambda e: Key(f"TOKEN#{e.hash}#", "TOKEN#"),
        gsi1=lambda e: Key(org_partition(e.org_id, "TOKENS"), f"{e.id}#"),
        expires=True,
        touched=True,
    ),
    TokenRegister: Layout(
        key=register_key,
        key_of=lambda e: register_key(e.org_id, e.user_id),
    ),
    Session: Layout(
        key=session_key,
        key_of=lambda e: session_key(e.user_id, e.id),
        expires=True,
    ),
    SignInLink: Layout(
        key=lambda hashed: Key(f"LINK#{hashed}#", "LINK#"),
        key_of=lambda e: Key(f"LINK#{e.hash}#", "LINK#"),
        expires=True,
    ),
    EmailChange: Layout(
        key=lambda hashed: Key(f"EMAIL_CHANGE#{hashed}#", "EMAIL_CHANGE#"),
        key_of=lambda e: Key(f"EMAIL_CHANGE#{e.hash}#", "EMAIL_CHANGE#"),
        expires=True,
    ),
    AgentListing: Layout(
        key=listing_key,
        key_of=lambda e: listing_key(e.org_id, e.agent_id),
        gsi1=shown_listing,
    ),
    Share: Layout(
        key=share_key,
        key_of=lambda e: share_key(e.org_id, e.agent_id, e.id),
        gsi1=shared_with,
        expires=True,
    ),
    Run: Layout(
        key=run_key,
        key_of=lambda e: run_key(e.org_id, e.agent_id, e.user_id),
        gsi1=lambda e: Key(f"USER#{e.user_id}#RUNS#", f"{e.agent_id}#"),
    ),
    Review: Layout(
        key=review_key,
        key_of=lambda e: review_key(e.org_id, e.agent_id, e.id),
        gsi1=shown_review,
    ),
    Vote: Layout(
        key=vote_key,
        key_of=lambda e: vote_key(e.org_id, e.agent_id, e.review_id, e.user_id),
        gsi1=lambda e: Key(f"USER#{e.user_id}#VOTES#", f"{e.review_id}#"),
    ),
    Report: Layout(
        key=report_key,
        key_of=lambda e: report_key(e.org_id, e.agent_id, e.id),
        gsi2=open_report,
    ),
    View: Layout(
        key=view_key,
        key_of=lambda e: view_key(e.org_id, e.agent_id, e.day, e.visitor),
        expires=True,
    ),
    Active: Layout(
        key=active_key,
        key_of=lambda e: active_key(e.org_id, e.agent_id, e.month, e.person),
        expires=True,
    ),
    NameClaim: Layout(
        key=lambda skeleton: Key(f"NAME#{skeleton}#", "NAME#"),
        key_of=lambda e: Key(f"NAME#{e.skeleton}#", "NAME#"),
    ),
    PublishedVersion: Layout(
        key=published_key,
        key_of=lambda e: published_key(e.org_id, e.agent_id, e.version_id),
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
        key=identity_key,
        key_of=lambda e: identity_key(e.issuer, e.subject),
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
    Sweep: Layout(
        key=lambda: Key("OPERATIONS#", "SWEEP#"),
        key_of=lambda _: Key("OPERATIONS#", "SWEEP#"),
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
    Connection: Layout(
        key=connection_key,
        key_of=lambda e: connection_key(e.org_id, e.agent_id),
        gsi1=by_repository,
    ),
    HookClaim: Layout(
        key=lambda hook_id: Key(f"HOOK#{hook_id}#", "HOOK#"),
        key_of=lambda e: Key(f"HOOK#{e.hook_id}#", "HOOK#"),
    ),
    Installed: Layout(
        key=installed_key,
        key_of=lambda e: installed_key(e.org_id, e.installation_id),
        gsi1=lambda e: Key(f"INSTALLATION#{e.installation_id}#", f"{e.org_id}#"),
    ),
    Trip: Layout(
        key=lambda hashed: Key(f"TRIP#{hashed}#", "TRIP#"),
        key_of=lambda e: Key(f"TRIP#{e.hash}#", "TRIP#"),
        expires=True,
    ),
    Receipt: Layout(
        key=lambda hashed: Key(f"DELIVERY#{hashed}#", "DELIVERY#"),
        key_of=lambda e: Key(f"DELIVERY#{e.key}#", "DELIVERY#"),
        gsi2=listed_receipt,
        expires=True,
    ),
    Delivery: Layout(
        key=delivery_key,
        key_of=lambda e: delivery_key(e.org_id, e.agent_id, e.id),
        gsi2=open_delivery,
        expires=True,
    ),
    Track: Layout(
        key=track_key,
        key_of=lambda e: track_key(e.org_id, e.agent_id, e.environment),
        gsi2=open_track,
    ),
    OpenPreviews: Layout(
        key=previews_key,
        key_of=lambda e: previews_key(e.org_id, e.agent_id),
    ),
    PullRequest: Layout(
        key=pull_key,
        key_of=lambda e: pull_key(e.org_id, e.agent_id, e.number),
        gsi2=open_preview,
    ),
    Told: Layout(
        key=told_key,
        key_of=lambda e: told_key(e.org_id, e.subject_id),
        gsi2=telling,
        expires=True,
    ),
    Remembered: Layout(
        key=remembered_key,
        key_of=lambda e: remembered_key(e.org_id, e.key),
        expires=True,
    ),
}


@frozen
class Range:
    """A listing: the partition it is in, and what its sort keys begin with."""

    index: str | None
    pk: str
    begins: str = ""


_RANGES: Mapping[str, Callable[..., Range]] = {
    "agents": lambda org_id: Range("gsi1", org_partition(org_id, "AGENTS")),
    "versions": lambda org_id, agent_id: Range(
        "gsi1", org_partition(org_id, "AGT", agent_id, "VERSIONS")
    ),
    "deployments": lambda org_id, agent_id: Range(
        "gsi1", org_partition(org_id, "AGT", agent_id, "DEPLOYMENTS")
    ),
    "all_deployments": lambda org_id: Range("gsi3", org_partition(org_id, "DEPLOYMENTS")),
    "environments": lambda org_id, agent_id: Range(
        None, org_partition(org_id, "AGT", agent_id), "ENV#"
    ),
    "history": lambda org_id, subject_id: Range(
        None, org_partition(org_id, subject_id[:3].upper(), subject_id), "EVT#"
    ),
    "audit": lambda org_id, block: Range(None, org_partition(org_id, "AUDIT", f"{int(block):08d}")),
    "variables": lambda org_id, agent_id: Range(
        None, org_partition(org_id, "AGT", agent_id), "VARIABLES#"
    ),
    "remains": lambda org_id: Range(None, org_partition(org_id, "REMAINS")),
    "invitations": lambda org_id: Range(None, org_partition(org_id), "INVITATION#"),
    "registers": lambda org_id: Range(None, org_partition(org_id), "TOKENS#"),
    "closing": lambda: Range("gsi2", "WORK#CLOSING#"),
    "tokens": lambda org_id: Range("gsi1", org_partition(org_id, "TOKENS")),
    "sessions": lambda user_id: Range(None, f"USER#{user_id}#", "SESSION#"),
    "members": lambda org_id: Range(None, org_partition(org_id), "MEMBER#"),
    "memberships": lambda user_id: Range("gsi1", f"USER#{user_id}#MEMBERSHIPS#"),
    "published": lambda org_id, agent_id: Range(
        None, org_partition(org_id, "AGT", agent_id), "PUBLISHED#"
    ),
    "shares": lambda org_id, agent_id: Range(
        None, org_partition(org_id, "AGT", agent_id), "SHARE#"
    ),
    "shared_with_organisation": lambda org_id: Range("gsi1", org_partition(org_id, "SHARED")),
    "shared_with_person": lambda email: Range("gsi1", shared_with_person(email)),
    "members_listings": lambda org_id: Range("gsi1", org_partition(org_id, "LISTINGS")),
    "reviews": lambda org_id, agent_id: Range(
        "gsi1", org_partition(org_id, "AGT", agent_id, "REVIEWS")
    ),
    "reports": lambda org_id, agent_id: Range(
        None, org_partition(org_id, "AGT", agent_id, "REPORTS")
    ),
    "open_reports": lambda: Range("gsi2", "WORK#REPORTS#"),
    "votes": lambda user_id: Range("gsi1", f"USER#{user_id}#VOTES#"),
    "runs": lambda user_id: Range("gsi1", f"USER#{user_id}#RUNS#"),
    "public_listings": lambda shard: Range("gsi1", f"LISTINGS#{int(shard):02d}#"),
    "identities": lambda user_id: Range("gsi1", f"USER#{user_id}#IDENTITIES#"),
    "open_versions": lambda: Range("gsi2", "WORK#VERSIONS#"),
    "open_deployments": lambda: Range("gsi2", "WORK#DEPLOYMENTS#"),
    "unsettled": lambda: Range("gsi2", "WORK#ENVIRONMENTS#"),
    "connections": lambda repository_id: Range("gsi1", f"REPOSITORY#{repository_id}#"),
    "installations": lambda org_id: Range(None, org_partition(org_id, "INSTALLATIONS")),
    "installed": lambda installation_id: Range("gsi1", f"INSTALLATION#{installation_id}#"),
    "deliveries": lambda org_id, agent_id: Range(
        None, org_partition(org_id, "AGT", agent_id, "DELIVERIES")
    ),
    "tracks": lambda org_id, agent_id: Range(
        None, org_partition(org_id, "AGT", agent_id), "TRACK#"
    ),
    "pull_requests": lambda org_id, agent_id: Range(
        None, org_partition(org_id, "AGT", agent_id), "PULL#"
    ),
    "open_receipts": lambda: Range("gsi2", "WORK#RECEIPTS#"),
    "open_deliveries": lambda: Range("gsi2", "WORK#DELIVERIES#"),
    "open_tracks": lambda: Range("gsi2", "WORK#TRACKS#"),
    "open_previews": lambda: Range("gsi2", "WORK#PREVIEWS#"),
    "tellings": lambda: Range("gsi2", "WORK#TELLINGS#"),
    "nobodys_receipts": lambda: Range("gsi2", "OPERATIONS#RECEIPTS#"),
    "repairs": lambda: Range(None, "OPERATIONS#", "REPAIR#"),
    "orphans": lambda: Range(None, "OPERATIONS#", "ORPHAN#"),
}


def range_of(listing: Listing[Any], *scope: str) -> Range:
    """Where this listing's items are."""
    return _RANGES[listing.name](*scope)


INDEXES = ("gsi1", "gsi2", "gsi3")
KEYS_ONLY = frozenset({"gsi3"})
"""Indexes without documents: nothing is written there again while an entity's keys stay."""


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
