"""Knows how the ready-made agents get into a local cloud's marketplace: as anybody's would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx

from infra.gallery import Showpiece, showpieces
from infra.local.first import Person, Refused, sign_in
from infra.local.layout import LocalCloudError

AUTHOR = "gallery@slipway.local"
PUBLISHER = "Slipway gallery"
_BUILD_LIMIT_SECONDS = 120.0


def publish_gallery(
    web_url: str, say: Callable[[str], None], only: Sequence[str] = ()
) -> list[str]:
    """Publishes every ready-made agent that a local cloud's marketplace has not yet; their slugs.

    Nothing is deployed: an agent is built when it is published, and runs when somebody makes a
    copy of it.
    """
    try:
        with sign_in(web_url, AUTHOR) as person:
            there = _published(person)
            done = []
            for piece in showpieces():
                if piece.slug in there or (only and piece.slug not in only):
                    continue
                _publish(person, piece)
                say(f"{piece.listing['name']}: {web_url}/marketplace/{piece.slug}")
                done.append(piece.slug)
            return done
    except httpx.HTTPError as problem:
        raise LocalCloudError(
            f"{web_url} does not answer ({problem}); `make up` starts the local cloud."
        ) from problem


def _published(person: Person) -> set[str]:
    found: set[str] = set()
    for piece in showpieces():
        try:
            person.ask("GET", f"/marketplace/agents/{piece.slug}")
        except Refused as refused:
            if refused.status != 404:
                raise
        else:
            found.add(piece.slug)
    return found


def _publish(person: Person, piece: Showpiece) -> None:
    agent = _agent(person, piece)
    path = f"/agents/{agent['id']}"
    version = person.upload(agent["id"], f"{piece.slug}.zip", piece.source(), deploy=False)
    built = person.wait_for_version(agent["id"], version["id"], _BUILD_LIMIT_SECONDS)
    if built["state"] != "ready":
        reasons = "; ".join(reason["detail"] for reason in built["reasons"])
        raise LocalCloudError(f"{piece.slug} was not built ({built['state']}): {reasons}")
    listing = {**piece.listing, "publisher": PUBLISHER, "fork": True}
    person.ask("PUT", f"{path}/listing", json=listing)
    person.ask("POST", f"{path}/publish", json={"version_id": version["id"]})


def _agent(person: Person, piece: Showpiece) -> dict[str, Any]:
    """The agent of an earlier attempt, or a new one."""
    name = piece.listing["name"]
    cursor = ""
    while True:
        page = person.ask("GET", f"/agents?limit=100{cursor}")
        for agent in page["items"]:
            if agent["name"] == name:
                found: dict[str, Any] = agent
                return found
        if page["next_cursor"] is None:
            return person.create(
                "/agents",
                {
                    "name": name,
                    "description": piece.listing["summary"],
                    "category": piece.listing["categories"][0],
                },
            )
        cursor = f"&cursor={page['next_cursor'].replace('#', '%23')}"
