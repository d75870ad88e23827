"""Signing in: what is kept between asking and coming back, and where a person may be sent then."""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
import secrets
from datetime import datetime, timedelta
from urllib.parse import unquote

from chalicelib.errors import FieldError, Invalid
from chalicelib.values import frozen

SIGN_IN_LIFETIME = timedelta(minutes=10)
FRESH = timedelta(minutes=15)
"""How long ago a session may have begun for what hands the account over where it is misused."""
HOME = "/"
_MAX_PATH = 512
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")
_DECODINGS = 4
# What is not a page: sending a browser there would call it.
_NO_PAGES = re.compile(r"/(api|local)(/|$)", re.IGNORECASE)


@frozen
class SignInLink:
    """A one-time link, by the hash of its secret, for the browser that asked for it."""

    hash: str
    email: str
    browser_hash: str
    return_to: str
    created_at: datetime
    expires_at: datetime
    revision: int = 1


@frozen
class EmailChange:
    """A one-time link to the address that an account is to have, by the hash of its secret.

    It counts in the session that asked for it, and only while the account has the address `before`.
    """

    hash: str
    user_id: str
    session_id: str
    before: str
    email: str
    created_at: datetime
    expires_at: datetime
    revision: int = 1


@frozen
class Handshake:
    """One trip of one browser to a provider and back, by the hash of its state. Used once."""

    hash: str
    provider: str
    browser_hash: str
    nonce: str
    verifier: str
    return_to: str
    created_at: datetime
    expires_at: datetime
    linking: bool = False
    """Asked for by somebody who is signed in and wants one more way to sign in."""
    revision: int = 1


def new_secret() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def browser_secret(cookie: str | None) -> str:
    """What names this browser while it signs in: what it has already, or something new.

    Keeping it means that two tabs, and two mails asked for one after the other, all work.
    """
    return cookie if cookie is not None and _BROWSER.fullmatch(cookie) else new_secret()


def challenge_of(verifier: str) -> str:
    """PKCE's S256 challenge (RFC 7636)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def safe_path(return_to: str | None) -> str:
    """A page of ours to go to after signing in; raises Invalid for whatever may lead elsewhere.

    Browsers read `//host`, `/\\host` and paths with control characters in them as other sites, and
    somebody on the way may decode once more than we think: every decoding must be harmless.
    """
    if return_to is None or return_to == "":
        return HOME
    form = return_to
    for _ in range(_DECODINGS):
        if not _is_ours(form):
            raise _elsewhere()
        form, before = unquote(form, errors="replace"), form
        if form == before:
            break
    else:
        raise _elsewhere()
    page = posixpath.normpath(form.partition("?")[0].partition("#")[0])
    plain = return_to.isascii() and " " not in return_to
    if len(return_to) > _MAX_PATH or not plain or _NO_PAGES.match(page):
        raise _elsewhere()
    return return_to


def _is_ours(path: str) -> bool:
    return path.startswith("/") and "//" not in path and "\\" not in path and path.isprintable()


def _elsewhere() -> Invalid:
    return Invalid(
        "After signing in we send people to pages of ours only.",
        code="return_to_invalid",
        errors=(
            FieldError("return_to", "Give a path such as /agents, or leave it out: it starts at /"),
        ),
    )
