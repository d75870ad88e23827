"""Principals: what grants widen, what restriction and single-agent tokens hide."""

from __future__ import annotations

import pytest

from chalicelib.domain.tenancy import SIGNED_IN_ONLY, Action, Principal, Role, Scope
from chalicelib.errors import Forbidden

X, Y = "agt_x", "agt_y"


def person(role: Role = Role.VIEWER, **more: object) -> Principal:
    return Principal("usr_1", "org_1", role, **more)  # type: ignore[arg-type]


def test_a_grant_widens_the_role_on_its_agent_alone() -> None:
    who = person(grants={X: Role.DEVELOPER})
    assert who.may(Action.VERSION_CREATE, X)
    assert not who.may(Action.VERSION_CREATE, Y)
    assert not who.may(Action.AGENT_CREATE)


def test_a_grant_narrows_nothing() -> None:
    assert person(Role.OWNER, grants={X: Role.VIEWER}).may(Action.AGENT_DELETE, X)


def test_a_restricted_member_sees_the_granted_agents_and_no_others() -> None:
    who = person(Role.DEVELOPER, grants={X: Role.VIEWER}, restricted=True)
    assert who.sees(X)
    assert not who.sees(Y)
    assert not who.may(Action.AGENT_UPDATE, X)
    assert not who.may(Action.AGENT_CREATE)
    assert who.may(Action.AGENT_READ)


def test_a_token_for_one_agent_reaches_that_one_alone() -> None:
    token = person(Role.OWNER, token_id="tok_1", agent_id=X, scope=Scope.ADMIN)
    assert token.may(Action.AGENT_DELETE, X)
    assert not token.sees(Y)
    assert not token.may(Action.AGENT_CREATE)
    assert not token.may(Action.MEMBER_READ)


@pytest.mark.parametrize("action", sorted(SIGNED_IN_ONLY))
def test_what_only_people_may_no_token_may(action: Action) -> None:
    assert person(Role.OWNER).may(action)
    with pytest.raises(Forbidden, match="API token"):
        person(Role.OWNER, token_id="tok_1").require(action)
