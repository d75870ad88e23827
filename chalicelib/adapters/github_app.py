"""GitHubApp: who we are at GitHub: the App's own tokens, and those of its installations."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from chalicelib.adapters.github_api import Credential, GitHubApi, Gone, Unauthorized
from chalicelib.errors import CodeHostRefused, CodeHostUnavailable
from chalicelib.values import frozen

_BACKDATED = 60
"""Clocks differ; GitHub refuses a token from the future."""
_LIVES = 540
"""Ten minutes is the most GitHub takes, counted by its clock."""
_EARLY = 120
"""An installation's token is not used in its last minutes."""


@frozen
class AppIdentity:
    """The App as GitHub knows it. `secret` and `private_key` are read on first use."""

    app_id: int
    slug: str
    client_id: str
    client_secret: Callable[[], str]
    private_key: Callable[[], str]


class GitHubApp:
    """Mints tokens, and keeps those of installations until shortly before they end."""

    def __init__(
        self, api: GitHubApi, identity: AppIdentity, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.identity = identity
        self._api = api
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}

    @property
    def itself(self) -> Credential:
        """The App, for what it asks about its installations."""
        return Credential("app", self._jwt)

    def of_installation(self, installation_id: int, repository_id: int = 0) -> Credential:
        """An installation; with a repository's id, of this one repository alone, so that a token
        that gets lost opens nothing else."""
        key = f"installation/{installation_id}/{repository_id}"
        return Credential(
            key,
            lambda: self._installation_token(key, installation_id, repository_id),
            lambda: self._forget(key),
            account=f"installation/{installation_id}",
        )

    def _forget(self, key: str) -> None:
        self._tokens.pop(key, None)

    def _installation_token(self, key: str, installation_id: int, repository_id: int) -> str:
        kept = self._tokens.get(key)
        if kept and kept[1] - _EARLY > self._clock():
            return kept[0]
        body = {"repository_ids": [repository_id]} if repository_id else {}
        try:
            reply = self._api.call(
                "POST",
                f"/app/installations/{installation_id}/access_tokens",
                self.itself,
                body=body,
            )
        except Gone as error:
            raise installation_gone() from error
        except Unauthorized as error:
            raise not_our_app() from error
        except CodeHostRefused as error:
            if error.code == "code_host_refused" and repository_id:
                raise CodeHostRefused(
                    "The GitHub App may not read this repository any more. Add it to the App's "
                    "repositories on GitHub, under Settings, Applications.",
                    code="repository_gone",
                ) from error
            raise
        document = reply.document if isinstance(reply.document, dict) else {}
        token, ends = document.get("token"), document.get("expires_at")
        if not isinstance(token, str) or not isinstance(ends, str):
            raise CodeHostUnavailable("GitHub's answer holds no token.", retry_after=60)
        if len(self._tokens) >= 1000:
            self._tokens.clear()
        self._tokens[key] = (token, datetime.fromisoformat(ends).timestamp())
        return token

    def _jwt(self) -> str:
        import jwt  # noqa: PLC0415 - paid by who speaks with GitHub

        now = int(self._clock())
        claims = {
            "iat": now - _BACKDATED,
            "exp": now + _LIVES,
            "iss": self.identity.client_id or str(self.identity.app_id),
        }
        try:
            return jwt.encode(claims, self.identity.private_key(), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise CodeHostRefused(
                "The GitHub App's private key cannot be read. An operator mends that: deploy with "
                "SLIPWAY_GITHUB_APP_KEY_FILE, or make the App with `make github-app`."
            ) from error


def installation_gone() -> CodeHostRefused:
    """Whoever administers the account has removed the App from it."""
    return CodeHostRefused(
        "The GitHub App is not installed at this account any more. Install it again, then connect "
        "the repository anew.",
        code="installation_gone",
    )


def not_our_app() -> CodeHostRefused:
    """The key and the App do not belong together."""
    return CodeHostRefused(
        "GitHub does not accept the App's private key. An operator mends that: make a new key in "
        "the App's settings on GitHub and deploy it."
    )
