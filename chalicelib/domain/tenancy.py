"""Who may do what: users, organisations, roles, and the one table of permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from chalicelib.errors import Conflict, Forbidden
from chalicelib.values import frozen


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


class Scope(StrEnum):
    """What an API token may be used for; each includes the ones before it."""

    READ = "read"
    DEPLOY = "deploy"
    ADMIN = "admin"


class Action(StrEnum):
    """`<noun>:<verb>`, alphabetical."""

    ACCOUNT_MANAGE = "account:manage"
    ACCOUNT_READ = "account:read"
    AGENT_CREATE = "agent:create"
    AGENT_DELETE = "agent:delete"
    AGENT_PUBLISH = "agent:publish"
    AGENT_READ = "agent:read"
    AGENT_SHARE = "agent:share"
    AGENT_UPDATE = "agent:update"
    AUDIT_READ = "audit:read"
    DEPLOYMENT_CREATE = "deployment:create"
    DEPLOYMENT_OPERATE = "deployment:operate"
    DEPLOYMENT_READ = "deployment:read"
    INSTALLATION_MANAGE = "installation:manage"
    INSTALLATION_READ = "installation:read"
    MARKETPLACE_MODERATE = "marketplace:moderate"
    MEMBER_INVITE = "member:invite"
    MEMBER_LEAVE = "member:leave"
    MEMBER_READ = "member:read"
    MEMBER_REMOVE = "member:remove"
    MEMBER_UPDATE = "member:update"
    ORGANISATION_CREATE = "organisation:create"
    ORGANISATION_DELETE = "organisation:delete"
    ORGANISATION_READ = "organisation:read"
    ORGANISATION_TRANSFER = "organisation:transfer"
    ORGANISATION_UPDATE = "organisation:update"
    PREVIEW_APPROVE = "preview:approve"
    REPOSITORY_CONNECT = "repository:connect"
    REPOSITORY_READ = "repository:read"
    REVIEW_WRITE = "review:write"
    TOKEN_CREATE = "token:create"  # noqa: S105 - a permission's name
    TOKEN_MANAGE = "token:manage"  # noqa: S105 - a permission's name
    VARIABLES_READ = "variables:read"
    VARIABLES_WRITE = "variables:write"
    VERSION_CREATE = "version:create"
    VERSION_READ = "version:read"


_READ = frozenset(
    {
        Action.ACCOUNT_READ,
        Action.AGENT_READ,
        Action.DEPLOYMENT_READ,
        Action.MEMBER_READ,
        Action.ORGANISATION_READ,
        Action.REPOSITORY_READ,
        Action.VARIABLES_READ,
        Action.VERSION_READ,
    }
)
_DEPLOY = _READ | {
    Action.AGENT_CREATE,
    Action.AGENT_UPDATE,
    Action.DEPLOYMENT_CREATE,
    Action.DEPLOYMENT_OPERATE,
    Action.INSTALLATION_READ,
    Action.REPOSITORY_CONNECT,
    Action.VARIABLES_WRITE,
    Action.VERSION_CREATE,
}
_ALL = frozenset(Action)
# A person's own account, a new organisation, leaving one and what a person says in public are
# nobody else's business: every role may. Who moderates is a list of the platform's operators.
_OWN = frozenset(
    {
        Action.ACCOUNT_MANAGE,
        Action.MARKETPLACE_MODERATE,
        Action.MEMBER_LEAVE,
        Action.ORGANISATION_CREATE,
        Action.REVIEW_WRITE,
    }
)

PERMISSIONS: dict[Role, frozenset[Action]] = {
    Role.OWNER: _ALL,
    Role.ADMIN: _ALL - {Action.ORGANISATION_DELETE, Action.ORGANISATION_TRANSFER},
    Role.DEVELOPER: _DEPLOY
    | _OWN
    | {Action.PREVIEW_APPROVE, Action.TOKEN_CREATE, Action.TOKEN_MANAGE},
    Role.VIEWER: _READ | _OWN,
}
# Who a person is, and whom an organisation belongs to, is changed by people who have signed in: no
# token's scope reaches that far. Nor does a token make another one, which could outlive it, or
# say that a stranger's code was looked at.
SIGNED_IN_ONLY = _OWN | {
    Action.ORGANISATION_DELETE,
    Action.ORGANISATION_TRANSFER,
    Action.PREVIEW_APPROVE,
    Action.TOKEN_CREATE,
}
SCOPES: dict[Scope, frozenset[Action]] = {
    Scope.READ: _READ,
    Scope.DEPLOY: _DEPLOY,
    Scope.ADMIN: _ALL - SIGNED_IN_ONLY,
}
OF_AGENTS = frozenset(
    action
    for action in Action
    if action.partition(":")[0]
    in ("agent", "deployment", "preview", "repository", "variables", "version")
)
"""What a grant on one agent, or a token for one agent, can be about."""
WHILE_CLOSING = _READ | _OWN | {Action.AUDIT_READ, Action.ORGANISATION_DELETE}
"""What an organisation still allows while it waits to be removed; restoring it is one of them."""
_ANY_TOKEN = OF_AGENTS | {Action.ACCOUNT_READ}
"""What a token for one agent may ask without naming an agent."""
RANKS = {role: rank for rank, role in enumerate(reversed(Role))}


@frozen
class User:
    id: str
    email: str
    name: str
    personal_org_id: str
    created_at: datetime
    revision: int = 1


@frozen
class EmailClaim:
    """Holds an email address for one user, so that two sign-ups at once make one account."""

    email: str
    user_id: str
    revision: int = 1


@frozen
class Organisation:
    """The tenant. From `closed_at` on it is closing: nothing runs, and at `closes_at` it is removed
    for good. `settled`: all of it was seen to have stopped; `removing`: there is no way back."""

    id: str
    name: str
    personal: bool
    created_at: datetime
    tier: str = "free"
    closed_at: datetime | None = None
    closes_at: datetime | None = None
    settled: bool = False
    removing: bool = False
    revision: int = 1

    @property
    def closing(self) -> bool:
        return self.closes_at is not None


@frozen
class Membership:
    """A person's place in an organisation.

    `grants` are roles on single agents, by agent id; a grant can only widen the role. With
    `restricted`, the role counts for nothing but what concerns no agent: such a member sees the
    granted agents and no others.
    """

    org_id: str
    user_id: str
    role: Role
    created_at: datetime
    grants: Mapping[str, Role] = field(default_factory=dict)
    restricted: bool = False
    revision: int = 1


@frozen
class Principal:
    """Who is calling, for which organisation, with which rights."""

    user_id: str
    org_id: str
    role: Role
    scope: Scope = Scope.ADMIN
    token_id: str | None = None
    agent_id: str | None = None
    """The one agent that the token is for; None for all."""
    grants: Mapping[str, Role] = field(default_factory=dict)
    restricted: bool = False
    session_id: str | None = None
    tier: str = "free"
    address: str = ""
    """Where the call comes from, for the audit log."""
    closing: bool = False
    """The organisation waits to be removed: it can be looked at and restored, nothing else."""

    def role_on(self, agent_id: str) -> Role | None:
        """The role that counts for an agent; None: it is not to be seen."""
        if self.agent_id not in (None, agent_id):
            return None
        granted = self.grants.get(agent_id)
        if self.restricted:
            return granted
        return max(self.role, granted or self.role, key=RANKS.__getitem__)

    def sees(self, agent_id: str) -> bool:
        """Whether the agent exists for this principal at all; what it does not see is 404."""
        return self.role_on(agent_id) is not None

    def visible_agents(self) -> frozenset[str] | None:
        """The only agents that can exist for this principal; None for all of the organisation's."""
        named = None if self.agent_id is None else frozenset({self.agent_id})
        if not self.restricted:
            return named
        return frozenset(a for a in self.grants if self.sees(a))

    def may(self, action: Action, agent_id: str | None = None) -> bool:
        return self._refusal(action, agent_id) is None

    def require(self, action: Action, agent_id: str | None = None) -> None:
        """Raises Forbidden unless both the role and the token's scope allow the action, and
        Conflict for what a closing organisation does not allow."""
        refusal = self._refusal(action, agent_id)
        if refusal is not None:
            raise Forbidden(refusal)
        if self.closing and action not in WHILE_CLOSING:
            raise Conflict(
                "This organisation is being deleted: everything in it has stopped and can only be "
                "looked at. An owner can restore it.",
                code="organisation_closing",
            )

    def _refusal(self, action: Action, agent_id: str | None) -> str | None:
        role = self.role if agent_id is None else self.role_on(agent_id)
        allowed = PERMISSIONS[role] if role is not None else frozenset()
        if agent_id is None and action in OF_AGENTS:
            allowed = self._somewhere(action)
        if self.token_id is not None and action in SIGNED_IN_ONLY:
            return f"An API token cannot do this ({action}), whatever its scope. Sign in for it."
        if action not in allowed:
            return (
                f"The role {role or 'none'} does not allow {action}. Ask an owner or admin of the "
                "organisation to do it or to change your role."
            )
        if action not in SCOPES[self.scope] | SIGNED_IN_ONLY:
            return (
                f"This API token has the scope {self.scope}, which does not allow {action}. "
                "Make a token with a wider scope."
            )
        if agent_id is None and self.agent_id is not None and action not in _ANY_TOKEN:
            return f"This API token is for one agent; {action} concerns the whole organisation."
        return None

    def _somewhere(self, action: Action) -> frozenset[Action]:
        """The action alone, if it is allowed on some agent: which one is asked once it is known."""
        if action is Action.AGENT_CREATE:
            fits = not self.restricted and self.agent_id is None
            return PERMISSIONS[self.role] if fits else frozenset()
        roles = set(self.grants.values()) if self.restricted else {self.role, *self.grants.values()}
        # To look is never forbidden: what is not to be seen does not exist.
        if action in _READ or any(action in PERMISSIONS[role] for role in roles):
            return frozenset({action})
        return frozenset()
