"""What the platform is told by its environment; nothing else in the code reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from chalicelib.values import frozen


class MissingSettings(RuntimeError):
    """Names every missing variable at once, so that one look mends them all."""


RATE_LIMITS: Mapping[str, Mapping[str, int]] = {
    # What one person may ask for in an organisation of this tier, a minute. A page that shows a
    # deployment on its way asks four times a second at most.
    "free": {"read": 1200, "write": 240, "upload": 60, "sign_in": 60, "webhook": 600, "denied": 30},
    "pro": {"read": 3000, "write": 600, "upload": 240, "sign_in": 60, "webhook": 600, "denied": 30},
    "enterprise": {
        "read": 12000,
        "write": 2400,
        "upload": 960,
        "sign_in": 60,
        "webhook": 600,
        "denied": 30,
    },
    # What may come a minute from one address of which nothing else is known; mail by the hour;
    # and how many wrong credentials an hour are looked at without a wait. A code host calls for all
    # tenants from a few addresses, and does not call again by itself.
    "anybody": {
        "read": 600,
        "write": 60,
        "upload": 30,
        "sign_in": 120,
        "webhook": 6000,
        "credential": 60,
        "mail_to": 5,
        "mail_from": 30,
        "attempts": 5,
    },
}


class WrongSettings(RuntimeError):
    """A setting that cannot be used; says which, and how it must be."""


@frozen
class ProviderSettings:
    """A place to sign in. Its client secret, if it has one, is in the parameter provider-secrets.

    `kind`: github (with `url` and `api_url` for an Enterprise Server), google, or oidc with its
    `issuer`.
    """

    id: str
    name: str
    kind: str
    client_id: str
    issuer: str = ""
    url: str = ""
    api_url: str = ""
    public: bool = False
    """Registered there without a secret."""


@frozen
class GitHubSettings:
    """Where GitHub is, and our App there; `app_id` 0 is no App. Its secrets are in the parameters
    github-app and github-app-key."""

    url: str = "https://github.com"
    api_url: str = "https://api.github.com"
    app_id: int = 0
    slug: str = ""
    client_id: str = ""


@frozen
class TenantLimits:
    """How much one organisation of a tier may hold, and in how many organisations a person whose
    personal one has the tier may be."""

    members: int
    invitations: int
    organisations: int
    previews: int = 3
    """Of pull requests, of one agent at a time."""


_TENANT_LIMITS = (
    '{"free": {"members": 10, "invitations": 20, "organisations": 10, "previews": 3},'
    ' "pro": {"members": 50, "invitations": 100, "organisations": 50, "previews": 25},'
    ' "enterprise": {"members": 1000, "invitations": 1000, "organisations": 1000,'
    ' "previews": 1000}}'
)


@frozen
class Settings:
    """Endpoints, names and limits. Everything a ground may differ in is here."""

    stage: str
    table: str
    sources_bucket: str
    artifacts_bucket: str
    build_project: str
    state_machine_arn: str
    reconcile_rule: str
    parameters: str
    web_url: str
    mail_from: str
    image_repository: str
    railway_url: str
    railway_project_id: str
    railway_environment_id: str
    agent_url_scheme: str
    s3_url: str
    ground: Mapping[str, Any]
    providers: tuple[ProviderSettings, ...]
    github: GitHubSettings
    watch_seconds: tuple[float, ...]
    release_limit_seconds: int
    verify_limit_seconds: int
    upload_limit_seconds: int
    build_limit_seconds: int
    tenant_limits: Mapping[str, TenantLimits]
    audit_days: int
    rate_limits: Mapping[str, Mapping[str, int]]
    origin_hash: str
    smoke_limit_seconds: int
    railway_token_kind: str
    railway_calls_per_hour: int
    release_strategy: str
    operators: frozenset[str]
    preview_idle_days: int
    task_function: str

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Reads the environment; raises MissingSettings with all absent names."""
        required = {
            "stage": "SLIPWAY_STAGE",
            "table": "SLIPWAY_TABLE",
            "sources_bucket": "SLIPWAY_SOURCES_BUCKET",
            "artifacts_bucket": "SLIPWAY_ARTIFACTS_BUCKET",
            "build_project": "SLIPWAY_BUILD_PROJECT",
            "state_machine_arn": "SLIPWAY_STATE_MACHINE_ARN",
            "reconcile_rule": "SLIPWAY_RECONCILE_RULE",
            "parameters": "SLIPWAY_PARAMETERS",
            "web_url": "SLIPWAY_WEB_URL",
            "mail_from": "SLIPWAY_MAIL_FROM",
            "image_repository": "SLIPWAY_IMAGE_REPOSITORY",
            "railway_url": "SLIPWAY_RAILWAY_URL",
            "railway_project_id": "SLIPWAY_RAILWAY_PROJECT_ID",
            "railway_environment_id": "SLIPWAY_RAILWAY_ENVIRONMENT_ID",
        }
        missing = sorted(name for name in required.values() if not env.get(name))
        if missing:
            raise MissingSettings(f"Set these environment variables: {', '.join(missing)}.")
        strategy = env.get("SLIPWAY_RELEASE_STRATEGY") or "image"
        token_kind = env.get("SLIPWAY_RAILWAY_TOKEN_KIND") or "workspace"
        if strategy not in ("image", "source"):
            raise MissingSettings(f"SLIPWAY_RELEASE_STRATEGY is image or source, not {strategy}.")
        if token_kind not in ("account", "workspace", "project"):
            raise MissingSettings(
                f"SLIPWAY_RAILWAY_TOKEN_KIND is account, workspace or project, not {token_kind}."
            )
        named: dict[str, Any] = {field: env[name] for field, name in required.items()}
        return cls(
            **named,
            agent_url_scheme=env.get("SLIPWAY_AGENT_URL_SCHEME", "https"),
            s3_url=env.get("SLIPWAY_S3_URL", ""),
            providers=_providers(env.get("SLIPWAY_PROVIDERS", "[]")),
            github=_github(env.get("SLIPWAY_GITHUB_APP") or "{}"),
            ground=json.loads(env.get("SLIPWAY_GROUND", '{"kind": "aws"}')),
            watch_seconds=_floats(env.get("SLIPWAY_WATCH_SECONDS", "2,3,5,8,13,20,30,45,60")),
            release_limit_seconds=int(env.get("SLIPWAY_RELEASE_LIMIT_SECONDS", "600")),
            verify_limit_seconds=int(env.get("SLIPWAY_VERIFY_LIMIT_SECONDS", "90")),
            upload_limit_seconds=int(env.get("SLIPWAY_UPLOAD_LIMIT_SECONDS", "3600")),
            build_limit_seconds=int(env.get("SLIPWAY_BUILD_LIMIT_SECONDS", "1800")),
            tenant_limits={
                tier: TenantLimits(**limits)
                for tier, limits in json.loads(
                    env.get("SLIPWAY_TENANT_LIMITS", _TENANT_LIMITS)
                ).items()
            },
            audit_days=int(env.get("SLIPWAY_AUDIT_DAYS", "400")),
            rate_limits=_multiplied(float(env.get("SLIPWAY_RATE_FACTOR", "1"))),
            origin_hash=env.get("SLIPWAY_ORIGIN_HASH", ""),
            smoke_limit_seconds=int(env.get("SLIPWAY_SMOKE_LIMIT_SECONDS", "75")),
            railway_token_kind=token_kind,
            railway_calls_per_hour=int(env.get("SLIPWAY_RAILWAY_CALLS_PER_HOUR") or "1000"),
            release_strategy=strategy,
            preview_idle_days=int(env.get("SLIPWAY_PREVIEW_IDLE_DAYS") or "7"),
            task_function=env.get("SLIPWAY_TASK_FUNCTION", ""),
            operators=frozenset(
                address.strip().lower()
                for address in env.get("SLIPWAY_OPERATORS", "").split(",")
                if address.strip()
            ),
        )


def _multiplied(factor: float) -> Mapping[str, Mapping[str, int]]:
    return {
        tier: {name: max(1, int(count * factor)) for name, count in counts.items()}
        for tier, counts in RATE_LIMITS.items()
    }


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(",") if part.strip())


def _github(text: str) -> GitHubSettings:
    try:
        return GitHubSettings(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise WrongSettings(
            "SLIPWAY_GITHUB_APP is a JSON object with url, api_url, app_id, slug and client_id: "
            f"{error}"
        ) from error


def _providers(text: str) -> tuple[ProviderSettings, ...]:
    try:
        found = tuple(ProviderSettings(**one) for one in json.loads(text))
    except (ValueError, TypeError) as error:
        raise WrongSettings(
            "SLIPWAY_PROVIDERS is a JSON list of objects with id, name, kind and client_id: "
            f"{error}"
        ) from error
    if len({one.id for one in found}) != len(found):
        raise WrongSettings("SLIPWAY_PROVIDERS names two providers by one id.")
    return found
