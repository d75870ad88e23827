"""A listing: what the marketplace shows of an agent, and what must be so before everybody sees it.

Names are compared by their *skeleton*, in which letters that look alike are one letter, so that
nobody can pass for somebody else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.agents import Category, Runtime, Visibility
from chalicelib.domain.images import Screenshot
from chalicelib.values import frozen

MIN_SUMMARY = 20
MIN_README = 120
RESERVED_SLUGS = frozenset(
    {
        *("new", "search", "feed", "sitemap", "categories", "category", "tags"),
        *("review", "reviews", "shared"),
    }
)
"""Words that pages of the marketplace have as addresses of their own."""
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class Moderation(StrEnum):
    """What the operators of the platform have decided about a listing."""

    CLEAR = "clear"
    HIDDEN = "hidden"


@frozen
class AgentListing:
    """The public face of one agent. Drafted by its owner; seen by all once `version_id` is set.

    `trend` is a sum of 2^(age in weeks) over deployments: the order by it is the order of what is
    asked for lately, and it never needs to be lowered again.
    """

    org_id: str
    agent_id: str
    slug: str
    name: str
    summary: str
    publisher: str
    created_at: datetime
    updated_at: datetime
    categories: tuple[Category, ...] = ()
    tags: tuple[str, ...] = ()
    icon: str = ""
    picture: str = ""
    """Where the icon lies that is a picture; it is shown instead of the emoji."""
    screenshots: tuple[Screenshot, ...] = ()
    pricing: str = ""
    licence: str = ""
    source_url: str = ""
    fork: bool = False
    """Whether people may take the source, not only the built version."""
    demo: bool = False
    """Whether the agent's own production address is shown."""
    runtime: Runtime | None = None
    visibility: Visibility = Visibility.PRIVATE
    version_id: str | None = None
    label: str = ""
    published_at: datetime | None = None
    """When it first became visible; None: never yet."""
    refreshed_at: datetime | None = None
    """When the version it shows was published."""
    moderation: Moderation = Moderation.CLEAR
    moderation_reason: str = ""
    revision: int = 1

    def withdrawn(self, at: datetime) -> AgentListing:
        """The successor that nobody sees."""
        return self.seen_by(Visibility.PRIVATE, at)

    def ended(self, at: datetime) -> AgentListing:
        """The successor that offers nothing, to nobody: its agent is no more."""
        return replace(self.withdrawn(at), version_id=None)

    def bare(self, at: datetime) -> AgentListing:
        """The same without its pictures, which are removed."""
        return replace(self.ended(at), picture="", screenshots=())

    def seen_by(self, visibility: Visibility, at: datetime) -> AgentListing:
        """The successor that others see."""
        return replace(self, visibility=visibility, updated_at=at, revision=self.revision + 1)

    @property
    def is_offered(self) -> bool:
        """Whether there is something to see, for whoever may."""
        return self.version_id is not None and self.moderation is Moderation.CLEAR

    @property
    def is_public(self) -> bool:
        return self.visibility is Visibility.PUBLIC and self.is_offered

    @property
    def is_for_members(self) -> bool:
        """Whether the organisation's members find it in their own part of the marketplace."""
        return self.visibility is Visibility.ORGANISATION and self.is_offered


class Sight(StrEnum):
    """As whom somebody has found a listing: what they see of its versions follows from it."""

    EVERYBODY = "everybody"
    MEMBER = "member"
    SHARED = "shared"


@frozen
class Found:
    """A listing, and how it came before somebody's eyes."""

    listing: AgentListing
    sight: Sight = Sight.EVERYBODY
    share_id: str = ""
    shared_by: str = ""
    """The kind of share."""


@frozen
class NameClaim:
    """Holds one skeleton, of a slug or of a name, for one agent; across all organisations."""

    skeleton: str
    slug: str
    org_id: str
    agent_id: str
    revision: int = 1


@frozen
class PublishedVersion:
    """One version as the marketplace offers it; nothing of it changes but its audience, which only
    grows."""

    org_id: str
    agent_id: str
    version_id: str
    number: int
    label: str
    image: str
    image_size: int | None
    plan: Mapping[str, Any]
    manifest: Mapping[str, Any]
    source_key: str
    source_filename: str
    source_size: int | None
    source_digest: str | None
    prefix: str
    """Where the version's pages lie in the artifacts bucket."""
    published_by: str
    published_at: datetime
    audience: Visibility = Visibility.PUBLIC
    """The widest audience it was ever offered to; PRIVATE: those it is shared with."""
    tools: tuple[Mapping[str, Any], ...] | None = None
    """The signatures of the tools or skills it offers; None: nobody could say."""
    revision: int = 1

    def is_shown_to(self, found: Found) -> bool:
        """Members see all that was offered; others what is public, and what is shared now."""
        if self.audience is Visibility.PUBLIC or found.sight is Sight.MEMBER:
            return True
        return found.sight is Sight.SHARED and self.version_id == found.listing.version_id


@frozen
class Check:
    """One condition of publishing. `detail` says what is so, or what to do about it."""

    code: str
    title: str
    passed: bool
    detail: str


@frozen
class Evidence:
    """Everything the check list looks at, gathered beforehand."""

    ready: bool
    copied: bool = False
    """The version is somebody else's, taken as it was built."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    readme: str = ""
    licence: str = ""
    summary: str = ""
    categories: tuple[Category, ...] = ()


BEFORE_ANYBODY = frozenset({"version", "own", "scan"})
"""What must hold before an agent is shown to anybody, be it one colleague."""


def check_list(found: Evidence) -> tuple[Check, ...]:
    """What must hold before a listing is public, in the order people see it."""
    findings = [f for f in (found.report.get("scan") or {}).get("findings") or () if _is_serious(f)]
    tests = found.report.get("tests") or ()
    failed = [str(t.get("name", "?")) for t in tests if not t.get("passed")]
    scanned = found.report.get("state") == "succeeded"
    return (
        _check(
            "version",
            "A version is ready",
            found.ready,
            "Built, tested and ready.",
            "Upload the source and wait until a version is ready, then publish that version.",
        ),
        _check(
            "own",
            "It is your own work",
            not found.copied,
            "Built from your source.",
            "This version is a copy of another published agent. Fork its source, if its author "
            "gives it away, and publish what you have made of it.",
        ),
        _check(
            "scan",
            "The scan found nothing serious",
            scanned and not findings,
            "No secrets, no dangerous code, no vulnerable packages.",
            _scan_detail(findings),
        ),
        _check(
            "tests",
            "Its own tests pass",
            bool(tests) and not failed,
            f"{len(tests)} of {len(tests)} passed.",
            f"These failed: {', '.join(failed)}."
            if failed
            else "Add at least one test to agent.yaml (`tests`): a request, and the answer that "
            "shows that the agent does its job.",
        ),
        _check(
            "health",
            "It says when it is healthy",
            bool(found.plan.get("health_path")),
            f"Answers at {found.plan.get('health_path')}.",
            "Name a path that answers 200 in agent.yaml (`health: {path: /health}`).",
        ),
        _check(
            "readme",
            "It has a README",
            len(found.readme.strip()) >= MIN_README,
            "Found in the source.",
            f"Add a README.md of at least {MIN_README} characters to the source: what the agent "
            "does, what it needs, how to call it.",
        ),
        _check(
            "licence",
            "It has a licence",
            bool(found.licence),
            found.licence,
            "Add a LICENSE file to the source, or say the licence in the listing (for example "
            "MIT).",
        ),
        _check(
            "summary",
            "The listing says what it does",
            len(found.summary) >= MIN_SUMMARY and bool(found.categories),
            "Summary and category are there.",
            f"Write a summary of at least {MIN_SUMMARY} characters and choose a category.",
        ),
    )


def _check(code: str, title: str, passed: bool, good: str, todo: str) -> Check:
    return Check(code, title, passed, good if passed else todo)


def _is_serious(finding: Mapping[str, Any]) -> bool:
    return finding.get("level") == "block" or finding.get("severity") in ("critical", "high")


def _scan_detail(findings: list[Mapping[str, Any]]) -> str:
    if not findings:
        return "Build a version first: the scan is part of the build."
    first = findings[0]
    where = f"{first['file']}:{first.get('line') or 1}: " if first.get("file") else ""
    more = f" And {len(findings) - 1} more; the build report lists them." if findings[1:] else ""
    return f"{where}{first.get('detail')} {first.get('advice') or ''}{more}"


# What looks like another letter at a glance, in lower case. Pairs first: they are one look.
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_ALIKE = str.maketrans(
    # digits; Cyrillic; Greek; Latin letters that do not decompose
    "01358|ijаеорсухѕіјԁһԛԝѵкмтвнпгбьαορυνικτεηχγωσμβıɡɑøđłħƅ",  # noqa: RUF001
    "olesblllaeopcyxslldhqwvkmtbhnrbbaopuvlktenxywoublgaodlhb",
)


def skeleton(name: str) -> str:
    """What is left of a name when look-alikes are one: equal skeletons can be mistaken.

    Letters outside Latin that look like none of it stay as their code points, so that names in
    other scripts differ from each other.
    """
    text = unicodedata.normalize("NFKD", name.casefold())
    text = "".join(c for c in text if not unicodedata.combining(c)).translate(_ALIKE)
    kept = "".join(_kept(c) for c in text)
    for pair, one in _PAIRS:
        kept = kept.replace(pair, one)
    return kept


_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def visible(text: str) -> str:
    """The text on one line, without what is not seen or turns what is seen around."""
    return " ".join(_UNSEEN.sub("", text).split())


def _kept(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isalnum() else ""
    return f"u{ord(letter):x}" if letter.isalnum() else ""


_LICENCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AGPL-3.0", ("gnu affero general public license", "version 3")),
    ("LGPL-3.0", ("gnu lesser general public license", "version 3")),
    ("GPL-3.0", ("gnu general public license", "version 3")),
    ("GPL-2.0", ("gnu general public license", "version 2")),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("MPL-2.0", ("mozilla public license", "2.0")),
    ("MIT", ("permission is hereby granted, free of charge", "without restriction")),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software",)),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "endorse or promote")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms",)),
    ("Unlicense", ("free and unencumbered software released into the public domain",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
)


def licence_of(text: str) -> str:
    """The SPDX name of a licence text; "" when it is none that is known."""
    plain = " ".join(text.lower().split())
    for name, marks in _LICENCES:
        if all(mark in plain for mark in marks):
            return name
    return ""
