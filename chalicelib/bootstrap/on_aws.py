"""Knows which adapter serves which port on AWS, or on what speaks its protocols."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial

from chalicelib.adapters.artifacts import S3Artifacts
from chalicelib.adapters.aws import (
    CodeBuild,
    EventsSchedule,
    LambdaTasks,
    SesMail,
    StepFunctions,
    client,
    fresh_parameter,
    parameter,
)
from chalicelib.adapters.catalogue import S3Catalogue
from chalicelib.adapters.counters import DynamoCounters
from chalicelib.adapters.dynamo import DynamoStore
from chalicelib.adapters.github_sign_in import GITHUB, GITHUB_API, GitHubSignIn
from chalicelib.adapters.github_wiring import github_host, github_secret
from chalicelib.adapters.http import HttpCaller, SystemClock
from chalicelib.adapters.oidc import OidcSignIn
from chalicelib.adapters.provider_http import ProviderHttp
from chalicelib.adapters.railway import RailwayHost
from chalicelib.adapters.railway_api import RailwayApi
from chalicelib.adapters.railway_budget import DynamoBudget, DynamoLease
from chalicelib.adapters.secrets import AesVault, JwtSigner
from chalicelib.bootstrap.wiring import Adapters, Platform, wire
from chalicelib.ports import Provider
from chalicelib.settings import ProviderSettings, Settings


def on_aws(settings: Settings) -> Platform:
    """The platform on AWS, or on what speaks its protocols."""

    def secret(name: str) -> str:
        return parameter(f"{settings.parameters}/{name}")

    def registry() -> tuple[str, str] | None:
        username = secret("registry-username")
        return (username, secret("registry-password")) if username.strip("-") else None

    artifacts = S3Artifacts(settings.sources_bucket, settings.artifacts_bucket, settings.s3_url)
    database = partial(client, "dynamodb")
    railway = RailwayApi(
        settings.railway_url,
        lambda: secret("railway-token"),
        token_kind=settings.railway_token_kind,
        forget_token=parameter.cache_clear,
        budget=DynamoBudget(settings.table, database, per_hour=settings.railway_calls_per_hour),
    )
    return wire(
        settings,
        Adapters(
            store=DynamoStore(settings.table, database),
            counters=DynamoCounters(settings.table, database),
            host=RailwayHost(
                railway,
                project_id=settings.railway_project_id,
                environment_id=settings.railway_environment_id,
                credentials=registry,
                lease=DynamoLease(settings.table, database, settings.railway_environment_id),
                read_source=artifacts.read,
            ),
            builder=CodeBuild(settings.build_project, settings.artifacts_bucket),
            catalogue=S3Catalogue(settings.artifacts_bucket),
            artifacts=artifacts,
            mail=SesMail(settings.mail_from),
            vault=AesVault(lambda: fresh_parameter(f"{settings.parameters}/vault-key")),
            signer=JwtSigner(
                lambda: fresh_parameter(f"{settings.parameters}/signing-key"),
                audience=settings.web_url,
            ),
            engine=StepFunctions(settings.state_machine_arn),
            tasks=LambdaTasks(settings.task_function),
            schedule=EventsSchedule(settings.reconcile_rule),
            caller=HttpCaller(),
            clock=SystemClock(),
            providers=sign_in_providers(settings, lambda: json.loads(secret("provider-secrets"))),
            webhook_secret=lambda: secret("railway-webhook-secret"),
            code_host=github_host(settings, secret),
            code_host_secret=github_secret(settings, secret),
        ),
    )


GOOGLE = "https://accounts.google.com"


def sign_in_providers(
    settings: Settings, secrets: Callable[[], Mapping[str, str]], *, transport: object = None
) -> dict[str, Provider]:
    """The providers of the settings, by id; nothing is fetched before somebody signs in there."""
    http = ProviderHttp(loopback=settings.ground.get("kind") == "local", transport=transport)

    def provider(one: ProviderSettings) -> Provider:
        def secret() -> str:
            return str(secrets()[one.id])

        if one.kind == "github":
            return GitHubSignIn(
                provider_id=one.id,
                name=one.name,
                client_id=one.client_id,
                secret=secret,
                http=http,
                url=one.url or GITHUB,
                api_url=one.api_url or GITHUB_API,
            )
        return OidcSignIn(
            provider_id=one.id,
            name=one.name,
            kind=one.kind,
            issuer=GOOGLE if one.kind == "google" else one.issuer,
            client_id=one.client_id,
            secret=None if one.public else secret,
            http=http,
        )

    return {one.id: provider(one) for one in settings.providers}
