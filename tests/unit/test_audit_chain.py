"""The chain of the audit log: whatever is done to it is found where it was done."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.audit import (
    SYSTEM,
    Audited,
    AuditEvent,
    AuditHead,
    AuditRecord,
    append,
    changed,
    first_break,
    plain,
)
from chalicelib.domain.tenancy import Role

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEPT = timedelta(days=400)


def chain(length: int, org_id: str = "org_1") -> list[AuditRecord]:
    head, records = AuditHead(org_id), []
    for number in range(length):
        event = AuditEvent(org_id, "usr_1", Audited.AGENT_UPDATED, f"agt_{number}", "192.0.2.1")
        at = NOW + timedelta(hours=number)
        record, head = append(head, event, now=at, expires_at=at + KEPT)
        records.append(record)
    return records


def broken_at(records: list[AuditRecord], now: datetime = NOW) -> int | None:
    found, _, _ = first_break(records, org_id="org_1", now=now)
    return None if found is None else found.sequence


def test_a_chain_that_nobody_touched_holds() -> None:
    records = chain(5)
    assert first_break(records, org_id="org_1", now=NOW) == (None, 5, records[-1].hash)


@pytest.mark.parametrize("name", [f.name for f in fields(AuditRecord)])
def test_whatever_is_changed_in_a_record_is_found(name: str) -> None:
    other: dict[str, Any] = {
        "sequence": 9,
        "at": NOW + timedelta(seconds=1),
        "before": {"name": "other"},
        "after": {"name": "other"},
        "expires_at": NOW,
        "previous_expires_at": NOW,
    }
    records = chain(5)
    records[2] = replace(records[2], **{name: other.get(name, "other")})
    assert broken_at(records) == (9 if name == "sequence" else 3)


def test_a_change_with_its_hash_made_new_is_found_at_the_next_record() -> None:
    records = chain(5)
    forged = replace(records[2], actor="usr_2", hash="")
    records[2] = replace(forged, hash=forged.computed())
    assert broken_at(records) == 4


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_removed_record_is_found(number: int) -> None:
    records = chain(5)
    del records[number]
    assert broken_at(records) == number + 1


def test_a_reordered_record_is_found() -> None:
    records = chain(5)
    records[1], records[2] = records[2], records[1]
    assert broken_at(records) == 2


def test_a_record_put_in_between_is_found() -> None:
    records = chain(3)
    assert broken_at([*records[:2], records[1], records[2]]) == 2


def test_a_record_of_another_organisation_is_found() -> None:
    assert broken_at([*chain(2), *chain(3, "org_2")[2:]]) == 3


def test_records_that_have_expired_may_be_missing_and_no_others() -> None:
    records = chain(5)
    second_expired = records[1].expires_at + timedelta(minutes=1)
    assert broken_at(records[2:], second_expired) is None
    assert broken_at([records[0], *records[2:]], second_expired) is None
    assert broken_at(records[3:], second_expired) == 1
    assert broken_at([*records[2:3], records[4]], second_expired) == 4


def test_time_never_runs_backwards_in_a_chain() -> None:
    event = AuditEvent("org_1", SYSTEM, Audited.AGENT_UPDATED, "agt_1")
    later, head = append(AuditHead("org_1"), event, now=NOW, expires_at=NOW + KEPT)
    earlier, _ = append(head, event, now=NOW - KEPT, expires_at=NOW)
    assert (earlier.at, earlier.expires_at) == (later.at, later.expires_at)


def test_what_is_recorded_is_plain_short_and_without_addresses_of_people() -> None:
    assert plain({"role": Role.ADMIN, "at": NOW, "grants": ("b", "a"), "set": {2, 1}}) == {
        "role": "admin",
        "at": "2026-01-01T00:00:00+00:00",
        "grants": ["b", "a"],
        "set": [1, 2],
    }
    assert plain("from ada+x@example.com, to <bob@example.org>") == "from [email], to <[email]>"
    assert len(plain("x" * 1000)) == 257


def test_only_what_differs_is_kept() -> None:
    one = chain(1)[0]
    assert changed(one, replace(one, actor="usr_2"), "actor", "subject") == (
        {"actor": "usr_1"},
        {"actor": "usr_2"},
    )
