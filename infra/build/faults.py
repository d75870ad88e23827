"""How a build ends early: every fault carries the reasons a person can act on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing to change, and where."""

    code: str
    detail: str
    file: str | None = None
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape of a report's `reasons`."""
        return asdict(self)


class BuildFault(Exception):
    """The root. `state` is how the report ends; `reasons` is what to change."""

    state: ClassVar[str] = "failed"

    def __init__(self, *reasons: Reason) -> None:
        super().__init__("; ".join(reason.detail for reason in reasons))
        self.reasons = reasons


class Rejected(BuildFault):
    """The source itself is not acceptable: a broken archive, or a blocking finding of the scan."""

    state = "rejected"


class Failed(BuildFault):
    """The source was accepted, but it could not be built, started, tested or published."""

    @classmethod
    def because(
        cls, code: str, detail: str, *, file: str | None = None, line: int | None = None
    ) -> Failed:
        """The common case: one reason."""
        return cls(Reason(code, detail, file, line))


class Stopped(Failed):
    """Somebody asked the build service to stop this build."""
