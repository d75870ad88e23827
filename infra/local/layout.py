"""Knows where a local cloud keeps its things, which ports it uses, and its credentials."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".local"
STAGE = "local"
REGION = "us-east-1"
ACCOUNT = "000000000000"
FIRST_PERSON = "demo@slipway.local"
DEFAULT_PORT = 8800
_AGENT_PORTS = 1000


class LocalCloudError(Exception):
    """The local cloud cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Ports:
    """One number decides all: the web address, and what lies behind it."""

    web: int = DEFAULT_PORT

    @property
    def graphql(self) -> int:
        """Railway's API, stood in for by the yard."""
        return self.web + 1

    @property
    def codebuild(self) -> int:
        """CodeBuild's API, stood in for by the yard."""
        return self.web + 2

    @property
    def registry(self) -> int:
        """Where builds push and deployments pull."""
        return self.web + 3

    @property
    def aws(self) -> int:
        """The emulator of everything else at AWS."""
        return self.web + 4

    @property
    def agents(self) -> tuple[int, int]:
        """Agents' own addresses; the yard picks free ones and remembers them."""
        return self.web + 20, self.web + 20 + _AGENT_PORTS - 1

    @property
    def named(self) -> dict[str, int]:
        """Every port that must be free, by what it is for."""
        return {
            "the web address": self.web,
            "the yard's Railway API": self.graphql,
            "the yard's CodeBuild API": self.codebuild,
            "the yard's registry": self.registry,
            "the AWS emulator": self.aws,
        }


@dataclass(frozen=True)
class Credentials:
    """What the parts of one local cloud know each other by; made once, readable by its user."""

    access_key_id: str = field(default_factory=lambda: f"LOCAL{secrets.token_hex(10).upper()}")
    secret_access_key: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    admin_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    railway_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    registry_username: str = "slipway"
    registry_password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    codebuild_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    origin_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))


@dataclass(frozen=True)
class Layout:
    """A local cloud: a data directory and a port."""

    data: Path
    ports: Ports

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Layout:
        """As SLIPWAY_DATA and SLIPWAY_PORT say."""
        text = env.get("SLIPWAY_PORT") or str(DEFAULT_PORT)
        highest = 65535 - 20 - _AGENT_PORTS
        if not text.isdigit() or not 1024 <= int(text) <= highest:
            raise LocalCloudError(
                f"SLIPWAY_PORT is {text!r}; give a number from 1024 to {highest}."
            )
        data = Path(env.get("SLIPWAY_DATA") or TOOLS / "data").expanduser().absolute()
        return cls(data, Ports(int(text)))

    # -- places ------------------------------------------------------------------------------

    @property
    def logs(self) -> Path:
        """One file a part."""
        return self.data / "logs"

    @property
    def aws(self) -> Path:
        """What the emulator keeps."""
        return self.data / "aws"

    @property
    def yard(self) -> Path:
        """What the yard keeps."""
        return self.data / "yard"

    @property
    def admin_token_file(self) -> Path:
        """Where the emulator reads the admin token, so that it is in no process's environment."""
        return self.data / "admin-token"

    @property
    def yard_config(self) -> Path:
        """What the yard is told at its start."""
        return self.data / "yard.json"

    @property
    def program(self) -> Path:
        """The build program, where the yard runs it."""
        return self.data / "slipway-build.pyz"

    @property
    def target(self) -> Path:
        """What the deployment is told."""
        return self.data / "target.json"

    @property
    def outputs(self) -> Path:
        """What the deployment has found or made."""
        return self.data / "outputs.json"

    @property
    def supervisor(self) -> Path:
        """Who supervises, and what runs."""
        return self.data / "supervisor.json"

    @property
    def first_agent(self) -> Path:
        """The agent that the first run deployed."""
        return self.data / "first-agent.json"

    # -- addresses ---------------------------------------------------------------------------

    @property
    def web_url(self) -> str:
        """Where people go."""
        return f"http://localhost:{self.ports.web}"

    @property
    def aws_url(self) -> str:
        """The emulator."""
        return f"http://127.0.0.1:{self.ports.aws}"

    @property
    def registry_host(self) -> str:
        """The registry, as the first part of an image's name."""
        return f"127.0.0.1:{self.ports.registry}"

    # -- contents ----------------------------------------------------------------------------

    def make(self) -> None:
        """Make the directories; others on this machine see nothing of them."""
        for path in (self.data, self.logs, self.aws, self.yard):
            path.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700)

    def credentials(self) -> Credentials:
        """This local cloud's credentials, made the first time."""
        path = self.data / "credentials.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        credentials = Credentials(**known)
        # A file of an earlier version of this program lacks what was added since.
        if vars(credentials) != known:
            write_private(path, json.dumps(vars(credentials), indent=1))
            write_private(self.admin_token_file, credentials.admin_token)
        return credentials

    def read(self, path: Path) -> dict[str, Any]:
        """A JSON file of ours; empty when it is not there."""
        try:
            document: dict[str, Any] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return document


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    fresh = path.with_name(f"{path.name}.next")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def check_ports(ports: Ports) -> None:
    """Refuse with one sentence when a port is taken."""
    for purpose, port in ports.named.items():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                other = ports.web + 1000 if ports.web < 60000 else DEFAULT_PORT
                raise LocalCloudError(
                    f"Port {port} ({purpose}) is used by another program: stop it, or run "
                    f"`make up SLIPWAY_PORT={other}` to use {other} to {other + 4} instead."
                ) from None
