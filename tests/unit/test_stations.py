"""Where a version and its deployment stand on their way, and the words for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.deployments import Deployment, DeploymentState
from chalicelib.domain.manifest import named_lines
from chalicelib.domain.pull_requests import PreviewState, PullRequest
from chalicelib.domain.stations import stations
from chalicelib.domain.telling import (
    Saying,
    check_name,
    comment,
    deployment_state,
    deployment_words,
    plain,
    saying,
)
from chalicelib.domain.versions import (
    HELD_BACK,
    Reason,
    Source,
    SourceCommit,
    SourceKind,
    Version,
    VersionState,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
COMMIT = SourceCommit("acme/echo", "a" * 40, 7, 9, "main")


def version(state: str, **more: Any) -> Version:
    made = Version(
        id="ver_1",
        org_id="org_1",
        agent_id="agt_1",
        number=3,
        label="v3",
        state=VersionState(state),
        source=Source(SourceKind.GITHUB, "source.tar.gz", "k", commit=COMMIT),
        created_by="usr_1",
        created_at=AT,
        updated_at=AT,
    )
    return replace(made, **more)


def deployment(state: str, **more: Any) -> Deployment:
    made = Deployment(
        id="dep_1",
        org_id="org_1",
        agent_id="agt_1",
        version_id="ver_1",
        version_number=3,
        environment="production",
        state=DeploymentState(state),
        image="i",
        plan={},
        variables="",
        created_by="usr_1",
        created_at=AT,
        updated_at=AT,
    )
    return replace(made, **more)


def steps(**states: str) -> list[dict[str, Any]]:
    return [{"name": name, "state": state} for name, state in states.items()]


def drawn(*of: Any) -> str:
    """One letter a station: waiting, held, moving, done, failed, stopped."""
    letters = {"stopped": "x"}
    return "".join(letters.get(one.state, one.state[0]) for one in stations(*of))


@pytest.mark.parametrize(
    ("at", "report", "expected"),
    [
        (version("awaiting_upload"), steps(), "mwwwwww"),
        (version("uploaded"), steps(), "mwwwwww"),
        (version("uploaded", hold=True, plan={"runtime": "python"}), steps(), "hwwwwww"),
        (version("building", timings={"building": "t"}), steps(), "dmwwwww"),
        (version("building"), steps(fetch="passed", scan="running"), "dmwwwww"),
        (version("building"), steps(fetch="passed", scan="passed", build="running"), "ddmwwww"),
        (version("building"), steps(scan="passed", build="passed", start="running"), "dddmwww"),
        (version("failed"), steps(), "fwwwwww"),
        (
            version("failed", timings={"building": "t"}),
            steps(scan="passed", build="failed"),
            "ddfwwww",
        ),
        (version("rejected", timings={"building": "t"}), steps(scan="failed"), "dfwwwww"),
        (version("cancelled"), steps(), "xwwwwww"),
        (version("cancelled", timings={"building": "t"}), steps(scan="running"), "dxwwwww"),
        (version("ready"), steps(), "ddddwww"),
    ],
)
def test_a_version_stands_at_a_station(at: Version, report: Any, expected: str) -> None:
    assert drawn(at, report, None) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (deployment("queued"), "ddddmww"),
        (deployment("releasing"), "ddddmww"),
        (deployment("verifying", timings={"verifying": "t"}), "dddddmw"),
        (deployment("live", timings={"verifying": "t", "live": "t"}), "ddddddd"),
        (deployment("superseded", timings={"live": "t"}), "ddddddd"),
        (deployment("superseded"), "ddddxww"),
        (deployment("stopped", timings={"live": "t"}), "ddddddx"),
        (deployment("crashed", timings={"live": "t"}), "ddddddf"),
        (deployment("failed"), "ddddfww"),
        (deployment("rolled_back", timings={"verifying": "t"}), "dddddfw"),
        (deployment("cancelled", timings={"verifying": "t"}), "dddddxw"),
    ],
)
def test_a_deployment_stands_at_a_station(at: Deployment, expected: str) -> None:
    assert drawn(version("ready"), [], at) == expected


def test_times_are_told_once_a_station_is_over() -> None:
    report = [
        {
            "name": "build",
            "state": "passed",
            "started_at": "2026-01-01T00:00:00+00:00",
            "finished_at": "2026-01-01T00:00:07+00:00",
        },
        {"name": "test", "state": "passed", "started_at": "soon", "finished_at": "later"},
    ]
    found = {one.name: one for one in stations(version("ready"), report, None)}
    assert found["build"].seconds == 7
    assert found["test"].seconds is None


def said(at: Version, way: Deployment | None = None) -> Saying:
    return saying(at, way, stations(at, [], way), {})


@pytest.mark.parametrize("state", VersionState)
def test_every_state_of_a_version_is_told(state: VersionState) -> None:
    found = said(version(state.value))
    assert found.title
    assert (found.status == "completed") == (found.conclusion is not None)
    assert (found.status == "completed") == state.is_final


@pytest.mark.parametrize("state", DeploymentState)
def test_every_state_of_a_deployment_is_told(state: DeploymentState) -> None:
    at = deployment(state.value)
    found = said(version("ready"), at)
    assert (found.status == "completed") != state.is_moving
    assert deployment_state(at) in (
        "queued",
        "in_progress",
        "success",
        "failure",
        "error",
        "inactive",
    )
    assert deployment_words(at)


def test_what_waits_for_a_person_is_told_as_that() -> None:
    held = version("uploaded", hold=True, plan={"runtime": "python"})
    assert said(held).conclusion == "action_required"
    back = version("ready", deploy=True, warnings=(Reason(HELD_BACK, "…"),))
    assert said(back).conclusion == "neutral"
    assert said(version("ready", deploy=True)).status == "in_progress"
    assert said(version("ready")).conclusion == "success"


def test_how_long_it_took_is_no_news() -> None:
    times = {
        "awaiting_upload": "2026-01-01T00:00:00+00:00",
        "building": "2026-01-01T00:00:01+00:00",
    }
    first = version("ready", timings=times)
    second = version("ready", timings={**times, "building": "2026-01-01T00:00:09+00:00"})
    assert said(first).summary != said(second).summary
    assert said(first).digest == said(second).digest
    assert said(first).digest != said(version("building")).digest


def test_a_check_has_the_same_name_for_every_pull_request() -> None:
    assert check_name("echo", "pr-1") == check_name("echo", "pr-22") == "Slipway / echo (preview)"
    assert check_name("echo", "production") == "Slipway / echo (production)"


def request(state: PreviewState) -> PullRequest:
    return PullRequest(
        org_id="org_1",
        agent_id="agt_1",
        number=3,
        title="A change",
        author="ada",
        head_sha="b" * 40,
        head_branch="feature",
        base_sha="a" * 40,
        fork=False,
        state=state,
        changed_at=AT,
        active_at=AT,
        created_at=AT,
        updated_at=AT,
    )


@pytest.mark.parametrize("state", PreviewState)
def test_a_comment_is_of_the_newest_commit_whatever_became_of_it(state: PreviewState) -> None:
    text = comment(request(state), "echo", "https://a.test/x", None, None)
    assert text.startswith("<!-- slipway agt_1 -->")
    assert ("b" * 7 in text) or state is PreviewState.CLOSING


def test_a_comment_says_why_it_failed_and_no_address() -> None:
    failed = version("failed", reasons=(Reason("x", "`rm` said *no* to @ada", "a`b.py", 4),))
    text = comment(request(PreviewState.ACTIVE), "echo", "https://a.test/x", failed, None)
    assert "| Address | none |" in text
    assert "`ab.py:4`" in text
    assert "@ada" not in text
    assert r"\*no\*" in text


@pytest.mark.parametrize(
    "text", ["[x](https://evil.test)", "a|b\nc", "<script>", "@org/team", "#12"]
)
def test_what_people_wrote_stays_text(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    for mark in ("](", "@o"):
        assert mark not in shown
    for mark in "|<[#":
        assert shown.count(mark) == shown.count(f"\\{mark}")


def test_lines_are_those_of_the_names_in_a_manifest() -> None:
    text = b"name: x\ntests:\n  - name: one\n  - request: {}\n    name: two\nenv:\n- name: KEY\n"
    assert named_lines(text) == {"first": 2, "names": {"one": 3, "two": 4, "KEY": 7}}
    for odd in (b"", b"- 1", b"tests: no", b"tests: [1, {name: 5}]", b"\x00", b"a: [b"):
        assert named_lines(odd)["names"] == {}
