"""A whole local cloud of its own for the tests: other ports, other data, safe beside `make up`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.cloud import Cloud
from infra.local.first import Person, sign_in, wait_for
from infra.local.layout import Layout, Ports
from tests import providers
from tests.conftest import zipped

ROOT = Path(__file__).parents[2]
START_LIMIT = 240.0
STOP_LIMIT = 60.0


@dataclass
class LocalCloud:
    """A running local cloud, and what a test does with it."""

    layout: Layout
    sign_in_ports: tuple[int, int]
    """Where stand-ins for sign-in providers are expected: an OpenID Connect issuer and GitHub."""
    code_host_ports: tuple[int, int]
    """Where a stand-in for GitHub is expected: its API and its pages."""
    process: subprocess.Popen[bytes] | None = None
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def web_url(self) -> str:
        """Where a browser would go."""
        return self.layout.web_url

    @property
    def api_url(self) -> str:
        """The API's own root."""
        return f"{self.layout.web_url}/api/v1"

    @property
    def admin(self) -> Cloud:
        """What a person with the admin token can do: reconcile, snapshots, AWS clients, logs."""
        return Cloud(self.layout)

    @property
    def output(self) -> str:
        """What the supervisor has said."""
        return (self.layout.data / "up.out").read_text(errors="replace")

    @property
    def yard_url(self) -> str:
        """The yard; `/yard/faults` takes the admin token."""
        return f"http://127.0.0.1:{self.layout.ports.graphql}"

    def environment(self) -> dict[str, str]:
        """What its commands are started with."""
        return {
            **os.environ,
            "SLIPWAY_PORT": str(self.layout.ports.web),
            "SLIPWAY_DATA": str(self.layout.data),
            **providers.settings(*self.sign_in_ports),
            **providers.app_settings(*self.code_host_ports),
        }

    def up(self, *arguments: str, limit: float = START_LIMIT) -> float:
        """Start it and wait until it is live; how long that took."""
        began = time.monotonic()
        self.layout.data.mkdir(parents=True, exist_ok=True)
        with (self.layout.data / "up.out").open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.local", "up", *arguments],
                cwd=ROOT,
                env=self.environment(),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        while not self._is_live(self.process.pid):
            if self.process.poll() is not None:
                pytest.fail(f"The local cloud did not come up:\n{self.output}\n{self.logs()}")
            if time.monotonic() - began > limit:
                pytest.fail(f"Not live within {limit:.0f} s:\n{self.output}\n{self.logs()}")
            time.sleep(0.1)
        return time.monotonic() - began

    def _is_live(self, supervisor: int) -> bool:
        state = self.state()
        return state.get("pid") == supervisor and state["state"] == "live"

    def down(self) -> int:
        """Stop it as Ctrl-C does; the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(STOP_LIMIT)
        self.process = None
        return code

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands, such as `status`."""
        return subprocess.run(
            [sys.executable, "-m", "infra.local", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def state(self) -> dict[str, Any]:
        """What the supervisor has written down."""
        return self.layout.read(self.layout.supervisor)

    def pid(self, part: str) -> int:
        """The process of a part."""
        return int(self.state()["parts"][part]["pid"])

    def kill(self, part: str) -> int:
        """End a part without warning; the process it was."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_until_back(self, part: str, before: int, limit: float = 60) -> None:
        """Wait until a part that was killed runs again."""
        deadline = time.monotonic() + limit
        url = {
            "aws": f"{self.layout.aws_url}/_ministack/ready",
            "yard": f"{self.yard_url}/yard/status",
            "web": f"{self.web_url}/local/ready",
        }[part]
        while time.monotonic() < deadline:
            if self.state()["parts"][part]["pid"] not in {before, None}:
                try:
                    if httpx.get(url, timeout=2).status_code < 500:
                        return
                except httpx.HTTPError:
                    pass
            time.sleep(0.05)
        pytest.fail(f"{part} has not come back:\n{self.output}")

    def logs(self) -> str:
        """The end of every part's log."""
        parts = sorted(self.layout.logs.glob("*.log")) if self.layout.logs.exists() else []
        return "\n".join(
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-30:])
            for path in parts
        )

    def sign_in(self, email: str = "ada@example.org") -> Person:
        """A person with a session; the same one for the same address."""
        if email not in self.people:
            self.people[email] = sign_in(self.web_url, email)
        return self.people[email]

    def deploy(
        self,
        person: Person,
        agent_id: str,
        files: Mapping[str, str | bytes],
        limit: float = 120,
    ) -> dict[str, Any]:
        """Upload these files as a new version, and wait until it is live."""
        version = person.upload(agent_id, "agent.zip", zipped(files))
        return person.wait_for_live(agent_id, version["id"], limit)

    def fault(self, **given: Any) -> None:
        """Switch on one of the yard's faults."""
        token = self.layout.credentials().admin_token
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(f"{self.yard_url}/yard/faults", json=given, headers=headers)
        answer.raise_for_status()

    def clear_faults(self) -> None:
        """Switch all of them off."""
        token = self.layout.credentials().admin_token
        headers = {"Authorization": f"Bearer {token}"}
        httpx.delete(f"{self.yard_url}/yard/faults", headers=headers).raise_for_status()

    def wait(
        self,
        look: Callable[[], dict[str, Any]],
        enough: Callable[[dict[str, Any]], bool],
        limit: float = 60,
        what: str = "it",
    ) -> dict[str, Any]:
        """Look again and again, until what is seen is enough."""
        return wait_for(look, enough, limit, what=what)


def free_ports() -> Ports:
    """A base port with everything behind it free; workers side by side look in other places."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for base in range(18800 + 1100 * worker, 30000, 2200):
        ports = Ports(base)
        try:
            for port in (*ports.named.values(), ports.agents[0]):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return ports
    pytest.fail("No free ports from 18800 to 30000.")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_cloud() -> LocalCloud:
    """A local cloud that has never run. Its path is short: names of sockets lie below it."""
    data = Path(tempfile.mkdtemp(prefix="slipway-e2e-"))
    ports = [free_port() for _ in range(4)]
    return LocalCloud(Layout(data, free_ports()), (ports[0], ports[1]), (ports[2], ports[3]))


def end(cloud: LocalCloud) -> None:
    """Stop a cloud for good; what it said is kept where CI can show it."""
    kept = ROOT / ".local" / "e2e-logs"
    for person in cloud.people.values():
        person.close()
    try:
        cloud.down()
    finally:
        if cloud.layout.logs.exists():
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(cloud.layout.logs, kept)
            (kept / "up.out").write_text(cloud.output)
        shutil.rmtree(cloud.layout.data, ignore_errors=True)


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """A fresh local cloud, with its first agent, for all tests."""
    made = new_cloud()
    try:
        seconds = made.up()
        (ROOT / ".local" / "first-up.json").write_text(json.dumps({"seconds": seconds}))
        yield made
    finally:
        end(made)


@pytest.fixture
def person(cloud: LocalCloud) -> Person:
    """Somebody who has signed in."""
    return cloud.sign_in()


@pytest.fixture
def agent(person: Person, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A new agent of theirs."""
    name = str(request.node.name).replace("_", " ")[:60]
    return person.create("/agents", {"name": name})
