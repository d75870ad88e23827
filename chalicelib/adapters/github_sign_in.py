"""GitHubSignIn: signing in at GitHub, which speaks OAuth 2 with PKCE but not OpenID Connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from chalicelib.adapters.provider_http import ProviderHttp, text_of
from chalicelib.domain.emails import normal_email
from chalicelib.domain.identities import Profile
from chalicelib.errors import Invalid, ProviderRefused

GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
_SCOPE = "read:user user:email"


class GitHubSignIn:
    kind = "github"

    def __init__(
        self,
        *,
        provider_id: str,
        name: str,
        client_id: str,
        secret: Callable[[], str],
        http: ProviderHttp,
        url: str = GITHUB,
        api_url: str = GITHUB_API,
    ) -> None:
        self.id = provider_id
        self.name = name
        self._client_id = client_id
        self._secret = secret
        self._http = http
        self._url = url
        self._api_url = api_url

    def address(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:  # noqa: ARG002 - the port's shape
        asked = {
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": _SCOPE,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._url}/login/oauth/authorize?{urlencode(asked)}"

    def profile(self, *, code: str, redirect_uri: str, verifier: str, nonce: str) -> Profile:  # noqa: ARG002
        form = {
            "client_id": self._client_id,
            "client_secret": self._secret(),
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        # Without this header GitHub answers with a form; and it says no with a 200.
        answer = self._http.post(
            f"{self._url}/login/oauth/access_token", form, {"Accept": "application/json"}
        )
        token = text_of(answer, "access_token")
        if not token or text_of(answer, "token_type").lower() != "bearer":
            raise ProviderRefused(
                f"{self.name} did not accept the sign-in; it may have been used already. Begin it "
                "again."
            )
        person = self._api("/user", token)
        number = person.get("id") if isinstance(person, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise ProviderRefused(f"{self.name} did not say who you are. Begin again.")
        return Profile(
            provider=self.id,
            issuer=self._url,
            # The number stays; a login can be renamed, and then taken by somebody else.
            subject=str(number),
            email=self._email(token),
            name=text_of(person, "name", limit=200) or text_of(person, "login", limit=200),
        )

    def _email(self, token: str) -> str | None:
        """The primary address, if it is verified. The profile's own is neither, often."""
        found = self._api("/user/emails", token)
        for one in found if isinstance(found, list) else []:
            if isinstance(one, dict) and one.get("primary") is True and one.get("verified") is True:
                try:
                    return normal_email(text_of(one, "email"))
                except Invalid:
                    return None
        return None

    def _api(self, path: str, token: str) -> Any:
        return self._http.get(
            f"{self._api_url}{path}",
            {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
