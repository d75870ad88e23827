"""Somebody who calls every agent all the time, and knows whose fault it is when none answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.local.yard.live import Live
from infra.local.yard.store import Row
from tests.simulation.agents import Behaviour
from tests.simulation.host import ENVIRONMENT, SimulatedYard

OFTEN, SELDOM = 0.4, 29.0
"""Seconds between two calls: while something moves, and otherwise."""


@dataclass
class Line:
    """What the caller saw of one address."""

    service_id: str
    domain: str
    calls: int = 0
    failures: list[str] = field(default_factory=list)
    excuse: str = "nothing was live yet"
    """Why it may fail just now; empty when nobody but the platform could be at fault."""
    excused_at: float = 0.0
    images: list[str] = field(default_factory=list)


class Callers:
    """One caller for each address. Begins with the address itself."""

    def __init__(self, yard: SimulatedYard, said: Callable[[str], str | None]) -> None:
        self._yard = yard
        self._said = said
        """The image that Slipway says is live at a domain."""
        self.lines: dict[str, Line] = {}
        self.often = True
        self.away = False
        """Whether nobody calls just now, so that what may sleep falls asleep."""
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._calls: set[asyncio.Future[None]] = set()
        yard.records.listen(self._on_event)
        yard.accidents.witness = self._on_accident
        self._taken: set[str] = set()
        """Services that somebody took away: what ran there may answer until it has ended."""

    async def run(self) -> None:
        """Calls until cancelled."""
        while True:
            domains = "SELECT * FROM domains ORDER BY rowid"
            for row in () if self.away else self._yard.store.rows(domains):
                domain = self._yard.edge.name(row)
                line = self.lines.setdefault(domain, Line(row["service_id"], domain))
                if line.service_id != row["service_id"]:
                    line.service_id = row["service_id"]
                    line.excuse = "the address was given to another service"
                call = asyncio.ensure_future(self._call(line))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
            self._news.clear()
            if self.often:
                await asyncio.sleep(OFTEN)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), SELDOM)

    def hurry(self, often: bool) -> None:
        """Something moves from now on, or nothing any more."""
        self.often = often
        self._news.set()

    def excuse(self, service_id: str | None, reason: str) -> None:
        """From now on it may fail, until it answers again."""
        for line in self.lines.values():
            if service_id in (None, line.service_id):
                line.excuse = reason
                line.excused_at = self._loop.time()

    async def _call(self, line: Line) -> None:
        began = asyncio.get_running_loop().time()
        status, _, image = await self._yard.request(line.domain, "/")
        line.calls += 1
        behaviour = self._yard.images.known.get(image)
        if status and status < 500:
            if not line.images or line.images[-1] != image:
                line.images.append(image)
            # What answers before it is called live may have to give way again.
            said = self._said(line.domain)
            if self._yard.images.called(image) == said and began >= line.excused_at:
                line.excuse = ""
        elif not (line.excuse or self._own_fault(line, behaviour)):
            line.failures.append(f"{line.domain} answered {status} at {began:.3f}")

    def _own_fault(self, line: Line, answered: Behaviour | None) -> bool:
        """Whether what serves just now is an agent that ends by itself or answers badly."""
        live = self.live(line.service_id)
        serving = self._yard.images.known.get((live.snapshot.image or "") if live else "")
        for one in (answered, serving):
            if one is not None and (one.ends is not None or one.page[0] >= 500):
                return True
        return False

    def live(self, service_id: str) -> Live | None:
        """What the yard runs for a service."""
        slot: Any = self._yard.fleet._slots.all.get((service_id, ENVIRONMENT))
        return slot.current if slot else None

    def _on_accident(self, kind: str, service_id: str) -> None:
        # What the host moves answers all the time; what somebody took away cannot.
        if kind in ("removed_by_hand", "service_deleted"):
            self._taken.add(service_id)
            self.excuse(service_id, f"somebody: {kind}")

    def _on_event(self, row: Row, event: str) -> None:
        live = self.live(row["service_id"])
        if event in ("crashed", "oom_killed") and live is not None and live.id == row["id"]:
            self.excuse(row["service_id"], f"the agent {event}")
        elif event == "restarted":
            self.excuse(row["service_id"], "it is being restarted")
        elif event == "removed" and row["service_id"] in self._taken:
            self.excuse(row["service_id"], "what somebody took away has ended")
        elif event == "deployed":
            self._taken.discard(row["service_id"])
