"""Moving an account to another email address: proven, once, in the session that asked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.domain.audit import Audited
from chalicelib.domain.sign_in import FRESH
from chalicelib.domain.tenancy import EmailClaim, Principal, Scope, User
from chalicelib.errors import Conflict, Forbidden, Invalid, NotFound, PlatformError, Unauthenticated
from chalicelib.services.sessions import Visitor
from tests.conftest import World

ADA, NEW = "ada@example.com", "countess@example.org"


def asked(world: World, who: Principal, email: str = NEW) -> str:
    """The secret of the link that was mailed to the new address."""
    world.platform.addresses.ask(who, email)
    assert world.mail.sent[-1][0] == email
    return world.mailed_token()


def code_of(kind: type[PlatformError], call: Callable[..., Any], *arguments: object) -> str:
    with pytest.raises(kind) as refused:
        call(*arguments)
    return refused.value.code


def test_an_account_moves_to_the_address_that_was_proven(world: World) -> None:
    who = world.sign_in()
    user = world.platform.addresses.confirm(who, asked(world, who))
    assert (user.id, user.email) == (who.user_id, NEW)
    assert world.session(NEW).user.id == who.user_id
    # The old address is free: whoever signs in with it now is somebody else.
    assert world.session(ADA).user.id != who.user_id


def test_the_old_address_is_told_and_not_where_to(world: World) -> None:
    who = world.sign_in()
    world.platform.addresses.confirm(who, asked(world, who))
    to, subject, text = world.mail.sent[-1]
    assert to == ADA
    assert "another address" in subject
    assert NEW not in text


def test_all_other_sessions_end_and_this_one_and_the_tokens_go_on(world: World) -> None:
    other, here = world.session(), world.session()
    who = world.platform.access.principal(here.access_token)
    _, token = world.platform.tokens.create(who, name="ci", scope=Scope.READ, expires_at=None)
    world.platform.addresses.confirm(who, asked(world, who))
    with pytest.raises(Unauthenticated):
        world.platform.access.principal(other.access_token)
    with pytest.raises(Unauthenticated):
        world.platform.sessions.refresh(Visitor(refresh=other.refresh))
    assert world.platform.sessions.refresh(Visitor(refresh=here.refresh)).user.email == NEW
    assert world.platform.access.principal(token).user_id == who.user_id


def test_nothing_moves_before_the_link_is_confirmed(world: World) -> None:
    who = world.sign_in()
    asked(world, who)
    assert world.session(ADA).user.id == who.user_id
    assert world.store.get(EmailClaim, NEW) is None


def test_a_link_works_once(world: World) -> None:
    who = world.sign_in()
    secret = asked(world, who)
    confirm = world.platform.addresses.confirm
    confirm(who, secret)
    assert code_of(NotFound, confirm, who, secret) == "link_expired"
    assert code_of(NotFound, confirm, who, "made up") == "link_expired"


def test_a_link_lasts_ten_minutes(world: World) -> None:
    who = world.sign_in()
    secret = asked(world, who)
    world.clock.sleep(600)
    assert code_of(NotFound, world.platform.addresses.confirm, who, secret) == "link_expired"


def test_a_link_counts_where_it_was_asked_for_and_nobody_else_uses_it_up(world: World) -> None:
    who, elsewhere = world.sign_in(), world.sign_in()
    secret = asked(world, who)
    confirm = world.platform.addresses.confirm
    for other in (elsewhere, world.sign_in("eve@example.com"), world.sign_in(NEW)):
        assert code_of(Conflict, confirm, other, secret) == "link_other_browser"
    # Whoever reads the new address has an account of their own by now.
    assert code_of(Conflict, confirm, who, secret) == "email_taken"
    third = asked(world, who, "third@example.org")
    assert code_of(Conflict, confirm, elsewhere, third) == "link_other_browser"
    assert confirm(who, third).email == "third@example.org"


def test_a_link_of_before_the_account_moved_counts_no_longer(world: World) -> None:
    who = world.sign_in()
    early = asked(world, who, "early@example.org")
    confirm = world.platform.addresses.confirm
    confirm(who, asked(world, who))
    assert code_of(NotFound, confirm, who, early) == "link_expired"


def test_asking_tells_nobody_whether_an_address_has_an_account(world: World) -> None:
    bob = world.sign_in("bob@example.com")
    who = world.sign_in()
    free, taken = asked(world, who), asked(world, who, "bob@example.com")
    assert free != taken
    texts = [
        mail[2].replace(s, "") for mail, s in zip(world.mail.sent[-2:], (free, taken), strict=True)
    ]
    assert texts[0] == texts[1]
    # Only in the mailbox of that address is there a link, and it takes nothing from its owner.
    assert code_of(Conflict, world.platform.addresses.confirm, who, taken) == "email_taken"
    assert world.session("bob@example.com").user.id == bob.user_id


def test_of_two_who_want_one_address_at_once_one_gets_it(world: World) -> None:
    people = [world.sign_in(f"person{n}@example.com") for n in range(4)]
    secrets = [asked(world, who) for who in people]

    def confirm(n: int) -> bool:
        try:
            world.platform.addresses.confirm(people[n], secrets[n])
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(confirm, range(4)))
    assert moved.count(True) == 1
    winner = people[moved.index(True)]
    claim = world.store.get(EmailClaim, NEW)
    assert claim is not None
    assert claim.user_id == winner.user_id
    for n, who in enumerate(people):
        user = world.store.get(User, who.user_id)
        old = world.store.get(EmailClaim, f"person{n}@example.com")
        assert user is not None
        assert (user.email == NEW, old is None) == (moved[n], moved[n])


def test_of_many_who_confirm_one_link_at_once_one_does(world: World) -> None:
    who = world.sign_in()
    secret = asked(world, who)

    def confirm(_: int) -> bool:
        try:
            world.platform.addresses.confirm(who, secret)
        except (NotFound, Conflict):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(confirm, range(8))).count(True) == 1
    assert [mail[0] for mail in world.mail.sent].count(ADA) == 2  # the sign-in, and the notice


@pytest.mark.parametrize(
    "address", ["a\r\nBcc:x@example.com", "a@b", "\u0430da@example.com", "a@x.com,b@y.com"]
)
def test_an_address_nobody_should_be_written_at_is_refused(world: World, address: str) -> None:
    who = world.sign_in()
    sent = len(world.mail.sent)
    with pytest.raises(Invalid):
        world.platform.addresses.ask(who, address)
    assert len(world.mail.sent) == sent


def test_ones_own_address_is_said_to_be_that(world: World) -> None:
    who = world.sign_in()
    ask = world.platform.addresses.ask
    assert code_of(Invalid, ask, who, " Ada@Example.COM ") == "email_unchanged"


def test_a_session_that_was_ended_moves_nothing_even_where_it_is_remembered(world: World) -> None:
    who, owner = world.sign_in(), world.sign_in()
    secret = asked(world, who)
    world.platform.sessions.end(owner, str(who.session_id))
    confirm = world.platform.addresses.confirm
    assert code_of(Unauthenticated, confirm, who, secret) == "session_ended"


def test_whoever_finds_an_open_browser_cannot_keep_the_account(world: World) -> None:
    browser = world.session()
    world.clock.sleep(FRESH.total_seconds() + 1)
    refreshed = world.platform.sessions.refresh(Visitor(refresh=browser.refresh))
    found = world.platform.access.principal(refreshed.access_token)
    mails = len(world.mail.sent)
    assert code_of(Forbidden, world.platform.addresses.ask, found, NEW) == "sign_in_again"
    assert len(world.mail.sent) == mails
    assert asked(world, world.sign_in())


def test_no_token_moves_an_account(world: World) -> None:
    who = world.sign_in()
    _, secret = world.platform.tokens.create(who, name="t", scope=Scope.ADMIN, expires_at=None)
    token = world.platform.access.principal(secret)
    with pytest.raises(Forbidden):
        world.platform.addresses.ask(token, NEW)
    with pytest.raises(Forbidden):
        world.platform.addresses.confirm(token, "secret")


def test_too_many_mails_are_not_sent_and_nobody_is_told() -> None:
    world = World(env={})
    who = world.sign_in()
    for _ in range(9):
        world.platform.addresses.ask(who, NEW)
    assert [mail[0] for mail in world.mail.sent].count(NEW) == 5


def test_it_stands_in_the_persons_own_log_without_an_address(world: World) -> None:
    owner = world.founded()
    world.platform.addresses.confirm(owner, asked(world, owner))
    user = world.store.get(User, owner.user_id)
    assert user is not None
    kept = world.platform.audit.about(user.personal_org_id, user.id)
    moved = [r for r in kept if r.action == Audited.ACCOUNT_EMAIL_CHANGED]
    assert len(moved) == 1
    assert NEW not in repr(kept)
    assert not [
        r
        for r in world.platform.audit.about(owner.org_id, user.id)
        if r.action == Audited.ACCOUNT_EMAIL_CHANGED
    ]
