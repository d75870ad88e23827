"""Secrets planted wherever an agent, its host or its build could say them are found nowhere."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, quote_plus

import pytest

from chalicelib.adapters.memory_host import MemoryHost
from chalicelib.adapters.secrets import AesVault
from chalicelib.api.http import ENDPOINTS
from chalicelib.domain.release import Step
from chalicelib.errors import HostRefused, HostUnavailable
from chalicelib.ports import Answer, LogLine, Released, ReleaseNote
from tests.api.conftest import Client
from tests.conftest import World, zipped

SECRET = 's3cr3t/of+Ada & “friends” \\ "<x>"'
PASSWORD = "hunter2hunter2"
ADDRESS = f"postgres://ada:{PASSWORD}@db.test/agents"
VALUES = {"API_KEY": SECRET, "DATABASE_URL": ADDRESS}
MANIFEST = """
name: Leaky
runtime: python
start:
  command: python main.py
tests:
  - name: says ok
    request: {path: /}
    expect: {text: "all is well"}
"""


def dresses(value: str) -> dict[str, str]:
    """The forms programs like to write a value in."""
    data = value.encode()
    return {
        "plain": value,
        "base64": base64.b64encode(data).decode(),
        "base64 behind one": base64.b64encode(b"x" + data + b"yz").decode(),
        "base64 behind two": base64.b64encode(b"xy" + data + b"z").decode(),
        "base64 behind three": base64.b64encode(b"u:x" + data + b"??>").decode(),
        "url-safe base64": base64.urlsafe_b64encode(b"\xff" + data).decode(),
        "percent": quote(value, safe=""),
        "percent, path": quote(value),
        "percent, lower case": re.sub("%..", lambda m: m[0].lower(), quote(value, safe="")),
        "form": quote_plus(value),
        "json": json.dumps({"k": value}),
        "json, unicode": json.dumps({"k": value}, ensure_ascii=False),
        "json in json": json.dumps(json.dumps({"k": value})),
        "hex": data.hex(),
        "hex, upper case": data.hex().upper(),
        "python": repr({"k": value}),
        "in the middle": f"token={value};",
    }


SPOKEN = [text for value in (*VALUES.values(), PASSWORD) for text in dresses(value).values()]
# What must be found nowhere: for base64 at an offset, what is left of it when its ends are cut.
TRACES = [
    *VALUES.values(),
    PASSWORD,
    *(base64.b64encode(v.encode()).decode().rstrip("=")[:-1] for v in VALUES.values()),
    *(base64.b64encode(b"\0" + v.encode()).decode()[2:-4] for v in VALUES.values()),
    *(base64.b64encode(b"\0\0" + v.encode()).decode()[3:-4] for v in VALUES.values()),
    *(quote(v, safe="") for v in VALUES.values()),
    *(v.encode().hex() for v in VALUES.values()),
    *(json.dumps(v)[1:-1] for v in VALUES.values()),
]


def traces(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text]


@dataclass
class Leaky(MemoryHost):
    """A host that repeats what it was told, in its errors too."""

    refuses: bool = False
    silent: bool = False
    seen: list[str] = field(default_factory=list)

    def carry_out(
        self, steps: Sequence[Step], *, requested_at: datetime | None, note: ReleaseNote
    ) -> Released:
        if self.silent:
            self.silent = False
            raise HostUnavailable(f"The host said: cannot set {SPOKEN}", retry_after=1)
        if self.refuses:
            raise HostRefused(f"The host said: {SPOKEN} is not valid")
        return super().carry_out(steps, requested_at=requested_at, note=note)

    def logs(self, deployment_id: str, *, since: str | None, limit: int) -> list[LogLine]:
        assert deployment_id in self.running, (since, limit)
        return [LogLine(f"2026-01-01T00:00:{n:02d}Z", "info", s) for n, s in enumerate(SPOKEN)]


@pytest.fixture
def leaky() -> World:
    key = base64.b64encode(os.urandom(32)).decode()
    return World(host=Leaky(), vault=AesVault(lambda: key))


class Story:
    """One agent whose secrets are said at every occasion."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client = Client(world, world.access_token())
        self.who = world.platform.access.principal(str(self.client.token))
        self.ids = {"environment": "production"}
        self.answers: list[str] = []

    def call(self, method: str, path: str, body: object = None) -> str:
        names = re.findall(r"{(\w+)}", path)
        known = {name: self.ids.get(name, f"{name}-unknown") for name in names}
        reply = self.client(method, path, body, None, **known)
        self.answers.append(f"{method} {path} {dict(reply.headers)} {reply.text}")
        return reply.text

    def tell(self) -> None:
        world = self.world
        self.ids["agent_id"] = json.loads(self.call("POST", "/agents", {"name": "Leaky"}))["id"]
        variables = "/agents/{agent_id}/environments/{environment}/variables"
        items = [{"name": n, "value": v, "secret": True} for n, v in VALUES.items()]
        self.call("PUT", variables, {"items": items})
        self.call("PUT", variables, {"items": [{"name": "1", "value": SECRET, "secret": 7}]})
        self.call("PUT", variables, {"items": [{"name": "SLIPWAY_X", "value": SECRET}]})
        self.version(succeeds=False)
        for fault in ("refuses", "silent", "crash", "smoke", "live"):
            self.deployment(fault)
        world.host.set_status(str(self.host_id()), "CRASHED")
        world.platform.reconciler.run()

    def version(self, *, succeeds: bool) -> str:
        world = self.world
        versions = world.platform.versions
        made, _ = versions.create_upload(
            self.who, self.ids["agent_id"], filename="a.zip", size=None, deploy=False
        )
        files = {"agent.yaml": MANIFEST, "main.py": "print(1)"}
        world.artifacts.sources[made.source.key] = zipped(files)
        versions.receive_upload(made.org_id, made.id)
        lines = [
            {"timestamp": "2026-01-01T00:00:00Z", "level": "info", "message": text}
            for text in SPOKEN
        ]
        chunk = "\n".join(json.dumps(line) for line in lines).encode()
        world.artifacts.objects[f"{made.prefix}build-log/000001.jsonl"] = chunk
        self.ids["version_id"] = made.id
        found = versions.get(self.who, made.agent_id, made.id)
        if succeeds:
            world.finish_build(found, warnings=SPOKEN)
        else:
            reasons = [{"code": "build_failed", "detail": text} for text in SPOKEN]
            world.finish_build(found, state="failed", reasons=reasons, steps=[{"said": SPOKEN}])
        return made.id

    def deployment(self, fault: str) -> None:
        world, host = self.world, self.world.host
        assert isinstance(host, Leaky)
        host.refuses, host.silent = fault == "refuses", fault == "silent"
        host.outcome = "CRASHED" if fault == "crash" else "SUCCESS"
        body = "all is well" if fault == "live" else " ".join(SPOKEN)
        world.caller.answer = Answer(200, {"x-debug": SECRET}, body.encode())
        version_id = self.version(succeeds=True)
        made = self.call("POST", "/agents/{agent_id}/deployments", {"version_id": version_id})
        self.ids["deployment_id"] = json.loads(made)["id"]
        done = world.run_machine(self.who, self.ids["deployment_id"])
        assert done.state.value == ("live" if fault == "live" else "failed"), fault
        self.read_everything()

    def host_id(self) -> str:
        found = self.world.platform.deployments.get(self.who, self.ids["deployment_id"])
        return found.host.deployment_id

    def read_everything(self) -> None:
        for endpoint in ENDPOINTS:
            if endpoint.method == "GET":
                self.call("GET", endpoint.path)


@pytest.fixture
def told(
    leaky: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> tuple[Story, str]:
    story = Story(leaky)
    story.tell()
    story.read_everything()
    story.call("POST", "/deployments/{deployment_id}/restart")
    story.call("POST", "/deployments/{deployment_id}/stop")
    story.call("DELETE", "/agents/{agent_id}")
    out = capsys.readouterr()
    records = [str(vars(record)) for record in caplog.records]
    return story, "\n".join([out.out, out.err, *records])


def test_no_answer_no_item_and_no_line_holds_a_planted_secret(told: tuple[Story, str]) -> None:
    story, logged = told
    assert any("•••" in answer for answer in story.answers), "nothing was said, nothing proven"
    assert "agent_crashed" in "".join(story.answers)
    for answer in story.answers:
        assert not traces(answer), answer[:200]
    for key, kept in story.world.store._items.items():
        assert not traces(kept.document.decode()), f"{kept.kind.__name__} {key}"
    assert "host not available" in logged
    for line in logged.splitlines():
        assert not traces(line), line[:200]
    for mail in story.world.mail.sent:
        assert not traces(" ".join(mail))
    for name, item in story.world.artifacts.objects.items():
        # What the build program itself wrote is masked there (tests/unit/test_build_journal.py).
        if not re.search(r"build-log/|report\.json$", name):
            assert not traces(item.decode()), name


def test_the_host_is_given_the_true_values(told: tuple[Story, str]) -> None:
    story, _ = told
    assert [dict(given) for given in story.world.host.variables.values()][-1].items() >= (
        VALUES.items()
    )


def test_a_secret_is_never_read_back(leaky: World) -> None:
    story = Story(leaky)
    story.ids["agent_id"] = json.loads(story.call("POST", "/agents", {"name": "x"}))["id"]
    path = "/agents/{agent_id}/environments/{environment}/variables"
    items = [{"name": n, "value": v, "secret": True} for n, v in VALUES.items()]
    written = json.loads(story.call("PUT", path, {"items": items}))
    assert [item["value"] for item in written["items"]] == [None, None]
    kept = [{"name": n, "secret": True} for n in VALUES]
    story.call("PUT", path, {"items": kept})
    stored = leaky.platform.variables.stored(story.who.org_id, story.ids["agent_id"], "production")
    assert stored is not None
    assert leaky.platform.variables.open(stored) == VALUES
    assert not any(traces(answer) for answer in story.answers)


def test_making_a_secret_plain_does_not_show_it(leaky: World) -> None:
    story = Story(leaky)
    story.ids["agent_id"] = json.loads(story.call("POST", "/agents", {"name": "x"}))["id"]
    path = "/agents/{agent_id}/environments/{environment}/variables"
    story.call("PUT", path, {"items": [{"name": "API_KEY", "value": SECRET, "secret": True}]})
    story.call("PUT", path, {"items": [{"name": "API_KEY", "secret": False}]})
    story.call("GET", path)
    assert not any(traces(answer) for answer in story.answers)
