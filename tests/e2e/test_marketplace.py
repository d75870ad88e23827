"""The marketplace on the running local cloud: published, found, copied, reviewed, updated."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from infra.gallery import showpieces
from infra.local.first import Person, Refused
from tests.api.test_images import ICON, SCREENSHOT
from tests.conftest import zipped
from tests.e2e.conftest import LocalCloud
from tests.e2e.test_main_job import fetch

SLUG = "greeting-card-writer"
MAIN = """
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

TOOLS = ["greet"] if EDITION == "1.0.0" else ["greet", "sign"]
INPUTS = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.say({"greeting": os.environ.get("GREETING"), "edition": EDITION})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tools = [
            {"name": name, "description": f"Will {name}", "inputSchema": INPUTS} for name in TOOLS
        ]
        result = {"tools": tools} if asked["method"] == "tools/list" else {"capabilities": {}}
        self.say({"jsonrpc": "2.0", "id": asked.get("id"), "result": result})

    def say(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
MANIFEST = """
name: Greeting card writer
runtime: python
version: {version}
protocol: mcp
start: {{command: python main.py}}
health: {{path: /health}}
env:
{env}
tests:
  - name: answers
    request: {{path: /health}}
"""
FIRST = "  - {name: GREETING, required: true, description: What the card says}"
SECOND = FIRST + "\n  - {name: SIGNATURE, required: true, secret: true, description: Who signs}"


def source(version: str, env: str) -> bytes:
    return zipped(
        {
            "agent.yaml": MANIFEST.format(version=version, env=env),
            "main.py": f"EDITION = {version!r}\n{MAIN}",
            "README.md": "# Greeting cards\n\n" + "Writes the greeting you set on a card. " * 5,
            "LICENSE": next(iter(showpieces())).path.parent.joinpath("shared/LICENSE").read_text(),
            "docs/usage.md": "# Usage\n\nAsk for it.\n",
        }
    )


def publish(person: Person, agent_id: str, archive: bytes) -> dict[str, Any]:
    version = person.upload(agent_id, "agent.zip", archive, deploy=False)
    built = person.wait_for_version(agent_id, version["id"], 90)
    assert built["state"] == "ready", built["reasons"]
    return person.ask("POST", f"/agents/{agent_id}/publish", json={"version_id": version["id"]})


def eventually(look: Callable[[], Any], limit: float = 60) -> Any:
    deadline = time.monotonic() + limit
    while True:
        found = look()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def test_from_publishing_to_taking_over_a_newer_version(cloud: LocalCloud) -> None:
    author = cloud.sign_in("author@example.org")
    somebody = cloud.sign_in("somebody@example.org")
    agent = author.create("/agents", {"name": "Greeting card writer"})
    with pytest.raises(Refused) as refused:
        author.ask("POST", f"/agents/{agent['id']}/publish", json={})
    assert refused.value.problem["code"] == "not_publishable"
    listing = {
        "slug": SLUG,
        "summary": "Writes a greeting card with your words on it",
        "categories": ["utilities"],
        "tags": ["greeting"],
    }
    author.ask("PUT", f"/agents/{agent['id']}/listing", json=listing)
    publish(author, agent["id"], source("1.0.0", FIRST))

    def find() -> list[str]:
        page = somebody.ask("GET", "/marketplace/agents", params={"q": "greting crad"})
        return [item["slug"] for item in page["items"]]

    assert eventually(find)[0] == SLUG, "found by misspelt words within a minute"
    offer = somebody.ask("GET", f"/marketplace/agents/{SLUG}")
    assert offer["inputs"][0]["name"] == "GREETING"
    assert [page["path"] for page in offer["docs"]] == ["docs/usage.md", "reference"]
    pages = f"/marketplace/agents/{SLUG}/pages"
    [place] = somebody.ask("GET", pages, params={"q": "greet tool name"})["items"]
    assert (place["path"], place["heading"]) == ("reference", "greet")

    path = f"/marketplace/agents/{SLUG}"
    copy = somebody.create(f"{path}/copies", {"variables": {"GREETING": "Hello"}})
    live = somebody.wait_for_deployment(copy["deployment_id"], 60)
    assert live["state"] == "live", live["reasons"]
    assert fetch(live["url"]).json() == {"greeting": "Hello", "edition": "1.0.0"}

    review = somebody.ask("PUT", f"{path}/review", json={"stars": 4, "text": "It greets."})
    author.ask(
        "PUT", f"/agents/{agent['id']}/reviews/{review['id']}/reply", json={"text": "Thanks."}
    )
    [shown] = somebody.ask("GET", f"{path}/reviews")["items"]
    assert (shown["stars"], shown["reply"]) == (4, "Thanks.")
    with pytest.raises(Refused):
        author.ask("PUT", f"{path}/review", json={"stars": 5, "text": "Mine is great"})

    assert somebody.ask("GET", path)["active_users"] == 1
    voter = cloud.sign_in("voter@example.org")
    voter.ask("PUT", f"{path}/reviews/{review['id']}/helpful")
    assert voter.ask("GET", f"{path}/review")["voted"] == [review["id"]]

    def counted() -> bool:
        page = somebody.ask("GET", "/marketplace/agents", params={"q": SLUG})
        counts = page["items"][0]["counts"] if page["items"] else {}
        return counts.get("deployments") == 1 and counts.get("rating") == 4.0

    assert eventually(counted), "lists show what was counted, within a minute"

    publish(author, agent["id"], source("1.1.0", SECOND))
    update = somebody.ask("GET", f"/agents/{copy['agent']['id']}/updates")
    assert update["available"]
    assert update["missing"] == ["SIGNATURE"]
    assert update["difference"]["tools"] == [{"path": "sign", "before": None, "after": "Will sign"}]
    taken = somebody.create(
        f"/agents/{copy['agent']['id']}/updates/accept", {"variables": {"SIGNATURE": "Ada"}}
    )
    live = somebody.wait_for_deployment(taken["deployment_id"], 60)
    assert live["state"] == "live", live["reasons"]
    assert fetch(live["url"]).json() == {"greeting": "Hello", "edition": "1.1.0"}

    author.ask("POST", f"/agents/{agent['id']}/unpublish")
    assert eventually(lambda: SLUG not in find()), "gone from the index within a minute"
    assert fetch(live["url"]).status_code == 200, "copies go on"


def test_pictures_are_shown_and_can_do_nothing_else(cloud: LocalCloud) -> None:
    author = cloud.sign_in("author@example.org")
    agent = author.create("/agents", {"name": "Painter"})
    listing = f"/agents/{agent['id']}/listing"
    author.ask("PUT", f"{listing}/icon", json={"data": ICON})
    shown = author.create(f"{listing}/screenshots", {"data": SCREENSHOT, "alt": "A wall"})
    for path, kind in ((shown["picture"], "png"), (shown["screenshots"][0]["path"], "webp")):
        answer = httpx.get(f"{cloud.web_url}/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == f"image/{kind}"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "immutable" in answer.headers["cache-control"]
    author.ask("DELETE", f"{listing}/icon")
    assert httpx.get(f"{cloud.web_url}/{shown['picture']}").status_code == 404
    svg = base64.b64encode(b"<svg onload='alert(1)'/>").decode()
    with pytest.raises(Refused) as refused:
        author.ask("PUT", f"{listing}/icon", json={"data": svg})
    assert refused.value.problem["code"] == "image_refused"


def test_a_private_agent_is_shared_by_a_link_and_with_a_person(cloud: LocalCloud) -> None:
    author = cloud.sign_in("author@example.org")
    friend, stranger = cloud.sign_in("friend@example.org"), cloud.sign_in("stranger@example.org")
    agent = author.create("/agents", {"name": "Secret greeter"})
    version = author.upload(agent["id"], "agent.zip", source("1.0.0", FIRST), deploy=False)
    built = author.wait_for_version(agent["id"], version["id"], 90)
    assert built["state"] == "ready", built["reasons"]
    shares = f"/agents/{agent['id']}/shares"
    link = author.create(shares, {"with": "link", "note": "For the fair"})
    author.create(shares, {"with": "person", "email": "friend@example.org"})

    preview = f"{cloud.api_url}/marketplace/shared/preview"
    seen = httpx.post(preview, json={"token": link["token"]})
    assert seen.status_code == 200
    assert seen.json()["name"] == "Secret greeter"
    body = {"token": link["token"], "variables": {"GREETING": "Psst"}}
    copy = stranger.create("/marketplace/shared/copies", body)
    live = stranger.wait_for_deployment(copy["deployment_id"], 60)
    assert live["state"] == "live", live["reasons"]
    assert fetch(live["url"]).json()["greeting"] == "Psst"

    def listed(person: Person, path: str) -> list[str]:
        page = person.ask("GET", path, params={"q": "secert greeter"})
        return [item["name"] for item in page["items"]]

    assert eventually(lambda: listed(friend, "/marketplace/shared")) == ["Secret greeter"]
    assert friend.ask("GET", f"/marketplace/shared/{agent['id']}")["shown_by"] == "person"
    assert listed(stranger, "/marketplace/shared") == []
    assert "Secret greeter" not in listed(stranger, "/marketplace/agents")
    with pytest.raises(Refused):
        stranger.ask("GET", f"/marketplace/shared/{agent['id']}")

    for share in author.ask("GET", shares)["items"]:
        author.ask("DELETE", f"{shares}/{share['id']}")
    assert httpx.post(preview, json={"token": link["token"]}).status_code == 404
    with pytest.raises(Refused):
        friend.ask("GET", f"/marketplace/shared/{agent['id']}")
    assert fetch(live["url"]).status_code == 200, "copies go on"


def test_make_demo_fills_the_marketplace_and_does_nothing_twice(cloud: LocalCloud) -> None:
    wanted = ("csv-to-json", "cron-explainer")
    first = cloud.command("demo", *wanted)
    assert first.returncode == 0, first.stdout + first.stderr
    again = cloud.command("demo", *wanted)
    assert "0 published" in again.stdout
    somebody = cloud.sign_in("somebody@example.org")

    def found() -> bool:
        page = somebody.ask("GET", "/marketplace/agents", params={"q": "csv to jsno"})
        return [item["slug"] for item in page["items"]][:1] == ["csv-to-json"]

    assert eventually(found)
    copy = somebody.create("/marketplace/agents/csv-to-json/copies", {})
    live = somebody.wait_for_deployment(copy["deployment_id"], 60)
    assert live["state"] == "live"
    assert fetch(live["url"], "/health").json() == {"status": "ok"}
