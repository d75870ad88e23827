"""Versions: from a new upload form to an image that is ready to be deployed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from chalicelib.domain.agents import Agent, Runtime
from chalicelib.domain.audit import SYSTEM, Audited, AuditEvent
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.pull_requests import number_of
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.domain.versions import (
    Newest,
    Reason,
    Source,
    SourceCommit,
    SourceKind,
    Template,
    Version,
    VersionEvent,
    VersionState,
)
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    FieldError,
    Invalid,
    NotFound,
)
from chalicelib.ports import (
    VERSIONS,
    Artifacts,
    Change,
    Clock,
    LogLine,
    Page,
    Put,
    Schedule,
    Store,
    Task,
    Tasks,
    UploadForm,
)
from chalicelib.services.agents import NO_AGENT, Agents, environment_name, require_on
from chalicelib.services.audit import Audit
from chalicelib.services.build_logs import read_build_log
from chalicelib.services.builds import Builds, closed, published_templates
from chalicelib.services.deployments import Deployments
from chalicelib.services.history import item
from chalicelib.services.progress import Progress
from chalicelib.services.variables import EnvironmentVariables
from chalicelib.telemetry import logger

MAX_UPLOAD_BYTES = 100 * 1000 * 1000
UPLOAD_FORM_SECONDS = 3600
INTAKE_PATIENCE = timedelta(seconds=20)
INTAKE_LIMIT = timedelta(minutes=10)
PERSON_LIMIT = timedelta(days=1)
FETCH_LIMIT = timedelta(hours=6)
FETCH_AFTER = "fetch_after"
"""In a version's timings: when its commit is asked for again."""
_TRIES = 5


class Versions:
    def __init__(
        self,
        *,
        store: Store,
        audit: Audit,
        artifacts: Artifacts,
        builds: Builds,
        progress: Progress,
        agents: Agents,
        variables: EnvironmentVariables,
        deployments: Deployments,
        schedule: Schedule,
        tasks: Tasks,
        clock: Clock,
        upload_limit: timedelta,
        build_limit: timedelta,
    ) -> None:
        self._store = store
        self._audit = audit
        self._artifacts = artifacts
        self._builds = builds
        self._progress = progress
        self._agents = agents
        self._variables = variables
        self._deployments = deployments
        self._schedule = schedule
        self._tasks = tasks
        self._clock = clock
        self._upload_limit = upload_limit
        self._build_limit = build_limit

    # --- for people -----------------------------------------------------------------

    def create_upload(
        self,
        principal: Principal,
        agent_id: str,
        *,
        filename: str,
        size: int | None,
        deploy: bool,
        environment: str = "production",
        hold: bool = False,
        choice: str | None = None,
    ) -> tuple[Version, UploadForm]:
        """A version that waits for its archive, and the form to post the archive with."""
        if size is not None and size > MAX_UPLOAD_BYTES:
            raise Invalid(
                "The archive is too large.",
                code="upload_too_large",
                errors=(
                    FieldError(
                        "size",
                        f"At most {MAX_UPLOAD_BYTES // 1_000_000} MB packed. Leave out "
                        "dependencies, build output and data; they are installed at build time.",
                    ),
                ),
            )
        name = PurePosixPath(filename.replace("\\", "/")).name or "source.zip"
        version = self.create(
            principal,
            agent_id,
            lambda key: Source(SourceKind.UPLOAD, name, key, size),
            deploy=deploy,
            environment=environment,
            hold=hold,
            choice=choice,
        )
        form = self._artifacts.upload_form(
            version.source.key, max_bytes=MAX_UPLOAD_BYTES, expires_seconds=UPLOAD_FORM_SECONDS
        )
        return version, form

    def create_from_template(
        self,
        principal: Principal,
        agent_id: str,
        *,
        template: str,
        deploy: bool,
        environment: str = "production",
        hold: bool = False,
    ) -> Version:
        """A version made of a published template; its build starts by itself unless held."""
        known = {one.name: one for one in self.templates()}
        if template not in known:
            raise Invalid(
                "There is no such template.",
                code="template_unknown",
                errors=(FieldError("template", f"Choose one of: {', '.join(sorted(known))}."),),
            )
        chosen = known[template]
        version = self.create(
            principal,
            agent_id,
            lambda key: Source(
                SourceKind.TEMPLATE, f"{chosen.name}.zip", key, template=chosen.name
            ),
            deploy=deploy,
            environment=environment,
            hold=hold,
        )
        self._artifacts.copy_template(chosen.key, version.source.key)
        return version

    def templates(self) -> list[Template]:
        return published_templates(self._artifacts)

    def get(self, principal: Principal, agent_id: str, version_id: str) -> Version:
        require_on(principal, Action.VERSION_READ, agent_id, or_else=NO_AGENT)
        version = (
            self._store.get(Version, principal.org_id, version_id)
            if is_id(version_id, "ver")
            else None
        )
        if version is None or version.agent_id != agent_id:
            raise NotFound("This agent has no version with this id.")
        return version

    def page(
        self, principal: Principal, agent_id: str, *, limit: int, after: str | None
    ) -> Page[Version]:
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.VERSION_READ, agent_id)
        return self._store.page(VERSIONS, agent.org_id, agent.id, limit=limit, after=after)

    def uploaded(self, principal: Principal, agent_id: str, version_id: str) -> Version:
        """For stores that send no events: the client says that its upload is complete."""
        require_on(principal, Action.VERSION_CREATE, agent_id, or_else=NO_AGENT)
        version = self.get(principal, agent_id, version_id)
        if version.state is VersionState.AWAITING_UPLOAD and not self._has_source(version):
            raise Conflict(
                "Nothing has been uploaded for this version yet. Post the archive to the upload "
                "form first.",
                code="upload_missing",
            )
        return self.receive_upload(version.org_id, version.id) or version

    def build(
        self,
        principal: Principal,
        agent_id: str,
        version_id: str,
        *,
        manifest: Mapping[str, Any] | None,
    ) -> Version:
        """Confirms a version that was held after its source was read, and builds it.

        `manifest` replaces what the source said or what was inferred.
        """
        require_on(principal, Action.VERSION_CREATE, agent_id, or_else=NO_AGENT)
        version = self.get(principal, agent_id, version_id)
        if version.state is VersionState.BUILDING:
            return version
        if version.state.is_final:
            raise Conflict(
                f"This version is {version.state} and stays as it is. Upload the source again to "
                "make a new version of it.",
                code="version_final",
            )
        if version.state is VersionState.AWAITING_UPLOAD:
            raise Conflict("Upload the source first.", code="upload_missing")
        if manifest is not None:
            from chalicelib.domain.manifest import Manifest  # noqa: PLC0415 - as above

            Manifest.model_validate(manifest)
        confirmed = replace(
            version,
            hold=False,
            manifest=manifest or version.manifest,
            plan=None if manifest is not None else version.plan,
            updated_at=self._clock.now(),
            revision=version.revision + 1,
        )
        event = AuditEvent.by(
            principal,
            Audited.VERSION_CONFIRMED,
            version.id,
            after={"manifest": "given" if manifest is not None else "as read"},
        )
        self._audit.commit(event, Put(confirmed))
        return self.receive_upload(confirmed.org_id, confirmed.id) or confirmed

    def cancel(self, principal: Principal, agent_id: str, version_id: str) -> Version:
        """Stops a version on its way; one that has ended stays as it is."""
        require_on(principal, Action.VERSION_CREATE, agent_id, or_else=NO_AGENT)
        version = self.get(principal, agent_id, version_id)
        cancelled = self._progress.move(
            version,
            VersionEvent.CANCELLED,
            actor=principal.user_id,
            by=AuditEvent.by(
                principal, Audited.VERSION_CANCELLED, version.id, before={"state": version.state}
            ),
            reasons=(Reason("cancelled", "Cancelled by request."),),
        )
        if cancelled.state is VersionState.CANCELLED and version.build_id:
            self._builds.stop(version.build_id)
        return cancelled

    def report(self, principal: Principal, agent_id: str, version_id: str) -> Mapping[str, Any]:
        """The build program's own report; empty until it has written one."""
        version = self.get(principal, agent_id, version_id)
        report = self._builds.report(version)
        if version.state.is_final and report.get("state") == "running":
            # It was ended before it could say so itself.
            report = closed(report, version)
        masked: Mapping[str, Any] = self._variables.masker_of(version).deep(report)
        return masked

    def logs(
        self,
        principal: Principal,
        agent_id: str,
        version_id: str,
        *,
        cursor: str | None,
        limit: int,
    ) -> tuple[list[LogLine], str | None, bool]:
        """Build log lines after the cursor, the next cursor, and whether more may come."""
        version = self.get(principal, agent_id, version_id)
        mask = self._variables.masker_of(version)
        lines, after = read_build_log(self._artifacts, version.prefix, cursor, limit, mask)
        return lines, after, not version.state.is_final

    # --- for events and the reconciler ------------------------------------------------

    def receive_upload(self, org_id: str, version_id: str) -> Version | None:
        """The source has arrived: read it and start its build. Safe to call again and late."""
        version = self._store.get(Version, org_id, version_id)
        if version is None:
            logger.warning("upload for an unknown version", extra={"version_id": version_id})
            return None
        if version.state not in (VersionState.AWAITING_UPLOAD, VersionState.UPLOADED):
            return version
        version = self._progress.move(version, VersionEvent.UPLOAD_RECEIVED)
        if version.state is not VersionState.UPLOADED:
            return version
        if version.plan is None:
            version = self._understand(version)
        if version.state is VersionState.UPLOADED and not version.hold:
            version = self._builds.start(version)
        return version

    def finish_build(
        self, org_id: str, version_id: str, status: str, build_id: str | None = None
    ) -> Version | None:
        """The build service says the build has ended; its report says how. Safe to repeat.

        `build_id` tells which build is meant; word of one that was begun anew since is old.
        """
        version = self._store.get(Version, org_id, version_id)
        if version is None:
            return None
        if build_id and version.build_id and build_id != version.build_id:
            return version
        if not version.state.is_final:
            version = self._builds.conclude(version, status)
        if version.owes_deployment:
            return self._deployments.request_for_build(version)
        return version

    def reconcile(self, version: Version) -> None:
        """Brings an unfinished version on its way again, or to its end."""
        age = self._clock.now() - version.updated_at
        match version.state:
            case VersionState.AWAITING_UPLOAD:
                self._await_upload(version, age)
            case VersionState.UPLOADED if version.hold:
                self._await_person(version, age)
            case VersionState.UPLOADED:
                self._await_intake(version, age)
            case VersionState.BUILDING if version.build_id:
                self._look_at_build(version, age)
            case VersionState.BUILDING:
                self._builds.start(version)
            case VersionState.READY if version.owes_deployment:
                self._deployments.request_for_build(version)

    def halt(self, version: Version, why: Reason) -> None:
        """Ends a version on its way, on the platform's own behalf."""
        halted = self._progress.move(version, VersionEvent.CANCELLED, reasons=(why,))
        if halted.state is VersionState.CANCELLED and version.build_id:
            self._builds.stop(version.build_id)

    def _await_upload(self, version: Version, age: timedelta) -> None:
        if self._has_source(version):
            self.receive_upload(version.org_id, version.id)
        elif version.source.kind is SourceKind.TEMPLATE:
            self._copy_again(version)
        elif version.source.kind is SourceKind.GITHUB:
            self._await_commit(version)
        elif age > self._upload_limit:
            self._give_up(version, "upload_expired", "No archive arrived in time. Upload it again.")

    def _await_commit(self, version: Version) -> None:
        now = self._clock.now()
        if now - version.created_at > FETCH_LIMIT:
            self._give_up(
                version,
                "source_unavailable",
                "The commit could not be fetched for hours. Deliver the push again once the code "
                "host answers.",
            )
        elif now.isoformat() > version.timings.get(FETCH_AFTER, ""):
            self._tasks.start([Task("fetch", version.org_id, version.id)])

    def _await_person(self, version: Version, age: timedelta) -> None:
        if age > PERSON_LIMIT:
            reason = Reason("not_confirmed", "Nobody confirmed this version in a day.")
            self._progress.move(version, VersionEvent.CANCELLED, reasons=(reason,))

    def _await_intake(self, version: Version, age: timedelta) -> None:
        if age > INTAKE_LIMIT:
            self._give_up(
                version,
                "intake_failed",
                "We could not read this source or start its build, again and again. That is our "
                "fault; upload it once more, and report it if it stays.",
            )
        elif age > INTAKE_PATIENCE:
            self.receive_upload(version.org_id, version.id)

    def _give_up(self, version: Version, code: str, detail: str) -> None:
        self._progress.move(version, VersionEvent.FAILED, reasons=(Reason(code, detail),))

    # --- how ----------------------------------------------------------------------------

    def create(
        self,
        principal: Principal,
        agent_id: str,
        source: Any,
        *,
        deploy: bool,
        environment: str,
        hold: bool = False,
        choice: str | None = None,
    ) -> Version:
        require_on(principal, Action.VERSION_CREATE, agent_id, or_else=NO_AGENT)
        if deploy:
            principal.require(Action.DEPLOYMENT_CREATE, agent_id)
        environment = environment_name(environment)
        if number_of(environment) is not None:
            raise Conflict(
                f"The environment {environment} is a pull request's. Choose another name.",
                code="environment_reserved",
            )
        for _ in range(_TRIES):
            agent = self._agents.get(principal, agent_id)
            version, changes = self._draft(
                agent,
                source,
                created_by=principal.user_id,
                deploy=deploy,
                environment=environment,
                hold=hold,
                choice=choice,
            )
            said = {"agent_id": agent.id, "source": version.source.kind, "deploy": deploy}
            event = AuditEvent.by(principal, Audited.VERSION_CREATED, version.id, after=said)
            try:
                self._audit.commit(event, *changes)
            except ChangedMeanwhile:
                continue
            self._schedule.enable()
            return version
        raise Conflict("Many versions are being made at once. Try again in a moment.")

    def create_from_commit(
        self,
        org_id: str,
        agent_id: str,
        commit: SourceCommit,
        *,
        created_by: str,
        environment: str,
        more: Callable[[Version], Sequence[Change]],
    ) -> Version:
        """A version of a commit that was pushed, deployed when it is ready. `more` joins its
        transaction. Raises ChangedMeanwhile for the caller to look again."""
        agent = self._agents.stored(org_id, agent_id)
        if agent is None:
            raise NotFound(NO_AGENT)
        version, changes = self._draft(
            agent,
            lambda key: commit_source(key, commit),
            created_by=created_by,
            deploy=True,
            environment=environment,
        )
        said = {
            "agent_id": agent_id,
            "source": version.source.kind,
            "deploy": True,
            "repository": commit.repository,
            "commit": commit.sha,
        }
        event = AuditEvent(org_id, SYSTEM, Audited.VERSION_CREATED, version.id, after=said)
        self._audit.commit(event, *changes, *more(version))
        self._schedule.enable()
        return version

    def _draft(
        self,
        agent: Agent,
        source: Callable[[str], Source],
        *,
        created_by: str,
        deploy: bool,
        environment: str,
        hold: bool = False,
        choice: str | None = None,
    ) -> tuple[Version, list[Change]]:
        """The agent's next version, and what is written of it."""
        now = self._clock.now()
        version_id = new_id("ver")
        number = agent.version_count + 1
        version = Version(
            id=version_id,
            org_id=agent.org_id,
            agent_id=agent.id,
            number=number,
            label=f"v{number}",
            state=VersionState.AWAITING_UPLOAD,
            source=source(f"{agent.org_id}/{agent.id}/{version_id}/source"),
            created_by=created_by,
            created_at=now,
            updated_at=now,
            deploy=deploy,
            hold=hold,
            choice=choice or agent.choice,
            environment=environment,
            timings={VersionState.AWAITING_UPLOAD.value: now.isoformat()},
        )
        counted = replace(
            agent,
            version_count=number,
            newest=agent.newest if version.unmerged else Newest(version_id, now),
            choice=choice or agent.choice,
            updated_at=now,
            revision=agent.revision + 1,
        )
        return version, [Put(counted), Put(version), Put(item(version, "created", created_by))]

    def _understand(self, version: Version) -> Version:
        # Reading sources takes modules that no ordinary request needs.
        from chalicelib.services.intake import understand  # noqa: PLC0415

        understood = understand(version, self._artifacts)
        source = replace(version.source, size=understood.size, digest=understood.digest)
        facts: dict[str, Any] = {
            "source": source,
            "label": _labelled(version, understood.label),
            "manifest": understood.manifest,
            "inferred": understood.inferred,
            "candidates": understood.candidates,
            "warnings": understood.warnings,
        }
        if understood.reasons:
            event = VersionEvent.SOURCE_REJECTED if understood.unsafe else VersionEvent.FAILED
            return self._progress.move(version, event, reasons=understood.reasons, **facts)
        self._note_runtime(version, understood.plan or {})
        return self._progress.note(version, plan=understood.plan, **facts)

    def _note_runtime(self, version: Version, plan: Mapping[str, Any]) -> None:
        agent = self._agents.stored(version.org_id, version.agent_id)
        runtime = plan.get("runtime")
        if agent is None or not runtime or agent.runtime == runtime or version.unmerged:
            return
        changed = replace(
            agent,
            runtime=Runtime(runtime),
            updated_at=self._clock.now(),
            revision=agent.revision + 1,
        )
        try:
            self._store.commit(Put(changed))
        except ChangedMeanwhile:
            logger.info("agent changed meanwhile; its runtime is noted with the next version")

    def _look_at_build(self, version: Version, age: timedelta) -> None:
        build_id = version.build_id or ""
        status = self._builds.status(build_id)
        if status is None or status.status != "IN_PROGRESS":
            self.finish_build(version.org_id, version.id, status.status if status else "LOST")
        elif age > self._build_limit:
            self._builds.stop(build_id)
            limit = int(self._build_limit.total_seconds())
            self._give_up(
                version,
                "build_timeout",
                f"The build did not end within {limit} seconds. Its log shows what it was busy "
                "with.",
            )

    def _has_source(self, version: Version) -> bool:
        return self._artifacts.source_size(version.source.key) is not None

    def _copy_again(self, version: Version) -> None:
        for template in self.templates():
            if template.name == version.source.template:
                self._artifacts.copy_template(template.key, version.source.key)


def commit_source(key: str, commit: SourceCommit) -> Source:
    """A source that is fetched from the code host."""
    name = commit.repository.rpartition("/")[2] or "source"
    return Source(SourceKind.GITHUB, f"{name}-{commit.short}.tar.gz", key, commit=commit)


def _labelled(version: Version, stated: str | None) -> str:
    """What the manifest calls it; of a commit, with the commit, as build metadata is written."""
    label = stated or version.label
    commit = version.source.commit
    return label if commit is None else f"{label.partition('+')[0]}+{commit.short}"
