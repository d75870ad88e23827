"""Records of the audit log and the changes they are about, on every store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters.http import SystemClock
from chalicelib.adapters.memory import MemoryArtifacts, MemoryClock
from chalicelib.domain.agents import Agent
from chalicelib.domain.audit import Audited, AuditEvent, AuditHead, AuditRecord, first_break
from chalicelib.errors import ChangedMeanwhile
from chalicelib.ports import AUDIT, Clock, Put, Store, every
from chalicelib.services.audit import Audit
from tests.contract.test_store import agent

KEPT = timedelta(days=400)


def log(store: Store, clock: Clock | None = None) -> Audit:
    clock = clock or MemoryClock()
    return Audit(store=store, artifacts=MemoryArtifacts(), clock=clock, kept=KEPT)


def event(subject: str, org_id: str = "org_1") -> AuditEvent:
    return AuditEvent(
        org_id,
        "usr_1",
        Audited.AGENT_UPDATED,
        subject,
        "192.0.2.1",
        before={"name": "A", "count": 1},
        after={"name": "Ä “quoted” \n", "count": None},
    )


def test_twenty_writers_at_once_make_one_whole_chain_and_lose_nothing(store: Store) -> None:
    audit = log(store, SystemClock())
    together = threading.Barrier(20)

    def write(number: int) -> str:
        one = agent("org_1")
        together.wait(timeout=30)
        audit.commit(event(f"agt_{number}"), Put(one))
        return one.id

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(write, range(20)))
    records = list(every(store, AUDIT, "org_1", "0", newest_first=False))
    now = SystemClock().now()
    broken, last, digest = first_break(records, org_id="org_1", now=now)
    assert (broken, last) == (None, 20)
    assert {r.subject for r in records} == {f"agt_{n}" for n in range(20)}
    assert all(store.get(Agent, "org_1", agent_id) for agent_id in made)
    head = store.get(AuditHead, "org_1")
    assert head is not None
    assert (head.revision, head.hash) == (20, digest)


def test_a_change_that_loses_its_race_is_not_recorded(store: Store) -> None:
    audit = log(store)
    one = agent("org_1")
    store.commit(Put(one))
    with pytest.raises(ChangedMeanwhile) as lost:
        audit.commit(event(one.id), Put(agent("org_1")), Put(replace(one, name="Other")))
    assert lost.value.lost == {1}
    assert store.get(AuditHead, "org_1") is None
    assert list(every(store, AUDIT, "org_1", "0")) == []


def test_a_record_is_read_back_with_the_hash_it_was_written_with(store: Store) -> None:
    written = log(store).commit(event("agt_1"))
    found = store.get(AuditRecord, "org_1", "1")
    assert found == written
    assert found.computed() == found.hash


def test_each_organisation_has_its_own_chain(store: Store) -> None:
    audit = log(store)
    for org_id in ("org_1", "org_2", "org_1"):
        audit.commit(event("agt_1", org_id))
    assert [r.sequence for r in every(store, AUDIT, "org_1", "0", newest_first=False)] == [1, 2]
    assert [r.sequence for r in every(store, AUDIT, "org_2", "0", newest_first=False)] == [1]
