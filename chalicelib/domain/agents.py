"""An agent: the thing people name, deploy and share."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.copies import Origin
from chalicelib.domain.versions import Newest
from chalicelib.values import frozen


class Category(StrEnum):
    """Where the marketplace shows the agent."""

    AUTOMATION = "automation"
    DATA_PROCESSING = "data-processing"
    AI_ML = "ai-ml"
    WEB_SCRAPING = "web-scraping"
    API_INTEGRATION = "api-integration"
    MONITORING = "monitoring"
    UTILITIES = "utilities"
    OTHER = "other"


class Runtime(StrEnum):
    """What runs the agent."""

    PYTHON = "python"
    NODEJS = "nodejs"
    RUST = "rust"
    STATIC = "static"
    DOCKERFILE = "dockerfile"


class Visibility(StrEnum):
    PRIVATE = "private"
    ORGANISATION = "organisation"
    PUBLIC = "public"


@frozen
class Agent:
    id: str
    org_id: str
    name: str
    slug: str
    description: str
    category: Category
    runtime: Runtime | None
    visibility: Visibility
    created_by: str
    created_at: datetime
    updated_at: datetime
    version_count: int = 0
    newest: Newest | None = None
    """The newest version, those of pull requests aside; None in agents older than this note."""
    choice: str | None = None
    """The app last chosen of a source that holds several; new versions follow it."""
    origin: Origin | None = None
    """The published version that this agent is a copy of."""
    revision: int = 1


@frozen
class SlugClaim:
    """Holds a slug for one agent of an organisation; made and removed with the agent."""

    org_id: str
    slug: str
    agent_id: str
    revision: int = 1


@frozen
class Remains:
    """Says that an agent was, so that what it left behind is found when its organisation goes."""

    org_id: str
    agent_id: str
    revision: int = 1


_GAP = re.compile(r"[^a-z0-9]+")


def slug_of(name: str) -> str:
    """A URL-safe form of a name: at most 40 characters of a-z, 0-9 and single dashes.

    Letters of other scripts that have no plain form are dropped; a name of only such letters
    becomes `agent`.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _GAP.sub("-", plain).strip("-")[:40].strip("-") or "agent"
