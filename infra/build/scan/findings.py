"""A finding of the scan: what was seen, where, how bad it is, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["block", "warn", "info"]
Severity = Literal["critical", "high", "medium", "low"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen in the source. Never quotes a secret."""

    rule: str
    severity: Severity
    level: Level
    file: str | None
    line: int | None
    detail: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        """The shape of a report's `scan.findings`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Tool:
    """A scanner that ran, or that could not; `detail` says which version, or why not."""

    name: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The shape of a report's `scan.tools` and `scan.unavailable`."""
        return asdict(self)


@dataclass
class ScanResult:
    """All findings, the blocking ones first."""

    files: int = 0
    findings: list[Finding] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    unavailable: list[Tool] = field(default_factory=list)

    @property
    def blocking(self) -> list[Finding]:
        """The findings that end the build."""
        return [finding for finding in self.findings if finding.level == "block"]

    def count(self, level: Level) -> int:
        """How many findings of one level there are."""
        return sum(1 for finding in self.findings if finding.level == level)

    def sort(self) -> None:
        """Worst first, then by place."""
        order = {"block": 0, "warn": 1, "info": 2}
        self.findings.sort(key=lambda f: (order[f.level], f.file or "", f.line or 0, f.rule))

    def to_json(self) -> dict[str, Any]:
        """The shape of a report's `scan`."""
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "tools": [tool.to_json() for tool in self.tools],
            "unavailable": [tool.to_json() for tool in self.unavailable],
        }
