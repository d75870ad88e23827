"""No sequence of calls by one person shows or changes anything of an organisation they are not in.

Random organisations with random members and real objects; one person then calls anything with
anything: their own ids, other people's ids, ids that look alike, other tenants' cursors,
idempotency keys and invitation links. After each call the others' things are compared byte by byte
with what they were, and the answer is searched for anything that only the others know.

Each organisation also publishes an agent. Of it, everybody may see what `Tenant.public` names and
what the listing says; and everybody may add to it what `said_by` allows: their own words and their
own counting. Everything else of the publisher, its drafts, newer versions, reviewers and reports
among it, stays as unseen and untouched as ever.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field, fields
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import app as _app  # noqa: F401 - registers the endpoints
from chalicelib import ports
from chalicelib.adapters.artifacts import S3Artifacts
from chalicelib.adapters.keys import Key
from chalicelib.adapters.layouts import _RANGES, LAYOUTS, range_of
from chalicelib.api.http import ENDPOINTS, JSON, Endpoint
from chalicelib.domain.agents import Agent, Category, Visibility
from chalicelib.domain.connections import PreviewsOf
from chalicelib.domain.reviews import ReportReason
from chalicelib.domain.shares import ShareKind
from chalicelib.domain.tenancy import Principal, Role, Scope, User
from chalicelib.ports import LogLine
from chalicelib.services.connections import Wish
from chalicelib.services.variables import VariableValue
from tests.api.conftest import Client, Reply
from tests.api.stage import VARIABLES
from tests.api.test_images import ICON, SCREENSHOT
from tests.api.test_marketplace import PASSED, SOURCE
from tests.conftest import World
from tests.hooks import Repo, deliveries, installed

ID = re.compile(r"(?:agt|ver|dep|org|usr|tok|inv|ses|idn|rev|rep|shr|dlv|hok)_[0-9a-z]{26}")
EMAIL = re.compile(r"[a-z0-9]+@[a-z0-9]+\.example")
CALLS = 50


@dataclass
class Tenant:
    """An organisation with something in it, and words that stand nowhere else."""

    org_id: str
    owner: Principal
    words: set[str]
    ids: dict[str, list[str]] = field(default_factory=dict)
    cursors: list[str] = field(default_factory=list)
    invitation: str = ""
    commits: list[str] = field(default_factory=list)
    link: str = ""
    """The secret of a link to an agent that is not public."""
    public: set[str] = field(default_factory=set)
    """Ids that its listing shows to everybody: of the published version, of the reviews."""


@dataclass
class Scene:
    """Everything, and the person who calls."""

    world: World
    random: Random
    tenants: list[Tenant]
    who: str
    user_id: str
    bearers: list[str]
    own: list[Tenant]
    others: list[Tenant]

    def known(self) -> dict[str, list[str]]:
        """Ids by the name a path has for them, of everybody."""
        merged: dict[str, list[str]] = {}
        for tenant in self.tenants:
            for name, ids in tenant.ids.items():
                merged.setdefault(name, []).extend(ids)
        return merged


def built(random: Random) -> Scene:
    world = World()
    people = [f"p{n}@p{n}.example" for n in range(random.randint(2, 4))]
    tenants = [furnished(world, random, n, random.choice(people)) for n in range(3)]
    memberships = {t.org_id: {email_of(world, t.owner)} for t in tenants}
    for tenant in tenants:
        for email in people:
            if email not in memberships[tenant.org_id] and random.random() < 0.3:
                role = random.choice(list(Role))
                restricted = role in (Role.DEVELOPER, Role.VIEWER) and random.random() < 0.3
                member = world.join(tenant.owner, email, role, restricted=restricted)
                tenant.ids["user_id"].append(member.user_id)
                memberships[tenant.org_id].add(email)
    who = random.choice(people)
    own = [t for t in tenants if who in memberships[t.org_id]]
    others = [t for t in tenants if t not in own]
    bearers = [world.access_token(who)]
    for tenant in own:
        member = world.within(tenant.org_id, who)
        if member.role is not Role.VIEWER:
            scope = random.choice(list(Scope))
            bearers.append(
                world.platform.tokens.create(member, name="t", scope=scope, expires_at=None)[1]
            )
    for tenant in others:
        if random.random() < 0.6:
            ran(world, who, tenant.ids["slug"][0])
    me = world.sign_in(who)
    return Scene(world, random, tenants, who, me.user_id, bearers, own, others)


def email_of(world: World, who: Principal) -> str:
    user, _ = world.platform.accounts.me(who)
    return user.email


def member_email(world: World, user_id: str) -> str:
    user = world.store.get(User, user_id)
    assert user is not None
    return user.email


def furnished(world: World, random: Random, number: int, founder: str) -> Tenant:
    """An organisation with agents, versions, deployments, variables, logs, tokens, invitations."""
    word = f"zeta{number}x{random.randrange(10**6)}"
    owner = world.founded(founder, f"Org {word}")
    words = {word}
    agents = [world.agent(owner, f"Agent {word} {n}") for n in range(random.randint(1, 2))]
    live = world.live(owner, agents[0])
    waiting = world.upload(owner, agents[0], hold=True)
    secret = f"secret{word}"
    world.platform.variables.put(
        owner,
        agents[0].id,
        "production",
        [VariableValue("TOKEN", secret, secret=True), VariableValue("PLAIN", f"v{word}", False)],
        if_revision=None,
    )
    words |= {secret, f"v{word}"}
    world.host.lines[live.host.deployment_id] = [LogLine("2026-01-01T00:00:00Z", "info", word)]
    line = {"timestamp": "2026-01-01T00:00:00Z", "level": "info", "message": f"built {word}"}
    world.artifacts.objects[
        f"{live.org_id}/{live.agent_id}/{live.version_id}/build-log/000001.jsonl"
    ] = json.dumps(line).encode()
    token, _ = world.platform.tokens.create(owner, name=word, scope=Scope.ADMIN, expires_at=None)
    invitation = world.platform.invitations.invite(
        owner, email=f"guest{number}@{word}.example", role=Role.OWNER
    )
    tenant = Tenant(
        owner.org_id,
        owner,
        words,
        {
            "agent_id": [a.id for a in agents],
            "version_id": [live.version_id, waiting.id],
            "deployment_id": [live.id],
            "org_id": [owner.org_id],
            "user_id": [owner.user_id],
            "token_id": [token.id],
            "invitation_id": [invitation.id],
            "session_id": [str(owner.session_id)],
            "identity_id": ["idn_" + "0" * 26],
        },
        invitation=world.mailed_token(),
    )
    listed(world, random, tenant, number)
    pushed(world, tenant, agents[0], number, word)
    client = Client(world, world.access_token(founder))
    within = {"slipway-organisation": owner.org_id}
    client("POST", "/agents", {"name": "Same"}, {**within, "idempotency-key": "shared"})
    for path in ("/agents", "/audit"):
        cursor = client("GET", f"{path}?limit=1", headers=within).json["next_cursor"]
        tenant.cursors.append(cursor)
    return tenant


def pushed(world: World, tenant: Tenant, agent: Agent, number: int, word: str) -> None:
    """It has a private repository, of which something was told; and a fork's pull request."""
    owner, installation_id = tenant.owner, 7000 + number
    name = f"{word}/closed"
    kept = world.code_host.create(name, private=True, installation_id=installation_id)
    installed(world, owner, installation_id)
    repo = Repo(world, kept, installation_id=installation_id)
    repo.commit(f"First of {word}")
    wish = Wish(name, installation_id=installation_id, previews=PreviewsOf.ON)
    world.platform.connections.put(owner, agent.id, wish, if_revision=None)
    repo.send("star", {"action": "created"})
    sha = repo.commit(f"From afar: {word}", "theirs")
    fork = {"id": 5, "full_name": f"{word}fork/closed"}
    repo.send("pull_request", repo.pull("opened", 1000 + number, sha, head_repo=fork))
    tenant.ids |= {
        "delivery_id": [one.id for one in deliveries(world, agent)],
        "installation_id": [str(installation_id)],
        "number": [str(1000 + number)],
        "owner": [word],
        "name": ["closed"],
    }
    tenant.commits.append(sha)


def listed(world: World, random: Random, tenant: Tenant, number: int) -> None:
    """It publishes an agent, about which others say something; and keeps the next to itself."""
    owner, word = tenant.owner, next(iter(sorted(tenant.words, key=len)))
    agent = world.agent(owner, f"Agent {word} shown")
    shown = world.finish_build(world.upload(owner, agent, SOURCE), **PASSED)
    slug = f"open-{number}-{random.randrange(10**6)}"
    fields = {
        "slug": slug,
        "name": f"Open {slug}",
        "publisher": f"Publisher {slug}",
        "summary": "Crawls a web site and returns its pages as JSON",
        "categories": (Category.WEB_SCRAPING,),
        "fork": random.random() < 0.5,
    }
    world.platform.listings.put(owner, agent.id, if_revision=None, fields=fields)
    world.platform.listings.publish(owner, agent.id, None)
    world.platform.indexing.refresh([(agent.org_id, agent.id)])
    newer = {**SOURCE, "README.md": f"# Next\n\n{word} " * 30, f"docs/{word}.md": f"# {word}\n"}
    kept = world.finish_build(world.upload(owner, agent, newer), **PASSED)
    draft = {"summary": f"The summary of a draft: {word}", "slug": f"draft-{word}"}
    hidden = tenant.ids["agent_id"][0]
    world.platform.listings.put(owner, hidden, if_revision=None, fields=draft)
    world.platform.listings.publish(owner, hidden, None, random.choice(list(Visibility)[:2]))
    share, tenant.link = world.platform.sharing.share(  # type: ignore[assignment]
        owner, hidden, kind=ShareKind.LINK, note=word
    )
    reviewer = ran(world, f"r{number}@r{number}.example", slug)
    review = world.platform.reviews.put(reviewer, slug, stars=4, text="Works.")
    report = world.platform.moderators.report(
        reviewer, slug, reason=ReportReason.SPAM, detail=f"told {word}"
    )
    tenant.public |= {shown.id, review.id}
    tenant.ids["agent_id"].append(agent.id)
    tenant.ids["version_id"] += [shown.id, kept.id]
    tenant.ids |= {"slug": [slug], "review_id": [review.id], "report_id": [report.id]}
    tenant.ids |= {"share_id": [share.id], "offer_id": list(tenant.ids["agent_id"])}


def ran(world: World, email: str, slug: str) -> Principal:
    """Somebody whose own copy has been live, in the organisation that is theirs alone."""
    me = world.sign_in(email)
    made = world.platform.copies.create(me, slug, variables=VARIABLES)
    assert made.deployment_id is not None
    world.run_machine(me, made.deployment_id)
    return me


# --- one call ------------------------------------------------------------------------------------


def alike(random: Random, value: str) -> str:
    """Something that is nearly the id."""
    return random.choice(
        [
            value[:-1],
            f"{value}0",
            f"{value}#",
            value.upper(),
            f"{value[:-1]}#",
            value.replace("_", "#", 1),
            f"{value}/../{value}",
            f"{value[:4]}{'0' * 26}",
        ]
    )


def some_id(scene: Scene, name: str) -> str:
    random = scene.random
    ids = scene.known().get(name) or ["production"]
    chosen = random.choice(ids)
    return alike(random, chosen) if random.random() < 0.15 else chosen


def body_of(scene: Scene, endpoint: Endpoint) -> Any:
    random = scene.random
    agent, version = some_id(scene, "agent_id"), some_id(scene, "version_id")
    user, org = some_id(scene, "user_id"), some_id(scene, "org_id")
    links = [t.invitation for t in scene.tenants]
    first, second = random.choice(links).split("."), random.choice(links).split(".")
    # Whoever holds a whole link was sent it, and may see what it is for.
    secret = first[2] if first != second else first[2][:-1]
    one, other = (random.choice(scene.tenants).link.split(".") for _ in range(2))
    link = ".".join([*one[:3], other[3] if one != other else other[3][:-1]])
    return {
        "put_icon": {"data": ICON},
        "add_screenshot": {"data": SCREENSHOT, "alt": "Mine"},
        "arrange_screenshots": {"items": []},
        "create_share": {"with": "person", "email": "x@y.example"},
        "create_shared_copy": {
            "variables": VARIABLES,
            **random.choice([{"token": link}, {"offer_id": agent}]),
        },
        "preview_shared": {"token": link},
        "get_linked_page": {"token": link, "path": "reference"},
        "look_up_linked_pages": {"token": link, "q": "crawl"},
        "create_agent": {"name": "Same"},
        "update_agent": {"name": "Changed"},
        "create_version": random.choice(
            [
                {
                    "source": "upload",
                    "filename": random.choice(["a.zip", f"../../{org}/{agent}/{version}/source"]),
                    "deploy": random.random() < 0.5,
                },
                {"source": "github"},
                {"source": "github", "repository": f"{some_id(scene, 'owner')}/closed"},
            ]
        ),
        "put_repository": {
            "repository": f"{some_id(scene, 'owner')}/closed",
            "installation_id": int(random.choice([*scene.known()["installation_id"], "1"])),
        },
        "approve_preview": {"sha": random.choice([c for t in scene.tenants for c in t.commits])},
        "complete_installation": {
            "state": "guessed",
            "code": "guessed",
            "installation_id": int(random.choice(scene.known()["installation_id"])),
        },
        "build_version": {},
        "create_deployment": {"version_id": version},
        "put_variables": {"items": [{"name": "TOKEN", "value": None, "secret": False}]},
        "create_token": {"name": "x", "scope": "admin", "agent_id": agent},
        "create_organisation": {"name": "Mine"},
        "update_organisation": {"name": "Changed"},
        "delete_organisation": {"confirm": "Changed"},
        "update_member": {"role": random.choice(list(Role)), "grants": {agent: "developer"}},
        "transfer_organisation": {"user_id": user},
        "create_invitation": {
            "email": "x@y.example",
            "role": "viewer",
            "grants": {agent: "viewer"},
        },
        "accept_invitation": {"token": ".".join([first[0], second[1], secret])},
        "preview_invitation": {"token": ".".join([first[0], second[1], random.choice("ab")])},
        "update_me": {"name": "Me"},
        "delete_me": {"confirm": "not me"},
        "create_copy": {
            "name": "Mine",
            "version_id": random.choice([None, None, version]),
            "variables": VARIABLES,
            "fork": random.random() < 0.3,
        },
        "accept_update": {},
        "put_listing": {"slug": some_id(scene, "slug"), "summary": "Changed, and long enough"},
        "publish_agent": {"version_id": random.choice([None, version])},
        "put_review": {"stars": random.randint(1, 5), "text": "Mine"},
        "reply_to_review": {"text": "Changed"},
        "report_listing": {
            "reason": "spam",
            "review_id": random.choice([None, some_id(scene, "review_id")]),
        },
        "decide_report": {"decision": "hide", "reason": "x"},
        "restore_listing": {"reason": "x"},
    }.get(endpoint.name)


def query_of(scene: Scene, endpoint: Endpoint) -> str:
    random = scene.random
    if endpoint.query is None or random.random() < 0.5:
        return ""
    cursor = random.choice([c for t in scene.tenants for c in t.cursors])
    asked = {"cursor": alike(random, cursor) if random.random() < 0.3 else cursor, "limit": "5"}
    if endpoint.name in ("list_audit", "export_audit") and random.random() < 0.5:
        asked["subject"] = some_id(scene, "agent_id")
    if endpoint.name == "get_offer_page":
        word = min(random.choice(scene.tenants).words, key=len)
        path = random.choice(["docs/usage.md", f"docs/{word}.md"])
        asked |= {"path": path, "version_id": some_id(scene, "version_id")}
    fields = endpoint.query.model_fields
    return "?" + "&".join(f"{k}={quote(v)}" for k, v in asked.items() if k in fields)


@dataclass
class Sent:
    text: str
    reply: Reply
    endpoint: Endpoint


CALLABLE = [e for e in ENDPOINTS if not e.path.startswith(("/auth", "/webhooks", "/openapi"))]


def one_call(scene: Scene) -> Sent:
    random = scene.random
    endpoint = random.choice(CALLABLE)
    values = {n: some_id(scene, n) for n in re.findall(r"{(\w+)}", endpoint.path)}
    if "environment" in values:
        values["environment"] = random.choice(["production", "staging"])
    headers = {}
    if random.random() < 0.6:
        headers["slipway-organisation"] = some_id(scene, "org_id")
    if endpoint.idempotent and random.random() < 0.7:
        headers["idempotency-key"] = "shared"
    body, query = body_of(scene, endpoint), query_of(scene, endpoint)
    client = Client(scene.world, random.choice(scene.bearers))
    reply = client(endpoint.method, f"{endpoint.path}{query}", body, headers, **values)
    return Sent(json.dumps([values, headers, body, query]), reply, endpoint)


# --- what must hold ------------------------------------------------------------------------------


def said_by(user_id: str, key: Key, document: bytes) -> bool:
    """Whether it is a person's to write with another's public agent: that they ran it, their
    review, vote or report; or that somebody looked at it or runs it, which says of nobody who."""
    if key.sk in ("VIEW#", "ACTIVE#"):
        return True
    if key.sk in ("RUN#", "REVIEW#") or key.sk.startswith("VOTE#"):
        return bool(json.loads(document)["user_id"] == user_id)
    return key.pk.endswith("#REPORTS#") and bool(json.loads(document)["reporter"] == user_id)


def apart_from_votes(key: Key, document: bytes) -> bytes:
    """A review without what everybody may count up."""
    if key.sk != "REVIEW#":
        return document
    said = {k: v for k, v in json.loads(document).items() if k not in ("helpful", "revision")}
    return json.dumps(said).encode()


def untouched(scene: Scene) -> dict[str, Any]:
    """Everything of the organisations that the caller is not in."""
    world, ids = scene.world, [t.org_id for t in scene.others]
    theirs = {
        key: apart_from_votes(key, document)
        for key, document in world.store.dump().items()
        if (any(org in key.pk for org in ids) and not said_by(scene.user_id, key, document))
        or (
            key.pk.startswith(("TOKEN#", "NAME#", "HOOK#"))
            and any(org.encode() in document for org in ids)
        )
    }
    told = b"\n".join(theirs.values())
    deployments = {
        d
        for d, document in world.host.running.items()
        if document and f'"deployment_id":"{d}"'.encode() in told
    }
    return {
        "items": theirs,
        "host": {d: world.host.running[d] for d in deployments},
        "sources": {k: v for k, v in world.artifacts.sources.items() if k.startswith(tuple(ids))},
        "objects": {k: v for k, v in world.artifacts.objects.items() if k.startswith(tuple(ids))},
        "builds": {
            b: s
            for b, s in world.builder.builds.items()
            if any(v in b for t in scene.others for v in t.ids["version_id"])
        },
    }


def secrets_of(scene: Scene) -> set[str]:
    """What only the others know: their words, their ids, their members' addresses."""
    dump = scene.world.store.dump()
    mine = scene.who.encode()

    def said(organisations: list[Tenant]) -> str:
        ids = [t.org_id for t in organisations]
        return " ".join(
            f"{key.pk} {key.sk} {document.decode()}"
            for key, document in dump.items()
            if any(org in key.pk for org in ids)
        )

    theirs, ours = said(scene.others), said(scene.own)
    own_user = " ".join(d.decode() for d in dump.values() if mine in d)
    # Of what is theirs alone, where it lies: what a copy was made of stays another's.
    home = scene.world.sign_in(scene.who).org_id
    alone = " ".join(f"{k.pk} {k.sk}" for k in dump if home in k.pk)
    homes = " ".join(
        f"{k.pk} {d.decode()}" for k, d in dump.items() if k.pk.startswith("USER#") and mine in d
    )
    found = set(ID.findall(theirs)) | set(EMAIL.findall(theirs))
    found -= set().union(*(t.public for t in scene.others))
    found -= set(ID.findall(ours + own_user + homes + alone)) | set(EMAIL.findall(ours + own_user))
    # Colleagues know each other's addresses, wherever else they have been invited to.
    found -= {member_email(scene.world, u) for t in scene.own for u in t.ids["user_id"]}
    return found | {word for t in scene.others for word in t.words}


def leaks(sent: Sent, secrets: set[str]) -> list[str]:
    """What the answer says that the caller did not say first."""
    heads = " ".join(str(v) for v in sent.reply.headers.values())
    answer = f"{sent.reply.text} {heads}"
    return [s for s in secrets if s in answer and s.lower() not in sent.text.lower()]


def forms(value: Any) -> list[str]:
    """Keys of presigned forms, wherever they stand in an answer."""
    if isinstance(value, dict):
        here = [value["fields"]["key"]] if isinstance(value.get("fields"), dict) else []
        return here + [k for v in value.values() for k in forms(v)]
    if isinstance(value, list):
        return [k for v in value for k in forms(v)]
    return []


# Each example is a seed: shrinking one would find another world, not a smaller one.
@given(st.integers(min_value=0, max_value=2**32))
@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_nothing_of_another_organisation_is_shown_or_changed(seed: int) -> None:
    scene = built(Random(seed))  # noqa: S311 - repeatable, not secret
    before, secrets = untouched(scene), secrets_of(scene)
    others = tuple(t.org_id for t in scene.others)
    for _ in range(CALLS):
        sent = one_call(scene)
        # An id it has tried may come back to it, in its own audit log; names and secrets may not.
        secrets -= set(ID.findall(sent.text))
        what = f"{sent.endpoint.name} {sent.text} → {sent.reply.status} {sent.reply.text}"
        assert leaks(sent, secrets) == [], what
        assert untouched(scene) == before, what
        assert sent.reply.status != 500, what
        if sent.reply.headers.get("content-type") == JSON and sent.reply.text:
            assert not [k for k in forms(sent.reply.json) if k.startswith(others)], what


def test_what_is_published_is_shown_and_nothing_beside_it() -> None:
    """Every public call about another's agent, with what it takes to be done."""
    bodies: dict[str, Any] = {
        "create_copy": {"name": "Mine", "variables": VARIABLES},
        "put_review": {"stars": 2, "text": "Mine"},
        "report_listing": {"reason": "spam"},
    }
    done = 0
    for seed in range(6):
        scene = built(Random(seed))  # noqa: S311 - repeatable, not secret
        client = Client(scene.world, scene.bearers[0])
        for tenant in scene.others:
            [slug], [review] = tenant.ids["slug"], tenant.ids["review_id"]
            ran(scene.world, scene.who, slug)
            before, secrets = untouched(scene), secrets_of(scene)
            for endpoint in (e for e in CALLABLE if e.path.startswith("/marketplace/agents")):
                known = {"slug": slug, "review_id": review}
                values = {n: known[n] for n in re.findall(r"{(\w+)}", endpoint.path)}
                query = "?path=docs/usage.md" if endpoint.name == "get_offer_page" else ""
                body = bodies.get(endpoint.name)
                reply = client(
                    endpoint.method, f"{endpoint.path}{query}", body, headers=None, **values
                )
                what = f"{endpoint.name} → {reply.status} {reply.text}"
                assert reply.status == endpoint.status, what
                assert leaks(Sent("", reply, endpoint), secrets) == [], what
                assert untouched(scene) == before, what
                done += 1
            kept, word = tenant.ids["version_id"][-1], min(tenant.words, key=len)
            body = {**bodies["create_copy"], "version_id": kept}
            copy = client("POST", "/marketplace/agents/{slug}/copies", body, slug=slug)
            assert copy.status == 404, copy.text
            docs = f"/marketplace/agents/{{slug}}/docs?path=docs/{word}.md"
            for target in (docs, f"{docs}&version_id={kept}"):
                assert client("GET", target, slug=slug).status == 404
            draft = client("GET", "/marketplace/agents/{slug}", slug=f"draft-{word}")
            assert draft.status == 404, draft.text
    assert done > 50


def test_the_test_would_notice() -> None:
    """The caller's own organisation, taken for another's, is seen and changed."""
    noticed = {"shown": 0, "changed": 0, "done": 0, "forms": 0}
    for seed in range(8):
        scene = built(Random(seed))  # noqa: S311 - repeatable, not secret
        scene.others, scene.own = scene.own, scene.others
        before, secrets = untouched(scene), secrets_of(scene)
        for _ in range(CALLS):
            sent = one_call(scene)
            noticed["done"] += sent.reply.status < 300
            noticed["shown"] += bool(leaks(sent, secrets))
            noticed["forms"] += "fields" in sent.reply.text and sent.reply.status == 201
        noticed["changed"] += untouched(scene) != before
    assert noticed["done"] > 40, noticed
    assert noticed["shown"] > 5, noticed
    assert noticed["changed"] > 3, noticed


# --- keys and prefixes ---------------------------------------------------------------------------

PERSONAL = {
    "User",
    "EmailClaim",
    "Session",
    "Places",
    "Identity",
    "PendingLink",
    "SignInLink",
    "EmailChange",
    "Handshake",
    "Trip",
    "ApiToken",  # found by its hash, before any organisation is known
}
OF_THE_PLATFORM = {
    "Orphan",
    "ReconcilerRun",
    "Sweep",
    "Repair",
    "NameClaim",  # one name is one agent's, among those of all organisations
    "Receipt",  # what has arrived, before it is known whom it concerns
    "HookClaim",  # whose a webhook address is, which is called before anybody is known
    "ServiceClaim",  # whose a service at the host is; for operators and the reconciler alone
}


def key_of(kind: type, org_id: str) -> Key:
    """A key of this kind, of any thing of the organisation."""
    layout = LAYOUTS[kind]
    count = layout.key.__code__.co_argcount
    numbered = kind.__name__ in ("HistoryItem", "AuditRecord")
    rest: list[Any] = [*["x_1"] * (count - 2), 1 if numbered else "1"][: count - 1]
    key: Key = layout.key(org_id, *rest)
    return key


def name_of(kind: type) -> str:
    return kind.__name__


STORED: list[type] = sorted(LAYOUTS, key=name_of)


@pytest.mark.parametrize("kind", STORED, ids=name_of)
def test_every_key_of_a_tenants_thing_begins_with_its_organisation(kind: type) -> None:
    of_tenant = "org_id" in {one.name for one in fields(kind)} or kind.__name__ == "Organisation"
    if not of_tenant or kind.__name__ in PERSONAL | OF_THE_PLATFORM:
        assert kind.__name__ in PERSONAL | OF_THE_PLATFORM, f"{kind.__name__}: say whose it is"
        return
    key = key_of(kind, "org_x")
    assert key.pk.startswith("ORG#org_x#")
    assert key.pk.endswith("#")


def test_an_organisations_prefix_is_no_prefix_of_anothers() -> None:
    for kind in LAYOUTS:
        if kind.__name__ not in PERSONAL | OF_THE_PLATFORM:
            assert not key_of(kind, "org_11").pk.startswith(key_of(kind, "org_1").pk)


def test_every_list_of_a_tenants_things_is_in_its_own_partition() -> None:
    listings = [v for v in vars(ports).values() if isinstance(v, ports.Listing)]
    shared = {"OPEN_VERSIONS", "OPEN_DEPLOYMENTS", "CLOSING", "UNSETTLED", "REPAIRS", "ORPHANS"}
    shared |= {"PUBLIC_LISTINGS", "OPEN_REPORTS", "CONNECTIONS", "INSTALLED"}
    shared |= {"OPEN_RECEIPTS", "OPEN_DELIVERIES", "OPEN_TRACKS", "OPEN_PREVIEWS", "TELLINGS"}
    shared |= {"NOBODYS_RECEIPTS"}  # operators see what concerns no agent
    of_people = {"sessions", "memberships", "identities", "runs", "votes", "shared_with_person"}
    for listing in listings:
        if listing.name.upper() in shared or listing.name in of_people:
            continue
        scope = ["org_x", "1"][: _RANGES[listing.name].__code__.co_argcount]
        assert range_of(listing, *scope).pk.startswith("ORG#org_x#"), listing.name


def test_a_presigned_form_takes_one_key_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    key = "org_x/agt_x/ver_x/source"
    form = S3Artifacts("sources", "artifacts").upload_form(key, max_bytes=9, expires_seconds=60)
    policy = json.loads(base64.b64decode(form.fields["policy"]))
    assert {"key": key} in policy["conditions"]
    assert {"bucket": "sources"} in policy["conditions"]
    assert ["content-length-range", 1, 9] in policy["conditions"]
    assert not [c for c in policy["conditions"] if isinstance(c, list) and c[0] == "starts-with"]
    assert form.fields["key"] == key
