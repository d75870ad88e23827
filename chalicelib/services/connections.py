"""Connecting an agent to its repository: by the app, or by a webhook of the agent's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.domain.agents import Agent
from chalicelib.domain.audit import Audited, AuditEvent, changed
from chalicelib.domain.connections import (
    Connection,
    ConnectionState,
    HookClaim,
    How,
    Installed,
    PreviewsOf,
    checked_branch,
    checked_repository,
    checked_root,
    shown,
)
from chalicelib.domain.deliveries import Outcome
from chalicelib.domain.ids import new_id
from chalicelib.domain.repositories import Repository, RepositoryRef
from chalicelib.domain.sign_in import new_secret
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.domain.watch import checked_patterns
from chalicelib.errors import (
    CodeHostRefused,
    Conflict,
    FieldError,
    Invalid,
    NotFound,
    PreconditionFailed,
)
from chalicelib.ports import (
    TRACKS,
    Change,
    Clock,
    CodeHost,
    Delete,
    Put,
    Store,
    Vault,
    every,
)
from chalicelib.services.agents import Agents
from chalicelib.services.audit import Audit
from chalicelib.services.pull_requests import PullRequests
from chalicelib.services.tracks import Tracks
from chalicelib.values import frozen

NOT_CONNECTED = "This agent is not connected to a repository."
_SETTINGS = ("branch", "root", "watch", "auto_deploy", "wait_for_checks", "previews")


@frozen
class Wish:
    """How an agent is to be connected. Without a branch: the repository's own default."""

    repository: str
    installation_id: int | None = None
    branch: str | None = None
    root: str = ""
    watch: Sequence[str] = ()
    auto_deploy: bool = True
    wait_for_checks: bool = False
    previews: PreviewsOf = PreviewsOf.OFF


@frozen
class Connected:
    """`secret` is the webhook's, and shown this once; None when it stays as it was."""

    connection: Connection
    secret: str | None = None


class Connections:
    def __init__(
        self,
        *,
        store: Store,
        audit: Audit,
        vault: Vault,
        code_host: CodeHost,
        agents: Agents,
        tracks: Tracks,
        pull_requests: PullRequests,
        clock: Clock,
    ) -> None:
        self._store = store
        self._audit = audit
        self._vault = vault
        self._code_host = code_host
        self._agents = agents
        self._tracks = tracks
        self._pull_requests = pull_requests
        self._clock = clock

    def get(self, principal: Principal, agent_id: str) -> Connection:
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.REPOSITORY_READ, agent_id)
        found = self.stored(agent.org_id, agent.id)
        if found is None:
            raise NotFound(NOT_CONNECTED, code="not_connected")
        return found

    def stored(self, org_id: str, agent_id: str) -> Connection | None:
        return self._store.get(Connection, org_id, agent_id)

    def put(
        self, principal: Principal, agent_id: str, wish: Wish, *, if_revision: int | None
    ) -> Connected:
        """Connects the agent, or changes how it is connected."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.REPOSITORY_CONNECT, agent_id)
        known = self.stored(agent.org_id, agent.id)
        if if_revision is not None and if_revision != (known.revision if known else 0):
            raise PreconditionFailed(
                "Somebody changed this connection since you read it. Read it again and repeat."
            )
        name, root = checked_repository(wish.repository), checked_root(wish.root)
        watch = checked_patterns(wish.watch)
        found = self._readable(principal, name, wish.installation_id)
        branch = self._existing(found, wish)
        how = How.APP if wish.installation_id is not None else How.WEBHOOK
        now = self._clock.now()
        same = known is not None and (known.repository_id, known.how) == (found.id, how)
        base = known or Connection(
            org_id=agent.org_id,
            agent_id=agent.id,
            repository=found.full_name,
            repository_id=found.id,
            branch=branch,
            how=how,
            created_by=principal.user_id,
            created_at=now,
            updated_at=now,
            revision=0,
        )
        wanted = base.following(
            now,
            repository=found.full_name,
            repository_id=found.id,
            branch=branch,
            how=how,
            installation_id=wish.installation_id,
            root=root,
            watch=watch,
            auto_deploy=wish.auto_deploy,
            wait_for_checks=wish.wait_for_checks,
            previews=wish.previews,
            private=found.private,
            state=ConnectionState.CONNECTED,
            reason="",
        )
        changes: list[Change] = []
        secret: str | None = None
        if not same:
            # Another repository is another beginning: whose webhook it was speaks no more.
            changes += self._unhooked(known)
            wanted = replace(wanted, hook_id="", sealed="", created_by=principal.user_id)
            if how is How.WEBHOOK:
                secret = new_secret()
                hook_id = new_id("hok")
                wanted = replace(wanted, hook_id=hook_id, sealed=self._sealed(wanted, secret))
                changes.append(Put(HookClaim(hook_id, agent.org_id, agent.id)))
        self._audit.commit(self._said(principal, known, wanted, same=same), Put(wanted), *changes)
        if known is not None and not same:
            self._begin_anew(agent)
        elif wanted.previews is PreviewsOf.OFF:
            self._pull_requests.close_all(agent.org_id, agent.id)
        return Connected(wanted, secret)

    def renew_secret(self, principal: Principal, agent_id: str) -> Connected:
        """A new secret for the agent's webhook; the former one counts no more."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.REPOSITORY_CONNECT, agent_id)
        known = self.get(principal, agent_id)
        if known.how is not How.WEBHOOK:
            raise Conflict(
                "This agent is connected by the app, which has one secret for all.",
                code="no_webhook",
            )
        secret = new_secret()
        renewed = known.following(self._clock.now(), sealed=self._sealed(known, secret))
        event = AuditEvent.by(principal, Audited.REPOSITORY_SECRET_RENEWED, agent.id)
        self._audit.commit(event, Put(renewed))
        return Connected(renewed, secret)

    def remove(self, principal: Principal, agent_id: str) -> None:
        """Disconnects the agent. What runs goes on running; previews are taken away."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.REPOSITORY_CONNECT, agent_id)
        known = self.get(principal, agent_id)
        event = AuditEvent.by(
            principal, Audited.REPOSITORY_DISCONNECTED, agent.id, before=shown(known)
        )
        self._audit.commit(event, Delete(known), *self._unhooked(known))
        self._begin_anew(agent)

    def secret_of(self, connection: Connection) -> str:
        """What calls of the agent's own webhook are signed with."""
        if not connection.sealed:
            return ""
        opened = self._vault.open(connection.sealed, context=_context(connection))
        return opened["secret"]

    def by_hook(self, hook_id: str) -> Connection | None:
        """Whose webhook address it is."""
        claim = self._store.get(HookClaim, hook_id)
        found = self.stored(claim.org_id, claim.agent_id) if claim else None
        return found if found is not None and found.hook_id == hook_id else None

    # --- how ----------------------------------------------------------------------------------

    def _readable(self, principal: Principal, name: str, installation_id: int | None) -> Repository:
        """The repository, if it may be read so; the installation is never taken on trust."""
        held: Installed | None = None
        if installation_id is not None:
            held = self._store.get(Installed, principal.org_id, str(installation_id))
            if held is None:
                raise _wrong(
                    "installation_id",
                    "Your organisation has no such installation. Install the app first: POST "
                    "/github/installations says where.",
                    code="installation_unknown",
                )
        try:
            found = self._code_host.repository(RepositoryRef(name, 0, installation_id))
        except CodeHostRefused as error:
            raise _wrong(
                "repository",
                f"{error.detail} Check its name; a private one can be read through the app alone.",
                code=error.code,
            ) from error
        if held is not None and found.id not in held.repositories:
            # In the words of one that is not there: who may not read it need not know of it.
            raise _wrong(
                "repository",
                f"There is no repository {name} that you may read. If it is new, install the app "
                "once more (POST /github/installations says where): that shows it to us.",
                code="repository_gone",
            )
        if installation_id is None and found.private:
            raise _wrong(
                "repository", "A private repository is connected through the app.", code="private"
            )
        if found.archived:
            raise _wrong("repository", "It is archived: nobody can push to it.", code="archived")
        return found

    def _existing(self, found: Repository, wish: Wish) -> str:
        branch = checked_branch(wish.branch or found.default_branch)
        ref = RepositoryRef(found.full_name, found.id, wish.installation_id)
        try:
            self._code_host.commit(ref, branch)
        except CodeHostRefused as error:
            if error.code != "commit_gone":
                raise
            raise _wrong(
                "branch", f"{found.full_name} has no branch {branch}.", code="branch_unknown"
            ) from error
        return branch

    def _sealed(self, connection: Connection, secret: str) -> str:
        return self._vault.seal({"secret": secret}, context=_context(connection))

    def _unhooked(self, known: Connection | None) -> list[Change]:
        claim = self._store.get(HookClaim, known.hook_id) if known and known.hook_id else None
        return [Delete(claim)] if claim is not None else []

    def _begin_anew(self, agent: Agent) -> None:
        """Nothing of the former repository waits any more, and none of its previews stays."""
        why = Outcome("disconnected", "The repository was disconnected.")
        for track in list(every(self._store, TRACKS, agent.org_id, agent.id)):
            self._tracks.drop(track.org_id, track.agent_id, track.environment, why)
        self._pull_requests.close_all(agent.org_id, agent.id)

    @staticmethod
    def _said(
        principal: Principal, known: Connection | None, wanted: Connection, *, same: bool
    ) -> AuditEvent:
        if known is None or not same:
            return AuditEvent.by(
                principal,
                Audited.REPOSITORY_CONNECTED,
                wanted.agent_id,
                before=shown(known) if known else {},
                after=shown(wanted),
            )
        before, after = changed(known, wanted, *_SETTINGS)
        return AuditEvent.by(
            principal, Audited.REPOSITORY_CHANGED, wanted.agent_id, before=before, after=after
        )


def _context(connection: Connection) -> str:
    return f"{connection.org_id}/{connection.agent_id}/webhook"


def _wrong(field: str, detail: str, *, code: str) -> Invalid:
    return Invalid(
        "The agent cannot be connected so.", code=code, errors=(FieldError(field, detail),)
    )
