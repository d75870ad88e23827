"""Every endpoint, called as everybody: the answers are what the table of permissions says.

What is expected comes from the table alone (PERMISSIONS, SCOPES, SIGNED_IN_ONLY and the rules of
docs/permissions.md, written down anew in `expected`), never from the code that decides. A call that
is allowed must really be done, on things that exist; so a new endpoint needs a row here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

import app as _app  # noqa: F401 - registers the endpoints
from chalicelib.api.http import ENDPOINTS, Endpoint
from chalicelib.domain.connections import TRIP_LIFETIME, Trip
from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.reviews import Decision
from chalicelib.domain.sign_in import SIGN_IN_LIFETIME, EmailChange
from chalicelib.domain.tenancy import (
    PERMISSIONS,
    SCOPES,
    SIGNED_IN_ONLY,
    WHILE_CLOSING,
    Action,
    Role,
    Scope,
)
from chalicelib.ports import Put
from tests.api.conftest import Client, Reply
from tests.api.stage import ORGANISATION, PUBLIC_SLUG, VARIABLES, Caller, Stage, copied
from tests.api.test_images import ICON, SCREENSHOT
from tests.conftest import World
from tests.hooks import INSTALLATION

ALL = frozenset(Action)
DONE, ANONYMOUS, DENIED, UNSEEN = "done", 401, 403, 404


@dataclass(frozen=True)
class Kind:
    """A kind of caller, as the table knows it."""

    make: Callable[[Stage], Caller]
    role: Role | None
    on_agent: Role | None
    """The role that counts for the agent the calls are about; None: it is not to be seen."""
    scope: Scope | None = None
    one_agent: bool = False
    restricted: bool = False


def _person(email: str) -> Callable[[Stage], Caller]:
    return lambda stage: stage.person(email)


def _token(scope: Scope) -> Callable[[Stage], Caller]:
    return lambda stage: stage.token(scope)


KINDS: dict[str, Kind] = {
    **{str(role): Kind(_person(f"{role}@example.com"), role, role) for role in Role},
    "viewer with a grant": Kind(_person("widened@example.com"), Role.VIEWER, Role.DEVELOPER),
    "restricted with a grant": Kind(
        _person("granted@example.com"), Role.VIEWER, Role.DEVELOPER, restricted=True
    ),
    "restricted without": Kind(_person("shut@example.com"), Role.DEVELOPER, None, restricted=True),
    **{f"token: {scope}": Kind(_token(scope), Role.OWNER, Role.OWNER, scope) for scope in Scope},
    "token for the agent": Kind(
        lambda stage: stage.token(Scope.ADMIN, stage.agent),
        Role.OWNER,
        Role.OWNER,
        Scope.ADMIN,
        one_agent=True,
    ),
    "token for another agent": Kind(
        lambda stage: stage.token(Scope.ADMIN, stage.other_agent),
        Role.OWNER,
        None,
        Scope.ADMIN,
        one_agent=True,
    ),
    # In their own organisation: everything of Acme is 404, what names nothing is their own.
    "stranger": Kind(
        lambda stage: stage.person("stranger@example.com", within=False), Role.OWNER, None
    ),
    # Asking for Acme by its header: there is no such organisation for them.
    "intruder": Kind(
        lambda stage: stage.person(
            "intruder@example.com", within=False, **{"slipway-organisation": stage.org_id}
        ),
        None,
        None,
    ),
    "nobody": Kind(lambda stage: stage.nobody(), None, None),
}


@dataclass(frozen=True)
class Row:
    """How an endpoint is called so that it does its work. `{name}` in values is filled in."""

    body: Callable[[Stage, Caller], Any] = lambda _stage, _caller: None
    path: Callable[[Stage, Caller], dict[str, str]] = lambda _stage, _caller: {}
    query: Callable[[Stage], str] = lambda _stage: ""


def _body(value: Any) -> Callable[[Stage, Caller], Any]:
    return lambda _stage, _caller: value


def _version(name: str) -> Callable[[Stage, Caller], dict[str, str]]:
    return lambda stage, _caller: {"version_id": getattr(stage, name).id}


ROWS: dict[str, Row] = {
    "accept_invitation": Row(lambda _, caller: {"token": caller.invitation}),
    "accept_update": Row(_body({})),
    "approve_preview": Row(lambda stage, _: {"sha": stage.fork_sha}),
    "add_screenshot": Row(_body({"data": SCREENSHOT})),
    "arrange_screenshots": Row(_body({"items": []})),
    "ask_new_address": Row(_body({"email": "moving@example.com"})),
    "build_version": Row(_body({}), _version("held")),
    "cancel": Row(path=lambda stage, _: {"deployment_id": stage.moving.id}),
    "cancel_version": Row(path=_version("held")),
    "complete_installation": Row(_body({"state": "s", "code": "c", "installation_id": 88})),
    "confirm_identity": Row(),
    "confirm_new_address": Row(_body({"token": "s"})),
    "create_agent": Row(_body({"name": "New"})),
    "create_copy": Row(_body({"name": "Mine", "variables": VARIABLES})),
    "create_deployment": Row(lambda stage, _: {"version_id": stage.live.version_id}),
    "create_invitation": Row(_body({"email": "new@example.com", "role": "viewer"})),
    "create_share": Row(_body({"with": "link", "note": "For the fair"})),
    "create_shared_copy": Row(
        lambda stage, _: {"offer_id": stage.shared.id, "name": "Mine", "variables": VARIABLES}
    ),
    "create_organisation": Row(_body({"name": "New"})),
    "create_token": Row(_body({"name": "new"})),
    "create_version": Row(_body({"source": "upload", "filename": "a.zip", "deploy": True})),
    "decide_report": Row(_body({"decision": "hide", "reason": "Spam"})),
    "delete_agent": Row(),
    "decline_shared": Row(),
    "delete_icon": Row(),
    "delete_me": Row(lambda _, caller: {"confirm": caller.email}),
    "delete_organisation": Row(_body({"confirm": ORGANISATION})),
    "delete_repository": Row(),
    "delete_review": Row(),
    "end_other_sessions": Row(),
    "end_session": Row(),
    "end_share": Row(),
    "export_audit": Row(),
    "export_me": Row(),
    "get_agent": Row(),
    "get_badge": Row(),
    "get_build_log": Row(),
    "get_deployed_variables": Row(),
    "get_deployment": Row(),
    "get_deployment_logs": Row(),
    "get_github": Row(),
    "get_listing": Row(),
    "look_up_shared_pages": Row(query=lambda _: "?q=crawl"),
    "get_me": Row(),
    "get_metrics": Row(),
    "get_operations": Row(),
    "get_organisation": Row(),
    "get_own_review": Row(),
    "get_report": Row(),
    "get_repository": Row(),
    "get_shared": Row(),
    "get_shared_page": Row(query=lambda _: "?path=docs/usage.md"),
    "get_updates": Row(),
    "get_variables": Row(),
    "get_version": Row(),
    "list_agents": Row(),
    "list_audit": Row(),
    "list_branches": Row(),
    "list_deliveries": Row(),
    "list_deployments": Row(),
    "list_environments": Row(),
    "list_events": Row(),
    "list_identities": Row(),
    "list_invitations": Row(),
    "list_members": Row(),
    "list_organisations": Row(),
    "list_previews": Row(),
    "list_receipts": Row(),
    "list_repairs": Row(),
    "list_recent_deployments": Row(),
    "list_reports": Row(),
    "list_repositories": Row(),
    "list_sessions": Row(),
    "list_shares": Row(),
    "list_tokens": Row(),
    "list_versions": Row(),
    "pending_identities": Row(),
    "plan_deployment": Row(query=lambda stage: f"?version_id={stage.live.version_id}"),
    "publish_agent": Row(lambda stage, _: {"version_id": stage.fitter.id}),
    "put_icon": Row(_body({"data": ICON})),
    "put_listing": Row(_body({"summary": "Says everything a little louder"})),
    "put_repository": Row(_body({"repository": "acme/open", "watch": ["src/**"]})),
    "put_review": Row(_body({"stars": 4, "text": "Better now."})),
    "put_variables": Row(_body({"items": [{"name": "A", "value": "1"}]})),
    "redeliver": Row(),
    "remove_installation": Row(),
    "remove_member": Row(),
    "renew_webhook_secret": Row(),
    "remove_orphan": Row(),
    "reply_to_review": Row(
        _body({"text": "Mended."}), lambda stage, _: {"review_id": stage.own_review.id}
    ),
    "report_listing": Row(_body({"reason": "spam", "detail": "Buy my watches"})),
    "resend_invitation": Row(),
    "restart": Row(),
    "restore_listing": Row(_body({"reason": "A mistake"})),
    "restore_organisation": Row(),
    "resume_environment": Row(),
    "revoke_invitation": Row(),
    "revoke_token": Row(),
    "roll_back": Row(path=lambda stage, _: {"deployment_id": stage.earlier.id}),
    "search_orphans": Row(),
    "start_installation": Row(),
    "search_shared": Row(query=lambda _: "?q=everybody"),
    "stop": Row(),
    "transfer_organisation": Row(lambda stage, _: {"user_id": stage.target.user_id}),
    "unlink_identity": Row(),
    "unpublish_agent": Row(),
    "unvote_helpful": Row(),
    "update_agent": Row(_body({"name": "Renamed"})),
    "update_me": Row(_body({"name": "Renamed"})),
    "update_member": Row(_body({"role": "developer"})),
    "update_organisation": Row(_body({"name": "Renamed"})),
    "verify_audit": Row(),
    "vote_helpful": Row(),
    "version_uploaded": Row(path=_version("awaiting")),
}
# Public endpoints answer everybody alike: the status, and what is sent.
PUBLIC: dict[str, tuple[int, str, Any]] = {
    "count_view": (204, "", None),
    "finish_sign_in": (302, "?code=x&state=x", None),
    "get_badge_picture": (404, "", None),
    "get_deploy_button": (200, "", None),
    "get_feed": (200, "", None),
    "get_health": (200, "", None),
    "get_manifest_schema": (200, "", None),
    "get_offer": (200, "", None),
    "get_offer_page": (200, "?path=docs/usage.md", None),
    "get_openapi": (200, "", None),
    "get_permissions": (200, "", None),
    "get_sitemap": (200, "", None),
    "get_social_page": (200, "", None),
    "get_social_picture": (200, "", None),
    "github_webhook": (401, "", {"zen": "x"}),
    "get_linked_page": (404, "", {"token": "none", "path": "reference"}),
    "look_up_linked_pages": (404, "", {"token": "none", "q": "crawl"}),
    "list_providers": (200, "", None),
    "look_up_pages": (200, "?q=crawl", None),
    "list_reviews": (200, "", None),
    "list_templates": (200, "", None),
    "preview_invitation": (404, "", {"token": "none"}),
    "preview_shared": (404, "", {"token": "none"}),
    "railway_webhook": (202, "?secret=hook", {"type": "Deployment.crashed"}),
    "redeem_link": (401, "", {"token": "none"}),
    "refresh_session": (403, "", None),
    "repository_webhook": (404, "", {"zen": "x"}),
    "request_link": (202, "", {"email": "x@example.com"}),
    "search_marketplace": (200, "?q=crawler", None),
    "sign_out": (403, "", None),
    "start_sign_in": (302, "", None),
}
# What somebody's own path values are, in whatever organisation they call for.
PERSONAL = ("/me",)
# What is published is everybody's: its path names nothing of the organisation that owns it. So is
# a public repository.
OF_EVERYBODY = ("/marketplace/", "/github/repositories/")
PRIVATE = [e for e in ENDPOINTS if not e.public]
LISTING = "/agents/{agent_id}/listing"


def names_acme(endpoint: Endpoint) -> bool:
    """Whether the path names something of Acme; what is a person's own or public it does not."""
    return "{" in endpoint.path and not endpoint.path.startswith(PERSONAL + OF_EVERYBODY)


def expected(kind: Kind, endpoint: Endpoint, name: str, *, oneself: bool = False) -> str | int:
    """What the table says."""
    action = endpoint.own_action if oneself else endpoint.action
    if name == "nobody":
        return ANONYMOUS
    if action is None:
        return UNSEEN  # for operators, and none of these is one
    if name == "intruder":
        return UNSEEN
    if action is Action.MARKETPLACE_MODERATE:
        # For operators, and none of these is one; no token does what takes a person.
        return DENIED if kind.scope is not None else UNSEEN
    if name == "stranger":
        return UNSEEN if names_acme(endpoint) else DONE
    of_agent = "{agent_id}" in endpoint.path or "{deployment_id}" in endpoint.path
    needed = [action, *endpoint.also]
    if of_agent:
        return _on_the_agent(kind, endpoint, needed)
    if action is Action.AGENT_READ or endpoint.name == "list_recent_deployments":
        # A list shows what is to be seen; what others share is not for one agent's token.
        return UNSEEN if kind.one_agent and "{offer_id}" in endpoint.path else DONE
    assert kind.role is not None
    allowed = PERMISSIONS[kind.role] & _reach(kind)
    if action is Action.AGENT_CREATE and (kind.restricted or kind.one_agent):
        return DENIED
    if kind.one_agent and action is not Action.ACCOUNT_READ:
        return DENIED
    return DONE if allowed.issuperset(needed) else DENIED


def _on_the_agent(kind: Kind, endpoint: Endpoint, needed: list[Action]) -> str | int:
    if kind.on_agent is None:
        # A deployment does not say whose it is before it is read: who may nowhere do such a thing
        # is told so, and learns nothing of it.
        nowhere = kind.restricted and needed[0] not in PERMISSIONS[Role.VIEWER]
        return DENIED if nowhere and "{deployment_id}" in endpoint.path else UNSEEN
    allowed = PERMISSIONS[kind.on_agent] & _reach(kind)
    return DONE if allowed.issuperset(needed) else DENIED


def _reach(kind: Kind) -> frozenset[Action]:
    return ALL if kind.scope is None else SCOPES[kind.scope] - SIGNED_IN_ONLY


@cache
def stage() -> tuple[Stage, dict[str, Caller]]:
    """Built once; each call has a copy."""
    built = Stage()
    return built, {name: kind.make(built) for name, kind in KINDS.items()}


def call(endpoint: Endpoint, name: str, *, oneself: bool = False, at: World | None = None) -> Reply:
    built, callers = stage()
    caller = callers[name]
    row = ROWS[endpoint.name]
    known = {
        "agent_id": built.agent.id,
        "version_id": built.live.version_id,
        "deployment_id": built.live.id,
        "environment": "production",
        "org_id": built.org_id,
        "user_id": (oneself and caller.user_id) or built.target.user_id,
        "invitation_id": built.invitation.id,
        "token_id": built.spare,
        "session_id": "none",
        "identity_id": "none",
        "service_id": "none",
        "slug": PUBLIC_SLUG,
        "review_id": built.review.id,
        "report_id": built.report.id,
        "installation_id": str(INSTALLATION),
        "owner": "acme",
        "name": "open",
        "number": "9",
        "delivery_id": built.delivery.id,
        "offer_id": built.shared.id,
        "share_id": built.share.id,
        **(caller.own if name not in ("stranger", "intruder") or names_own(endpoint) else {}),
        **row.path(built, caller),
    }
    values = {part: known[part] for part in re.findall(r"{(\w+)}", endpoint.path)}
    world = at or prepared(endpoint, built, caller, token=KINDS[name].scope is not None)
    client = Client(world, caller.bearer)
    target = endpoint.path + row.query(built)
    return client(endpoint.method, target, row.body(built, caller), caller.headers, **values)


def prepared(endpoint: Endpoint, built: Stage, caller: Caller, *, token: bool) -> World:
    """A copy of the stage, in which the call finds what it is for."""
    world = copied(built.world)
    if endpoint.name == "restore_organisation" and not token:
        owner = world.within(built.org_id, "owner@example.com")
        world.platform.closing.close(owner, confirm=ORGANISATION)
    if endpoint.name == "delete_agent":
        # What is on its way would have to be waited for.
        owner = world.within(built.org_id, "owner@example.com")
        world.platform.deployments.cancel(owner, built.moving.id)
    if endpoint.name == "publish_agent" or endpoint.path.startswith(LISTING):
        # A draft: what is public already is changed by who may publish.
        owner = world.within(built.org_id, "owner@example.com")
        world.platform.listings.unpublish(owner, built.agent.id)
    if endpoint.name == "unvote_helpful" and caller.email:
        voter = world.sign_in(caller.email)
        world.platform.reviews.vote(voter, PUBLIC_SLUG, built.review.id, helpful=True)
    if endpoint.name == "complete_installation":
        # Whoever calls is on the way back from the code host.
        stranger = caller.email.startswith(("stranger", "intruder"))
        org_id = caller.personal_org_id if stranger else built.org_id
        until = world.clock.now() + TRIP_LIFETIME
        world.store.commit(Put(Trip(hash_secret("s"), caller.user_id, org_id, until)))
        world.code_host.install(88, "else", "c")
    if endpoint.name == "confirm_new_address" and caller.email:
        who = world.platform.access.principal(caller.bearer or "")
        now, until = world.clock.now(), world.clock.now() + SIGN_IN_LIFETIME
        asked = (who.user_id, str(who.session_id), caller.email, "moved@example.com")
        world.store.commit(Put(EmailChange(hash_secret("s"), *asked, now, until)))
    if endpoint.name == "restore_listing":
        operator = world.sign_in("operator@example.com")
        world.platform.moderators.decide(
            operator, built.report.id, decision=Decision.HIDE, reason="Spam"
        )
    return world


def names_own(endpoint: Endpoint) -> bool:
    return endpoint.path.startswith(PERSONAL)


def meets(reply: Reply, wanted: str | int, endpoint: Endpoint) -> bool:
    if wanted == DONE:
        return reply.status == endpoint.status
    return reply.status == wanted and "detail" in reply.json


def test_every_endpoint_has_its_row() -> None:
    assert {e.name for e in PRIVATE} == set(ROWS)
    assert {e.name for e in ENDPOINTS if e.public} == set(PUBLIC)


@pytest.mark.parametrize("endpoint", PRIVATE, ids=lambda e: e.name)
def test_everybody_gets_what_the_table_says(endpoint: Endpoint) -> None:
    wrong = []
    for name, kind in KINDS.items():
        wanted = expected(kind, endpoint, name)
        reply = call(endpoint, name)
        if not meets(reply, wanted, endpoint):
            wrong.append(f"{name}: {wanted} expected, {reply.status} came: {reply.text[:200]}")
    assert not wrong, "\n".join(wrong)


MODERATION = [e for e in PRIVATE if e.action is Action.MARKETPLACE_MODERATE]


@pytest.mark.parametrize("endpoint", MODERATION, ids=lambda e: e.name)
def test_an_operator_moderates_and_no_token_of_theirs_does(endpoint: Endpoint) -> None:
    built, callers = stage()
    known = {"slug": PUBLIC_SLUG, "report_id": built.report.id}
    values = {part: known[part] for part in re.findall(r"{(\w+)}", endpoint.path)}
    world = prepared(endpoint, built, callers["nobody"], token=False)
    who = world.sign_in("operator@example.com")
    _, secret = world.platform.tokens.create(who, name="t", scope=Scope.ADMIN, expires_at=None)
    body = ROWS[endpoint.name].body(built, callers["nobody"])
    by_token = Client(world, secret)(endpoint.method, endpoint.path, body, headers=None, **values)
    assert by_token.status == DENIED, by_token.text
    bearer = world.access_token("operator@example.com")
    reply = Client(world, bearer)(endpoint.method, endpoint.path, body, headers=None, **values)
    assert reply.status == endpoint.status, reply.text


def test_who_may_not_publish_changes_nothing_that_is_public() -> None:
    """A listing is an agent's to update, until everybody sees it."""
    built, callers = stage()
    for name, kind in KINDS.items():
        if kind.on_agent is None:
            continue
        client = Client(copied(built.world), callers[name].bearer)
        path, values = "/agents/{agent_id}/listing", {"agent_id": built.agent.id}
        body = {"summary": "Says everything a little louder"}
        reply = client("PUT", path, body, callers[name].headers, **values)
        allowed = PERMISSIONS[kind.on_agent] & _reach(kind)
        wanted = 200 if Action.AGENT_PUBLISH in allowed else DENIED
        assert reply.status == wanted, f"{name}: {reply.text}"


def test_everybody_may_leave_and_no_token_may() -> None:
    endpoint = next(e for e in PRIVATE if e.name == "remove_member")
    for name, kind in KINDS.items():
        wanted = expected(kind, endpoint, name, oneself=True)
        reply = call(endpoint, name, oneself=True)
        assert meets(reply, wanted, endpoint), f"{name}: {wanted} expected: {reply.text}"


def test_only_what_is_for_operators_asks_no_permission() -> None:
    assert {e.tag for e in PRIVATE if e.action is None} == {"operations"}


@pytest.mark.parametrize("endpoint", [e for e in PRIVATE if e.action], ids=lambda e: e.name)
def test_a_closing_organisation_allows_what_the_table_says(endpoint: Endpoint) -> None:
    built, _ = stage()
    world = copied(built.world)
    owner = world.within(built.org_id, "owner@example.com")
    world.platform.closing.close(owner, confirm=ORGANISATION)
    reply = call(endpoint, "owner", at=world)
    refused = reply.status == 409 and reply.json["code"] == "organisation_closing"
    assert refused == (endpoint.action not in WHILE_CLOSING), reply.text


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.public], ids=lambda e: e.name)
def test_a_public_endpoint_answers_everybody_alike(endpoint: Endpoint) -> None:
    status, query, body = PUBLIC[endpoint.name]
    built, callers = stage()
    known = {"provider": "none", "slug": PUBLIC_SLUG, "hook_id": "none", "address": "none"}
    values = {part: known[part] for part in re.findall(r"{(\w+)}", endpoint.path)}
    for caller in callers.values():
        client = Client(copied(built.world), caller.bearer)
        reply = client(endpoint.method, f"{endpoint.path}{query}", body, headers=None, **values)
        assert reply.status == status, reply.text


@pytest.mark.parametrize("role", list(Role))
def test_the_published_table_is_the_one_that_decides(role: Role) -> None:
    built, _ = stage()
    table = Client(built.world, None)("GET", "/permissions").json
    assert set(table["roles"][role]) == PERMISSIONS[role]
    assert {a["action"] for a in table["actions"] if a["signed_in_only"]} == SIGNED_IN_ONLY
    for scope in Scope:
        assert set(table["scopes"][scope]) == SCOPES[scope]
    for row in table["actions"]:
        assert (role in row["roles"]) == (row["action"] in PERMISSIONS[role])
