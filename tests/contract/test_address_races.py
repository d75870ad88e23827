"""Changes of an account's address at the same moment, on every store: one address, one account."""

from __future__ import annotations

import pytest

from chalicelib.domain.tenancy import EmailClaim, Principal, User
from chalicelib.errors import PlatformError
from chalicelib.ports import Store
from chalicelib.services.sessions import Visitor
from tests.conftest import World
from tests.contract.test_membership_races import at_once

ADA, NEW = "ada@example.com", "new@example.org"


@pytest.fixture
def shared(store: Store) -> World:
    return World(store=store)  # type: ignore[arg-type]  # uses what the port has


def asked(world: World, who: Principal, email: str = NEW) -> str:
    world.platform.addresses.ask(who, email)
    return world.mailed_token()


def holder(world: World, email: str) -> str | None:
    claim = world.store.get(EmailClaim, email)
    return None if claim is None else claim.user_id


def address(world: World, who: Principal) -> str | None:
    user = world.store.get(User, who.user_id)
    return None if user is None else user.email


def test_of_four_who_want_one_address_one_gets_it_and_the_others_keep_theirs(
    shared: World,
) -> None:
    people = {f"p{n}@example.com": shared.sign_in(f"p{n}@example.com") for n in range(4)}
    secrets = {email: asked(shared, who) for email, who in people.items()}
    confirm = shared.platform.addresses.confirm
    results = at_once(
        *[lambda w=who, s=secrets[email]: confirm(w, s) for email, who in people.items()]
    )
    assert len([r for r in results if isinstance(r, User)]) == 1
    moved = [email for email, who in people.items() if address(shared, who) == NEW]
    assert len(moved) == 1
    assert holder(shared, NEW) == people[moved[0]].user_id
    assert holder(shared, moved[0]) is None
    for email in people.keys() - set(moved):
        assert (holder(shared, email), address(shared, people[email])) == (
            people[email].user_id,
            email,
        )


def test_of_two_links_of_one_person_at_once_one_counts(shared: World) -> None:
    who = shared.sign_in(ADA)
    wanted = [NEW, "other@example.org"]
    secrets = [asked(shared, who, email) for email in wanted]
    confirm = shared.platform.addresses.confirm
    results = at_once(*[lambda s=secret: confirm(who, s) for secret in secrets])
    assert len([r for r in results if isinstance(r, User)]) == 1
    now = address(shared, who)
    assert now in wanted
    held = {email: holder(shared, email) for email in (ADA, *wanted)}
    assert held == {ADA: None, **dict.fromkeys(wanted), now: who.user_id}


def test_an_address_somebody_signs_up_with_at_that_moment_is_one_accounts(shared: World) -> None:
    who = shared.sign_in(ADA)
    secret = asked(shared, who)
    browser = Visitor(browser=shared.platform.sign_in.request_link(NEW, Visitor()))
    link = shared.mailed_token()
    moved, signed = at_once(
        lambda: shared.platform.addresses.confirm(who, secret),
        lambda: shared.platform.sign_in.redeem(link, browser),
    )
    if isinstance(moved, PlatformError):
        assert moved.code == "email_taken"
        assert address(shared, who) == ADA
        assert holder(shared, ADA) == who.user_id
    else:
        assert signed.user.id == who.user_id
        assert holder(shared, ADA) is None
    assert holder(shared, NEW) == signed.user.id


def test_an_account_that_is_deleted_at_that_moment_leaves_no_address_behind(shared: World) -> None:
    who = shared.sign_in(ADA)
    secret = asked(shared, who)
    at_once(
        lambda: shared.platform.addresses.confirm(who, secret),
        lambda: shared.platform.personal_data.delete(who, confirm=ADA),
    )
    now = address(shared, who)
    # Whichever was first: what is held is the address of an account that is there.
    held = {email: holder(shared, email) for email in (ADA, NEW)}
    assert held == {email: who.user_id if email == now else None for email in (ADA, NEW)}
