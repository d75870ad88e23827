"""The filter before `on_change`: it is woken for whatever work follows from, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from chalicelib.adapters.dynamo import to_item
from chalicelib.adapters.layouts import LAYOUTS, decoded
from chalicelib.domain.versions import Version
from chalicelib.ports import VERSIONS, every
from tests.conftest import World
from tests.hooks import connected

TEMPLATE = Path(__file__).parents[2] / "infra" / "template.yaml"
KINDS = {kind.__name__: kind for kind in LAYOUTS}


def stream_patterns(mapping: str) -> list[dict[str, Any]]:
    """The patterns of an event source mapping, as the template has them."""
    begin = rf"^  {mapping}:\n"
    block = re.search(rf"{begin}((?:    .*\n)+)", TEMPLATE.read_text(), re.MULTILINE)
    assert block is not None
    return [json.loads(one) for one in re.findall(r"- Pattern: '(.*)'", block[1])]


def passes(pattern: Any, record: Any) -> bool:
    """The one rule of Lambda's patterns that ours use: a list names the values that are let in."""
    if isinstance(pattern, list):
        return record in pattern
    return all(passes(inner, (record or {}).get(name)) for name, inner in pattern.items())


def woken(event: str, kind: str, document: str) -> bool:
    """Whether the function is called for this change of the table."""
    item = to_item(decoded(KINDS[kind], document))
    record = {"eventName": event, "dynamodb": {"NewImage": item}}
    return any(passes(pattern, record) for pattern in stream_patterns("WorkChanges"))


def test_what_was_uploaded_wakes_nobody(world: World) -> None:
    who = world.founded()
    world.live(who, world.agent(who))
    changes, world.store.stream = world.store.stream, []
    assert {kind for _, kind, _ in changes} >= {"Version", "Deployment"}
    assert not world.platform.work.plan(changes)
    assert not [change for change in changes if woken(*change)]


def test_whatever_work_follows_from_is_let_through(world: World) -> None:
    who = world.founded()
    agent = world.agent(who)
    repo = connected(world, who, agent)
    changes: list[tuple[str, str, str]] = []

    def noted() -> None:
        changes.extend(world.store.stream)
        world.work()

    repo.send("push", repo.pushed(repo.commit()), work=False)
    noted()
    [version] = every(world.store, VERSIONS, agent.org_id, agent.id)
    ready: Version = world.finish_build(version)
    noted()
    assert ready.deployment_id is not None
    world.run_machine(who, ready.deployment_id)
    noted()
    head = repo.commit("Another way", "feature-1")
    repo.send("pull_request", repo.pull("opened", 1, head), work=False)
    noted()
    planned = [change for change in changes if world.platform.work.plan([change])]
    assert {kind for _, kind, _ in planned} >= {"Receipt", "Version", "Deployment"}
    assert [change for change in planned if not woken(*change)] == []
