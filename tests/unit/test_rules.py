"""Small pure rules: ids, slugs, tokens, permissions, plans, judgements."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import release
from chalicelib.domain.agents import slug_of
from chalicelib.domain.credentials import looks_like_token, new_token_secret
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.smoke import judge
from chalicelib.domain.tenancy import PERMISSIONS, SCOPES, Action, Principal, Role, Scope
from chalicelib.errors import Forbidden
from chalicelib.settings import MissingSettings, Settings
from tests.unit.test_states import deployment


def test_ids_are_ordered_by_time_and_known_by_their_prefix() -> None:
    ids = [new_id("agt") for _ in range(5)]
    assert len(set(ids)) == 5
    assert all(is_id(i, "agt") and not is_id(i, "dep") for i in ids)
    assert not is_id("agt_../../etc", "agt")


@given(st.text(max_size=200))
def test_a_slug_is_always_url_safe(name: str) -> None:
    slug = slug_of(name)
    assert 1 <= len(slug) <= 40
    assert all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in slug)
    assert not slug.startswith("-")


def test_slugs_keep_what_can_be_read() -> None:
    assert slug_of("Café Müller & Söhne") == "cafe-muller-sohne"
    assert slug_of("日本語") == "agent"


def test_a_token_with_one_wrong_character_is_known_without_asking_the_store() -> None:
    secret = new_token_secret()
    assert looks_like_token(secret)
    for at in range(4, len(secret)):
        other = "0" if secret[at] != "0" else "1"
        assert not looks_like_token(secret[:at] + other + secret[at + 1 :])


@given(st.text(max_size=60))
def test_anything_may_be_asked_whether_it_is_a_token(text: str) -> None:
    assert looks_like_token(text) in (True, False)


def test_each_role_may_do_what_the_one_below_may() -> None:
    order = [Role.VIEWER, Role.DEVELOPER, Role.ADMIN, Role.OWNER]
    for lower, higher in pairwise(order):
        assert PERMISSIONS[lower] <= PERMISSIONS[higher]
    assert SCOPES[Scope.READ] <= SCOPES[Scope.DEPLOY] <= SCOPES[Scope.ADMIN]


def test_a_token_never_does_more_than_its_owner() -> None:
    viewer = Principal("usr_1", "org_1", Role.VIEWER, Scope.ADMIN)
    with pytest.raises(Forbidden, match="role viewer"):
        viewer.require(Action.AGENT_CREATE)
    reader = Principal("usr_1", "org_1", Role.OWNER, Scope.READ)
    with pytest.raises(Forbidden, match="scope read"):
        reader.require(Action.AGENT_CREATE)


def test_a_release_deploys_once_and_last() -> None:
    steps = release.plan_release(deployment(), {"A": "1"})
    assert isinstance(steps[-1], release.Deploy)
    assert sum(isinstance(step, release.Deploy) for step in steps) == 1


def test_variables_of_the_environment_win_over_the_manifest_but_not_over_the_platform() -> None:
    planned = replace(deployment(), plan={"env": {"A": "default", "B": "2"}, "port": 8080})
    merged = release.release_variables(planned, {"A": "mine", "SLIPWAY_AGENT_ID": "forged"})
    assert (merged["A"], merged["B"], merged["PORT"]) == ("mine", "2", "8080")
    assert merged["SLIPWAY_AGENT_ID"] == "agt_1"


def test_service_names_fit_a_dns_label_and_differ_by_environment() -> None:
    agent = new_id("agt")
    names = {release.service_name(agent, e) for e in ("production", "pr-1", "pr-2")}
    assert len(names) == 3
    assert all(len(name) <= 48 and "_" not in name for name in names)


@pytest.mark.parametrize(
    ("expect", "status", "body", "problem"),
    [
        ({}, 200, b"", ""),
        ({}, 404, b"nope", "answered 404: nope"),
        ({"status": 404}, 404, b"", ""),
        ({"text": "hello"}, 200, b"say hello", ""),
        ({"text": "hello"}, 200, b"say nothing", "does not contain 'hello'"),
        ({"json": {"a": {"b": 1}}}, 200, b'{"a": {"b": 1, "c": 2}}', ""),
        ({"json": {"a": {"b": 1}}}, 200, b'{"a": {"b": 2}}', "$.a.b is 2, not 1"),
        ({"json": {"a": 1}}, 200, b"<html>", "is not JSON"),
        ({"json": {"a": 1}}, 200, b"[" * 100_000, "is not JSON"),
        ({"json": [1, 2]}, 200, b"[1]", "not a list of 2"),
        ({"headers": {"content-type": "json"}}, 200, b"", "content-type"),
    ],
)
def test_an_answer_is_judged_by_what_the_manifest_expects(
    expect: dict[str, object], status: int, body: bytes, problem: str
) -> None:
    found = judge(expect, status, {}, body)
    assert problem in found
    assert bool(problem) == bool(found)


def test_settings_name_everything_that_is_missing_at_once() -> None:
    with pytest.raises(MissingSettings, match=r"SLIPWAY_ARTIFACTS_BUCKET.*SLIPWAY_WEB_URL"):
        Settings.from_env({"SLIPWAY_STAGE": "x"})
