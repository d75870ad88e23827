"""The table of refresh secrets: what showing one means, at every moment of a session."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.ids import new_id
from chalicelib.domain.sessions import (
    GRACE,
    MAX_SESSION_AGE,
    SESSION_LIFETIME,
    RefreshSecret,
    Session,
    Use,
    begin,
    rotated,
    successor_of,
    use_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def begun() -> tuple[Session, RefreshSecret]:
    return begin(
        new_id("ses"), new_id("usr"), NOW, method="email", address="192.0.2.1", user_agent="Test"
    )


def turned(
    session: Session, shown: RefreshSecret, at: datetime = NOW
) -> tuple[Session, RefreshSecret]:
    return rotated(session, shown, at, address="192.0.2.2", user_agent="Test")


def test_the_present_secret_is_good_until_the_session_expires() -> None:
    session, secret = begun()
    assert use_of(session, secret, NOW) is Use.PRESENT
    assert use_of(session, secret, NOW + SESSION_LIFETIME - TICK) is Use.PRESENT
    assert use_of(session, secret, NOW + SESSION_LIFETIME) is Use.EXPIRED


def test_a_used_secret_is_a_repeat_for_seconds_and_then_a_theft() -> None:
    session, first = begun()
    session, second = turned(session, first)
    assert use_of(session, second, NOW) is Use.PRESENT
    assert use_of(session, first, NOW + GRACE - TICK) is Use.REPEATED
    assert use_of(session, first, NOW + GRACE) is Use.REUSED


def test_the_secret_before_the_last_is_a_theft_at_once() -> None:
    session, first = begun()
    session, second = turned(session, first)
    session, _ = turned(session, second)
    assert use_of(session, first, NOW) is Use.REUSED


def test_who_never_held_a_secret_can_neither_use_nor_end_the_session() -> None:
    session, secret = begun()
    guessed = replace(secret, family="0" * 64, secret="0" * 64)
    assert use_of(session, guessed, NOW) is Use.FOREIGN
    assert use_of(session, guessed, NOW + SESSION_LIFETIME) is Use.FOREIGN
    assert use_of(session, replace(secret, secret="0" * 64), NOW) is Use.REUSED


def test_a_repeat_gets_the_same_successor_and_the_store_alone_says_nothing() -> None:
    session, first = begun()
    session, second = turned(session, first)
    assert successor_of(session, first) == second
    assert successor_of(session, replace(first, secret="0" * 64)) != second
    written = repr(session)
    for secret in (first.secret, second.secret, first.family):
        assert secret not in written


def test_a_session_in_use_goes_on_but_not_for_ever() -> None:
    session, secret = begun()
    at = NOW
    while use_of(session, secret, at) is Use.PRESENT:
        session, secret = turned(session, secret, at)
        at += SESSION_LIFETIME - timedelta(days=1)
    assert use_of(session, secret, at) is Use.EXPIRED
    assert session.expires_at == NOW + MAX_SESSION_AGE
    assert session.address == "192.0.2.2"


def test_a_cookie_says_what_was_written_into_it() -> None:
    _, secret = begun()
    assert RefreshSecret.parse(str(secret)) == secret


# Written out: what is collected must be the same in every process.
SES, USR = "ses_" + "0" * 26, "usr_" + "0" * 26


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "...",
        "a.b.c.d",
        f"{SES}.{USR}.f.s",
        f"{USR}.{SES}.f",
        f"{USR}.{SES}.f.s.t",
        f"{USR}.{SES}..s",
        f"{USR}.{SES}.{'f' * 65}.s",
        f"{USR}#.{SES}.f.s",
        f"{USR}.{SES}.é.s",
    ],
    ids=range(11),
)
def test_what_we_have_not_written_is_no_secret(text: str | None) -> None:
    assert RefreshSecret.parse(text) is None


def test_what_a_browser_calls_itself_is_kept_short_and_plain() -> None:
    session, _ = begin(
        new_id("ses"), new_id("usr"), NOW, method="email", address="", user_agent="a\r\nb" * 400
    )
    assert session.user_agent.isprintable()
    assert len(session.user_agent) <= 200
