"""What is said of a value that is not as it must be: what to write, and no regular expression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.api.patterns import MEANINGS
from tests.api.conftest import Client
from tests.conftest import World

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


def patterns(node: Any) -> Iterator[str]:
    """Every pattern in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for inner in node.values():
            yield from patterns(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from patterns(inner)


def test_every_pattern_of_a_request_has_words() -> None:
    found = set(patterns(json.loads(DOCUMENT.read_text())))
    # Checked by hand, before any model is.
    assert found - set(MEANINGS) == {r"^[\x20-\x7e]+$"}


def test_a_field_that_does_not_match_says_what_to_write(world: World, client: Client) -> None:
    who = world.platform.access.principal(client.token or "")
    agent = world.agent(who)
    body = {"slug": "Tide Table", "tags": ["a b!"], "source_url": "ftp://x"}
    reply = client("PUT", "/agents/{agent_id}/listing", body, agent_id=agent.id)
    assert reply.status == 422
    said = {one["field"]: one["detail"] for one in reply.json["errors"]}
    assert set(said) == {"slug", "tags.0", "source_url"}
    assert "site-crawler" in said["slug"]
    assert "https://" in said["source_url"]
    assert "^" not in "".join(said.values())
    page = client("GET", "/marketplace/agents?cursor=zzz")
    assert page.json["errors"][0]["detail"].startswith("Send back next_cursor")
