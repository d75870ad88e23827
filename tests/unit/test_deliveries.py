"""What is read of a payload, and that nothing else of it gets any further."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.connections import checked_branch, checked_repository, checked_root
from chalicelib.domain.deliveries import (
    EVENTS,
    Facts,
    Unreadable,
    asks_to_skip,
    form_payload,
    read_payload,
    wait_of,
    well_named,
)
from chalicelib.domain.signatures import MISSING, OUTDATED, WRONG, signature_fault, signature_of
from chalicelib.errors import Invalid

SHA = "a" * 40
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
KNOWN = st.sampled_from(
    ["ref", "before", "after", "repository", "installation", "pull_request", "number", "forced"]
)


@given(st.sampled_from(sorted(EVENTS)), st.dictionaries(KNOWN | st.text(max_size=8), JSON))
def test_whatever_is_sent_is_read_or_refused(event: str, payload: dict[str, Any]) -> None:
    try:
        facts = read_payload(event, payload)
    except Unreadable:
        return
    assert facts.event == event
    for text in (facts.ref, facts.repository, facts.action, facts.title, facts.head_branch):
        assert len(text) <= 255
        assert text.isprintable()


@given(st.binary(max_size=60))
def test_a_form_holds_what_was_put_into_it(payload: bytes) -> None:
    body = urlencode({"payload": payload}).encode()
    assert form_payload(body) == payload
    with pytest.raises(Unreadable):
        form_payload(body + b"&payload=x")


FORM = st.lists(st.sampled_from([*"payload=&+;%{}\x00 \xe9", "%7B", "%ff", "%C3%A4"])).map("".join)


@given(FORM, st.booleans())
def test_whatever_is_sent_as_a_form_is_read_or_refused(rest: str, named: bool) -> None:
    body = (("payload=" if named else "") + rest).encode("latin-1")
    try:
        read = form_payload(body)
    except Unreadable:
        return
    fields = parse_qsl(
        body.decode("ascii"), keep_blank_values=True, strict_parsing=True, encoding="latin-1"
    )
    assert fields == [("payload", read.decode("latin-1"))]


def push(**changes: Any) -> Facts:
    payload = {"ref": "refs/heads/main", "before": "b" * 40, "after": SHA, **changes}
    return read_payload("push", payload)


def test_a_push_is_read() -> None:
    facts = push(forced=True, repository={"id": 7, "full_name": "acme/echo"})
    assert (facts.branch, facts.after, facts.forced, facts.deleted) == ("main", SHA, True, False)
    assert (facts.repository_id, facts.repository) == (7, "acme/echo")
    gone = push(after="0" * 40)
    assert (gone.after, gone.deleted) == ("", True)
    assert push(ref="refs/tags/v1").branch == ""
    assert push(repository={"id": True}).repository_id == 0
    assert push(repository={"id": "7"}).repository_id == 0
    assert push(installation={"id": -5}).installation_id is None


def test_a_message_is_not_kept() -> None:
    facts = push(head_commit={"message": "secret [skip deploy]"})
    assert facts.skip
    assert "secret" not in repr(facts)


@pytest.mark.parametrize(
    ("message", "skips"),
    [
        ("[skip deploy]", True),
        ("Docs [Deploy Skip] only", True),
        ("Body\n\n[skip deploy]", True),
        ("skip deploy", False),
        ("[skip ci]", False),
    ],
)
def test_when_a_message_asks_to_skip(message: str, skips: bool) -> None:
    assert asks_to_skip(message) is skips


def pull(**changes: Any) -> Facts:
    side = {"ref": "x", "sha": SHA, "repo": {"id": 7, "full_name": "acme/echo"}}
    request = {"number": 3, "head": side, "base": side, "updated_at": "2026-01-01T00:00:00Z"}
    return read_payload("pull_request", {"number": 3, "pull_request": {**request, **changes}})


def test_whose_branch_a_pull_request_is() -> None:
    assert not pull().fork
    assert pull().changed_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert pull(head={"ref": "x", "sha": SHA, "repo": {"id": 8}}).fork
    assert pull(head={"ref": "x", "sha": SHA, "repo": None}).fork
    assert pull(updated_at="yesterday").changed_at is None


def test_waits_grow_and_end_and_heed_the_host() -> None:
    waits = [wait_of(n) for n in range(12)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=15)
    assert wait_of(0, 1800) == timedelta(minutes=30)
    assert wait_of(0, 10**9) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("event", "guid", "good"),
    [
        ("push", "72d3162e-cc78-11e3-81ab-4c9367dc0958", True),
        ("push", "", False),
        ("push", None, False),
        (None, "x", False),
        ("Push", "x", False),
        ("push", "x" * 81, False),
        ("push\n", "x", False),
    ],
)
def test_what_may_name_a_call(event: str | None, guid: str | None, good: bool) -> None:
    assert well_named(event, guid) is good


# What GitHub's own documentation gives as an example.
EXAMPLE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_a_signature_is_made_as_documented() -> None:
    body, secret = b"Hello, World!", "It's a Secret to Everybody"
    assert signature_of(body, secret) == EXAMPLE
    assert signature_fault(body, secret, sha256=EXAMPLE, sha1=None) is None
    assert signature_fault(body, secret, sha256=EXAMPLE.upper(), sha1=None) is WRONG
    assert signature_fault(body + b" ", secret, sha256=EXAMPLE, sha1=None) is WRONG
    assert signature_fault(body, "", sha256=signature_of(body, ""), sha1=None) is WRONG
    assert signature_fault(body, secret, sha256=None, sha1="sha1=x") is OUTDATED
    assert signature_fault(body, secret, sha256=None, sha1=None) is MISSING


@given(st.binary(max_size=50), st.text(max_size=80))
def test_no_other_signature_is_believed(body: bytes, given_one: str) -> None:
    if given_one.strip() != signature_of(body, "secret"):
        assert signature_fault(body, "secret", sha256=given_one, sha1=None) is WRONG


@pytest.mark.parametrize(
    "name", ["main", "feature/login", "v1.2", "ünï", "a" * 200, "dependabot/x-1"]
)
def test_a_branch_as_git_allows_it(name: str) -> None:
    assert checked_branch(name) == name


NO_BRANCHES = (
    *(
        "",
        "@",
        "../x",
        "a..b",
        "a b",
        "a\nb",
        "-x",
        "/x",
        "x/",
        "x.",
        "x.lock",
        "a//b",
        ".x",
        "a/.b",
    ),
    *("a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a@{1}", "a" * 201, "\x7f"),
)


@pytest.mark.parametrize("name", NO_BRANCHES)
def test_no_branch_at_all(name: str) -> None:
    with pytest.raises(Invalid):
        checked_branch(name)


@pytest.mark.parametrize(
    "name", ["acme/echo", "https://github.com/acme/echo", "https://github.com/acme/echo.git/"]
)
def test_a_repository_by_name_or_address(name: str) -> None:
    assert checked_repository(name).startswith("acme/echo")


@pytest.mark.parametrize("name", ["acme", "acme/..", "../x", "a/b/c", "a/b?x", "-a/b", "a b/c", ""])
def test_no_repository_at_all(name: str) -> None:
    with pytest.raises(Invalid):
        checked_repository(name)


@pytest.mark.parametrize(
    ("root", "kept"), [("", ""), ("/", ""), (".", ""), ("./a", "a"), ("/a/b/", "a/b")]
)
def test_a_folder_of_the_repository(root: str, kept: str) -> None:
    assert checked_root(root) == kept


@pytest.mark.parametrize("root", ["..", "a/../b", "a//b", "a/./b", "a\\b", "a\nb", "x" * 201])
def test_no_folder_of_the_repository(root: str) -> None:
    with pytest.raises(Invalid):
        checked_root(root)


def test_facts_are_plain_json() -> None:
    assert json.loads(json.dumps(vars(push()), default=str))["ref"] == "refs/heads/main"
