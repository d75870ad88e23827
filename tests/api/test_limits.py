"""Rate limits over HTTP: what is counted and said, and that nobody can pretend to be elsewhere."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from app import app
from chalicelib import bootstrap
from chalicelib.api.http import ENDPOINTS
from chalicelib.domain.limits import RateClass, Strikes, network_of
from chalicelib.domain.sessions import Session
from chalicelib.ports import Delete
from chalicelib.services.limits import Limits
from chalicelib.services.sessions import Visitor
from chalicelib.settings import RATE_LIMITS
from tests.api.conftest import Client, Reply, event
from tests.conftest import World

ORIGIN_SECRET = "the-distribution-itself"
LIMITS = RATE_LIMITS["free"]
ANYBODY = RATE_LIMITS["anybody"]


class Elsewhere(Client):
    """Calls from an address of choice, through the distribution or past it."""

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        source: str = "192.0.2.1",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        bootstrap.install(self._world.platform)
        sent = {**(headers or {})}
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        made = event(method, f"/v1{path}", body, sent, {})
        made["requestContext"]["identity"]["sourceIp"] = source
        answer = app(made, None)
        found = {k.lower(): v for k, v in answer["headers"].items()}
        return Reply(answer["statusCode"], found, answer["body"])


@pytest.fixture
def world() -> World:
    return World(env={})


@pytest.fixture
def anybody(world: World) -> Elsewhere:
    return Elsewhere(world, None)


def test_every_answer_says_what_is_left(client: Client) -> None:
    first = client("GET", "/agents")
    assert first.headers["ratelimit-policy"] == f'"read";q={LIMITS["read"]};w=60'
    left = LIMITS["read"] - 1
    assert first.headers["ratelimit"] == f'"read";r={left};t=60'
    second = client("GET", "/agents/{agent_id}", agent_id="agt_nothing")
    assert second.status == 404
    assert second.headers["ratelimit"] == f'"read";r={left - 1};t=60'
    assert client("POST", "/agents", {}).headers["ratelimit"].startswith('"write";r=239;')


def test_too_many_are_refused_as_a_problem_that_says_when_to_go_on(
    client: Client, world: World
) -> None:
    for _ in range(LIMITS["write"]):
        assert client("POST", "/agents", {}).status == 422
    refused = client("POST", "/agents", {"name": "x"})
    assert (refused.status, refused.json["code"]) == (429, "too_many_requests")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit"].startswith('"write";r=0;t=')
    assert client("GET", "/agents").json["items"] == []
    world.clock.sleep(60)
    assert client("POST", "/agents", {"name": "x"}).status == 201


def test_tokens_of_one_person_share_and_other_people_do_not(
    client: Client, stranger: Client, world: World
) -> None:
    token = Client(world, client("POST", "/tokens", {"name": "ci"}).json["token"])
    for _ in range(LIMITS["write"] - 1):
        client("POST", "/agents", {})
    assert token("POST", "/agents", {"name": "x"}).status == 429
    assert stranger("POST", "/agents", {"name": "x"}).status == 201


def test_every_class_has_its_limit_in_every_tier() -> None:
    used = {endpoint.rate for endpoint in ENDPOINTS}
    assert used <= {RateClass(name) for name in RATE_LIMITS["free"]}
    for tier in RATE_LIMITS.values():
        assert used <= {RateClass(n) for n in tier if n in RateClass.__members__.values()}
    routes = {endpoint.path: endpoint.rate for endpoint in ENDPOINTS if endpoint.method == "POST"}
    assert routes["/auth/email/redeem"] is RateClass.SIGN_IN
    assert routes["/webhooks/railway"] is RateClass.WEBHOOK
    assert routes["/agents/{agent_id}/versions"] is RateClass.UPLOAD


def test_every_endpoint_counts_exactly_once(world: World, client: Client) -> None:
    world.counters.calls = 0
    client("GET", "/agents")
    assert world.counters.calls == 1
    client("POST", "/agents", {"name": "x"})
    assert world.counters.calls == 2


def test_without_a_credential_the_address_counts(anybody: Elsewhere) -> None:
    for _ in range(ANYBODY["read"]):
        assert anybody.call("GET", "/health").status == 200
    assert anybody.call("GET", "/health").status == 429
    assert anybody.call("GET", "/health", source="192.0.2.2").status == 200


# --- wrong credentials ---------------------------------------------------------------------------


def redeem(anybody: Elsewhere, source: str = "192.0.2.1") -> Reply:
    return anybody.call("POST", "/auth/email/redeem", {"token": "wrong"}, source=source)


def test_wrong_links_wait_longer_each_time(anybody: Elsewhere, world: World) -> None:
    world.clock.sleep(1)  # into an hour that has just begun
    assert [redeem(anybody).status for _ in range(ANYBODY["attempts"])] == [401] * 5
    waits = []
    for _ in range(10):
        refused = redeem(anybody)
        assert (refused.status, refused.json["code"]) == (429, "too_many_attempts")
        waits.append(int(refused.headers["retry-after"]))
        world.clock.sleep(waits[-1])
        assert redeem(anybody).status == 401
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert redeem(anybody, "192.0.2.7").status == 401


def test_a_wait_is_not_made_longer_by_asking(anybody: Elsewhere, world: World) -> None:
    for _ in range(ANYBODY["attempts"] + 20):
        redeem(anybody)
    world.clock.sleep(1)
    assert redeem(anybody).status == 401


def test_whoever_waits_learns_nothing_of_a_right_link(anybody: Elsewhere, world: World) -> None:
    for _ in range(ANYBODY["attempts"]):
        redeem(anybody)
    browser = world.platform.sign_in.request_link("ada@example.com", Visitor())
    cookie = {"cookie": f"slipway_sign_in={browser}"}
    body = {"token": world.mailed_token()}
    assert anybody.call("POST", "/auth/email/redeem", body, headers=cookie).status == 429
    world.clock.sleep(1)
    assert anybody.call("POST", "/auth/email/redeem", body, headers=cookie).status == 200


def test_made_up_tokens_are_counted_by_address(world: World) -> None:
    guessing = Elsewhere(world, "made-up")
    limit = ANYBODY["credential"]
    assert [guessing.call("GET", "/agents").status for _ in range(limit)] == [401] * limit
    refused = guessing.call("GET", "/agents")
    assert refused.status == 429
    assert refused.headers["ratelimit"].startswith('"credential";r=0;')
    right = Elsewhere(world, world.access_token())
    assert right.call("GET", "/agents").status == 200, "neighbours of the guesser go on"


def test_a_session_that_ended_is_no_guess(world: World, client: Client) -> None:
    who = world.platform.access.principal(str(client.token))
    session = world.store.get(Session, who.user_id, str(who.session_id))
    world.store.commit(Delete(session))
    world.clock.sleep(61)
    calls = world.counters.calls
    assert client("GET", "/agents").json["code"] == "session_ended"
    assert world.counters.calls == calls


# --- when nothing can be counted ------------------------------------------------------------


def test_without_counters_work_goes_on_and_signing_in_does_not(
    client: Client, anybody: Elsewhere, world: World
) -> None:
    world.counters.down = True
    reply = client("GET", "/agents")
    assert reply.status == 200
    assert "ratelimit" not in reply.headers
    assert client("POST", "/agents", {"name": "x"}).status == 201
    refused = redeem(anybody)
    assert refused.status == 503
    assert refused.headers["retry-after"] == "2"


# --- mail ---------------------------------------------------------------------------------------


def test_nobody_is_flooded_with_mail(world: World) -> None:
    limits: Limits = world.platform.limits
    sent = [limits.may_mail("ada@example.com", "192.0.2.1") for _ in range(7)]
    assert sent == [True] * ANYBODY["mail_to"] + [False] * 2
    assert limits.may_mail("ADA@example.com ", "198.51.100.1") is False
    assert limits.may_mail("bob@example.com", "192.0.2.1")
    several = [limits.may_mail(f"p{n}@example.com", "192.0.2.9") for n in range(40)]
    assert several.count(True) == ANYBODY["mail_from"]
    assert not any("example" in str(key) for key in world.counters.hits)


# --- where a request truly comes from -----------------------------------------------------------


def seen_address(world: World, token: str, source: str, headers: dict[str, str]) -> str:
    person = Elsewhere(world, token)
    reply = person.call("POST", "/agents", {"name": "x"}, source=source, headers=headers)
    assert reply.status == 201
    [newest] = person.call("GET", "/audit?limit=1&action=agent.created").json["items"]
    return str(newest["address"])


@pytest.mark.parametrize(
    ("source", "headers", "true"),
    [
        ("203.0.113.5", {}, "203.0.113.5"),
        ("203.0.113.5", {"x-forwarded-for": "10.0.0.1"}, "203.0.113.5"),
        (
            "203.0.113.5",
            {"x-forwarded-for": "10.0.0.1", "slipway-origin": "guessed"},
            "203.0.113.5",
        ),
        (
            "130.176.0.1",
            {"x-forwarded-for": "198.51.100.7", "slipway-origin": ORIGIN_SECRET},
            "198.51.100.7",
        ),
        (
            "130.176.0.1",
            {"x-forwarded-for": "198.51.100.7, 130.176.0.1", "slipway-origin": ORIGIN_SECRET},
            "198.51.100.7",
        ),
        (
            "130.176.0.1",
            {
                "x-forwarded-for": "1.1.1.1, 198.51.100.7, 130.176.0.1",
                "slipway-origin": ORIGIN_SECRET,
            },
            "198.51.100.7",
        ),
        (
            "130.176.0.1",
            {"x-forwarded-for": ", ,", "slipway-origin": ORIGIN_SECRET},
            "130.176.0.1",
        ),
    ],
    ids=["direct", "direct, lying", "guessed", "noted", "noted twice", "lying", "empty"],
)
def test_the_address_is_the_clients_own_and_nobody_can_choose_it(
    world: World, source: str, headers: dict[str, str], true: str
) -> None:
    digest = hashlib.sha256(ORIGIN_SECRET.encode()).hexdigest()
    world.platform = replace(
        world.platform, settings=replace(world.platform.settings, origin_hash=digest)
    )
    assert seen_address(world, world.access_token(), source, headers) == true


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "unknown"),
        ("ORG#org_1#RATE#", "unknown"),
    ],
)
def test_a_customer_with_many_ipv6_addresses_is_one(address: str, network: str) -> None:
    assert network_of(address) == network


def test_waits_grow_only_behind_the_free_attempts(world: World) -> None:
    now = world.clock.now()
    assert [Strikes(n, now).wait(now, 5) for n in (0, 4, 5, 6, 7, 100)] == [0, 0, 1, 2, 4, 300]


def test_the_refusal_is_documented_for_every_endpoint(anybody: Elsewhere) -> None:
    document = json.loads(anybody.call("GET", "/openapi.json").text)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "429" in operation["responses"], f"{method} {path}"
