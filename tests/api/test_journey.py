"""The main job over HTTP, and what the wrapper promises for every call."""

from __future__ import annotations

import pytest

from chalicelib.services.versions import MAX_UPLOAD_BYTES
from tests.api.conftest import Client
from tests.conftest import PYTHON_AGENT, World, zipped


def make_live(client: Client, world: World) -> tuple[str, str]:
    agent = client("POST", "/agents", {"name": "Echo"}).json
    path = f"/agents/{agent['id']}/versions"
    created = client(
        "POST",
        "/agents/{agent_id}/versions",
        {"source": "upload", "filename": "a.zip", "deploy": True},
        agent_id=agent["id"],
    )
    assert created.status == 201, path
    key = created.json["upload"]["fields"]["key"]
    world.artifacts.sources[key] = zipped(PYTHON_AGENT)
    said = client(
        "POST",
        "/agents/{agent_id}/versions/{version_id}/uploaded",
        agent_id=agent["id"],
        version_id=created.json["id"],
    )
    assert said.json["state"] == "building"
    who = world.platform.access.principal(str(client.token))
    version = world.platform.versions.get(who, agent["id"], created.json["id"])
    done = world.finish_build(version)
    world.run_machine(who, str(done.deployment_id))
    return agent["id"], str(done.deployment_id)


def test_the_main_job_over_http(client: Client, world: World) -> None:
    agent_id, deployment_id = make_live(client, world)
    reply = client("GET", "/deployments/{deployment_id}", deployment_id=deployment_id)
    assert reply.json["state"] == "live"
    assert reply.json["url"].startswith("http://")
    events = client("GET", "/deployments/{deployment_id}/events", deployment_id=deployment_id)
    assert [e["state"] for e in events.json["items"]] == [
        "queued",
        "releasing",
        "verifying",
        "live",
    ]
    detail = client("GET", "/agents/{agent_id}", agent_id=agent_id).json
    assert detail["environments"][0]["serving"] == deployment_id
    assert detail["runtime"] == "python"


def test_a_deployment_is_cheap_to_poll(client: Client, world: World) -> None:
    _, deployment_id = make_live(client, world)
    first = client("GET", "/deployments/{deployment_id}", deployment_id=deployment_id)
    world.store.calls = 0
    again = client(
        "GET",
        "/deployments/{deployment_id}",
        headers={"if-none-match": first.headers["etag"]},
        deployment_id=deployment_id,
    )
    assert (again.status, again.text) == (304, "")
    assert world.store.calls == 1


def test_a_stranger_gets_404_for_everything(client: Client, stranger: Client, world: World) -> None:
    agent_id, deployment_id = make_live(client, world)
    assert stranger("GET", "/agents/{agent_id}", agent_id=agent_id).status == 404
    reply = stranger("GET", "/deployments/{deployment_id}", deployment_id=deployment_id)
    assert reply.status == 404
    assert agent_id not in reply.text
    assert stranger("GET", "/agents").json["items"] == []


def test_a_repeated_creation_with_one_key_is_done_once(client: Client) -> None:
    headers = {"idempotency-key": "one"}
    first = client("POST", "/agents", {"name": "Echo"}, headers)
    again = client("POST", "/agents", {"name": "Echo"}, headers)
    assert (again.status, again.json) == (201, first.json)
    assert again.headers["idempotency-replayed"] == "true"
    other = client("POST", "/agents", {"name": "Other"}, headers)
    assert (other.status, other.json["code"]) == (422, "idempotency_mismatch")
    assert len(client("GET", "/agents").json["items"]) == 1


def test_a_remembered_answer_is_kept_from_a_token_that_may_not_do_the_work(
    client: Client, world: World
) -> None:
    headers = {"idempotency-key": "shared"}
    assert client("POST", "/agents", {"name": "Echo"}, headers).status == 201
    made = client("POST", "/tokens", {"name": "ci", "scope": "read"}).json
    reader = Client(world, made["token"])
    assert reader("POST", "/agents", {"name": "Echo"}, headers).status == 403


@pytest.mark.parametrize("cursor", ["nonsense", "2026-01-01T00:00:00Z", "0~0", "~1"])
def test_a_cursor_that_is_none_is_named_for_logs_too(
    client: Client, world: World, cursor: str
) -> None:
    _, deployment_id = make_live(client, world)
    reply = client(
        "GET",
        f"/deployments/{{deployment_id}}/logs?cursor={cursor}",
        deployment_id=deployment_id,
    )
    assert (reply.status, reply.json["code"]) == (422, "cursor_invalid")


def test_a_failed_creation_may_be_repeated_with_its_key(client: Client) -> None:
    headers = {"idempotency-key": "two"}
    body = {"source": "template", "template": "none"}
    agent_id = client("POST", "/agents", {"name": "Echo"}).json["id"]
    for _ in range(2):
        reply = client("POST", "/agents/{agent_id}/versions", body, headers, agent_id=agent_id)
        assert reply.json["code"] == "template_unknown"


def test_an_edit_of_something_that_changed_is_refused(client: Client) -> None:
    agent = client("POST", "/agents", {"name": "Echo"}).json
    patch = "/agents/{agent_id}"
    first = client("PATCH", patch, {"name": "A"}, {"if-match": '"1"'}, agent_id=agent["id"])
    assert (first.status, first.headers["etag"]) == (200, '"2"')
    second = client("PATCH", patch, {"name": "B"}, {"if-match": '"1"'}, agent_id=agent["id"])
    assert second.status == 412
    nonsense = client("PATCH", patch, {"name": "B"}, {"if-match": "x"}, agent_id=agent["id"])
    assert nonsense.status == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\x1b[31mb"}, "name"),
        ({"name": "x", "category": "games"}, "category"),
        ({"name": "x", "runtime": "cobol"}, "runtime"),
        ({"name": 7}, "name"),
    ],
)
def test_a_wrong_field_is_named(client: Client, body: dict[str, object], field: str) -> None:
    reply = client("POST", "/agents", body)
    assert reply.status == 422
    assert [e["field"] for e in reply.json["errors"]] == [field]


def test_an_upload_that_is_too_large_is_refused_before_it_is_sent(client: Client) -> None:
    agent_id = client("POST", "/agents", {"name": "Echo"}).json["id"]
    body = {"source": "upload", "filename": "a.zip", "size": MAX_UPLOAD_BYTES + 1}
    reply = client("POST", "/agents/{agent_id}/versions", body, agent_id=agent_id)
    assert (reply.status, reply.json["code"]) == (422, "upload_too_large")
    assert "100 MB" in reply.json["errors"][0]["detail"]


def test_an_api_token_works_until_it_is_revoked(client: Client, world: World) -> None:
    made = client("POST", "/tokens", {"name": "ci", "scope": "read"}).json
    reader = Client(world, made["token"])
    assert reader("GET", "/me").json["scope"] == "read"
    refused = reader("POST", "/agents", {"name": "x"})
    assert (refused.status, refused.json["code"]) == (403, "forbidden")
    assert made["token"] not in client("GET", "/tokens").text
    assert client("DELETE", "/tokens/{token_id}", token_id=made["id"]).status == 204
    assert reader("GET", "/me").json["code"] == "token_unknown"


@pytest.mark.parametrize("token", ["", "slp_short", "slp_" + "a" * 38, "x.y.z", "é" * 10])
def test_a_token_that_is_none_is_401(world: World, token: str) -> None:
    assert Client(world, token)("GET", "/me").status == 401


def test_an_unforeseen_error_is_a_problem_with_a_trace_id_and_no_details(
    client: Client, world: World
) -> None:
    agent_id = client("POST", "/agents", {"name": "Echo"}).json["id"]
    world.artifacts.objects["templates/index.json"] = b"[1]"
    body = {"source": "template", "template": "python"}
    reply = client("POST", "/agents/{agent_id}/versions", body, agent_id=agent_id)
    assert (reply.status, reply.json["code"]) == (500, "internal_error")
    assert reply.json["trace_id"] == reply.headers["x-trace-id"]
    assert "Traceback" not in reply.text


def test_a_body_that_is_no_json_type_is_415(client: Client) -> None:
    reply = client("POST", "/agents", "<xml/>", {"content-type": "application/xml"})
    assert (reply.status, reply.json["code"]) == (415, "media_type")
    assert reply.headers["content-type"] == "application/problem+json"


def test_the_build_log_is_read_from_a_cursor(client: Client, world: World) -> None:
    agent_id, _ = make_live(client, world)
    version = client("GET", "/agents/{agent_id}/versions", agent_id=agent_id).json["items"][0]
    who = world.platform.access.principal(str(client.token))
    prefix = world.platform.versions.get(who, agent_id, version["id"]).prefix
    line = '{"timestamp": "2026-01-01T00:00:00.000Z", "level": "info", '
    line += '"step": "build", "message": "%d"}\n'
    for chunk in range(1, 4):
        text = "".join(line % (chunk * 10 + n) for n in range(3))
        world.artifacts.objects[f"{prefix}build-log/{chunk:06d}.jsonl"] = text.encode()
    path = "/agents/{agent_id}/versions/{version_id}/logs"
    seen: list[str] = []
    cursor = ""
    for _ in range(6):
        page = client(
            "GET", f"{path}?limit=2{cursor}", agent_id=agent_id, version_id=version["id"]
        ).json
        seen += [item["message"] for item in page["items"]]
        assert {item["step"] for item in page["items"]} <= {"build"}
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["10", "11", "12", "20", "21", "22", "30", "31", "32"]
    bad = client("GET", f"{path}?cursor=nonsense", agent_id=agent_id, version_id=version["id"])
    assert (bad.status, bad.json["code"]) == (422, "cursor_invalid")


def test_the_railway_webhook_needs_its_secret_and_makes_us_look(
    client: Client, nobody: Client, world: World
) -> None:
    _, deployment_id = make_live(client, world)
    sent = {
        "type": "Deployment.crashed",
        "resource": {"service": {"id": "svc-0"}, "deployment": {"id": "host-0"}},
    }
    assert nobody("POST", "/webhooks/railway", sent).status == 422
    assert nobody("POST", "/webhooks/railway?secret=guess", sent).status == 401
    world.host.set_status("host-0", "CRASHED")
    assert nobody("POST", "/webhooks/railway?secret=hook", sent).status == 202
    reply = client("GET", "/deployments/{deployment_id}", deployment_id=deployment_id)
    assert reply.json["state"] == "crashed"
