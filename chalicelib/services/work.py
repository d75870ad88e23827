"""Work that nobody waits for: what follows from a change in the table, and doing it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from chalicelib.domain.deliveries import DeliveryState
from chalicelib.domain.telling import pull_subject
from chalicelib.domain.versions import VersionState
from chalicelib.ports import (
    OPEN_DELIVERIES,
    OPEN_PREVIEWS,
    OPEN_RECEIPTS,
    OPEN_TRACKS,
    TELLINGS,
    Clock,
    Schedule,
    Store,
    Task,
    Tasks,
    every,
)
from chalicelib.services.pull_requests import PullRequests
from chalicelib.services.pushes import Pushes
from chalicelib.services.sources import Sources
from chalicelib.services.tracks import Tracks
from chalicelib.telemetry import logger

PATIENCE = timedelta(seconds=45)
"""How long something new is left to whom it was handed to."""
_FINAL = frozenset(state.value for state in VersionState if state.is_final)


class Reporter(Protocol):
    """Tells the code host how a version, a deployment or a preview of its commits stands."""

    def tell(self, org_id: str, subject_id: str) -> None: ...

    def due(self) -> tuple[list[tuple[str, str]], int]:
        """What is to be told now, and how much is open in all."""
        ...


class Work:
    def __init__(
        self,
        *,
        store: Store,
        tasks: Tasks,
        pushes: Pushes,
        tracks: Tracks,
        sources: Sources,
        pull_requests: PullRequests,
        reporter: Reporter,
        schedule: Schedule,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._pushes = pushes
        self._tracks = tracks
        self._sources = sources
        self._pull_requests = pull_requests
        self._reporter = reporter
        self._schedule = schedule
        self._clock = clock

    def plan(self, changes: Iterable[tuple[str, str, str]]) -> list[Task]:
        """What follows from changes, given as INSERT or MODIFY, the kind, and the document."""
        planned = (task for change in changes for task in _following(*change))
        return list(dict.fromkeys(planned))

    def hand_over(self, tasks: Sequence[Task]) -> None:
        """Has the tasks done. Whatever becomes of that, the reconciler looks after them."""
        if any(task.kind == "receipt" for task in tasks):
            self._schedule.enable()
        self._tasks.start(tasks)

    def run(self, task: Task) -> None:
        """Does one task. Safe to repeat."""
        match task.kind:
            case "receipt":
                self._pushes.settle(task.subject)
            case "delivery":
                self._pushes.look(task.org_id, task.agent_id, task.subject)
            case "fetch":
                self._sources.fetch(task.org_id, task.subject)
            case "advance":
                self._tracks.advance(task.org_id, task.agent_id, task.subject)
            case "report":
                self._reporter.tell(task.org_id, task.subject)
            case _:
                logger.error("a task of an unknown kind", extra={"task": vars(task)})

    def reconcile(self, guard: Callable[[Callable[[], object]], None]) -> int:
        """Takes up whatever was left behind; how much is still open. What asks the code host is
        handed over, so that its silence does not keep anything else waiting."""
        now = self._clock.now()
        receipts = list(every(self._store, OPEN_RECEIPTS))
        deliveries = list(every(self._store, OPEN_DELIVERIES))
        tracks = list(every(self._store, OPEN_TRACKS))
        previews = list(every(self._store, OPEN_PREVIEWS))
        due = [Task("receipt", "", r.key) for r in receipts if now - r.received_at > PATIENCE]
        due += [
            Task("delivery", one.org_id, one.id, one.agent_id)
            for one in deliveries
            if (one.next_at or one.updated_at + PATIENCE) <= now
        ]
        owed, untold = self._reporter.due()
        due += [Task("report", org_id, subject) for org_id, subject in owed]
        if due:
            guard(partial(self.hand_over, due))
        for track in tracks:
            guard(partial(self._tracks.advance, track.org_id, track.agent_id, track.environment))
        for request in previews:
            guard(partial(self._pull_requests.reconcile, request))
        return len(receipts) + len(deliveries) + len(tracks) + len(previews) + untold

    def is_open(self) -> bool:
        """Whether anything is left to do."""
        return bool(
            self._store.page(OPEN_RECEIPTS, limit=1).items
            or self._store.page(OPEN_DELIVERIES, limit=1).items
            or self._store.page(OPEN_TRACKS, limit=1).items
            or self._store.page(OPEN_PREVIEWS, limit=1).items
            or self._store.page(TELLINGS, limit=1).items
        )


def _following(event: str, kind: str, document: str) -> Iterable[Task]:
    said: Mapping[str, Any] = json.loads(document)
    if kind == "Receipt":
        if event == "INSERT" and said["state"] == DeliveryState.RECEIVED.value:
            yield Task("receipt", "", said["key"])
        return
    if kind == "PullRequest":
        yield Task("report", said["org_id"], pull_subject(said["agent_id"], said["number"]))
        return
    if kind == "Deployment" and said.get("commit"):
        yield Task("report", said["org_id"], said["id"])
    if kind != "Version" or not said["source"].get("commit"):
        return
    if event == "INSERT" and said["state"] == VersionState.AWAITING_UPLOAD.value:
        yield Task("fetch", said["org_id"], said["id"])
    if said["state"] in _FINAL:
        yield Task("advance", said["org_id"], said["environment"], said["agent_id"])
    yield Task("report", said["org_id"], said["id"])
