"""Invitations: who may send what, what the mail says, and each way a link can be of no use."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.invitations import InvitationState, parsed_secret, plain_line
from chalicelib.domain.members import Headcount
from chalicelib.domain.tenancy import Membership, Principal, Role
from chalicelib.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PlatformError,
    TooManyRequests,
    Unavailable,
)
from tests.conftest import World

OWNER, ADMIN, DEVELOPER, VIEWER = Role
WEEK = timedelta(days=7).total_seconds()


@pytest.fixture
def acme(world: World) -> Principal:
    return world.founded()


def invite(world: World, who: Principal, email: str = "bob@example.com", **rights: object) -> str:
    """The secret that was mailed."""
    given_rights = {"role": DEVELOPER, **rights}
    world.platform.invitations.invite(who, email=email, **given_rights)  # type: ignore[arg-type]
    assert world.mail.sent[-1][0] == email
    return world.mailed_token()


def refused(work: object) -> str:
    with pytest.raises(PlatformError) as caught:
        work()  # type: ignore[operator]
    return f"{caught.value.status} {caught.value.code}"


def test_an_invitation_is_looked_at_and_accepted(world: World, acme: Principal) -> None:
    agent = world.agent(acme)
    token = invite(world, acme, restricted=True, grants={agent.id: VIEWER})
    preview = world.platform.invitations.preview(token)
    assert (preview.organisation.name, preview.invitation.email, preview.inviter) == (
        "Acme",
        "bob@example.com",
        "ada@example.com",
    )
    joined = world.platform.invitations.accept(world.sign_in("bob@example.com"), token)
    assert joined.membership.role is DEVELOPER
    bob = world.within(acme.org_id, "bob@example.com")
    assert (bob.restricted, dict(bob.grants)) == (True, {agent.id: VIEWER})
    assert world.platform.invitations.listed(acme) == []


def test_accepting_twice_is_accepting_once(world: World, acme: Principal) -> None:
    token = invite(world, acme)
    bob = world.sign_in("bob@example.com")
    first = world.platform.invitations.accept(bob, token)
    assert world.platform.invitations.accept(bob, token) == first
    count = world.store.get(Headcount, acme.org_id)
    assert count is not None
    assert count.members == 2
    assert world.platform.invitations.preview(token).invitation.state is InvitationState.ACCEPTED


def test_each_way_to_fail_says_which_it_is(world: World, acme: Principal) -> None:
    accept, preview = world.platform.invitations.accept, world.platform.invitations.preview
    token = invite(world, acme)
    eve = world.sign_in("eve@example.com")
    assert refused(lambda: accept(eve, token)) == "403 invitation_for_another"
    bob = world.sign_in("bob@example.com")
    world.clock.sleep(WEEK)
    for use in (lambda: preview(token), lambda: accept(bob, token)):
        assert refused(use) == "409 invitation_expired"
    fresh = invite(world, acme)
    found = world.platform.invitations.listed(acme)
    assert [i.state_at(world.clock.now()).value for i in found] == ["pending", "expired"]
    world.platform.invitations.revoke(acme, found[0].id)
    for use in (lambda: preview(fresh), lambda: accept(bob, fresh)):
        assert refused(use) == "409 invitation_revoked"
    third = invite(world, acme)
    accept(bob, third)
    world.platform.members.remove(acme, bob.user_id)
    assert refused(lambda: accept(bob, third)) == "409 invitation_used"
    for nonsense in ("x", "", "a.b.c", third[:-1], third + "x", f"{third}é", third.upper()):
        assert refused(lambda token=nonsense: preview(token)) == "404 invitation_unknown"


def test_a_link_belongs_to_an_address_and_not_to_a_look_alike(
    world: World, acme: Principal
) -> None:
    token = invite(world, acme, "bob@example.com")
    for other in ("bob+x@example.com", "bob@example.com.evil.test", "b0b@example.com"):
        stranger = world.sign_in(other)
        assert refused(lambda who=stranger: world.platform.invitations.accept(who, token)) == (
            "403 invitation_for_another"
        )
    assert world.platform.invitations.accept(world.sign_in("BOB@Example.com"), token)


def test_a_member_is_not_invited_and_does_not_accept(world: World, acme: Principal) -> None:
    again = invite(world, acme)
    world.platform.invitations.accept(world.sign_in("bob@example.com"), again)
    assert refused(lambda: invite(world, acme)) == "409 already_member"
    assert refused(lambda: invite(world, acme, "ada@example.com")) == "409 already_member"


def test_an_address_has_one_invitation_that_waits(world: World, acme: Principal) -> None:
    invite(world, acme)
    assert refused(lambda: invite(world, acme, "BOB@example.com")) == "409 already_invited"


def test_sending_again_gives_a_new_link_and_ends_the_old(world: World, acme: Principal) -> None:
    old = invite(world, acme)
    invitation = world.platform.invitations.listed(acme)[0]
    with pytest.raises(TooManyRequests) as slow:
        world.platform.invitations.resend(acme, invitation.id)
    assert slow.value.retry_after in range(1, 62)
    world.clock.sleep(WEEK + 61)
    world.platform.invitations.resend(acme, invitation.id)
    new = world.mailed_token()
    bob = world.sign_in("bob@example.com")
    assert refused(lambda: world.platform.invitations.accept(bob, old)) == "404 invitation_unknown"
    assert world.platform.invitations.accept(bob, new)
    assert refused(lambda: world.platform.invitations.resend(acme, invitation.id)) == (
        "409 invitation_used"
    )


def test_a_personal_organisation_takes_nobody_in(world: World) -> None:
    ada = world.sign_in()
    with pytest.raises(Conflict) as personal:
        invite(world, ada)
    assert personal.value.code == "organisation_personal"
    assert "Create an organisation first" in personal.value.detail


def test_admins_invite_below_themselves(world: World, acme: Principal) -> None:
    admin = world.join(acme, "boss@example.com", ADMIN)
    for role in (OWNER, ADMIN):
        assert refused(lambda role=role: invite(world, admin, role=role)) == "403 role_too_low"
    assert invite(world, admin, role=VIEWER)
    dev = world.join(acme, "dev@example.com", DEVELOPER)
    assert refused(lambda: invite(world, dev, "x@example.com")) == "403 forbidden"


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_admins_neither_send_again_nor_revoke_what_they_could_not_send(
    world: World, role: Role
) -> None:
    owner = world.founded()
    admin = world.join(owner, "admin@example.com", Role.ADMIN)
    waiting = world.platform.invitations.invite(owner, email="new@example.com", role=role)
    world.clock.sleep(120)
    mails = len(world.mail.sent)
    for act in (world.platform.invitations.resend, world.platform.invitations.revoke):
        with pytest.raises(Forbidden):
            act(admin, waiting.id)
    assert len(world.mail.sent) == mails
    assert [i.id for i in world.platform.invitations.listed(owner)] == [waiting.id]


def test_what_a_removed_or_lowered_member_sent_counts_no_longer(
    world: World, acme: Principal
) -> None:
    boss = world.join(acme, "boss@example.com", OWNER)
    token = invite(world, boss, "accomplice@example.com", role=OWNER)
    accomplice = world.sign_in("accomplice@example.com")
    world.platform.members.update(acme, boss.user_id, if_revision=None, role=ADMIN)
    accept = world.platform.invitations.accept
    assert refused(lambda: accept(accomplice, token)) == "409 invitation_revoked"
    world.platform.members.remove(acme, boss.user_id)
    assert refused(lambda: accept(accomplice, token)) == "409 invitation_revoked"
    # Somebody who may can stand in for them.
    world.clock.sleep(61)
    world.platform.invitations.resend(acme, world.platform.invitations.listed(acme)[0].id)
    assert accept(accomplice, world.mailed_token())


def test_limits_of_the_tier_hold(world: World, acme: Principal) -> None:
    limits = world.platform.settings.tenant_limits["free"]
    for number in range(limits.invitations):
        invite(world, acme, f"p{number}@example.com")
    assert refused(lambda: invite(world, acme, "one@more.example")) == "409 invitation_limit"
    for number in range(limits.members - 1):
        token = next(
            m[2].split("#token=")[1].split()[0]
            for m in world.mail.sent
            if m[0] == f"p{number}@example.com"
        )
        world.platform.invitations.accept(world.sign_in(f"p{number}@example.com"), token)
    last = f"p{limits.members}@example.com"
    token = next(m[2].split("#token=")[1].split()[0] for m in world.mail.sent if m[0] == last)
    assert refused(lambda: world.platform.invitations.accept(world.sign_in(last), token)) == (
        "409 member_limit"
    )


def test_a_mail_that_cannot_be_sent_leaves_no_invitation(world: World, acme: Principal) -> None:
    send = world.mail.send

    def broken(to: str, subject: str, text: str) -> None:
        raise Unavailable("No mail now.")

    world.mail.send = broken  # type: ignore[method-assign]
    assert refused(lambda: invite(world, acme)) == "503 unavailable"
    world.mail.send = send  # type: ignore[method-assign]
    assert world.platform.invitations.listed(acme) == []
    token = invite(world, acme)
    world.clock.sleep(61)
    world.mail.send = broken  # type: ignore[method-assign]
    waiting = world.platform.invitations.listed(acme)[0].id
    assert refused(lambda: world.platform.invitations.resend(acme, waiting)) == "503 unavailable"
    world.mail.send = send  # type: ignore[method-assign]
    assert world.platform.invitations.accept(world.sign_in("bob@example.com"), token)


def test_nobody_is_flooded_with_invitations() -> None:
    world = World(env={})
    allowed = world.platform.settings.rate_limits["anybody"]["mail_to"]
    owners = [world.founded(f"ada{n}@example.com", f"Org {n}") for n in range(allowed + 1)]
    for owner in owners[:-1]:
        invite(world, owner, "victim@example.com")
    with pytest.raises(TooManyRequests) as slow:
        invite(world, owners[-1], "victim@example.com")
    assert slow.value.retry_after == 3600
    assert world.platform.invitations.listed(owners[-1]) == []


def test_another_organisations_invitation_is_404(world: World, acme: Principal) -> None:
    other = world.founded("eve@example.com", "Evil")
    invite(world, acme)
    invitation = world.platform.invitations.listed(acme)[0]
    for work in (
        lambda: world.platform.invitations.revoke(other, invitation.id),
        lambda: world.platform.invitations.resend(other, invitation.id),
    ):
        with pytest.raises(NotFound):
            work()


def test_a_secret_opens_no_other_invitation(world: World, acme: Principal) -> None:
    other = world.founded("eve@example.com", "Evil")
    mine = parsed_secret(invite(world, acme))
    theirs = parsed_secret(invite(world, other, "eva@example.com"))
    assert mine is not None
    assert theirs is not None
    for crossed in (
        f"{mine.org_id}.{mine.invitation_id}.{theirs.secret}",
        f"{theirs.org_id}.{mine.invitation_id}.{theirs.secret}",
        f"{mine.org_id}.{theirs.invitation_id}.{mine.secret}",
    ):
        with pytest.raises(NotFound):
            world.platform.invitations.preview(crossed)


def test_the_secret_is_stored_by_its_hash_only(world: World, acme: Principal) -> None:
    token = invite(world, acme)
    secret = token.rsplit(".", 1)[1]
    assert not any(secret.encode() in document for document in world.store.dump().values())


@pytest.mark.parametrize(
    "email",
    [
        "bob@example.com\nBcc: all@example.com",
        "bob@example.com\r\n\r\nHello",
        "bob@example.com, eve@example.com",
        "Bob <bob@example.com>",
        "bob@example.com\u2028Bcc: x@example.com",
        "bob@exa\u0000mple.com",
        "bob@localhost",
        "",
    ],
)
def test_an_address_that_would_be_more_than_one_is_refused(
    world: World, acme: Principal, email: str
) -> None:
    sent = len(world.mail.sent)
    with pytest.raises(Invalid):
        world.platform.invitations.invite(acme, email=email, role=VIEWER)
    assert len(world.mail.sent) == sent


@pytest.mark.parametrize(
    "name",
    [
        "Your bank https://evil.example/login",
        "www.evil.example",
        "evil\uff0eexample",
        "Acme\u202e gro.live//:sptth",
        "A\u2028Subject: you have won",
        "x@evil.example",
        "a" * 80,
    ],
)
def test_a_name_brings_no_link_and_no_line_into_the_mail(world: World, name: str) -> None:
    owner = world.founded(name=name)
    invite(world, owner)
    _, subject, text = world.mail.sent[-1]
    shown = plain_line(name)
    assert "\n" not in subject
    assert "\u2028" not in subject + text
    assert "\u202e" not in subject + text
    assert "evil.example" not in subject + text
    assert text.count("://") == 1
    assert f"“{shown}”" in text
    assert len(shown) <= 60


@given(st.text(max_size=120))
def test_a_shown_name_is_one_plain_line(text: str) -> None:
    shown = plain_line(text)
    assert shown == " ".join(shown.split())
    assert len(shown) <= 60
    assert "://" not in shown
    assert "@" not in shown
    assert not any(c in shown for c in "\n\r\t\x00\u2028\u2029\u202e\u200b")
    assert plain_line(shown) == shown


def test_nobody_joins_an_organisation_that_is_closing(world: World, acme: Principal) -> None:
    token = invite(world, acme)
    world.platform.closing.close(acme, confirm="Acme")
    bob = world.sign_in("bob@example.com")
    assert refused(lambda: world.platform.invitations.accept(bob, token)) == (
        "409 organisation_closing"
    )
    assert world.store.get(Membership, acme.org_id, bob.user_id) is None
    with pytest.raises(Conflict):
        invite(world, world.within(acme.org_id, "ada@example.com"), "new@example.com")
