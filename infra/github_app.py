"""Knows the platform's GitHub App: what it may do, how it is made, and how operators name it.

    python -m infra.github_app --stage prod [--organisation acme]   (`make github-app STAGE=prod`)

GitHub makes an App only for a person in a browser: this program serves one page on this machine,
which sends the App's manifest to GitHub, and takes the answer. What GitHub hands out goes straight
into the stage's SSM SecureStrings. An App that was made otherwise is named by the environment:

    SLIPWAY_GITHUB_APP_ID, SLIPWAY_GITHUB_APP_SLUG, SLIPWAY_GITHUB_APP_CLIENT_ID,
    SLIPWAY_GITHUB_APP_CLIENT_SECRET, SLIPWAY_GITHUB_APP_WEBHOOK_SECRET, and its private key in
    SLIPWAY_GITHUB_APP_KEY_FILE (or the key itself in SLIPWAY_GITHUB_APP_KEY)
    SLIPWAY_GITHUB_URL, SLIPWAY_GITHUB_API_URL   for an Enterprise Server
"""

from __future__ import annotations

import argparse
import hmac
import html
import json
import os
import re
import secrets
import sys
import threading
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
PARAMETER = "github-app"
KEY_PARAMETER = "github-app-key"
NO_KEY = "-"
"""A parameter cannot be empty."""
WAIT_SECONDS = 900
# Each is there for one thing; docs/github.md says which.
PERMISSIONS = {
    "metadata": "read",
    "contents": "read",
    "checks": "write",
    "statuses": "read",
    "deployments": "write",
    "pull_requests": "write",
}
# What installing and removing the App brings is sent unasked.
EVENTS = ("push", "create", "delete", "pull_request", "check_suite", "repository")
_ORGANISATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_NAMES = {
    "client_id": "SLIPWAY_GITHUB_APP_CLIENT_ID",
    "client_secret": "SLIPWAY_GITHUB_APP_CLIENT_SECRET",
    "slug": "SLIPWAY_GITHUB_APP_SLUG",
    "webhook_secret": "SLIPWAY_GITHUB_APP_WEBHOOK_SECRET",
}


class GitHubAppError(Exception):
    """The App cannot be made, or not be used; the message says what to mend."""


@dataclass(frozen=True)
class GitHubApp:
    """The App, and where GitHub is; without an App `app_id` is 0."""

    url: str = GITHUB
    api_url: str = GITHUB_API
    app_id: int = 0
    slug: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    def public(self) -> dict[str, Any]:
        """What the functions' environment may hold."""
        names = ("url", "api_url", "app_id", "slug", "client_id")
        return {name: getattr(self, name) for name in names}

    def parameters(self) -> dict[str, str]:
        """What is kept in the parameter store, by name."""
        kept = {
            **self.public(),
            "client_secret": self.client_secret,
            "webhook_secret": self.webhook_secret,
        }
        return {
            PARAMETER: json.dumps(kept, sort_keys=True),
            KEY_PARAMETER: self.key or NO_KEY,
        }


def github_app(env: Mapping[str, str], *, loopback: bool = False) -> GitHubApp:
    """The App that the environment names, or none. `loopback` allows http to this machine."""
    nowhere = GitHubApp(
        url=_address(env, "SLIPWAY_GITHUB_APP_URL", "SLIPWAY_GITHUB_URL", GITHUB, loopback),
        api_url=_address(
            env, "SLIPWAY_GITHUB_APP_API_URL", "SLIPWAY_GITHUB_API_URL", GITHUB_API, loopback
        ),
    )
    number = env.get("SLIPWAY_GITHUB_APP_ID")
    given = {field: env.get(name, "") for field, name in _NAMES.items()}
    if not number:
        lost = [_NAMES[name] for name, value in given.items() if value]
        if lost:
            raise GitHubAppError(f"{lost[0]} is set without SLIPWAY_GITHUB_APP_ID.")
        return nowhere
    if not number.isdecimal():
        raise GitHubAppError(
            f"SLIPWAY_GITHUB_APP_ID is the App's number, as its settings show it, not {number!r}."
        )
    key = _key(env)
    missing = [_NAMES[name] for name, value in given.items() if not value]
    if not key:
        missing.append("SLIPWAY_GITHUB_APP_KEY_FILE")
    if missing:
        raise GitHubAppError(f"SLIPWAY_GITHUB_APP_ID is set without {', '.join(sorted(missing))}.")
    return replace(nowhere, **given, app_id=int(number), key=checked_key(key))


def stored_app(ssm: Any, prefix: str) -> GitHubApp | None:
    """The App that `make github-app` has stored for a stage."""
    names = [f"{prefix}/{name}" for name in (PARAMETER, KEY_PARAMETER)]
    found = ssm.get_parameters(Names=names, WithDecryption=True)["Parameters"]
    there = {one["Name"].rpartition("/")[2]: one["Value"] for one in found}
    said = json.loads(there.get(PARAMETER, "{}"))
    key = there.get(KEY_PARAMETER, NO_KEY)
    return GitHubApp(**said, key=key) if said.get("app_id") and key != NO_KEY else None


def store(ssm: Any, prefix: str, app: GitHubApp) -> None:
    """Keeps the App's secrets where the functions read them."""
    for name, value in app.parameters().items():
        ssm.put_parameter(Name=f"{prefix}/{name}", Value=value, Type="SecureString", Overwrite=True)


def checked_key(pem: str) -> str:
    """The private key, if it is one that GitHub made."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError) as problem:
        raise GitHubAppError(
            "The App's private key cannot be read: give the .pem file that GitHub let you download."
        ) from problem
    if not isinstance(key, RSAPrivateKey):
        raise GitHubAppError("The App's private key is not an RSA key, as GitHub makes them.")
    return pem


def manifest(name: str, web_url: str, redirect_url: str, *, public: bool) -> dict[str, Any]:
    """What GitHub is asked to make."""
    return {
        "name": name,
        "url": web_url,
        "description": "Deploys the agents in your repositories.",
        "public": public,
        "redirect_url": redirect_url,
        "callback_urls": [f"{web_url}/github/installed"],
        # Whoever installs it proves who they are on the way back.
        "request_oauth_on_install": True,
        "setup_on_update": False,
        "hook_attributes": {"url": f"{web_url}/api/v1/webhooks/github", "active": True},
        "default_permissions": PERMISSIONS,
        "default_events": list(EVENTS),
    }


class Making:
    """One App on its way: a page on this machine, GitHub's answer to it, and what it comes to.

    The page holds a secret that GitHub sends back: another site's page cannot slip an App of its
    own in.
    """

    def __init__(
        self,
        *,
        name: str,
        web_url: str,
        url: str = GITHUB,
        api_url: str = GITHUB_API,
        organisation: str = "",
        public: bool = True,
    ) -> None:
        if organisation and not _ORGANISATION.fullmatch(organisation):
            raise GitHubAppError(f"{organisation!r} is no organisation's name at GitHub.")
        self._url, self._api_url = url.rstrip("/"), api_url.rstrip("/")
        self._state = secrets.token_urlsafe(32)
        self.made: GitHubApp | None = None
        self.problem = ""
        self._done = threading.Event()
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        self._manifest = manifest(name, web_url, f"{self.address}made", public=public)
        owner = f"/organizations/{organisation}" if organisation else ""
        self._action = f"{self._url}{owner}/settings/apps/new?{urlencode({'state': self._state})}"

    def wait(self, seconds: float = WAIT_SECONDS) -> GitHubApp:
        """Serves the page until GitHub has sent the browser back."""
        serving = threading.Thread(target=self._server.serve_forever, daemon=True)
        serving.start()
        try:
            if not self._done.wait(seconds):
                raise GitHubAppError(
                    "Nobody has come back from GitHub. Run this again when you are ready."
                )
        finally:
            self._server.shutdown()
            self._server.server_close()
            serving.join()
        if self.made is None:
            raise GitHubAppError(self.problem)
        return self.made

    def _page(self) -> str:
        given = html.escape(json.dumps(self._manifest), quote=True)
        return (
            "<!doctype html><meta charset=utf-8><title>Slipway's GitHub App</title>"
            f'<form method=post action="{html.escape(self._action, quote=True)}">'
            f'<input type=hidden name=manifest value="{given}">'
            "<p>GitHub will show what the App may do, and make it when you agree.</p>"
            "<button autofocus>Go on to GitHub</button></form>"
        )

    def _come_back(self, query: Mapping[str, str]) -> str:
        """What the browser is told that GitHub has sent back."""
        if not hmac.compare_digest(query.get("state", ""), self._state):
            return "This is not the answer to what was begun here. Nothing was stored."
        try:
            self.made = self._converted(query.get("code", ""))
        except GitHubAppError as problem:
            self.problem = str(problem)
        self._done.set()
        return self.problem or "The App is made. You can close this page; go on in the terminal."

    def _converted(self, code: str) -> GitHubApp:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", code):
            raise GitHubAppError("GitHub sent no code back. Run this again.")
        try:
            answer = httpx.post(
                f"{self._api_url}/app-manifests/{code}/conversions",
                headers={
                    "Accept": "application/vnd.github+json",
                    "User-Agent": "Slipway/1",
                    "X-GitHub-Api-Version": "2022-11-28",
                },
                timeout=30,
                trust_env=False,
            )
            answer.raise_for_status()
            said = answer.json()
            return GitHubApp(
                url=self._url,
                api_url=self._api_url,
                app_id=int(said["id"]),
                slug=str(said["slug"]),
                client_id=str(said["client_id"]),
                client_secret=str(said["client_secret"]),
                webhook_secret=str(said["webhook_secret"]),
                key=checked_key(str(said["pem"])),
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as problem:
            raise GitHubAppError(
                f"GitHub did not hand the App out ({type(problem).__name__}). If it was made, "
                "delete it in GitHub's settings, then run this again."
            ) from problem

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        making = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                match parts.path:
                    case "/":
                        self._answer(200, making._page())
                    case "/made":
                        said = making._come_back(query)
                        self._answer(200, f"<!doctype html><p>{html.escape(said)}</p>")
                    case _:
                        self._answer(404, "")

            def _answer(self, status: int, page: str) -> None:
                body = page.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Addresses hold the code: they are not logged."""

        return Handler


def _address(env: Mapping[str, str], name: str, or_else: str, default: str, loopback: bool) -> str:
    url = (env.get(name) or env.get(or_else) or default).rstrip("/")
    parts = urlsplit(url)
    local = loopback and parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
    if not (local or parts.scheme == "https") or not parts.hostname or parts.query:
        raise GitHubAppError(f"{name} is to be an https address, not {url}.")
    return url


def _key(env: Mapping[str, str]) -> str:
    path = env.get("SLIPWAY_GITHUB_APP_KEY_FILE")
    if not path:
        # CI systems keep secrets on one line.
        return env.get("SLIPWAY_GITHUB_APP_KEY", "").replace("\\n", "\n")
    try:
        return Path(path).read_text()
    except OSError as problem:
        raise GitHubAppError(f"SLIPWAY_GITHUB_APP_KEY_FILE cannot be read: {problem}") from problem


def main(arguments: list[str] | None = None) -> int:
    """Make the App as the command line asks; the exit code says whether it worked."""
    parser = argparse.ArgumentParser(prog="python -m infra.github_app", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--organisation", default="", help="whose App it is to be")
    parser.add_argument("--name", default="", help="what the App is called at GitHub")
    parser.add_argument("--private", action="store_true", help="for its owner's repositories alone")
    given = parser.parse_args(arguments)
    try:
        app = _made(given, os.environ)
    except GitHubAppError as problem:
        print(problem, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as problem:
        print(
            f"The stage {given.stage} cannot be reached ({problem}). Deploy it first, and look "
            "whether the credentials are good.",
            file=sys.stderr,
        )
        return 1
    print(
        f"The App {app.slug} is made and its secrets are stored. `make deploy STAGE={given.stage}` "
        f"brings it into use; its page is {app.url}/apps/{app.slug}."
    )
    return 0


def _made(given: argparse.Namespace, env: Mapping[str, str]) -> GitHubApp:
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    if not region:
        raise GitHubAppError("Set AWS_REGION: the region the stage is in, such as eu-central-1.")
    session = Session(region_name=region)
    prefix, ssm = f"/slipway/{given.stage}", session.client("ssm")
    if known := stored_app(ssm, prefix):
        raise GitHubAppError(
            f"The stage has the App {known.slug} already. To make another, delete the parameter "
            f"{prefix}/{PARAMETER} first."
        )
    places = github_app({k: v for k, v in env.items() if k.endswith("_URL")})
    making = Making(
        name=given.name or f"Slipway {given.stage}",
        web_url=(env.get("SLIPWAY_WEB_URL") or _web_address(session, given.stage)).rstrip("/"),
        url=places.url,
        api_url=places.api_url,
        organisation=given.organisation,
        public=not given.private,
    )
    print(f"Open {making.address} in a browser on this machine, if it does not open by itself.")
    webbrowser.open(making.address)
    app = making.wait()
    store(ssm, prefix, app)
    return app


def _web_address(session: Session, stage: str) -> str:
    stacks = session.client("cloudformation").describe_stacks(StackName=f"slipway-{stage}")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks["Stacks"][0]["Outputs"]}
    if "WebAddress" not in outputs:
        raise GitHubAppError(f"The stage {stage} has no web address yet: deploy it first.")
    return str(outputs["WebAddress"])


if __name__ == "__main__":
    raise SystemExit(main())
