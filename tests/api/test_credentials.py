"""Credentials that are not ours, not yet, no more or not for this: each gets the right problem.

Signed with real keys, as the functions are; what is wrong with each is in tests/unit/test_keys.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.adapters.secrets import JwtSigner
from chalicelib.domain.credentials import new_token_secret
from chalicelib.domain.tenancy import Scope
from infra.keys import new_signing_keys
from tests.api.conftest import Client, Reply
from tests.conftest import World
from tests.unit.test_keys import NAMES, Parameter, claims, forgeries

HOUR = 3600


@pytest.fixture(scope="module")
def ring() -> Parameter:
    return Parameter(new_signing_keys())


@pytest.fixture
def world(ring: Parameter) -> World:
    # Tokens are dated by the real clock: nothing here waits for it, or depends on its pace.
    world = World(signer=ring.signer())  # type: ignore[arg-type]
    world.clock.at = datetime.now(UTC)
    return world


def refused(reply: Reply, shown: str) -> str:
    """The problem's code, of an answer that is as it must be and does not repeat what was shown."""
    assert reply.status == 401, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json["detail"]
    assert len(shown) < 20 or shown not in reply.text
    return str(reply.json["code"])


def said(world: World, **wrong: Any) -> dict[str, Any]:
    """What the token of somebody who is signed in says, but for what is wrong."""
    who = world.sign_in()
    ours = {"sub": who.user_id, "sid": str(who.session_id), "org": who.org_id}
    return claims(**ours, **wrong)


def test_the_right_one_is_let_in(world: World) -> None:
    token = world.adapters.signer.sign(said(world))
    assert Client(world, token)("GET", "/me").status == 200


@pytest.mark.parametrize("name", NAMES)
def test_a_forged_token_opens_nothing(world: World, ring: Parameter, name: str) -> None:
    forged = forgeries(ring)[name]
    code = refused(Client(world, forged)("GET", "/me"), forged)
    assert code == ("token_invalid" if forged else "unauthenticated")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"exp": -HOUR}, "session_expired"),
        ({"nbf": HOUR}, "token_invalid"),
        ({"iat": HOUR}, "token_invalid"),
    ],
)
def test_a_token_of_another_time_opens_nothing(
    world: World, wrong: dict[str, int], code: str
) -> None:
    now = claims()["iat"]
    token = world.adapters.signer.sign(said(world, **{n: now + off for n, off in wrong.items()}))
    assert refused(Client(world, token)("GET", "/me"), token) == code


def test_a_token_for_another_address_of_the_platform_opens_nothing(
    world: World, ring: Parameter
) -> None:
    """The same keys, another audience: a token of a second installation, or of its local twin."""
    token = JwtSigner(ring.read, "https://elsewhere.example", now=lambda: 0.0).sign(said(world))
    assert refused(Client(world, token)("GET", "/me"), token) == "token_invalid"


def test_an_api_token_is_mistyped_unknown_expired_or_revoked(world: World) -> None:
    who = world.sign_in()
    until = world.clock.now() + timedelta(days=1)
    token, secret = world.platform.tokens.create(who, name="ci", scope=Scope.READ, expires_at=until)
    assert Client(world, secret)("GET", "/me").status == 200
    last = "0" if secret[-1] != "0" else "1"
    for wrong, code in (
        (secret[:-1] + last, "token_malformed"),
        (secret[:-1], "token_malformed"),
        (secret + "0", "token_malformed"),
        ("slp_", "token_malformed"),
        ("slp_" + "0" * 5000, "token_invalid"),
        (new_token_secret(), "token_unknown"),
    ):
        assert refused(Client(world, wrong)("GET", "/me"), wrong) == code
    world.clock.at = until
    assert refused(Client(world, secret)("GET", "/me"), secret) == "token_expired"
    world.platform.tokens.revoke(who, token.id)
    assert refused(Client(world, secret)("GET", "/me"), secret) == "token_unknown"


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "Token", "Bearer:", ""])
def test_a_credential_under_another_scheme_is_none(world: World, scheme: str) -> None:
    token = world.adapters.signer.sign(said(world))
    headers = {"authorization": f"{scheme} {token}"}
    assert refused(Client(world, None)("GET", "/me", headers=headers), token) == "unauthenticated"


def test_a_credential_in_the_address_or_a_cookie_is_none(world: World) -> None:
    """Addresses end in logs and histories; a cookie is sent by foreign pages too."""
    token = world.adapters.signer.sign(said(world))
    anybody = Client(world, None)
    for target in (f"/agents?access_token={token}", f"/agents?token={token}"):
        assert anybody("GET", target).status == 401
    headers = {"cookie": f"access_token={token}; slipway_refresh={token}"}
    assert anybody("GET", "/me", headers=headers).status == 401
