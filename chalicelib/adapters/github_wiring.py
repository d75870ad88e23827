"""How GitHub's adapter is put together from the settings and the secrets of a stage."""

from __future__ import annotations

import json
from collections.abc import Callable

from chalicelib.adapters.github_api import GitHubApi
from chalicelib.adapters.github_app import AppIdentity, GitHubApp
from chalicelib.adapters.github_host import GitHubHost
from chalicelib.settings import Settings


def github_host(settings: Settings, secret: Callable[[str], str]) -> GitHubHost:
    """The code host; nothing is read or asked before somebody needs it."""
    github = settings.github
    api = GitHubApi(github.api_url, loopback=settings.ground.get("kind") == "local")
    if not github.app_id:
        return GitHubHost(api, url=github.url, app=None)
    identity = AppIdentity(
        app_id=github.app_id,
        slug=github.slug,
        client_id=github.client_id,
        client_secret=lambda: _of_app(secret, "client_secret"),
        private_key=lambda: secret("github-app-key"),
    )
    return GitHubHost(api, url=github.url, app=GitHubApp(api, identity))


def github_secret(settings: Settings, secret: Callable[[str], str]) -> Callable[[], str]:
    """What GitHub signs the App's webhooks with; empty where there is no App."""
    return lambda: _of_app(secret, "webhook_secret") if settings.github.app_id else ""


def _of_app(secret: Callable[[str], str], name: str) -> str:
    return str(json.loads(secret("github-app"))[name])
