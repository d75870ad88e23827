"""OidcSignIn: signing in at any OpenID Connect issuer, known by its discovery document.

OpenID Connect Core 1.0, the code flow with PKCE: section 3.1.3.7 is what `_claims` checks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from chalicelib.adapters.provider_http import ProviderHttp, text_of
from chalicelib.domain.emails import normal_email
from chalicelib.domain.identities import Profile
from chalicelib.errors import Invalid, ProviderRefused

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Asymmetric ones alone: nobody who knows only what is public can sign."""
LEEWAY_SECONDS = 60
_SCOPE = "openid email profile"
_METADATA_SECONDS = 3600.0
_KEYS_SECONDS = 3600.0
_UNKNOWN_SECONDS = 30.0
_MAX_TOKEN = 32_000
_MAX_KEYS = 50


@dataclass
class _Kept:
    """Something fetched, and when."""

    value: Any = None
    at: float = field(default=float("-inf"))


class OidcSignIn:
    def __init__(
        self,
        *,
        provider_id: str,
        name: str,
        issuer: str,
        client_id: str,
        secret: Callable[[], str] | None,
        http: ProviderHttp,
        kind: str = "oidc",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = provider_id
        self.name = name
        self.kind = kind
        self._issuer = issuer
        self._client_id = client_id
        self._secret = secret
        self._http = http
        self._now = now
        self._metadata = _Kept()
        self._keys = _Kept({})

    def address(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": _SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def profile(self, *, code: str, redirect_uri: str, verifier: str, nonce: str) -> Profile:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = self._authenticated(form)
        answer = self._http.post(self._endpoint("token_endpoint"), form, headers)
        id_token = text_of(answer, "id_token", limit=_MAX_TOKEN)
        access_token = text_of(answer, "access_token", limit=_MAX_TOKEN)
        if not id_token:
            raise self._refused("sent no identity")
        claims = self._claims(id_token, access_token, nonce)
        if "email" not in claims and access_token:
            claims = {**self._userinfo(access_token, claims["sub"]), **claims}
        return Profile(
            provider=self.id,
            issuer=self._issuer,
            subject=claims["sub"],
            email=_verified_email(claims),
            name=text_of(claims, "name", limit=200)
            or text_of(claims, "preferred_username", limit=200),
        )

    def _authenticated(self, form: dict[str, str]) -> dict[str, str]:
        """How this client says who it is at the token endpoint: header, form or name alone."""
        if self._secret is None:
            form["client_id"] = self._client_id
            return {}
        supported = self._document().get("token_endpoint_auth_methods_supported")
        if isinstance(supported, list) and "client_secret_basic" not in supported:
            form["client_id"] = self._client_id
            form["client_secret"] = self._secret()
            return {}
        pair = f"{quote_plus(self._client_id)}:{quote_plus(self._secret())}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _claims(self, id_token: str, access_token: str, nonce: str) -> dict[str, Any]:
        import jwt  # noqa: PLC0415 - only signing in at a provider pays for it

        try:
            header = jwt.get_unverified_header(id_token)
            algorithm = header.get("alg")
            if algorithm not in ALGORITHMS:
                raise self._refused(f"signs with {str(algorithm)[:20]}, which is not accepted")
            claims: dict[str, Any] = jwt.decode(
                id_token,
                self._key(header.get("kid"), algorithm),
                algorithms=[algorithm],
                audience=self._client_id,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise self._refused("sent an identity that is not valid") from error
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if (several or "azp" in claims) and claims.get("azp") != self._client_id:
            raise self._refused("sent an identity that is for another program")
        if not hmac.compare_digest(text_of(claims, "nonce").encode(), nonce.encode()):
            raise self._refused("sent an identity of another sign-in")
        if "at_hash" in claims and not _is_hash(claims["at_hash"], access_token, algorithm):
            raise self._refused("sent an identity and a token that do not belong together")
        if not claims["sub"] or len(claims["sub"]) > 255:
            raise self._refused("did not say who you are")
        return claims

    def _key(self, key_id: Any, algorithm: str) -> Any:
        """The issuer's key; fetched again when it is not known, for issuers change their keys."""
        age = self._now() - self._keys.at
        found = self._known(key_id, algorithm) if age < _KEYS_SECONDS else None
        if found is None and age >= _UNKNOWN_SECONDS:
            self._keys = _Kept(self._fetched_keys(), self._now())
            found = self._known(key_id, algorithm)
        if found is None:
            raise self._refused("signed with a key that it does not publish")
        return found

    def _known(self, key_id: Any, algorithm: str) -> Any:
        import jwt  # noqa: PLC0415

        fitting = []
        for published in self._keys.value:
            named = key_id is None or published.get("kid") == key_id
            for_this = published.get("alg", algorithm) == algorithm
            if not named or not for_this or published.get("use", "sig") != "sig":
                continue
            try:
                fitting.append(jwt.PyJWK(published, algorithm=algorithm).key)
            except (jwt.PyJWTError, ValueError, TypeError, KeyError):
                continue  # a key for another algorithm, or of a kind nobody knows
        # Without a name only an issuer's single key is beyond doubt.
        return fitting[0] if len(fitting) == 1 else None

    def _fetched_keys(self) -> list[dict[str, Any]]:
        answer = self._http.get(self._endpoint("jwks_uri"))
        found = answer.get("keys") if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise self._refused("publishes no keys")
        # Symmetric keys have no place there; one would turn what is public into a secret.
        return [
            key
            for key in found[:_MAX_KEYS]
            if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP")
        ]

    def _userinfo(self, access_token: str, subject: str) -> Mapping[str, Any]:
        """More about the person, if the issuer has it; it must be of the same one (5.3.2)."""
        if not text_of(self._document(), "userinfo_endpoint"):
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        found = self._http.get(self._endpoint("userinfo_endpoint"), headers)
        if not isinstance(found, dict) or found.get("sub") != subject:
            raise self._refused("told of somebody else")
        return found

    def _endpoint(self, name: str) -> str:
        found = text_of(self._document(), name)
        if not found:
            raise self._refused(f"has no {name}")
        return found

    def _document(self) -> dict[str, Any]:
        if self._metadata.value is None or self._now() - self._metadata.at >= _METADATA_SECONDS:
            url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            found = self._http.get(url)
            # Whoever answers for another issuer could have its people signed in here.
            if not isinstance(found, dict) or found.get("issuer") != self._issuer:
                raise self._refused("calls itself by another name than it was set up with")
            self._metadata = _Kept(found, self._now())
        document: dict[str, Any] = self._metadata.value
        return document

    def _refused(self, why: str) -> ProviderRefused:
        return ProviderRefused(
            f"{self.name} {why}. Begin again, or sign in by email; if it stays so, tell the people "
            "who run this Slipway."
        )


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    # Some issuers write booleans as text.
    verified = claims.get("email_verified")
    if verified is not True and verified != "true":
        return None
    try:
        return normal_email(text_of(claims, "email"))
    except Invalid:
        return None


def _is_hash(at_hash: Any, access_token: str, algorithm: str) -> bool:
    """Whether this is the left half of the access token's hash (3.1.3.6)."""
    bits = "512" if algorithm == "EdDSA" else algorithm[2:]
    digest = hashlib.new(f"sha{bits}", access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    return isinstance(at_hash, str) and hmac.compare_digest(at_hash.encode(), half.encode())
