"""Keyrings: every token that is not ours is refused, and no rotation signs anybody out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from jwt.utils import der_to_raw_signature

from chalicelib.adapters.keyring import RING_SECONDS, UNKNOWN_SECONDS
from chalicelib.adapters.secrets import AesVault, JwtSigner
from chalicelib.errors import PlatformError, Unauthenticated, Unavailable
from infra.keys import (
    new_signing_keys,
    new_vault_keys,
    rotate,
    rotated_signing_keys,
    rotated_vault_keys,
)
from infra.target import DeployError

WEB = "https://slipway.example"


@dataclass
class Parameter:
    """A parameter that can be changed, and counts how often it is read."""

    value: str
    reads: int = 0
    down: bool = False
    clock: float = 1000.0

    def read(self) -> str:
        self.reads += 1
        if self.down:
            raise Unavailable("not now")
        return self.value

    def signer(self) -> JwtSigner:
        return JwtSigner(self.read, WEB, now=lambda: self.clock)

    def vault(self) -> AesVault:
        return AesVault(self.read, now=lambda: self.clock)


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    said = {"sub": "usr_1", "sid": "ses_1", "org": "org_1", "iat": now, "nbf": now, "exp": now + 60}
    return {**said, **more}


@pytest.fixture
def ring() -> Parameter:
    return Parameter(new_signing_keys())


def first_key(ring: Parameter) -> Any:
    return load_pem_private_key(ring.value.encode(), password=None)


def code(signer: JwtSigner, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        signer.verify(token)
    assert refused.value.detail.endswith(("in again.", "of ours."))
    return refused.value.code


def encode(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_a_token_says_what_was_signed(ring: Parameter) -> None:
    signer = ring.signer()
    token = signer.sign(claims())
    assert signer.verify(token)["sub"] == "usr_1"
    assert jwt.get_unverified_header(token)["alg"] == "ES256"


def test_an_older_kind_of_key_goes_on_signing_until_it_is_rotated_out() -> None:
    older = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ring = Parameter(older.decode())
    token = ring.signer().sign(claims())
    assert jwt.get_unverified_header(token)["alg"] == "EdDSA"
    assert ring.signer().verify(token)["sub"] == "usr_1"
    ring.value = rotated_signing_keys(ring.value)
    assert ring.signer().verify(token)["sub"] == "usr_1"
    assert jwt.get_unverified_header(ring.signer().sign(claims()))["alg"] == "ES256"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"exp": int(time.time()) - 60}, "session_expired"),
        ({"iat": int(time.time()) + 3600}, "token_invalid"),
        ({"nbf": int(time.time()) + 3600}, "token_invalid"),
        ({"aud": "https://elsewhere.example"}, "token_invalid"),
        ({"aud": [WEB + "/x"]}, "token_invalid"),
        ({"iss": "somebody"}, "token_invalid"),
        ({"exp": None}, "token_invalid"),
        ({"sub": None}, "token_invalid"),
        ({"sid": None}, "token_invalid"),
        ({"nbf": None}, "token_invalid"),
        ({"sub": 7}, "token_invalid"),
        ({"exp": "tomorrow"}, "token_invalid"),
    ],
)
def test_a_token_with_wrong_claims_is_refused(
    ring: Parameter, wrong: dict[str, Any], expected: str
) -> None:
    signer = ring.signer()
    key_id = jwt.get_unverified_header(signer.sign(claims()))["kid"]
    said = {**claims(), "aud": WEB, "iss": "slipway", **wrong}
    said = {name: value for name, value in said.items() if value is not None}
    header = encode({"alg": "ES256", "kid": key_id})
    signed = f"{header}.{encode(said)}"
    der = first_key(ring).sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    signature = der_to_raw_signature(der, ec.SECP256R1())
    token = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert code(signer, token) == expected


@cache
def anothers_rsa() -> rsa.RSAPrivateKey:
    """Takes long to make."""
    return rsa.generate_private_key(65537, 2048)


def forgeries(ring: Parameter) -> dict[str, str]:
    key = first_key(ring)
    signer = ring.signer()
    good = signer.sign(claims())
    key_id = jwt.get_unverified_header(good)["kid"]
    said = {**claims(), "aud": WEB, "iss": "slipway"}
    public = key.public_key()
    raw = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, body, signature = good.split(".")

    def confused(alg: str, secret: bytes) -> str:
        signed = f"{encode({'alg': alg, 'kid': key_id})}.{encode(said)}"
        digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    strange = ec.generate_private_key(ec.SECP256R1())
    edwards = Ed25519PrivateKey.generate()
    return {
        "alg none": f"{encode({'alg': 'none', 'kid': key_id})}.{encode(said)}.",
        "alg None": f"{encode({'alg': 'None', 'kid': key_id})}.{encode(said)}.{signature}",
        "no signature": f"{header}.{body}.",
        "HS256 with the public key": confused("HS256", pem),
        "HS256 with the raw public key": confused("HS256", raw),
        "RS256 of another's": jwt.encode(said, anothers_rsa(), "RS256", headers={"kid": key_id}),
        "another's key, our id": jwt.encode(said, strange, "ES256", headers={"kid": key_id}),
        "another's key and id": jwt.encode(said, strange, "ES256", headers={"kid": "00000000"}),
        "a key of its own": jwt.encode(
            said, strange, "ES256", headers={"jwk": {"kty": "EC"}, "jku": "https://evil.example"}
        ),
        "another kind of key, our id": jwt.encode(said, edwards, "EdDSA", headers={"kid": key_id}),
        "signed by our key, said to be of another kind": "".join(
            (encode({"alg": "EdDSA", "kid": key_id}), good[good.index(".") :])
        ),
        "no id": jwt.encode(said, key, "ES256"),
        "cut off": jwt.encode(said, key, "ES256", headers={"kid": "x"})[:-1],
        "changed body": f"{header}.{encode({**said, 'sub': 'usr_2'})}.{signature}",
        "changed signature": f"{header}.{body}.{'A' * len(signature)}",
        "oversized": good + "A" * 5000,
        "three dots": "...",
        "nothing": "",
        "not text": "\x00.\xff.\u2028",
        "deep": f"{base64.urlsafe_b64encode(b'[' * 2000).decode()}.e30.e30",
        "a list for a header": f"{base64.urlsafe_b64encode(b'[]').decode()}.e30.e30",
        "a number for an id": f"{encode({'alg': 'ES256', 'kid': 7})}.{encode(said)}.{signature}",
        "critical": f"{encode({'alg': 'ES256', 'kid': key_id, 'crit': ['x']})}.{body}.{signature}",
    }


NAMES = list(forgeries(Parameter(new_signing_keys())))


@pytest.mark.parametrize("name", NAMES)
def test_a_forged_token_is_refused(ring: Parameter, name: str) -> None:
    assert code(ring.signer(), forgeries(ring)[name]) == "token_invalid"


def test_a_rotation_signs_nobody_out_wherever_they_are_served(ring: Parameter) -> None:
    """Functions that read the ring at different times all take each other's tokens."""
    before, later = ring.signer(), ring.signer()
    old = before.sign(claims())
    later.sign(claims())
    ring.value = rotated_signing_keys(ring.value)
    ring.clock += 1
    fresh = ring.signer()
    new = fresh.sign(claims())
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    # Announced before, so nobody has to ask for it: not even right after a ring was read.
    reads = ring.reads
    assert before.verify(new)
    assert later.verify(new)
    assert fresh.verify(old)
    assert ring.reads == reads


def test_a_function_signs_with_the_new_key_before_long(ring: Parameter) -> None:
    signer = ring.signer()
    old = jwt.get_unverified_header(signer.sign(claims()))["kid"]
    ring.value = rotated_signing_keys(ring.value)
    ring.clock += RING_SECONDS
    assert jwt.get_unverified_header(signer.sign(claims()))["kid"] != old


def test_a_single_key_of_before_is_a_ring_too(ring: Parameter) -> None:
    ring.value = ring.value[: len(ring.value) // 2]
    signer = ring.signer()
    old = signer.sign(claims())
    ring.value = rotated_signing_keys(ring.value)
    new = ring.signer().sign(claims())
    ring.clock += UNKNOWN_SECONDS
    assert signer.verify(new)
    assert signer.verify(old)


def test_unknown_keys_make_us_read_at_most_twice_a_minute(ring: Parameter) -> None:
    signer = ring.signer()
    signer.verify(signer.sign(claims()))
    forged = forgeries(ring)["another's key and id"]
    reads = ring.reads
    for _ in range(50):
        code(signer, forged)
    assert ring.reads == reads
    ring.clock += UNKNOWN_SECONDS
    for _ in range(50):
        code(signer, forged)
    assert ring.reads == reads + 1


def test_a_ring_that_cannot_be_read_again_goes_on(ring: Parameter) -> None:
    signer = ring.signer()
    token = signer.sign(claims())
    ring.down = True
    ring.clock += RING_SECONDS
    assert signer.verify(token)
    with pytest.raises(Unavailable):
        ring.signer().sign(claims())


def test_three_keys_are_kept_and_fit_a_parameter(ring: Parameter) -> None:
    for _ in range(4):
        ring.value = rotated_signing_keys(ring.value)
    assert ring.value.count("BEGIN PRIVATE KEY") == 3
    assert len(ring.value) < 4096
    with pytest.raises(DeployError):
        rotated_signing_keys("nothing")


# --- the vault --------------------------------------------------------------------------------


def test_what_was_sealed_with_an_old_key_opens_and_new_values_take_the_new_one() -> None:
    keys = Parameter(new_vault_keys())
    running = keys.vault()
    old = running.seal({"A": "1"}, context="here")
    keys.value = rotated_vault_keys(keys.value)
    new = keys.vault().seal({"B": "2"}, context="here")
    assert (old.split(".")[1], new.split(".")[1]) == ("1", "2")
    assert keys.vault().open(old, context="here") == {"A": "1"}
    keys.clock += UNKNOWN_SECONDS
    assert running.open(new, context="here") == {"B": "2"}


def test_a_key_without_an_id_is_the_first_one() -> None:
    plain = base64.b64encode(b"k" * 32).decode()
    keys = Parameter(plain)
    sealed = keys.vault().seal({"A": "1"}, context="here")
    keys.value = rotated_vault_keys(plain)
    assert keys.vault().open(sealed, context="here") == {"A": "1"}


def test_a_sealed_value_opens_only_where_it_belongs_and_unchanged() -> None:
    keys = Parameter(new_vault_keys())
    vault = keys.vault()
    sealed = vault.seal({"A": "secret"}, context="org_1/agt_1")
    assert "secret" not in sealed
    version, key_id, body = sealed.split(".")
    changed = base64.b64encode(base64.b64decode(body)[:-1] + b"\0").decode()
    for broken, context in (
        (sealed, "org_2/agt_1"),
        (f"{version}.{key_id}.{changed}", "org_1/agt_1"),
        (f"{version}.99.{body}", "org_1/agt_1"),
    ):
        with pytest.raises(PlatformError) as refused:
            vault.open(broken, context=context)
        assert refused.value.code == "seal_broken"


def test_a_full_parameter_says_what_to_do() -> None:
    full = "\n".join(f"{n}:{'k' * 44}" for n in range(1, 90))
    with pytest.raises(DeployError, match="Store every secret variable again"):
        rotated_vault_keys(full)


@dataclass
class Ssm:
    kept: dict[str, str] = field(default_factory=dict)

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:  # noqa: N803
        assert WithDecryption
        return {"Parameter": {"Value": self.kept[Name]}}

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool) -> None:  # noqa: N803
        assert (Type, Overwrite) == ("SecureString", True)
        self.kept[Name] = Value


def test_revoking_leaves_no_old_signing_key_and_every_vault_key() -> None:
    signing, vault = new_signing_keys(), new_vault_keys()
    ssm = Ssm({"/s/signing-key": signing, "/s/vault-key": vault})
    rotate(ssm, "/s", ["signing-key", "vault-key"], revoke=True)
    for pem in signing.split("-----END PRIVATE KEY-----\n"):
        assert not pem or pem not in ssm.kept["/s/signing-key"]
    assert vault in ssm.kept["/s/vault-key"]
