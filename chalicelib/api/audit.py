"""Endpoints of the audit log: read it, take it along, prove that nobody has changed it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from chalice.app import Blueprint
from pydantic import AwareDatetime

from chalicelib.api.http import Answer, Call, Model, View, endpoint
from chalicelib.api.shapes import PageQuery
from chalicelib.api.words import written
from chalicelib.domain.audit import AuditRecord, Result
from chalicelib.domain.tenancy import Action, User
from chalicelib.services.audit import Wanted

audit = Blueprint(__name__)

LINES = "application/x-ndjson"
NEXT_CURSOR = "Slipway-Next-Cursor"
Id = Annotated[
    str,
    written(
        r"^[!-~]+$",
        "Use letters, digits and signs without spaces, as ids and actions have them.",
        min_length=1,
        max_length=128,
    ),
]
Cursor = Annotated[
    str,
    written(
        r"^[0-9]+(:[0-9a-f]*)?$",
        "Send it back as an earlier answer gave it, or leave it out.",
        min_length=1,
        max_length=120,
    ),
]


class AuditQuery(PageQuery):
    """`actor` is a person's or a token's id, or `system`. `action` is one (`agent.created`) or
    all about a noun (`agent`)."""

    actor: Id | None = None
    action: Id | None = None
    subject: Id | None = None
    result: Result | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class ExportQuery(Model):
    cursor: Cursor | None = None


class VerifyQuery(Model):
    """`anchor` is what an earlier verification gave: the log must still hold that record."""

    cursor: Cursor | None = None
    anchor: Cursor | None = None


class ActorView(View):
    """Name and address of a person are looked up when the log is read; of a deleted account
    nothing is left but the id."""

    id: str
    name: str | None = None
    email: str | None = None
    token_id: str | None = None


class AuditView(View):
    sequence: int
    at: datetime
    actor: ActorView
    address: str
    action: str
    subject: str
    result: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    trace_id: str
    hash: str


class AuditPage(View):
    """Newest first. A page may be short, even empty, and still have a `next_cursor`."""

    items: list[AuditView]
    next_cursor: str | None


class BreakView(View):
    sequence: int
    detail: str


class Verification(View):
    """`sound`: nothing wrong so far as was looked. Go on with `next_cursor` until it is null;
    keep `anchor` and send it with the next verification."""

    sound: bool
    checked: int
    last_sequence: int
    broken: BreakView | None
    anchor: str
    next_cursor: str | None


@endpoint(
    audit,
    "GET",
    "/audit",
    summary="List what was done in the organisation, newest first",
    action=Action.AUDIT_READ,
    query=AuditQuery,
    answer=AuditPage,
)
def list_audit(call: Call, query: AuditQuery) -> AuditPage:
    wanted = Wanted(**query.model_dump(exclude={"cursor", "limit"}))
    log = call.platform.audit
    records, after = log.page(call.principal, wanted, limit=query.limit, after=query.cursor)
    people = log.actors(records)
    return AuditPage(items=[_view(r, people.get(r.actor)) for r in records], next_cursor=after)


@endpoint(
    audit,
    "GET",
    "/audit/export",
    summary="Export the audit log as JSON lines, oldest first",
    action=Action.AUDIT_READ,
    query=ExportQuery,
    answer=None,
    media=LINES,
)
def export_audit(call: Call, query: ExportQuery) -> Answer:
    records, after = call.platform.audit.export(call.principal, after=query.cursor)
    headers = {"Content-Type": LINES, "Content-Disposition": 'attachment; filename="audit.jsonl"'}
    if after is not None:
        headers[NEXT_CURSOR] = after
    return Answer("".join(f"{record.line()}\n" for record in records), headers=headers)


@endpoint(
    audit,
    "GET",
    "/audit/verify",
    summary="Prove that no record of the audit log was changed, removed or reordered",
    action=Action.AUDIT_READ,
    query=VerifyQuery,
    answer=Verification,
)
def verify_audit(call: Call, query: VerifyQuery) -> Verification:
    found = call.platform.audit.verify(call.principal, after=query.cursor, anchor=query.anchor)
    return Verification(
        sound=found.broken is None,
        checked=found.checked,
        last_sequence=found.last,
        broken=BreakView.model_validate(found.broken) if found.broken else None,
        anchor=found.anchor,
        next_cursor=found.next,
    )


def _view(record: AuditRecord, user: User | None) -> AuditView:
    actor = ActorView(
        id=record.actor,
        name=user.name if user else None,
        email=user.email if user else None,
        token_id=record.token_id,
    )
    plain = {n: getattr(record, n) for n in AuditView.model_fields if n != "actor"}
    return AuditView(actor=actor, **plain)
