"""The one place that knows which adapter serves which use case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from chalicelib.adapters.artifacts import S3Artifacts
from chalicelib.adapters.aws import (
    CodeBuild,
    EventsSchedule,
    SesMail,
    StepFunctions,
    client,
    parameter,
)
from chalicelib.adapters.dynamo import DynamoStore
from chalicelib.adapters.http import HttpCaller, SystemClock
from chalicelib.adapters.railway import RailwayHost
from chalicelib.adapters.railway_api import RailwayApi
from chalicelib.adapters.railway_budget import DynamoBudget, DynamoLease
from chalicelib.adapters.secrets import AesVault, JwtSigner
from chalicelib.ports import (
    Artifacts,
    Builder,
    Caller,
    Clock,
    Engine,
    Host,
    Mail,
    Schedule,
    Signer,
    Store,
    Vault,
)
from chalicelib.services.accounts import Accounts
from chalicelib.services.agents import Agents
from chalicelib.services.deployments import Deployments
from chalicelib.services.health import Health
from chalicelib.services.idempotency import Idempotency
from chalicelib.services.operations import Operations
from chalicelib.services.orphans import Orphans
from chalicelib.services.previews import Previews
from chalicelib.services.reconciler import Reconciler
from chalicelib.services.releases import Releases
from chalicelib.services.settling import Settling
from chalicelib.services.turns import Turns
from chalicelib.services.variables import EnvironmentVariables
from chalicelib.services.verification import Verification
from chalicelib.services.versions import Versions
from chalicelib.settings import Settings


@dataclass(frozen=True)
class Adapters:
    """The outside world, real or in memory."""

    store: Store
    host: Host
    builder: Builder
    artifacts: Artifacts
    mail: Mail
    vault: Vault
    signer: Signer
    engine: Engine
    schedule: Schedule
    caller: Caller
    clock: Clock
    webhook_secret: Callable[[], str]
    """The secret in the address the host's webhooks come to."""


@dataclass(frozen=True)
class Platform:
    """Every use case, wired."""

    settings: Settings
    accounts: Accounts
    agents: Agents
    variables: EnvironmentVariables
    versions: Versions
    deployments: Deployments
    previews: Previews
    releases: Releases
    reconciler: Reconciler
    operations: Operations
    idempotency: Idempotency
    store: Store
    turns: Turns
    webhook_secret: Callable[[], str]


def wire(settings: Settings, adapters: Adapters) -> Platform:
    """The use cases over the given adapters."""
    store, clock = adapters.store, adapters.clock
    agents = Agents(store=store, host=adapters.host, clock=clock)
    variables = EnvironmentVariables(store=store, agents=agents, vault=adapters.vault, clock=clock)
    release_limit = timedelta(seconds=settings.release_limit_seconds)
    turns = Turns(
        store=store,
        engine=adapters.engine,
        schedule=adapters.schedule,
        clock=clock,
        release_limit=release_limit,
    )
    settling = Settling(store=store, host=adapters.host, turns=turns, clock=clock)
    orphans = Orphans(store=store, host=adapters.host, clock=clock)
    verification = Verification(
        caller=adapters.caller,
        clock=clock,
        smoke_limit=timedelta(seconds=settings.smoke_limit_seconds),
    )
    deployments = Deployments(
        store=store,
        host=adapters.host,
        turns=turns,
        agents=agents,
        variables=variables,
        settling=settling,
        clock=clock,
        release_limit=release_limit,
    )
    versions = Versions(
        store=store,
        artifacts=adapters.artifacts,
        builder=adapters.builder,
        agents=agents,
        variables=variables,
        deployments=deployments,
        schedule=adapters.schedule,
        clock=clock,
        image_repository=settings.image_repository,
        strategy=settings.release_strategy,
        upload_limit=timedelta(seconds=settings.upload_limit_seconds),
        build_limit=timedelta(seconds=settings.build_limit_seconds),
    )
    return Platform(
        settings=settings,
        accounts=Accounts(
            store=store,
            mail=adapters.mail,
            signer=adapters.signer,
            clock=clock,
            web_url=settings.web_url,
        ),
        agents=agents,
        variables=variables,
        versions=versions,
        deployments=deployments,
        previews=Previews(deployments=deployments, turns=turns, host=adapters.host),
        releases=Releases(
            deployments=deployments,
            turns=turns,
            host=adapters.host,
            settling=settling,
            verification=verification,
            clock=clock,
            url_scheme=settings.agent_url_scheme,
            watch_seconds=settings.watch_seconds,
            verify_limit=timedelta(seconds=settings.verify_limit_seconds),
        ),
        reconciler=Reconciler(
            store=store,
            host=adapters.host,
            engine=adapters.engine,
            schedule=adapters.schedule,
            versions=versions,
            turns=turns,
            settling=settling,
            health=Health(turns=turns, verification=verification, clock=clock),
            orphans=orphans,
            clock=clock,
        ),
        operations=Operations(
            store=store,
            host=adapters.host,
            orphans=orphans,
            clock=clock,
            operators=settings.operators,
        ),
        idempotency=Idempotency(store=store, clock=clock),
        store=store,
        turns=turns,
        webhook_secret=adapters.webhook_secret,
    )


def platform() -> Platform:
    """The platform this process serves; made on first use."""
    if not _installed:
        _installed.append(_on_aws(Settings.from_env()))
    return _installed[0]


def install(made: Platform) -> None:
    """Serve this platform instead: how tests put one in memory behind the API."""
    _installed[:] = [made]


_installed: list[Platform] = []


def _on_aws(settings: Settings) -> Platform:
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
            host=RailwayHost(
                railway,
                project_id=settings.railway_project_id,
                environment_id=settings.railway_environment_id,
                credentials=registry,
                lease=DynamoLease(settings.table, database, settings.railway_environment_id),
                read_source=artifacts.read,
            ),
            builder=CodeBuild(settings.build_project, settings.artifacts_bucket),
            artifacts=artifacts,
            mail=SesMail(settings.mail_from),
            vault=AesVault(lambda: secret("vault-key")),
            signer=JwtSigner(lambda: secret("signing-key"), audience=settings.web_url),
            engine=StepFunctions(settings.state_machine_arn),
            schedule=EventsSchedule(settings.reconcile_rule),
            caller=HttpCaller(),
            clock=SystemClock(),
            webhook_secret=lambda: secret("railway-webhook-secret"),
        ),
    )
