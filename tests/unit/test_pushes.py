"""Whether a commit that waited is still what its agent follows, once it is its turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.connections import Connection, ConnectionState, How
from chalicelib.domain.pushes import outdated
from chalicelib.domain.versions import SourceCommit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONNECTION = Connection(
    org_id="org_1",
    agent_id="agt_1",
    repository="acme/echo",
    repository_id=7,
    branch="main",
    how=How.APP,
    created_by="usr_1",
    created_at=NOW,
    updated_at=NOW,
    root="agents/echo",
)
COMMIT = SourceCommit("acme/echo", "a" * 40, repository_id=7, branch="main", root="agents/echo")
OF_PULL = replace(COMMIT, branch="feature", pull_request=3)

CHANGES: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "nothing": ({}, None, None),
    "its name": ({"repository": "acme/renamed"}, None, None),
    "another repository": ({"repository_id": 8}, "settings_changed", "settings_changed"),
    "another folder": ({"root": ""}, "settings_changed", "settings_changed"),
    "another branch": ({"branch": "next"}, "settings_changed", None),
    "no deploying by itself": ({"auto_deploy": False}, "auto_deploy_off", None),
    "no access": ({"state": ConnectionState.GONE}, "disconnected", "disconnected"),
    "a suspended app": ({"state": ConnectionState.SUSPENDED}, "disconnected", "disconnected"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_waited_is_built_while_the_agent_follows_it(name: str) -> None:
    change, of_push, of_pull = CHANGES[name]
    now = replace(CONNECTION, **change)
    for commit, code in ((COMMIT, of_push), (OF_PULL, of_pull)):
        why = outdated(commit, now)
        assert (why.code if why else None) == code
