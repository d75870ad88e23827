"""Addresses in their normal form, and where people may be sent after signing in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.emails import normal_email
from chalicelib.domain.sign_in import browser_secret, challenge_of, new_secret, safe_path
from chalicelib.errors import Invalid


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("  ada@example.com\t", "ada@example.com"),
        ("ada+test@example.com", "ada+test@example.com"),
        ("o'neil.j@sub.example.co", "o'neil.j@sub.example.co"),
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("ada@XN--MNCHEN-3YA.example", "ada@xn--mnchen-3ya.example"),
        # Looks like example.com, and is shown for what it is.
        ("ada@ex\u0430mple.com", "ada@xn--exmple-4nf.com"),
        # Full-width letters are the same letters.
        ("ada@\uff45xample.com", "ada@example.com"),
    ],
)
def test_one_mailbox_is_one_text(text: str, normal: str) -> None:
    assert normal_email(text) == normal
    assert normal_email(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "a@", "@x.com", "a@b", "a@x..com", "a@-x.com", "a@x-.com", "a@x.com."),
        *("a@1.2.3.4", "a@[127.0.0.1]", "a..b@x.com", ".a@x.com", "a.@x.com", "a b@x.com"),
        *("a@x.com\r\n", "a\r\nBcc: x@y.com", "a@x.com\nBcc:x@y.com", "a@x.com,b@x.com"),
        *("<a@x.com>", "Ada <a@x.com>", '"a"@x.com', "a@x.com\x00", "a\x7f@x.com", "a@x_y.com"),
        "\u0430da@example.com",  # a Cyrillic letter
        "\u212aate@example.com",  # the Kelvin sign, which is a k in lower case
        "a\u200bb@example.com",
        "a@xn--zz.com",
        f"{'a' * 65}@example.com",
        f"a@{'x' * 64}.com",
        f"a@{'.'.join(['x' * 60] * 5)}.com",
    ],
)
def test_what_is_no_mailbox_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        normal_email(text, field="to")
    assert refused.value.code == "email_invalid"
    assert refused.value.errors[0].field == "to"


@given(st.text(max_size=80))
def test_no_text_becomes_more_than_one_line_of_ascii(text: str) -> None:
    try:
        normal = normal_email(text)
    except Invalid:
        return
    assert normal.isascii()
    assert normal.isprintable()
    assert normal == normal.lower()
    assert normal.count("@") == 1


@pytest.mark.parametrize(
    "path",
    ["/", "/agents", "/agents/agt_1?tab=logs&x=1#line-3", "/a%20b", "/apis", "/@ada", "/a:b"],
)
def test_pages_of_ours_are_gone_to(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_path_it_is_the_first_page(nothing: str | None) -> None:
    assert safe_path(nothing) == "/"


@pytest.mark.parametrize(
    "path",
    [
        *("https://evil.example", "//evil.example", "///evil.example", "evil.example", "agents"),
        *("/\\evil.example", "\\\\evil.example", "/a\\b", "javascript:alert(1)", "data:x"),
        *("/%2fevil.example", "/%2Fevil.example", "%2f%2fevil.example", "/%5cevil.example"),
        *("/%252fevil.example", "/%25252fevil.example", "/%255c", "/%25252525252525252fx"),
        *("/\tevil", "/\n/evil", "/%09/evil.example", "/%0a/evil", "/%0d%0aSet-Cookie:x=1"),
        *(" /agents", "/agents ", "/a b", "/\x00", "/%00", "/\u2028x", "/\uff0fevil.example"),
        *("/x/..//evil.example", "/.//evil", "?x=//evil", "#x", "/a?next=//evil.example"),
        *("/api/v1/auth/github/start", "/api", "/API/v1/me", "/local/mailbox", "/%61pi/v1"),
        *("/x/../api/v1/me", "/./api/v1", "/%2e/api", "@evil.example", "/" + "a" * 600),
    ],
)
def test_nothing_else_is_gone_to(path: str) -> None:
    with pytest.raises(Invalid) as refused:
        safe_path(path)
    assert refused.value.code == "return_to_invalid"


@given(st.text(alphabet="/\\%25fFcCaApPiI.:@?#\t\n x", max_size=24))
def test_whatever_is_let_through_stays_on_our_host(path: str) -> None:
    try:
        safe = safe_path(path)
    except Invalid:
        return
    assert safe.startswith("/")
    assert not safe.startswith(("//", "/\\"))
    assert all(c.isprintable() for c in safe)


def test_a_browser_keeps_its_name_while_it_signs_in_and_no_other() -> None:
    name = browser_secret(None)
    assert browser_secret(name) == name
    for strange in ("", "short", "x" * 200, name + "=", "é" * 43):
        assert browser_secret(strange) != strange


def test_the_challenge_is_as_rfc_7636_says() -> None:
    # The example of its appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert len(new_secret()) == 43
