"""A stand-in for GitHub's OAuth endpoints and the two API routes that say who somebody is.

It checks what GitHub checks, and what GitHub lets pass but ought not to be sent: `complaints` says
what was wrong. Run as a program it serves HTTP for a browser.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import sys
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID = "Iv1.slipway"
CLIENT_SECRET = "github-secret"
Reply = tuple[int, dict[str, str], str]


@dataclass
class Account:
    """Somebody at GitHub."""

    id: int = 583231
    login: str = "octocat"
    name: str | None = "Octo Cat"
    emails: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"email": "old@example.org", "primary": False, "verified": True},
            {"email": "Octo@example.org", "primary": True, "verified": True},
        ]
    )


@dataclass
class GitHub:
    """`redirect_uri` is the one registered; `declines` is a person who says no."""

    redirect_uri: str
    account: Account = field(default_factory=Account)
    declines: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Reply:
        """What GitHub answers."""
        parts = urlsplit(url)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        form = {k: v[0] for k, v in parse_qs(body).items()}
        match method, parts.path:
            case "GET", "/login/oauth/authorize":
                return self._authorize(query)
            case "POST", "/login/oauth/access_token":
                return self._token(form, headers)
            case "GET", "/user" | "/user/emails":
                return self._api(parts.path, headers)
        return 404, {}, "not found"

    def _authorize(self, query: dict[str, str]) -> Reply:
        self._check(query.get("client_id") == CLIENT_ID, "client_id")
        self._check(query.get("redirect_uri") == self.redirect_uri, "redirect_uri")
        self._check(len(query.get("state", "")) >= 32, "state")
        self._check(query.get("code_challenge_method") == "S256", "code_challenge_method")
        challenge = query.get("code_challenge", "")
        self._check(bool(re.fullmatch(r"[\w-]{43}", challenge)), "code_challenge")
        self._check("user:email" in query.get("scope", "").split(), "scope")
        if self.complaints:
            return 400, {}, f"wrong: {self.complaints}"
        if self.declines:
            said = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_hex(10)
            self.codes[code] = {"challenge": challenge, "redirect_uri": query["redirect_uri"]}
            said = {"code": code, "state": query["state"]}
        return 302, {"Location": f"{query['redirect_uri']}?{urlencode(said)}"}, ""

    def _token(self, form: dict[str, str], headers: dict[str, str]) -> Reply:
        if "application/json" not in headers.get("accept", ""):
            return 200, {"Content-Type": "application/x-www-form-urlencoded"}, "error=not_json"
        if not hmac.compare_digest(form.get("client_secret", ""), CLIENT_SECRET):
            return self._json({"error": "incorrect_client_credentials"})
        given = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        good = (
            given is not None
            and form.get("client_id") == CLIENT_ID
            and form.get("redirect_uri") == given["redirect_uri"]
            and challenge == given["challenge"]
        )
        if not good:
            # With a 200, as GitHub does.
            return self._json({"error": "bad_verification_code"})
        token = f"gho_{secrets.token_hex(18)}"
        self.tokens.add(token)
        return self._json(
            {"access_token": token, "token_type": "bearer", "scope": "read:user,user:email"}
        )

    def _api(self, path: str, headers: dict[str, str]) -> Reply:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return 401, {}, '{"message": "Bad credentials"}'
        if headers.get("accept") != "application/vnd.github+json" or not headers.get("user-agent"):
            return 403, {}, '{"message": "headers"}'
        if path == "/user/emails":
            return self._json(self.account.emails)
        one = self.account
        # The public address: not necessarily verified, and never to be relied on.
        return self._json(
            {"id": one.id, "login": one.login, "name": one.name, "email": "public@example.org"}
        )

    def _json(self, document: Any) -> Reply:
        return 200, {"Content-Type": "application/json"}, json.dumps(document)

    def _check(self, fine: bool, what: str) -> None:
        if not fine:
            self.complaints.append(what)


def main(port: int, redirect_uri: str) -> None:
    """Serve until told to stop."""
    github = GitHub(redirect_uri)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            headers = {k.lower(): v for k, v in self.headers.items()}
            status, out, text = github.answer(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in {**out, "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _serve  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
