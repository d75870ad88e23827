"""The plan knows how one source becomes a running agent, and where each part of it came from.

Standard library only: this module also travels inside the build program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Protocol

Level = Literal["error", "warning", "info"]

#: How dependencies are installed. A plan names exactly one of them.
INSTALLERS = (
    "uv-lock",
    "poetry",
    "pipenv",
    "requirements",
    "pyproject",
    "npm",
    "yarn-classic",
    "yarn-berry",
    "pnpm",
    "bun",
    "cargo",
    "none",
)

#: What a plan can run. A Dockerfile source becomes one of these wherever it can be recognised;
#: "dockerfile" remains for what only a container engine can build.
RUNTIMES = ("python", "nodejs", "rust", "static", "dockerfile")


class SourceTree(Protocol):
    """The files of one source, whatever they are packed in."""

    def names(self) -> Sequence[str]:
        """Posix paths of all files, relative to the top of the source, sorted."""
        ...

    def read(self, path: str, limit: int = 262_144) -> bytes:
        """The first `limit` bytes of one file; KeyError when there is none of that name."""
        ...


@dataclass(frozen=True)
class Plan:
    """Everything the build program needs to know; written once, carried as JSON."""

    runtime: str
    root: str = ""
    installer: str = "none"
    toolchain: str | None = None
    extra_packages: tuple[str, ...] = ()
    build_command: str | None = None
    post_install: tuple[str, ...] = ()
    start_command: str | None = None
    static_dir: str | None = None
    single_page: bool = False
    port: int | None = None
    health_path: str | None = None
    health_timeout_seconds: int = 60
    env: dict[str, str] = field(default_factory=dict)
    required_env: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    dockerfile: str | None = None
    install_root: str | None = None
    worker: bool = False
    tests: tuple[dict[str, Any], ...] = ()
    resources: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` is its mirror."""
        record = asdict(self)
        for name in _TUPLES:
            record[name] = list(record[name])
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Plan:
        """Read a stored plan; keys of other releases are ignored, absent ones take their default."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in record.items() if name in known}
        for name in _TUPLES & values.keys():
            values[name] = tuple(values[name] or ())
        return cls(**values)


_TUPLES = frozenset(
    {"extra_packages", "post_install", "required_env", "include", "system_packages", "tests"}
)


@dataclass(frozen=True)
class Finding:
    """Something a person should know about a source, with the place and the way to mend it."""

    code: str
    detail: str
    file: str | None = None
    line: int | None = None
    level: Level = "error"

    def to_json(self) -> dict[str, Any]:
        """The shape of a version's `reasons`."""
        return asdict(self)


@dataclass(frozen=True)
class Inferred:
    """One value we worked out, and what it was worked out from."""

    field: str
    value: Any
    source: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for the page that asks for confirmation."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field, "value": value, "source": self.source}


@dataclass(frozen=True)
class Inference:
    """What was understood of a source; without a plan, the error findings say why."""

    plan: Plan | None
    inferred: tuple[Inferred, ...] = ()
    findings: tuple[Finding, ...] = ()
    candidates: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that keep this source from being built."""
        return tuple(finding for finding in self.findings if finding.level == "error")
