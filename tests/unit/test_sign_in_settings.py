"""How operators name sign-in providers, from their environment to the platform's own settings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bootstrap import sign_in_providers
from chalicelib.settings import Settings, WrongSettings
from infra.sign_in import SignInSettingsError, sign_in_settings
from tests.conftest import settings

ACME = {"id": "acme", "name": "Acme", "issuer": "https://id.example", "client_id": "slipway"}
GITHUB = {"SLIPWAY_GITHUB_CLIENT_ID": "gh", "SLIPWAY_GITHUB_CLIENT_SECRET": "gh-secret"}
GOOGLE = {"SLIPWAY_GOOGLE_CLIENT_ID": "go", "SLIPWAY_GOOGLE_CLIENT_SECRET": "go-secret"}


def oidc(**more: Any) -> dict[str, str]:
    return {"SLIPWAY_OIDC": json.dumps([{**ACME, **more}])}


def given(env: dict[str, str]) -> Settings:
    """The platform's settings, after the operators' environment has gone all the way."""
    made = sign_in_settings(env)
    return settings(SLIPWAY_PROVIDERS=json.dumps(list(made.providers)))


def test_what_has_no_credentials_is_not_offered() -> None:
    assert sign_in_providers(given({}), dict) == {}


def test_all_kinds_come_through_with_their_secrets_apart() -> None:
    env = {**GITHUB, **GOOGLE, **oidc(client_secret="acme-secret")}
    made = sign_in_settings(env)
    assert made.secrets == {"github": "gh-secret", "google": "go-secret", "acme": "acme-secret"}
    assert "secret" not in json.dumps(made.providers)
    assert "secret" not in repr(made)
    offered = sign_in_providers(given(env), lambda: made.secrets)
    assert [(p.id, p.kind, p.name) for p in offered.values()] == [
        ("github", "github", "GitHub"),
        ("google", "google", "Google"),
        ("acme", "oidc", "Acme"),
    ]


def test_an_issuer_may_do_without_a_secret() -> None:
    made = sign_in_settings(oidc())
    assert made.providers[0]["public"] is True
    assert made.secrets == {}


def test_an_enterprise_server_of_github_is_named_by_its_addresses() -> None:
    env = {**GITHUB, "SLIPWAY_GITHUB_URL": "https://git.example/"}
    (one,) = sign_in_settings(env).providers
    assert one["url"] == "https://git.example"
    address = sign_in_providers(given(env), dict)["github"].address(
        redirect_uri="https://x.example", state="s", nonce="n", challenge="c"
    )
    assert address.startswith("https://git.example/login/oauth/authorize?")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SLIPWAY_GITHUB_CLIENT_ID": "x"}, "or neither"),
        ({"SLIPWAY_GOOGLE_CLIENT_SECRET": "x"}, "or neither"),
        ({**GITHUB, "SLIPWAY_GITHUB_URL": "http://git.example"}, "https"),
        ({"SLIPWAY_OIDC": "{"}, "not JSON"),
        ({"SLIPWAY_OIDC": "{}"}, "list"),
        ({"SLIPWAY_OIDC": "[1]"}, "client_id"),
        (oidc(issuer="http://id.example"), "https"),
        (oidc(issuer="http://localhost:1"), "https"),
        (oidc(issuer="https://id.example?x=1"), "https"),
        (oidc(issuer=""), "empty"),
        (oidc(client_id=7), "text"),
        (oidc(surprise="x"), "client_secret"),
        (oidc(id="email"), "'email'"),
        (oidc(id="github"), "'github'"),
        (oidc(id="a/b"), "'a/b'"),
        (oidc(id="../x"), "cannot be used"),
        ({"SLIPWAY_OIDC": json.dumps([ACME, ACME])}, "twice"),
    ],
)
def test_a_wrong_environment_says_what_to_mend(env: dict[str, str], said: str) -> None:
    with pytest.raises(SignInSettingsError, match=said):
        sign_in_settings(env)


def test_this_machine_may_be_an_issuer_on_the_local_cloud() -> None:
    assert sign_in_settings(oidc(issuer="http://localhost:4000"), loopback=True).providers


@pytest.mark.parametrize("text", ["{", "[1]", '[{"id": "x"}]', '[{"surprise": 1}]'])
def test_settings_that_the_platform_cannot_read_are_named(text: str) -> None:
    with pytest.raises(WrongSettings, match="SLIPWAY_PROVIDERS"):
        settings(SLIPWAY_PROVIDERS=text)
    twice = json.dumps([{"id": "a", "name": "A", "kind": "oidc", "client_id": "x"}] * 2)
    with pytest.raises(WrongSettings, match="one id"):
        settings(SLIPWAY_PROVIDERS=twice)


def test_only_the_local_ground_speaks_plain_http_to_this_machine() -> None:
    made = settings(
        SLIPWAY_PROVIDERS=json.dumps(
            [
                {
                    "id": "a",
                    "name": "A",
                    "kind": "oidc",
                    "client_id": "x",
                    "issuer": "http://localhost:9",
                }
            ]
        )
    )
    asked = {"redirect_uri": "x", "state": "s", "nonce": "n", "challenge": "c"}
    for ground, code in (("aws", "provider_refused"), ("local", "unavailable")):
        on = replace(made, ground={"kind": ground})
        with pytest.raises(Exception, match="provider") as refused:
            sign_in_providers(on, dict)["a"].address(**asked)
        assert getattr(refused.value, "code", "") == code
