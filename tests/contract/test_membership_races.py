"""Changes of membership at the same moment, on every store: exactly what should happen, happens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from chalicelib.domain.members import Headcount, Places
from chalicelib.domain.tenancy import Membership, Principal, Role, Scope
from chalicelib.errors import PlatformError, Unauthenticated
from chalicelib.ports import MEMBERS, Store, every
from tests.conftest import World

OWNER, ADMIN, DEVELOPER, VIEWER = Role


@pytest.fixture
def shared(store: Store) -> World:
    return World(store=store)  # type: ignore[arg-type]  # uses what the port has


def at_once(*works: Callable[[], object]) -> list[Any]:
    """What each of them came to: its result, or its error."""
    start = Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait(timeout=60)
        try:
            return work()
        except PlatformError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def counted(world: World, org_id: str) -> None:
    """The counts say what is true."""
    members = list(every(world.store, MEMBERS, org_id))
    owners = [m for m in members if m.role is OWNER]
    count = world.store.get(Headcount, org_id) or Headcount(org_id)
    assert (count.owners, count.members) == (len(owners), len(members))
    assert owners


def codes(results: list[Any]) -> list[str]:
    return sorted(r.code for r in results if isinstance(r, PlatformError))


def test_an_invitation_that_is_accepted_eight_times_at_once_makes_one_member(shared: World) -> None:
    acme = shared.founded()
    shared.platform.invitations.invite(acme, email="bob@example.com", role=DEVELOPER)
    token = shared.mailed_token()
    bob = shared.sign_in("bob@example.com")
    results = at_once(*[lambda: shared.platform.invitations.accept(bob, token)] * 8)
    done = [r for r in results if not isinstance(r, PlatformError)]
    assert done
    assert all(r == done[0] for r in done)
    counted(shared, acme.org_id)
    assert shared.store.get(Places, bob.user_id).organisations == 1  # type: ignore[union-attr]
    assert len(list(every(shared.store, MEMBERS, acme.org_id))) == 2


def test_the_last_seat_is_taken_once(shared: World) -> None:
    acme = shared.founded()
    seats = shared.platform.settings.tenant_limits["free"].members
    for number in range(seats - 2):
        shared.join(acme, f"p{number}@example.com", VIEWER)
    works = []
    for name in ("x", "y", "z"):
        shared.platform.invitations.invite(acme, email=f"{name}@example.com", role=VIEWER)
        token, who = shared.mailed_token(), shared.sign_in(f"{name}@example.com")
        works.append(partial(shared.platform.invitations.accept, who, token))
    assert codes(at_once(*works)) == ["member_limit", "member_limit"]
    counted(shared, acme.org_id)


@pytest.mark.parametrize("how", ["lower each other", "lower themselves", "leave", "one of each"])
def test_two_last_owners_never_both_go(shared: World, how: str) -> None:
    ada = shared.founded()
    bob = shared.join(ada, "bob@example.com", OWNER)
    members = shared.platform.members

    def lower(who: Principal, whom: Principal) -> Callable[[], object]:
        return lambda: members.update(who, whom.user_id, if_revision=None, role=DEVELOPER)

    def leave(who: Principal) -> Callable[[], object]:
        return lambda: members.remove(who, who.user_id)

    works = {
        "lower each other": (lower(ada, bob), lower(bob, ada)),
        "lower themselves": (lower(ada, ada), lower(bob, bob)),
        "leave": (leave(ada), leave(bob)),
        "one of each": (lower(ada, bob), leave(ada)),
    }[how]
    results = at_once(*works)
    assert len(codes(results)) == 1, results
    assert codes(results)[0] in ("last_owner", "forbidden", "organisation_unknown")
    counted(shared, ada.org_id)


def test_a_transfer_racing_with_leaving_leaves_an_owner(shared: World) -> None:
    members = shared.platform.members
    for round_ in range(4):
        ada = shared.founded(f"ada{round_}@example.com", f"Org {round_}")
        bob = shared.join(ada, f"bob{round_}@example.com", DEVELOPER)
        at_once(
            partial(members.transfer, ada, bob.user_id),
            partial(members.remove, bob, bob.user_id),
            partial(members.remove, ada, ada.user_id),
        )
        counted(shared, ada.org_id)


def test_a_token_made_while_its_maker_is_removed_does_not_outlive_them(shared: World) -> None:
    for round_ in range(4):
        acme = shared.founded(f"ada{round_}@example.com", f"Org {round_}")
        dev = shared.join(acme, f"dev{round_}@example.com", DEVELOPER)
        made, _ = at_once(
            partial(
                shared.platform.tokens.create, dev, name="ci", scope=Scope.DEPLOY, expires_at=None
            ),
            partial(shared.platform.members.remove, acme, dev.user_id),
        )
        assert shared.store.get(Membership, acme.org_id, dev.user_id) is None
        if not isinstance(made, PlatformError):
            with pytest.raises(Unauthenticated):
                shared.platform.access.principal(made[1])


def test_a_token_made_while_its_makers_role_falls_falls_with_it(shared: World) -> None:
    for round_ in range(4):
        acme = shared.founded(f"ada{round_}@example.com", f"Org {round_}")
        dev = shared.join(acme, f"dev{round_}@example.com", DEVELOPER)
        made, _ = at_once(
            partial(
                shared.platform.tokens.create, dev, name="ci", scope=Scope.DEPLOY, expires_at=None
            ),
            partial(
                shared.platform.members.update, acme, dev.user_id, if_revision=None, role=VIEWER
            ),
        )
        if not isinstance(made, PlatformError):
            assert shared.platform.access.principal(made[1]).role is VIEWER


def test_one_address_gets_one_invitation_however_often_it_is_invited(shared: World) -> None:
    acme = shared.founded()
    results = at_once(
        *[lambda: shared.platform.invitations.invite(acme, email="bob@example.com", role=DEVELOPER)]
        * 5
    )
    assert codes(results) == ["already_invited"] * 4
    assert len(shared.platform.invitations.listed(acme)) == 1


def test_accepting_and_revoking_at_once_is_one_of_the_two(shared: World) -> None:
    for round_ in range(4):
        acme = shared.founded(f"ada{round_}@example.com", f"Org {round_}")
        made = shared.platform.invitations.invite(
            acme, email=f"bob{round_}@example.com", role=DEVELOPER
        )
        token, bob = shared.mailed_token(), shared.sign_in(f"bob{round_}@example.com")
        results = at_once(
            partial(shared.platform.invitations.accept, bob, token),
            partial(shared.platform.invitations.revoke, acme, made.id),
        )
        assert codes(results) in (["invitation_revoked"], ["invitation_used"])
        counted(shared, acme.org_id)


def test_closing_and_joining_at_once_lets_nobody_slip_in_unseen(shared: World) -> None:
    for round_ in range(4):
        acme = shared.founded(f"ada{round_}@example.com", f"Org {round_}")
        shared.platform.invitations.invite(acme, email=f"b{round_}@example.com", role=DEVELOPER)
        token, bob = shared.mailed_token(), shared.sign_in(f"b{round_}@example.com")
        results = at_once(
            partial(shared.platform.invitations.accept, bob, token),
            partial(shared.platform.closing.close, acme, confirm=f"Org {round_}"),
        )
        assert codes(results) in ([], ["organisation_closing"])
        counted(shared, acme.org_id)


def test_of_ten_organisations_made_at_once_no_more_than_allowed_exist(shared: World) -> None:
    ada = shared.sign_in()
    allowed = shared.platform.settings.tenant_limits["free"].organisations
    for number in range(allowed - 2):
        shared.platform.organisations.create(ada, name=f"Org {number}")
    results = at_once(*[lambda: shared.platform.organisations.create(ada, name="One more")] * 5)
    assert codes(results) == ["organisation_limit"] * 3
    assert shared.store.get(Places, ada.user_id).organisations == allowed  # type: ignore[union-attr]
