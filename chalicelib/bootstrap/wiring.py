"""Knows how every use case is made of adapters and of other use cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from chalicelib.ports import (
    Artifacts,
    Builder,
    Caller,
    Catalogue,
    Clock,
    CodeHost,
    Counters,
    Engine,
    Host,
    Mail,
    Provider,
    Schedule,
    Signer,
    Store,
    Tasks,
    Vault,
)
from chalicelib.services.access import Access
from chalicelib.services.accounts import Accounts
from chalicelib.services.activity import Activity
from chalicelib.services.addresses import Addresses
from chalicelib.services.agents import Agents
from chalicelib.services.audit import Audit
from chalicelib.services.badges import Badges
from chalicelib.services.builds import Builds
from chalicelib.services.catalogue import Indexing
from chalicelib.services.closing import Closing
from chalicelib.services.connections import Connections
from chalicelib.services.copies import Copies
from chalicelib.services.deliveries import Deliveries
from chalicelib.services.deployments import Deployments
from chalicelib.services.health import Health
from chalicelib.services.idempotency import Idempotency
from chalicelib.services.identities import Identities
from chalicelib.services.images import Images
from chalicelib.services.installations import Installations
from chalicelib.services.invitations import Invitations
from chalicelib.services.limits import Limits
from chalicelib.services.listings import Listings
from chalicelib.services.marketplace import Marketplace
from chalicelib.services.members import Members
from chalicelib.services.moderation import Moderators
from chalicelib.services.operations import Operations
from chalicelib.services.organisations import Organisations
from chalicelib.services.orphans import Orphans
from chalicelib.services.personal_data import PersonalData
from chalicelib.services.previews import Previews
from chalicelib.services.progress import Progress
from chalicelib.services.providers import Providers
from chalicelib.services.pull_requests import PullRequests
from chalicelib.services.pushes import Pushes
from chalicelib.services.reconciler import Reconciler
from chalicelib.services.releases import Releases
from chalicelib.services.reporting import Reporting
from chalicelib.services.reviews import Reviews
from chalicelib.services.sessions import Sessions
from chalicelib.services.settling import Settling
from chalicelib.services.sharing import Sharing
from chalicelib.services.sign_in import SignIn
from chalicelib.services.sources import Sources
from chalicelib.services.tokens import Tokens
from chalicelib.services.tracks import Tracks
from chalicelib.services.turns import Turns
from chalicelib.services.variables import EnvironmentVariables
from chalicelib.services.verification import Verification
from chalicelib.services.versions import Versions
from chalicelib.services.work import Work
from chalicelib.settings import Settings
from chalicelib.values import frozen


@frozen
class Adapters:
    """The outside world, real or in memory."""

    store: Store
    counters: Counters
    host: Host
    builder: Builder
    artifacts: Artifacts
    catalogue: Catalogue
    mail: Mail
    vault: Vault
    signer: Signer
    engine: Engine
    tasks: Tasks
    schedule: Schedule
    caller: Caller
    clock: Clock
    providers: Mapping[str, Provider]
    """Where people can sign in besides by email, by id."""
    webhook_secret: Callable[[], str]
    """The secret in the address the host's webhooks come to."""
    code_host: CodeHost
    code_host_secret: Callable[[], str]
    """What the code host signs its calls with; empty where there is no app."""


@frozen
class Platform:
    """Every use case, wired."""

    settings: Settings
    access: Access
    organisations: Organisations
    members: Members
    invitations: Invitations
    closing: Closing
    accounts: Accounts
    addresses: Addresses
    audit: Audit
    sessions: Sessions
    sign_in: SignIn
    providers: Providers
    identities: Identities
    tokens: Tokens
    personal_data: PersonalData
    agents: Agents
    badges: Badges
    variables: EnvironmentVariables
    versions: Versions
    deployments: Deployments
    previews: Previews
    releases: Releases
    reconciler: Reconciler
    listings: Listings
    images: Images
    marketplace: Marketplace
    sharing: Sharing
    copies: Copies
    reviews: Reviews
    moderators: Moderators
    indexing: Indexing
    operations: Operations
    installations: Installations
    connections: Connections
    deliveries: Deliveries
    pull_requests: PullRequests
    sources: Sources
    tracks: Tracks
    work: Work
    idempotency: Idempotency
    limits: Limits
    store: Store
    turns: Turns
    webhook_secret: Callable[[], str]


def wire(settings: Settings, adapters: Adapters) -> Platform:
    """The use cases over the given adapters."""
    store, clock = adapters.store, adapters.clock
    audit = Audit(
        store=store,
        artifacts=adapters.artifacts,
        clock=clock,
        kept=timedelta(days=settings.audit_days),
    )
    agents = Agents(
        store=store,
        audit=audit,
        host=adapters.host,
        artifacts=adapters.artifacts,
        clock=clock,
    )
    variables = EnvironmentVariables(
        store=store, audit=audit, agents=agents, vault=adapters.vault, clock=clock
    )
    release_limit = timedelta(seconds=settings.release_limit_seconds)
    turns = Turns(
        store=store,
        audit=audit,
        engine=adapters.engine,
        schedule=adapters.schedule,
        clock=clock,
        release_limit=release_limit,
        masker=variables.masker,
        activity=Activity(store=store, clock=clock, salt=adapters.webhook_secret),
    )
    settling = Settling(store=store, host=adapters.host, turns=turns, clock=clock)
    orphans = Orphans(store=store, audit=audit, host=adapters.host, clock=clock)
    verification = Verification(
        caller=adapters.caller,
        masker=variables.masker,
        clock=clock,
        smoke_limit=timedelta(seconds=settings.smoke_limit_seconds),
    )
    deployments = Deployments(
        store=store,
        audit=audit,
        host=adapters.host,
        turns=turns,
        agents=agents,
        variables=variables,
        settling=settling,
        clock=clock,
        release_limit=release_limit,
    )
    progress = Progress(store=store, audit=audit, clock=clock)
    build_limit = timedelta(seconds=settings.build_limit_seconds)
    builds = Builds(
        artifacts=adapters.artifacts,
        builder=adapters.builder,
        variables=variables,
        progress=progress,
        repository=settings.image_repository,
        strategy=settings.release_strategy,
        limit=build_limit,
    )
    versions = Versions(
        store=store,
        audit=audit,
        artifacts=adapters.artifacts,
        builds=builds,
        progress=progress,
        agents=agents,
        variables=variables,
        deployments=deployments,
        schedule=adapters.schedule,
        tasks=adapters.tasks,
        clock=clock,
        upload_limit=timedelta(seconds=settings.upload_limit_seconds),
        build_limit=build_limit,
    )
    marketplace = Marketplace(
        store=store, artifacts=adapters.artifacts, catalogue=adapters.catalogue, clock=clock
    )
    listings = Listings(
        store=store, artifacts=adapters.artifacts, agents=agents, audit=audit, clock=clock
    )
    indexing = Indexing(
        store=store, artifacts=adapters.artifacts, catalogue=adapters.catalogue, clock=clock
    )
    reviews = Reviews(store=store, marketplace=marketplace, agents=agents, clock=clock)
    limits = Limits(counters=adapters.counters, clock=clock, table=settings.rate_limits)
    sharing = Sharing(
        store=store,
        catalogue=adapters.catalogue,
        agents=agents,
        listings=listings,
        mail=adapters.mail,
        limits=limits,
        audit=audit,
        clock=clock,
        web_url=settings.web_url,
    )
    access = Access(store=store, signer=adapters.signer, clock=clock)
    accounts = Accounts(store=store, audit=audit, clock=clock)
    sessions = Sessions(
        store=store, audit=audit, signer=adapters.signer, access=access, clock=clock
    )
    sign_in = SignIn(
        store=store,
        mail=adapters.mail,
        limits=limits,
        accounts=accounts,
        sessions=sessions,
        clock=clock,
        web_url=settings.web_url,
    )
    tokens = Tokens(store=store, audit=audit, clock=clock)
    organisations = Organisations(
        store=store, audit=audit, clock=clock, limits=settings.tenant_limits
    )
    members = Members(store=store, access=access, audit=audit, tokens=tokens)
    closing = Closing(
        store=store,
        host=adapters.host,
        artifacts=adapters.artifacts,
        schedule=adapters.schedule,
        access=access,
        audit=audit,
        tokens=tokens,
        versions=versions,
        deployments=deployments,
        clock=clock,
    )
    sources = Sources(
        store=store,
        artifacts=adapters.artifacts,
        code_host=adapters.code_host,
        agents=agents,
        versions=versions,
        progress=progress,
        variables=variables,
        clock=clock,
    )
    tracks = Tracks(
        store=store,
        versions=versions,
        variables=variables,
        schedule=adapters.schedule,
        clock=clock,
    )
    pull_requests = PullRequests(
        store=store,
        audit=audit,
        code_host=adapters.code_host,
        host=adapters.host,
        agents=agents,
        tracks=tracks,
        variables=variables,
        deployments=deployments,
        schedule=adapters.schedule,
        tasks=adapters.tasks,
        clock=clock,
        idle_after=timedelta(days=settings.preview_idle_days),
        limits=settings.tenant_limits,
    )
    connections = Connections(
        store=store,
        audit=audit,
        vault=adapters.vault,
        code_host=adapters.code_host,
        agents=agents,
        tracks=tracks,
        pull_requests=pull_requests,
        clock=clock,
    )
    work = Work(
        store=store,
        tasks=adapters.tasks,
        pushes=Pushes(
            store=store,
            code_host=adapters.code_host,
            tracks=tracks,
            pull_requests=pull_requests,
            schedule=adapters.schedule,
            clock=clock,
        ),
        tracks=tracks,
        sources=sources,
        pull_requests=pull_requests,
        reporter=Reporting(
            store=store,
            code_host=adapters.code_host,
            artifacts=adapters.artifacts,
            schedule=adapters.schedule,
            clock=clock,
            web_url=settings.web_url,
        ),
        schedule=adapters.schedule,
        clock=clock,
    )
    return Platform(
        settings=settings,
        access=access,
        organisations=organisations,
        members=members,
        invitations=Invitations(
            store=store,
            mail=adapters.mail,
            limits=limits,
            access=access,
            audit=audit,
            members=members,
            organisations=organisations,
            clock=clock,
            web_url=settings.web_url,
        ),
        closing=closing,
        accounts=accounts,
        addresses=Addresses(
            store=store,
            mail=adapters.mail,
            limits=limits,
            audit=audit,
            sessions=sessions,
            clock=clock,
            web_url=settings.web_url,
        ),
        sessions=sessions,
        sign_in=sign_in,
        providers=Providers(
            store=store,
            providers=adapters.providers,
            accounts=accounts,
            sessions=sessions,
            sign_in=sign_in,
            clock=clock,
            web_url=settings.web_url,
        ),
        audit=audit,
        identities=Identities(store=store, audit=audit, clock=clock),
        tokens=tokens,
        personal_data=PersonalData(
            store=store,
            audit=audit,
            members=members,
            closing=closing,
            tokens=tokens,
            sessions=sessions,
            reviews=reviews,
            sharing=sharing,
        ),
        agents=agents,
        badges=Badges(
            store=store,
            agents=agents,
            clock=clock,
            secret=adapters.webhook_secret,
            web_url=settings.web_url,
        ),
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
            closing=closing,
            settling=settling,
            health=Health(turns=turns, verification=verification, clock=clock),
            orphans=orphans,
            work=work,
            indexing=indexing,
            clock=clock,
        ),
        listings=listings,
        images=Images(store=store, artifacts=adapters.artifacts, listings=listings, agents=agents),
        marketplace=marketplace,
        reviews=reviews,
        moderators=Moderators(
            store=store,
            marketplace=marketplace,
            reviews=reviews,
            audit=audit,
            clock=clock,
            operators=settings.operators,
        ),
        sharing=sharing,
        copies=Copies(
            store=store,
            artifacts=adapters.artifacts,
            marketplace=marketplace,
            sharing=sharing,
            agents=agents,
            versions=versions,
            variables=variables,
            deployments=deployments,
            audit=audit,
            clock=clock,
            salt=adapters.webhook_secret,
        ),
        indexing=indexing,
        operations=Operations(
            store=store,
            host=adapters.host,
            orphans=orphans,
            clock=clock,
            operators=settings.operators,
        ),
        installations=Installations(
            store=store, audit=audit, code_host=adapters.code_host, clock=clock
        ),
        connections=connections,
        deliveries=Deliveries(
            store=store,
            agents=agents,
            connections=connections,
            schedule=adapters.schedule,
            tasks=adapters.tasks,
            clock=clock,
            app_secret=adapters.code_host_secret,
        ),
        pull_requests=pull_requests,
        sources=sources,
        tracks=tracks,
        work=work,
        idempotency=Idempotency(store=store, clock=clock),
        limits=limits,
        store=store,
        turns=turns,
        webhook_secret=adapters.webhook_secret,
    )
