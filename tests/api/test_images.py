"""Pictures of a listing: uploaded, shown to all, replaced, and gone when they are not shown."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from typing import Any

import pytest
from PIL import Image as Pillow

from tests.api.conftest import Client, Reply
from tests.api.test_marketplace import WORDS, prepared, published
from tests.api.test_reviews import runs, write
from tests.conftest import World

PATH = "/agents/{agent_id}/listing"


def picture(width: int, height: int, kind: str = "PNG", shade: int = 90) -> str:
    """A picture of one colour, as it is sent."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (width, height), (shade, 40, 40)).save(buffer, kind)
    return b64encode(buffer.getvalue()).decode()


ICON = picture(128, 128)
SCREENSHOT = picture(800, 500, "WEBP")


def media(world: World) -> list[str]:
    return sorted(key for key in world.artifacts.objects if key.startswith("media/"))


def put_icon(client: Client, agent_id: str, data: str = ICON, **more: Any) -> Reply:
    return client("PUT", f"{PATH}/icon", {"data": data}, agent_id=agent_id, **more)


def add(client: Client, agent_id: str, alt: str = "", data: str = SCREENSHOT) -> Reply:
    body = {"data": data, "alt": alt}
    return client("POST", f"{PATH}/screenshots", body, agent_id=agent_id)


def test_a_preview_shows_title_summary_rating_and_picture_together(
    world: World, client: Client, nobody: Client, stranger: Client
) -> None:
    agent_id = published(world, client)
    add(client, agent_id, "The start page")
    runs(world, stranger)
    write(stranger, 4)
    page = nobody("GET", "/marketplace/agents/{slug}/social", slug=WORDS["slug"]).text
    told = dict(re.findall(r'<meta property="([^"]+)" content="([^"]*)">', page))
    assert WORDS["name"] in told["og:title"]
    assert told["og:title"].endswith("★ 4.0 (1)")
    assert told["og:description"] == WORDS["summary"]
    assert told["og:image"].startswith("http://localhost:8800/media/")
    drawn = nobody("GET", "/marketplace/agents/{slug}/picture.svg", slug=WORDS["slug"]).text
    assert "★ 4.0" in drawn


def test_pictures_are_shown_in_lists_on_the_page_and_in_previews(
    world: World, client: Client, nobody: Client
) -> None:
    agent_id = published(world, client)
    assert put_icon(client, agent_id).status == 200
    social = nobody("GET", "/marketplace/agents/{slug}/social", slug=WORDS["slug"]).text
    [icon] = media(world)
    assert f'property="og:image" content="http://localhost:8800/{icon}"' in social
    assert 'content="summary"' in social

    reply = add(client, agent_id, "The start page")
    assert reply.status == 201, reply.text
    who = world.platform.access.principal(client.token or "")
    world.platform.indexing.refresh([(who.org_id, agent_id)])
    [card] = nobody("GET", "/marketplace/agents?q=crawler").json["items"]
    assert card["picture"] == icon
    offer = nobody("GET", "/marketplace/agents/{slug}", slug=WORDS["slug"]).json
    [shot] = offer["screenshots"]
    assert offer["picture"] == icon
    assert (shot["width"], shot["height"], shot["alt"]) == (800, 500, "The start page")
    assert world.artifacts.media_types[icon] == "image/png"
    assert world.artifacts.media_types[shot["path"]] == "image/webp"
    social = nobody("GET", "/marketplace/agents/{slug}/social", slug=WORDS["slug"]).text
    assert shot["path"] in social
    assert 'property="og:image:alt" content="The start page"' in social
    assert who.org_id not in offer["picture"] + shot["path"]
    assert agent_id not in offer["picture"] + shot["path"]


def test_a_picture_that_is_replaced_or_removed_is_gone(world: World, client: Client) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    first = put_icon(client, agent.id).json["picture"]
    second = put_icon(client, agent.id, picture(64, 64)).json["picture"]
    assert media(world) == [second]
    assert first != second
    assert client("DELETE", f"{PATH}/icon", agent_id=agent.id).json["picture"] == ""
    assert client("DELETE", f"{PATH}/icon", agent_id=agent.id).status == 200
    assert media(world) == []


def test_screenshots_are_ordered_described_and_removed(world: World, client: Client) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    for alt in ("one", "two", "three"):
        last = add(client, agent.id, alt)
    one, two, three = last.json["screenshots"]
    wanted = [{"path": three["path"], "alt": "The third"}, {"path": one["path"]}]
    reply = client("PUT", f"{PATH}/screenshots", {"items": wanted}, agent_id=agent.id)
    assert [s["alt"] for s in reply.json["screenshots"]] == ["The third", ""]
    assert two["path"] not in media(world)
    assert len(media(world)) == 2
    for wrong in ([two["path"]], [one["path"], one["path"]], ["media/x/y.png"]):
        body = {"items": [{"path": path} for path in wrong]}
        reply = client("PUT", f"{PATH}/screenshots", body, agent_id=agent.id)
        assert (reply.status, reply.json["errors"][0]["field"]) == (422, "items")


def test_there_are_six_screenshots_at_most(world: World, client: Client) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    for _ in range(6):
        assert add(client, agent.id).status == 201
    reply = add(client, agent.id)
    assert (reply.status, reply.json["code"]) == (409, "screenshot_limit")
    assert len(media(world)) == 6


def test_of_two_who_change_the_pictures_at_once_the_second_is_told(
    world: World, client: Client
) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    kept = put_icon(client, agent.id).json
    old = {"if-match": '"0"'}
    reply = client("PUT", f"{PATH}/icon", {"data": ICON}, old, agent_id=agent.id)
    assert reply.status == 412
    assert media(world) == [kept["picture"]], "what was not shown is not kept either"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ("%%%", "base64"),
        (b64encode(b"<svg onload='alert(1)'/>").decode(), "scripts"),
        (picture(128, 100), "square"),
        (picture(1200, 1200), "at most"),
        (ICON[: len(ICON) // 2 // 4 * 4], "damaged"),
    ],
)
def test_what_is_no_icon_is_refused_and_told_why(
    world: World, client: Client, data: str, word: str
) -> None:
    agent = prepared(world, world.platform.access.principal(client.token or ""))
    reply = put_icon(client, agent.id, data)
    assert reply.status == 422
    assert reply.json["errors"][0]["field"] == "data"
    assert word in reply.json["errors"][0]["detail"]
    assert media(world) == []


def test_pictures_go_with_their_agent(world: World, client: Client) -> None:
    agents = [prepared(world, world.platform.access.principal(client.token or "")) for _ in "ab"]
    kept, gone = (put_icon(client, agent.id).json["picture"] for agent in agents)
    add(client, agents[1].id)
    assert client("DELETE", "/agents/{agent_id}", agent_id=agents[1].id).status == 204
    assert media(world) == [kept]
    assert gone != kept


def test_pictures_go_with_their_organisation(world: World, client: Client) -> None:
    owner = world.founded("ada@example.com", "Acme")
    within = {"slipway-organisation": owner.org_id}
    gone = prepared(world, owner)
    mine = prepared(world, world.platform.access.principal(client.token or ""))
    client("PUT", f"{PATH}/icon", {"data": ICON}, within, agent_id=gone.id)
    kept = put_icon(client, mine.id).json["picture"]
    client("DELETE", "/agents/{agent_id}", headers=within, agent_id=gone.id)
    world.platform.closing.close(owner, confirm="Acme")
    world.clock.sleep(8 * 24 * 3600)
    world.platform.reconciler.run()
    assert media(world) == [kept]
