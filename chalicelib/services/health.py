"""Whether live agents answer at their URLs, asked rarely enough to let sleepers sleep.

The host does not look at an agent once it is live. An answer is traffic, and traffic keeps an
agent awake: one that may sleep is called only while it is awake, and less often than it takes to
fall asleep.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import timedelta
from typing import Any

from chalicelib.domain.deployments import Deployment, DeploymentState, HealthSeen
from chalicelib.errors import PlatformError
from chalicelib.ports import Clock
from chalicelib.services.turns import Turns
from chalicelib.services.verification import Verification
from chalicelib.telemetry import logger

LOOK_EVERY = timedelta(minutes=5)
LOOK_AT_SLEEPERS_EVERY = timedelta(minutes=30)
"""Three times what the host waits before it puts an idle agent to sleep."""
RUN_LIMIT = timedelta(seconds=40)
MAX_LOOKS = 200


class Health:
    def __init__(self, *, turns: Turns, verification: Verification, clock: Clock) -> None:
        self._turns = turns
        self._verification = verification
        self._clock = clock

    def due(self, serving: list[Deployment]) -> list[Deployment]:
        """Those that are to be called now, the longest unseen first."""
        return sorted((d for d in serving if self._is_due(d)), key=_last)[:MAX_LOOKS]

    def look(
        self, due: Sequence[Deployment], confirmed: MutableMapping[str, dict[str, Any]]
    ) -> None:
        """Calls them, as many as there is time for. What the host has just `confirmed` of one, by
        its id, is taken from there and written down in the same write as its answer."""
        until = self._clock.now() + RUN_LIMIT
        for deployment in due:
            if self._clock.now() > until:
                break
            try:
                self._look_at(deployment, confirmed.pop(deployment.id, {}))
            except PlatformError as error:
                logger.warning("health not noted", extra={"detail": error.detail})

    def _is_due(self, deployment: Deployment) -> bool:
        # By the host's last word: a sleeper is not woken to be asked how it is.
        if deployment.state is not DeploymentState.LIVE or deployment.host_status != "SUCCESS":
            return False
        sleeps = bool((deployment.plan.get("resources") or {}).get("sleep"))
        every = LOOK_AT_SLEEPERS_EVERY if sleeps else LOOK_EVERY
        return deployment.health is None or self._clock.now() - deployment.health.at > every

    def _look_at(self, deployment: Deployment, confirmed: Mapping[str, Any]) -> None:
        current = self._turns.stored(deployment.org_id, deployment.id)
        if current is None or not self._is_due(current):
            return
        problem, _ = self._verification.look_once(current)
        now, before = self._clock.now(), current.health
        ok = problem is None
        since = before.since if before is not None and before.ok is ok else now
        seen = HealthSeen(ok, problem.detail if problem else "", now, since)
        changed = before is not None and before.ok is not ok
        self._turns.note(
            current,
            event=("answers_again" if ok else "does_not_answer") if changed else "",
            detail=seen.detail,
            health=seen,
            **confirmed,
        )


def _last(deployment: Deployment) -> float:
    return deployment.health.at.timestamp() if deployment.health else 0.0
