"""Decodes a JSON Web Token and explains what it says. It does NOT verify the signature."""

import base64
import binascii
import json
from datetime import UTC, datetime

NAME = "JWT inspector"
EXAMPLE = {
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEiLCJleHAiOjE3MDAwMDAwMDB9.c2lnbmF0dXJl",
    "at": 1800000000,
}
TIMES = {"exp": "expires", "nbf": "valid from", "iat": "issued"}


def answer(request: dict) -> dict:
    token, at = request.get("token"), request.get("at")
    if not isinstance(token, str) or token.count(".") != 2:
        raise ValueError("`token` must be a JWT: three parts with dots between.")
    if at is not None and (not isinstance(at, int) or isinstance(at, bool)):
        raise ValueError("`at` must be a time in seconds since 1970.")
    head, body, signature = token.split(".")
    header, claims = part(head, "header"), part(body, "claims")
    now = at if at is not None else int(datetime.now(UTC).timestamp())
    return {
        "header": header,
        "claims": claims,
        "times": {
            meaning: moment(claims.get(name)) for name, meaning in TIMES.items() if name in claims
        },
        "expired": bool(is_time(claims.get("exp")) and claims["exp"] <= now),
        "unsigned": str(header.get("alg", "")).lower() == "none" or not signature,
        "verified": False,
    }


def part(text: str, what: str) -> dict:
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, UnicodeError, ValueError):
        raise ValueError(f"The {what} of this token cannot be read.") from None
    if not isinstance(found, dict):
        raise ValueError(f"The {what} of this token is no object.")
    return found


def is_time(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 32503680000
    )


def moment(value: object) -> str | None:
    return datetime.fromtimestamp(value, UTC).isoformat() if is_time(value) else None
