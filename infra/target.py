"""Knows where a deployment goes: the settings of a stage, on AWS or on the local cloud."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.github_app import GitHubAppError, github_app
from infra.sign_in import SignInSettingsError, sign_in_settings

RAILWAY_URL = "https://backboard.railway.com/graphql/v2"
LAMBDA_PYTHON = (3, 13)
# Until the first deployment has made the distribution, nobody knows its name.
UNKNOWN_WEB_URL = "https://unknown.invalid"


class DeployError(Exception):
    """The deployment cannot go on; the message says why and what to do about it."""


@dataclass(frozen=True)
class Target:
    """Everything in which one stage may differ from another."""

    stage: str
    ground: str
    region: str
    mail_from: str
    image_repository: str
    railway_url: str
    railway_token: str = field(repr=False)
    registry_username: str = field(repr=False)
    registry_password: str = field(repr=False)
    railway_workspace_id: str | None = None
    railway_token_kind: str = "workspace"  # noqa: S105 - a kind, not a token
    railway_calls_per_hour: int = 1000
    release_strategy: str = "image"
    operators: str = ""
    mail_identity: str = ""
    web_url: str | None = None
    agent_url_scheme: str = "https"
    aws_endpoint: str | None = None
    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    s3_url: str = ""
    codebuild_url: str = ""
    ground_details: Mapping[str, Any] = field(default_factory=lambda: {"kind": "aws"})
    providers: tuple[dict[str, Any], ...] = ()
    provider_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    github: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The GitHub App and its secrets; without one, an earlier run's is kept."""
    watch_seconds: str = "2,3,5,8,13,20,30,45,60"
    log_days: int = 30
    audit_days: int = 400
    preview_idle_days: int = 7
    rate_factor: float = 1
    origin_secret: str = field(default="", repr=False)

    @property
    def stack(self) -> str:
        """The name of the stage's stack, and the prefix of everything in it."""
        return f"slipway-{self.stage}"

    @property
    def is_local(self) -> bool:
        """Whether stand-ins answer instead of AWS and Railway."""
        return self.ground == "local"

    @property
    def parameters_prefix(self) -> str:
        """Where the stage's secrets are kept."""
        return f"/slipway/{self.stage}"


def local_target(path: Path) -> Target:
    """The target that the supervisor of a local cloud has written down."""
    try:
        return Target(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as problem:
        raise DeployError(
            f"{path} cannot be used ({problem}); `make up` writes it. "
            "To deploy to AWS give another stage than a local one, such as STAGE=prod."
        ) from problem


def aws_target(stage: str, env: Mapping[str, str]) -> Target:
    """The target on AWS that the environment describes; names everything missing at once."""
    wanted = ".".join(str(part) for part in LAMBDA_PYTHON)
    if sys.version_info[:2] != LAMBDA_PYTHON:
        raise DeployError(
            f"Deploying to AWS needs Python {wanted}, because the Lambda runtime follows the "
            f"interpreter that packages; this is {sys.version.split()[0]}. "
            f"Run `make deploy STAGE={stage} DEPLOY_PYTHON=python{wanted}`."
        )
    required = {
        "RAILWAY_TOKEN": "an account or workspace token of Railway, where agents run",
        "SLIPWAY_IMAGE_REPOSITORY": "where images go, such as ghcr.io/your-organisation",
        "SLIPWAY_REGISTRY_USERNAME": "the user that may push there, and pull for Railway",
        "SLIPWAY_REGISTRY_PASSWORD": "that user's token",
        "SLIPWAY_MAIL_FROM": "the sender of sign-in mail, verified in SES",
    }
    missing = [f"  {name}: {meaning}" for name, meaning in required.items() if not env.get(name)]
    region = _region(env)
    if not region:
        missing.append("  AWS_REGION: the region to deploy to, such as eu-central-1")
    try:
        sign_in = sign_in_settings(env)
        github = github_app(env)
    except (SignInSettingsError, GitHubAppError) as problem:
        raise DeployError(str(problem)) from problem
    if missing:
        raise DeployError("Set these environment variables:\n" + "\n".join(missing))
    sender = env["SLIPWAY_MAIL_FROM"]
    return Target(
        stage=stage,
        ground="aws",
        region=str(region),
        mail_from=sender,
        mail_identity=env.get("SLIPWAY_MAIL_IDENTITY", sender),
        image_repository=env["SLIPWAY_IMAGE_REPOSITORY"].rstrip("/"),
        railway_url=env.get("RAILWAY_URL", RAILWAY_URL),
        railway_token=env["RAILWAY_TOKEN"],
        railway_workspace_id=env.get("RAILWAY_WORKSPACE_ID"),
        railway_token_kind=_one_of(env, "RAILWAY_TOKEN_KIND", ("workspace", "account", "project")),
        railway_calls_per_hour=_calls(env.get("RAILWAY_CALLS_PER_HOUR", "1000")),
        release_strategy=_one_of(env, "SLIPWAY_RELEASE_STRATEGY", ("image", "source")),
        operators=env.get("SLIPWAY_OPERATORS", ""),
        registry_username=env["SLIPWAY_REGISTRY_USERNAME"],
        registry_password=env["SLIPWAY_REGISTRY_PASSWORD"],
        web_url=env.get("SLIPWAY_WEB_URL"),
        providers=sign_in.providers,
        provider_secrets=sign_in.secrets,
        github=vars(github),
    )


def aws_location(env: Mapping[str, str]) -> str:
    """The region that the environment names."""
    region = _region(env)
    if not region:
        raise DeployError("Set AWS_REGION: the region the stage is in, such as eu-central-1.")
    return region


def _region(env: Mapping[str, str]) -> str | None:
    return env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")


def _one_of(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """The variable's value; the first allowed one when it is not set."""
    value = env.get(name) or allowed[0]
    if value not in allowed:
        raise DeployError(f"{name} is one of {', '.join(allowed)}, not {value!r}.")
    return value


def _calls(value: str) -> int:
    if not value.isdecimal() or int(value) < 10:
        raise DeployError(f"RAILWAY_CALLS_PER_HOUR is a number of at least 10, not {value!r}.")
    return int(value)
