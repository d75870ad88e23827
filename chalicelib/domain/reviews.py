"""Reviews of published agents, votes on them, and reports of what should not be there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from chalicelib.values import frozen

MAX_TEXT = 2000


@frozen
class Review:
    """What one person says of one agent. `author` is the name that was theirs when they wrote it;
    `label` the version they ran."""

    org_id: str
    agent_id: str
    id: str
    user_id: str
    author: str
    stars: int
    text: str
    label: str
    created_at: datetime
    updated_at: datetime
    helpful: int = 0
    reply: str = ""
    replied_at: datetime | None = None
    hidden: bool = False
    hidden_reason: str = ""
    revision: int = 1

    def changed(self, at: datetime, **changes: object) -> Review:
        return replace(self, updated_at=at, revision=self.revision + 1, **changes)  # type: ignore[arg-type]


@frozen
class Vote:
    """Somebody found a review helpful."""

    org_id: str
    agent_id: str
    review_id: str
    user_id: str
    at: datetime
    revision: int = 1


class ReportReason(StrEnum):
    SPAM = "spam"
    MALWARE = "malware"
    IMPERSONATION = "impersonation"
    COPYRIGHT = "copyright"
    OFFENSIVE = "offensive"
    OTHER = "other"


class Decision(StrEnum):
    HIDE = "hide"
    DISMISS = "dismiss"


@frozen
class Report:
    """Somebody says that a listing, or one review of it, should not be there. `subject` is the
    review's id, or "listing"."""

    id: str
    org_id: str
    agent_id: str
    slug: str
    subject: str
    reason: ReportReason
    detail: str
    reporter: str
    created_at: datetime
    decision: Decision | None = None
    decided_by: str = ""
    decided_reason: str = ""
    decided_at: datetime | None = None
    revision: int = 1


LISTING = "listing"


def review_id(agent_id: str, user_id: str) -> str:
    """One person has one review of an agent: its id follows from both, and names neither."""
    return f"rev_{sha256(f'{agent_id} {user_id}'.encode()).hexdigest()[:26]}"


def report_id(agent_id: str, subject: str, user_id: str) -> str:
    """One person reports one thing once."""
    return f"rep_{sha256(f'{agent_id} {subject} {user_id}'.encode()).hexdigest()[:26]}"


def shown_name(name: str, email: str) -> str:
    """How a reviewer is called: a name that is only the front of an address is nobody's to know."""
    local = email.partition("@")[0]
    return "A user" if not name or name.casefold() == local.casefold() else name
