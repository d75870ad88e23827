"""Fetching a commit's files to where uploads arrive; from there on its way is an upload's."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.domain.connections import (
    Connection,
    checked_ref,
    checked_repository,
    checked_root,
)
from chalicelib.domain.messages import shown_author, shown_message
from chalicelib.domain.repositories import RepositoryRef
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.domain.versions import Reason, SourceCommit, Version, VersionEvent, VersionState
from chalicelib.errors import CodeHostRefused, FieldError, Invalid, NotFound, TooLarge, Unavailable
from chalicelib.ports import Artifacts, Clock, CodeHost, Store
from chalicelib.services.agents import Agents
from chalicelib.services.progress import Progress
from chalicelib.services.variables import EnvironmentVariables
from chalicelib.services.versions import FETCH_AFTER, MAX_UPLOAD_BYTES, Versions, commit_source
from chalicelib.telemetry import logger

WAITING = "code_host_waiting"
"""The warning on a version whose commit cannot be fetched just now."""
_AT_LEAST = 30


class Sources:
    def __init__(
        self,
        *,
        store: Store,
        artifacts: Artifacts,
        code_host: CodeHost,
        agents: Agents,
        versions: Versions,
        progress: Progress,
        variables: EnvironmentVariables,
        clock: Clock,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._code_host = code_host
        self._agents = agents
        self._versions = versions
        self._progress = progress
        self._variables = variables
        self._clock = clock

    def create(
        self,
        principal: Principal,
        agent_id: str,
        *,
        repository: str | None,
        ref: str | None,
        root: str | None,
        deploy: bool,
        environment: str = "production",
        hold: bool = False,
        choice: str | None = None,
    ) -> Version:
        """A version of what a branch, a tag or a commit is now: of the agent's own repository, or
        of any public one. Its source is fetched by itself."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.VERSION_CREATE, agent_id)
        connection = self._store.get(Connection, agent.org_id, agent.id)
        if repository is None and connection is None:
            raise Invalid(
                "Which repository is meant?",
                code="not_connected",
                errors=(
                    FieldError(
                        "repository", "Name a public one as owner/name, or connect the agent."
                    ),
                ),
            )
        name = checked_repository(repository) if repository else ""
        own = connection if connection and name in ("", connection.repository) else None
        where = own.ref if own else RepositoryRef(name)
        folder = own.root if own and root is None else checked_root(root or "")
        try:
            found = self._code_host.repository(where)
            where = RepositoryRef(found.full_name, found.id, where.installation_id)
            wanted = checked_ref(ref) if ref else own.branch if own else found.default_branch
            head = self._code_host.commit(where, wanted)
        except CodeHostRefused as error:
            at = "ref" if error.code == "commit_gone" else "repository"
            raise Invalid(
                "There is nothing to be fetched there.",
                code=error.code,
                errors=(FieldError(at, error.detail),),
            ) from error
        if found.private and where.installation_id is None:
            raise NotFound("There is no such repository that may be read without permission.")
        mask = self._variables.masker_in(agent.org_id, agent.id, environment)
        commit = SourceCommit(
            repository=found.full_name,
            sha=head.sha,
            repository_id=found.id,
            installation_id=where.installation_id,
            branch=wanted if wanted != head.sha else "",
            message=mask(shown_message(head.message)),
            author=mask(shown_author(head.author)),
            root=folder,
        )
        return self._versions.create(
            principal,
            agent_id,
            lambda key: commit_source(key, commit),
            deploy=deploy,
            environment=environment,
            hold=hold,
            choice=choice,
        )

    def fetch(self, org_id: str, version_id: str) -> Version | None:
        """Has the version's commit stored, unless it is there already. Safe to repeat."""
        version = self._store.get(Version, org_id, version_id)
        if version is None or version.state is not VersionState.AWAITING_UPLOAD:
            return version
        commit = version.source.commit
        if commit is None:
            return version
        if self._artifacts.source_size(version.source.key) is not None:
            return self._versions.receive_upload(org_id, version_id)
        try:
            pieces = self._code_host.archive(ref_of(commit), commit.sha, max_bytes=MAX_UPLOAD_BYTES)
            size = self._artifacts.put_source(version.source.key, pieces)
        except Unavailable as error:
            return self._later(version, error)
        except CodeHostRefused as error:
            return self._fail(version, error.code, error.detail)
        except TooLarge:
            return self._fail(
                version,
                "upload_too_large",
                f"The commit's archive has more than {MAX_UPLOAD_BYTES // 1_000_000} MB. Take "
                "data and build output out of the repository, or out of its archives with "
                "export-ignore in .gitattributes.",
            )
        logger.info("commit fetched", extra={"version_id": version.id, "size": size})
        # The object store's event starts the build, as for an upload.
        return version

    def _fail(self, version: Version, code: str, detail: str) -> Version:
        return self._progress.move(version, VersionEvent.FAILED, reasons=(Reason(code, detail),))

    def _later(self, version: Version, error: Unavailable) -> Version:
        """The version says what it waits for; the reconciler has it fetched again."""
        again = self._clock.now() + timedelta(seconds=max(error.retry_after or 0, _AT_LEAST))
        warnings = tuple(w for w in version.warnings if w.code != WAITING)
        waits = Reason(WAITING, f"The commit could not be fetched yet: {error.detail}")
        return self._progress.note(
            version,
            warnings=(*warnings, waits),
            timings={**version.timings, FETCH_AFTER: again.isoformat()},
        )


def ref_of(commit: SourceCommit) -> RepositoryRef:
    """Where the host finds the commit's repository, and with whose permission."""
    return RepositoryRef(commit.repository, commit.repository_id, commit.installation_id)
