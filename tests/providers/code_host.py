"""A stand-in for GitHub: its REST API, its archives and its pages for Apps, over real git.

Every request is held against GitHub's published description (`github_facts`): path, method,
headers, query, body, who asks and with which permissions. What does not keep to it is refused as
GitHub would, and noted in `complaints`; a test that ends with complaints is wrong. Switches make it
go down, limit, rename, suspend and forget.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.providers import github_facts as facts
from tests.providers.code_host_hooks import Hook, Hooks
from tests.providers.code_host_things import APP_ID, APP_SLUG, PERMISSIONS, Installed, Repo
from tests.providers.github_git import Content, GitRepository

CLIENT_ID = "Iv23liSlipway"
CLIENT_SECRET = "app-client-secret"
WEBHOOK_SECRET = "app-webhook-secret"
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    # The form in which GitHub hands keys out.
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.NoEncryption(),
).decode()
_LEVELS = {"read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True)
class Token:
    """An installation's token."""

    installation: Installed
    ends: float
    repositories: tuple[int, ...] | None


class Refusal(Exception):
    """GitHub says no."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    raw: bytes


@dataclass
class Answered:
    status: int
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


class CodeHostStandIn(Hooks):
    """`url` is for people, `api_url` for programs; both are served while `running`."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.folder = folder
        self.clock = clock
        self.installations: dict[int, Installed] = {}
        self.tokens: dict[str, Token] = {}
        self.people: dict[str, list[int]] = {}
        """Codes of people who come back, and the installations they may use."""
        self.unseen: set[int] = set()
        """Repositories that the App may read and these people may not."""
        self.manifests: dict[str, dict[str, Any]] = {}
        self.complaints: list[str] = []
        self.calls: list[tuple[str, str, int]] = []
        self.down = False
        self.cut_archives = False
        self.page_size: int | None = None
        """Fewer a page than asked for, so that few things make several pages."""
        self.spent_until: float | None = None
        self.secondary_seconds: int | None = None
        self.used: dict[str, int] = {}
        self.lock = threading.RLock()
        self.ends = ExitStack()
        """What ends with it: connections of those who speak with it."""

    # --- what a test does -----------------------------------------------------------------

    def install(self, account: str, **given: Any) -> Installed:
        made = Installed(next(self.numbers), account, **given)
        self.installations[made.id] = made
        return made

    def repository(
        self,
        full_name: str,
        files: Mapping[str, Content] | None = None,
        *,
        installation: Installed | None = None,
        private: bool = False,
    ) -> Repo:
        """A new repository with one commit of these files, or empty."""
        owner, _, name = full_name.partition("/")
        number = next(self.numbers)
        git = GitRepository.made(self.folder / f"{number}.git")
        made = Repo(number, owner, name, git, installation, private)
        if files:
            git.commit("main", files, "Begin")
        self.repos[number] = made
        return made

    def fork(self, repo: Repo, owner: str) -> Repo:
        """Another account's copy, in which the App is not installed."""
        made = self.repository(f"{owner}/{repo.name}")
        made.git.fetch(repo.git, "refs/heads/*", "refs/heads/*")
        made.fork_of = repo
        return made

    def rename(self, repo: Repo, name: str) -> None:
        """GitHub leads from the old name to the new one until somebody takes the old one."""
        was = repo.full_name
        repo.former.append(was)
        repo.owner, repo.name = (name.partition("/")[0], name.partition("/")[2])
        changes = {"repository": {"name": {"from": was.partition("/")[2]}}}
        self.deliver(repo, "repository", {"action": "renamed", "changes": changes})

    def forget_tokens(self) -> None:
        """GitHub may end tokens early."""
        self.tokens.clear()

    # --- serving --------------------------------------------------------------------------

    @contextmanager
    def running(self, api_port: int = 0, web_port: int = 0) -> Iterator[CodeHostStandIn]:
        """Serves, on these ports or on free ones."""
        servers = []
        for port, serve in ((api_port, self.serve_api), (web_port, self.serve_web)):
            server = ThreadingHTTPServer(("127.0.0.1", port), _handler(serve))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.append(server)
        self.api_url, self.url = (f"http://localhost:{one.server_port}" for one in servers)
        try:
            yield self
        finally:
            self.ends.close()
            self.mouth.close()
            for server in servers:
                server.shutdown()
                server.server_close()

    def serve_web(self, asked: Asked) -> Answered:
        """GitHub's pages: the exchange of a person's code, and archives."""
        if self.down:
            return Answered(503, raw=b"<html>Unicorn!</html>")
        parts = asked.path.split("/")
        if parts[1] == "codeload":
            return self._codeload(parts[2:], asked)
        if (asked.method, asked.path) == ("POST", "/login/oauth/access_token"):
            return self._person(asked)
        if asked.method == "POST" and asked.path.endswith("/settings/apps/new"):
            return self._new_app(asked)
        return Answered(404, {"message": "Not Found"})

    def serve_api(self, asked: Asked) -> Answered:
        with self.lock:
            answered = self._api(asked)
            self.calls.append((asked.method, asked.path, answered.status))
            return answered

    def _api(self, asked: Asked) -> Answered:
        if self.down:
            return Answered(503, raw=b"<html>Unicorn!</html>")
        try:
            credential = self._credential(asked)
            limits = self._count(credential)
            answered = self._operation(asked)
        except Refusal as refusal:
            limits = {**self._limits(self._credential_or_nobody(asked)), **refusal.headers}
            return Answered(refusal.status, {"message": refusal.message}, limits)
        answered.headers = {**limits, **answered.headers}
        if asked.method == "GET" and answered.status == 200 and answered.document is not None:
            digest = hashlib.sha256(json.dumps(answered.document).encode()).hexdigest()
            tag = f'W/"{digest}"'
            answered.headers["ETag"] = tag
            if asked.headers.get("if-none-match") == tag:
                if credential != "anybody":
                    self.used[credential] -= 1
                return Answered(304, None, {**limits, "ETag": tag})
        return answered

    def _operation(self, asked: Asked) -> Answered:
        path = self._by_name(asked)
        if isinstance(path, Answered):
            return path
        for operation in facts.operations():
            named = operation.named(path) if operation.method == asked.method else None
            if named is not None:
                break
        else:
            self.complain(asked, "no such operation in GitHub's description")
            raise Refusal(404, "Not Found")
        self._headers(asked)
        faults = [
            *facts.wrong_with_path(operation, named),
            *facts.wrong_with_query(operation, asked.query),
            *facts.wrong_with_body(operation, asked.body),
        ]
        if faults:
            self.complain(asked, *faults)
            raise Refusal(422, "Validation Failed")
        repo = None
        if "owner" in named:
            repo = self._repo(f"{named['owner']}/{named['repo']}", asked, operation)
        self._allowed(asked, operation, repo)
        from tests.providers.code_host_answers import ANSWERS  # noqa: PLC0415 - it needs this module

        answered: Answered = ANSWERS[operation.id](self, asked, named, repo)
        answered.document = facts.answer(operation, answered.status, answered.document)
        return answered

    def _by_name(self, asked: Asked) -> str | Answered:
        """The path by the repository's name. Where a repository is named by its number, as
        GitHub's own redirects and links name it, its name is put in."""
        parts = asked.path.split("/")
        if parts[1] == "repositories" and len(parts) > 2 and parts[2].isdecimal():
            repo = self.repos.get(int(parts[2]))
            if repo is None or repo.gone:
                raise Refusal(404, "Not Found")
            return "/".join(["", "repos", repo.owner, repo.name, *parts[3:]])
        if parts[1] == "repos" and len(parts) > 3:
            name = f"{parts[2]}/{parts[3]}"
            now = {one.full_name for one in self.repos.values()}
            for repo in self.repos.values():
                if name in repo.former and name not in now:
                    status = 301 if asked.method == "GET" else 307
                    place = "/".join([self.api_url, "repositories", str(repo.id), *parts[4:]])
                    query = asked.query and "?" + "&".join(
                        f"{k}={v}" for k, v in asked.query.items()
                    )
                    message = {"message": "Moved Permanently"}
                    return Answered(status, message, {"Location": place + (query or "")})
        return asked.path

    def _repo(self, name: str, asked: Asked, operation: facts.Operation) -> Repo:
        for repo in self.repos.values():
            if repo.full_name == name and not repo.gone:
                break
        else:
            raise Refusal(404, "Not Found")
        token = self._token(asked)
        ours = (
            token is not None
            and repo.installation is token.installation
            and (token.repositories is None or repo.id in token.repositories)
        )
        if not ours and (repo.private or not operation.public):
            raise Refusal(404, "Not Found")
        return repo

    def _allowed(self, asked: Asked, operation: facts.Operation, repo: Repo | None) -> None:
        authorization = asked.headers.get("authorization", "")
        match operation.auth:
            case "app":
                self._check_jwt(asked, authorization.removeprefix("Bearer "))
            case "installation":
                self._installation_may(asked, operation, repo)
            case "user":
                if authorization.removeprefix("Bearer ") not in self.people:
                    raise Refusal(401, "Bad credentials")
            case _:
                if authorization:
                    self.complain(asked, "a credential where none belongs")

    def _installation_may(
        self, asked: Asked, operation: facts.Operation, repo: Repo | None
    ) -> None:
        token = self._token(asked)
        if token is None:
            if not (operation.public and repo is not None):
                raise Refusal(401, "Requires authentication")
            return
        if token.installation.suspended:
            raise Refusal(403, "This installation has been suspended")
        if repo is not None and repo.installation is not token.installation:
            return
        for name, level in operation.permissions.items():
            has = token.installation.permissions.get(name, "")
            if _LEVELS.get(has, 0) < _LEVELS[level]:
                raise Refusal(403, "Resource not accessible by integration")

    def _check_jwt(self, asked: Asked, token: str) -> None:
        now = self.clock()
        try:
            claims = jwt.decode(
                token,
                KEY.public_key(),
                algorithms=["RS256"],
                options={
                    "require": ["iat", "exp", "iss"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            raise Refusal(401, "A JSON web token could not be decoded") from error
        if claims["iss"] not in (CLIENT_ID, str(APP_ID)):
            raise Refusal(401, "Integration not found")
        if claims["exp"] < now or claims["iat"] > now or claims["exp"] > now + 600:
            self.complain(asked, "'Expiration time' or 'Issued at' is out of bounds")
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        if claims["iat"] > now - 30:
            self.complain(asked, "the JWT is not backdated, against clocks that differ")

    def _token(self, asked: Asked) -> Token | None:
        token = self.tokens.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None or token.ends < self.clock() or token.installation.removed:
            return None
        return token

    def _credential(self, asked: Asked) -> str:
        """Whose calls these are. A token that GitHub does not know is refused everywhere."""
        authorization = asked.headers.get("authorization", "")
        if not authorization:
            return "anybody"
        token = authorization.removeprefix("Bearer ")
        if token.startswith("ghs_"):
            known = self._token(asked)
            if known is None:
                raise Refusal(401, "Bad credentials")
            return f"installation/{known.installation.id}"
        return "app" if token.count(".") == 2 else "person"

    def _credential_or_nobody(self, asked: Asked) -> str:
        try:
            return self._credential(asked)
        except Refusal:
            return "nobody"

    def _headers(self, asked: Asked) -> None:
        if not asked.headers.get("user-agent"):
            raise Refusal(403, "Request forbidden by administrative rules")
        if asked.headers.get("accept") != "application/vnd.github+json":
            self.complain(asked, f"Accept: {asked.headers.get('accept')}")
        if asked.headers.get("x-github-api-version") != facts.version():
            self.complain(asked, "X-GitHub-Api-Version is missing")
        if asked.raw and asked.headers.get("content-type") != "application/json":
            self.complain(asked, "Content-Type of a body is application/json")

    def _count(self, credential: str) -> dict[str, str]:
        if self.secondary_seconds is not None:
            raise Refusal(
                403,
                "You have exceeded a secondary rate limit. Please wait a few minutes.",
                **{"Retry-After": str(self.secondary_seconds)},
            )
        if self.spent_until is not None and self.clock() < self.spent_until:
            raise Refusal(403, "API rate limit exceeded")
        self.used[credential] = self.used.get(credential, 0) + 1
        return self._limits(credential)

    def _limits(self, credential: str) -> dict[str, str]:
        limit = 60 if credential == "anybody" else 5000
        spent = self.spent_until is not None and self.clock() < self.spent_until
        left = 0 if spent else max(0, limit - self.used.get(credential, 0))
        reset = self.spent_until if spent and self.spent_until else self.clock() + 3600
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(int(reset)),
            "X-RateLimit-Resource": "core",
        }

    def complain(self, asked: Asked, *faults: str) -> None:
        self.complaints += [f"{asked.method} {asked.path}: {fault}" for fault in faults]

    def _person(self, asked: Asked) -> Answered:
        form = {k: v[0] for k, v in parse_qs(asked.raw.decode()).items()}
        if asked.headers.get("accept") != "application/json":
            self.complain(asked, "without this Accept GitHub answers with a form")
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return Answered(200, {"error": "incorrect_client_credentials"})
        found = self.people.pop(form.get("code", ""), None)
        if found is None:
            return Answered(200, {"error": "bad_verification_code"})
        token = f"ghu_{secrets.token_hex(18)}"
        self.people[token] = found
        return Answered(200, {"access_token": token, "token_type": "bearer", "scope": ""})

    def _new_app(self, asked: Asked) -> Answered:
        """A person agrees to an App's manifest, and is sent back with a code."""
        form = {k: v[0] for k, v in parse_qs(asked.raw.decode()).items()}
        wanted = json.loads(form["manifest"])
        if not wanted.get("url") or len(wanted.get("name", "")) > 34:
            self.complain(asked, "a manifest has a url, and a name of 34 characters at most")
        for name in ("redirect_url", "url"):
            if not wanted[name].startswith("http"):
                self.complain(asked, f"{name} is an address")
        code = secrets.token_hex(20)
        self.manifests[code] = {**wanted, "owner": asked.path.split("/")[2]}
        back = f"{wanted['redirect_url']}?code={code}&state={asked.query.get('state', '')}"
        return Answered(302, None, {"Location": back})

    def _codeload(self, parts: list[str], asked: Asked) -> Answered:
        """`/codeload/{id}/legacy.tar.gz/{sha}`; who has the address may have the archive."""
        if "authorization" in asked.headers:
            self.complain(asked, "the credential has gone to another host")
        repo = self.repos[int(parts[0])]
        sha = repo.git.resolve(parts[2])
        if sha is None or repo.gone:
            return Answered(404, {"message": "Not Found"})
        body = repo.git.archive(sha, f"{repo.owner}-{repo.name}-{sha[:7]}")
        headers = {"Content-Type": "application/x-gzip"}
        if self.cut_archives:
            headers["Content-Length"] = str(len(body))
            body = body[: len(body) // 2]
        return Answered(200, raw=body, headers=headers)


def _handler(serve: Callable[[Asked], Answered]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            headers = {k.lower(): v for k, v in self.headers.items()}
            json_body = headers.get("content-type") == "application/json" and raw
            answered = serve(
                Asked(
                    self.command,
                    parts.path,
                    {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()},
                    headers,
                    json.loads(raw) if json_body else None,
                    raw,
                )
            )
            body = answered.raw
            if body is None:
                body = b"" if answered.document is None else json.dumps(answered.document).encode()
            self.send_response(answered.status)
            kinds = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            sent = {**kinds, **answered.headers}
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if int(sent["Content-Length"]) != len(body):
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def stamp(seconds: float) -> str:
    """A time as GitHub writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


__all__ = [
    "APP_ID",
    "APP_SLUG",
    "PERMISSIONS",
    "CodeHostStandIn",
    "Hook",
    "Installed",
    "Repo",
]
