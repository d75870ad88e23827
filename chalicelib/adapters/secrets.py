"""The two uses of keys: signing access tokens, and sealing variables. Both from keyrings."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.adapters.keyring import Keyring
from chalicelib.errors import PlatformError, Unauthenticated
from chalicelib.values import frozen

ISSUER = "slipway"
_LEEWAY_SECONDS = 30
_MAX_TOKEN = 4096
_NONCE_BYTES = 12
_KEY_ID_LENGTH = 8
_MAX_HEADERS = 16
_PEM = re.compile(r"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----", re.DOTALL)
_FIRST_VAULT_KEY = "1"


class JwtSigner:
    """ES256-signed JWTs. A key's id is a hash of its public half.

    The parameter holds PEM blocks one after the other: `infra/keys.py` says in which order. A key
    signs with the algorithm of its own kind, and a token may name no other.
    """

    def __init__(self, pems: Callable[[], str], audience: str, **options: Any) -> None:
        self._ring: Keyring[_SigningKey] = Keyring(pems, _signing_keys, **options)
        self._audience = audience
        self._key_ids: dict[str, str] = {}
        """By the first part of tokens that were good: it is the same in all that a key signs."""

    def sign(self, claims: Mapping[str, Any]) -> str:
        import jwt  # noqa: PLC0415 - 70 ms of import, paid by routes that need it

        key_id, key = self._ring.first()
        payload = {**claims, "iss": ISSUER, "aud": self._audience}
        return jwt.encode(payload, key.private, algorithm=key.algorithm, headers={"kid": key_id})

    def verify(self, token: str) -> Mapping[str, Any]:
        import jwt  # noqa: PLC0415

        if len(token) > _MAX_TOKEN:
            raise Unauthenticated(
                "This access token is too long to be one of ours.", code="token_invalid"
            )
        try:
            header = token.partition(".")[0]
            key_id = self._key_ids.get(header) or jwt.get_unverified_header(token).get("kid")
            key = self._ring.find(key_id) if isinstance(key_id, str) else None
            if key is None:
                raise jwt.InvalidKeyError
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=ISSUER,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "nbf", "sub", "sid", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated(
                "This access token has expired. Refresh the session, or sign in again.",
                code="session_expired",
            ) from None
        # Odd tokens make the library fail in other ways than its own: they are no tokens either.
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            raise Unauthenticated(
                "This access token is not valid here. Sign in again.", code="token_invalid"
            ) from None
        if len(self._key_ids) < _MAX_HEADERS:
            self._key_ids[header] = str(key_id)
        return claims


class AesVault:
    """AES-256-GCM; the context is authenticated, so a sealed value opens only where it belongs.

    The parameter holds lines of `id:key`; a sealed value names the key that opens it.
    """

    def __init__(self, keys: Callable[[], str], **options: Any) -> None:
        self._ring: Keyring[Any] = Keyring(keys, _vault_keys, **options)

    def seal(self, value: Mapping[str, str], *, context: str) -> str:
        key_id, cipher = self._ring.first()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = cipher.encrypt(nonce, json.dumps(dict(value)).encode(), context.encode())
        return f"v1.{key_id}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> dict[str, str]:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        _, key_id, body = sealed.split(".", 2)
        cipher = self._ring.find(key_id)
        if cipher is None:
            raise PlatformError(
                f"Variables were sealed with the key {key_id}, which is not there any more. Store "
                "them again.",
                code="seal_broken",
            )
        raw = base64.b64decode(body)
        try:
            plain = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
        except InvalidTag as broken:
            raise PlatformError(
                "Stored variables were changed, or belong somewhere else. Store them again.",
                code="seal_broken",
            ) from broken
        value: dict[str, str] = json.loads(plain)
        return value


@frozen
class _SigningKey:
    private: Any
    public: Any
    """Derived once: that costs as much as half a verification."""
    id: str
    algorithm: str


def _signing_keys(text: str) -> dict[str, _SigningKey]:
    from cryptography.hazmat.primitives.asymmetric.ec import (  # noqa: PLC0415
        EllipticCurvePrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    found = {}
    for pem in _PEM.findall(text):
        private: Any = load_pem_private_key(pem.encode(), password=None)
        public = private.public_key()
        encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        key_id = hashlib.sha256(encoded).hexdigest()[:_KEY_ID_LENGTH]
        # Keys made before these were on a curve that takes longer to verify.
        algorithm = "ES256" if isinstance(private, EllipticCurvePrivateKey) else "EdDSA"
        found[key_id] = _SigningKey(private, public, key_id, algorithm)
    return found


def _vault_keys(text: str) -> dict[str, Any]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    found: dict[str, Any] = {}
    for line in text.split():
        key_id, colon, key = line.rpartition(":")
        found[key_id if colon else _FIRST_VAULT_KEY] = AESGCM(base64.b64decode(key))
    return found
