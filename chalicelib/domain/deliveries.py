"""What a code host tells us by webhook: the little of it that is kept, and what came of it.

A receipt is what arrived, once for each of the host's own ids. A delivery is what it meant for one
agent, and is that agent's to see: one receipt of a monorepo becomes several.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_to_bytes

from chalicelib.domain.messages import shown_author, shown_message
from chalicelib.values import frozen

KEPT = timedelta(days=30)
APP = "app"
"""The source of what arrives at the app's own address; others are named by their hook."""
ATTEMPTS_WITHIN = timedelta(hours=24)
CHECKS_WITHIN = timedelta(hours=6)
_WAITS = (15, 30, 60, 120, 240, 480, 900)
_LONGEST_WAIT = 3600
_EVENT = re.compile(r"[a-z_]{1,40}")
_GUID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FIELD = b"payload="
_NO_VALUE = re.compile(rb"[&=\x00-\x20\x7f-\xff]|%(?![0-9A-Fa-f]{2})")
"""What no value of a form holds: another field, another name, bytes that were not encoded."""
_NOTHING = re.compile(r"0+")
_SKIP = re.compile(r"\[(?:skip deploy|deploy skip)\]", re.IGNORECASE)
EVENTS = frozenset(
    {
        "check_suite",
        "create",
        "delete",
        "installation",
        "installation_repositories",
        "ping",
        "pull_request",
        "push",
        "repository",
    }
)


class DeliveryState(StrEnum):
    """`received` and `waiting` go on by themselves; `queued` waits for a build to end, `held` for
    a person."""

    RECEIVED = "received"
    WAITING = "waiting"
    QUEUED = "queued"
    HELD = "held"
    STARTED = "started"
    DONE = "done"
    IGNORED = "ignored"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    REFUSED = "refused"

    @property
    def is_open(self) -> bool:
        """Whether somebody must still look at it."""
        return self in (DeliveryState.RECEIVED, DeliveryState.WAITING)


@frozen
class Outcome:
    """What came of it, as a stable code and in words."""

    code: str
    detail: str


class Unreadable(ValueError):
    """The payload does not say what its event must; the text names what is missing."""


@frozen
class Facts:
    """All that is kept of a payload. Messages are not: only whether one asks to be skipped."""

    event: str
    action: str = ""
    repository_id: int = 0
    repository: str = ""
    installation_id: int | None = None
    account: str = ""
    ref: str = ""
    before: str = ""
    after: str = ""
    forced: bool = False
    deleted: bool = False
    skip: bool = False
    number: int = 0
    title: str = ""
    author: str = ""
    head_sha: str = ""
    head_branch: str = ""
    head_repository: str = ""
    base_sha: str = ""
    base_branch: str = ""
    fork: bool = False
    changed_at: datetime | None = None
    former_name: str = ""
    removed: tuple[int, ...] = ()
    """Ids of the repositories that an installation may not read any more."""

    @property
    def branch(self) -> str:
        """The branch a push is about; empty for a tag."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""


@frozen
class Receipt:
    """One call of the host, remembered by the hash of where it came to and the host's id."""

    key: str
    id: str
    source: str
    guid: str
    event: str
    size: int
    received_at: datetime
    expires_at: datetime
    facts: Facts | None = None
    code: str = ""
    detail: str = ""
    state: DeliveryState = DeliveryState.RECEIVED
    attempts: int = 0
    concerns: int = 0
    """How many agents it was for, each of which has a delivery of it. One that was for none is
    shown to operators, and to nobody else."""
    revision: int = 1

    def settled(self, outcome: Outcome, concerns: int) -> Receipt:
        """The next revision, of which nothing more will come."""
        return replace(
            self,
            state=DeliveryState.DONE,
            code=outcome.code,
            detail=outcome.detail,
            concerns=concerns,
            revision=self.revision + 1,
        )


@frozen
class Delivery:
    """What one call of the host meant for one agent. `code` and `detail` say what came of it."""

    id: str
    org_id: str
    agent_id: str
    guid: str
    event: str
    size: int
    received_at: datetime
    updated_at: datetime
    expires_at: datetime
    state: DeliveryState = DeliveryState.RECEIVED
    facts: Facts | None = None
    code: str = ""
    detail: str = ""
    version_id: str | None = None
    environment: str = ""
    sha: str = ""
    attempts: int = 0
    next_at: datetime | None = None
    asked_again: int = 0
    """How often a person has had it looked at again."""
    asked_at: datetime | None = None
    revision: int = 1

    def following(self, at: datetime, state: DeliveryState, **changes: Any) -> Delivery:
        """The next revision, with its outcome or what it waits for."""
        changes.setdefault("next_at", None)
        return replace(self, state=state, updated_at=at, revision=self.revision + 1, **changes)

    @property
    def since(self) -> datetime:
        """When the present attempts began."""
        return self.asked_at or self.received_at


def receipt_key(source: str, guid: str) -> str:
    """By what a receipt is found again."""
    return hashlib.sha256(f"{source} {guid}".encode()).hexdigest()


def wait_of(attempts: int, retry_after: int | None = None) -> timedelta:
    """How long until the next attempt: longer each time, and no sooner than the host says."""
    wait = _WAITS[min(attempts, len(_WAITS) - 1)]
    return timedelta(seconds=min(max(wait, retry_after or 0), _LONGEST_WAIT))


def well_named(event: str | None, guid: str | None) -> bool:
    """Whether the headers can be the host's."""
    return bool(event and _EVENT.fullmatch(event) and guid and _GUID.fullmatch(guid))


def asks_to_skip(message: str) -> bool:
    """Whether a commit's message says that it is not to be deployed."""
    return _SKIP.search(message) is not None


def form_payload(body: bytes) -> bytes:
    """The payload of a form, which has this one field and no other; raises Unreadable."""
    value = body.removeprefix(_FIELD)
    if value == body or _NO_VALUE.search(value):
        raise Unreadable("The form is not one field `payload`, encoded as forms are.")
    return unquote_to_bytes(value.replace(b"+", b" "))


def read_payload(event: str, payload: Mapping[str, Any]) -> Facts:
    """The facts of a payload; raises Unreadable. Every value is data from outside: checked here
    for its type and length, and used as nothing but data later."""
    facts = Facts(
        event=event,
        action=_text(payload.get("action"), 40),
        installation_id=_number(_inner(payload, "installation").get("id")) or None,
        account=_text(_inner(_inner(payload, "installation"), "account").get("login"), 100),
    )
    repository = _inner(payload, "repository")
    if repository:
        facts = replace(
            facts,
            repository_id=_number(repository.get("id")),
            repository=_text(repository.get("full_name"), 140),
        )
    reader = _READERS.get(event)
    return facts if reader is None else reader(facts, payload)


def _push(facts: Facts, payload: Mapping[str, Any]) -> Facts:
    after = _sha(payload, "after")
    message = _inner(payload, "head_commit").get("message")
    return replace(
        facts,
        ref=_ref(payload),
        before=_known(_sha(payload, "before")),
        after=_known(after),
        forced=payload.get("forced") is True,
        deleted=payload.get("deleted") is True or not _known(after),
        skip=isinstance(message, str) and asks_to_skip(message),
    )


def _named(facts: Facts, payload: Mapping[str, Any]) -> Facts:
    kind = {"branch": "heads", "tag": "tags"}.get(_text(payload.get("ref_type"), 20), "other")
    return replace(facts, ref=f"refs/{kind}/{_ref(payload)}", deleted=facts.event == "delete")


def _pull_request(facts: Facts, payload: Mapping[str, Any]) -> Facts:
    request = _inner(payload, "pull_request")
    head, base = _inner(request, "head"), _inner(request, "base")
    number = _number(payload.get("number")) or _number(request.get("number"))
    if not number or not base:
        raise Unreadable("The payload names no pull request.")
    theirs = _inner(head, "repo")
    return replace(
        facts,
        number=number,
        # What people write in a title may hold a secret as well as what they write in a message.
        title=shown_message(_text(request.get("title"), 500)),
        author=shown_author(_text(_inner(request, "user").get("login"), 100)),
        before=_optional_sha(payload.get("before")),
        head_sha=_sha(head, "sha"),
        head_branch=_text(head.get("ref"), 255),
        head_repository=_text(theirs.get("full_name"), 140),
        base_sha=_sha(base, "sha"),
        base_branch=_text(base.get("ref"), 255),
        # A fork that has been deleted is one all the same.
        fork=_number(theirs.get("id")) != _number(_inner(base, "repo").get("id")),
        changed_at=_time(request.get("updated_at")),
    )


def _check_suite(facts: Facts, payload: Mapping[str, Any]) -> Facts:
    suite = _inner(payload, "check_suite")
    branch = _text(suite.get("head_branch"), 255)
    return replace(
        facts, head_sha=_sha(suite, "head_sha"), ref=f"refs/heads/{branch}" if branch else ""
    )


def _repository(facts: Facts, payload: Mapping[str, Any]) -> Facts:
    changes = _inner(payload, "changes")
    former = _inner(_inner(changes, "repository"), "name").get("from")
    return replace(facts, former_name=_text(former, 100))


def _installation_repositories(facts: Facts, payload: Mapping[str, Any]) -> Facts:
    removed = payload.get("repositories_removed")
    items = removed if isinstance(removed, list) else []
    ids = (_number(item.get("id")) for item in items[:1000] if isinstance(item, Mapping))
    return replace(facts, removed=tuple(one for one in ids if one))


_READERS: dict[str, Any] = {
    "push": _push,
    "create": _named,
    "delete": _named,
    "pull_request": _pull_request,
    "check_suite": _check_suite,
    "repository": _repository,
    "installation_repositories": _installation_repositories,
}


def _inner(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(value: Any, longest: int) -> str:
    """One line of text, whatever was sent."""
    if not isinstance(value, str):
        return ""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:longest])


def _number(value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 < value < 1 << 53 else 0


def _ref(payload: Mapping[str, Any]) -> str:
    ref = payload.get("ref")
    if not isinstance(ref, str) or not ref:
        raise Unreadable("The payload has no `ref`.")
    return _text(ref, 255)


def _sha(payload: Mapping[str, Any], name: str) -> str:
    sha = payload.get(name)
    if not isinstance(sha, str) or not _SHA.fullmatch(sha):
        raise Unreadable(f"The payload has no commit in `{name}`.")
    return sha


def _optional_sha(sha: Any) -> str:
    return sha if isinstance(sha, str) and _SHA.fullmatch(sha) else ""


def _known(sha: str) -> str:
    return "" if _NOTHING.fullmatch(sha) else sha


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
