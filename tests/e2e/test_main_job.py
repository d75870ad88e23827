"""The main job on the running local cloud: sources go in, live URLs come out."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from infra.local.first import Person, Refused
from tests.conftest import zipped
from tests.e2e import sources
from tests.e2e.conftest import LocalCloud


def fetch(url: str, path: str = "/", **more: Any) -> httpx.Response:
    """A call of an agent's URL, as any program makes it."""
    return httpx.get(f"{url}{path}", timeout=45, trust_env=False, **more)


def build_log(person: Person, agent_id: str, version_id: str) -> list[str]:
    lines: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(200):
        path = f"/agents/{agent_id}/versions/{version_id}/logs"
        page = person.ask("GET", path, params=cursor)
        lines += [line["message"] for line in page["items"]]
        if not page["items"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    return lines


def runtime_log(person: Person, deployment_id: str, want: str, limit: float = 60) -> list[str]:
    """The agent's output, once it contains what is wanted."""
    deadline = time.monotonic() + limit
    while True:
        page = person.ask("GET", f"/deployments/{deployment_id}/logs")
        lines = [line["message"] for line in page["items"]]
        if any(want in line for line in lines) or time.monotonic() > deadline:
            return lines
        time.sleep(0.2)


@pytest.mark.parametrize("runtime", ["python", "nodejs", "rust", "static"])
def test_a_template_builds_answers_and_reports(
    cloud: LocalCloud, person: Person, agent: dict[str, Any], runtime: str
) -> None:
    version = person.create(
        f"/agents/{agent['id']}/versions",
        {"source": "template", "template": runtime, "deploy": True},
    )
    live = person.wait_for_live(agent["id"], version["id"])
    assert fetch(live["url"]).status_code == 200
    assert live["confirmed_image"] == live["image"]
    report = person.ask("GET", f"/agents/{agent['id']}/versions/{version['id']}/report")["report"]
    assert report["state"] == "succeeded"
    assert all(test["passed"] for test in report["tests"])
    assert build_log(person, agent["id"], version["id"])


def test_an_unmodified_express_app_goes_live(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    live = cloud.deploy(person, agent["id"], sources.EXPRESS)
    assert fetch(live["url"]).text == "Hello from Express"


def test_an_unmodified_fastapi_app_goes_live(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    live = cloud.deploy(person, agent["id"], sources.FASTAPI)
    assert fetch(live["url"]).json() == {"Hello": "World"}
    version = person.ask("GET", f"/agents/{agent['id']}/versions/{live['version_id']}")
    inferred = {item["field"]: item["source"] for item in version["inferred"]}
    assert "main.py" in inferred["start_command"]


def test_a_folder_with_one_page_goes_live(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    live = cloud.deploy(person, agent["id"], sources.PAGE)
    answer = fetch(live["url"])
    assert "Just a page" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_a_loose_file_goes_live(cloud: LocalCloud, person: Person, agent: dict[str, Any]) -> None:
    version = person.upload(agent["id"], "index.html", sources.PAGE["index.html"].encode())
    live = person.wait_for_live(agent["id"], version["id"])
    assert "Just a page" in fetch(live["url"]).text


def test_a_server_that_hard_codes_loopback_and_port_goes_live(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    files = {"server.py": sources.server(bind="127.0.0.1", port="5000")}
    live = cloud.deploy(person, agent["id"], files)
    assert fetch(live["url"]).text == "served"


def test_a_bad_second_version_leaves_the_first_serving_and_says_why(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    first = cloud.deploy(person, agent["id"], sources.FASTAPI)
    broken = {**sources.FASTAPI, "main.py": "import does_not_exist\n" + sources.FASTAPI["main.py"]}
    second = person.upload(agent["id"], "agent.zip", zipped(broken))
    ended = person.wait_for_version(agent["id"], second["id"], 60)
    assert ended["state"] == "failed"
    assert "does_not_exist" in ended["reasons"][0]["detail"]
    assert fetch(first["url"]).json() == {"Hello": "World"}
    still = person.ask("GET", f"/deployments/{first['id']}")
    assert still["state"] == "live"


def test_variables_versions_and_rollback(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    path = f"/agents/{agent['id']}/environments/production/variables"
    person.ask("PUT", path, json={"items": [{"name": "COLOUR", "value": "red"}]})
    first = cloud.deploy(person, agent["id"], sources.FASTAPI)
    assert fetch(first["url"], "/colour").json() == {"colour": "red"}
    person.ask("PUT", path, json={"items": [{"name": "COLOUR", "value": "blue"}]})
    changed = sources.FASTAPI["main.py"].replace('"World"', '"Moon"')
    second = cloud.deploy(person, agent["id"], {**sources.FASTAPI, "main.py": changed})
    assert second["url"] == first["url"]
    assert fetch(second["url"]).json() == {"Hello": "Moon"}
    assert fetch(second["url"], "/colour").json() == {"colour": "blue"}
    back = person.create(f"/deployments/{second['id']}/rollback", {})
    back = person.wait_for_deployment(back["id"], 60)
    assert back["state"] == "live"
    assert back["version_id"] == first["version_id"]
    assert fetch(back["url"]).json() == {"Hello": "World"}
    assert fetch(back["url"], "/colour").json() == {"colour": "red"}
    assert person.ask("GET", f"/deployments/{second['id']}")["state"] == "superseded"


def test_logs_events_metrics_restart_and_stop(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    files = sources.python(main_py=sources.server('print("a line of mine", flush=True)'))
    live = cloud.deploy(person, agent["id"], files)
    assert "a line of mine" in runtime_log(person, live["id"], "a line of mine")
    events = person.ask("GET", f"/deployments/{live['id']}/events")["items"]
    assert [e["state"] for e in events] == ["queued", "releasing", "verifying", "live"]
    assert "series" in person.ask("GET", f"/deployments/{live['id']}/metrics")
    person.create(f"/deployments/{live['id']}/restart", {})
    cloud.wait(lambda: {"status": status(live["url"])}, lambda seen: seen["status"] == 200, 20)
    stopped = person.create(f"/deployments/{live['id']}/stop", {})
    assert stopped["state"] == "stopped"
    assert status(live["url"]) >= 500
    again = person.create(f"/agents/{agent['id']}/deployments", {"version_id": live["version_id"]})
    again = person.wait_for_deployment(again["id"], 60)
    assert (again["state"], again["url"]) == ("live", live["url"])
    assert status(live["url"]) == 200


def status(url: str) -> int:
    try:
        return fetch(url).status_code
    except httpx.HTTPError:
        return 599


def test_the_first_change_of_state_is_visible_within_a_second_of_the_upload(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    version = person.upload(agent["id"], "agent.zip", zipped(sources.PAGE))
    path = f"/agents/{agent['id']}/versions/{version['id']}"
    cloud.wait(
        lambda: person.ask("GET", path),
        lambda v: v["state"] != "awaiting_upload",
        10,
        "the version",
    )


def test_an_agent_sees_nothing_of_the_platform(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    probe = (
        "import socket\n"
        f"for port in {list(cloud.layout.ports.named.values())!r}:\n"
        "    try:\n"
        "        socket.create_connection(('127.0.0.1', port), 1); print('REACHED', port)\n"
        "    except OSError: pass\n"
        "leaks = [k for k in os.environ if 'TOKEN' in k or 'AWS' in k or 'PASSWORD' in k]\n"
        "print('LEAKS', leaks, flush=True)\n"
    )
    live = cloud.deploy(person, agent["id"], sources.python(main_py=sources.server(probe)))
    lines = runtime_log(person, live["id"], "LEAKS")
    assert "LEAKS []" in lines
    assert not [line for line in lines if "REACHED" in line]


def test_the_yard_killed_in_the_middle_of_a_deployment(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    first = cloud.deploy(person, agent["id"], sources.PAGE)
    slow = sources.python(main_py=sources.server("time.sleep(3)"))
    version = person.upload(agent["id"], "agent.zip", zipped(slow))
    seen = cloud.wait(
        lambda: person.ask("GET", f"/agents/{agent['id']}/versions/{version['id']}"),
        lambda v: bool(v["deployment_id"]) or v["state"] in ("failed", "rejected"),
        60,
        "the version",
    )
    assert seen["deployment_id"], seen["reasons"]
    cloud.wait(
        lambda: person.ask("GET", f"/deployments/{seen['deployment_id']}"),
        lambda d: d["state"] != "queued",
        30,
        "the deployment",
    )
    before = cloud.kill("yard")
    cloud.wait_until_back("yard", before, 30)
    ended = person.wait_for_deployment(seen["deployment_id"], 150)
    current = cloud.wait(
        lambda: person.ask("GET", f"/agents/{agent['id']}"),
        lambda a: a["environments"][0]["moving"] is None,
        60,
        "the environment",
    )
    serving = person.ask("GET", f"/deployments/{current['environments'][0]['serving']}")
    assert serving["state"] == "live"
    expected = "served" if ended["state"] == "live" else "Just a page"
    assert expected in fetch(serving["url"]).text
    assert serving["url"] == first["url"]


def test_the_emulator_killed_in_the_middle_of_a_deployment(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    ready = person.upload(agent["id"], "agent.zip", zipped(sources.PAGE), deploy=False)
    assert person.wait_for_version(agent["id"], ready["id"], 60)["state"] == "ready"
    cloud.fault(kind="queued", seconds=12)
    path = f"/agents/{agent['id']}/deployments"
    asked = person.create(path, {"version_id": ready["id"]})
    time.sleep(7)  # until it is certainly on disk
    before = cloud.kill("aws")
    cloud.wait_until_back("aws", before, 30)
    ended = cloud.wait(
        lambda: patient(person, f"/deployments/{asked['id']}"),
        lambda d: d.get("state") in ("live", "failed"),
        120,
        "the deployment",
    )
    assert ended["state"] == "live", ended["reasons"]
    assert "Just a page" in fetch(ended["url"]).text
    assert len(person.ask("GET", path)["items"]) == 1


def patient(person: Person, path: str) -> dict[str, Any]:
    """The answer, or nothing while the platform is coming back."""
    try:
        return person.ask("GET", path)
    except (Refused, httpx.HTTPError):
        return {}


def test_a_version_that_is_no_archive_cannot_be_deployed_by_hand(
    cloud: LocalCloud, person: Person, agent: dict[str, Any]
) -> None:
    version = person.upload(agent["id"], "agent.zip", b"this is not a zip", deploy=False)
    ended = person.wait_for_version(agent["id"], version["id"], 30)
    assert ended["state"] in ("rejected", "failed")
    with pytest.raises(Refused, match="only a ready version"):
        person.create(f"/agents/{agent['id']}/deployments", {"version_id": version["id"]})
