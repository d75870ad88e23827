"""Runs that once ended in something untrue, each the shortest program that did."""

from __future__ import annotations

import pytest

from tests.simulation.programs import Program, carry_out

FOUND: dict[str, Program] = {
    # Two builds end at once: the loser of the race for the environment was never deployed.
    "a version that was to be deployed is, however many builds end at once": (
        1,
        (("do", 0, "deploy", "good", 0.0), ("do", 0, "deploy", "good", 0.0)),
    ),
    # The answer is lost, the agent fails at once: it was taken for never begun, and begun again.
    "a deployment that fails before anybody hears of it is not made twice": (
        7402,
        (
            ("host", "crash_before_live", ("do", 0, "redeploy", "good"), 0.0),
            (
                "wire",
                (("server_error_after", "serviceInstanceDeployV2", None),),
                ("do", 1, "stop", "good"),
                10.0,
            ),
        ),
    ),
    # The host moved the agent on while it was still being watched, and it was taken for removed.
    "what the host moves in the middle of a release is followed": (
        0,
        (
            ("do", 0, "deploy", "good", 0.0),
            ("do", 0, "deploy", "good", 0.0),
            ("host", "migrated", ("do", 0, "deploy", "wrong page"), 6.0),
        ),
    ),
    # The host moved the agent on in the moment it was stopped, because it had ended here.
    "what has ended here is ended at the host, wherever the host has moved it": (
        14,
        (
            ("wire", (("problem", "deploymentStop", None),), ("do", 0, "cancel", "good"), 50.0),
            ("host", "migrated", ("do", 1, "deploy", "wrong page"), 6.0),
        ),
    ),
    # The host had switched already when somebody cancelled: it went on with what had ended here.
    "what is cancelled in the very moment it goes live does not run on": (
        17817,
        (
            ("do", 1, "deploy", "good", 0.0),
            ("do", 0, "build", "good", 2.0),
            ("do", 0, "redeploy", "good", 2.0),
            ("do", 1, "cancel", "good", 10.0),
        ),
    ),
}


@pytest.mark.parametrize("program", FOUND.values(), ids=FOUND)
def test_a_lie_once_found_does_not_come_back(program: Program) -> None:
    assert carry_out(program) == []
