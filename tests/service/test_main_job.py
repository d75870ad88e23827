"""From a source to a live URL, and everything that can happen on the way, in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.domain.deployments import DeploymentState, Trigger
from chalicelib.domain.versions import VersionState
from chalicelib.errors import Conflict, Invalid, NotFound
from chalicelib.ports import OPEN_DEPLOYMENTS, OPEN_VERSIONS, Answer, LogLine, Put, every
from chalicelib.services.variables import VariableValue
from tests.conftest import World, zipped


def test_a_source_goes_in_and_a_live_url_comes_out(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    live = world.live(who, agent)
    assert live.state is DeploymentState.LIVE
    assert live.url == "http://svc-0.test"
    assert live.confirmed_image == live.image
    assert live.confirmed_at is not None


def test_the_upload_event_may_come_twice_and_late(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version = world.upload(who, agent)
    assert version.state is VersionState.BUILDING
    again = world.platform.versions.receive_upload(version.org_id, version.id)
    assert again == version
    done = world.finish_build(version)
    assert world.platform.versions.receive_upload(version.org_id, version.id) == done
    assert len(world.builder.builds) == 1


def test_a_repeated_build_event_makes_no_second_deployment(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version = world.ready(who, agent, deploy=True)
    again = world.platform.versions.finish_build(version.org_id, version.id, "SUCCEEDED")
    assert again == version
    page = world.platform.deployments.page(who, agent.id, limit=10, after=None)
    assert [d.id for d in page.items] == [version.deployment_id]


def test_an_unsafe_archive_is_rejected_with_what_to_change(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version = world.upload(who, agent, {"../../etc/passwd": "x"})
    assert version.state is VersionState.REJECTED
    assert version.reasons[0].code == "archive_path"
    assert not world.builder.builds


def test_a_broken_manifest_fails_with_all_its_faults_and_lines(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    manifest = "name: Echo\nruntime: cobol\nport: -1\n"
    version = world.upload(who, agent, {"agent.yaml": manifest, "main.py": ""})
    assert version.state is VersionState.FAILED
    assert {(r.code, r.line) for r in version.reasons} == {
        ("manifest_invalid", 2),
        ("manifest_invalid", 3),
    }


def test_a_failed_build_says_why_and_deploys_nothing(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    reason = {"code": "module_missing", "detail": "Add fastapi to requirements.txt."}
    version = world.finish_build(
        world.upload(who, agent, deploy=True), state="failed", reasons=[reason]
    )
    assert version.state is VersionState.FAILED
    assert version.reasons[0].detail == "Add fastapi to requirements.txt."
    assert version.deployment_id is None


def test_a_build_without_a_report_is_not_called_a_success(world: World) -> None:
    who = world.sign_in()
    version = world.upload(who, world.agent(who), deploy=True)
    found = world.platform.versions.finish_build(version.org_id, version.id, "SUCCEEDED")
    assert found is not None
    assert found.state is VersionState.FAILED
    assert found.reasons[0].code == "build_lost"


def test_a_root_that_answers_at_build_time_becomes_the_health_path(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    ready = world.finish_build(world.upload(who, agent), root_status=200)
    assert ready.plan is not None
    assert ready.plan["health_path"] == "/"
    other = world.finish_build(world.upload(who, agent), root_status=404)
    assert other.plan is not None
    assert other.plan["health_path"] is None


def test_what_was_inferred_can_be_read_edited_and_confirmed_as_a_manifest(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    files = {
        "requirements.txt": "fastapi\nuvicorn\n",
        "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
    }
    held = world.upload(who, agent, files, hold=True)
    assert held.manifest is not None
    assert held.manifest["runtime"] == "python"
    assert "uvicorn" in held.manifest["start"]["command"]
    edited = {**held.manifest, "health": {"path": "/ready"}}
    confirmed = world.platform.versions.build(who, agent.id, held.id, manifest=edited)
    assert confirmed.state is VersionState.BUILDING
    assert confirmed.plan is not None
    assert confirmed.plan["health_path"] == "/ready"
    assert confirmed.plan["start_command"] == held.plan["start_command"]  # type: ignore[index]


def test_of_several_apps_the_chosen_one_is_built_and_remembered(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    app = "from fastapi import FastAPI\napp = FastAPI()\n"
    files = {
        "one/requirements.txt": "fastapi\nuvicorn\n",
        "one/main.py": app,
        "two/requirements.txt": "fastapi\nuvicorn\n",
        "two/main.py": app,
    }
    unclear = world.upload(who, agent, files)
    assert unclear.state is VersionState.FAILED
    assert set(unclear.candidates) == {"one", "two"}
    create = world.platform.versions.create_upload
    for choice in ("two", None):
        version, _ = create(who, agent.id, filename="a.zip", size=None, deploy=False, choice=choice)
        world.artifacts.sources[version.source.key] = zipped(files)
        chosen = world.platform.versions.receive_upload(who.org_id, version.id)
        assert chosen is not None
        assert chosen.state is VersionState.BUILDING, chosen.reasons
        assert chosen.plan is not None
        assert chosen.plan["root"] == "two"


def test_a_build_the_service_lost_is_begun_again_once(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version = world.upload(who, agent)
    first = str(version.build_id)
    finish = world.platform.versions.finish_build
    again = finish(who.org_id, version.id, "FAULT", first)
    assert again is not None
    assert again.state is VersionState.BUILDING
    assert again.build_id != first
    late = finish(who.org_id, version.id, "FAULT", first)
    assert late == again
    lost = finish(who.org_id, version.id, "FAULT", again.build_id)
    assert lost is not None
    assert (lost.state, lost.reasons[0].code) == (VersionState.FAILED, "build_lost")
    assert len(world.builder.builds) == 2


def test_a_report_that_was_cut_off_is_closed(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version = world.upload(who, agent)
    running = {"state": "running", "steps": [{"name": "build", "state": "running"}]}
    world.artifacts.put_json(f"{version.prefix}report.json", running)
    world.platform.versions.cancel(who, agent.id, version.id)
    report = world.platform.versions.report(who, agent.id, version.id)
    assert report["state"] == "cancelled"
    assert report["steps"][0]["state"] == "failed"


def test_a_version_that_has_ended_is_not_built_again(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    failed = world.upload(who, agent, {"notes.txt": "just words"})
    with pytest.raises(Conflict, match="Upload the source again"):
        world.platform.versions.build(who, agent.id, failed.id, manifest=None)


def test_what_the_build_warned_of_stands_on_the_version(world: World) -> None:
    who = world.sign_in()
    version = world.upload(who, world.agent(who))
    ready = world.finish_build(version, warnings=["GET / answers 500"])
    assert [w.detail for w in ready.warnings][-1] == "GET / answers 500"


def test_a_held_version_waits_for_a_person(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    held = world.upload(who, agent, hold=True)
    assert held.state is VersionState.UPLOADED
    assert held.plan is not None
    assert not world.builder.builds
    confirmed = world.platform.versions.build(
        who,
        agent.id,
        held.id,
        manifest={"name": "Echo", "runtime": "python", "start": {"command": "python other.py"}},
    )
    assert confirmed.state is VersionState.BUILDING
    assert confirmed.plan is not None
    assert confirmed.plan["start_command"] == "python other.py"


def test_version_two_that_fails_at_the_host_leaves_version_one_serving(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    first = world.live(who, agent)
    world.host.outcome = "FAILED"
    second = world.live(who, agent)
    assert second.state is DeploymentState.FAILED
    assert "still serves" in second.reasons[0].detail
    assert world.platform.deployments.get(who, first.id).state is DeploymentState.LIVE


def test_version_two_that_fails_its_checks_is_rolled_back_to_version_one(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    first = world.live(who, agent)
    world.caller.answer = Answer(503, {}, b"")
    second = world.live(who, agent)
    assert second.state is DeploymentState.ROLLED_BACK
    assert second.reasons[0].code == "url_unavailable"
    world.caller.answer = Answer(200, {}, b"")
    page = world.platform.deployments.page(who, agent.id, limit=1, after=None)
    restored = world.run_machine(who, page.items[0].id)
    assert restored.trigger is Trigger.RESTORE
    assert restored.state is DeploymentState.LIVE
    assert restored.version_id == first.version_id
    assert restored.rollback_of == second.id


def test_a_first_version_that_fails_its_checks_is_stopped_at_the_host(world: World) -> None:
    who = world.sign_in()
    world.caller.answer = Answer(0, {}, b"", "connection refused")
    failed = world.live(who, world.agent(who))
    assert failed.state is DeploymentState.FAILED
    assert world.host.running[failed.host.deployment_id].stopped


def test_a_host_that_runs_another_image_is_never_called_live(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.live(who, agent)
    version = world.ready(who, agent, deploy=True)
    assert version.deployment_id is not None
    platform = world.platform
    platform.releases.step("release", who.org_id, version.deployment_id)
    newest = world.host.running[f"host-{len(world.host.running) - 1}"]
    world.host.running[newest.id] = type(newest)(newest.id, "SUCCESS", "stale@sha256:0")
    platform.releases.step("watch", who.org_id, version.deployment_id)
    ended = platform.deployments.get(who, version.deployment_id)
    assert ended.state is DeploymentState.ROLLED_BACK
    assert ended.reasons[0].code == "wrong_image"


def test_rollback_brings_back_version_and_variables_without_a_build(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.platform.variables.put(
        who, agent.id, "production", [VariableValue("COLOUR", "red", False)], if_revision=None
    )
    first = world.live(who, agent)
    world.platform.variables.put(
        who, agent.id, "production", [VariableValue("COLOUR", "blue", False)], if_revision=None
    )
    second = world.live(who, agent)
    assert world.host.variables["svc-0"]["COLOUR"] == "blue"
    builds = len(world.builder.builds)
    back = world.platform.deployments.roll_back(who, second.id)
    back = world.run_machine(who, back.id)
    assert back.state is DeploymentState.LIVE
    assert back.version_id == first.version_id
    assert world.host.variables["svc-0"]["COLOUR"] == "red"
    assert len(world.builder.builds) == builds
    assert world.platform.deployments.get(who, second.id).state is DeploymentState.SUPERSEDED


def test_a_named_earlier_deployment_is_what_a_rollback_goes_to(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    first, _, third = (world.live(who, agent) for _ in range(3))
    back = world.platform.deployments.roll_back(who, first.id)
    assert world.run_machine(who, back.id).version_id == first.version_id
    assert world.platform.deployments.get(who, third.id).state is DeploymentState.SUPERSEDED


def test_a_deployment_that_was_never_live_is_nothing_to_go_back_to(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.live(who, agent)
    world.host.outcome = "FAILED"
    failed = world.live(who, agent)
    with pytest.raises(Conflict, match="still serves"):
        world.platform.deployments.roll_back(who, failed.id)


def test_there_is_nothing_to_roll_back_to_after_one_version(world: World) -> None:
    who = world.sign_in()
    only = world.live(who, world.agent(who))
    with pytest.raises(Conflict, match="no earlier deployment"):
        world.platform.deployments.roll_back(who, only.id)


def test_one_deployment_moves_and_the_newest_request_waits(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version = world.ready(who, agent)
    ask = world.platform.deployments.request
    first, second, third = (
        ask(who, agent.id, version_id=version.id, environment="production") for _ in range(3)
    )
    get = world.platform.deployments.get
    assert world.engine.started == [(first.id, 0)]
    assert get(who, second.id).state is DeploymentState.SUPERSEDED
    assert get(who, third.id).state is DeploymentState.QUEUED
    world.run_machine(who, first.id)
    assert world.engine.started == [(first.id, 0), (third.id, 0)]
    assert world.run_machine(who, third.id).state is DeploymentState.LIVE
    assert get(who, first.id).state is DeploymentState.SUPERSEDED


def test_cancelling_lets_the_next_one_go(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version = world.ready(who, agent)
    ask = world.platform.deployments.request
    first = ask(who, agent.id, version_id=version.id, environment="production")
    second = ask(who, agent.id, version_id=version.id, environment="production")
    cancelled = world.platform.deployments.cancel(who, first.id)
    assert cancelled.state is DeploymentState.CANCELLED
    assert world.platform.deployments.cancel(who, first.id).state is DeploymentState.CANCELLED
    assert world.run_machine(who, second.id).state is DeploymentState.LIVE


def test_a_required_variable_without_a_value_is_named(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    manifest = (
        "name: Echo\nruntime: python\nstart: {command: python main.py}\n"
        "env:\n  - {name: API_KEY, required: true, secret: true}\n"
    )
    version = world.upload(who, agent, {"agent.yaml": manifest, "main.py": ""}, deploy=True)
    done = world.finish_build(version)
    failed = world.platform.deployments.get(who, str(done.deployment_id))
    assert failed.state is DeploymentState.FAILED
    assert "API_KEY" in failed.reasons[0].detail
    world.platform.variables.put(
        who, agent.id, "production", [VariableValue("API_KEY", "s3cret", True)], if_revision=None
    )
    again = world.platform.deployments.request(
        who, agent.id, version_id=version.id, environment="production"
    )
    assert world.run_machine(who, again.id).state is DeploymentState.LIVE


def test_secrets_are_never_shown_and_keep_their_value_when_sent_without_one(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    put = world.platform.variables.put
    shown, revision = put(
        who, agent.id, "production", [VariableValue("KEY", "s3cret", True)], if_revision=None
    )
    assert shown == [VariableValue("KEY", None, True)]
    put(who, agent.id, "production", [VariableValue("KEY", None, True)], if_revision=revision)
    world.live(who, agent)
    assert world.host.variables["svc-0"]["KEY"] == "s3cret"
    with pytest.raises(Invalid):
        put(who, agent.id, "production", [VariableValue("NEW", None, True)], if_revision=None)


def test_a_value_that_names_another_tenants_variable_is_refused(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    leak = "${{ agt-of-somebody.DB_PASSWORD }}"
    with pytest.raises(Invalid):
        world.platform.variables.put(
            who, agent.id, "production", [VariableValue("LEAK", leak, False)], if_revision=None
        )
    manifest = f"name: X\nruntime: python\nenv:\n  - {{name: LEAK, default: '{leak}'}}\n"
    version = world.upload(who, agent, {"agent.yaml": manifest, "main.py": ""})
    assert version.state is VersionState.FAILED
    assert "reference" in version.reasons[0].detail


def test_the_build_is_told_what_was_read(world: World) -> None:
    who = world.sign_in()
    version = world.upload(who, world.agent(who))
    order = world.artifacts.get_json(f"{version.prefix}order.json")
    assert order is not None
    assert order["source"]["digest"] == version.source.digest
    assert len(order["source"]["digest"]) == 64


def test_secrets_do_not_travel_to_the_build(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.platform.variables.put(
        who, agent.id, "production", [VariableValue("KEY", "s3cret", True)], if_revision=None
    )
    version = world.upload(who, agent)
    order = world.artifacts.get_json(f"{version.prefix}order.json")
    assert order is not None
    assert "s3cret" not in str(order)
    assert order["secret_names"] == ["KEY"]


def test_a_dead_execution_is_taken_up_again_where_it_stood(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version = world.ready(who, agent, deploy=True)
    deployment_id = str(version.deployment_id)
    world.platform.releases.step("release", who.org_id, deployment_id)
    world.engine.dead.add((deployment_id, 0))
    run = world.platform.reconciler.run()
    assert run.repaired == 1
    assert world.engine.started[-1] == (deployment_id, 1)
    assert world.run_machine(who, deployment_id).state is DeploymentState.LIVE
    assert len(world.host.running) == 1


def test_a_crash_after_live_is_seen_and_a_recovery_too(world: World) -> None:
    who = world.sign_in()
    live = world.live(who, world.agent(who))
    world.host.lines[live.host.deployment_id] = [
        LogLine("2026-01-01T00:00:00Z", "error", "KeyError: 'API_KEY'")
    ]
    world.host.set_status(live.host.deployment_id, "CRASHED")
    world.platform.reconciler.run()
    crashed = world.platform.deployments.get(who, live.id)
    assert crashed.state is DeploymentState.CRASHED
    assert "KeyError: 'API_KEY'" in crashed.reasons[0].detail
    world.host.set_status(live.host.deployment_id, "SUCCESS")
    world.platform.reconciler.run()
    assert world.platform.deployments.get(who, live.id).state is DeploymentState.LIVE


def test_a_deployment_removed_at_the_host_is_not_called_live(world: World) -> None:
    who = world.sign_in()
    live = world.live(who, world.agent(who))
    world.host.set_status(live.host.deployment_id, "REMOVED")
    world.platform.reconciler.run()
    assert world.platform.deployments.get(who, live.id).state is DeploymentState.STOPPED


def test_a_lost_build_event_is_found(world: World) -> None:
    who = world.sign_in()
    version = world.upload(who, world.agent(who), deploy=True)
    world.artifacts.put_json(
        f"{version.prefix}report.json", {"state": "succeeded", "image": "i@sha256:1"}
    )
    world.builder.builds[str(version.build_id)] = "SUCCEEDED"
    world.platform.reconciler.run()
    found = world.platform.versions.get(who, version.agent_id, version.id)
    assert found.state is VersionState.READY
    assert found.deployment_id is not None


def test_an_intake_that_always_breaks_ends_and_harms_nobody_else(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    broken, _ = world.platform.versions.create_upload(
        who, agent.id, filename="a.zip", size=None, deploy=False
    )
    live = world.live(who, world.agent(who, "Other"))
    world.artifacts.sources[broken.source.key] = zipped({"index.html": "x"})

    def broken_fetch(key: str, to: Path) -> None:
        raise ZeroDivisionError

    world.artifacts.fetch_source = broken_fetch  # type: ignore[method-assign]
    world.platform.reconciler.run()
    world.clock.sleep(timedelta(hours=1).total_seconds())
    world.host.set_status(live.host.deployment_id, "CRASHED")
    run = world.platform.reconciler.run()
    found = world.platform.versions.get(who, agent.id, broken.id)
    assert (found.state, found.reasons[0].code) == (VersionState.FAILED, "intake_failed")
    assert world.platform.deployments.get(who, live.id).state is DeploymentState.CRASHED
    assert run.failed == 0


def test_an_upload_that_never_comes_ends(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    version, _ = world.platform.versions.create_upload(
        who, agent.id, filename="a.zip", size=None, deploy=False
    )
    world.clock.sleep(timedelta(hours=2).total_seconds())
    world.platform.reconciler.run()
    found = world.platform.versions.get(who, agent.id, version.id)
    assert (found.state, found.reasons[0].code) == (VersionState.FAILED, "upload_expired")


def test_an_endless_build_ends(world: World) -> None:
    who = world.sign_in()
    version = world.upload(who, world.agent(who))
    world.clock.sleep(timedelta(hours=1).total_seconds())
    world.platform.reconciler.run()
    found = world.platform.versions.get(who, version.agent_id, version.id)
    assert (found.state, found.reasons[0].code) == (VersionState.FAILED, "build_timeout")
    assert world.builder.builds[str(version.build_id)] == "STOPPED"


def test_a_deployment_that_never_comes_up_ends(world: World) -> None:
    who = world.sign_in()
    world.host.outcome = "DEPLOYING"
    failed = world.live(who, world.agent(who))
    assert (failed.state, failed.reasons[0].code) == (DeploymentState.FAILED, "deploy_timeout")


def test_the_schedule_is_on_only_while_there_is_something_to_look_at(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    assert not world.scheduled()
    live = world.live(who, agent)
    world.platform.reconciler.run()
    assert world.scheduled()
    world.platform.deployments.stop(who, live.id)
    world.platform.reconciler.run()
    assert not world.scheduled()
    world.live(who, agent)
    assert world.scheduled()
    serving = next(iter(every(world.store, OPEN_DEPLOYMENTS)))
    world.platform.deployments.stop(who, serving.id)
    assert not list(every(world.store, OPEN_DEPLOYMENTS))
    assert not list(every(world.store, OPEN_VERSIONS))


def test_deleting_an_agent_stops_what_runs_of_it(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    live = world.live(who, agent)
    world.platform.agents.delete(who, agent.id)
    with pytest.raises(NotFound):
        world.platform.agents.get(who, agent.id)
    assert not world.host.running
    assert world.platform.deployments.get(who, live.id).state is DeploymentState.STOPPED


def test_another_organisation_sees_nothing(world: World) -> None:
    ada, bob = world.sign_in(), world.sign_in("bob@example.com")
    agent = world.agent(ada)
    live = world.live(ada, agent)
    platform = world.platform
    for attempt in (
        lambda: platform.agents.get(bob, agent.id),
        lambda: platform.agents.delete(bob, agent.id),
        lambda: platform.versions.get(bob, agent.id, live.version_id),
        lambda: platform.versions.cancel(bob, agent.id, live.version_id),
        lambda: platform.variables.get(bob, agent.id, "production"),
        lambda: platform.deployments.get(bob, live.id),
        lambda: platform.deployments.stop(bob, live.id),
        lambda: platform.deployments.roll_back(bob, live.id),
        lambda: platform.deployments.request(
            bob, agent.id, version_id=live.version_id, environment="production"
        ),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert platform.agents.page(bob, limit=10, after=None).items == ()


def test_two_agents_of_one_name_get_two_slugs(world: World) -> None:
    who = world.sign_in()
    assert [world.agent(who, "My Agent").slug for _ in range(3)] == [
        "my-agent",
        "my-agent-2",
        "my-agent-3",
    ]


def test_a_deployment_tells_which_variables_it_runs_with_and_what_changed(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    variables = world.platform.variables

    def put(*items: VariableValue) -> None:
        variables.put(who, agent.id, "production", list(items), if_revision=None)

    put(
        VariableValue("COLOUR", "red", False),
        VariableValue("KEY", "one", True),
        VariableValue("OLD", "x", False),
        VariableValue("SAME", "y", False),
    )
    first = world.live(who, agent)
    # What was plain becomes secret: its old value is hidden too from now on.
    put(
        VariableValue("COLOUR", "blue", True),
        VariableValue("KEY", "two", True),
        VariableValue("NEW", "n", False),
        VariableValue("SAME", "y", False),
    )
    second = world.live(who, agent)

    alone = world.platform.deployments.variables(who, first.id)
    assert [(v.name, v.value, v.secret, v.change) for v in alone] == [
        ("COLOUR", None, True, None),
        ("KEY", None, True, None),
        ("OLD", "x", False, None),
        ("SAME", "y", False, None),
    ]
    beside = world.platform.deployments.variables(who, second.id, compare=first.id)
    assert [(v.name, v.before, v.value, v.secret, v.change) for v in beside] == [
        ("COLOUR", None, None, True, "changed"),
        ("KEY", None, None, True, "changed"),
        ("NEW", None, "n", False, "added"),
        ("OLD", "x", None, False, "removed"),
        ("SAME", "y", "y", False, "same"),
    ]
    elsewhere = world.live(who, world.agent(who, "Other"))
    with pytest.raises(NotFound):
        world.platform.deployments.variables(who, first.id, compare=elsewhere.id)


def test_a_secret_is_made_plain_only_by_somebody_who_knows_it(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    put = world.platform.variables.put
    put(who, agent.id, "production", [VariableValue("KEY", "s3cret", True)], if_revision=None)
    with pytest.raises(Invalid) as refused:
        put(who, agent.id, "production", [VariableValue("KEY", None, False)], if_revision=None)
    assert refused.value.errors[0].field == "items[0].value"
    shown, _ = world.platform.variables.get(who, agent.id, "production")
    assert (shown[0].value, shown[0].secret) == (None, True)
    put(who, agent.id, "production", [VariableValue("KEY", "s3cret", False)], if_revision=None)
    shown, _ = world.platform.variables.get(who, agent.id, "production")
    assert (shown[0].value, shown[0].secret) == ("s3cret", False)


def test_a_deployment_older_than_the_note_of_its_secrets_shows_no_value(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    world.platform.variables.put(
        who, agent.id, "production", [VariableValue("COLOUR", "red", False)], if_revision=None
    )
    live = world.live(who, agent)
    world.store.commit(Put(live.noting(world.clock.now(), variable_names=None)))
    shown = world.platform.deployments.variables(who, live.id)
    assert [(v.name, v.value, v.secret) for v in shown] == [("COLOUR", None, True)]


def test_an_agents_output_can_be_read_from_a_moment_on(world: World) -> None:
    who = world.sign_in()
    live = world.live(who, world.agent(who))
    world.host.lines[live.host.deployment_id] = [
        LogLine(f"2026-01-01T00:00:0{second}.000Z", "info", f"line {second}") for second in range(6)
    ]
    start = datetime(2026, 1, 1, 0, 0, 4, tzinfo=UTC)
    logs = world.platform.deployments.logs
    lines, cursor = logs(who, live.id, cursor=None, limit=1, start=start)
    assert [line.message for line in lines] == ["line 4"]
    # The cursor leads on; a start beside it says nothing more.
    lines, _ = logs(who, live.id, cursor=cursor, limit=10, start=start)
    assert [line.message for line in lines] == ["line 5"]


def test_a_template_can_be_held_for_confirmation_as_an_upload_can(world: World) -> None:
    who = world.sign_in()
    agent = world.agent(who)
    template = {
        "name": "echo",
        "runtime": "python",
        "title": "Echo",
        "description": "",
        "key": "templates/echo.zip",
        "digest": "",
    }
    world.artifacts.objects["templates/index.json"] = json.dumps([template]).encode()
    world.artifacts.objects["templates/echo.zip"] = zipped({"index.html": "<p>Echo</p>"})
    made = world.platform.versions.create_from_template(
        who, agent.id, template="echo", deploy=True, hold=True
    )
    held = world.platform.versions.receive_upload(made.org_id, made.id)
    assert held is not None
    assert (held.state, held.hold) == (VersionState.UPLOADED, True)
    assert held.plan is not None
    built = world.platform.versions.build(who, agent.id, held.id, manifest=None)
    assert built.state is VersionState.BUILDING
