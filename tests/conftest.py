"""A whole platform in memory, and people to use it; what every suite below e2e builds on."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chalicelib.adapters.memory import (
    MemoryArtifacts,
    MemoryBuilder,
    MemoryCaller,
    MemoryCatalogue,
    MemoryClock,
    MemoryCounters,
    MemoryEngine,
    MemoryMail,
    MemorySchedule,
    MemorySigner,
    MemoryStore,
    MemoryTasks,
    MemoryVault,
)
from chalicelib.adapters.memory_code_host import MemoryCodeHost
from chalicelib.adapters.memory_host import MemoryHost
from chalicelib.bootstrap import Adapters, Platform, wire
from chalicelib.domain.agents import Agent
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.tenancy import Principal, Role
from chalicelib.domain.versions import Version
from chalicelib.ports import Provider, Vault
from chalicelib.services.sessions import SignedIn, Visitor
from chalicelib.settings import Settings

PYTHON_AGENT = {
    "agent.yaml": "name: Echo\nruntime: python\nstart:\n  command: python main.py\n",
    "main.py": "print('hello')\n",
}


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def settings(**env: str) -> Settings:
    return Settings.from_env(
        {
            "SLIPWAY_STAGE": "test",
            "SLIPWAY_TABLE": "table",
            "SLIPWAY_SOURCES_BUCKET": "sources",
            "SLIPWAY_ARTIFACTS_BUCKET": "artifacts",
            "SLIPWAY_BUILD_PROJECT": "project",
            "SLIPWAY_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:m",
            "SLIPWAY_RECONCILE_RULE": "rule",
            "SLIPWAY_PARAMETERS": "/slipway/test",
            "SLIPWAY_WEB_URL": "http://localhost:8800",
            "SLIPWAY_MAIL_FROM": "slipway@example.com",
            "SLIPWAY_IMAGE_REPOSITORY": "registry.test/slipway",
            "SLIPWAY_RAILWAY_URL": "http://railway.test/graphql/v2",
            "SLIPWAY_RAILWAY_PROJECT_ID": "project",
            "SLIPWAY_RAILWAY_ENVIRONMENT_ID": "environment",
            "SLIPWAY_AGENT_URL_SCHEME": "http",
            "SLIPWAY_WATCH_SECONDS": "0.1,1",
            "SLIPWAY_OPERATORS": "operator@example.com",
            **env,
        }
    )


@dataclass
class World:
    """The platform and everything around it, all in memory."""

    store: MemoryStore = field(default_factory=MemoryStore)
    counters: MemoryCounters = field(default_factory=MemoryCounters)
    host: MemoryHost = field(default_factory=MemoryHost)
    builder: MemoryBuilder = field(default_factory=MemoryBuilder)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    catalogue: MemoryCatalogue = field(default_factory=MemoryCatalogue)
    mail: MemoryMail = field(default_factory=MemoryMail)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    tasks: MemoryTasks = field(default_factory=MemoryTasks)
    schedule: MemorySchedule = field(default_factory=MemorySchedule)
    caller: MemoryCaller = field(default_factory=MemoryCaller)
    vault: Vault = field(default_factory=MemoryVault)
    clock: MemoryClock = field(default_factory=MemoryClock)
    # Tests are in more of a hurry than people; those of the limits say so.
    env: dict[str, str] = field(default_factory=lambda: {"SLIPWAY_RATE_FACTOR": "1000"})
    signer: MemorySigner = field(default_factory=MemorySigner)
    providers: dict[str, Provider] = field(default_factory=dict)
    code_host: MemoryCodeHost = field(default_factory=MemoryCodeHost)
    adapters: Adapters = field(init=False)
    platform: Platform = field(init=False)

    def __post_init__(self) -> None:
        self.adapters = Adapters(
            store=self.store,
            counters=self.counters,
            host=self.host,
            builder=self.builder,
            artifacts=self.artifacts,
            catalogue=self.catalogue,
            mail=self.mail,
            vault=self.vault,
            signer=self.signer,
            engine=self.engine,
            tasks=self.tasks,
            schedule=self.schedule,
            caller=self.caller,
            clock=self.clock,
            providers=self.providers,
            webhook_secret=lambda: "hook",
            code_host=self.code_host,
            code_host_secret=lambda: "app secret" if self.code_host.app else "",
        )
        self.platform = wire(settings(**self.env), self.adapters)

    def sign_in(self, email: str = "ada@example.com") -> Principal:
        return self.platform.access.principal(self.access_token(email))

    def access_token(self, email: str = "ada@example.com") -> str:
        return self.session(email).access_token

    def session(self, email: str = "ada@example.com", visitor: Visitor | None = None) -> SignedIn:
        """Somebody who follows the link in their mail, in the browser that asked for it."""
        visitor = visitor or Visitor()
        browser = self.platform.sign_in.request_link(email, visitor)
        secret = self.mail.sent[-1][2].split("#token=")[1].split()[0]
        return self.platform.sign_in.redeem(secret, replace(visitor, browser=browser))

    def founded(self, email: str = "ada@example.com", name: str = "Acme") -> Principal:
        """The owner of a new organisation, in it."""
        made = self.platform.organisations.create(self.sign_in(email), name=name)
        return self.within(made.organisation.id, email)

    def within(self, org_id: str, email: str) -> Principal:
        return self.platform.access.principal(self.access_token(email), organisation=org_id)

    def mailed_token(self) -> str:
        """The secret in the link of the latest mail."""
        return self.mail.sent[-1][2].split("#token=")[1].split()[0]

    def join(
        self, inviter: Principal, email: str, role: Role = Role.DEVELOPER, **rights: Any
    ) -> Principal:
        """Somebody who was invited and has accepted, in the organisation."""
        self.platform.invitations.invite(inviter, email=email, role=role, **rights)
        token = self.mailed_token()
        self.platform.invitations.accept(self.sign_in(email), token)
        return self.within(inviter.org_id, email)

    def scheduled(self) -> bool:
        """Whether the reconciler is called at intervals."""
        return self.schedule.enabled

    def agent(self, who: Principal, name: str = "Echo") -> Agent:
        return self.platform.agents.create(who, name=name)

    def upload(
        self,
        who: Principal,
        agent: Agent,
        files: Mapping[str, str | bytes] | None = None,
        *,
        deploy: bool = False,
        hold: bool = False,
    ) -> Version:
        """A version whose source has arrived and been read."""
        version, _ = self.platform.versions.create_upload(
            who, agent.id, filename="agent.zip", size=None, deploy=deploy, hold=hold
        )
        self.artifacts.sources[version.source.key] = zipped(files or PYTHON_AGENT)
        found = self.platform.versions.receive_upload(version.org_id, version.id)
        assert found is not None
        return found

    def finish_build(self, version: Version, **report: object) -> Version:
        """The build ends with this report; by default it has succeeded."""
        image = f"registry.test/slipway/x@sha256:{version.id[-26:]:0>64}"
        content = {"state": "succeeded", "image": image, "size_bytes": 1, **report}
        self.artifacts.put_json(f"{version.prefix}report.json", content)
        found = self.platform.versions.finish_build(version.org_id, version.id, "SUCCEEDED")
        assert found is not None
        return found

    def ready(self, who: Principal, agent: Agent, *, deploy: bool = False) -> Version:
        return self.finish_build(self.upload(who, agent, deploy=deploy))

    def live(self, who: Principal, agent: Agent) -> Deployment:
        """A new version, built, deployed and live."""
        version = self.ready(who, agent, deploy=True)
        assert version.deployment_id is not None
        return self.run_machine(who, version.deployment_id)

    def work(self, *, most: int = 200) -> int:
        """What the stream, its worker and the object store do, until nothing is left to do."""
        done = 0
        while done < most:
            changes, self.store.stream = self.store.stream, []
            work = self.platform.work
            work.hand_over(work.plan(changes))
            if not self.tasks.waiting:
                return done
            task = self.tasks.waiting.pop(0)
            work.run(task)
            done += 1
            if task.kind == "fetch":
                version = self.store.get(Version, task.org_id, task.subject)
                if version is not None and version.source.key in self.artifacts.sources:
                    self.platform.versions.receive_upload(version.org_id, version.id)
        raise AssertionError(f"still something to do after {most} tasks")

    def run_machine(self, who: Principal, deployment_id: str) -> Deployment:
        """What the state machine does: steps until one says it is done."""
        step = "release"
        for _ in range(200):
            outcome = self.platform.releases.step(step, who.org_id, deployment_id)
            if outcome.next == "done":
                break
            if outcome.next == "wait":
                self.adapters.clock.sleep(outcome.wait_seconds)
            else:
                step = outcome.next
        return self.platform.deployments.get(who, deployment_id)


@pytest.fixture
def world() -> World:
    return World()
