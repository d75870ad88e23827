"""Runs that once ended in something untrue, each the shortest program that did."""

from __future__ import annotations

import pytest

from chalicelib.domain.release import Strategy
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
    # A step died right after the host had begun; then the look for it failed, which was taken for
    # a word that nothing had begun.
    "what an earlier try began is looked for until there is an answer": (
        1271,
        (
            (
                "wire",
                (("cloudflare", "deployments", None),),
                ("do", 0, "redeploy", "health 500"),
                250.0,
            ),
            ("kill", "deploy-step", 30, ("do", 1, "restart", "good"), 10.0),
            ("do", 0, "redeploy", "out of memory at start", 10.0),
        ),
    ),
    # The answer was lost, and the host had begun it with an older image: it was begun once more.
    "a stale image whose answer is lost is found to be stale, and not begun again": (
        8994,
        (
            (
                "wire",
                (("timeout_after", "serviceInstanceDeployV2", 1),),
                ("do", 0, "build", "good"),
                4.0,
            ),
            ("host", "stale_image", ("do", 0, "redeploy", "never up"), 2.0),
        ),
    ),
    # The host had moved the agent on, and it ended by itself before anybody looked.
    "what ends by itself after the host has moved it is said to have ended": (
        60511,
        (
            ("do", 0, "roll_back", "good", 6.0),
            ("host", "migrated", ("do", 1, "roll_back", "crashes at start"), 25.0),
            ("do", 1, "deploy", "ends with 0 later", 250.0),
        ),
    ),
}
FOUND_WHERE_THE_HOST_BUILDS: dict[str, Program] = {
    # The same after an answer that was lost.
    "a source whose answer is lost is looked for until there is an answer": (
        15809,
        (
            (
                "wire",
                (("problem", "deployments", None),),
                ("do", 0, "deploy", "health 500"),
                6.0,
            ),
            ("wire", (("problem_after", "up", 1),), ("do", 1, "deploy", "page 500"), 10.0),
        ),
    ),
}


@pytest.mark.parametrize("program", FOUND.values(), ids=FOUND)
def test_a_lie_once_found_does_not_come_back(program: Program) -> None:
    assert carry_out(program) == []


@pytest.mark.parametrize(
    "program", FOUND_WHERE_THE_HOST_BUILDS.values(), ids=FOUND_WHERE_THE_HOST_BUILDS
)
def test_nor_where_the_host_builds(program: Program) -> None:
    assert carry_out(program, strategy=Strategy.SOURCE) == []
