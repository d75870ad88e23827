"""What the yard is told at its start: ports, credentials, limits, and where it keeps its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal


class ConfigError(Exception):
    """The configuration cannot be used; the message names everything that is wrong with it."""


@dataclass(frozen=True)
class Token:
    """One accepted API token. Project tokens reach one environment of one project."""

    token: str
    kind: str = "account"  # account | workspace | project
    project_id: str | None = None
    environment_id: str | None = None


@dataclass(frozen=True)
class SeedProject:
    """A project that exists from the first start, so that its ids can be written into settings."""

    id: str
    name: str
    environment_id: str
    environment_name: str = "production"


@dataclass(frozen=True)
class RateLimit:
    """Calls allowed per token; the defaults are Railway's Pro plan."""

    per_hour: int = 10_000
    per_second: int = 50


@dataclass(frozen=True)
class Aws:
    """Where events go and what signs them."""

    endpoint_url: str = ""
    region: str = "us-east-1"
    account_id: str = "000000000000"
    access_key_id: str = "test"
    secret_access_key: str = "test"  # noqa: S105 - the emulator's well-known default
    session_token: str = ""


@dataclass(frozen=True)
class CodeBuild:
    """The one build project. Without the `secret` that callers put in the path nobody may build."""

    project_name: str = "slipway-build"
    secret: str = ""
    buildspec: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    build_environment: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 2
    timeout_minutes: int = 60
    queued_timeout_minutes: int = 480
    log_bytes: int = 50_000_000
    service_role: str = ""


@dataclass(frozen=True)
class Hosting:
    """How agents run: times in seconds, sizes in the unit their name says."""

    egress: Literal["public", "none"] = "public"
    sleep_after: float = 600.0
    wake_timeout: float = 30.0
    edge_drain: float = 10.0
    restart_backoff: float = 0.1
    restart_backoff_cap: float = 2.0
    # An agent that keeps ending sooner than this has crashed, however often it comes back.
    stable_after: float = 300.0
    sample_interval: float = 5.0
    max_replicas: int = 5
    default_memory_mb: int = 1024
    default_cpu: float = 2.0
    start_timeout: float = 10.0
    log_lines_per_second: int = 500
    log_bytes: int = 10_000_000
    image_retention_hours: float = 120.0
    log_limit_plus_one: bool = True


@dataclass(frozen=True)
class Config:
    """Everything the yard needs to know."""

    data_dir: Path
    admin_token: str
    registry_username: str
    registry_password: str
    host: str = "127.0.0.1"
    graphql_port: int = 8801
    codebuild_port: int = 8802
    registry_port: int = 8803
    proxy_ports: tuple[int, int] = (8820, 9819)
    tokens: tuple[Token, ...] = ()
    workspace_id: str = "00000000-0000-4000-8000-000000000001"
    workspace_name: str = "Local stand-in"
    projects: tuple[SeedProject, ...] = ()
    rate_limit: RateLimit = RateLimit()
    aws: Aws = Aws()
    codebuild: CodeBuild = CodeBuild()
    hosting: Hosting = Hosting()
    webhook_urls: tuple[str, ...] = ()
    registry_aliases: tuple[str, ...] = ()

    @property
    def registry_hosts(self) -> frozenset[str]:
        """The names under which images of our own registry are known."""
        return frozenset({f"{self.host}:{self.registry_port}", *self.registry_aliases})


def load(path: Path) -> Config:
    """Reads a JSON file; raises ConfigError naming every fault at once."""
    try:
        raw = json.loads(path.read_text())
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path} is not JSON: {exc}") from exc
    return parse(raw)


def parse(raw: Any) -> Config:
    """A Config from decoded JSON; sections are objects with the field names of the classes here."""
    if not isinstance(raw, dict):
        raise ConfigError("the configuration must be a JSON object")
    faults: list[str] = []
    values = dict(raw)
    sections: dict[str, type[Any]] = {
        "rate_limit": RateLimit,
        "aws": Aws,
        "codebuild": CodeBuild,
        "hosting": Hosting,
    }
    for name, kind in sections.items():
        if name in values:
            values[name] = _section(kind, values[name], name, faults)
    for name, kind in (("tokens", Token), ("projects", SeedProject)):
        listed = values.get(name, ())
        values[name] = tuple(
            _section(kind, one, f"{name}[{n}]", faults) for n, one in enumerate(listed)
        )
    for name in ("webhook_urls", "registry_aliases"):
        values[name] = tuple(values.get(name, ()))
    if "data_dir" in values:
        values["data_dir"] = Path(values["data_dir"]).absolute()
    if "proxy_ports" in values:
        values["proxy_ports"] = _port_range(values["proxy_ports"], faults)
    config: Config | None = _section(Config, values, "", faults)
    if faults or config is None:
        raise ConfigError("; ".join(faults))
    return config


def _section(kind: type[Any], given: Any, where: str, faults: list[str]) -> Any:
    prefix = f"{where}." if where else ""
    if not isinstance(given, dict):
        faults.append(f"{where} must be an object")
        return None
    known = {one.name for one in fields(kind)}
    faults.extend(f"{prefix}{name} is not a setting" for name in sorted(set(given) - known))
    try:
        return kind(**{name: value for name, value in given.items() if name in known})
    except TypeError as exc:
        faults.append(f"{prefix or 'configuration: '}{str(exc).partition(' missing ')[2] or exc}")
        return None


def _port_range(given: Any, faults: list[str]) -> tuple[int, int]:
    match given:
        case [int(first), int(last)] if 0 < first <= last < 65_536:
            return first, last
        case _:
            faults.append("proxy_ports must be [first, last]")
            return 8820, 9819
