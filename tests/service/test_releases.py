"""Deployments that end badly, and what is left of them at the host, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.memory_host import MemoryHost
from chalicelib.domain.deployments import DeploymentState, Environment, Trigger, differences
from chalicelib.errors import HostUnavailable, NotFound
from chalicelib.ports import REPAIRS, UNSETTLED, Answer, Put, every
from tests.conftest import PYTHON_AGENT, World


def environment(world: World, agent_id: str, org_id: str) -> Environment:
    found = world.store.get(Environment, org_id, agent_id, "production")
    assert found is not None
    return found


def asked(world: World, who: Any, agent: Any, *, image: str | None = None) -> Any:
    version = world.ready(who, agent)
    return world.platform.deployments.request(
        who, agent.id, version_id=version.id, environment="production"
    )


class Refusing(MemoryHost):
    """A host whose chosen calls fail while they are told to."""

    broken: Callable[[str], None] = staticmethod(lambda _: None)

    def deployments(self, ids: Any, *, need: Any = None) -> Any:  # noqa: ARG002 - the port's shape
        self.broken("deployments")
        return super().deployments(ids)

    def cancel(self, deployment_id: str) -> None:
        self.broken("cancel")
        super().cancel(deployment_id)


@pytest.fixture
def world() -> World:
    return World(host=Refusing())


def down(*names: str) -> Callable[[str], None]:
    def broken(name: str) -> None:
        if name in names:
            raise HostUnavailable("The host is not there.", ambiguous=True)

    return broken


def test_a_cancelled_deployment_that_the_host_makes_live_all_the_same_is_replaced(
    world: World,
) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    good = world.live(who, agent)
    world.host.outcome = "DEPLOYING"
    moving = asked(world, who, agent)
    world.platform.releases.step("release", who.org_id, moving.id)
    world.host.broken = down("cancel", "deployments")  # type: ignore[attr-defined]
    cancelled = world.platform.deployments.cancel(who, moving.id)
    assert cancelled.state is DeploymentState.CANCELLED
    assert [e.agent_id for e in every(world.store, UNSETTLED)] == [agent.id]
    # The host goes on with it, and nobody could tell it not to.
    named = world.platform.deployments.get(who, moving.id).host.deployment_id
    world.host.set_status(good.host.deployment_id, "REMOVED")
    world.host.set_status(named, "SUCCESS")
    world.host.outcome = "SUCCESS"
    world.host.broken = down()  # type: ignore[attr-defined]
    world.platform.reconciler.run()
    place = environment(world, agent.id, who.org_id)
    assert place.moving is not None
    back = world.run_machine(who, place.moving)
    assert (back.state, back.trigger) == (DeploymentState.LIVE, Trigger.RESTORE)
    assert back.image == good.image
    world.platform.reconciler.run()
    assert not list(every(world.store, UNSETTLED))
    repair = next(iter(every(world.store, REPAIRS)))
    assert repair.said == "cancelled"
    assert "SUCCESS" in repair.host
    events = world.platform.deployments.history(who, moving.id, limit=50, after=None).items
    assert events[-1].facts["done"].startswith("brought back")


def test_what_was_never_live_is_stopped_at_the_host(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.host.outcome = "DEPLOYING"
    moving = asked(world, who, agent)
    world.platform.releases.step("release", who.org_id, moving.id)
    world.host.broken = down("cancel", "deployments")  # type: ignore[attr-defined]
    world.platform.deployments.cancel(who, moving.id)
    named = world.platform.deployments.get(who, moving.id).host.deployment_id
    world.host.set_status(named, "SUCCESS")
    world.host.broken = down()  # type: ignore[attr-defined]
    world.platform.reconciler.run()
    assert world.host.running[named].stopped
    assert not list(every(world.store, UNSETTLED))
    world.platform.reconciler.run()
    assert not world.scheduled()


def test_a_cancelled_release_asks_for_nothing_more(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    moving = asked(world, who, agent)
    carry_out = world.host.carry_out

    def cancelled_meanwhile(steps: Any, *, requested_at: Any, note: Any) -> Any:
        world.platform.deployments.cancel(who, moving.id)
        return carry_out(steps, requested_at=requested_at, note=note)

    world.host.carry_out = cancelled_meanwhile  # type: ignore[method-assign]
    assert world.platform.releases.step("release", who.org_id, moving.id).next == "done"
    assert not world.host.running
    assert world.platform.deployments.get(who, moving.id).state is DeploymentState.CANCELLED


def test_a_crash_after_the_switch_brings_the_former_one_back(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    good = world.live(who, agent)
    bad = asked(world, who, agent)
    step = world.platform.releases.step
    step("release", who.org_id, bad.id)
    # Without a health path the host switches first and sees it crash afterwards.
    world.host.set_status(world.platform.deployments.get(who, bad.id).host.deployment_id, "CRASHED")
    step("watch", who.org_id, bad.id)
    ended = world.platform.deployments.get(who, bad.id)
    assert ended.state is DeploymentState.ROLLED_BACK
    assert "being brought back" in ended.reasons[0].detail
    place = environment(world, agent.id, who.org_id)
    assert place.moving is not None
    assert world.run_machine(who, place.moving).image == good.image


def test_a_rollback_pauses_builds_until_somebody_looks(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.live(who, agent)
    answer = world.caller.answer
    world.caller.answer = Answer(503, {}, b"")
    bad = world.live(who, agent)
    assert bad.state is DeploymentState.ROLLED_BACK
    place = environment(world, agent.id, who.org_id)
    assert place.moving is not None
    # What comes back serves, even if its URL is still silent: nothing better is known.
    back = world.run_machine(who, place.moving)
    assert back.state is DeploymentState.LIVE
    assert "503" in differences(back, world.clock.now())[0]
    world.caller.answer = answer
    held = world.ready(who, agent, deploy=True)
    assert held.deployment_id is None
    assert held.warnings[-1].code == "auto_deploy_paused"
    again = world.platform.versions.finish_build(held.org_id, held.id, "SUCCEEDED")
    assert again == held
    paused = world.platform.deployments.environments(who, agent.id)[0].paused
    assert paused is not None
    assert paused.deployment_id == bad.id
    world.platform.deployments.resume(who, agent.id, "production")
    assert world.live(who, agent).state is DeploymentState.LIVE


def test_deploying_by_hand_ends_the_pause(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    good = world.live(who, agent)
    world.caller.answer = Answer(503, {}, b"")
    world.live(who, agent)
    world.platform.deployments.request(
        who, agent.id, version_id=good.version_id, environment="production"
    )
    assert world.platform.deployments.environments(who, agent.id)[0].paused is None
    stranger = world.sign_in("bob@example.com")
    for attempt in (
        lambda: world.platform.deployments.resume(stranger, agent.id, "production"),
        lambda: world.platform.deployments.environments(stranger, agent.id),
        lambda: world.platform.deployments.resume(who, agent.id, "elsewhere"),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_a_deployment_waits_for_a_host_that_is_not_there_and_says_so(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    moving = asked(world, who, agent)
    step = world.platform.releases.step
    step("release", who.org_id, moving.id)
    world.host.broken = down("deployments")  # type: ignore[attr-defined]
    for _ in range(3):
        assert step("watch", who.org_id, moving.id).next == "wait"
    held = world.platform.deployments.get(who, moving.id)
    assert held.state is DeploymentState.RELEASING
    assert held.trouble is not None
    events = world.platform.deployments.history(who, moving.id, limit=50, after=None).items
    assert [e.event for e in events].count("host_trouble") == 1
    world.host.broken = down()  # type: ignore[attr-defined]
    live = world.run_machine(who, moving.id)
    assert (live.state, live.trouble) == (DeploymentState.LIVE, None)


def test_a_look_that_fails_is_no_word_that_nothing_was_begun(world: World) -> None:
    who = world.sign_in()
    moving = asked(world, who, world.agent(who))
    began = world.clock.now().isoformat()
    timings = {**moving.timings, "host_asked": began}
    world.store.commit(Put(replace(moving, timings=timings, revision=moving.revision + 1)))

    def silent(*_: Any, **__: Any) -> Any:
        raise HostUnavailable("A page of HTML.", code="host_not_its_api")

    world.host.carry_out = silent  # type: ignore[method-assign]
    world.platform.releases.step("release", who.org_id, moving.id)
    held = world.platform.deployments.get(who, moving.id)
    assert held.trouble is not None
    assert held.timings["host_asked"] == began


def test_a_revoked_token_fails_what_was_not_begun_and_holds_up_what_was(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    moving = asked(world, who, agent)

    def revoked(*_: Any, **__: Any) -> Any:
        raise HostUnavailable("Not Authorized", code="host_unauthorized", retry_after=15)

    carry_out = world.host.carry_out
    world.host.carry_out = revoked  # type: ignore[method-assign]
    world.platform.releases.step("release", who.org_id, moving.id)
    failed = world.platform.deployments.get(who, moving.id)
    assert (failed.state, failed.reasons[0].code) == (DeploymentState.FAILED, "host_unauthorized")
    world.host.carry_out = carry_out  # type: ignore[method-assign]
    second = asked(world, who, agent)
    world.platform.releases.step("release", who.org_id, second.id)
    world.host.deployments = revoked  # type: ignore[method-assign]
    assert world.platform.releases.step("watch", who.org_id, second.id).next == "wait"
    found = world.platform.deployments.get(who, second.id)
    assert found.state is DeploymentState.RELEASING


def test_the_time_of_a_queued_deployment_begins_with_its_turn(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.host.outcome = "DEPLOYING"
    first = asked(world, who, agent)
    second = asked(world, who, agent)
    world.run_machine(who, first.id)
    world.host.outcome = "SUCCESS"
    started = world.platform.deployments.get(who, second.id)
    assert started.deadline_at is not None
    assert started.deadline_at - world.clock.now() > timedelta(minutes=9)
    assert world.run_machine(who, second.id).state is DeploymentState.LIVE


def test_a_host_that_does_not_name_its_image_proves_nothing(world: World) -> None:
    who = world.sign_in()
    moving = asked(world, who, world.agent(who))
    step = world.platform.releases.step
    step("release", who.org_id, moving.id)
    named = world.platform.deployments.get(who, moving.id).host.deployment_id
    world.host.running[named] = replace(world.host.running[named], image=None)
    step("watch", who.org_id, moving.id)
    failed = world.platform.deployments.get(who, moving.id)
    assert (failed.state, failed.reasons[0].code) == (DeploymentState.FAILED, "image_unproven")


def test_an_agent_that_says_another_version_is_not_called_live(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.caller.answer = Answer(200, {"X-Slipway-Version": "7"}, b"{}")
    failed = world.live(who, agent)
    assert (failed.state, failed.reasons[0].code) == (DeploymentState.FAILED, "wrong_version")
    world.caller.answer = Answer(200, {"X-Slipway-Version": "v2"}, b"{}")
    live = world.live(who, agent)
    assert live.state is DeploymentState.LIVE
    assert live.proof["version_header"] == "v2"


@pytest.mark.parametrize(
    ("card", "proves"),
    [
        (b'{"version": "1"}', True),
        (b'{"version": "9.9.9"}', False),
        (b"[]", False),
        (b"<html>", False),
        (b"[" * 100_000, False),
    ],
    ids=["ours", "another", "a list", "a page", "a bomb"],
)
def test_the_card_of_an_a2a_agent_is_a_proof_where_it_names_the_version(
    world: World, card: bytes, proves: bool
) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    manifest = f"{PYTHON_AGENT.get('agent.yaml', '')}\nprotocol: a2a\n"
    world.caller.answer = Answer(200, {}, card)
    files = {**PYTHON_AGENT, "agent.yaml": manifest}
    version = world.finish_build(world.upload(who, agent, files, deploy=True))
    live = world.run_machine(who, str(version.deployment_id))
    assert live.state is DeploymentState.LIVE, live.reasons
    assert ("agent_card" in live.proof) is proves


def test_an_agent_that_stops_answering_is_told_of_and_a_sleeper_is_left_alone(
    world: World,
) -> None:
    who = world.sign_in()
    live = world.live(who, world.agent(who))
    world.caller.answer = Answer(0, {}, b"", "connection refused")
    world.clock.sleep(301)
    world.platform.reconciler.run()
    found = world.platform.deployments.get(who, live.id)
    assert found.health is not None
    assert not found.health.ok
    assert "connection refused" in " ".join(differences(found, world.clock.now()))
    events = world.platform.deployments.history(who, live.id, limit=50, after=None).items
    assert events[-1].event == "does_not_answer"
    world.host.set_status(live.host.deployment_id, "SLEEPING")
    world.platform.reconciler.run()
    calls = len(world.caller.calls)
    world.clock.sleep(3600)
    world.platform.reconciler.run()
    assert len(world.caller.calls) == calls


def test_one_that_may_sleep_is_called_more_rarely_than_it_takes_to_fall_asleep(
    world: World,
) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    manifest = "name: E\nruntime: python\nstart: {command: x}\nresources: {sleep: true}\n"
    version = world.finish_build(
        world.upload(who, agent, {"agent.yaml": manifest, "main.py": ""}, deploy=True)
    )
    world.run_machine(who, str(version.deployment_id))
    calls = len(world.caller.calls)
    for _ in range(29):
        world.clock.sleep(60)
        world.platform.reconciler.run()
    assert len(world.caller.calls) == calls
    world.clock.sleep(90)
    world.platform.reconciler.run()
    assert len(world.caller.calls) == calls + 1


def test_what_is_said_of_a_stopped_deployment_is_not_what_was_true_before(world: World) -> None:
    who = world.sign_in()
    live = world.live(who, world.agent(who))
    stopped = world.platform.deployments.stop(who, live.id)
    assert (stopped.state, stopped.url, stopped.host_status) == (
        DeploymentState.STOPPED,
        None,
        "STOPPED",
    )


def test_advisory_tests_warn_and_certain_ones_come_first(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    manifest = (
        "name: E\nruntime: python\nstart: {command: x}\ntests:\n"
        "  - {name: maybe, runs: 3, passes: 1, request: {path: /maybe}, expect: {text: aye}}\n"
        "  - {name: sure, request: {path: /sure}, expect: {status: 201}}\n"
        "  - {name: nice, advisory: true, request: {path: /nice}, expect: {status: 204}}\n"
    )
    files = {"agent.yaml": manifest, "main.py": ""}
    version = world.finish_build(world.upload(who, agent, files, deploy=True))
    failed = world.run_machine(who, str(version.deployment_id))
    assert [r.code for r in failed.reasons] == ["smoke_test_failed"]
    assert "sure" in failed.reasons[0].detail
    called = [url.rpartition("/")[2] for _, url in world.caller.calls]
    assert "maybe" not in called
    assert called[-2:] == ["sure", "nice"]
    world.caller.answer = Answer(201, {}, b"{}")
    files = {"agent.yaml": manifest.replace("name: maybe, ", "name: maybe, advisory: true, ")}
    version = world.finish_build(world.upload(who, agent, {**files, "main.py": ""}, deploy=True))
    live = world.run_machine(who, str(version.deployment_id))
    assert live.state is DeploymentState.LIVE
    assert [w.code for w in live.warnings] == ["smoke_test_advisory"] * 2


def test_tests_that_a_time_cap_leaves_unrun_have_failed(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    manifest = (
        "name: E\nruntime: python\nstart: {command: x}\ntests:\n"
        "  - {name: slow, request: {path: /slow}}\n"
        "  - {name: late, request: {path: /late}}\n"
    )
    call = world.caller.call

    def slow(method: str, url: str, **more: Any) -> Answer:
        if url.endswith("/slow"):
            world.clock.sleep(80)
        return call(method, url, **more)

    world.caller.call = slow  # type: ignore[method-assign]
    files = {"agent.yaml": manifest, "main.py": ""}
    version = world.finish_build(world.upload(who, agent, files, deploy=True))
    failed = world.run_machine(who, str(version.deployment_id))
    assert [r.code for r in failed.reasons] == ["smoke_test_failed"]
    assert "late" in failed.reasons[0].detail
    assert "75 seconds" in failed.reasons[0].detail


@pytest.mark.parametrize("image", [None, "registry.test/slipway/x@sha256:1"])
def test_an_agent_that_the_host_moves_is_followed(world: World, image: str | None) -> None:
    """With the source strategy (no image) as with the image strategy."""
    who = world.sign_in()
    agent = world.agent(who)
    named = image or f"source@sha256:{'0' * 64}"
    version = world.finish_build(world.upload(who, agent, deploy=True), image=named)
    live = world.run_machine(who, str(version.deployment_id))
    assert live.state is DeploymentState.LIVE, live.reasons
    assert live.proof
    moved = world.host.begin(live.host.service_id, image)
    run = world.platform.reconciler.run()
    found = world.platform.deployments.get(who, live.id)
    assert (found.state, found.host.deployment_id) == (DeploymentState.LIVE, moved)
    assert run.repaired == 1
    world.host.begin(live.host.service_id, "ghcr.io/somebody/else@sha256:2")
    world.platform.reconciler.run()
    assert world.platform.deployments.get(who, live.id).state is DeploymentState.STOPPED


def test_what_the_host_still_builds_is_waited_for_before_anything_is_said_of_it(
    world: World,
) -> None:
    """A build has no name until it is done: it may be ours, moved, or somebody else's."""
    who = world.sign_in()
    agent = world.agent(who)
    named = f"source@sha256:{'0' * 64}"
    version = world.finish_build(world.upload(who, agent, deploy=True), image=named)
    live = world.run_machine(who, str(version.deployment_id))
    running = world.host.running
    here = live.host.deployment_id
    world.store.commit(Put(replace(live, confirmed_image="@sha256:aa", revision=live.revision + 1)))
    coming = world.host.begin(live.host.service_id, None)
    running[here] = replace(running[here], status="REMOVED")
    running[coming] = replace(running[coming], status="BUILDING")
    world.platform.reconciler.run()
    said = world.platform.deployments.get(who, live.id)
    assert (said.state, said.host.deployment_id) == (DeploymentState.LIVE, here)
    running[coming] = replace(running[coming], status="SUCCESS", digest="sha256:aa")
    world.platform.reconciler.run()
    said = world.platform.deployments.get(who, live.id)
    assert (said.state, said.host.deployment_id) == (DeploymentState.LIVE, coming)


def test_what_the_host_confirms_and_what_the_url_answers_are_one_write(world: World) -> None:
    who = world.sign_in()
    live = world.live(who, world.agent(who))
    world.clock.sleep(301)
    before, began = world.platform.deployments.get(who, live.id), world.clock.now()
    world.platform.reconciler.run()
    after = world.platform.deployments.get(who, live.id)
    assert after.revision == before.revision + 1
    assert after.health is not None
    assert after.confirmed_at is not None
    assert after.confirmed_at >= began


def test_agents_there_is_no_time_to_call_are_confirmed_all_the_same(world: World) -> None:
    who = world.sign_in()
    several = [world.live(who, world.agent(who, f"Slow {n}")) for n in range(3)]
    answered = world.caller.call

    def slowly(*asked: Any, **more: Any) -> Answer:
        world.clock.sleep(41)
        return answered(*asked, **more)

    world.caller.call = slowly  # type: ignore[method-assign]
    world.clock.sleep(421)
    began = world.clock.now()
    world.platform.reconciler.run()
    found = [world.platform.deployments.get(who, one.id) for one in several]
    assert all(one.confirmed_at and one.confirmed_at >= began for one in found)
    assert [one.health is not None and one.health.at >= began for one in found].count(True) == 1
