"""Who may do what: users, organisations, roles, and the one table of permissions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.errors import Forbidden


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

    AGENT_CREATE = "agent:create"
    AGENT_DELETE = "agent:delete"
    AGENT_READ = "agent:read"
    AGENT_UPDATE = "agent:update"
    DEPLOYMENT_CREATE = "deployment:create"
    DEPLOYMENT_OPERATE = "deployment:operate"
    DEPLOYMENT_READ = "deployment:read"
    TOKEN_MANAGE = "token:manage"  # noqa: S105 - a permission's name
    VARIABLES_READ = "variables:read"
    VARIABLES_WRITE = "variables:write"
    VERSION_CREATE = "version:create"
    VERSION_READ = "version:read"


_READ = frozenset(
    {Action.AGENT_READ, Action.DEPLOYMENT_READ, Action.VARIABLES_READ, Action.VERSION_READ}
)
_DEPLOY = _READ | {
    Action.AGENT_CREATE,
    Action.AGENT_UPDATE,
    Action.DEPLOYMENT_CREATE,
    Action.DEPLOYMENT_OPERATE,
    Action.VARIABLES_WRITE,
    Action.VERSION_CREATE,
}
_ALL = frozenset(Action)

PERMISSIONS: dict[Role, frozenset[Action]] = {
    Role.OWNER: _ALL,
    Role.ADMIN: _ALL,
    Role.DEVELOPER: _DEPLOY | {Action.TOKEN_MANAGE},
    Role.VIEWER: _READ,
}
SCOPES: dict[Scope, frozenset[Action]] = {
    Scope.READ: _READ,
    Scope.DEPLOY: _DEPLOY,
    Scope.ADMIN: _ALL,
}


@dataclass(frozen=True)
class User:
    id: str
    email: str
    name: str
    personal_org_id: str
    created_at: datetime
    revision: int = 1


@dataclass(frozen=True)
class EmailClaim:
    """Holds an email address for one user, so that two sign-ups at once make one account."""

    email: str
    user_id: str
    revision: int = 1


@dataclass(frozen=True)
class Organisation:
    id: str
    name: str
    personal: bool
    created_at: datetime
    tier: str = "free"
    revision: int = 1


@dataclass(frozen=True)
class Membership:
    org_id: str
    user_id: str
    role: Role
    created_at: datetime
    revision: int = 1


@dataclass(frozen=True)
class Principal:
    """Who is calling, for which organisation, with which rights."""

    user_id: str
    org_id: str
    role: Role
    scope: Scope = Scope.ADMIN
    token_id: str | None = None

    def may(self, action: Action) -> bool:
        return action in PERMISSIONS[self.role] and action in SCOPES[self.scope]

    def require(self, action: Action) -> None:
        """Raises Forbidden unless both the role and the token's scope allow the action."""
        if action not in PERMISSIONS[self.role]:
            raise Forbidden(
                f"The role {self.role} does not allow {action}. Ask an owner or admin of the "
                "organisation to do it or to change your role."
            )
        if action not in SCOPES[self.scope]:
            raise Forbidden(
                f"This API token has the scope {self.scope}, which does not allow {action}. "
                "Make a token with a wider scope."
            )
