"""Knows how operators say where people can sign in besides by email: environment variables.

    SLIPWAY_GITHUB_CLIENT_ID, SLIPWAY_GITHUB_CLIENT_SECRET   (and SLIPWAY_GITHUB_URL, _API_URL for
                                                              an Enterprise Server)
    SLIPWAY_GOOGLE_CLIENT_ID, SLIPWAY_GOOGLE_CLIENT_SECRET
    SLIPWAY_OIDC='[{"id": "acme", "name": "Acme", "issuer": "https://id.acme.example",
                    "client_id": "…", "client_secret": "…"}]'

What has no credentials is not offered. Secrets go into an SSM SecureString of their own, the rest
into the functions' environment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_ID = re.compile(r"[a-z][a-z0-9-]{0,30}")
# What stands beside a provider's id in the API's addresses, or names another way to sign in.
_TAKEN = frozenset({"email", "providers", "refresh", "sign-out", "github", "google"})
_FIELDS = frozenset({"id", "name", "issuer", "client_id", "client_secret"})


class SignInSettingsError(Exception):
    """The environment cannot be used; the message says what to mend."""


@dataclass(frozen=True)
class SignInSettings:
    """The providers as the platform's settings have them, and their secrets by id."""

    providers: tuple[dict[str, Any], ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def sign_in_settings(env: Mapping[str, str], *, loopback: bool = False) -> SignInSettings:
    """The providers that the environment names. `loopback` allows http to this machine."""
    providers: list[dict[str, Any]] = []
    secrets: dict[str, str] = {}
    for kind, name in (("github", "GitHub"), ("google", "Google")):
        prefix = f"SLIPWAY_{kind.upper()}"
        client_id, secret = env.get(f"{prefix}_CLIENT_ID"), env.get(f"{prefix}_CLIENT_SECRET")
        if bool(client_id) != bool(secret):
            raise SignInSettingsError(
                f"Set both {prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET, or neither."
            )
        if not client_id or not secret:
            continue
        one = {"id": kind, "name": name, "kind": kind, "client_id": client_id}
        if kind == "github":
            for key in ("url", "api_url"):
                if given := env.get(f"{prefix}_{key.upper()}"):
                    one[key] = _address(given.rstrip("/"), f"{prefix}_{key.upper()}", loopback)
        providers.append(one)
        secrets[kind] = secret
    for one in _issuers(env.get("SLIPWAY_OIDC", "[]"), loopback):
        secret = one.pop("client_secret", None)
        providers.append({**one, "kind": "oidc", **({} if secret else {"public": True})})
        if secret:
            secrets[one["id"]] = secret
    return SignInSettings(tuple(providers), secrets)


def _issuers(text: str, loopback: bool) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError as problem:
        raise SignInSettingsError(f"SLIPWAY_OIDC is not JSON: {problem}") from problem
    if not isinstance(found, list):
        raise SignInSettingsError("SLIPWAY_OIDC is a list of issuers in brackets: [{…}].")
    seen: set[str] = set()
    for one in found:
        needed = _FIELDS - {"client_secret"}
        if not isinstance(one, dict) or not needed <= set(one) <= _FIELDS:
            raise SignInSettingsError(
                f"Each issuer of SLIPWAY_OIDC has {', '.join(sorted(needed))}, and client_secret "
                "unless it is registered without one."
            )
        if not all(isinstance(value, str) and value for value in one.values()):
            raise SignInSettingsError("Everything in SLIPWAY_OIDC is a text, and none is empty.")
        if not _ID.fullmatch(one["id"]) or one["id"] in _TAKEN or one["id"] in seen:
            raise SignInSettingsError(
                f"The id {one['id']!r} in SLIPWAY_OIDC cannot be used: take up to 31 of a-z, 0-9 "
                "and -, beginning with a letter, and none twice or taken already."
            )
        seen.add(one["id"])
        _address(one["issuer"], f"the issuer of {one['id']}", loopback)
    return found


def _address(url: str, what: str, loopback: bool) -> str:
    parts = urlsplit(url)
    local = loopback and parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
    if not (local or parts.scheme == "https") or not parts.hostname or parts.query:
        raise SignInSettingsError(f"{what} is to be an https address, not {url}.")
    return url
