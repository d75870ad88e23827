"""API tokens: made once, shown once, kept to their maker's rights, ended at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.credentials import MAX_TOKENS, ApiToken, hash_secret
from chalicelib.domain.ids import new_id
from chalicelib.domain.tenancy import Membership, Organisation, Principal, Role, Scope
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
)
from chalicelib.ports import Put
from tests.conftest import World


def make(world: World, who: Principal, **more: object) -> tuple[ApiToken, str]:
    given = {"name": "ci", "scope": Scope.ADMIN, "expires_at": None, **more}
    return world.platform.tokens.create(who, **given)  # type: ignore[arg-type]


def member(world: World, owner: Principal, email: str, role: Role) -> Principal:
    """Somebody who works in the owner's organisation."""
    person = world.sign_in(email)
    membership = Membership(owner.org_id, person.user_id, role, world.clock.now())
    world.store.commit(Put(membership))
    return replace(person, org_id=owner.org_id, role=role)


def test_a_token_makes_no_tokens(world: World) -> None:
    who = world.sign_in()
    _, secret = make(world, who)
    with pytest.raises(Forbidden, match="cannot make another"):
        make(world, world.platform.access.principal(secret))


def test_a_token_is_over_when_it_expires_or_is_revoked(world: World) -> None:
    who = world.sign_in()
    _, short = make(world, who, expires_at=world.clock.now() + timedelta(minutes=1))
    kept, long = make(world, who)
    world.platform.access.principal(short)
    world.clock.sleep(60)
    with pytest.raises(Unauthenticated, match="expired"):
        world.platform.access.principal(short)
    world.platform.access.principal(long)
    world.platform.tokens.revoke(who, kept.id)
    with pytest.raises(Unauthenticated, match="revoked"):
        world.platform.access.principal(long)
    with pytest.raises(NotFound):
        world.platform.tokens.revoke(who, kept.id)


def test_a_token_asked_for_another_organisation_acts_in_none(world: World) -> None:
    _, secret = make(world, world.founded())
    for other in (world.sign_in().org_id, new_id("org"), "none"):
        with pytest.raises(NotFound) as refused:
            world.platform.access.principal(secret, organisation=other)
        assert refused.value.code == "organisation_unknown"


def test_no_token_is_born_expired(world: World) -> None:
    with pytest.raises(Invalid):
        make(world, world.sign_in(), expires_at=world.clock.now())


def test_only_so_many_tokens_and_expired_ones_do_not_count(world: World) -> None:
    who = world.sign_in()
    soon = world.clock.now() + timedelta(minutes=1)
    for _ in range(MAX_TOKENS):
        make(world, who, expires_at=soon)
    with pytest.raises(Conflict) as refused:
        make(world, who)
    assert refused.value.code == "too_many_tokens"
    world.clock.sleep(60)
    make(world, who)
    assert len(world.platform.tokens.of(who.org_id, who.user_id)) == 1


def test_tokens_made_at_once_are_all_registered(world: World) -> None:
    who = world.sign_in()

    def attempt(_: int) -> str | None:
        try:
            return make(world, who)[0].id
        except ChangedMeanwhile:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = {i for i in pool.map(attempt, range(8)) if i}
    assert {t.id for t in world.platform.tokens.of(who.org_id, who.user_id)} == made


def test_a_changed_role_reaches_every_token_in_the_same_commit(world: World) -> None:
    owner = world.sign_in()
    dev = member(world, owner, "dev@example.com", Role.DEVELOPER)
    secrets = [make(world, dev)[1] for _ in range(3)]
    membership = world.store.get(Membership, dev.org_id, dev.user_id)
    assert membership is not None
    lower = replace(membership, role=Role.VIEWER, revision=2)
    world.store.commit(Put(lower), *world.platform.tokens.rewritten(lower, tier="free"))
    assert {world.platform.access.principal(s).role for s in secrets} == {Role.VIEWER}


def test_a_token_made_while_the_role_changes_makes_the_change_look_again(world: World) -> None:
    owner = world.sign_in()
    dev = member(world, owner, "dev@example.com", Role.DEVELOPER)
    membership = world.store.get(Membership, dev.org_id, dev.user_id)
    assert membership is not None
    lower = replace(membership, role=Role.VIEWER, revision=2)
    prepared = world.platform.tokens.rewritten(lower, tier="free")
    make(world, dev)
    with pytest.raises(ChangedMeanwhile):
        world.store.commit(Put(lower), *prepared)


def test_a_removed_members_tokens_end_with_the_membership(world: World) -> None:
    owner = world.sign_in()
    dev = member(world, owner, "dev@example.com", Role.DEVELOPER)
    _, secret = make(world, dev)
    world.store.commit(*world.platform.tokens.removed(dev.org_id, dev.user_id))
    with pytest.raises(Unauthenticated):
        world.platform.access.principal(secret)


def test_a_token_has_the_role_of_this_moment_not_the_one_remembered(world: World) -> None:
    owner = world.sign_in()
    dev = member(world, owner, "dev@example.com", Role.VIEWER)
    remembered = replace(dev, role=Role.DEVELOPER)
    assert make(world, remembered)[0].role is Role.VIEWER


def test_developers_see_and_revoke_their_own_and_owners_all(world: World) -> None:
    owner = world.sign_in()
    dev = member(world, owner, "dev@example.com", Role.DEVELOPER)
    theirs, _ = make(world, owner)
    own, _ = make(world, dev)
    tokens = world.platform.tokens
    assert [t.id for t in tokens.page(dev, limit=50, after=None).items] == [own.id]
    assert {t.id for t in tokens.page(owner, limit=50, after=None).items} == {own.id, theirs.id}
    with pytest.raises(NotFound):
        tokens.revoke(dev, theirs.id)
    tokens.revoke(owner, own.id)
    assert tokens.page(dev, limit=50, after=None).items == ()


def test_a_token_for_one_agent_names_one_that_is_there(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    other = world.agent(world.sign_in("bob@example.com"))
    for wrong in (other.id, new_id("agt"), "nonsense", new_id("tok")):
        with pytest.raises(Invalid) as refused:
            make(world, who, agent_id=wrong)
        assert refused.value.errors[0].field == "agent_id"
    token, secret = make(world, who, agent_id=agent.id)
    assert world.platform.access.principal(secret).agent_id == token.agent_id == agent.id


def test_the_last_use_is_noted_in_the_one_call_that_reads_the_token(world: World) -> None:
    who = world.sign_in()
    token, secret = make(world, who)
    assert token.last_used_at is None
    world.store.calls = 0
    for _ in range(3):
        world.platform.access.principal(secret)
    assert world.store.calls == 3
    first = world.store.get(ApiToken, hash_secret(secret))
    assert first is not None
    assert first.last_used_at is not None
    world.clock.sleep(300)
    world.platform.access.principal(secret)
    later = world.store.get(ApiToken, hash_secret(secret))
    assert later is not None
    assert later.last_used_at is not None
    assert later.last_used_at > first.last_used_at
    assert later.revision == token.revision


def in_tier(world: World, org_id: str, tier: str) -> None:
    organisation = world.store.get(Organisation, org_id)
    assert organisation is not None
    world.store.commit(Put(replace(organisation, tier=tier, revision=organisation.revision + 1)))


def test_a_changed_tier_reaches_a_token_within_a_minute_and_costs_no_call(world: World) -> None:
    who = world.sign_in()
    _, secret = make(world, who)
    access = world.platform.access
    assert {access.principal(secret).tier for _ in range(3)} == {"free"}
    in_tier(world, who.org_id, "pro")
    world.clock.sleep(60)
    world.store.calls = 0
    assert [access.principal(secret).tier for _ in range(3)] == ["pro"] * 3
    assert world.store.calls == 3
    in_tier(world, who.org_id, "free")
    world.clock.sleep(60)
    assert access.principal(secret).tier == "free"


def test_a_token_that_is_used_rarely_gets_its_tier_and_its_last_use_in_turn(world: World) -> None:
    who = world.sign_in()
    _, secret = make(world, who)
    in_tier(world, who.org_id, "pro")
    seen = []
    world.store.calls = 0
    for _ in range(5):
        seen.append(world.platform.access.principal(secret).tier)
        world.clock.sleep(400)
    assert world.store.calls == 5
    assert seen[1:] == ["pro"] * 4
    token = world.store.get(ApiToken, hash_secret(secret))
    assert token is not None
    assert token.last_used_at is not None
    assert token.last_used_at >= world.clock.now() - timedelta(seconds=1000)


def test_a_revoked_token_ends_at_once_whichever_way_it_is_read(world: World) -> None:
    who = world.sign_in()
    for waited in (0, 60, 300):
        token, secret = make(world, who)
        for _ in range(3):
            world.platform.access.principal(secret)
        world.clock.sleep(waited)
        world.platform.tokens.revoke(who, token.id)
        with pytest.raises(Unauthenticated):
            world.platform.access.principal(secret)


def test_a_token_for_an_agent_that_its_maker_does_not_see_is_for_none(world: World) -> None:
    owner = world.founded()
    shown, hidden = world.agent(owner), world.agent(owner, "Hidden")
    grants = {shown.id: Role.DEVELOPER}
    who = world.join(owner, "shut@example.com", Role.DEVELOPER, restricted=True, grants=grants)
    make(world, who, agent_id=shown.id)
    refusals = []
    for agent_id in (hidden.id, new_id("agt")):
        with pytest.raises(Invalid) as refused:
            make(world, who, agent_id=agent_id)
        refusals.append(refused.value.detail)
    assert refusals[0] == refusals[1]
