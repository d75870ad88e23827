"""Telling the code host how its commits fare: check runs, deployments, and one comment.

What is told is always how things stand at that moment, so nothing old is told after something
newer, and of many changes only the last. One at a time tells of a subject. What could not be told
is told later, for a week, and what is under way is looked at until it has ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.agents import Agent
from chalicelib.domain.connections import Connection
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.ids import is_id
from chalicelib.domain.pull_requests import PullRequest
from chalicelib.domain.repositories import RepositoryRef
from chalicelib.domain.stations import LINES, stations
from chalicelib.domain.telling import (
    Told,
    check_name,
    comment,
    comment_is_final,
    deployment_state,
    deployment_words,
    pull_subject,
    saying,
)
from chalicelib.domain.versions import SourceCommit, Version
from chalicelib.errors import ChangedMeanwhile, CodeHostRefused, CodeHostUnavailable
from chalicelib.ports import (
    TELLINGS,
    VERSIONS,
    Annotation,
    Artifacts,
    Check,
    Clock,
    CodeHost,
    Put,
    Schedule,
    Store,
    every,
)
from chalicelib.telemetry import logger
from chalicelib.values import frozen

HELD_FOR = timedelta(minutes=3)
"""Longer than any telling takes: who holds a subject longer has died."""
LOOKED_AT_AGAIN = timedelta(minutes=5)
GIVEN_UP_AFTER = timedelta(days=7)
_LONGEST_WAIT = 3600
_SHORTEST_WAIT = 30
_TRIES = 8
_RECENT = 20
_STATUS = {"success": "success", "neutral": "success", "failure": "failure"}


@frozen
class _News:
    """Something to be told: how to tell it from other news, whether it is the end, and saying it,
    which answers what was learned."""

    digest: str
    settled: bool
    say: Callable[[Told], dict[str, Any]]


class Reporting:
    def __init__(
        self,
        *,
        store: Store,
        code_host: CodeHost,
        artifacts: Artifacts,
        schedule: Schedule,
        clock: Clock,
        web_url: str,
    ) -> None:
        self._store = store
        self._code_host = code_host
        self._artifacts = artifacts
        self._schedule = schedule
        self._clock = clock
        self._web_url = web_url

    def tell(self, org_id: str, subject_id: str) -> None:
        """Tells how a version, a deployment or a pull request's preview stands now. Never raises
        for what the host does: what was not told is owed, and told later."""
        if is_id(subject_id, "ver"):
            self._of_version(org_id, subject_id)
        elif is_id(subject_id, "dep"):
            self._of_deployment(org_id, subject_id)
        else:
            agent_id, _, number = subject_id.partition(":")
            self._of_pull(org_id, agent_id, int(number))

    def due(self) -> tuple[list[tuple[str, str]], int]:
        """What is owed by now, or is under way and has not been looked at for a while; and how
        much is open in all."""
        now = self._clock.now()
        found = list(every(self._store, TELLINGS))
        due = [
            (told.org_id, told.subject_id)
            for told in found
            if (told.next_at or told.updated_at + LOOKED_AT_AGAIN) <= now
        ]
        return due, len(found)

    # --- the three kinds ------------------------------------------------------------------

    def _of_version(self, org_id: str, version_id: str) -> None:
        self._each(org_id, version_id, lambda: self._check(org_id, version_id))
        version = self._store.get(Version, org_id, version_id)
        commit = version.source.commit if version is not None else None
        if version is not None and commit is not None and commit.pull_request is not None:
            self._of_pull(org_id, version.agent_id, commit.pull_request)

    def _of_deployment(self, org_id: str, deployment_id: str) -> None:
        if not self._each(org_id, deployment_id, lambda: self._status(org_id, deployment_id)):
            return
        deployment = self._store.get(Deployment, org_id, deployment_id)
        if deployment is None:
            return
        version = self._store.get(Version, org_id, deployment.version_id)
        if version is not None and version.deployment_id in (None, deployment.id):
            self._of_version(org_id, version.id)

    def _of_pull(self, org_id: str, agent_id: str, number: int) -> None:
        subject = pull_subject(agent_id, number)
        self._each(org_id, subject, lambda: self._comment(org_id, agent_id, number))

    # --- what is to be said ---------------------------------------------------------------

    def _check(self, org_id: str, version_id: str) -> _News | None:
        version = self._store.get(Version, org_id, version_id)
        agent = self._store.get(Agent, org_id, version.agent_id) if version is not None else None
        ref = _where(version.source.commit) if version is not None else None
        if version is None or agent is None or ref is None:
            return None
        deployment = self._first_deployment(version)
        report = self._artifacts.get_json(f"{version.prefix}report.json") or {}
        lines = self._artifacts.get_json(f"{version.prefix}{LINES}") or {}
        way = stations(version, report.get("steps") or [], deployment)
        said = saying(version, deployment, way, lines)
        check = Check(
            name=check_name(agent.slug, version.environment),
            sha=version.source.commit.sha if version.source.commit else "",
            status=said.status,
            title=said.title,
            summary=said.summary,
            url=self._page(version, deployment),
            external_id=version.id,
            conclusion=said.conclusion,
            annotations=tuple(Annotation(**vars(one)) for one in said.notes),
        )
        return _News(
            said.digest,
            said.status == "completed",
            lambda told: self._say_check(told, ref, check),
        )

    def _say_check(self, told: Told, ref: RepositoryRef, check: Check) -> dict[str, Any]:
        if not told.by_status:
            notes = () if told.annotated else check.annotations
            sent = replace(check, id=told.remote_id, annotations=notes)
            try:
                number = self._code_host.put_check(ref, sent)
            except CodeHostRefused as error:
                if error.code != "code_host_refused" or told.remote_id is not None:
                    raise
            else:
                return {"remote_id": number, "annotated": told.annotated or bool(notes)}
        # An App made by hand may have leave to set statuses and none to make checks.
        state = _STATUS.get(check.conclusion, "error") if check.conclusion else "pending"
        self._code_host.put_status(
            ref,
            check.sha,
            context=check.name,
            state=state,
            description=check.title,
            url=check.url,
        )
        return {"by_status": True}

    def _status(self, org_id: str, deployment_id: str) -> _News | None:
        deployment = self._store.get(Deployment, org_id, deployment_id)
        agent = self._store.get(Agent, org_id, deployment.agent_id) if deployment else None
        ref = _where(deployment.commit) if deployment is not None else None
        if deployment is None or ref is None:
            return None
        slug = agent.slug if agent is not None else ""
        state, words = deployment_state(deployment), deployment_words(deployment)
        return _News(
            _digest(state, words, deployment.url or ""),
            not deployment.state.is_moving,
            lambda told: self._say_status(told, ref, deployment, slug),
        )

    def _say_status(
        self, told: Told, ref: RepositoryRef, deployment: Deployment, slug: str
    ) -> dict[str, Any]:
        number = told.remote_id
        if number is None:
            if not slug:
                # Its agent is gone, and nothing was announced that would have to be ended.
                return {}
            number = self._code_host.create_deployment(
                ref,
                deployment.commit.sha if deployment.commit else "",
                environment=f"{slug}/{deployment.environment}",
                transient=deployment.commit is not None and bool(deployment.commit.pull_request),
            )
            # Known before more is said: it is announced once, whatever happens next.
            self._learn(told, remote_id=number)
        self._code_host.put_deployment_status(
            ref,
            number,
            state=deployment_state(deployment),
            environment_url=deployment.url or "",
            log_url=f"{self._web_url}/agents/{deployment.agent_id}/deployments/{deployment.id}",
            description=deployment_words(deployment),
        )
        return {"remote_id": number}

    def _comment(self, org_id: str, agent_id: str, number: int) -> _News | None:
        request = self._store.get(PullRequest, org_id, agent_id, str(number))
        agent = self._store.get(Agent, org_id, agent_id)
        connection = self._store.get(Connection, org_id, agent_id)
        if request is None or agent is None or connection is None:
            return None
        if connection.installation_id is None:
            return None
        version = self._newest(request)
        deployment = self._first_deployment(version) if version is not None else None
        page = f"{self._web_url}/agents/{agent_id}"
        if version is not None:
            page = self._page(version, deployment)
        text = comment(request, agent.slug, page, version, deployment)

        def say(told: Told) -> dict[str, Any]:
            written = self._code_host.put_comment(
                connection.ref, number, text, comment_id=told.remote_id
            )
            return {"remote_id": written}

        return _News(_digest(text), comment_is_final(request, version, deployment), say)

    # --- one at a time --------------------------------------------------------------------

    def _each(self, org_id: str, subject_id: str, look: Callable[[], _News | None]) -> bool:
        """Says what is news while nobody else does, and once more if there was news meanwhile.
        Whether there was any."""
        # First what was told, then what is to be told: so what is newer cannot be missed.
        told = self._store.get(Told, org_id, subject_id)
        news = look()
        quiet = told is None or told.settled
        if quiet and (news is None or (told is not None and told.digest == news.digest)):
            return False
        for _ in range(_TRIES):
            held = self._held(org_id, subject_id)
            if held is None:
                return True
            try:
                outcome = self._said(held, look())
            except CodeHostUnavailable as error:
                outcome = self._later(held, error)
            except CodeHostRefused as error:
                logger.warning("not told", extra={"subject": subject_id, "code": error.code})
                outcome = {"settled": True, "refused": error.code, "next_at": None}
            if not self._let_go(held, outcome):
                break
        return True

    @staticmethod
    def _said(held: Told, news: _News | None) -> dict[str, Any]:
        over = {"failures": 0, "owed_since": None, "next_at": None, "refused": ""}
        if news is None:
            return {**over, "settled": True}
        learned = {} if news.digest == held.digest else news.say(held)
        return {**over, **learned, "digest": news.digest, "settled": news.settled}

    def _held(self, org_id: str, subject_id: str) -> Told | None:
        """The subject in our hands; None when somebody else has it, or it waits for its time."""
        for _ in range(_TRIES):
            now = self._clock.now()
            found = self._store.get(Told, org_id, subject_id)
            if found is None:
                taken = Told(org_id, subject_id, now, busy_until=now + HELD_FOR, owed_since=now)
            elif found.busy_until is not None and found.busy_until > now:
                if found.again:
                    return None
                taken = found.following(now, again=True)
            elif found.next_at is not None and found.next_at > now:
                return None
            else:
                taken = found.following(
                    now,
                    busy_until=now + HELD_FOR,
                    again=False,
                    settled=False,
                    owed_since=found.owed_since or now,
                )
            try:
                self._store.commit(Put(taken))
            except ChangedMeanwhile:
                continue
            return None if taken.again else taken
        raise CodeHostUnavailable("This subject is changing too fast.", retry_after=5)

    def _let_go(self, held: Told, outcome: dict[str, Any]) -> bool:
        """Notes what was told; whether there was news meanwhile."""
        for _ in range(_TRIES):
            found = self._store.get(Told, held.org_id, held.subject_id) or held
            changes = {**outcome, "busy_until": None, "again": False}
            left = found.following(self._clock.now(), **changes)
            try:
                self._store.commit(Put(left))
            except ChangedMeanwhile:
                continue
            if not left.settled:
                self._schedule.enable()
            return found.again and left.next_at is None
        return False

    def _learn(self, held: Told, **learned: Any) -> None:
        for _ in range(_TRIES):
            found = self._store.get(Told, held.org_id, held.subject_id) or held
            try:
                self._store.commit(Put(found.following(self._clock.now(), **learned)))
            except ChangedMeanwhile:
                continue
            return

    def _later(self, held: Told, error: CodeHostUnavailable) -> dict[str, Any]:
        now = self._clock.now()
        since = held.owed_since or now
        if now - since > GIVEN_UP_AFTER:
            logger.warning("given up telling", extra={"subject": held.subject_id})
            return {"settled": True, "refused": error.code, "next_at": None}
        doubled = min(_LONGEST_WAIT, _SHORTEST_WAIT * 2**held.failures)
        wait = timedelta(seconds=max(error.retry_after or 0, doubled))
        return {
            "settled": False,
            "failures": held.failures + 1,
            "owed_since": since,
            "next_at": now + wait,
        }

    # --- what is told of ------------------------------------------------------------------

    def _first_deployment(self, version: Version) -> Deployment | None:
        if version.deployment_id is None:
            return None
        return self._store.get(Deployment, version.org_id, version.deployment_id)

    def _newest(self, request: PullRequest) -> Version | None:
        """The version of a pull request's newest commit, if it is among the agent's last."""
        recent = self._store.page(VERSIONS, request.org_id, request.agent_id, limit=_RECENT)
        for version in recent.items:
            commit = version.source.commit
            here = version.environment == request.environment
            if here and commit is not None and commit.sha == request.head_sha:
                return version
        return None

    def _page(self, version: Version, deployment: Deployment | None) -> str:
        at = f"deployments/{deployment.id}" if deployment is not None else f"versions/{version.id}"
        return f"{self._web_url}/agents/{version.agent_id}/{at}"


def _where(commit: SourceCommit | None) -> RepositoryRef | None:
    """Where a commit lies, if there is an App to tell it with."""
    if commit is None or commit.installation_id is None:
        return None
    return RepositoryRef(commit.repository, commit.repository_id, commit.installation_id)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
