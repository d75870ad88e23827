"""OpenID Connect: what an issuer says is believed only when it is all as it must be."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters.oidc import LEEWAY_SECONDS, OidcSignIn
from chalicelib.adapters.provider_http import ProviderHttp
from chalicelib.domain.identities import Profile
from chalicelib.domain.sign_in import challenge_of
from chalicelib.errors import ProviderRefused, Unavailable
from tests.providers.issuer import CLIENT_ID, CLIENT_SECRET, ISSUER, KEYS, Issuer

BACK = "https://slipway.example/api/v1/auth/acme/callback"
VERIFIER = "v" * 43


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


def client(issuer: Issuer, clock: Clock | None = None, **more: Any) -> OidcSignIn:
    given = {"issuer": ISSUER, "secret": lambda: CLIENT_SECRET, **more}
    return OidcSignIn(
        provider_id="acme",
        name="Acme",
        client_id=CLIENT_ID,
        http=ProviderHttp(transport=issuer.transport()),
        now=clock or Clock(),
        **given,
    )


def profile(issuer: Issuer, by: OidcSignIn | None = None, **more: str) -> Profile:
    by = by or client(issuer)
    address = by.address(
        redirect_uri=BACK, state="state", nonce="nonce-1", challenge=challenge_of(VERIFIER)
    )
    issuer.begin(address)
    asked = {"code": "good", "redirect_uri": BACK, "verifier": VERIFIER, "nonce": "nonce-1"}
    return by.profile(**{**asked, **more})


def test_the_browser_is_sent_with_all_that_protects_it() -> None:
    issuer = Issuer(metadata={"authorization_endpoint": f"{ISSUER}/authorize?tenant=1"})
    address = client(issuer).address(
        redirect_uri=BACK, state="st", nonce="no", challenge=challenge_of(VERIFIER)
    )
    assert address.startswith(f"{ISSUER}/authorize?tenant=1&")
    assert issuer.begin(address) == {
        "tenant": "1",
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": BACK,
        "scope": "openid email profile",
        "state": "st",
        "nonce": "no",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }


def test_who_signed_in_is_told_by_issuer_and_subject() -> None:
    found = profile(Issuer())
    assert found == Profile("acme", ISSUER, "ada-1", "ada@example.com", "Ada")


class FromNow(int):
    """Seconds from the moment a test begins, not from when tests were collected."""


def at_this_moment(claims: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    return {k: now + v if isinstance(v, FromNow) else v for k, v in claims.items()}


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": f"{ISSUER}/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"azp": "another"},
        {"exp": FromNow(-LEEWAY_SECONDS - 5)},
        {"exp": None},
        {"iat": FromNow(LEEWAY_SECONDS + 60)},
        {"iat": None},
        {"nbf": FromNow(LEEWAY_SECONDS + 60)},
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ["nonce-1"]},
        {"nonce": "nonce-1\u00e9"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"at_hash": 7},
    ],
    ids=str,
)
def test_a_wrong_claim_is_not_believed(claims: dict[str, Any]) -> None:
    with pytest.raises(ProviderRefused, match="Begin again"):
        profile(Issuer(claims=at_this_moment(claims)))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": FromNow(-LEEWAY_SECONDS + 20)},
        {"iat": FromNow(LEEWAY_SECONDS - 20)},
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID},
        {"at_hash": None},
    ],
    ids=str,
)
def test_clocks_may_differ_a_little_and_audiences_be_lists(claims: dict[str, Any]) -> None:
    assert profile(Issuer(claims=at_this_moment(claims))).subject == "ada-1"


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email_verified": False}, None),
        ({"email_verified": None}, None),
        ({"email_verified": "false"}, None),
        ({"email_verified": 1}, None),
        ({"email_verified": "true"}, "ada@example.com"),
        ({"email": "ADA@Example.com"}, "ada@example.com"),
        ({"email": "a\r\nBcc: x@example.com"}, None),
        ({"email": ["ada@example.com"]}, None),
        ({"email": "\u0430da@example.com"}, None),
    ],
    ids=str,
)
def test_only_a_verified_email_counts(claims: dict[str, Any], email: str | None) -> None:
    assert profile(Issuer(claims=claims)).email == email


def forged(issuer: Issuer, how: str, said: dict[str, Any]) -> str:
    key_id, key = next(iter(issuer.keys.items()))
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def encode(part: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    if how == "none":
        return f"{encode({'alg': 'none', 'kid': key_id})}.{encode(said)}."
    if how.startswith("HS256"):
        secret = pem if how == "HS256 with the public key" else CLIENT_SECRET.encode()
        signed = f"{encode({'alg': 'HS256', 'kid': key_id})}.{encode(said)}"
        digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    if how == "another's key":
        return jwt.encode(said, KEYS[1], "RS256", headers={"kid": key_id})
    if how == "an unknown key":
        return jwt.encode(said, KEYS[1], "RS256", headers={"kid": "k9"})
    if how == "another algorithm than the key is for":
        return jwt.encode(said, key, "PS256", headers={"kid": key_id})
    if how == "a key it brings along":
        return jwt.encode(said, KEYS[1], "RS256", headers={"jku": "https://evil.example/jwks"})
    return {"cut off": jwt.encode(said, key, "RS256")[:-10], "text": "x", "list": "W10.W10.x"}[how]


@pytest.mark.parametrize(
    "how",
    [
        *("none", "HS256 with the public key", "HS256 with the client's secret"),
        *("another's key", "an unknown key", "another algorithm than the key is for"),
        *("a key it brings along", "cut off", "text", "list"),
    ],
)
def test_a_forged_identity_is_not_believed(how: str) -> None:
    issuer = Issuer()
    issuer.sign = lambda said: forged(issuer, how, said)
    with pytest.raises(ProviderRefused):
        profile(issuer)


def test_an_issuer_may_change_its_keys_at_any_time() -> None:
    issuer, clock = Issuer(), Clock()
    by = client(issuer, clock)
    profile(issuer, by)
    issuer.keys = {"k2": KEYS[1], **issuer.keys}
    clock.at += 31
    assert profile(issuer, by).subject == "ada-1"
    assert issuer.asked.count("/jwks") == 2
    profile(issuer, by)
    assert issuer.asked.count("/jwks") == 2


def test_unknown_keys_do_not_make_us_ask_again_and_again() -> None:
    issuer, clock = Issuer(), Clock()
    by = client(issuer, clock)
    profile(issuer, by)
    issuer.sign = lambda said: forged(issuer, "an unknown key", said)
    for _ in range(5):
        clock.at += 10
        with pytest.raises(ProviderRefused):
            profile(issuer, by)
    assert issuer.asked.count("/jwks") == 2


def test_a_key_without_a_name_is_good_when_it_is_the_only_one() -> None:
    issuer = Issuer()
    key = issuer.keys["k1"]
    issuer.sign = lambda said: jwt.encode(said, key, "RS256")
    assert profile(issuer).subject == "ada-1"
    issuer.keys["k2"] = KEYS[1]
    with pytest.raises(ProviderRefused):
        profile(issuer)


def test_the_email_may_stand_in_the_userinfo_of_the_same_person_only() -> None:
    claims = {"email": None, "email_verified": None}
    more = {"sub": "ada-1", "email": "ada@example.com", "email_verified": True}
    assert profile(Issuer(claims=claims, userinfo=more)).email == "ada@example.com"
    with pytest.raises(ProviderRefused):
        profile(Issuer(claims=claims, userinfo={**more, "sub": "eve"}))
    without = Issuer(claims=claims, metadata={"userinfo_endpoint": None})
    assert profile(without).email is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": "http://id.example/token"},
        {"token_endpoint": "https://user:pass@id.example/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": ["x"]},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"authorization_endpoint": None},
    ],
    ids=str,
)
def test_an_issuer_that_is_set_up_wrong_is_refused(metadata: dict[str, Any]) -> None:
    with pytest.raises(ProviderRefused):
        profile(Issuer(metadata=metadata))


def test_a_code_or_verifier_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ProviderRefused):
        profile(Issuer(), code="replayed")
    with pytest.raises(ProviderRefused):
        profile(Issuer(), verifier="x" * 43)


def test_a_silent_issuer_is_not_available() -> None:
    with pytest.raises(Unavailable, match="sign in by email"):
        profile(Issuer(down=True))


def test_the_client_says_who_it_is_as_the_issuer_wants_it() -> None:
    basic = Issuer()
    profile(basic)
    assert basic.token_request is not None
    sent = basic.token_request.headers["authorization"].removeprefix("Basic ")
    # RFC 6749, 2.3.1: form-encoded before they are joined.
    assert base64.b64decode(sent).decode() == "slipway:s3cret%3A+%26%C3%BC"
    post = Issuer(metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    profile(post)
    assert post.token_request is not None
    assert "authorization" not in post.token_request.headers
    assert b"client_secret=" in post.token_request.content
    public = Issuer()
    profile(public, client(public, secret=None))
    assert public.token_request is not None
    assert b"client_id=slipway" in public.token_request.content
    assert b"client_secret" not in public.token_request.content


def test_plain_http_is_for_this_machine_on_the_local_ground_only() -> None:
    for loopback, url, fine in (
        (True, "http://localhost:1/x", True),
        (True, "http://127.0.0.1:1/x", True),
        (True, "http://evil.example/x", False),
        (True, "http://localhost.evil.example/x", False),
        (True, "http://localhost@evil.example/x", False),
        (False, "http://localhost:1/x", False),
    ):
        issuer = Issuer(down=True)
        http = ProviderHttp(loopback=loopback, transport=issuer.transport())
        with pytest.raises(Unavailable if fine else ProviderRefused):
            http.get(url)
        assert bool(issuer.asked) == fine
