"""Organisations: making, seeing, renaming, and their end with its week of grace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.adapters.keys import Key
from chalicelib.domain.connections import PreviewsOf
from chalicelib.domain.deployments import DeploymentState
from chalicelib.domain.hosting import runs
from chalicelib.domain.members import Headcount, Places
from chalicelib.domain.tenancy import Action, Membership, Organisation, Role, Scope, User
from chalicelib.domain.versions import VersionState
from chalicelib.errors import (
    Conflict,
    Forbidden,
    HostUnavailable,
    Invalid,
    NotFound,
    PlatformError,
    PreconditionFailed,
    Unauthenticated,
)
from chalicelib.ports import AGENTS, AUDIT, CLOSING, REMAINS, every
from tests.conftest import World
from tests.hooks import connected, hooked

WEEK = timedelta(days=7)


def stored_of(world: World, org_id: str) -> dict[Key, bytes]:
    """All of an organisation but its deployments, which are confirmed again and again."""
    return {k: v for k, v in world.store.dump().items() if org_id in k.pk and "#DEP#" not in k.pk}


def test_everybody_starts_with_a_personal_organisation_and_may_make_others(world: World) -> None:
    ada = world.sign_in()
    made = world.platform.organisations.create(ada, name="Acme")
    mine = world.platform.organisations.mine(ada, limit=50, after=None)
    assert [(b.organisation.name, b.organisation.personal) for b in mine.items] == [
        ("Acme", False),
        ("ada's agents", True),
    ]
    assert made.membership.role is Role.OWNER
    assert world.within(made.organisation.id, "ada@example.com").role is Role.OWNER


def test_a_stranger_finds_no_organisation_of_that_id(world: World) -> None:
    acme = world.founded()
    with pytest.raises(NotFound):
        world.within(acme.org_id, "eve@example.com")


def test_the_number_of_organisations_of_a_person_is_limited(world: World) -> None:
    ada = world.sign_in()
    allowed = world.platform.settings.tenant_limits["free"].organisations
    for number in range(allowed):
        world.platform.organisations.create(ada, name=f"Org {number}")
    with pytest.raises(Conflict) as refused:
        world.platform.organisations.create(ada, name="One more")
    assert refused.value.code == "organisation_limit"
    last = world.platform.organisations.mine(ada, limit=1, after=None).items[0].organisation
    owner = world.within(last.id, "ada@example.com")
    world.platform.closing.close(owner, confirm=last.name)
    world.clock.sleep(WEEK.total_seconds() + 1)
    world.platform.reconciler.run()
    assert world.platform.organisations.create(world.sign_in(), name="Room again")


def test_a_rename_is_guarded_by_the_revision(world: World) -> None:
    acme = world.founded()
    organisations = world.platform.organisations
    renamed = organisations.rename(acme, name="Acme Ltd", if_revision=1)
    assert (renamed.organisation.name, renamed.organisation.revision) == ("Acme Ltd", 2)
    with pytest.raises(PreconditionFailed):
        organisations.rename(acme, name="Other", if_revision=1)
    again = organisations.rename(acme, name="Acme Ltd", if_revision=2)
    assert again.organisation.revision == 2


def test_a_token_lists_its_own_organisation_only(world: World) -> None:
    acme = world.founded()
    _, secret = world.platform.tokens.create(acme, name="ci", scope=Scope.READ, expires_at=None)
    token = world.platform.access.principal(secret)
    page = world.platform.organisations.mine(token, limit=50, after=None)
    assert [b.organisation.id for b in page.items] == [acme.org_id]


# --- the end -------------------------------------------------------------------------------------


def test_closing_asks_for_the_name_and_spares_the_personal_one(world: World) -> None:
    acme = world.founded()
    with pytest.raises(Invalid) as mismatch:
        world.platform.closing.close(acme, confirm="acme")
    assert mismatch.value.code == "confirmation_mismatch"
    ada = world.sign_in()
    home = world.platform.organisations.get(ada).organisation
    with pytest.raises(Conflict) as personal:
        world.platform.closing.close(ada, confirm=home.name)
    assert personal.value.code == "organisation_personal"


def test_closing_stops_everything_at_once_and_members_see_it(world: World) -> None:
    acme = world.founded()
    dev = world.join(acme, "dev@example.com")
    agent = world.agent(dev)
    live = world.live(dev, agent)
    building = world.upload(dev, agent, deploy=True)
    _, secret = world.platform.tokens.create(dev, name="ci", scope=Scope.DEPLOY, expires_at=None)
    closed = world.platform.closing.close(acme, confirm="Acme").organisation
    assert closed.closes_at is not None
    assert not runs(world.host.running[live.host.deployment_id])
    assert world.platform.turns.stored(acme.org_id, live.id).state is DeploymentState.STOPPED  # type: ignore[union-attr]
    with pytest.raises(Unauthenticated):
        world.platform.access.principal(secret)
    seen = world.within(acme.org_id, "dev@example.com")
    assert world.platform.organisations.get(seen).organisation.closes_at == closed.closes_at
    assert world.platform.agents.get(seen, agent.id) == world.platform.agents.stored(
        acme.org_id, agent.id
    )
    with pytest.raises(Conflict) as refused:
        world.platform.agents.create(seen, name="More")
    assert refused.value.code == "organisation_closing"
    # A build that was under way goes nowhere.
    world.platform.reconciler.run()
    version = world.platform.versions.get(seen, agent.id, building.id)
    assert version.state is VersionState.CANCELLED
    assert world.platform.versions.finish_build(acme.org_id, building.id, "SUCCEEDED") == version


def test_what_was_begun_with_remembered_rights_is_stopped_too(world: World) -> None:
    acme = world.founded()
    dev = world.join(acme, "dev@example.com")
    agent = world.agent(dev)
    version = world.ready(dev, agent)
    world.platform.closing.close(acme, confirm="Acme")
    late = world.platform.deployments.request(
        dev, agent.id, version_id=version.id, environment="production"
    )
    world.run_machine(dev, late.id)
    assert world.platform.turns.stored(acme.org_id, late.id).state is DeploymentState.LIVE  # type: ignore[union-attr]
    world.platform.reconciler.run()
    ended = world.platform.turns.stored(acme.org_id, late.id)
    assert ended is not None
    assert ended.state is DeploymentState.STOPPED
    assert not any(runs(d) for d in world.host.running.values())


def test_a_deployment_on_its_way_is_ended_by_closing(world: World) -> None:
    acme = world.founded()
    agent = world.agent(acme)
    version = world.ready(acme, agent)
    first = world.platform.deployments.request(
        acme, agent.id, version_id=version.id, environment="production"
    )
    second = world.platform.deployments.request(
        acme, agent.id, version_id=version.id, environment="production"
    )
    world.platform.closing.close(acme, confirm="Acme")
    states = [world.platform.turns.stored(acme.org_id, d.id).state for d in (first, second)]  # type: ignore[union-attr]
    assert states == [DeploymentState.CANCELLED, DeploymentState.CANCELLED]
    world.run_machine(acme, first.id)
    assert world.host.running == {}


def test_what_reached_the_host_after_it_was_ended_is_stopped_too(world: World) -> None:
    acme = world.founded()
    live = world.live(acme, world.agent(acme))
    world.platform.closing.close(acme, confirm="Acme")
    world.host.set_status(live.host.deployment_id, "SUCCESS")
    world.platform.reconciler.run()
    assert not runs(world.host.running[live.host.deployment_id])
    stored = world.store.get(Organisation, acme.org_id)
    assert stored is not None
    assert not stored.settled


def test_nobody_is_abandoned_who_joined_at_the_last_moment(world: World) -> None:
    acme = world.founded()
    organisation = world.platform.organisations.get(acme).organisation
    world.join(acme, "dev@example.com")
    with pytest.raises(Conflict) as refused:
        world.platform.closing.abandon(organisation, actor=acme.user_id, address="")
    assert refused.value.code == "last_owner"
    assert not world.platform.organisations.get(acme).organisation.closing


def test_a_host_that_does_not_answer_delays_the_stop_but_loses_none(world: World) -> None:
    acme = world.founded()
    live = world.live(acme, world.agent(acme))
    stop = world.host.stop

    def silent(deployment_id: str) -> None:
        raise HostUnavailable("Not now.")

    world.host.stop = silent  # type: ignore[method-assign]
    world.platform.closing.close(acme, confirm="Acme")
    still = world.platform.turns.stored(acme.org_id, live.id)
    assert still is not None
    assert still.state is DeploymentState.LIVE
    world.host.stop = stop  # type: ignore[method-assign]
    world.platform.reconciler.run()
    assert not runs(world.host.running[live.host.deployment_id])


def test_only_an_owner_restores_and_agents_stay_stopped(world: World) -> None:
    acme = world.founded()
    world.join(acme, "boss@example.com", Role.ADMIN)
    agent = world.agent(acme)
    live = world.live(acme, agent)
    world.platform.closing.close(acme, confirm="Acme")
    with pytest.raises(Forbidden):
        world.platform.closing.restore(world.within(acme.org_id, "boss@example.com"))
    owner = world.within(acme.org_id, "ada@example.com")
    assert owner.closing
    back = world.platform.closing.restore(owner).organisation
    assert not back.closing
    owner = world.within(acme.org_id, "ada@example.com")
    assert world.platform.deployments.get(owner, live.id).state is DeploymentState.STOPPED
    again = world.platform.deployments.request(
        owner, agent.id, version_id=live.version_id, environment="production"
    )
    assert world.run_machine(owner, again.id).state is DeploymentState.LIVE
    world.clock.sleep(WEEK.total_seconds() * 2)
    world.platform.reconciler.run()
    assert world.store.get(Organisation, acme.org_id) is not None


def test_the_schedule_rests_when_the_last_closing_organisation_is_gone(world: World) -> None:
    acme = world.founded()
    world.platform.closing.close(acme, confirm="Acme")
    assert world.scheduled()
    world.platform.reconciler.run()
    assert world.scheduled()
    world.clock.sleep(180)
    world.platform.reconciler.run()
    stored = world.store.get(Organisation, acme.org_id)
    assert stored is not None
    assert stored.settled
    world.clock.sleep(WEEK.total_seconds())
    world.platform.reconciler.run()
    assert list(every(world.store, CLOSING)) == []
    world.platform.reconciler.run()
    assert not world.scheduled()


def test_a_settled_organisation_costs_no_look_at_its_things(world: World) -> None:
    acme = world.founded()
    for number in range(5):
        world.agent(acme, f"Agent {number}")
    world.platform.closing.close(acme, confirm="Acme")
    world.clock.sleep(180)
    for _ in range(20):
        world.platform.reconciler.run()  # and the search index has been gone through
    world.store.calls = 0
    world.platform.reconciler.run()
    assert world.store.calls == 12


def test_after_the_grace_nothing_of_it_is_left_but_the_audit_log(world: World) -> None:
    acme, other = world.founded(), world.founded("bob@example.com", "Acme 2")
    dev = world.join(acme, "dev@example.com")
    kept = world.live(other, world.agent(other))
    agent, gone = world.agent(dev), world.agent(dev, "Gone")
    world.live(dev, agent)
    world.live(dev, gone)
    repo = connected(world, dev, agent, previews=PreviewsOf.ON, by=acme)
    repo.push()
    theirs = repo.commit("From afar", "theirs")
    fork = {"id": 5, "full_name": "eve/echo"}
    repo.send("pull_request", repo.pull("opened", 3, theirs, head_repo=fork))
    hooked(world, dev, world.agent(dev, "Open"))
    world.platform.agents.delete(acme, gone.id)
    world.platform.invitations.invite(acme, email="x@example.com", role=Role.VIEWER)
    others = stored_of(world, other.org_id)
    world.platform.closing.close(acme, confirm="Acme")
    world.clock.sleep(WEEK.total_seconds() + 1)
    with pytest.raises(Conflict):
        world.platform.closing.restore(world.within(acme.org_id, "ada@example.com"))
    world.platform.reconciler.run()
    left = {k.pk for k in world.store.dump() if acme.org_id in k.pk}
    assert {pk.split("#")[2] for pk in left} == {"AUDIT"}
    assert not [k for k in world.store.dump() if k.pk.startswith("HOOK#")]
    assert not any(k.startswith(f"{acme.org_id}/") for k in world.artifacts.objects)
    assert not any(k.startswith(f"{acme.org_id}/") for k in world.artifacts.sources)
    assert world.host.running.keys() == {kept.host.deployment_id}
    assert stored_of(world, other.org_id) == others
    with pytest.raises(NotFound):
        world.within(acme.org_id, "dev@example.com")
    places = world.store.get(Places, dev.user_id)
    assert places is not None
    assert places.organisations == 0
    assert world.platform.organisations.mine(world.sign_in("dev@example.com"), limit=9, after=None)


def test_a_removal_that_was_interrupted_goes_on(world: World) -> None:
    acme = world.founded()
    for number in range(3):
        world.live(acme, world.agent(acme, f"Agent {number}"))
    world.platform.closing.close(acme, confirm="Acme")
    world.clock.sleep(WEEK.total_seconds() + 1)
    for allowed in range(0, 60, 7):
        left = [allowed]
        remove = world.host.remove_service

        def failing(service_id: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise HostUnavailable("Not now.")
            remove(service_id)  # noqa: B023 - called before the loop goes on

        world.host.remove_service = failing  # type: ignore[method-assign]
        world.platform.reconciler.run()
        world.host.remove_service = remove  # type: ignore[method-assign]
    assert world.store.get(Organisation, acme.org_id) is None
    assert list(every(world.store, AGENTS, acme.org_id)) == []
    assert list(every(world.store, REMAINS, acme.org_id)) == []


def test_an_account_that_is_deleted_leaves_and_takes_what_nobody_else_has(world: World) -> None:
    acme = world.founded()
    dev = world.join(acme, "dev@example.com")
    alone = world.founded("dev@example.com", "Alone")
    live = world.live(alone, world.agent(alone))
    stays = world.live(dev, world.agent(dev))
    home = world.sign_in("dev@example.com")
    world.live(home, world.agent(home))
    world.platform.personal_data.delete(home, confirm="dev@example.com")
    assert world.store.get(User, dev.user_id) is None
    assert world.store.get(Membership, acme.org_id, dev.user_id) is None
    count = world.store.get(Headcount, acme.org_id)
    assert (count.owners, count.members) == (1, 1)  # type: ignore[union-attr]
    assert world.host.running[stays.host.deployment_id].status == "SUCCESS"
    assert not runs(world.host.running[live.host.deployment_id])
    world.platform.reconciler.run()
    left = {k.pk for k in world.store.dump() if alone.org_id in k.pk or home.org_id in k.pk}
    assert {pk.split("#")[2] for pk in left} <= {"AUDIT"}
    assert not any(dev.user_id in k.pk for k in world.store.dump() if k.pk.startswith("USER#"))


def test_the_last_owner_of_others_cannot_delete_their_account(world: World) -> None:
    acme = world.founded()
    world.join(acme, "dev@example.com")
    with pytest.raises(Conflict) as refused:
        world.platform.personal_data.delete(world.sign_in(), confirm="ada@example.com")
    assert refused.value.code == "last_owner"


def test_every_step_is_in_the_audit_log(world: World) -> None:
    acme = world.founded()
    dev = world.join(acme, "dev@example.com")
    world.platform.members.update(acme, dev.user_id, if_revision=None, role=Role.VIEWER)
    world.platform.members.transfer(acme, dev.user_id)
    heir = world.within(acme.org_id, "dev@example.com")
    world.platform.organisations.rename(heir, name="Acme Ltd", if_revision=None)
    world.platform.closing.close(heir, confirm="Acme Ltd")
    world.platform.closing.restore(world.within(acme.org_id, "dev@example.com"))
    records = [r.action for r in every(world.store, AUDIT, acme.org_id, "0", newest_first=False)]
    assert records == [
        "organisation.created",
        "invitation.created",
        "invitation.accepted",
        "member.updated",
        "organisation.transferred",
        "organisation.updated",
        "organisation.deleted",
        "organisation.restored",
    ]
    texts = [str(r) for r in every(world.store, AUDIT, acme.org_id, "0")]
    assert not any("@example.com" in text for text in texts)


def test_nothing_works_where_the_membership_ended_meanwhile(world: World) -> None:
    acme = world.founded()
    boss = world.join(acme, "boss@example.com", Role.OWNER)
    world.platform.members.remove(acme, boss.user_id)
    for work in (
        lambda: world.platform.closing.close(boss, confirm="Acme"),
        lambda: world.platform.members.update(
            boss, acme.user_id, if_revision=None, role=Role.VIEWER
        ),
        lambda: world.platform.members.remove(boss, acme.user_id),
        lambda: world.platform.members.transfer(boss, acme.user_id),
        lambda: world.platform.invitations.invite(boss, email="x@example.com", role=Role.VIEWER),
    ):
        with pytest.raises(PlatformError) as refused:
            work()
        assert refused.value.status == 404
    assert boss.may(Action.ORGANISATION_DELETE)
