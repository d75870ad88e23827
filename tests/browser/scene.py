"""Knows what there is to see in the pictures: people, their agents, what these went through."""

from __future__ import annotations

import io
import json
import os
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from PIL import Image

from infra.gallery import showpieces
from infra.local.demo import publish_gallery
from infra.local.first import Person, sign_in, wait_for
from infra.local.layout import FIRST_PERSON, Layout
from tests.conftest import zipped
from tests.e2e.conftest import end, new_cloud
from tests.e2e.sources import python, server, template

ROOT = Path(__file__).parents[2]
KNOWN = ROOT / ".local" / "scene"

# Of the ready-made agents, those that stand in the pictures' marketplace.
SHOWN = [
    "site-watch",
    "text-summary",
    "cron-explainer",
    "json-diff",
    "log-triage",
    "sitemap-reader",
]
# A folder as somebody drops it.
GUIDE = {
    "main.py": (
        "import os\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n"
        "KEY = os.environ['OPENAI_API_KEY']\n\n\n"
        "@app.get('/')\ndef root():\n    return {'ok': True}\n"
    ),
    "requirements.txt": "fastapi\nuvicorn\n",
    ".env": "OPENAI_API_KEY=sk-not-a-real-key\nHARBOUR=Husum\n",
    ".env.example": "OPENAI_API_KEY=\nHARBOUR=Husum\n",
    ".gitignore": "*.log\n",
}
WEATHER = {
    "requirements.txt": "fastapi\nuvicorn\n",
    "main.py": "from fastapi import FastAPI\nimport httpx2\n\napp = FastAPI()\n",
}
PILOT = python("health:\n  path: /\n", main_py=server())
TEXT = "The slipway launches ships. Lunch was served at noon. Ships need the slipway."

Picture = Callable[[str], bytes]
"""What a page looks like, as a PNG."""


@dataclass
class Scene:
    """Who and what is there. What a cloud cannot have is not among the `ids`."""

    web_url: str
    ada: str
    """Has agents of every kind."""
    grace: str
    """Has an organisation with others in it; runs a copy of an agent of Ada's."""
    nobody: str
    """Has nothing yet."""
    operator: str = FIRST_PERSON
    ids: dict[str, str] = field(default_factory=dict)

    def address(self, text: str) -> str:
        """A path with the ids of this scene."""
        return text.format(**self.ids)

    def has(self, path: str) -> bool:
        """Whether this cloud has what a path leads to."""
        try:
            self.address(path)
        except KeyError:
            return False
        return True


@dataclass(frozen=True)
class Ground:
    """A running local cloud, and where it expects a stand-in for the code host, if it does."""

    web_url: str
    code_host_ports: tuple[int, int] | None


@contextmanager
def running() -> Iterator[Ground]:
    """The local cloud that runs, or a fresh one."""
    layout = Layout.from_env()
    if layout.read(layout.supervisor).get("state") == "live":
        named = [os.environ.get(f"SLIPWAY_GITHUB_APP_{part}URL") for part in ("API_", "")]
        ports = [urlsplit(url).port for url in named if url and "//localhost:" in url]
        yield Ground(layout.web_url, (ports[0] or 0, ports[1] or 0) if len(ports) == 2 else None)
        return
    cloud = new_cloud()
    try:
        cloud.up()
        yield Ground(cloud.web_url, cloud.code_host_ports)
    finally:
        end(cloud)


def stage(ground: Ground, picture: Picture) -> Scene:
    """Everything there is to see; made once for a cloud."""
    known = KNOWN / f"{urlsplit(ground.web_url).port}.json"
    if known.exists():
        scene = Scene(**json.loads(known.read_text()))
        with sign_in(ground.web_url, scene.ada) as ada:
            if any(one["id"] == scene.ids["agent"] for one in ada.ask("GET", "/agents")["items"]):
                return scene
    publish_gallery(ground.web_url, lambda _said: None, SHOWN)
    place = f"{secrets.token_hex(2)}.example"
    people = [f"{name}@{place}" for name in ("ada", "grace", "nobody")]
    ada_at, grace_at, nobody_at = people
    scene = Scene(ground.web_url, ada_at, grace_at, nobody_at)
    scene.ids["offer"] = SHOWN[0]
    with ExitStack() as stack:
        ada, grace = (stack.enter_context(sign_in(ground.web_url, one)) for one in people[:2])
        _agents(scene, ada, picture)
        _organisation(scene, grace)
        _shares(scene, ada)
        _copy(scene, ada, grace)
        if ground.code_host_ports:
            _repository(scene, ada, ground.code_host_ports)
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(json.dumps(asdict(scene)))
    return scene


def _agents(scene: Scene, ada: Person, picture: Picture) -> None:
    ids = scene.ids
    router = _agent(ada, "Webhook router", "Sends each webhook on, where the rules say.")
    _live(ada, router, template("nodejs"))
    bench = _agent(ada, "Prompt bench", "Write a prompt, see what it comes to in tokens.")
    _live(ada, bench, template("static"))
    ids["shared_agent"] = bench
    gist = _agent(ada, "Gist", "Summarises a text in its own sentences.")
    ids["agent"] = gist
    path = f"/agents/{gist}/environments/production/variables"
    items = [
        {"name": "LANGUAGE", "value": "en", "secret": False},
        {"name": "OPENAI_API_KEY", "value": f"sk-{secrets.token_hex(12)}", "secret": True},
    ]
    ada.ask("PUT", path, json={"items": items})
    ids["version"], ids["deployment"], url = _live(ada, gist, _gist("1.0.0"))
    for _ in range(40):
        httpx.post(f"{url}/summarise", json={"text": TEXT, "sentences": 1, "keyphrases": 1})
        httpx.get(f"{url}/health")
    listing = f"/agents/{gist}/listing"
    slug = f"gist-{secrets.token_hex(3)}"
    said = {
        "slug": slug,
        "summary": "Summarises a text in its own sentences and names its key phrases",
        "categories": ["ai-ml"],
        "tags": ["summary", "text"],
        "icon": "📝",
    }
    ada.ask("PUT", listing, json=said)
    ids["own_offer"] = slug
    seen = picture(url)
    ada.ask("PUT", f"{listing}/icon", json={"data": _square(seen)})
    for alt in ("Gist with a text and its summary", "The key phrases of a text"):
        data = b64encode(seen).decode()
        ada.ask("POST", f"{listing}/screenshots", json={"data": data, "alt": alt})
    ada.ask("POST", f"/agents/{gist}/publish", json={"version_id": ids["version"]})
    ids["failed_agent"] = _agent(ada, "Weather report", "Rain or shine.")
    version = ada.upload(ids["failed_agent"], "weather.zip", zipped(WEATHER))
    ids["failed_version"] = version["id"]
    ada.wait_for_version(ids["failed_agent"], version["id"], 120)
    ids["bare"] = _agent(ada, "Tide tables", "Not deployed yet.")
    token = {"name": "Wall display", "scope": "read"}
    ada.create("/tokens", token)


def _organisation(scene: Scene, grace: Person) -> None:
    made = grace.create("/organisations", {"name": "Harbour Office"})
    scene.ids["organisation"] = made["id"]
    at = f"/organisations/{made['id']}/invitations"
    crew = {"linus": "developer", "margaret": "admin", "annie": "viewer"}
    host = grace.email.partition("@")[2]
    for name, role in crew.items():
        email = f"{name}@{host}"
        grace.create(at, {"email": email, "role": role})
        if name == "annie":
            continue
        secret = parse_qs(urlsplit(_mailed(grace, email)).fragment)["token"][0]
        with sign_in(scene.web_url, email) as guest:
            guest.ask("PATCH", "/me", json={"name": name.title()})
            guest.ask("POST", "/invitations/accept", json={"token": secret})
    scene.ids["invitation"] = urlsplit(_mailed(grace, f"annie@{host}")).fragment


def _mailed(person: Person, email: str) -> str:
    """The link of the newest mail to an address."""
    query = {"format": "json", "to": email}
    found = wait_for(
        lambda: dict(person.http.get("/local/mailbox", params=query).json()),
        lambda answer: bool(answer["items"]),
        30,
        what=f"a mail to {email}",
    )
    return str(found["items"][0]["links"][0])


def _shares(scene: Scene, ada: Person) -> None:
    path = f"/agents/{scene.ids['shared_agent']}/shares"
    ada.create(path, {"with": "person", "email": scene.grace})
    ada.create(
        path,
        {
            "with": "organisation",
            "organisation_id": scene.ids["organisation"],
            "note": "The harbour office",
        },
    )
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7 * 86_400))
    link = {"with": "link", "note": "For the spring fair", "expires_at": ends}
    scene.ids["link"] = urlsplit(ada.create(path, link)["url"]).fragment
    with sign_in(scene.web_url, scene.grace) as grace:
        found = grace.ask("GET", "/marketplace/shared")["items"]
    scene.ids["shared_offer"] = found[0]["offer_id"]


def _copy(scene: Scene, ada: Person, grace: Person) -> None:
    """Grace runs a copy of Gist, and says what she thinks; then a newer version comes."""
    ids = scene.ids
    at = f"/marketplace/agents/{ids['own_offer']}"
    made = grace.create(f"{at}/copies", {"variables": {}})
    ids["copy"] = made["agent"]["id"]
    grace.wait_for_deployment(made["deployment_id"], 120)
    grace.ask(
        "PUT",
        f"{at}/review",
        json={"stars": 4, "text": "Reads the minutes of our harbour board so that I need not."},
    )
    review = grace.ask("GET", f"{at}/reviews")["items"][0]
    ada.ask(
        "PUT",
        f"/agents/{ids['agent']}/reviews/{review['id']}/reply",
        json={"text": "That is what it is for. The next version knows Danish."},
    )
    report = {"reason": "other", "detail": "It knows no Danish yet, as its author says."}
    grace.ask("POST", f"{at}/reports", json=report)
    newer = ada.upload(ids["agent"], "gist.zip", zipped(_gist("1.1.0")))
    ids["version"] = newer["id"]
    ids["deployment"] = ada.wait_for_live(ids["agent"], newer["id"])["id"]
    ada.ask("POST", f"/agents/{ids['agent']}/publish", json={"version_id": newer["id"]})


def _repository(scene: Scene, ada: Person, ports: tuple[int, int]) -> None:
    """An agent that follows a repository, with a push, one that fails, and a pull request."""
    from tests.providers.code_host import CodeHostStandIn, Hook  # noqa: PLC0415 - it makes a key

    pilot = _agent(ada, "Harbour pilot", "Brings ships in, as its repository says.")
    with TemporaryDirectory() as folder, CodeHostStandIn(Path(folder)).running(*ports) as github:
        repo = github.repository("open/harbour-pilot", PILOT)
        wish = {"repository": repo.full_name, "previews": "on"}
        told = ada.ask("PUT", f"/agents/{pilot}/repository", json=wish)
        github.hooks.append(Hook(told["webhook_url"], told["secret"], repo.id))
        github.push(repo, PILOT | {"README.md": "# Pilot\n"}, "Bring her in slowly")
        _live_of(ada, pilot, 1)
        github.push(repo, PILOT | {"main.py": "import httpx2\n"}, "Ask the tide as well")
        _ended(ada, pilot, 2)
        github.push(repo, PILOT | {"README.md": "# Pilot\n\nAsk me.\n"}, "Ask", branch="ask")
        github.open_pull(repo, "ask")
        wait_for(
            lambda: ada.ask("GET", f"/agents/{pilot}/previews"),
            lambda answer: bool(answer["items"]),
            60,
            what="a preview",
        )
    scene.ids["pilot"] = pilot


def _live_of(person: Person, agent_id: str, number: int) -> None:
    person.wait_for_live(agent_id, _ended(person, agent_id, number)["id"])


def _ended(person: Person, agent_id: str, number: int) -> dict[str, Any]:
    """The newest of so many versions, once it is built."""
    found = wait_for(
        lambda: person.ask("GET", f"/agents/{agent_id}/versions"),
        lambda answer: len(answer["items"]) >= number,
        60,
        what=f"version {number} of a repository",
    )
    return person.wait_for_version(agent_id, found["items"][0]["id"], 120)


def _agent(person: Person, name: str, told: str) -> str:
    return str(person.create("/agents", {"name": name, "description": told})["id"])


def _live(person: Person, agent_id: str, files: dict[str, bytes]) -> tuple[str, str, str]:
    """Upload, build, deploy: the version, the deployment, the address."""
    version = person.upload(agent_id, "agent.zip", zipped(files))
    live = person.wait_for_live(agent_id, version["id"])
    return version["id"], live["id"], live["url"]


def _gist(version: str) -> dict[str, bytes]:
    """The template, as its author would publish it."""
    files = template("python")
    manifest = files["agent.yaml"].decode().replace("version: 1.0.0", f'version: "{version}"')
    licence = next(iter(showpieces())).path.parent / "shared" / "LICENSE"
    return {**files, "agent.yaml": manifest.encode(), "LICENSE": licence.read_bytes()}


def _square(png: bytes) -> str:
    """The upper left of a picture, as an icon."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).crop((0, 0, 480, 480)).resize((256, 256)).save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode()
