"""Faults on the running local cloud: real processes, and somebody who calls the URL all the time.

The same property as in `tests/simulation`, a dozen times where everything is real: what Slipway
says is what the yard runs, and what served goes on serving.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from infra.local.first import Person
from tests.conftest import zipped
from tests.e2e import sources
from tests.e2e.callers import Caller
from tests.e2e.conftest import LocalCloud

SETTLED = {"live", "failed", "rolled_back", "superseded", "stopped", "cancelled"}


@pytest.fixture(scope="module")
def images(cloud: LocalCloud) -> tuple[str, list[dict[str, Any]]]:
    """An agent with two ready versions, `one` and `two`, of which the first is live."""
    person = cloud.sign_in()
    agent = person.create("/agents", {"name": "Struck by faults"})
    versions = []
    for word in ("one", "two"):
        page = sources.server().replace("b'served'", f"b'{word}'")
        files = sources.python("health: {path: /}\n", main_py=page)
        made = person.upload(agent["id"], "agent.zip", zipped(files), deploy=word == "one")
        versions.append(person.wait_for_version(agent["id"], made["id"], 120))
    person.wait_for_live(agent["id"], versions[0]["id"])
    return agent["id"], versions


@pytest.fixture
def run(cloud: LocalCloud, images: tuple[str, list[dict[str, Any]]]) -> Iterator[Run]:
    """Version one is live, and no fault is on."""
    cloud.clear_faults()
    made = Run(cloud, cloud.sign_in(), *images)
    made.bring_up(0)
    yield made
    cloud.clear_faults()


class Run:
    """One fault run."""

    def __init__(
        self, cloud: LocalCloud, person: Person, agent_id: str, versions: list[dict[str, Any]]
    ) -> None:
        self.cloud = cloud
        self.person = person
        self.agent_id = agent_id
        self.versions = versions

    @property
    def serving(self) -> dict[str, Any] | None:
        """The deployment that Slipway says serves."""
        agent = self.person.ask("GET", f"/agents/{self.agent_id}")
        named = next((e["serving"] for e in agent["environments"]), None)
        return self.person.ask("GET", f"/deployments/{named}") if named else None

    def bring_up(self, index: int) -> dict[str, Any]:
        """One of the versions is live, deployed anew only if it is not."""
        found = self.serving
        if found and found["state"] == "live" and found["version_id"] == self.versions[index]["id"]:
            return found
        ended = self.deploy(index)
        assert ended["state"] == "live", ended["reasons"]
        return ended

    def ask(self, index: int) -> dict[str, Any]:
        """Ask for a deployment of one of the versions."""
        path = f"/agents/{self.agent_id}/deployments"
        return self.person.create(path, {"version_id": self.versions[index]["id"]})

    def deploy(self, index: int) -> dict[str, Any]:
        """The same, once it has come to rest."""
        return self.rest(self.ask(index)["id"])

    def rest(self, deployment_id: str) -> dict[str, Any]:
        """The deployment and its environment, at rest."""
        self.cloud.wait(
            lambda: self.person.ask("GET", f"/agents/{self.agent_id}"),
            lambda agent: all(e["moving"] is None for e in agent["environments"]),
            100,
            "the environment",
        )
        return self.person.ask("GET", f"/deployments/{deployment_id}")

    def yard(self) -> list[dict[str, Any]]:
        """What the yard runs for this agent."""
        status = httpx.get(f"{self.cloud.yard_url}/yard/status").json()
        name = self.agent_id.replace("_", "-")
        return [one for one in status["services"] if one["name"] == name]

    def struck(self) -> int:
        """How often the faults that are on have struck."""
        status = httpx.get(f"{self.cloud.yard_url}/yard/status").json()
        return sum(one["struck"] for one in status["faults"])

    def true(self) -> dict[str, Any] | None:
        """What serves, after comparing all that is said of it with the yard."""
        deadline = time.monotonic() + 20
        while True:
            said, runs = self.serving, self.yard()
            if self._agree(said, runs):
                return said
            if time.monotonic() > deadline:
                raise AssertionError(f"Slipway says {said}, the yard {runs}")
            time.sleep(0.1)

    @staticmethod
    def _agree(said: dict[str, Any] | None, runs: list[dict[str, Any]]) -> bool:
        going = [one for one in runs if one["phase"] in ("live", "starting")]
        if said is None or said["state"] == "crashed":
            return not going
        if len(going) != 1 or said["state"] != "live":
            return False
        same = said["confirmed"]["deployment_id"] == going[0]["deployment"]
        return bool(
            same and said["url"] == going[0]["url"] and said["confirmed_image"] == said["image"]
        )


def test_no_call_fails_while_a_version_is_deployed_again(run: Run) -> None:
    with Caller(run.bring_up(0)["url"]) as caller:
        again = run.deploy(0)
    assert again["state"] == "live"
    assert caller.failures == []
    assert caller.answers["one"] == caller.calls
    run.true()


def test_no_call_fails_while_a_new_version_comes_and_is_rolled_back(run: Run) -> None:
    with Caller(run.bring_up(0)["url"]) as caller:
        second = run.deploy(1)
        back = run.person.create(f"/deployments/{second['id']}/rollback", {})
        back = run.rest(back["id"])
    assert (second["state"], back["state"]) == ("live", "live")
    assert caller.failures == []
    assert caller.answers["one"]
    assert caller.answers["two"]
    run.true()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rate_limit", "operation": "serviceInstanceUpdate", "retry_after": 2},
        {"kind": "cloudflare", "operation": "variableCollectionUpsert"},
        {"kind": "timeout_after", "operation": "serviceInstanceDeployV2", "seconds": 1},
        {"kind": "problem_after", "operation": "serviceInstanceDeployV2"},
        {"kind": "token_revoked", "operation": "serviceInstanceDeployV2", "seconds": 3},
    ],
    ids=lambda fault: f"{fault['kind']} at {fault['operation']}",
)
def test_a_release_gets_past_a_fault_on_the_wire(run: Run, fault: dict[str, Any]) -> None:
    before = run.bring_up(0)
    run.cloud.fault(**fault)
    with Caller(before["url"]) as caller:
        ended = run.deploy(1)
    assert run.struck() == 1
    assert ended["state"] == "live", ended["reasons"]
    assert caller.failures == []
    said = run.true()
    assert said is not None
    assert said["id"] == ended["id"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "health_status", "status": 500, "count": None},
        {"kind": "crash_before_live", "exit_code": 3},
        {"kind": "crash_before_live", "exit_code": 0},
    ],
    ids=["health 500", "a crash before live", "exit 0 before live"],
)
def test_what_served_goes_on_through_a_failed_release(run: Run, fault: dict[str, Any]) -> None:
    before = run.bring_up(0)
    short = run.person.ask("GET", f"/deployments/{before['id']}")["asked"]["settings"]
    assert short["health_timeout_seconds"] <= 60
    run.cloud.fault(**fault)
    with Caller(before["url"]) as caller:
        asked = run.ask(1)
        if fault["kind"] == "health_status":
            run.cloud.wait(lambda: {"struck": run.struck()}, lambda seen: seen["struck"] > 3, 30)
            run.person.create(f"/deployments/{asked['id']}/cancel", {})
        ended = run.rest(asked["id"])
    assert ended["state"] in ("failed", "cancelled")
    assert caller.failures == []
    assert caller.answers["one"] == caller.calls
    said = run.true()
    assert said is not None
    assert said["id"] == before["id"]


def test_a_stale_image_is_never_called_live(run: Run) -> None:
    before = run.bring_up(0)
    run.cloud.fault(kind="stale_image")
    with Caller(before["url"]) as caller:
        ended = run.deploy(1)
    assert ended["state"] == "rolled_back"
    assert ended["reasons"][0]["code"] == "wrong_image"
    assert caller.failures == []
    said = run.true()
    assert said is not None
    assert said["version_id"] == before["version_id"]


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"kind": "out_of_memory", "seconds": 1}, "crashed"),
        ({"kind": "crash_after_live", "seconds": 1, "exit_code": 0}, "crashed"),
        ({"kind": "removed_by_hand", "seconds": 1}, None),
        ({"kind": "service_deleted", "seconds": 1}, None),
        ({"kind": "migrated", "seconds": 1}, "live"),
    ],
    ids=["out of memory", "exit 0", "removed by hand", "service deleted", "migrated"],
)
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_what_happens_at_the_host_is_said(
    run: Run, fault: dict[str, Any], state: str | None, told: bool
) -> None:
    if not told:
        run.cloud.fault(kind="webhook_lost", count=None)
    run.cloud.fault(**fault)
    before = run.deploy(1)
    look: Callable[[], dict[str, Any]] = lambda: {"struck": run.struck()}  # noqa: E731
    run.cloud.wait(look, lambda seen: seen["struck"] > 0, 20)
    time.sleep(1.5)
    run.cloud.admin.reconcile()
    said = run.true()
    assert (said["state"] if said else None) == state
    if said is None:
        assert run.person.ask("GET", f"/deployments/{before['id']}")["state"] == "stopped"


def test_a_build_whose_event_is_lost_goes_live_all_the_same(run: Run) -> None:
    run.cloud.fault(kind="build_event_lost")
    version = run.person.upload(run.agent_id, "agent.zip", zipped(sources.PAGE))
    run.cloud.wait(lambda: {"struck": run.struck()}, lambda seen: seen["struck"] == 1, 60)
    run.cloud.admin.reconcile()
    live = run.person.wait_for_live(run.agent_id, version["id"], 60)
    assert "Just a page" in httpx.get(live["url"], trust_env=False).text
    run.true()
