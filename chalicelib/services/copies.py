"""Running one's own copy of a published agent, and following its author's newer versions.

A copy is not built again: its version is the published one, image digest and all. Its agent, its
variables and its version come to be in one transaction, together with what is counted for the
author.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from chalicelib.domain.agents import Agent, Category, Runtime, SlugClaim, Visibility, slug_of
from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.copies import Difference, Origin, Run, View, difference, missing
from chalicelib.domain.deployments import HistoryItem
from chalicelib.domain.ids import new_id
from chalicelib.domain.listings import AgentListing, Found, PublishedVersion
from chalicelib.domain.pages import PAGES
from chalicelib.domain.release import CONTEXT, Strategy, strategy_of
from chalicelib.domain.search import trend_of
from chalicelib.domain.tenancy import Action, Membership, Principal
from chalicelib.domain.versions import Newest, Source, SourceKind, Version, VersionState
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    PlatformError,
)
from chalicelib.ports import Artifacts, Change, Clock, Put, Store, Tally
from chalicelib.services.agents import Agents
from chalicelib.services.audit import Audit
from chalicelib.services.deployments import Deployments
from chalicelib.services.marketplace import Marketplace
from chalicelib.services.sharing import Sharing
from chalicelib.services.variables import EnvironmentVariables, VariableValue
from chalicelib.services.versions import Versions
from chalicelib.telemetry import logger
from chalicelib.values import frozen

ENVIRONMENT = "production"
_TRIES = 20
_KEPT = 5
"""So many copies of one agent are remembered for each person."""


@frozen
class Copy:
    """What came to be. `deployment_id` is None when it was not asked for, or could not begin: the
    version can be deployed like any other."""

    agent: Agent
    version: Version
    deployment_id: str | None


@frozen
class Update:
    """How a copy stands to what its author shows now. `missing` names the variables that have no
    value yet and without which the newer version does not run."""

    origin: Origin
    found: Found | None
    """None: the author has withdrawn it, or shares it no longer."""
    latest: PublishedVersion | None
    available: bool
    difference: Difference
    missing: tuple[str, ...]


class Copies:
    def __init__(
        self,
        *,
        store: Store,
        artifacts: Artifacts,
        marketplace: Marketplace,
        sharing: Sharing,
        agents: Agents,
        versions: Versions,
        variables: EnvironmentVariables,
        deployments: Deployments,
        audit: Audit,
        clock: Clock,
        salt: Callable[[], str],
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._marketplace = marketplace
        self._sharing = sharing
        self._agents = agents
        self._versions = versions
        self._variables = variables
        self._deployments = deployments
        self._audit = audit
        self._clock = clock
        self._salt = salt

    def create(
        self,
        principal: Principal,
        offered: str | Found,
        *,
        version_id: str | None = None,
        name: str | None = None,
        variables: Mapping[str, str] | None = None,
        deploy: bool = True,
        fork: bool = False,
    ) -> Copy:
        """The caller's own agent, made of a published version (by default the one shown) of the
        public agent of this slug, or of one that was found otherwise.

        Raises Invalid `variables_missing` naming each variable that the manifest requires.
        """
        principal.require(Action.AGENT_CREATE)
        principal.require(Action.VERSION_CREATE)
        if deploy:
            principal.require(Action.DEPLOYMENT_CREATE)
        found = Found(self._marketplace.find(offered)) if isinstance(offered, str) else offered
        listing = found.listing
        if fork and not listing.fork:
            raise Forbidden(
                f"The author of {listing.name} does not give its source away. Make a copy of the "
                "built version instead."
            )
        version = self._marketplace.version(found, version_id or listing.version_id or "")
        values = _declared(version.manifest, variables or {})
        if deploy:
            _complete(version.manifest, values)
        copy = self._make(principal, found, version, name or listing.name, values, fork=fork)
        if fork:
            built = self._versions.create(
                principal,
                copy.agent.id,
                lambda key: Source(SourceKind.FORK, version.source_filename, key),
                deploy=deploy,
                environment=ENVIRONMENT,
            )
            self._artifacts.copy_source(version.source_key, built.source.key)
            return replace(copy, version=built)
        return self._deployed(copy) if deploy else copy

    def updates(self, principal: Principal, agent_id: str) -> Update:
        """What the author has published since. Raises Conflict for an agent that is no copy."""
        principal.require(Action.AGENT_READ, agent_id)
        agent = self._agents.get(principal, agent_id)
        if agent.origin is None:
            raise Conflict(
                "This agent is no copy of a published one, so nobody publishes updates for it.",
                code="not_a_copy",
            )
        return self._update(agent, agent.origin)

    def accept(
        self,
        principal: Principal,
        agent_id: str,
        *,
        variables: Mapping[str, str] | None = None,
        deploy: bool = True,
    ) -> Copy:
        """Takes the author's newest version over, with values for what it newly requires."""
        principal.require(Action.VERSION_CREATE, agent_id)
        if deploy:
            principal.require(Action.DEPLOYMENT_CREATE, agent_id)
        agent = self._agents.get(principal, agent_id)
        update = self.updates(principal, agent_id)
        latest = update.latest
        if update.origin.fork:
            raise Conflict(
                "This is a fork: its source is yours. Upload a version that has what you want of "
                "the author's changes.",
                code="is_a_fork",
            )
        if latest is None or not update.available:
            raise Conflict("There is nothing newer to take over.", code="up_to_date")
        given = _declared(latest.manifest, variables or {})
        stored = self._variables.stored(agent.org_id, agent.id, ENVIRONMENT)
        present = dict.fromkeys(stored.names, "set") if stored else {}
        if deploy:
            _complete(latest.manifest, {**present, **given})
        now = self._clock.now()
        version = _version(latest, agent, principal, agent.version_count + 1, now, deploy=deploy)
        changed = replace(
            agent,
            version_count=version.number,
            newest=Newest(version.id, now),
            origin=replace(update.origin, version_id=latest.version_id, label=latest.label),
            updated_at=now,
            revision=agent.revision + 1,
        )
        changes: list[Change] = [Put(changed), Put(version), Put(_item(version, principal))]
        if given:
            kept = [VariableValue(n, None, s) for n, s in (stored.names if stored else {}).items()]
            wanted = [v for v in kept if v.name not in given] + _values(latest.manifest, given)
            changes.append(
                Put(self._variables.successor(principal, agent.id, ENVIRONMENT, wanted, stored))
            )
        said = AuditEvent.by(
            principal, Audited.VERSION_CREATED, version.id, after={"copy_of": latest.version_id}
        )
        self._lay_out(latest, version)
        self._audit.commit(said, *changes)
        copy = Copy(changed, version, None)
        return self._deployed(copy) if deploy else copy

    def view(self, slug: str, address: str, browser: str) -> None:
        """Counts one visitor a day of a listing once; nobody's address is kept."""
        listing = self._marketplace.find(slug)
        now = self._clock.now()
        day = now.date().isoformat()
        said = f"{self._salt()} {day} {listing.agent_id} {address} {browser}"
        visitor = sha256(said.encode()).hexdigest()[:32]
        seen = View(listing.org_id, listing.agent_id, day, visitor, now + timedelta(days=2))
        try:
            self._store.commit(Put(seen), Tally(listing.org_id, listing.agent_id, {"views": 1}))
        except ChangedMeanwhile:
            return

    # --- how ------------------------------------------------------------------------------

    def _make(
        self,
        principal: Principal,
        found: Found,
        offered: PublishedVersion,
        name: str,
        values: Mapping[str, str],
        *,
        fork: bool,
    ) -> Copy:
        now = self._clock.now()
        listing = found.listing
        origin = Origin(
            org_id=listing.org_id,
            agent_id=listing.agent_id,
            slug=listing.slug,
            version_id=offered.version_id,
            label=offered.label,
            fork=fork,
            share_id=found.share_id,
        )
        agent_id = new_id("agt")
        agent = Agent(
            id=agent_id,
            org_id=principal.org_id,
            name=name,
            slug="",
            description=listing.summary,
            category=listing.categories[0] if listing.categories else Category.OTHER,
            runtime=Runtime(offered.plan["runtime"]) if offered.plan.get("runtime") else None,
            visibility=Visibility.PRIVATE,
            created_by=principal.user_id,
            created_at=now,
            updated_at=now,
            version_count=0 if fork else 1,
            origin=origin,
        )
        version = _version(offered, agent, principal, 1, now, deploy=True)
        changes: list[Change] = []
        if not fork:
            agent = replace(agent, newest=Newest(version.id, now))
            self._lay_out(offered, version)
            changes += [Put(version), Put(_item(version, principal))]
        if values:
            wanted = _values(offered.manifest, values)
            changes.append(Put(self._variables.successor(principal, agent_id, ENVIRONMENT, wanted)))
        said = AuditEvent.by(
            principal,
            Audited.AGENT_CREATED,
            agent_id,
            after={"name": name, "copy_of": listing.slug, "version_id": offered.version_id},
        )
        base = slug_of(name)
        for attempt in range(_TRIES):
            slug = base if attempt == 0 else f"{base[:36]}-{attempt + 1}"
            made = replace(agent, slug=slug)
            claim = SlugClaim(principal.org_id, slug, agent_id)
            try:
                self._audit.commit(
                    said, Put(made), Put(claim), *changes, *self._counted(principal, listing, made)
                )
            except ChangedMeanwhile:
                continue
            return Copy(made, version, None)
        raise Conflict(
            f"Many agents of yours are called “{name}”. Choose another name.", code="name_taken"
        )

    def _counted(self, principal: Principal, listing: AgentListing, copy: Agent) -> list[Change]:
        """What a copy counts for; an author's own copies count for nothing."""
        if principal.org_id == listing.org_id:
            return []
        now = self._clock.now()
        amounts: dict[str, int | float] = {"deployments": 1, "trend": trend_of(now)}
        made = (copy.org_id, copy.id)
        key = (listing.org_id, listing.agent_id, principal.user_id)
        run, membership = self._store.get_many(
            (Run, *key), (Membership, listing.org_id, principal.user_id)
        )
        if membership is not None:
            return []
        if run is None:
            amounts["users"] = 1
            run = Run(*key, copies=(made,), at=now)
        else:
            run = replace(run, copies=(made, *run.copies)[:_KEPT], revision=run.revision + 1)
        return [Put(run), Tally(listing.org_id, listing.agent_id, amounts)]

    def _lay_out(self, offered: PublishedVersion, version: Version) -> None:
        """What people read of a version that was built elsewhere, where it came from and its pages;
        and what the host builds, where it builds. It is there before the version is: whoever takes
        up one whose maker has died must find all of it."""
        if strategy_of(offered.image) is Strategy.SOURCE:
            self._artifacts.copy_built(f"{offered.prefix}{CONTEXT}", f"{version.prefix}{CONTEXT}")
        self._artifacts.put_json(
            f"{version.prefix}report.json",
            {
                "state": "succeeded",
                "image": offered.image,
                "size_bytes": offered.image_size,
                "copied_from": {"version_id": offered.version_id, "label": offered.label},
                "steps": [],
                "reasons": [],
                "tests": [],
                "scan": {"findings": [], "tools": [], "unavailable": []},
                "warnings": [],
            },
        )
        pages = self._artifacts.get_json(f"{offered.prefix}{PAGES}")
        if pages:
            self._artifacts.put_json(f"{version.prefix}{PAGES}", pages)

    def _deployed(self, copy: Copy) -> Copy:
        try:
            version = self._deployments.request_for_build(copy.version)
        except PlatformError as error:
            logger.warning("the copy is there but not deployed", extra={"detail": error.detail})
            return copy
        return replace(copy, version=version, deployment_id=version.deployment_id)

    def _update(self, agent: Agent, origin: Origin) -> Update:
        current = self._store.get(
            PublishedVersion, origin.org_id, origin.agent_id, origin.version_id
        )
        found = self._sharing.still(origin, agent.org_id)
        latest: PublishedVersion | None = None
        if found is not None and found.listing.version_id != origin.version_id:
            try:
                latest = self._marketplace.version(found, found.listing.version_id or "")
            except NotFound:
                latest = None
        before = current.manifest if current is not None else {}
        newer = latest is not None and (current is None or latest.number > current.number)
        stored = self._variables.stored(agent.org_id, agent.id, ENVIRONMENT)
        names = dict.fromkeys(stored.names, "set") if stored else {}
        return Update(
            origin=origin,
            found=found,
            latest=latest or current,
            available=newer,
            difference=difference(
                before,
                latest.manifest if latest else before,
                tools_before=current.tools if current else None,
                tools_after=latest.tools if latest else None,
            ),
            missing=tuple(missing(latest.manifest, names)) if latest else (),
        )


def _version(
    offered: PublishedVersion,
    agent: Agent,
    principal: Principal,
    number: int,
    now: datetime,
    *,
    deploy: bool,
) -> Version:
    return Version(
        id=new_id("ver"),
        org_id=agent.org_id,
        agent_id=agent.id,
        number=number,
        label=offered.label,
        state=VersionState.READY,
        source=Source(
            SourceKind.COPY,
            offered.source_filename,
            "",
            offered.source_size,
            offered.source_digest,
        ),
        created_by=principal.user_id,
        created_at=now,
        updated_at=now,
        deploy=deploy,
        manifest=offered.manifest,
        plan=offered.plan,
        image=offered.image,
        image_size=offered.image_size,
        timings={VersionState.READY.value: now.isoformat()},
    )


def _item(version: Version, principal: Principal) -> HistoryItem:
    return HistoryItem(
        org_id=version.org_id,
        subject_id=version.id,
        sequence=version.revision,
        at=version.updated_at,
        event="copied",
        state=version.state.value,
        actor=principal.user_id,
    )


def _declared(manifest: Mapping[str, object], given: Mapping[str, str]) -> dict[str, str]:
    known = {item["name"] for item in _env(manifest)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise Invalid(
            "This agent does not read all of these variables.",
            code="variables_unknown",
            errors=tuple(
                FieldError(f"variables.{name}", "The manifest does not name it; leave it out.")
                for name in unknown
            ),
        )
    return {name: value for name, value in given.items() if value != ""}


def _complete(manifest: Mapping[str, object], values: Mapping[str, str]) -> None:
    lacking = missing(manifest, values)
    if not lacking:
        return
    said = {item["name"]: item.get("description") for item in _env(manifest)}
    raise Invalid(
        "This agent does not run without some variables.",
        code="variables_missing",
        errors=tuple(
            FieldError(f"variables.{name}", str(said.get(name) or "Give it a value."))
            for name in lacking
        ),
    )


def _values(manifest: Mapping[str, object], given: Mapping[str, str]) -> list[VariableValue]:
    secret = {item["name"] for item in _env(manifest) if item.get("secret")}
    return [VariableValue(name, value, name in secret) for name, value in given.items()]


def _env(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(manifest.get("env") or ())
