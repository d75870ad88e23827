"""How a GitHub App is made and named: by a manifest in a browser, or by the environment."""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.adapters.github_wiring import github_host, github_secret
from chalicelib.settings import WrongSettings
from infra.deploy import Deployment
from infra.github_app import (
    EVENTS,
    PERMISSIONS,
    GitHubApp,
    GitHubAppError,
    Making,
    github_app,
    store,
    stored_app,
)
from infra.target import Target
from tests.conftest import settings
from tests.contract.code_hosts import Clock, standing_in
from tests.providers import code_host as stand_in
from tests.providers.code_host import CodeHostStandIn

NAMED = {
    "SLIPWAY_GITHUB_APP_ID": str(stand_in.APP_ID),
    "SLIPWAY_GITHUB_APP_SLUG": stand_in.APP_SLUG,
    "SLIPWAY_GITHUB_APP_CLIENT_ID": stand_in.CLIENT_ID,
    "SLIPWAY_GITHUB_APP_CLIENT_SECRET": stand_in.CLIENT_SECRET,
    "SLIPWAY_GITHUB_APP_WEBHOOK_SECRET": stand_in.WEBHOOK_SECRET,
    "SLIPWAY_GITHUB_APP_KEY": stand_in.PEM,
}


class Parameters:
    """The two calls of the parameter store that are made here."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool) -> None:  # noqa: N803 - boto's names
        assert Type == "SecureString"
        assert Overwrite or Name not in self.kept
        assert len(Value) <= 4096
        self.kept[Name] = Value

    def get_parameters(self, *, Names: list[str], WithDecryption: bool) -> dict[str, Any]:  # noqa: N803
        assert WithDecryption
        found = [{"Name": n, "Value": self.kept[n]} for n in Names if n in self.kept]
        return {"Parameters": found}


class Offline(Deployment):
    """A run that has nothing but the parameter store."""

    def __init__(self, ssm: Parameters, **github: Any) -> None:
        target = Target(
            stage="prod",
            ground="aws",
            region="eu-central-1",
            mail_from="slipway@example.org",
            image_repository="ghcr.io/example",
            railway_url="https://railway.test",
            railway_token="token",
            registry_username="user",
            registry_password="password",
            github=github,
        )
        super().__init__(target, Path(), Path())
        self._ssm = ssm

    def client(self, service: str) -> Any:
        assert service == "ssm"
        return self._ssm


@pytest.fixture
def github(tmp_path: Path) -> Iterator[CodeHostStandIn]:
    with standing_in(tmp_path, Clock()) as github:
        yield github


def agree(address: str, **laid_over: str) -> httpx.Response:
    """A person opens the page, presses its button, and is sent back from GitHub."""
    page = httpx.get(address, trust_env=False).text
    action = html.unescape(re.findall(r'action="([^"]+)"', page)[0])
    given = html.unescape(re.findall(r'name=manifest value="([^"]+)"', page)[0])
    answer = httpx.post(action, data={"manifest": given}, trust_env=False)
    back = httpx.URL(answer.headers["location"])
    return httpx.get(back.copy_merge_params(laid_over), trust_env=False)


def begun(making: Making) -> tuple[threading.Thread, list[Any]]:
    """Somebody waits in the terminal; what they get."""
    got: list[Any] = []

    def wait() -> None:
        try:
            got.append(making.wait(60))
        except GitHubAppError as problem:
            got.append(problem)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, got


def test_an_app_is_made_in_a_browser_and_its_secrets_are_kept(github: CodeHostStandIn) -> None:
    making = Making(
        name="Slipway prod",
        web_url="https://slipway.example",
        url=github.url,
        api_url=github.api_url,
        organisation="acme",
    )
    thread, got = begun(making)
    slipped_in = agree(making.address, state="somebody else's")
    assert "Nothing was stored" in slipped_in.text
    wanted = list(github.manifests.values())[-1]
    assert "The App is made" in agree(making.address).text
    thread.join()
    (app,) = got
    assert (app.app_id, app.slug) == (stand_in.APP_ID, stand_in.APP_SLUG)
    assert wanted["owner"] == "acme"
    assert wanted["hook_attributes"]["url"] == "https://slipway.example/api/v1/webhooks/github"
    assert wanted["callback_urls"] == ["https://slipway.example/github/installed"]
    assert wanted["default_permissions"] == PERMISSIONS == stand_in.PERMISSIONS
    assert wanted["default_events"] == list(EVENTS)

    ssm = Parameters()
    assert stored_app(ssm, "/slipway/prod") is None
    store(ssm, "/slipway/prod", app)
    assert stored_app(ssm, "/slipway/prod") == app
    assert stand_in.WEBHOOK_SECRET not in repr(app)


def test_a_code_that_github_does_not_know_makes_no_app(github: CodeHostStandIn) -> None:
    making = Making(name="x", web_url="https://a.test", url=github.url, api_url=github.api_url)
    thread, got = begun(making)
    assert "did not hand the App out" in agree(making.address, code="0" * 40).text
    thread.join()
    assert isinstance(got[0], GitHubAppError)


def test_nobody_waits_for_ever() -> None:
    with pytest.raises(GitHubAppError, match="Nobody has come back"):
        Making(name="x", web_url="https://a.test").wait(0.01)


def test_an_organisation_is_no_path() -> None:
    with pytest.raises(GitHubAppError, match="no organisation's name"):
        Making(name="x", web_url="https://a.test", organisation="../settings")


def test_the_environment_names_an_app_whole_or_not_at_all(tmp_path: Path) -> None:
    assert github_app({}) == GitHubApp()
    whole = github_app(NAMED)
    assert (whole.app_id, whole.key) == (stand_in.APP_ID, stand_in.PEM)
    path = tmp_path / "key.pem"
    path.write_text(stand_in.PEM)
    by_file = {**NAMED, "SLIPWAY_GITHUB_APP_KEY": "", "SLIPWAY_GITHUB_APP_KEY_FILE": str(path)}
    assert github_app(by_file) == whole
    on_one_line = {**NAMED, "SLIPWAY_GITHUB_APP_KEY": stand_in.PEM.replace("\n", "\\n")}
    assert github_app(on_one_line) == whole
    for name in NAMED:
        with pytest.raises(GitHubAppError, match=name):
            github_app({**NAMED, name: ""})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SLIPWAY_GITHUB_APP_ID", "12a", "number"),
        ("SLIPWAY_GITHUB_APP_KEY", "-----BEGIN NOTHING-----", "private key"),
        ("SLIPWAY_GITHUB_APP_KEY_FILE", "/nowhere", "cannot be read"),
        ("SLIPWAY_GITHUB_APP_URL", "http://github.example", "https"),
        ("SLIPWAY_GITHUB_API_URL", "ftp://github.example", "https"),
    ],
)
def test_what_cannot_be_used_says_what_to_mend(name: str, value: str, said: str) -> None:
    with pytest.raises(GitHubAppError, match=said):
        github_app({**NAMED, name: value})


def test_an_enterprise_server_is_named_once_for_everything() -> None:
    env = {
        "SLIPWAY_GITHUB_URL": "https://git.example/",
        "SLIPWAY_GITHUB_API_URL": "https://git.example/api/v3",
    }
    found = github_app(env)
    assert (found.url, found.api_url) == ("https://git.example", "https://git.example/api/v3")


def test_the_platform_speaks_with_the_app_that_it_is_told_of(github: CodeHostStandIn) -> None:
    app = github_app(
        {**NAMED, "SLIPWAY_GITHUB_URL": github.url, "SLIPWAY_GITHUB_API_URL": github.api_url},
        loopback=True,
    )
    told = settings(SLIPWAY_GITHUB_APP=json.dumps(app.public()), SLIPWAY_GROUND='{"kind": "local"}')
    secret = app.parameters().__getitem__
    assert "secret" not in json.dumps(app.public())
    host = github_host(told, secret)
    assert host.app is True
    assert host.install_address("s t") == (
        f"{github.url}/apps/{stand_in.APP_SLUG}/installations/new?state=s+t"
    )
    assert github_secret(told, secret)() == stand_in.WEBHOOK_SECRET


def test_a_deployment_brings_the_stored_app_into_use_and_keeps_it() -> None:
    ssm = Parameters()
    assert Offline(ssm).store_secrets()["github-app-key"] == "-"
    assert Offline(ssm).github().app_id == 0
    made = github_app(NAMED)
    store(ssm, "/slipway/prod", made)
    # Another run, whose environment names none.
    assert Offline(ssm).github() == made
    assert Offline(ssm).store_secrets()["github-app-key"] == stand_in.PEM
    other = {**NAMED, "SLIPWAY_GITHUB_APP_ID": "12", "SLIPWAY_GITHUB_APP_SLUG": "other"}
    run = Offline(ssm, **vars(github_app(other)))
    assert (run.github().app_id, run.github().slug) == (12, "other")
    run.store_secrets()
    assert Offline(ssm).github().app_id == 12


def test_without_an_app_no_secret_is_looked_for() -> None:
    def secret(name: str) -> str:
        raise AssertionError(name)

    assert github_host(settings(), secret).app is False
    assert github_secret(settings(), secret)() == ""


def test_settings_that_name_something_else_say_so() -> None:
    with pytest.raises(WrongSettings, match="SLIPWAY_GITHUB_APP"):
        settings(SLIPWAY_GITHUB_APP='{"id": 1}')
