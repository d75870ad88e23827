"""Every key of the table, in one place, and how each entity is written down.

Keys begin with the organisation wherever a thing belongs to one, and `#` closes every segment, so
that no organisation's prefix is a prefix of another's. What exists before an organisation is known
(a user, a sign-in link, a token's hash) and the reconciler's index of open work do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from chalicelib.domain.audit import block_of
from chalicelib.domain.connections import Connection, How
from chalicelib.domain.deliveries import Delivery, Receipt
from chalicelib.domain.deployments import Deployment, Environment
from chalicelib.domain.listings import AgentListing
from chalicelib.domain.pull_requests import PullRequest
from chalicelib.domain.pushes import Track
from chalicelib.domain.reviews import Report, Review
from chalicelib.domain.shares import Share, ShareKind
from chalicelib.domain.telling import Told
from chalicelib.domain.tenancy import Organisation
from chalicelib.domain.versions import Version
from chalicelib.ports import LISTING_SHARDS
from chalicelib.values import frozen


@frozen
class Key:
    pk: str
    sk: str


@frozen
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


def org_partition(org_id: str, *rest: str) -> str:
    return "#".join(["ORG", org_id, *rest, ""])


def agent_key(org_id: str, agent_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), "AGT#")


def version_key(org_id: str, version_id: str) -> Key:
    return Key(org_partition(org_id, "VER", version_id), "VER#")


def deployment_key(org_id: str, deployment_id: str) -> Key:
    return Key(org_partition(org_id, "DEP", deployment_id), "DEP#")


def history_key(org_id: str, subject_id: str, sequence: int) -> Key:
    noun = subject_id[:3].upper()
    return Key(org_partition(org_id, noun, subject_id), f"EVT#{sequence:08d}#")


def environment_key(org_id: str, agent_id: str, name: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), f"ENV#{name}#")


def variables_key(org_id: str, agent_id: str, environment: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), f"VARIABLES#{environment}#")


def membership_key(org_id: str, user_id: str) -> Key:
    return Key(org_partition(org_id), f"MEMBER#{user_id}#")


def headcount_key(org_id: str) -> Key:
    return Key(org_partition(org_id), "COUNT#")


def invitation_key(org_id: str, invitation_id: str) -> Key:
    return Key(org_partition(org_id), f"INVITATION#{invitation_id}#")


def places_key(user_id: str) -> Key:
    return Key(f"USER#{user_id}#", "PLACES#")


def closing(organisation: Organisation) -> Key | None:
    return Key("WORK#CLOSING#", f"{organisation.id}#") if organisation.closing else None


def session_key(user_id: str, session_id: str) -> Key:
    return Key(f"USER#{user_id}#", f"SESSION#{session_id}#")


def remembered_key(org_id: str, key: str) -> Key:
    return Key(org_partition(org_id, "IDEMPOTENCY", key), "IDEMPOTENCY#")


def audit_key(org_id: str, sequence: int | str) -> Key:
    return Key(
        org_partition(org_id, "AUDIT", f"{block_of(int(sequence)):08d}"), f"{int(sequence):012d}#"
    )


def register_key(org_id: str, user_id: str) -> Key:
    return Key(org_partition(org_id), f"TOKENS#{user_id}#")


def identity_key(issuer: str, subject: str) -> Key:
    # Of unknown length and alphabet, so hashed; the space cannot be in an issuer.
    hashed = hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()
    return Key(f"IDENTITY#{hashed}#", "IDENTITY#")


def email_key(email: str) -> Key:
    return Key(f"EMAIL#{hashlib.sha256(email.encode()).hexdigest()}#", "EMAIL#")


def listing_key(org_id: str, agent_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), "LISTING#")


def published_key(org_id: str, agent_id: str, version_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), f"PUBLISHED#{version_id}#")


def tally_key(org_id: str, agent_id: str, shard: int | None = None, month: str = "") -> Key:
    """One shard of an agent's counters, of all time or of a month; without a shard, where all of
    them begin."""
    if shard is None:
        return Key(org_partition(org_id, "AGT", agent_id), "COUNTS#")
    part = f"{month}#" if month else ""
    return Key(org_partition(org_id, "AGT", agent_id), f"COUNTS#{part}{shard:02d}#")


def active_key(org_id: str, agent_id: str, month: str, person: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id, "ACTIVE", month, person), "ACTIVE#")


def run_key(org_id: str, agent_id: str, user_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id, "RUN", user_id), "RUN#")


def view_key(org_id: str, agent_id: str, day: str, visitor: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id, "VIEW", day, visitor), "VIEW#")


def review_key(org_id: str, agent_id: str, review_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id, "REVIEW", review_id), "REVIEW#")


def shown_review(review: Review) -> Key | None:
    if review.hidden:
        return None
    made = review.created_at.isoformat()
    return Key(
        org_partition(review.org_id, "AGT", review.agent_id, "REVIEWS"),
        f"{review.helpful:06d}#{made}#{review.id}#",
    )


def vote_key(org_id: str, agent_id: str, review_id: str, user_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id, "REVIEW", review_id), f"VOTE#{user_id}#")


def report_key(org_id: str, agent_id: str, report_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id, "REPORTS"), f"{report_id}#")


def open_report(report: Report) -> Key | None:
    if report.decision is not None:
        return None
    return Key("WORK#REPORTS#", f"{report.created_at.isoformat()}#{report.id}#")


def share_key(org_id: str, agent_id: str, share_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), f"SHARE#{share_id}#")


def shared_with(share: Share) -> Key | None:
    match share.kind:
        case ShareKind.ORGANISATION:
            return Key(org_partition(share.grantee, "SHARED"), f"{share.id}#")
        case ShareKind.PERSON:
            return Key(shared_with_person(share.grantee), f"{share.id}#")
        case ShareKind.LINK:
            return None


def shared_with_person(email: str) -> str:
    return f"{email_key(email).pk}SHARED#"


def shown_listing(listing: AgentListing) -> Key | None:
    if listing.is_for_members:
        return Key(org_partition(listing.org_id, "LISTINGS"), f"{listing.agent_id}#")
    if not listing.is_public:
        return None
    shard = int(hashlib.sha256(listing.agent_id.encode()).hexdigest(), 16) % LISTING_SHARDS
    return Key(f"LISTINGS#{shard:02d}#", f"{listing.agent_id}#")


def open_version(version: Version) -> Key | None:
    if version.state.is_final and not version.owes_deployment:
        return None
    return Key("WORK#VERSIONS#", f"{version.id}#")


def open_deployment(deployment: Deployment) -> Key | None:
    if deployment.state.is_final:
        return None
    return Key("WORK#DEPLOYMENTS#", f"{deployment.id}#")


def unsettled(environment: Environment) -> Key | None:
    if not environment.leftovers:
        return None
    return Key("WORK#ENVIRONMENTS#", f"{environment.agent_id}#{environment.name}#")


def connection_key(org_id: str, agent_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), "CONNECTION#")


def by_repository(connection: Connection) -> Key | None:
    # What the app's events are about. A webhook of its own speaks for one agent alone.
    if connection.how is not How.APP:
        return None
    where = f"{connection.org_id}#{connection.agent_id}#"
    return Key(f"REPOSITORY#{connection.repository_id}#", where)


def installed_key(org_id: str, installation_id: int | str) -> Key:
    return Key(org_partition(org_id, "INSTALLATIONS"), f"{int(installation_id):012d}#")


def delivery_key(org_id: str, agent_id: str, delivery_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id, "DELIVERIES"), f"{delivery_id}#")


def open_delivery(delivery: Delivery) -> Key | None:
    if not delivery.state.is_open:
        return None
    return Key("WORK#DELIVERIES#", f"{delivery.id}#{delivery.agent_id}#")


def listed_receipt(receipt: Receipt) -> Key | None:
    """To be looked at yet, or nobody's but the operators'."""
    if receipt.state.is_open:
        return Key("WORK#RECEIPTS#", f"{receipt.id}#")
    return None if receipt.concerns else Key("OPERATIONS#RECEIPTS#", f"{receipt.id}#")


def track_key(org_id: str, agent_id: str, environment: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), f"TRACK#{environment}#")


def open_track(track: Track) -> Key | None:
    if track.building is None and track.wanted is None:
        return None
    return Key("WORK#TRACKS#", f"{track.agent_id}#{track.environment}#")


def pull_key(org_id: str, agent_id: str, number: int | str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), f"PULL#{int(number):09d}#")


def previews_key(org_id: str, agent_id: str) -> Key:
    return Key(org_partition(org_id, "AGT", agent_id), "PREVIEWS#")


def open_preview(request: PullRequest) -> Key | None:
    if not request.state.is_open:
        return None
    return Key("WORK#PREVIEWS#", f"{request.agent_id}#{request.number:09d}#")


def told_key(org_id: str, subject_id: str) -> Key:
    return Key(org_partition(org_id, "TOLD", subject_id), "TOLD#")


def telling(told: Told) -> Key | None:
    if told.settled:
        return None
    return Key("WORK#TELLINGS#", f"{told.org_id}#{told.subject_id}#")
