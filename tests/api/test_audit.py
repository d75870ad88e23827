"""The audit log over HTTP: what is recorded, who may read it, and that tampering is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.layouts import LAYOUTS, codec
from chalicelib.domain.audit import SYSTEM, Audited, AuditEvent, AuditHead, AuditRecord
from chalicelib.domain.credentials import ApiToken
from chalicelib.domain.tenancy import Role, Scope
from chalicelib.ports import Put
from chalicelib.services.audit import CHECKPOINT_EVERY
from tests.api.conftest import Client
from tests.api.test_journey import make_live
from tests.conftest import World


@pytest.fixture
def org_id(client: Client, world: World) -> str:
    return world.platform.access.principal(str(client.token)).org_id


def actions(client: Client, query: str = "") -> list[str]:
    return [item["action"] for item in client("GET", f"/audit{query}").json["items"]]


def write(world: World, org_id: str, count: int) -> None:
    for number in range(count):
        event = AuditEvent(org_id, SYSTEM, Audited.AGENT_UPDATED, f"agt_{number}")
        world.platform.audit.commit(event)


def test_the_main_job_leaves_its_records(client: Client, world: World) -> None:
    agent_id, deployment_id = make_live(client, world)
    client("POST", "/deployments/{deployment_id}/restart", deployment_id=deployment_id)
    client("POST", "/deployments/{deployment_id}/stop", deployment_id=deployment_id)
    client("PATCH", "/agents/{agent_id}", {"visibility": "organisation"}, agent_id=agent_id)
    client("DELETE", "/agents/{agent_id}", agent_id=agent_id)
    assert [
        a for a in actions(client) if a.split(".")[0] in ("agent", "version", "deployment")
    ] == [
        "agent.deleted",
        "agent.updated",
        "deployment.stopped",
        "deployment.restarted",
        "deployment.requested",
        "version.created",
        "agent.created",
    ]
    [updated] = client("GET", "/audit?action=agent.updated").json["items"]
    assert (updated["before"], updated["after"]) == (
        {"visibility": "private"},
        {"visibility": "organisation"},
    )
    assert updated["actor"]["email"] == "ada@example.com"
    assert updated["address"] == "127.0.0.1"
    assert updated["subject"] == agent_id
    assert updated["trace_id"] == "c6af9ac67b6111e69a4193e8deadbeef"


def test_of_variables_only_names_are_recorded(client: Client) -> None:
    agent_id = client("POST", "/agents", {"name": "x"}).json["id"]
    path = "/agents/{agent_id}/environments/{environment}/variables"
    for items in (
        [
            {"name": "KEY", "value": "first-secret", "secret": True},
            {"name": "B", "value": "plain-b"},
        ],
        [
            {"name": "KEY", "value": "second-secret", "secret": True},
            {"name": "C", "value": "plain-c"},
        ],
    ):
        reply = client("PUT", path, {"items": items}, agent_id=agent_id, environment="production")
        assert reply.status == 200
    text = client("GET", "/audit").text
    assert not any(value in text for value in ("first-secret", "second-secret", "plain-"))
    newest = client("GET", "/audit?action=variables").json["items"][0]
    assert newest["after"] == {
        "environment": "production",
        "added": ["C"],
        "changed": ["KEY"],
        "removed": ["B"],
    }


def token_of(world: World, client: Client, **changes: Any) -> Client:
    made = client("POST", "/tokens", {"name": "ci", "scope": "admin"}).json
    for hashed in [k.pk for k in world.store._items if k.pk.startswith("TOKEN#")]:
        token = world.store.get(ApiToken, hashed.split("#")[1])
        if token is not None and token.id == made["id"] and changes:
            world.store.commit(Put(replace(token, revision=token.revision + 1, **changes)))
    return Client(world, made["token"])


def test_only_owners_and_admins_read_it(client: Client, world: World) -> None:
    for role in Role:
        reply = token_of(world, client, role=role)("GET", "/audit")
        assert reply.status == (200 if role in (Role.OWNER, Role.ADMIN) else 403), role
    assert token_of(world, client, scope=Scope.DEPLOY)("GET", "/audit").status == 403


def test_what_was_denied_is_recorded(client: Client, world: World) -> None:
    viewer = token_of(world, client, role=Role.VIEWER)
    assert viewer("POST", "/agents", {"name": "x"}).status == 403
    [denied] = client("GET", "/audit?result=denied").json["items"]
    assert denied["action"] == "access.denied"
    assert denied["after"]["route"] == "POST /agents"
    assert denied["after"]["permission"] == "agent:create"
    assert denied["actor"]["token_id"].startswith("tok_")


def test_a_flood_of_denied_calls_is_recorded_so_far_as_it_says_something() -> None:
    world = World(env={})
    client = Client(world, world.access_token())
    viewer = token_of(world, client, role=Role.VIEWER)
    refused = [viewer("POST", "/agents", {"name": "x"}).status for _ in range(40)]
    assert refused == [403] * 40
    found = client("GET", "/audit?result=denied&limit=100").json["items"]
    assert len(found) == 30


def test_nobody_reads_another_organisations(client: Client, stranger: Client) -> None:
    client("POST", "/agents", {"name": "Mine alone"})
    assert "Mine alone" not in stranger("GET", "/audit").text
    assert "Mine alone" not in stranger("GET", "/audit/export").text


def test_pages_hold_every_record_once_and_newest_first(
    client: Client, world: World, org_id: str
) -> None:
    write(world, org_id, 230)
    seen: list[int] = []
    cursor = ""
    while True:
        page = client("GET", f"/audit?action=agent&limit=50{cursor}").json
        seen += [item["sequence"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == 230
    assert seen == sorted(seen, reverse=True)


def test_filters_by_actor_subject_and_time(client: Client, world: World, org_id: str) -> None:
    world.clock.sleep(3600)
    write(world, org_id, 450)
    between = world.clock.now()
    world.clock.sleep(3600)
    write(world, org_id, 3)
    stamp = between.isoformat().replace("+00:00", "Z")
    assert len(actions(client, f"?actor=system&since={stamp}")) == 3
    until = client("GET", f"/audit?until={stamp}&limit=1").json["items"]
    assert until[0]["subject"] == "agt_449"
    assert len(actions(client, "?subject=agt_1&actor=system")) == 2
    assert "agent.updated" not in actions(client, "?actor=usr_nobody")


@pytest.mark.parametrize(
    "query",
    ["cursor=-1", "cursor=abc", "cursor=1%3Bx", "since=yesterday", "result=maybe", "limit=0"],
)
def test_a_wrong_query_is_422_and_says_what_is_wrong(client: Client, query: str) -> None:
    for path in ("/audit",):
        reply = client("GET", f"{path}?{query}")
        assert reply.status == 422, reply.text
    assert client("GET", "/audit/verify?anchor=12").status == 422
    assert client("GET", "/audit/verify?cursor=x").status == 422
    assert client("GET", "/audit/export?cursor=9999999999999").status == 422


def test_an_export_proves_itself_without_us(client: Client, world: World, org_id: str) -> None:
    write(world, org_id, 1100)
    lines: list[dict[str, Any]] = []
    cursor = ""
    while True:
        reply = client("GET", f"/audit/export{cursor}")
        assert reply.headers["content-type"] == "application/x-ndjson"
        lines += [json.loads(line) for line in reply.text.splitlines()]
        if "slipway-next-cursor" not in reply.headers:
            break
        cursor = f"?cursor={reply.headers['slipway-next-cursor']}"
    previous = "0" * 64
    for line in lines:
        digest = line.pop("hash")
        text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert digest == hashlib.sha256(text.encode()).hexdigest()
        assert line["previous"] == previous
        previous = digest
    assert lines[-1]["action"] == "agent.updated" or lines[-1]["action"] == "audit.exported"
    assert len([x for x in lines if x["action"] == "agent.updated"]) == 1100


# --- tampering ------------------------------------------------------------------------------


class Intruder:
    """Somebody with a hand in the table itself."""

    def __init__(self, world: World, org_id: str) -> None:
        self.world, self.org_id = world, org_id

    def record(self, sequence: int) -> AuditRecord:
        found = self.world.store.get(AuditRecord, self.org_id, str(sequence))
        assert found is not None
        return found

    def put(self, *entities: Any) -> None:
        for entity in entities:
            key = LAYOUTS[type(entity)].key_of(entity)
            written = codec(type(entity)).dump_json(entity)
            kept = self.world.store._items[key]
            self.world.store._items[key] = replace(kept, document=written)

    def remove(self, sequence: int) -> None:
        del self.world.store._items[LAYOUTS[AuditRecord].key_of(self.record(sequence))]

    def head(self) -> AuditHead:
        found = self.world.store.get(AuditHead, self.org_id)
        assert found is not None
        return found

    def set_back(self, to: int) -> None:
        last = self.record(to)
        self.put(replace(self.head(), hash=last.hash, revision=to))

    def rewrite_from(self, sequence: int) -> None:
        """A consistent lie: one record changed and every hash behind it made new, head included."""
        previous = self.record(sequence).previous
        for number in range(sequence, self.head().revision + 1):
            record = replace(self.record(number), actor="usr_other", previous=previous, hash="")
            record = replace(record, hash=record.computed())
            self.put(record)
            previous = record.hash
        self.put(replace(self.head(), hash=previous))


@pytest.fixture
def intruder(world: World, org_id: str) -> Intruder:
    write(world, org_id, 20)
    return Intruder(world, org_id)


def test_a_log_that_nobody_touched_is_sound(client: Client, intruder: Intruder) -> None:
    found = client("GET", "/audit/verify").json
    last = intruder.head()
    assert found["sound"]
    assert (found["broken"], found["next_cursor"]) == (None, None)
    assert found["checked"] == found["last_sequence"] == last.revision
    assert found["anchor"] == f"{last.revision}:{last.hash}"


def _changed(by: Intruder) -> None:
    by.put(replace(by.record(7), subject="agt_other"))


def _removed(by: Intruder) -> None:
    by.remove(7)


def _reordered(by: Intruder) -> None:
    seventh, eighth = by.record(7), by.record(8)
    by.put(replace(eighth, sequence=7), replace(seventh, sequence=8))


def _changed_and_hashed_anew(by: Intruder) -> None:
    record = replace(by.record(6), subject="agt_other", hash="")
    by.put(replace(record, hash=record.computed()))


@pytest.mark.parametrize(
    "attack", [_changed, _removed, _reordered, _changed_and_hashed_anew], ids=lambda a: a.__name__
)
def test_tampering_is_found_and_the_first_broken_record_named(
    client: Client, intruder: Intruder, attack: Callable[[Intruder], None]
) -> None:
    attack(intruder)
    found = client("GET", "/audit/verify").json
    assert not found["sound"]
    assert found["broken"]["sequence"] == 7


def test_a_record_that_cannot_be_read_is_found_and_hides_no_others(
    client: Client, intruder: Intruder
) -> None:
    key = LAYOUTS[AuditRecord].key_of(intruder.record(7))
    kept = intruder.world.store._items[key]
    damaged = kept.document.replace(b"trace_id", b"trice_id")
    intruder.world.store._items[key] = replace(kept, document=damaged)
    found = client("GET", "/audit/verify").json
    assert found["broken"]["sequence"] == 7
    listed = [item["sequence"] for item in client("GET", "/audit?limit=100").json["items"]]
    assert listed == list(range(intruder.head().revision, 0, -1))
    assert client("GET", "/audit/export").status == 200


def test_a_tail_cut_off_is_found_against_the_head(client: Client, intruder: Intruder) -> None:
    last = intruder.head().revision
    intruder.remove(last)
    intruder.remove(last - 1)
    assert client("GET", "/audit/verify").json["broken"]["sequence"] == last - 1


def test_a_head_set_back_is_found_while_the_records_are_there(
    client: Client, intruder: Intruder
) -> None:
    intruder.set_back(10)
    assert client("GET", "/audit/verify").json["broken"]["sequence"] == 11


def test_a_whole_tail_removed_with_the_head_set_back_is_found_by_a_checkpoint(
    client: Client, intruder: Intruder, world: World, org_id: str
) -> None:
    assert client("GET", "/audit/verify").json["sound"]  # makes a checkpoint of the end
    last = intruder.head().revision
    intruder.set_back(10)
    for sequence in range(11, last + 1):
        del world.store._items[LAYOUTS[AuditRecord].key(org_id, str(sequence))]
    assert client("GET", "/audit/verify").json["broken"]["sequence"] == 11


def test_a_whole_tail_removed_is_found_by_an_anchor_of_ones_own(
    client: Client, intruder: Intruder, world: World, org_id: str
) -> None:
    head = intruder.head()
    anchor = f"{head.revision}:{head.hash}"
    assert client("GET", f"/audit/verify?anchor={anchor}").json["sound"]
    world.artifacts.objects.clear()
    intruder.set_back(10)
    for sequence in range(11, head.revision + 1):
        del world.store._items[LAYOUTS[AuditRecord].key(org_id, str(sequence))]
    assert client("GET", "/audit/verify").json["sound"], "this much is beyond proof without anchor"
    found = client("GET", f"/audit/verify?anchor={anchor}").json
    assert found["broken"]["sequence"] == 11


def test_a_log_rewritten_with_all_its_hashes_is_found_by_a_checkpoint_and_by_an_anchor(
    client: Client, intruder: Intruder, world: World
) -> None:
    anchor = client("GET", "/audit/verify").json["anchor"]
    intruder.rewrite_from(5)
    assert not client("GET", "/audit/verify").json["sound"]
    world.artifacts.objects.clear()
    assert client("GET", "/audit/verify").json["sound"]
    assert not client("GET", f"/audit/verify?anchor={anchor}").json["sound"]


def test_a_checkpoint_is_made_every_hundred_records(
    world: World, client: Client, org_id: str
) -> None:
    write(world, org_id, CHECKPOINT_EVERY)
    kept = world.artifacts.keys(f"audit/{org_id}/")
    record = Intruder(world, org_id).record(CHECKPOINT_EVERY)
    assert kept == [f"audit/{org_id}/{CHECKPOINT_EVERY:012d}-{record.hash}.json"]


def test_a_long_log_is_verified_in_pages(client: Client, world: World, org_id: str) -> None:
    write(world, org_id, 5100)
    first = client("GET", "/audit/verify").json
    assert first["sound"]
    assert first["checked"] == 5000
    second = client("GET", f"/audit/verify?cursor={first['next_cursor']}").json
    assert second["sound"]
    assert second["next_cursor"] is None
    intruder = Intruder(world, org_id)
    intruder.put(replace(intruder.record(5000), subject="other"))
    assert client("GET", "/audit/verify").json["broken"]["sequence"] == 5000
    forged = replace(intruder.record(5000), hash="")
    intruder.put(replace(forged, hash=forged.computed()))
    again = client("GET", "/audit/verify").json
    assert again["broken"]["sequence"] == 5000, "the checkpoint at 5000 knows better"


def test_expired_records_leave_no_doubt(client: Client, world: World, intruder: Intruder) -> None:
    for sequence in range(1, 8):
        intruder.remove(sequence)
    assert client("GET", "/audit/verify").json["broken"]["sequence"] == 1
    world.clock.sleep(timedelta(days=401).total_seconds())
    Client(world, world.access_token())
    token = world.access_token()
    assert Client(world, token)("GET", "/audit/verify").json["sound"]


def test_no_persons_name_or_email_address_stands_in_a_record(
    client: Client, world: World, org_id: str
) -> None:
    client("POST", "/agents", {"name": "x"})
    raw = b"".join(
        kept.document for kept in world.store._items.values() if kept.kind is AuditRecord
    )
    # Not the bare letters of her name: a hash in hexadecimal may hold them by chance.
    for personal in (b"ada@", b'"ada', b"Ada", b"example.com"):
        assert personal not in raw
