"""The plan knows how one source becomes a running agent, and where each part of it came from.

Standard library only: this module also travels inside the build program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields
from typing import Any, Literal, Protocol

from chalicelib.values import frozen

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


@frozen
class Plan:
    """Everything the build program needs to know; written once, carried as JSON.

    The whole source lies at /app. Every command runs by `sh -c` in /app/<root>, with the Python
    environment /app/.venv first on PATH. Order: install, `extra_packages`, `post_install`,
    `build_command`; then `start_command` with $PORT, or `static_dir` is served.
    """

    runtime: str
    #: Folder of the app inside the source; "" is the top.
    root: str = ""
    #: Folder to install in when it is not `root`: a workspace's lock file stands at its top.
    install_root: str | None = None
    installer: str = "none"
    #: The package manager's wished version, such as "9" for pnpm or "4.1.0" for yarn.
    installer_version: str | None = None
    #: What the installer reads, relative to the folder it runs in, such as "requirements.txt".
    install_files: tuple[str, ...] = ()
    #: A wish, such as "3.12" or "20": the nearest available version will do, with a warning.
    toolchain: str | None = None
    #: Installed after everything else: a server for an app that brings none.
    extra_packages: tuple[str, ...] = ()
    #: What the framework expects between install and build; a failure is a warning, not the end.
    post_install: tuple[str, ...] = ()
    build_command: str | None = None
    #: One shell line; None when files are served.
    start_command: str | None = None
    #: Folder to serve after the build, relative to `root`; "" is `root` itself.
    static_dir: str | None = None
    #: Answer unknown paths with index.html.
    single_page: bool = False
    #: A port the agent is known to have fixed; None means it listens on $PORT.
    port: int | None = None
    #: Must answer 200; None means that any HTTP answer on "/" is a sign of life.
    health_path: str | None = None
    health_timeout_seconds: int = 60
    #: Plain defaults for the running agent and its tests; never for install and build.
    env: dict[str, str] = field(default_factory=dict)
    #: Variables the manifest says the agent cannot do without.
    required_env: tuple[str, ...] = ()
    #: Variables a sample file names; worth showing when the agent does not start.
    suggested_env: tuple[str, ...] = ()
    #: Globs of what the running agent needs of the build; empty means everything.
    include: tuple[str, ...] = ()
    #: The source's own Dockerfile, for grounds with a container engine.
    dockerfile: str | None = None
    #: Nothing was seen that listens: a job or a stdio server may end at once, and well.
    worker: bool = False
    protocol: str = "http"
    tests: tuple[dict[str, Any], ...] = ()
    resources: dict[str, Any] = field(default_factory=dict)
    #: What happens when the agent ends by itself, and how it is ended when it is replaced.
    restart: dict[str, Any] = field(default_factory=dict)
    shutdown: dict[str, Any] = field(default_factory=dict)

    @property
    def needs_container(self) -> bool:
        """Only a container engine can build this source."""
        return self.runtime == "dockerfile"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` is its mirror."""
        record = asdict(self)
        for name in _TUPLES:
            record[name] = list(record[name])
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Plan:
        """Read a stored plan; unknown keys are ignored, absent ones take their default."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in record.items() if name in known}
        for name in _TUPLES & values.keys():
            values[name] = tuple(values[name] or ())
        return cls(**values)


_TUPLES = frozenset(
    {
        "extra_packages",
        "include",
        "install_files",
        "post_install",
        "required_env",
        "suggested_env",
        "tests",
    }
)


@frozen
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


@frozen
class Inferred:
    """One value we worked out, and what it was worked out from."""

    field: str
    value: Any
    source: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for the page that asks for confirmation."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field, "value": value, "source": self.source}


@frozen
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
