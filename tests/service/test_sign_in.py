"""Signing in by email, sessions that follow each other, and the tokens a person makes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.sessions import GRACE, MAX_SESSIONS, SESSION_LIFETIME, RefreshSecret
from chalicelib.errors import Invalid, NotFound, Unauthenticated
from chalicelib.services.access import Access
from chalicelib.services.sessions import Visitor
from tests.conftest import World

ADA = "ada@example.com"


def secret_in(world: World, mail: int = -1) -> str:
    return world.mail.sent[mail][2].split("#token=")[1].split()[0]


def code_of(call: object, *arguments: object) -> str:
    with pytest.raises(Unauthenticated) as refused:
        call(*arguments)  # type: ignore[operator]
    return refused.value.code


def test_a_link_works_once_and_for_the_same_person_whatever_the_case(world: World) -> None:
    browser = Visitor(browser=world.platform.sign_in.request_link(ADA, Visitor()))
    secret = secret_in(world)
    first = world.platform.sign_in.redeem(secret, browser)
    assert code_of(world.platform.sign_in.redeem, secret, browser) == "link_expired"
    assert world.session("ADA@Example.com ").user == first.user


def test_a_link_lasts_ten_minutes(world: World) -> None:
    browser = Visitor(browser=world.platform.sign_in.request_link(ADA, Visitor()))
    world.clock.sleep(600)
    assert code_of(world.platform.sign_in.redeem, secret_in(world), browser) == "link_expired"


@pytest.mark.parametrize("other", [None, "", "x" * 43])
def test_a_link_is_for_the_browser_that_asked_and_no_other_uses_it_up(
    world: World, other: str | None
) -> None:
    browser = Visitor(browser=world.platform.sign_in.request_link(ADA, Visitor()))
    stranger = Visitor(browser=other)
    assert code_of(world.platform.sign_in.redeem, secret_in(world), stranger) == (
        "link_other_browser"
    )
    assert world.platform.sign_in.redeem(secret_in(world), browser).user.email == ADA


def test_asking_again_leaves_the_first_link_good(world: World) -> None:
    name = world.platform.sign_in.request_link(ADA, Visitor())
    assert world.platform.sign_in.request_link(ADA, Visitor(browser=name)) == name
    browser = Visitor(browser=name)
    users = [world.platform.sign_in.redeem(secret_in(world, n), browser).user for n in (0, 1)]
    assert users[0] == users[1]


def test_of_many_who_redeem_a_link_at_once_one_signs_in(world: World) -> None:
    browser = Visitor(browser=world.platform.sign_in.request_link(ADA, Visitor()))
    secret = secret_in(world)

    def redeem(_: int) -> bool:
        try:
            world.platform.sign_in.redeem(secret, browser)
        except Unauthenticated:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(redeem, range(16))).count(True) == 1


def test_two_first_sign_ins_at_once_make_one_account(world: World) -> None:
    name = world.platform.sign_in.request_link(ADA, Visitor())
    world.platform.sign_in.request_link(ADA, Visitor(browser=name))
    with ThreadPoolExecutor(2) as pool:
        users = list(
            pool.map(
                lambda n: (
                    world.platform.sign_in.redeem(secret_in(world, n), Visitor(browser=name)).user
                ),
                (0, 1),
            )
        )
    assert users[0].id == users[1].id


@pytest.mark.parametrize("address", ["a\r\nBcc:x@example.com", "a@b", "\u0430da@example.com"])
def test_an_address_nobody_should_be_written_at_is_refused(world: World, address: str) -> None:
    with pytest.raises(Invalid):
        world.platform.sign_in.request_link(address, Visitor())
    with pytest.raises(Invalid):
        world.platform.sign_in.request_link(ADA, Visitor(), return_to="//evil.example")
    assert not world.mail.sent


def test_the_page_somebody_wanted_comes_back_with_the_session(world: World) -> None:
    name = world.platform.sign_in.request_link(ADA, Visitor(), return_to="/agents?x=1")
    signed = world.platform.sign_in.redeem(secret_in(world), Visitor(browser=name))
    assert signed.return_to == "/agents?x=1"


def test_the_secret_stands_behind_the_hash_and_only_there(world: World) -> None:
    world.platform.sign_in.request_link(ADA, Visitor())
    text = world.mail.sent[-1][2]
    before, _, after = text.partition("#token=")
    assert before.rpartition("http")[2].endswith("/sign-in/email")
    assert secret_in(world) not in before
    assert "\n" not in after.split()[0]


def test_too_many_mails_are_not_sent_and_nobody_is_told() -> None:
    world = World(env={})
    for _ in range(9):
        assert world.platform.sign_in.request_link(ADA, Visitor())
    assert len(world.mail.sent) < 9
    world.clock.sleep(3600)
    sent = len(world.mail.sent)
    world.platform.sign_in.request_link(ADA, Visitor())
    assert len(world.mail.sent) == sent + 1


# --- sessions ---------------------------------------------------------------------------------


def test_a_refresh_gives_a_new_token_and_the_next_secret(world: World) -> None:
    signed = world.session()
    again = world.platform.sessions.refresh(Visitor(refresh=signed.refresh))
    assert again.access_token != signed.access_token
    assert again.refresh != signed.refresh
    who = world.platform.access.principal(again.access_token)
    assert who.user_id == signed.user.id
    assert who.session_id == world.platform.access.principal(signed.access_token).session_id


def test_two_tabs_that_refresh_at_once_end_with_the_same_secret(world: World) -> None:
    tab = Visitor(refresh=world.session().refresh)
    with ThreadPoolExecutor(4) as pool:
        secrets = {s.refresh for s in pool.map(world.platform.sessions.refresh, [tab] * 8)}
    assert len(secrets) == 1
    world.platform.sessions.refresh(Visitor(refresh=secrets.pop()))


def test_a_lost_answer_is_asked_for_again(world: World) -> None:
    signed = world.session()
    lost = world.platform.sessions.refresh(Visitor(refresh=signed.refresh))
    world.clock.sleep(GRACE.total_seconds() - 1)
    assert world.platform.sessions.refresh(Visitor(refresh=signed.refresh)).refresh == lost.refresh


def test_a_stolen_secret_ends_the_session_for_thief_and_owner(world: World) -> None:
    stolen = world.session().refresh
    owner = world.platform.sessions.refresh(Visitor(refresh=stolen))
    world.clock.sleep(GRACE.total_seconds())
    assert code_of(world.platform.sessions.refresh, Visitor(refresh=stolen)) == "session_reused"
    assert code_of(world.platform.sessions.refresh, Visitor(refresh=owner.refresh)) == (
        "session_ended"
    )
    assert code_of(world.platform.access.principal, owner.access_token) == "session_ended"


def test_other_sessions_go_on_when_one_was_stolen(world: World) -> None:
    stolen, other = world.session().refresh, world.session().refresh
    world.platform.sessions.refresh(Visitor(refresh=stolen))
    world.clock.sleep(GRACE.total_seconds())
    assert code_of(world.platform.sessions.refresh, Visitor(refresh=stolen)) == "session_reused"
    world.platform.sessions.refresh(Visitor(refresh=other))


def test_who_knows_only_the_sessions_id_cannot_end_it(world: World) -> None:
    signed = world.session()
    known = RefreshSecret.parse(signed.refresh)
    assert known is not None
    guess = Visitor(refresh=str(replace(known, family="0" * 64, secret="0" * 64)))
    assert code_of(world.platform.sessions.refresh, guess) == "session_ended"
    world.platform.sessions.sign_out(guess)
    assert world.platform.sessions.refresh(Visitor(refresh=signed.refresh))


@pytest.mark.parametrize("refresh", [None, "", "nonsense", "a.b.c.d"])
def test_no_secret_no_session(world: World, refresh: str | None) -> None:
    assert code_of(world.platform.sessions.refresh, Visitor(refresh=refresh)) == "session_ended"
    world.platform.sessions.sign_out(Visitor(refresh=refresh))


def test_an_unused_session_ends_after_thirty_days(world: World) -> None:
    signed = world.session()
    world.clock.sleep(SESSION_LIFETIME.total_seconds())
    assert code_of(world.platform.sessions.refresh, Visitor(refresh=signed.refresh)) == (
        "session_ended"
    )


def test_signing_out_ends_the_session_at_once_and_twice_is_fine(world: World) -> None:
    signed = world.session()
    assert world.platform.access.principal(signed.access_token)
    for _ in range(2):
        world.platform.sessions.sign_out(Visitor(refresh=signed.refresh))
    assert code_of(world.platform.access.principal, signed.access_token) == "session_ended"


def test_elsewhere_an_ended_session_is_over_within_a_minute(world: World) -> None:
    signed = world.session()
    elsewhere = Access(store=world.store, signer=world.signer, clock=world.clock)
    elsewhere.principal(signed.access_token)
    world.platform.sessions.sign_out(Visitor(refresh=signed.refresh))
    elsewhere.principal(signed.access_token)
    world.clock.sleep(60)
    assert code_of(elsewhere.principal, signed.access_token) == "session_ended"


def test_a_person_sees_and_ends_their_own_sessions_only(world: World) -> None:
    here, there = world.session(), world.session()
    other = world.sign_in("bob@example.com")
    who = world.platform.access.principal(here.access_token)
    mine = world.platform.sessions.mine(who)
    assert len(mine) == 2
    assert who.session_id in {s.id for s in mine}
    with pytest.raises(NotFound):
        world.platform.sessions.end(who, str(other.session_id))
    assert world.platform.sessions.end_others(who) == 1
    assert code_of(world.platform.sessions.refresh, Visitor(refresh=there.refresh)) == (
        "session_ended"
    )
    assert world.platform.sessions.refresh(Visitor(refresh=here.refresh))


def test_only_so_many_sessions_are_kept_and_the_oldest_end(world: World) -> None:
    first = world.session()
    for _ in range(MAX_SESSIONS):
        world.clock.sleep(900)  # only so many mails go to one address in an hour
        last = world.session()
    assert len(world.platform.sessions.mine(world.sign_in())) <= MAX_SESSIONS + 1
    assert code_of(world.platform.sessions.refresh, Visitor(refresh=first.refresh)) == (
        "session_ended"
    )
    assert world.platform.sessions.refresh(Visitor(refresh=last.refresh))


def test_a_refresh_says_from_where_it_came(world: World) -> None:
    signed = world.session()
    where = Visitor(address="192.0.2.9", user_agent="Browser/2", refresh=signed.refresh)
    world.clock.sleep(timedelta(hours=1).total_seconds())
    world.platform.sessions.refresh(where)
    (session,) = world.platform.sessions.mine(world.platform.access.principal(signed.access_token))
    assert (session.address, session.user_agent) == ("192.0.2.9", "Browser/2")
    assert session.last_used_at > session.created_at
