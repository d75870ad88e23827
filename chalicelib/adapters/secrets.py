"""The two uses of keys: signing access tokens, and sealing variables."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from chalicelib.errors import Unauthenticated

ISSUER = "slipway"
_LEEWAY_SECONDS = 30
_MAX_TOKEN = 4096
_NONCE_BYTES = 12
_KEY_ID_LENGTH = 8


class JwtSigner:
    """EdDSA-signed JWTs. The key's id is a hash of the public key."""

    def __init__(self, private_pem: Callable[[], str], audience: str) -> None:
        self._private_pem = private_pem
        self._audience = audience

    def sign(self, claims: Mapping[str, Any]) -> str:
        import jwt  # noqa: PLC0415 - 70 ms of import, paid by routes that need it

        payload = {**claims, "iss": ISSUER, "aud": self._audience}
        return jwt.encode(payload, self._private, algorithm="EdDSA", headers={"kid": self._key_id})

    def verify(self, token: str) -> Mapping[str, Any]:
        import jwt  # noqa: PLC0415

        if len(token) > _MAX_TOKEN:
            raise Unauthenticated("This access token is too long to be one of ours.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                audience=self._audience,
                issuer=ISSUER,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated(
                "Your session has ended. Sign in again.", code="session_expired"
            ) from None
        except jwt.PyJWTError:
            raise Unauthenticated(
                "This access token is not valid here. Sign in again.", code="token_invalid"
            ) from None
        return claims

    @cached_property
    def _private(self) -> Any:
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_pem_private_key,
        )

        return load_pem_private_key(self._private_pem().encode(), password=None)

    @cached_property
    def _public(self) -> Any:
        return self._private.public_key()

    @cached_property
    def _key_id(self) -> str:
        import hashlib  # noqa: PLC0415

        return hashlib.sha256(self._public.public_bytes_raw()).hexdigest()[:_KEY_ID_LENGTH]


class AesVault:
    """AES-256-GCM; the context is authenticated, so a sealed value opens only where it belongs."""

    def __init__(self, key: Callable[[], str], key_id: str = "1") -> None:
        self._key = key
        self._key_id = key_id

    def seal(self, value: Mapping[str, str], *, context: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(dict(value)).encode(), context.encode())
        return f"v1.{self._key_id}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> dict[str, str]:
        _, _, body = sealed.split(".", 2)
        raw = base64.b64decode(body)
        plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
        value: dict[str, str] = json.loads(plain)
        return value

    @cached_property
    def _cipher(self) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        return AESGCM(base64.b64decode(self._key()))
