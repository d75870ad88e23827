"""Of an agent in an environment one commit is built at a time, and only the newest waits."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.connections import Connection
from chalicelib.domain.deliveries import Delivery, DeliveryState, Outcome
from chalicelib.domain.messages import shown_author, shown_message
from chalicelib.domain.pull_requests import number_of
from chalicelib.domain.pushes import Track, Wanted, outdated
from chalicelib.domain.repositories import Commit
from chalicelib.domain.tenancy import Organisation
from chalicelib.domain.versions import Reason, SourceCommit, Version, VersionState
from chalicelib.errors import ChangedMeanwhile, Conflict
from chalicelib.ports import Change, Clock, Put, Schedule, Store
from chalicelib.services.variables import EnvironmentVariables
from chalicelib.services.versions import Versions

_TRIES = 12
_BUILT_IN_VAIN = frozenset({VersionState.FAILED, VersionState.CANCELLED})


class Tracks:
    def __init__(
        self,
        *,
        store: Store,
        versions: Versions,
        variables: EnvironmentVariables,
        schedule: Schedule,
        clock: Clock,
    ) -> None:
        self._store = store
        self._versions = versions
        self._variables = variables
        self._schedule = schedule
        self._clock = clock

    def get(self, org_id: str, agent_id: str, environment: str) -> Track:
        """The track; revision 0 when nothing was ever taken up on it."""
        found = self._store.get(Track, org_id, agent_id, environment)
        return found or Track(org_id, agent_id, environment, self._clock.now())

    def source_of(
        self, connection: Connection, commit: Commit, environment: str, *, branch: str = ""
    ) -> SourceCommit:
        """The commit as it is kept and shown: no secret stays in its message."""
        mask = self._variables.masker_in(connection.org_id, connection.agent_id, environment)
        return SourceCommit(
            repository=connection.repository,
            sha=commit.sha,
            repository_id=connection.repository_id,
            installation_id=connection.installation_id,
            branch=branch or connection.branch,
            message=mask(shown_message(commit.message)),
            author=mask(shown_author(commit.author)),
            root=connection.root,
            pull_request=number_of(environment),
        )

    def take(
        self,
        connection: Connection,
        delivery: Delivery,
        commit: SourceCommit,
        track: Track,
        *more: Change,
    ) -> Delivery:
        """Has the commit built now, or as soon as the build before it has ended; the delivery
        says which, all in one transaction.

        `track` was read before the host was asked for the commit: so whoever took up another one
        since, maybe a newer one, makes this raise ChangedMeanwhile, and the host is asked again.
        """
        if track.sha == commit.sha and not self._may_repeat(track, delivery):
            return self._known(delivery, commit, more)
        wanted = Wanted(commit, delivery.id, connection.created_by)
        if self._building(track) is not None:
            return self._wait(track, wanted, delivery, more)
        return self._start(track, wanted, delivery, more)

    def advance(self, org_id: str, agent_id: str, environment: str) -> None:
        """A build has ended: the newest commit that waits is next. Safe to repeat."""
        for _ in range(_TRIES):
            track = self.get(org_id, agent_id, environment)
            if track.revision == 0 or self._building(track) is not None:
                return
            if track.building is None and track.wanted is None:
                return
            try:
                self._advance(track)
            except ChangedMeanwhile:
                continue
            return
        raise Conflict("This agent is changing too fast; it is tried again.")

    def drop(self, org_id: str, agent_id: str, environment: str, why: Outcome) -> None:
        """Nothing more is built on this track, and what is being built ends."""
        for _ in range(_TRIES):
            track = self.get(org_id, agent_id, environment)
            if track.revision == 0:
                return
            building = self._building(track)
            dropped = track.following(self._clock.now(), building=None, wanted=None, sha="")
            try:
                self._store.commit(
                    Put(dropped), *self._told(track.wanted, track, DeliveryState.IGNORED, why)
                )
            except ChangedMeanwhile:
                continue
            if building is not None:
                self._versions.halt(building, Reason(why.code, why.detail))
            return
        raise Conflict("This agent is changing too fast; it is tried again.")

    # --- how ----------------------------------------------------------------------------------

    def _advance(self, track: Track) -> None:
        now = self._clock.now()
        wanted = track.wanted
        if wanted is None:
            self._store.commit(Put(track.following(now, building=None)))
            return
        stopped = self._stopped(track, wanted)
        delivery = self._store.get(Delivery, track.org_id, track.agent_id, wanted.delivery_id)
        if stopped is not None:
            # It was not taken up after all, and may be later.
            idle = track.following(now, building=None, wanted=None, sha="")
            self._store.commit(
                Put(idle), *self._told(wanted, track, DeliveryState.IGNORED, stopped)
            )
            return
        self._start(track, wanted, delivery, ())

    def _stopped(self, track: Track, wanted: Wanted) -> Outcome | None:
        """Why what waits is not built after all."""
        connection = self._store.get(Connection, track.org_id, track.agent_id)
        if connection is None:
            return Outcome("disconnected", "The repository was disconnected meanwhile.")
        return outdated(wanted.commit, connection) or self.closed(track.org_id)

    def closed(self, org_id: str) -> Outcome | None:
        """Whether the organisation is one in which nothing is built any more."""
        organisation = self._store.get(Organisation, org_id)
        if organisation is None or organisation.closing:
            return Outcome("organisation_closing", "The organisation is being deleted.")
        return None

    def _start(
        self, track: Track, wanted: Wanted, delivery: Delivery | None, more: Sequence[Change]
    ) -> Delivery:
        started: list[Delivery] = []

        def changes(version: Version) -> list[Change]:
            now = self._clock.now()
            taken = track.following(
                now,
                building=version.id,
                version_id=version.id,
                sha=wanted.commit.sha,
                wanted=None,
            )
            written: list[Change] = [Put(taken), *self._replaced(track, wanted), *more]
            if delivery is not None:
                detail = f"Version {version.number} is made of {wanted.commit.short}."
                told = delivery.following(
                    now,
                    DeliveryState.STARTED,
                    code="started",
                    detail=detail,
                    version_id=version.id,
                    sha=wanted.commit.sha,
                    environment=track.environment,
                )
                started.append(told)
                written.append(Put(told))
            return written

        self._versions.create_from_commit(
            track.org_id,
            track.agent_id,
            wanted.commit,
            created_by=wanted.created_by,
            environment=track.environment,
            more=changes,
        )
        return started[-1] if started else delivery  # type: ignore[return-value]

    def _wait(
        self, track: Track, wanted: Wanted, delivery: Delivery, more: Sequence[Change]
    ) -> Delivery:
        now = self._clock.now()
        detail = f"{wanted.commit.short} is built as soon as the present build has ended."
        queued = delivery.following(
            now,
            DeliveryState.QUEUED,
            code="queued",
            detail=detail,
            sha=wanted.commit.sha,
            environment=track.environment,
        )
        self._store.commit(
            Put(track.following(now, wanted=wanted, sha=wanted.commit.sha)),
            Put(queued),
            *self._replaced(track, wanted),
            *more,
        )
        self._schedule.enable()
        return queued

    def _known(self, delivery: Delivery, commit: SourceCommit, more: Sequence[Change]) -> Delivery:
        known = delivery.following(
            self._clock.now(),
            DeliveryState.IGNORED,
            code="known_head",
            detail=f"{commit.short} was taken up already.",
            sha=commit.sha,
        )
        self._store.commit(Put(known), *more)
        return known

    def _replaced(self, track: Track, wanted: Wanted) -> list[Change]:
        """What waited until now gives way to what is wanted instead."""
        if track.wanted is None or track.wanted.delivery_id == wanted.delivery_id:
            return []
        newer = Outcome("superseded", f"A newer commit took its place: {wanted.commit.short}.")
        return self._told(track.wanted, track, DeliveryState.SUPERSEDED, newer)

    def _told(
        self, wanted: Wanted | None, track: Track, state: DeliveryState, why: Outcome
    ) -> list[Change]:
        """What the delivery of a commit that waited says now."""
        if wanted is None:
            return []
        found = self._store.get(Delivery, track.org_id, track.agent_id, wanted.delivery_id)
        if found is None or found.state is not DeliveryState.QUEUED:
            return []
        now = self._clock.now()
        return [Put(found.following(now, state, code=why.code, detail=why.detail))]

    def _building(self, track: Track) -> Version | None:
        if track.building is None:
            return None
        version = self._store.get(Version, track.org_id, track.building)
        return version if version is not None and not version.state.is_final else None

    def _may_repeat(self, track: Track, delivery: Delivery) -> bool:
        """A person may have a commit built again whose build came to nothing."""
        if not delivery.asked_again or track.version_id is None or track.wanted is not None:
            return False
        version = self._store.get(Version, track.org_id, track.version_id)
        return version is None or version.state in _BUILT_IN_VAIN
