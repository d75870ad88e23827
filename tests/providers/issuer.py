"""An OpenID Connect issuer in process that can be told to lie, for what a real one never does."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://id.example"
CLIENT_ID = "slipway"
CLIENT_SECRET = "s3cret: &ü"


# Making one takes a while, and any will do.
KEYS = [rsa.generate_private_key(65537, 2048) for _ in range(2)]


@dataclass
class Issuer:
    """`claims` and `header` are laid over what the token would say; None takes a name out."""

    keys: dict[str, Any] = field(default_factory=lambda: {"k1": KEYS[0]})
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    sign: Callable[[dict[str, Any]], str] | None = None
    nonce: str = ""
    challenge: str = ""
    access_token: str = "at-1"
    asked: list[str] = field(default_factory=list)
    token_request: httpx.Request | None = None
    down: bool = False

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def begin(self, address: str) -> dict[str, str]:
        """What the browser was sent here with."""
        query = {k: v[0] for k, v in parse_qs(urlsplit(address).query).items()}
        self.nonce, self.challenge = query["nonce"], query["code_challenge"]
        return query

    def id_token(self) -> str:
        now = int(time.time())
        digest = hashlib.sha256(self.access_token.encode()).digest()[:16]
        said = {
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "sub": "ada-1",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada",
            **self.claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        if self.sign is not None:
            return self.sign(said)
        key_id, key = next(iter(self.keys.items()))
        return jwt.encode(said, key, "RS256", headers={"kid": key_id})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.down:
            raise httpx.ConnectTimeout("no answer")
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self._document())
            case "/jwks":
                return httpx.Response(200, json={"keys": [self._jwk(i) for i in self.keys]})
            case "/userinfo":
                return httpx.Response(200, json=self.userinfo)
            case "/token":
                return self._token(request)
        return httpx.Response(404)

    def _token(self, request: httpx.Request) -> httpx.Response:
        self.token_request = request
        form = {k: v[0] for k, v in parse_qs(request.content.decode()).items()}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if form.get("code") != "good" or challenge != self.challenge:
            return httpx.Response(400, json={"error": "invalid_grant"})
        return httpx.Response(
            200,
            json={
                "access_token": self.access_token,
                "token_type": "Bearer",
                "id_token": self.id_token(),
            },
        )

    def _document(self) -> dict[str, Any]:
        document = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            **self.metadata,
        }
        return {name: value for name, value in document.items() if value is not None}

    def _jwk(self, key_id: str) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(self.keys[key_id].public_key()))
        return {**public, "kid": key_id, "use": "sig", "alg": "RS256"}
