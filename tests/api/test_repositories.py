"""Connecting an agent to its repository, and what the code host and people then ask of the API."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.domain.agents import Agent
from chalicelib.domain.connections import Connection, HookClaim
from chalicelib.domain.signatures import signature_of
from chalicelib.domain.tenancy import Principal
from chalicelib.ports import VERSIONS, every
from tests.api.conftest import Client, Reply
from tests.conftest import World
from tests.hooks import APP_SECRET, INSTALLATION, connected, deliveries, hooked, installed

PATH = "/agents/{agent_id}/repository"


@pytest.fixture
def who(world: World, client: Client) -> Principal:
    return world.platform.access.principal(str(client.token))


@pytest.fixture
def agent(world: World, who: Principal) -> Agent:
    return world.agent(who)


def public(world: World, name: str = "acme/open") -> None:
    kept = world.code_host.create(name)
    world.code_host.push(kept, {"main.py": "print(1)"}, "First")
    world.code_host.push(kept, {"main.py": "print(2)"}, "Second", branch="next")


def hook(
    world: World, secret: str, event: str, payload: Any, path: str = "", **headers: str
) -> Reply:
    """A call as GitHub makes it."""
    body = payload if isinstance(payload, str) else json.dumps(payload)
    sent = {
        "x-github-event": event,
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-hub-signature-256": signature_of(body.encode(), secret),
        "content-length": str(len(body.encode())),
        **headers,
    }
    target = "/webhooks/github/{hook_id}" if path else "/webhooks/github"
    values = {"hook_id": path} if path else {}
    return Client(world, None)("POST", target, body, sent, **values)


def test_a_public_repository_is_connected_by_a_webhook_of_its_own(
    world: World, client: Client, agent: Agent
) -> None:
    public(world)
    body = {"repository": "https://github.com/acme/open.git", "root": "/agents/echo/"}
    made = client("PUT", PATH, body, agent_id=agent.id)
    assert made.status == 200, made.text
    said = made.json
    assert (said["repository"], said["branch"], said["how"]) == ("acme/open", "main", "webhook")
    assert said["root"] == "agents/echo"
    hook_id = said["webhook_url"].rpartition("/")[2]
    assert said["webhook_url"].startswith("http://localhost:8800/api/v1/webhooks/github/hok_")
    assert hook(world, said["secret"], "ping", {"zen": "x"}, hook_id).status == 202
    again = client("GET", PATH, agent_id=agent.id)
    assert again.json["secret"] is None
    assert again.headers["etag"] == '"1"'
    audited = client("GET", "/audit").text
    assert "repository.connected" in audited
    assert said["secret"] not in audited


def test_settings_are_changed_under_if_match_and_the_secret_stays(
    world: World, client: Client, agent: Agent
) -> None:
    public(world)
    first = client("PUT", PATH, {"repository": "acme/open"}, agent_id=agent.id).json
    wish = {"repository": "acme/open", "branch": "next", "watch": ["src/**"], "previews": "on"}
    second = client("PUT", PATH, wish, {"if-match": '"1"'}, agent_id=agent.id)
    assert second.status == 200
    assert (second.json["webhook_url"], second.json["secret"]) == (first["webhook_url"], None)
    assert second.json["watch"] == ["src/**"]
    assert client("PUT", PATH, wish, {"if-match": '"1"'}, agent_id=agent.id).status == 412


def test_a_new_secret_ends_the_former_one(world: World, client: Client, agent: Agent) -> None:
    public(world)
    first = client("PUT", PATH, {"repository": "acme/open"}, agent_id=agent.id).json
    hook_id = first["webhook_url"].rpartition("/")[2]
    renewed = client("POST", f"{PATH}/secret", agent_id=agent.id).json
    assert hook(world, first["secret"], "ping", {}, hook_id).status == 401
    assert hook(world, renewed["secret"], "ping", {}, hook_id).status == 202


def test_another_repository_has_another_address(world: World, client: Client, agent: Agent) -> None:
    public(world)
    public(world, "acme/other")
    first = client("PUT", PATH, {"repository": "acme/open"}, agent_id=agent.id).json
    second = client("PUT", PATH, {"repository": "acme/other"}, agent_id=agent.id).json
    assert second["secret"]
    hook_id = first["webhook_url"].rpartition("/")[2]
    assert world.store.get(HookClaim, hook_id) is None
    assert hook(world, first["secret"], "ping", {}, hook_id).status == 404


def test_disconnected_it_is_gone_and_its_address_with_it(
    world: World, client: Client, agent: Agent
) -> None:
    public(world)
    made = client("PUT", PATH, {"repository": "acme/open"}, agent_id=agent.id).json
    hook_id = made["webhook_url"].rpartition("/")[2]
    assert client("DELETE", PATH, agent_id=agent.id).status == 204
    assert world.store.get(HookClaim, hook_id) is None
    assert client("GET", PATH, agent_id=agent.id).json["code"] == "not_connected"
    assert hook(world, made["secret"], "ping", {}, hook_id).status == 404


def test_a_deleted_agent_leaves_no_connection_behind(
    world: World, client: Client, agent: Agent
) -> None:
    public(world)
    made = client("PUT", PATH, {"repository": "acme/open"}, agent_id=agent.id).json
    hook_id = made["webhook_url"].rpartition("/")[2]
    assert client("DELETE", "/agents/{agent_id}", agent_id=agent.id).status == 204
    assert world.store.get(Connection, agent.org_id, agent.id) is None
    assert world.store.get(HookClaim, hook_id) is None


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no repository": ({"repository": "acme"}, "repository"),
    "a path": ({"repository": "acme/../../etc"}, "repository"),
    "another host": ({"repository": "https://evil.test/acme/open"}, "repository"),
    "not there": ({"repository": "acme/none"}, "repository"),
    "not a branch there": ({"branch": "none"}, "branch"),
    "a branch upwards": ({"branch": "../main"}, "branch"),
    "a branch of two lines": ({"branch": "main\nx"}, "branch"),
    "a branch for a shell": ({"branch": "x;$(reboot)~1"}, "branch"),
    "a folder upwards": ({"root": "../other"}, "root"),
    "a pattern upwards": ({"watch": ["../x"]}, "watch[0]"),
    "only exclusions": ({"watch": ["!docs"]}, "watch"),
    "not ours": ({"installation_id": 12345}, "installation_id"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_wish_is_named(world: World, client: Client, agent: Agent, name: str) -> None:
    public(world)
    wish, field = WRONG[name]
    reply = client("PUT", PATH, {"repository": "acme/open", **wish}, agent_id=agent.id)
    assert reply.status == 422, reply.text
    assert field in [e["field"] for e in reply.json["errors"]]
    assert world.store.get(Connection, agent.org_id, agent.id) is None


# --- the app -------------------------------------------------------------------------------------


def back(client: Client, world: World, installation_id: int, code: str) -> Reply:
    address = client("POST", "/github/installations").json["address"]
    state = address.rpartition("state=")[2]
    body = {"state": state, "code": code, "installation_id": installation_id}
    return client("POST", "/github/installations/complete", body)


def test_an_installation_belongs_to_who_proves_that_they_may_use_it(
    world: World, client: Client, stranger: Client, agent: Agent
) -> None:
    world.code_host.install(INSTALLATION, "acme", "ada")
    world.code_host.install(8, "eve", "eve")
    kept = world.code_host.create("acme/closed", private=True, installation_id=INSTALLATION)
    world.code_host.push(kept, {"main.py": "print(1)"}, "First")
    assert back(client, world, INSTALLATION, "ada").status == 200
    # Eve brings a code of hers and a number of ours.
    refused = back(stranger, world, INSTALLATION, "eve")
    assert (refused.status, refused.json["code"]) == (403, "installation_not_yours")
    theirs = stranger("POST", "/agents", {"name": "Theirs"}).json["id"]
    wish = {"repository": "acme/closed", "installation_id": INSTALLATION}
    assert stranger("PUT", PATH, wish, agent_id=theirs).status == 422
    assert client("PUT", PATH, wish, agent_id=agent.id).status == 200
    listed = client("GET", "/github").json
    assert listed["app"] is True
    assert [one["account"] for one in listed["items"]] == ["acme"]
    path = "/github/installations/{installation_id}/repositories"
    assert stranger("GET", path, installation_id="77").status == 404
    found = client("GET", path, installation_id="77").json["items"]
    assert [one["full_name"] for one in found] == ["acme/closed"]
    branches = "/github/repositories/{owner}/{name}/branches"
    assert stranger("GET", branches, owner="acme", name="closed").status == 404
    seen = client("GET", f"{branches}?installation_id=77", owner="acme", name="closed").json
    assert [one["name"] for one in seen["items"]] == ["main"]


def test_who_may_read_one_repository_does_not_reach_the_others_of_its_installation(
    world: World, client: Client, agent: Agent
) -> None:
    for name in ("acme/shown", "acme/hidden"):
        kept = world.code_host.create(name, private=True, installation_id=INSTALLATION)
        world.code_host.push(kept, {"main.py": "print(1)"}, "First")
    world.code_host.unseen.add(kept.about.id)
    world.code_host.install(INSTALLATION, "acme", "ada", "later")
    assert back(client, world, INSTALLATION, "ada").status == 200
    path = "/github/installations/{installation_id}/repositories"
    found = client("GET", path, installation_id="77").json["items"]
    assert [one["full_name"] for one in found] == ["acme/shown"]
    wish = {"repository": "acme/hidden", "installation_id": INSTALLATION}
    refused = client("PUT", PATH, wish, agent_id=agent.id)
    assert (refused.status, refused.json["code"]) == (422, "repository_gone")
    branches = "/github/repositories/{owner}/{name}/branches?installation_id=77"
    assert client("GET", branches, owner="acme", name="hidden").status == 404
    world.code_host.unseen.clear()
    assert back(client, world, INSTALLATION, "later").status == 200
    assert client("PUT", PATH, wish, agent_id=agent.id).status == 200


def test_a_way_back_counts_once_and_for_who_went(
    world: World, client: Client, stranger: Client
) -> None:
    world.code_host.install(INSTALLATION, "acme", "one", "two", "three")
    address = client("POST", "/github/installations").json["address"]
    state = address.rpartition("state=")[2]
    body = {"state": state, "code": "one", "installation_id": INSTALLATION}
    stolen = stranger("POST", "/github/installations/complete", body)
    assert (stolen.status, stolen.json["code"]) == (422, "state_invalid")
    assert client("POST", "/github/installations/complete", body).status == 200
    again = client("POST", "/github/installations/complete", {**body, "code": "two"})
    assert again.json["code"] == "state_invalid"
    address = client("POST", "/github/installations").json["address"]
    late = {**body, "state": address.rpartition("state=")[2], "code": "three"}
    world.clock.sleep(3600)
    assert client("POST", "/github/installations/complete", late).json["code"] == "state_invalid"


def test_what_members_prove_one_after_the_other_adds_up(
    world: World, client: Client, agent: Agent
) -> None:
    world.code_host.install(INSTALLATION, "acme", "ada", "bob")
    kept = {}
    for name in ("acme/hers", "acme/his"):
        kept[name] = world.code_host.create(name, private=True, installation_id=INSTALLATION)
        world.code_host.push(kept[name], {"main.py": "print(1)"}, "First")
    for code, other in (("ada", "acme/his"), ("bob", "acme/hers")):
        world.code_host.unseen = {kept[other].about.id}
        assert back(client, world, INSTALLATION, code).status == 200
    path = "/github/installations/{installation_id}/repositories"
    found = client("GET", path, installation_id="77").json["items"]
    assert [one["full_name"] for one in found] == ["acme/hers", "acme/his"]


def test_a_way_back_leads_to_the_organisation_that_somebody_went_from(
    world: World, client: Client
) -> None:
    world.code_host.install(INSTALLATION, "acme", "ada")
    second = {
        "slipway-organisation": client("POST", "/organisations", {"name": "Second"}).json["id"]
    }
    address = client("POST", "/github/installations").json["address"]
    body = {"state": address.rpartition("state=")[2], "code": "ada", "installation_id": 77}
    elsewhere = client("POST", "/github/installations/complete", body, second)
    assert (elsewhere.status, elsewhere.json["code"]) == (422, "state_invalid")
    assert client("GET", "/github", headers=second).json["items"] == []
    assert client("POST", "/github/installations/complete", body).status == 200


def test_without_an_app_it_is_said_how_else(world: World, client: Client) -> None:
    world.code_host.app = False
    assert client("GET", "/github").json["app"] is False
    assert client("POST", "/github/installations").json["code"] == "no_app"
    assert hook(world, "", "push", {}).status == 404


# --- calls of the code host ----------------------------------------------------------------------


def test_a_call_is_answered_in_one_write(world: World, who: Principal, agent: Agent) -> None:
    repo = connected(world, who, agent)
    payload = {**repo.pushed(repo.commit()), "repository": repo.about}
    before = world.store.calls
    reply = hook(world, APP_SECRET, "push", payload)
    assert (reply.status, world.store.calls - before) == (202, 1)
    assert hook(world, APP_SECRET, "push", payload).json["detail"] == "Received already."
    world.work()
    assert [one.code for one in deliveries(world, agent)] == ["started"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x-hub-signature-256": ""}, 401, "signature_wrong"),
        ({"x-hub-signature-256": "sha256=" + "0" * 64}, 401, "signature_wrong"),
        ({"x-github-delivery": "../.."}, 400, "headers_missing"),
        ({"x-github-event": "push\nx"}, 400, "headers_missing"),
        ({"content-length": "26000000"}, 413, "payload_too_large"),
        ({"content-type": "application/x-www-form-urlencoded"}, 400, "payload_malformed"),
        ({"content-type": "text/plain"}, 415, "media_type"),
    ],
)
def test_a_call_that_cannot_be_taken_says_why(
    world: World, headers: dict[str, str], status: int, code: str
) -> None:
    reply = hook(world, APP_SECRET, "push", {"zen": "x"}, **headers)
    assert (reply.status, reply.json["code"]) == (status, code)


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=utf-8", FORM.upper()])
@pytest.mark.parametrize("by_app", [True, False])
def test_a_payload_may_come_as_a_forms_field(
    world: World, who: Principal, agent: Agent, content_type: str, by_app: bool
) -> None:
    repo = (connected if by_app else hooked)(world, who, agent)
    sha = repo.commit()
    pushed = repo.pushed(sha, message="One & two = 3 + 4, 100 % größer")
    body = urlencode({"payload": json.dumps({**pushed, "repository": repo.about})})
    sent = {"content-type": content_type}
    forged = hook(world, "guessed", "push", body, repo.hook_id or "", **sent)
    assert (forged.status, forged.json["code"]) == (401, "signature_wrong")
    assert hook(world, repo.secret, "push", body, repo.hook_id or "", **sent).status == 202
    again = hook(world, repo.secret, "push", body, repo.hook_id or "", **sent)
    assert again.json["detail"] == "Received already."
    world.work()
    made = [one for one in deliveries(world, agent) if one.code != "signature_wrong"]
    assert [(one.code, one.sha, one.size) for one in made] == [("started", sha, len(body))]


NO_FORMS = {
    "empty": "",
    "no payload": "other=%7B%7D",
    "JSON": "{}",
    "an empty payload": "payload=",
    "no JSON": "payload=%7B",
    "no object": "payload=%5B%5D",
    "deep": "payload=" + "%5B" * 50_000,
    "two payloads": "payload=%7B%7D&payload=%7B%7D",
    "another field": "payload=%7B%7D&x=1",
    "a broken escape": "payload=%7B%7D%2",
    "an escape of no number": "payload=%7B%zz%7D",
    "no UTF-8": "payload=%ff",
    "not encoded": 'payload={"zen": "x"}',
    "another encoding": "payload=ä",
}


@pytest.mark.parametrize("name", NO_FORMS)
def test_a_form_that_holds_no_payload_is_400_and_recorded(
    world: World, who: Principal, agent: Agent, name: str
) -> None:
    repo = hooked(world, who, agent)
    sent = {"content-type": FORM}
    reply = hook(world, repo.secret, "push", NO_FORMS[name], repo.hook_id or "", **sent)
    assert (reply.status, reply.json["code"]) == (400, "payload_malformed")
    world.work()
    [delivery] = deliveries(world, agent)
    assert (delivery.state, delivery.code) == ("failed", "payload_malformed")


@pytest.mark.parametrize("body", ["[]", "7", "null", "{", '{"a": NaN', "[" * 5000])
def test_a_payload_that_is_no_object_is_400(world: World, body: str) -> None:
    reply = hook(world, APP_SECRET, "push", body)
    assert (reply.status, reply.json["code"]) == (400, "payload_malformed")


def test_a_body_longer_than_it_says_is_refused(world: World) -> None:
    reply = hook(world, APP_SECRET, "push", "x" * 5_000_001, **{"content-length": "10"})
    assert reply.status == 413


def test_wrong_signatures_are_counted_and_right_ones_never() -> None:
    world = World(env={"SLIPWAY_RATE_FACTOR": "0.05"})
    statuses = {hook(world, "guessed", "ping", {}).status for _ in range(8)}
    assert statuses == {401, 429}
    assert hook(world, APP_SECRET, "ping", {}).status == 202


# --- what people see -----------------------------------------------------------------------------


def test_deliveries_are_listed_and_looked_at_again(
    world: World, client: Client, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, watch=["src/**"])
    repo.push("Nothing of it")
    [shown] = client("GET", "/agents/{agent_id}/deliveries", agent_id=agent.id).json["items"]
    assert (shown["state"], shown["code"]) == ("ignored", "not_watched")
    assert "Not a watched path" in shown["detail"]
    assert shown["size"] > 100
    assert shown["ref"] == "refs/heads/main"
    client(
        "PUT",
        PATH,
        {"repository": "acme/echo", "installation_id": INSTALLATION},
        agent_id=agent.id,
    )
    path = "/agents/{agent_id}/deliveries/{delivery_id}/redeliver"
    reply = client("POST", path, agent_id=agent.id, delivery_id=shown["id"])
    assert (reply.status, reply.json["state"]) == (202, "received")
    world.work()
    [shown] = client("GET", "/agents/{agent_id}/deliveries", agent_id=agent.id).json["items"]
    assert shown["state"] == "started"
    version = client(
        "GET",
        "/agents/{agent_id}/versions/{version_id}",
        agent_id=agent.id,
        version_id=shown["version_id"],
    ).json
    assert version["source"]["commit"]["message"] == "Nothing of it"
    assert version["created_by"] == who.user_id


# --- a version of a commit -----------------------------------------------------------------------


def test_a_version_is_made_of_any_public_repository(
    world: World, client: Client, agent: Agent
) -> None:
    public(world)
    body = {"source": "github", "repository": "acme/open", "ref": "next", "deploy": True}
    made = client("POST", "/agents/{agent_id}/versions", body, agent_id=agent.id)
    assert made.status == 201, made.text
    assert made.json["upload"] is None
    assert made.json["source"]["commit"]["branch"] == "next"
    world.work()
    [version] = every(world.store, VERSIONS, agent.org_id, agent.id)
    assert version.state == "building"


def test_a_version_is_made_of_the_connected_repository(
    world: World, client: Client, who: Principal, agent: Agent
) -> None:
    repo = connected(world, who, agent, root="")
    sha = repo.commit("Newest")
    made = client(
        "POST", "/agents/{agent_id}/versions", {"source": "github"}, agent_id=agent.id
    ).json
    assert made["source"]["commit"]["sha"] == sha
    by_sha = {"source": "github", "ref": sha}
    made = client("POST", "/agents/{agent_id}/versions", by_sha, agent_id=agent.id).json
    assert (made["source"]["commit"]["sha"], made["source"]["commit"]["branch"]) == (sha, "")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "repository"),
        ({"repository": "acme/closed"}, "repository"),
        ({"repository": "acme/open", "ref": "none"}, "ref"),
        ({"repository": "acme/open", "ref": "../../x"}, "ref"),
        ({"repository": "acme/open", "root": "../x"}, "root"),
    ],
)
def test_a_version_of_nothing_is_refused(
    world: World, client: Client, agent: Agent, body: dict[str, Any], field: str
) -> None:
    public(world)
    world.code_host.create("acme/closed", private=True, installation_id=INSTALLATION)
    reply = client(
        "POST", "/agents/{agent_id}/versions", {"source": "github", **body}, agent_id=agent.id
    )
    assert reply.status == 422, reply.text
    assert field in [e["field"] for e in reply.json["errors"]]


def test_installed_is_what_the_organisation_proved(world: World, who: Principal) -> None:
    installed(world, who)
    assert [one.account for one in world.platform.installations.listed(who)] == ["acme"]
