"""The tables of versions and deployments: complete, closed, deaf to repeats."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import deployments, versions
from chalicelib.domain.deployments import Deployment, DeploymentEvent, DeploymentState
from chalicelib.domain.versions import Source, SourceKind, Version, VersionEvent, VersionState
from chalicelib.errors import Conflict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINES: list[tuple[Any, Any, Any, Any]] = [
    (VersionState, VersionEvent, versions.TRANSITIONS, VersionEvent.FAILED),
    (DeploymentState, DeploymentEvent, deployments.TRANSITIONS, DeploymentEvent.FAILED),
]


def version(state: VersionState = VersionState.AWAITING_UPLOAD) -> Version:
    return Version(
        id="ver_1",
        org_id="org_1",
        agent_id="agt_1",
        number=1,
        label="v1",
        state=state,
        source=Source(SourceKind.UPLOAD, "a.zip", "k"),
        created_by="usr_1",
        created_at=NOW,
        updated_at=NOW,
    )


def deployment(state: DeploymentState = DeploymentState.QUEUED) -> Deployment:
    return Deployment(
        id="dep_1",
        org_id="org_1",
        agent_id="agt_1",
        version_id="ver_1",
        version_number=1,
        environment="production",
        state=state,
        image="i@sha256:1",
        plan={},
        variables="",
        created_by="usr_1",
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize(("states", "events", "table", "fail"), MACHINES)
def test_every_state_is_reached_or_begins(states: Any, events: Any, table: Any, fail: Any) -> None:
    first = next(iter(states))
    assert {state for state in states if state is not first} <= set(table.values())


@pytest.mark.parametrize(("states", "events", "table", "fail"), MACHINES)
def test_a_final_state_has_no_way_out(states: Any, events: Any, table: Any, fail: Any) -> None:
    for state in states:
        if state.is_final:
            assert {table[(state, event)] for event in events} == {state}


def test_every_unfinished_version_can_fail_and_be_cancelled() -> None:
    for state in VersionState:
        if not state.is_final:
            assert versions.TRANSITIONS[(state, VersionEvent.FAILED)] is VersionState.FAILED
            assert versions.TRANSITIONS[(state, VersionEvent.CANCELLED)] is VersionState.CANCELLED


def test_every_moving_deployment_can_fail_and_be_cancelled() -> None:
    table = deployments.TRANSITIONS
    for state in deployments.MOVING:
        assert table[(state, DeploymentEvent.FAILED)] is DeploymentState.FAILED
        assert table[(state, DeploymentEvent.CANCELLED)] is DeploymentState.CANCELLED


def test_states_are_moving_serving_or_final_and_only_one_of_them() -> None:
    for state in DeploymentState:
        assert [state.is_moving, state.is_serving, state.is_final].count(True) == 1


@given(st.sampled_from(list(DeploymentState)), st.sampled_from(list(DeploymentEvent)))
def test_a_deployment_event_that_arrives_twice_changes_nothing_more(
    state: DeploymentState, event: DeploymentEvent
) -> None:
    try:
        once = deployment(state).after(event, NOW)
    except Conflict:
        return
    assert once.after(event, NOW) is once


@given(st.lists(st.sampled_from(list(VersionEvent)), max_size=12))
def test_versions_bear_events_in_any_order(events: list[VersionEvent]) -> None:
    current = version()
    for event in events:
        try:
            following = current.after(event, NOW)
        except Conflict:
            continue
        assert following is current or following.revision == current.revision + 1
        assert not (current.state.is_final and following.state is not current.state)
        current = following


def test_a_refused_event_names_the_state_it_met() -> None:
    with pytest.raises(Conflict, match="is live"):
        deployment(DeploymentState.LIVE).after(DeploymentEvent.CANCELLED, NOW)
