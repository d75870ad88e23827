"""One suite for every store: the one in memory and DynamoDB must agree."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.agents import Agent, Category, SlugClaim, Visibility
from chalicelib.domain.connections import Connection, How
from chalicelib.domain.credentials import ApiToken
from chalicelib.domain.deliveries import Delivery, DeliveryState, Facts, Outcome, Receipt
from chalicelib.domain.deployments import DeploymentEvent, Environment, HistoryItem
from chalicelib.domain.ids import new_id
from chalicelib.domain.tenancy import Role, Scope
from chalicelib.domain.versions import Newest
from chalicelib.errors import ChangedMeanwhile
from chalicelib.ports import (
    AGENTS,
    ALL_DEPLOYMENTS,
    CONNECTIONS,
    DELIVERIES,
    DEPLOYMENTS,
    HISTORY,
    NOBODYS_RECEIPTS,
    OPEN_DELIVERIES,
    OPEN_DEPLOYMENTS,
    OPEN_RECEIPTS,
    TOKENS,
    Delete,
    Put,
    Store,
    every,
)
from tests.unit.test_states import deployment

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def agent(org_id: str, agent_id: str | None = None) -> Agent:
    return Agent(
        id=agent_id or new_id("agt"),
        org_id=org_id,
        name="Echo",
        slug="echo",
        description="",
        category=Category.OTHER,
        runtime=None,
        visibility=Visibility.PRIVATE,
        created_by="usr_1",
        created_at=NOW,
        updated_at=NOW,
    )


def test_what_is_put_is_read_back_exactly(store: Store) -> None:
    one = agent("org_1")
    store.commit(Put(one))
    assert store.get(Agent, "org_1", one.id) == one
    assert store.get(Agent, "org_2", one.id) is None


def test_a_deployment_with_everything_in_it_survives(store: Store) -> None:
    full = replace(
        deployment(), plan={"tests": [{"name": "t", "expect": {"json": {"a": 1.5}}}], "port": None}
    )
    store.commit(Put(full))
    assert store.get(type(full), full.org_id, full.id) == full


def test_what_is_noted_as_newest_survives_and_what_is_older_than_the_note_is_read(
    store: Store,
) -> None:
    bare = agent("org_1")
    noted = replace(agent("org_1"), newest=Newest(new_id("ver"), NOW))
    place = Environment("org_1", noted.id, "production", NOW, revision=1)
    asked = replace(place, name="preview", newest=Newest(new_id("dep"), NOW))
    store.commit(*(Put(one) for one in (bare, noted, place, asked)))
    assert store.get_many(
        (Agent, "org_1", bare.id),
        (Agent, "org_1", noted.id),
        (Environment, "org_1", noted.id, "production"),
        (Environment, "org_1", noted.id, "preview"),
    ) == [bare, noted, place, asked]


def test_a_first_revision_is_written_once(store: Store) -> None:
    one = agent("org_1")
    store.commit(Put(one))
    with pytest.raises(ChangedMeanwhile):
        store.commit(Put(replace(one, name="Other")))
    assert store.get(Agent, "org_1", one.id) == one


def test_of_two_writers_from_one_revision_one_wins(store: Store) -> None:
    one = agent("org_1")
    store.commit(Put(one))
    store.commit(Put(replace(one, name="First", revision=2)))
    with pytest.raises(ChangedMeanwhile):
        store.commit(Put(replace(one, name="Second", revision=2)))


def test_a_commit_happens_whole_or_not_at_all(store: Store) -> None:
    one = agent("org_1")
    store.commit(Put(SlugClaim("org_1", "echo", "agt_other")))
    with pytest.raises(ChangedMeanwhile):
        store.commit(Put(one), Put(SlugClaim("org_1", "echo", one.id)))
    assert store.get(Agent, "org_1", one.id) is None


def test_only_the_revision_that_was_seen_can_be_deleted(store: Store) -> None:
    one = agent("org_1")
    store.commit(Put(one))
    store.commit(Put(replace(one, revision=2)))
    with pytest.raises(ChangedMeanwhile):
        store.commit(Delete(one))
    store.commit(Delete(replace(one, revision=2)))
    assert store.get(Agent, "org_1", one.id) is None


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_hold_everything_once_and_in_order(store: Store, newest_first: bool) -> None:
    ids = [f"agt_{n:026d}" for n in range(25)]
    for agent_id in ids:
        store.commit(Put(agent("org_1", agent_id)))
    seen: list[str] = []
    after = None
    while True:
        page = store.page(AGENTS, "org_1", limit=10, after=after, newest_first=newest_first)
        seen += [a.id for a in page.items]
        after = page.next
        if after is None:
            break
    assert seen == (ids[::-1] if newest_first else ids)


def test_a_page_that_is_just_full_has_no_next(store: Store) -> None:
    for _ in range(3):
        store.commit(Put(agent("org_1")))
    page = store.page(AGENTS, "org_1", limit=3)
    assert (len(page.items), page.next) == (3, None)


def test_a_page_cut_short_by_its_size_goes_on(store: Store) -> None:
    ids = [f"agt_{n:026d}" for n in range(12)]
    for agent_id in ids:
        store.commit(Put(replace(agent("org_1", agent_id), description="x" * 200_000)))
    assert [a.id for a in every(store, AGENTS, "org_1", newest_first=False)] == ids


def test_an_organisation_never_reaches_one_whose_id_begins_alike(store: Store) -> None:
    store.commit(Put(agent("org_acme")), Put(agent("org_acme-corp")))
    assert len(store.page(AGENTS, "org_acme").items) == 1
    assert store.page(AGENTS, "org_ac").items == ()


@pytest.mark.parametrize("cursor", ["zzz", "!", "agt_" + "z" * 26 + "#", "ORG#org_2#AGENTS#"])
def test_a_forged_cursor_stays_inside_the_organisation(store: Store, cursor: str) -> None:
    mine = agent("org_1")
    store.commit(Put(mine), Put(agent("org_2")))
    page = store.page(AGENTS, "org_1", after=cursor)
    assert {a.org_id for a in page.items} <= {"org_1"}


def test_history_is_read_in_order_beside_its_subject(store: Store) -> None:
    subject = deployment()
    store.commit(Put(subject))
    for sequence in (1, 2, 10):
        store.commit(Put(HistoryItem("org_1", subject.id, sequence, NOW, "released", "verifying")))
    page = store.page(HISTORY, "org_1", subject.id, newest_first=False)
    assert [i.sequence for i in page.items] == [1, 2, 10]
    second = store.page(HISTORY, "org_1", subject.id, limit=1, newest_first=False)
    third = store.page(HISTORY, "org_1", subject.id, limit=5, after=second.next, newest_first=False)
    assert [i.sequence for i in third.items] == [2, 10]


def test_final_deployments_leave_the_list_of_open_work(store: Store) -> None:
    one = deployment()
    store.commit(Put(one))
    assert [d.id for d in every(store, OPEN_DEPLOYMENTS)] == [one.id]
    store.commit(Put(one.after(DeploymentEvent.CANCELLED, NOW)))
    assert list(every(store, OPEN_DEPLOYMENTS)) == []
    assert len(store.page(DEPLOYMENTS, "org_1", "agt_1").items) == 1
    assert [d.id for d in every(store, ALL_DEPLOYMENTS, "org_1")] == [one.id]
    assert list(every(store, ALL_DEPLOYMENTS, "org_11")) == []


def test_of_many_writers_at_once_exactly_one_wins_each_revision(store: Store) -> None:
    one = agent("org_1")
    store.commit(Put(one))

    def write(number: int) -> bool:
        try:
            store.commit(Put(replace(one, name=f"Name {number}", revision=2)))
        except ChangedMeanwhile:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(16)))
    assert won.count(True) == 1


def test_every_listing_is_scoped(store: Store) -> None:
    listings: list[Callable[[], Any]] = [
        lambda: store.page(AGENTS, "org_none"),
        lambda: store.page(DEPLOYMENTS, "org_none", "agt_none"),
        lambda: store.page(HISTORY, "org_none", "dep_none"),
    ]
    assert all(listing().items == () for listing in listings)


def test_several_are_read_in_one_call_and_in_order(store: Store) -> None:
    first, second = agent("org_1"), agent("org_1")
    store.commit(Put(first), Put(second))
    store.calls = 0  # type: ignore[attr-defined]
    found = store.get_many(
        (Agent, "org_1", second.id), (SlugClaim, "org_1", "none"), (Agent, "org_1", first.id)
    )
    assert found == [second, None, first]
    assert store.calls == 1  # type: ignore[attr-defined]


def test_reading_nothing_is_no_request(store: Store) -> None:
    store.calls = 0  # type: ignore[attr-defined]
    assert store.get_many() == []
    assert store.calls == 0  # type: ignore[attr-defined]


def test_a_lost_race_says_which_changes_lost(store: Store) -> None:
    first, second = agent("org_1"), agent("org_1")
    store.commit(Put(second))
    with pytest.raises(ChangedMeanwhile) as lost:
        store.commit(Put(first), Put(second))
    assert lost.value.lost == {1}
    with pytest.raises(ChangedMeanwhile) as alone:
        store.commit(Put(second))
    assert alone.value.lost == {0}


def token(hashed: str = "h1") -> ApiToken:
    return ApiToken(
        id=new_id("tok"),
        hash=hashed,
        org_id="org_1",
        user_id="usr_1",
        role=Role.VIEWER,
        name="ci",
        scope=Scope.READ,
        hint="abcd",
        created_at=NOW,
    )


def test_noting_a_use_reads_the_entity_in_one_call_and_is_no_new_revision(store: Store) -> None:
    made = token()
    store.commit(Put(made))
    store.calls = 0  # type: ignore[attr-defined]
    found = store.touch(ApiToken, "h1", at=NOW + timedelta(minutes=1))
    assert store.calls == 1  # type: ignore[attr-defined]
    used = replace(made, last_used_at=NOW + timedelta(minutes=1))
    assert found == used
    assert store.get(ApiToken, "h1") == used
    assert store.get_many((ApiToken, "h1")) == [used]
    assert store.page(TOKENS, "org_1").items == (used,)


def test_what_does_not_exist_is_not_made_by_noting_its_use(store: Store) -> None:
    assert store.touch(ApiToken, "none", at=NOW) is None
    assert store.get(ApiToken, "none") is None


def test_a_use_is_kept_when_the_entity_changes_and_hinders_no_change(store: Store) -> None:
    made = token()
    store.commit(Put(made))
    store.touch(ApiToken, "h1", at=NOW)
    read = store.get(ApiToken, "h1")
    assert read is not None
    store.commit(Put(replace(read, role=Role.OWNER, revision=2)))
    after = store.get(ApiToken, "h1")
    assert after is not None
    assert (after.role, after.last_used_at) == (Role.OWNER, NOW)
    store.commit(Delete(after))
    assert store.get(ApiToken, "h1") is None


def connection(org_id: str, **more: Any) -> Connection:
    return Connection(
        org_id=org_id,
        agent_id="agt_1",
        repository="acme/echo",
        branch="main",
        created_by="usr_1",
        created_at=NOW,
        updated_at=NOW,
        **{"how": How.APP, "repository_id": 7, **more},
    )


def test_a_repository_is_found_in_every_organisation_that_is_connected_by_the_app(
    store: Store,
) -> None:
    store.commit(Put(connection("org_1")), Put(connection("org_2")))
    store.commit(Put(connection("org_3", how=How.WEBHOOK)))
    store.commit(Put(connection("org_4", repository_id=77)))
    found = store.page(CONNECTIONS, "7", newest_first=False).items
    assert [one.org_id for one in found] == ["org_1", "org_2"]


def test_what_is_to_be_looked_at_is_listed_until_it_was(store: Store) -> None:
    facts = Facts("push", ref="refs/heads/main", removed=(1, 2), changed_at=NOW)
    one = Delivery(
        "dlv_1", "org_1", "agt_1", "guid", "push", 9, NOW, NOW, NOW + timedelta(days=1), facts=facts
    )
    store.commit(Put(one))
    assert store.page(OPEN_DELIVERIES).items == (one,)
    done = one.following(NOW, DeliveryState.IGNORED, code="known_head")
    store.commit(Put(done))
    assert store.page(OPEN_DELIVERIES).items == ()
    assert store.page(DELIVERIES, "org_1", "agt_1").items == (done,)
    assert store.page(DELIVERIES, "org_1", "agt_11").items == ()


def test_a_receipt_is_looked_at_once_and_listed_for_operators_when_it_was_for_nobody(
    store: Store,
) -> None:
    def receipt(n: int) -> Receipt:
        return Receipt(
            f"hash{n}", f"dlv_{n}", "app", f"guid{n}", "push", 9, NOW, NOW + timedelta(days=1)
        )

    several = [receipt(n) for n in range(3)]
    store.commit(*(Put(one) for one in several))
    assert store.page(OPEN_RECEIPTS, newest_first=False).items == tuple(several)
    assert store.page(NOBODYS_RECEIPTS).items == ()
    settled = [one.settled(Outcome("x", "X."), n % 2) for n, one in enumerate(several)]
    store.commit(*(Put(one) for one in settled))
    assert store.page(OPEN_RECEIPTS).items == ()
    first = store.page(NOBODYS_RECEIPTS, limit=1)
    assert first.items == (settled[2],)
    assert store.page(NOBODYS_RECEIPTS, limit=1, after=first.next).items == (settled[0],)
