"""The report knows how far a build has come and how it ended; it is what the platform reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.build.faults import BuildFault, Reason
from infra.build.journal import Journal, stamp

STEPS = ("fetch", "scan", "build", "start", "test", "publish")


@dataclass(slots=True)
class Step:
    """One part of a build."""

    name: str
    state: str = "pending"
    started_at: str | None = None
    finished_at: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape of a report's `steps`."""
        return {
            "name": self.name,
            "state": self.state,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
        }


@dataclass
class Report:
    """Written again whenever a step begins or ends."""

    journal: Journal
    now: Callable[[], float] = time.time
    state: str = "running"
    steps: dict[str, Step] = field(default_factory=lambda: {name: Step(name) for name in STEPS})
    reasons: list[Reason] = field(default_factory=list)
    scan: dict[str, Any] = field(
        default_factory=lambda: {"findings": [], "tools": [], "unavailable": []}
    )
    tests: list[dict[str, Any]] = field(default_factory=list)
    image: str | None = None
    size_bytes: int = 0
    warnings: list[str] = field(default_factory=list)
    root_status: int | None = None
    """What `GET /` answered, where no health path is named."""

    def warn(self, message: str) -> None:
        """Something a person should look at, in the log and in the report."""
        self.journal.warn(message)
        if message not in self.warnings:
            self.warnings.append(message)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Runs one step: its beginning, its end and its time are reported."""
        step = self.steps[name]
        step.state = "running"
        step.started_at = stamp(self.now())
        began = time.perf_counter()
        self.journal.enter(name)
        self.send()
        try:
            yield
        except BaseException:
            step.state = "failed"
            raise
        else:
            step.state = "passed"
            self.journal.info(f"{name} finished in {duration(time.perf_counter() - began)}")
        finally:
            step.finished_at = stamp(self.now())

    def skip(self, name: str) -> None:
        """This step has nothing to do here."""
        self.steps[name].state = "skipped"

    def end(self, fault: BuildFault | None = None) -> None:
        """The last state. Steps that were never reached count as skipped."""
        self.state = "succeeded" if fault is None else fault.state
        if fault is not None:
            self.reasons = list(fault.reasons)
            for reason in fault.reasons:
                place = f"{reason.file}:{reason.line or 1}: " if reason.file else ""
                self.journal.error(f"{place}{reason.detail}")
        for step in self.steps.values():
            if step.state == "pending":
                step.state = "skipped"
        self.send()

    def send(self) -> None:
        """Hand the present state to the journal, which stores it."""
        self.journal.report(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The report as the platform reads it; steps not yet begun are left out."""
        return {
            "state": self.state,
            "steps": [step.to_json() for step in self.steps.values() if step.state != "pending"],
            "reasons": [reason.to_json() for reason in self.reasons],
            "scan": self.scan,
            "tests": self.tests,
            "image": self.image,
            "size_bytes": self.size_bytes,
            "warnings": self.warnings,
            "root_status": self.root_status,
        }


def duration(seconds: float) -> str:
    """A time for people: 12 ms, 3.4 s."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
