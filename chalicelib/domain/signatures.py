"""Proof that a webhook call comes from whom we share a secret with: HMAC SHA-256 over its body."""

from __future__ import annotations

import hashlib
import hmac
import re

from chalicelib.domain.deliveries import Outcome

_SHAPE = re.compile(r"sha256=([0-9a-fA-F]{64})")


def signature_of(body: bytes, secret: str) -> str:
    """What the caller sends in X-Hub-Signature-256."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def signature_fault(
    body: bytes, secret: str, *, sha256: str | None, sha1: str | None
) -> Outcome | None:
    """Why the call is not believed; None when it is.

    Nothing of the body is looked at before, and the comparison takes as long for every wrong
    signature. SHA-1 alone is not taken, however right it may be.
    """
    if sha256 is None:
        return MISSING if sha1 is None else OUTDATED
    match = _SHAPE.fullmatch(sha256.strip())
    given = match[1].lower() if match else "0" * 64
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(given, expected) or match is None or not secret:
        return WRONG
    return None


MISSING = Outcome(
    "signature_missing",
    "The call is not signed. Give the webhook its secret, so that it sends X-Hub-Signature-256.",
)
OUTDATED = Outcome(
    "signature_outdated",
    "The call is signed with SHA-1 alone, which is not taken. Send X-Hub-Signature-256; GitHub "
    "does by itself wherever the webhook has a secret.",
)
WRONG = Outcome(
    "signature_wrong",
    "The signature does not fit the body and our secret. Give the webhook the secret it was made "
    "with, or make a new one.",
)
