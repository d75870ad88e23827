"""The endpoint that publishes the table of permissions."""

from __future__ import annotations

from chalice.app import Blueprint

from chalicelib.api.http import Answer, Call, View, endpoint
from chalicelib.domain.tenancy import (
    OF_AGENTS,
    PERMISSIONS,
    SCOPES,
    SIGNED_IN_ONLY,
    WHILE_CLOSING,
    Action,
    Role,
    Scope,
)

permissions = Blueprint(__name__)


class ActionView(View):
    """`of_agents`: a grant on one agent, or a token for one, can be about it. `signed_in_only`: no
    API token may. `while_closing`: possible while the organisation is being deleted."""

    action: Action
    roles: list[Role]
    scopes: list[Scope]
    of_agents: bool
    signed_in_only: bool
    while_closing: bool


class PermissionTable(View):
    """A call needs both: the role in the organisation (or on the agent), and the token's scope."""

    roles: dict[Role, list[Action]]
    scopes: dict[Scope, list[Action]]
    actions: list[ActionView]


@endpoint(
    permissions,
    "GET",
    "/permissions",
    summary="Who may do what: actions by role, and by scope of an API token",
    answer=PermissionTable,
    public=True,
)
def get_permissions(call: Call) -> Answer:  # noqa: ARG001 - every view takes its call
    table = PermissionTable(
        roles={role: sorted(allowed) for role, allowed in PERMISSIONS.items()},
        scopes={scope: sorted(allowed) for scope, allowed in SCOPES.items()},
        actions=[
            ActionView(
                action=action,
                roles=[role for role, allowed in PERMISSIONS.items() if action in allowed],
                scopes=[scope for scope, allowed in SCOPES.items() if action in allowed],
                of_agents=action in OF_AGENTS,
                signed_in_only=action in SIGNED_IN_ONLY,
                while_closing=action in WHILE_CLOSING,
            )
            for action in Action
        ],
    )
    return Answer(table, headers={"Cache-Control": "public, max-age=300"})
