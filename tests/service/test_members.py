"""Members: who may change whom, what their tokens follow, and what stays when they go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.deployments import DeploymentState
from chalicelib.domain.members import Headcount, changed_rights
from chalicelib.domain.tenancy import RANKS, Action, Membership, Principal, Role, Scope
from chalicelib.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PlatformError,
    PreconditionFailed,
    Unauthenticated,
)
from tests.conftest import World

OWNER, ADMIN, DEVELOPER, VIEWER = Role


def change(world: World, who: Principal, whom: Principal, **rights: object) -> Membership:
    return world.platform.members.update(who, whom.user_id, if_revision=None, **rights).membership  # type: ignore[arg-type]


@pytest.fixture
def people(world: World) -> dict[Role, Principal]:
    owner = world.founded()
    return {
        OWNER: owner,
        **{
            role: world.join(owner, f"{role}@example.com", role)
            for role in (ADMIN, DEVELOPER, VIEWER)
        },
    }


def test_members_are_listed_with_their_names_and_rights(
    world: World, people: dict[Role, Principal]
) -> None:
    page = world.platform.members.page(people[VIEWER], limit=50, after=None)
    assert [(m.user.email, m.membership.role) for m in page.items if m.user] == [
        ("ada@example.com", OWNER),
        ("admin@example.com", ADMIN),
        ("developer@example.com", DEVELOPER),
        ("viewer@example.com", VIEWER),
    ]
    first = world.platform.members.page(people[VIEWER], limit=2, after=None)
    second = world.platform.members.page(people[VIEWER], limit=2, after=first.next)
    assert [*first.items, *second.items] == list(page.items)


@pytest.mark.parametrize("actor", [OWNER, ADMIN])
@pytest.mark.parametrize("target", [ADMIN, DEVELOPER, VIEWER])
@pytest.mark.parametrize("given_role", list(Role))
def test_owners_act_on_all_and_admins_below_themselves(
    world: World, people: dict[Role, Principal], actor: Role, target: Role, given_role: Role
) -> None:
    if actor is target:
        return
    allowed = actor is OWNER or (RANKS[target] < RANKS[ADMIN] and RANKS[given_role] < RANKS[ADMIN])
    if target is given_role or allowed:
        assert change(world, people[actor], people[target], role=given_role).role is given_role
    else:
        with pytest.raises(Forbidden):
            change(world, people[actor], people[target], role=given_role)


def test_an_admin_cannot_touch_an_owner(world: World, people: dict[Role, Principal]) -> None:
    for work in (
        lambda: change(world, people[ADMIN], people[OWNER], role=VIEWER),
        lambda: change(world, people[ADMIN], people[OWNER], grants={}, restricted=True),
        lambda: world.platform.members.remove(people[ADMIN], people[OWNER].user_id),
        lambda: world.platform.members.transfer(people[ADMIN], people[ADMIN].user_id),
    ):
        with pytest.raises(Forbidden):
            work()


RIGHTS = st.tuples(
    st.sampled_from(list(Role)),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(["agt_1", "agt_2"]), st.sampled_from([ADMIN, DEVELOPER, VIEWER])
    ),
)


@given(RIGHTS, RIGHTS)
def test_nobody_raises_themselves(
    has: tuple[Role, bool, dict[str, Role]], wants: tuple[Role, bool, dict[str, Role]]
) -> None:
    role, restricted, grants = has
    made = datetime(2026, 1, 1, tzinfo=UTC)
    me = Membership(
        "org_1", "usr_1", role, made, grants, restricted and role in (DEVELOPER, VIEWER)
    )
    try:
        after = changed_rights(me, me, role=wants[0], restricted=wants[1], grants=wants[2])
    except (Forbidden, Invalid):
        return
    assert RANKS[after.role] <= RANKS[me.role]
    assert (after.restricted, after.grants) == (me.restricted, me.grants)


def test_the_last_owner_stays(world: World, people: dict[Role, Principal]) -> None:
    owner = people[OWNER]
    for work in (
        lambda: world.platform.members.remove(owner, owner.user_id),
        lambda: change(world, owner, owner, role=ADMIN),
    ):
        with pytest.raises(Conflict) as refused:
            work()
        assert refused.value.code == "last_owner"
    change(world, owner, people[ADMIN], role=OWNER)
    assert change(world, owner, owner, role=DEVELOPER).role is DEVELOPER
    with pytest.raises(Forbidden):
        change(world, world.within(owner.org_id, "ada@example.com"), owner, role=OWNER)


def test_anybody_else_can_leave(world: World, people: dict[Role, Principal]) -> None:
    viewer = people[VIEWER]
    world.platform.members.remove(viewer, viewer.user_id)
    with pytest.raises(NotFound):
        world.within(viewer.org_id, "viewer@example.com")
    count = world.store.get(Headcount, viewer.org_id)
    assert (count.owners, count.members) == (1, 3)  # type: ignore[union-attr]
    back = world.join(people[OWNER], "viewer@example.com", VIEWER)
    assert back.user_id == viewer.user_id


def test_nobody_leaves_the_personal_organisation(world: World) -> None:
    ada = world.sign_in()
    with pytest.raises(Conflict) as refused:
        world.platform.members.remove(ada, ada.user_id)
    assert refused.value.code == "organisation_personal"


def test_a_transfer_makes_an_owner_and_an_admin(
    world: World, people: dict[Role, Principal]
) -> None:
    owner, heir = people[OWNER], people[DEVELOPER]
    agent = world.agent(owner)
    change(world, owner, heir, restricted=True, grants={agent.id: DEVELOPER})
    done = world.platform.members.transfer(owner, heir.user_id)
    assert (done.membership.role, done.membership.restricted) == (OWNER, False)
    assert world.within(owner.org_id, "ada@example.com").role is ADMIN
    with pytest.raises(Forbidden):
        world.platform.members.transfer(
            world.within(owner.org_id, "ada@example.com"), owner.user_id
        )
    again = world.within(owner.org_id, "developer@example.com")
    with pytest.raises(Invalid):
        world.platform.members.transfer(again, again.user_id)
    with pytest.raises(NotFound):
        world.platform.members.transfer(again, world.sign_in("eve@example.com").user_id)


@pytest.mark.parametrize(
    ("rights", "field"),
    [
        ({"role": ADMIN, "restricted": True}, "restricted"),
        ({"restricted": True, "role": OWNER}, "restricted"),
        ({"grants": {"agt_none": DEVELOPER}}, "grants"),
    ],
)
def test_rights_that_do_not_fit_are_named(
    world: World, people: dict[Role, Principal], rights: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        change(world, people[OWNER], people[DEVELOPER], **rights)
    assert refused.value.errors[0].field == field


def test_a_grant_is_never_ownership_and_never_on_another_tenants_agent(
    world: World, people: dict[Role, Principal]
) -> None:
    mine = world.agent(people[OWNER])
    theirs = world.agent(world.sign_in("eve@example.com"))
    for grants in ({mine.id: OWNER}, {theirs.id: VIEWER}):
        with pytest.raises(Invalid):
            change(world, people[OWNER], people[VIEWER], grants=grants)


def test_a_grant_widens_and_a_restriction_hides(
    world: World, people: dict[Role, Principal]
) -> None:
    owner, viewer = people[OWNER], people[VIEWER]
    one, two = world.agent(owner, "One"), world.agent(owner, "Two")
    change(world, owner, viewer, grants={one.id: DEVELOPER})
    viewer = world.within(owner.org_id, "viewer@example.com")
    assert world.platform.agents.update(viewer, one.id, if_revision=None, name="Uno")
    with pytest.raises(Forbidden):
        world.platform.agents.update(viewer, two.id, if_revision=None, name="Dos")
    change(world, owner, viewer, restricted=True)
    viewer = world.within(owner.org_id, "viewer@example.com")
    page = world.platform.agents.page(viewer, limit=50, after=None)
    assert [agent.id for agent in page.items] == [one.id]
    with pytest.raises(NotFound):
        world.platform.agents.get(viewer, two.id)
    hidden = world.live(owner, two)
    with pytest.raises(NotFound):
        world.platform.deployments.get(viewer, hidden.id)
    with pytest.raises(NotFound):
        world.platform.versions.get(viewer, two.id, hidden.version_id)
    shown = world.platform.members.page(viewer, limit=50, after=None)
    assert all(set(m.membership.grants) <= {one.id} for m in shown.items)


def test_the_deployments_of_all_agents_are_those_of_the_agents_one_sees(
    world: World, people: dict[Role, Principal]
) -> None:
    owner, viewer = people[OWNER], people[VIEWER]
    agents = [world.agent(owner, f"Agent {n}") for n in range(3)]
    made = [world.live(owner, agents[n % 3]).id for n in range(7)]

    def seen(principal: Principal) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            page, known = world.platform.deployments.recent(principal, limit=2, after=after)
            assert {d.agent_id for d in page.items} == set(known)
            found += [deployment.id for deployment in page.items]
            after = page.next
            if after is None:
                return found

    assert seen(owner) == made[::-1]
    assert seen(viewer) == made[::-1]
    grants = {agents[0].id: VIEWER, agents[2].id: VIEWER}
    change(world, owner, viewer, restricted=True, grants=grants)
    assert seen(world.within(owner.org_id, "viewer@example.com")) == [
        one for n, one in reversed(list(enumerate(made))) if n % 3 != 1
    ]
    stranger = world.sign_in("stranger@example.com")
    assert seen(stranger) == []


def test_nobody_learns_of_a_hidden_agent_by_another_members_grants(world: World) -> None:
    owner = world.founded()
    shown, hidden = world.agent(owner), world.agent(owner, "Hidden")
    grants = {shown.id: Role.DEVELOPER, hidden.id: Role.DEVELOPER}
    other = world.join(owner, "other@example.com", Role.VIEWER, grants=grants)
    mine = {shown.id: Role.VIEWER}
    shut = world.join(owner, "shut@example.com", Role.VIEWER, restricted=True, grants=mine)
    page = world.platform.members.page(shut, limit=10, after=None)
    [seen] = [m.membership for m in page.items if m.membership.user_id == other.user_id]
    assert dict(seen.grants) == {shown.id: Role.DEVELOPER}


def test_granted_agents_are_paged(world: World, people: dict[Role, Principal]) -> None:
    owner, viewer = people[OWNER], people[VIEWER]
    made = [world.agent(owner, f"Agent {n}").id for n in range(7)]
    change(world, owner, viewer, restricted=True, grants=dict.fromkeys(made[:5], VIEWER))
    viewer = world.within(owner.org_id, "viewer@example.com")
    seen, after = [], None
    while True:
        page = world.platform.agents.page(viewer, limit=2, after=after)
        seen += [agent.id for agent in page.items]
        after = page.next
        if after is None:
            break
    assert seen == made[4::-1]


# --- API tokens follow ---------------------------------------------------------------------------


def test_tokens_follow_every_change_at_once(world: World, people: dict[Role, Principal]) -> None:
    owner, dev = people[OWNER], people[DEVELOPER]
    agent = world.agent(owner)
    _, secret = world.platform.tokens.create(dev, name="ci", scope=Scope.DEPLOY, expires_at=None)
    access = world.platform.access.principal
    assert access(secret).may(Action.AGENT_CREATE)
    change(world, owner, dev, role=VIEWER, grants={agent.id: DEVELOPER})
    assert not access(secret).may(Action.AGENT_CREATE)
    assert access(secret).may(Action.AGENT_UPDATE, agent.id)
    change(world, owner, dev, restricted=True)
    assert access(secret).restricted
    world.platform.members.remove(owner, dev.user_id)
    with pytest.raises(Unauthenticated):
        access(secret)


def test_no_token_makes_changes_or_removes_an_owner(
    world: World, people: dict[Role, Principal]
) -> None:
    owner = people[OWNER]
    _, secret = world.platform.tokens.create(owner, name="ci", scope=Scope.ADMIN, expires_at=None)
    token = world.platform.access.principal(secret)
    world.join(owner, "second@example.com", OWNER)
    second = world.within(owner.org_id, "second@example.com")
    for work in (
        lambda: change(world, token, people[VIEWER], role=OWNER),
        lambda: change(world, token, second, role=VIEWER),
        lambda: world.platform.members.remove(token, second.user_id),
        lambda: world.platform.invitations.invite(token, email="x@example.com", role=OWNER),
    ):
        with pytest.raises(Forbidden) as refused:
            work()
        assert refused.value.code == "sign_in_required"
    assert change(world, token, people[VIEWER], role=ADMIN).role is ADMIN


def test_a_transfer_reaches_both_peoples_tokens(
    world: World, people: dict[Role, Principal]
) -> None:
    owner, heir = people[OWNER], people[DEVELOPER]
    secrets = [
        world.platform.tokens.create(p, name="ci", scope=Scope.ADMIN, expires_at=None)[1]
        for p in (owner, heir)
    ]
    world.platform.members.transfer(owner, heir.user_id)
    roles = [world.platform.access.principal(secret).role for secret in secrets]
    assert roles == [ADMIN, OWNER]


# --- at the same moment --------------------------------------------------------------------------


def test_a_changed_role_counts_within_a_minute(world: World) -> None:
    owner = world.founded()
    world.join(owner, "dev@example.com", DEVELOPER)
    bearer = world.access_token("dev@example.com")
    access = world.platform.access
    before = access.principal(bearer, organisation=owner.org_id)
    # Another process changes the role: this one remembers.
    other = World(store=world.store, clock=world.clock, signer=world.signer)
    other.platform.members.update(owner, before.user_id, if_revision=None, role=VIEWER)
    assert access.principal(bearer, organisation=owner.org_id).role is DEVELOPER
    world.clock.sleep(timedelta(seconds=61).total_seconds())
    assert access.principal(bearer, organisation=owner.org_id).role is VIEWER


def test_the_process_that_changes_a_role_forgets_at_once(world: World) -> None:
    owner = world.founded()
    dev = world.join(owner, "dev@example.com", DEVELOPER)
    bearer = world.access_token("dev@example.com")
    assert world.platform.access.principal(bearer, organisation=owner.org_id).role is DEVELOPER
    change(world, owner, dev, role=VIEWER)
    assert world.platform.access.principal(bearer, organisation=owner.org_id).role is VIEWER


def test_remembered_rights_change_no_member(world: World) -> None:
    owner = world.founded()
    boss = world.join(owner, "boss@example.com", ADMIN)
    dev = world.join(owner, "dev@example.com", DEVELOPER)
    change(world, owner, boss, role=VIEWER)
    assert boss.role is ADMIN
    for work in (
        lambda: change(world, boss, dev, role=VIEWER),
        lambda: world.platform.members.remove(boss, dev.user_id),
        lambda: world.platform.invitations.invite(boss, email="x@example.com", role=VIEWER),
    ):
        with pytest.raises(Forbidden):
            work()


def test_what_a_removed_member_deployed_keeps_running(world: World) -> None:
    owner = world.founded()
    dev = world.join(owner, "dev@example.com", DEVELOPER)
    agent = world.agent(dev)
    live = world.live(dev, agent)
    under_way = world.upload(dev, agent, deploy=True)
    world.platform.members.remove(owner, dev.user_id)
    world.platform.reconciler.run()
    assert world.platform.deployments.get(owner, live.id).state is DeploymentState.LIVE
    done = world.finish_build(under_way)
    assert world.run_machine(owner, str(done.deployment_id)).state is DeploymentState.LIVE
    with pytest.raises(NotFound):
        world.within(owner.org_id, "dev@example.com")


def test_an_edit_of_a_member_who_changed_is_refused(
    world: World, people: dict[Role, Principal]
) -> None:
    update = world.platform.members.update
    update(people[OWNER], people[VIEWER].user_id, if_revision=1, role=DEVELOPER)
    with pytest.raises(PreconditionFailed):
        update(people[OWNER], people[VIEWER].user_id, if_revision=1, role=ADMIN)


@pytest.mark.parametrize("user_id", ["", "usr_", "usr_../x", "MEMBER#", "org_" + "0" * 26])
def test_what_can_be_no_member_is_404(
    world: World, people: dict[Role, Principal], user_id: str
) -> None:
    for work in (
        lambda: world.platform.members.remove(people[OWNER], user_id),
        lambda: world.platform.members.update(
            people[OWNER], user_id, if_revision=None, role=VIEWER
        ),
    ):
        with pytest.raises(PlatformError) as refused:
            work()
        assert refused.value.status == 404
