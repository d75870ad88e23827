"""What a program may do to a secret before it prints it, and that it is found all the same."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.masking import MASK, SHORTEST, Masker

SECRET = 'p@ss/w+rd "quoted" & <ü> it\'s \\ ?>'


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps({"v": SECRET})),
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
        html.escape(SECRET),
        repr(SECRET)[1:-1],
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        SECRET.encode().hex(" "),
        SECRET.encode().hex(":"),
    ],
)
def test_a_secret_is_masked_in_every_dress(shown: str) -> None:
    masked = Masker([SECRET])(f"before {shown} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert MASK in masked
    assert shown not in masked


@given(
    secret=st.binary(min_size=6, max_size=60).map(lambda b: b.hex()[: len(b)]),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
    encode=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_base64_is_masked_wherever_the_secret_begins(
    secret: str, before: bytes, after: bytes, encode: object
) -> None:
    assert callable(encode)
    shown = encode(before + secret.encode() + after).decode()
    masked = Masker([secret])(shown)
    assert MASK in masked
    # At its two ends up to six bits of the secret share a symbol with what stands beside it.
    rest = base64.urlsafe_b64decode
    for piece in masked.split(MASK):
        aligned = piece.replace("+", "-").replace("/", "_").rstrip("=")
        for cut in range(4):
            data = rest(aligned[cut : cut + (len(aligned) - cut) // 4 * 4] or "")
            assert secret.encode()[1:-1] not in data


@given(st.text(max_size=80), st.text(min_size=SHORTEST, max_size=20))
def test_nothing_of_a_secret_is_left_and_nothing_else_is_lost(text: str, secret: str) -> None:
    masker = Masker([secret])
    if len(secret.strip()) >= SHORTEST and MASK not in text:
        assert secret not in masker(f"{text}{secret}{text}").replace(MASK, "\x00")
    assert Masker([])(text) == text


def test_values_too_short_are_no_secrets() -> None:
    masker = Masker(["on", "", "1", "yes", "   a   "])
    assert masker("turned on 1 time, yes") == "turned on 1 time, yes"


def test_each_line_of_a_key_is_masked() -> None:
    masker = Masker(["-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----\n"])
    assert masker("MIIEvQIBADANBg") == MASK
    assert masker.deep({"a": ["MIIEvQIBADANBg"], "b": 1}) == {"a": [MASK], "b": 1}


def test_the_password_in_an_address_is_masked_by_itself() -> None:
    masker = Masker(["postgres://ada:hun%2Fter2@db.test:5432/agents"])
    for shown in ("password=hun%2Fter2", "password=hun/ter2"):
        assert masker(shown) == f"password={MASK}"
    assert masker("db.test and ada") == "db.test and ada"
    assert Masker(["http://[broken"])("http://[broken") == MASK


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Masker(["token", "token-of-ada"])("token-of-ada token") == f"{MASK} {MASK}"
