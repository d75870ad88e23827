"""The two cookies of signing in, and the proof that a call with a cookie comes from our own pages.

`slipway_refresh` holds a session's refresh secret, `slipway_sign_in` names the browser between
asking to sign in and coming back. No script can read them, and no route but sign-in gets them.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from chalicelib.api.http import Call
from chalicelib.domain.sessions import SESSION_LIFETIME
from chalicelib.domain.sign_in import SIGN_IN_LIFETIME
from chalicelib.errors import Forbidden
from chalicelib.services.sessions import Visitor

REFRESH = "slipway_refresh"
SIGN_IN = "slipway_sign_in"
CSRF_HEADER = "x-slipway-csrf"
PATH = "/api/v1/auth"
_MAX_COOKIES = 8192


def visitor(call: Call) -> Visitor:
    """The browser that calls, with the cookies it has of us."""
    cookies = _cookies(call)
    return Visitor(
        address=call.address,
        user_agent=call.header("user-agent") or "",
        browser=cookies.get(_name(call, SIGN_IN)),
        refresh=cookies.get(_name(call, REFRESH)),
    )


def refresh_cookie(call: Call, secret: str) -> str:
    """Keeps the session in this browser."""
    return _cookie(call, REFRESH, secret, int(SESSION_LIFETIME.total_seconds()))


def sign_in_cookie(call: Call, browser: str) -> str:
    """Names this browser until it comes back."""
    return _cookie(call, SIGN_IN, browser, int(SIGN_IN_LIFETIME.total_seconds()))


def no_refresh_cookie(call: Call) -> str:
    """Forgets the session in this browser."""
    return _cookie(call, REFRESH, "", 0)


def require_own_page(call: Call, *, header: bool) -> None:
    """Raises Forbidden unless one of our own pages calls, or a program that is no browser.

    Browsers say where a request comes from, and pages cannot change what they say. `header` asks
    besides for X-Slipway-CSRF, which no form can send and no foreign page without our consent.
    """
    site = call.header("sec-fetch-site")
    origin = call.header("origin")
    ours = urlsplit(call.platform.settings.web_url)
    foreign = (site is not None and site not in ("same-origin", "none")) or (
        origin is not None and origin != f"{ours.scheme}://{ours.netloc}"
    )
    if foreign or (header and call.header(CSRF_HEADER) != "1"):
        raise Forbidden(
            "Only Slipway's own pages may ask for this. Open Slipway itself; a program sends the "
            "header X-Slipway-CSRF: 1 and no foreign Origin.",
            code="csrf",
        )


def _cookies(call: Call) -> dict[str, str]:
    header = call.header("cookie") or ""
    if len(header) > _MAX_COOKIES:
        return {}
    found: dict[str, str] = {}
    for part in header.split(";"):
        # One by one: a single cookie of somebody else's must not hide ours.
        try:
            parsed = SimpleCookie(part.strip())
        except CookieError:
            continue
        for name, morsel in parsed.items():
            # Browsers send the one with the longest path first: ours before one set for `/`.
            found.setdefault(name, morsel.value)
    return found


def _cookie(call: Call, name: str, value: str, seconds: int) -> str:
    secure = "; Secure" if _is_secure(call) else ""
    return (
        f"{_name(call, name)}={value}; Path={PATH}; Max-Age={seconds}; HttpOnly; "
        f"SameSite=Lax{secure}"
    )


def _name(call: Call, name: str) -> str:
    # With the prefix, browsers refuse the cookie from whoever sits on an unencrypted line.
    return f"__Secure-{name}" if _is_secure(call) else name


def _is_secure(call: Call) -> bool:
    return call.platform.settings.web_url.startswith("https://")
