"""Commit messages as they may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.masking import MASK
from chalicelib.domain.messages import MAX_MESSAGE, shown_author, shown_message

SECRETS = [
    "ghp_" + "aB3" * 12,
    "github_pat_" + "aB3" * 12,
    "slp_" + "aB3" * 12,
    "sk-" + "aB3" * 12,
    "xoxb-" + "aB3" * 12,
    "AKIA" + "ABCD1234" * 2,
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "aB3" * 15,
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_masked(secret: str) -> None:
    shown = shown_message(f"Use {secret} now")
    assert secret not in shown
    assert shown == f"Use {MASK} now"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Say it louder\n\nBody", "Say it louder"),
        ("password=hunter22 for ada@example.com", f"password{MASK} for [email]"),
        ("db is postgres://me:hunter22@db:5432/x", f"db is postgres://{MASK}@db:5432/x"),
        ("token: abcd1234", f"token{MASK}"),
        (
            "Revert 3f2a9c1b3f2a9c1b3f2a9c1b3f2a9c1b3f2a9c1b",
            "Revert 3f2a9c1b3f2a9c1b3f2a9c1b3f2a9c1b3f2a9c1b",
        ),
        ("fix(tokens): count once", "fix(tokens): count once"),
        ("tab\there\x1b[31mred", "tab here [31mred"),
        ("", ""),
        ("-----BEGIN RSA PRIVATE KEY----- MIIE", MASK),
    ],
)
def test_what_is_shown(message: str, shown: str) -> None:
    assert shown_message(message) == shown


@given(st.text(max_size=2000))
def test_it_is_always_one_short_printable_line(message: str) -> None:
    shown = shown_message(message)
    assert len(shown) <= MAX_MESSAGE
    assert "\n" not in shown


def test_an_author_is_a_name_without_an_address() -> None:
    assert shown_author("Ada <ada@example.com>\n") == "Ada <[email]>"
