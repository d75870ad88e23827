"""The worker behind the table's stream: what has changed is found, whatever the events say."""

from __future__ import annotations

import json
from typing import Any

from app import app as _app  # noqa: F401 - registers the workers
from chalicelib import bootstrap
from chalicelib.workers import on_listing
from tests.api.conftest import Client
from tests.api.test_marketplace import published
from tests.conftest import World


def record(kind: str, **attributes: Any) -> dict[str, Any]:
    """A stream record, as recorded."""
    image = {"kind": {"S": kind}, **{k: {"S": v} for k, v in attributes.items()}}
    return {"eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": {"NewImage": image}}


def test_changes_and_counts_reach_the_index_and_nothing_stands_in_the_way(
    world: World, client: Client, nobody: Client
) -> None:
    agent_id = published(world, client)
    org_id = world.platform.access.principal(client.token or "").org_id
    client("PUT", "/agents/{agent_id}/listing", {"summary": "x" * 30}, agent_id=agent_id)
    bootstrap.install(world.platform)
    events = {
        "Records": [
            record("AgentListing", doc=json.dumps({"org_id": org_id, "agent_id": agent_id})),
            record("Counter", org_id=org_id, agent_id=agent_id),
            record("Counter", org_id=org_id, agent_id="agt_gone"),
            record("Version", doc="{}"),
            {"eventName": "REMOVE", "dynamodb": {"Keys": {}}},
        ]
    }
    for _ in range(2):
        assert on_listing(events, None) == {"indexed": 2}
    [item] = nobody("GET", "/marketplace/agents").json["items"]
    assert item["summary"] == "x" * 30


def test_who_deploys_may_ask_for_an_index(world: World, client: Client, nobody: Client) -> None:
    published(world, client)
    world.catalogue._index = None
    bootstrap.install(world.platform)
    on_listing({"ensure": True}, None)
    assert nobody("GET", "/marketplace/agents").json["total"] == 1
