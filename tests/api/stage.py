"""An organisation with everything in it, people of every kind around it, and copies of it all.

What one call does to a copy, no other call sees: each finds the whole stage as it was built.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property

from chalicelib.adapters.memory import MemoryStore
from chalicelib.adapters.memory_host import MemoryBudget
from chalicelib.domain.agents import Agent, Category
from chalicelib.domain.connections import PreviewsOf
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.identities import Identity, Offer, Profile
from chalicelib.domain.ids import new_id
from chalicelib.domain.reviews import ReportReason
from chalicelib.domain.sessions import Session
from chalicelib.domain.shares import ShareKind
from chalicelib.domain.tenancy import Principal, Role, Scope
from chalicelib.domain.versions import Version
from chalicelib.ports import Put
from chalicelib.services.copies import Copy
from tests.api.test_marketplace import PASSED, SOURCE
from tests.conftest import PYTHON_AGENT, World, zipped
from tests.hooks import INSTALLATION, deliveries, hooked, installed

ORGANISATION = "Acme"
PEOPLE = (
    *(f"{role}@example.com" for role in Role),
    *(f"{name}@example.com" for name in ("granted", "shut", "widened", "stranger", "intruder")),
)
"""Everybody who calls."""
PUBLIC_SLUG, OWN_SLUG = "site-crawler", "loud-echo"
"""What somebody else publishes, and what Acme does."""
VARIABLES = {"START_URL": "https://example.com"}
"""What a copy of either does not run without."""


def copied(world: World) -> World:
    """Another world in the same state, that shares nothing which changes."""
    store = MemoryStore()
    store._items = dict(world.store._items)
    store._counts = deepcopy(world.store._counts)
    host = deepcopy(world.host, {id(world.host.budget): MemoryBudget()})
    return World(
        store=store,
        host=host,
        builder=deepcopy(world.builder),
        artifacts=deepcopy(world.artifacts),
        catalogue=world.catalogue,  # fed by the stream alone, and by no call
        mail=deepcopy(world.mail),
        engine=deepcopy(world.engine),
        tasks=deepcopy(world.tasks),
        code_host=deepcopy(world.code_host),
        schedule=deepcopy(world.schedule),
        caller=deepcopy(world.caller),
        clock=deepcopy(world.clock),
        signer=world.signer,
    )


@dataclass(frozen=True)
class Caller:
    """Somebody who calls: with which bearer, and what is theirs alone."""

    email: str
    user_id: str
    bearer: str | None
    own: dict[str, str] = field(default_factory=dict)
    """Path values of their own things: another session, an identity, an API token."""
    invitation: str = ""
    """The secret of an invitation to another organisation."""
    headers: dict[str, str] = field(default_factory=dict)
    personal_org_id: str = ""


class Stage:
    """Acme: two owners, one of each other role, members with grants, and agents at work."""

    def __init__(self) -> None:
        self.world = world = World()
        self.owner = owner = world.founded("owner@example.com", ORGANISATION)
        self.org_id = owner.org_id
        world.join(owner, "second@example.com", Role.OWNER)
        self.target = world.join(owner, "target@example.com", Role.VIEWER)
        self._market()
        self.agent = self.copy(owner, PUBLIC_SLUG, "Echo").agent
        self.other_agent = world.agent(owner, "Hidden")
        self.members = {
            **{role: self._joined(f"{role}@example.com", role) for role in list(Role)[1:]},
            Role.OWNER: owner,
        }
        self.granted = self._joined(
            "granted@example.com",
            Role.VIEWER,
            restricted=True,
            grants={self.agent.id: Role.DEVELOPER},
        )
        self.shut = self._joined("shut@example.com", Role.DEVELOPER, restricted=True)
        self.widened = self._joined(
            "widened@example.com", Role.VIEWER, grants={self.agent.id: Role.DEVELOPER}
        )
        self._fill()
        self._publish()
        self._invite_elsewhere()
        self._review()
        self._connect()
        self._share()

    def _joined(self, email: str, role: Role, **rights: object) -> Principal:
        return self.world.join(self.owner, email, role, **rights)

    def _fill(self) -> None:
        world, owner = self.world, self.owner
        self.earlier = world.live(owner, self.agent)
        self.live = world.live(owner, self.agent)
        self.hidden = world.live(owner, self.other_agent)
        self.awaiting: Version = world.platform.versions.create_upload(
            owner, self.agent.id, filename="agent.zip", size=None, deploy=False
        )[0]
        world.artifacts.sources[self.awaiting.source.key] = zipped(PYTHON_AGENT)
        self.held = world.upload(owner, self.agent, hold=True)
        self.moving: Deployment = world.platform.deployments.request(
            owner, self.agent.id, version_id=self.live.version_id, environment="staging"
        )
        self.invitation = world.platform.invitations.invite(
            owner, email="invited@example.com", role=Role.VIEWER
        )
        world.clock.sleep(120)

    def _connect(self) -> None:
        """The agent has a repository, from a fork of which somebody asks to be let in."""
        world, owner = self.world, self.owner
        installed(world, owner)
        world.code_host.create("acme/closed", private=True, installation_id=INSTALLATION)
        self.repo = repo = hooked(world, owner, self.agent, previews=PreviewsOf.ON)
        repo.send("star", {"action": "created"})
        self.fork_sha = world.code_host.push(
            repo.kept, PYTHON_AGENT, "From afar", branch="theirs"
        ).sha
        theirs = {"id": 5, "full_name": "eve/open"}
        repo.send("pull_request", repo.pull("opened", 9, self.fork_sha, head_repo=theirs))
        self.delivery = deliveries(world, self.agent)[-1]

    def _invite_elsewhere(self) -> None:
        """Everybody has an invitation to somebody else's organisation, to accept it."""
        world = self.world
        elsewhere = world.founded("elsewhere@example.com", "Elsewhere")
        self.invitations: dict[str, str] = {}
        for email in PEOPLE:
            world.platform.invitations.invite(elsewhere, email=email, role=Role.VIEWER)
            self.invitations[email] = world.mailed_token()

    # --- the marketplace ------------------------------------------------------------------------

    def _market(self) -> None:
        """Somebody else publishes an agent."""
        maker = self.world.founded("maker@example.com", "Makers")
        self.offered = self.world.agent(maker, "Crawler")
        self.maker = maker
        self.fit(maker, self.offered)
        self.publish(maker, self.offered)

    def fit(self, who: Principal, agent: Agent) -> Version:
        """A ready version that can be published."""
        return self.world.finish_build(self.world.upload(who, agent, SOURCE), **PASSED)

    def publish(self, who: Principal, agent: Agent, **words: str) -> None:
        listings = self.world.platform.listings
        fields = {
            "slug": PUBLIC_SLUG,
            "name": "Site crawler",
            "summary": "Crawls a web site and returns its pages as JSON",
            "categories": (Category.WEB_SCRAPING,),
            **words,
        }
        listings.put(who, agent.id, if_revision=None, fields=fields)
        listings.publish(who, agent.id, None)
        self.world.platform.indexing.refresh([(agent.org_id, agent.id)])

    def copy(self, who: Principal, slug: str, name: str | None = None) -> Copy:
        return self.world.platform.copies.create(
            who, slug, name=name, variables=VARIABLES, deploy=name is None
        )

    def _publish(self) -> None:
        """Acme's own agent is public, too; and its origin has something newer to take over."""
        self.fit(self.owner, self.agent)
        self.publish(self.owner, self.agent, slug=OWN_SLUG, name="Loud echo")
        self.fitter = self.fit(self.owner, self.agent)
        self.fit(self.maker, self.offered)
        self.world.platform.listings.publish(self.maker, self.offered.id, None)

    def _review(self) -> None:
        """Everybody has run the public agent and said what they think of it; one has been told on.

        They ran it in organisations of their own, so that nothing of it is Acme's.
        """
        reviews = self.world.platform.reviews
        for email in PEOPLE:
            self.ran(email, PUBLIC_SLUG)
            reviews.put(self.world.sign_in(email), PUBLIC_SLUG, stars=3, text=f"By {email}")
        reviewer = self.ran("reviewer@example.com", PUBLIC_SLUG)
        self.ran("reviewer@example.com", OWN_SLUG)
        self.review = reviews.put(reviewer, PUBLIC_SLUG, stars=5, text="Works well.")
        self.own_review = reviews.put(reviewer, OWN_SLUG, stars=1, text="Broken.")
        self.report = self.world.platform.moderators.report(
            reviewer, PUBLIC_SLUG, reason=ReportReason.SPAM, detail="An advertisement"
        )

    def _share(self) -> None:
        """Somebody else shows everybody here what is not public; and Acme shares its agent."""
        sharing = self.world.platform.sharing
        self.shared = self.world.agent(self.maker, "Not for everybody")
        self.fit(self.maker, self.shared)
        for email in PEOPLE:
            sharing.share(self.maker, self.shared.id, kind=ShareKind.PERSON, email=email)
        self.share, self.link = sharing.share(self.owner, self.agent.id, kind=ShareKind.LINK)

    def ran(self, email: str, slug: str) -> Principal:
        """Somebody whose own copy has been live."""
        who = self.world.sign_in(email)
        made = self.copy(who, slug)
        assert made.deployment_id is not None
        self.world.run_machine(who, made.deployment_id)
        return who

    # --- who calls ------------------------------------------------------------------------------

    def person(self, email: str, *, within: bool = True, **headers: str) -> Caller:
        """Somebody signed in, in Acme unless they are a stranger."""
        world = self.world
        first = world.sign_in(email)
        bearer = world.access_token(email)
        now = world.clock.now()
        session = world.platform.access.principal(bearer)
        profile = Profile("acme", "https://issuer.test", f"offered {email}", email, "Name")
        stored = world.store.get(Session, session.user_id, str(session.session_id))
        assert stored is not None
        offer = Offer(profile, now.replace(year=now.year + 1))
        world.store.commit(Put(replace(stored, offer=offer, revision=stored.revision + 1)))
        held = Profile("acme", "https://issuer.test", f"held {email}", email, "Name")
        identity: Identity = held.identity(new_id("idn"), session.user_id, now)
        world.store.commit(Put(identity))
        own = {"session_id": str(first.session_id), "identity_id": identity.id}
        where = self.org_id if within else first.org_id
        member = world.platform.access.principal(bearer, organisation=where)
        own["token_id"] = self.token_of(member) if member.role is not Role.VIEWER else self.spare
        if within:
            headers["slipway-organisation"] = self.org_id
        return Caller(
            email,
            session.user_id,
            bearer,
            own,
            self.invitations[email],
            headers,
            first.org_id,
        )

    def token_of(self, member: Principal) -> str:
        token, _ = self.world.platform.tokens.create(
            member, name="own", scope=Scope.READ, expires_at=None
        )
        return token.id

    @cached_property
    def spare(self) -> str:
        """A token of the owner's."""
        return self.token_of(self.owner)

    def token(self, scope: Scope, agent: Agent | None = None) -> Caller:
        """An API token of the owner's."""
        _, secret = self.world.platform.tokens.create(
            self.owner,
            name="caller",
            scope=scope,
            expires_at=None,
            agent_id=None if agent is None else agent.id,
        )
        return Caller(
            "owner@example.com",
            self.owner.user_id,
            secret,
            {"session_id": new_id("ses"), "identity_id": new_id("idn"), "token_id": self.spare},
            self.invitations["owner@example.com"],
        )

    def nobody(self) -> Caller:
        return Caller("", "", None, {}, "x" * 20)
