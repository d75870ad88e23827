"""What it costs a request to find out who calls and whether they may: CPU, calls to the store."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.adapters.secrets import JwtSigner
from chalicelib.domain.tenancy import Action, Scope
from chalicelib.services.access import Access
from infra.keys import new_signing_keys
from tests.conftest import World

ROUNDS = 15
CALLS = 300


@dataclass(frozen=True)
class Cost:
    """Of one request: microseconds of CPU, and calls to the store."""

    micros: float
    calls: float


def costs() -> dict[str, Cost]:
    """By credential: an access token that this process sees first, and again; an API token."""
    world = World()
    world.clock.at = world.clock.at.fromtimestamp(time.time(), world.clock.at.tzinfo)
    ring = new_signing_keys()
    signer = JwtSigner(lambda: ring, "https://slipway.example")
    access = Access(store=world.store, signer=signer, clock=world.clock)
    who = world.sign_in()
    agent = world.agent(who)
    _, token = world.platform.tokens.create(who, name="ci", scope=Scope.ADMIN, expires_at=None)
    now = int(time.time())
    claims = {"sub": who.user_id, "sid": str(who.session_id), "org": who.org_id}
    bearer = signer.sign({**claims, "iat": now, "nbf": now, "exp": now + 3600})

    def ask(credential: str) -> None:
        caller = access.principal(credential, address="192.0.2.1")
        caller.sees(agent.id)
        caller.require(Action.AGENT_READ, agent.id)

    def first_sight() -> None:
        access.forget()
        ask(bearer)

    return {
        "a session, first seen": _cost(world, first_sight),
        "a session, remembered": _cost(world, lambda: ask(bearer)),
        "an API token": _cost(world, lambda: ask(token)),
    }


def _cost(world: World, work: Callable[[], None]) -> Cost:
    work()
    world.store.calls = 0
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            work()
        rounds.append((time.process_time() - began) / CALLS * 1e6)
    return Cost(statistics.median(rounds), world.store.calls / (ROUNDS * CALLS))


if __name__ == "__main__":
    print(costs())
