"""What a code host sends: payloads in the form it documents, signed, to a platform in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from chalicelib.adapters.memory_code_host import MemoryRepository
from chalicelib.domain.agents import Agent
from chalicelib.domain.connections import Connection
from chalicelib.domain.deliveries import Delivery
from chalicelib.domain.signatures import signature_of
from chalicelib.domain.tenancy import Principal
from chalicelib.ports import DELIVERIES, every
from chalicelib.services.connections import Wish
from chalicelib.services.deliveries import Arrival
from tests.conftest import PYTHON_AGENT, World

INSTALLATION = 77
APP_SECRET = "app secret"
NOTHING = "0" * 40


@dataclass
class Repo:
    """A repository at the code host whose events reach the platform."""

    world: World
    kept: MemoryRepository
    installation_id: int | None = INSTALLATION
    hook_id: str | None = None
    secret: str = APP_SECRET

    @property
    def about(self) -> dict[str, Any]:
        about = self.kept.about
        return {"id": about.id, "full_name": about.full_name, "private": about.private}

    def commit(self, message: str = "A change", branch: str = "main", **files: str) -> str:
        """A commit there, which nobody has told us of yet."""
        named = {name.replace("__", "/").replace("_dot_", "."): c for name, c in files.items()}
        content = {**PYTHON_AGENT, "n.txt": str(len(self.kept.commits)), **named}
        return self.world.code_host.push(self.kept, content, message, branch=branch).sha

    def push(
        self, message: str = "A change", *, branch: str = "main", before: str = "", **files: str
    ) -> str:
        """A commit, and word of it; its SHA."""
        before = before or self.kept.branches.get(branch, NOTHING)
        sha = self.commit(message, branch, **files)
        self.send("push", self.pushed(sha, before=before, branch=branch, message=message))
        return sha

    def pushed(
        self,
        after: str,
        *,
        before: str = NOTHING,
        branch: str = "main",
        message: str = "A change",
        **more: Any,
    ) -> dict[str, Any]:
        return {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "created": before == NOTHING,
            "deleted": after == NOTHING,
            "forced": False,
            "head_commit": {"id": after, "message": message},
            "commits": [],
            **more,
        }

    def pull(self, action: str, number: int, sha: str, **more: Any) -> dict[str, Any]:
        """A pull request's event; `at` is the host's time, `head_repo` where its branch is."""
        at = more.pop("at", f"2026-01-01T00:00:{number:02d}Z")
        theirs = more.pop("head_repo", self.about)
        base = self.kept.branches["main"]
        return {
            "action": action,
            "number": number,
            "pull_request": {
                "number": number,
                "title": f"Change {number}",
                "user": {"login": "ada"},
                "updated_at": at,
                "head": {"ref": "feature", "sha": sha, "repo": theirs},
                "base": {"ref": more.pop("base", "main"), "sha": base, "repo": self.about},
            },
            **more,
        }

    def send(
        self, event: str, payload: Any, *, guid: str | None = None, work: bool = True, **more: Any
    ) -> bool:
        """Has it delivered; whether it was new."""
        if isinstance(payload, dict):
            payload = {"repository": self.about, **payload}
            if self.installation_id is not None and self.hook_id is None:
                payload.setdefault("installation", {"id": self.installation_id})
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        arrival = Arrival(
            event=event,
            guid=guid or str(uuid4()),
            sha256=more.get("signature", signature_of(body, self.secret)),
            sha1=more.get("sha1"),
            length=len(body),
        )
        new = self.world.platform.deliveries.receive(arrival, lambda: body, self.hook_id)
        if work:
            self.world.work()
        return new


def connected(
    world: World,
    who: Principal,
    agent: Agent,
    name: str = "acme/echo",
    *,
    by: Principal | None = None,
    **wish: Any,
) -> Repo:
    """An agent that is connected to a repository by the app; `by` proves the installation."""
    host = world.code_host
    known = next((r for r in host.kept.values() if r.about.full_name == name), None)
    kept = known or host.create(name, private=True, installation_id=INSTALLATION)
    repo = Repo(world, kept)
    if not kept.commits:
        repo.commit("First")
    if not any(
        kept.about.id in one.repositories for one in world.platform.installations.listed(who)
    ):
        installed(world, by or who)
    world.platform.connections.put(
        who, agent.id, Wish(name, installation_id=INSTALLATION, **wish), if_revision=None
    )
    return repo


def installed(world: World, who: Principal, installation_id: int = INSTALLATION) -> None:
    """Somebody proves that they may use an installation."""
    code = f"code-{uuid4()}"
    world.code_host.install(installation_id, "acme", code)
    address, _ = world.platform.installations.start(who)
    state = address.rpartition("state=")[2]
    world.platform.installations.complete(
        who, state=state, code=code, installation_id=installation_id
    )


def hooked(
    world: World, who: Principal, agent: Agent, name: str = "acme/open", **wish: Any
) -> Repo:
    """An agent that is connected to a public repository by a webhook of its own."""
    kept = world.code_host.create(name)
    repo = Repo(world, kept, installation_id=None)
    repo.commit("First")
    made = world.platform.connections.put(who, agent.id, Wish(name, **wish), if_revision=None)
    assert made.secret is not None
    repo.hook_id, repo.secret = made.connection.hook_id, made.secret
    return repo


def connection(world: World, agent: Agent) -> Connection:
    found = world.platform.connections.stored(agent.org_id, agent.id)
    assert found is not None
    return found


def deliveries(world: World, agent: Agent) -> list[Delivery]:
    """What arrived for the agent, newest first."""
    return list(every(world.store, DELIVERIES, agent.org_id, agent.id))


def outcomes(world: World, agent: Agent) -> list[str]:
    """What came of each delivery, oldest first."""
    return [one.code for one in reversed(deliveries(world, agent))]
