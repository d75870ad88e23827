"""A person's data: handed over whole and without secrets, and forgotten when they say so."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from chalicelib.domain.credentials import TOKEN_PREFIX
from chalicelib.domain.identities import Profile
from chalicelib.domain.tenancy import EmailClaim, Role, Scope, User
from chalicelib.errors import Invalid, Unauthenticated
from chalicelib.services.sessions import Visitor
from tests.conftest import World

ADA = "ada@example.com"


def test_everything_is_handed_over_and_no_secret(world: World) -> None:
    signed = world.session(ADA)
    who = world.platform.access.principal(signed.access_token)
    agent = world.agent(who, "Mine")
    world.agent(world.sign_in("bob@example.com"), "Theirs")
    _, secret = world.platform.tokens.create(who, name="ci", scope=Scope.READ, expires_at=None)
    data = world.platform.personal_data.export(who)
    text = json.dumps(data)
    assert data["account"]["email"] == ADA
    assert [a["id"] for a in data["agents_created"]] == [agent.id]
    assert [t["name"] for t in data["tokens"]] == ["ci"]
    assert [m["organisation"] for m in data["memberships"]] == ["ada's agents"]
    assert {r["action"] for r in data["audit"]} >= {"account.created", "session.started"}
    assert len(data["sessions"]) == 1
    for part in (*signed.refresh.split(".")[2:], secret, TOKEN_PREFIX, "bob@", "Theirs"):
        assert part not in text
    hashes = [
        v for name, v in asdict(world.platform.sessions.mine(who)[0]).items() if "hash" in name
    ]
    assert not any(str(v) in text for v in hashes if v)


def test_to_go_one_types_the_address(world: World) -> None:
    who = world.sign_in(ADA)
    for typed in ("", "yes", "bob@example.com", f"{ADA}\n{ADA}"):
        with pytest.raises(Invalid) as refused:
            world.platform.personal_data.delete(who, confirm=typed)
        assert refused.value.code == "confirmation_wrong"
    world.platform.personal_data.delete(who, confirm=" ADA@Example.com ")
    assert world.store.get(User, who.user_id) is None


def test_nothing_of_the_person_opens_anything_afterwards(world: World) -> None:
    here, there = world.session(ADA), world.session(ADA)
    who = world.platform.access.principal(here.access_token)
    live = world.live(who, world.agent(who))
    _, secret = world.platform.tokens.create(who, name="ci", scope=Scope.READ, expires_at=None)
    profile = Profile("acme", "https://id.example", "1", "ada@example.org", "Ada")
    world.platform.personal_data.delete(who, confirm=ADA)
    for signed in (here, there):
        with pytest.raises(Unauthenticated):
            world.platform.sessions.refresh(Visitor(refresh=signed.refresh))
        with pytest.raises(Unauthenticated):
            world.platform.access.principal(signed.access_token)
    with pytest.raises(Unauthenticated):
        world.platform.access.principal(secret)
    world.platform.reconciler.run()
    assert live.host.deployment_id not in world.host.running
    again = world.session(ADA).user
    assert again.id != who.user_id
    assert world.platform.accounts.of_profile(profile).id != who.user_id


def test_what_stays_for_the_audit_says_no_name_and_no_address(world: World) -> None:
    owner = world.founded("bob@example.com")
    dev = world.join(owner, ADA, Role.DEVELOPER)
    world.agent(dev, "Of the organisation")
    world.platform.personal_data.delete(world.sign_in(ADA), confirm=ADA)
    kept = world.platform.audit.about(owner.org_id, dev.user_id)
    assert kept
    assert ADA not in repr(kept)
    assert world.store.get(EmailClaim, ADA) is None
    assert [a.name for a in world.platform.agents.page(owner, limit=9, after=None).items] == [
        "Of the organisation"
    ]
