"""What a sandbox is asked for and what it answers: plain, frozen values without behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from chalicelib.errors import Invalid, PlatformError, Unavailable

# Who an agent may talk to: nobody, any public address, or the named hosts ("host" on 80 and 443,
# "host:port" on that port only).
Egress = Literal["none", "public"] | frozenset[str]

# A path of this machine, or a file's content, and where the agent sees it.
Bind = tuple[Path | bytes, str, bool]

APP = "/app"
HOME = "/home/agent"
PROXY_PORT = 3128
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"


class SandboxFailed(PlatformError):
    """The sandbox could not be built around the program; `detail` says what refused."""

    code = "sandbox_failed"


class NoIsolation(Unavailable):
    """This machine offers no isolation good enough to run other people's programs."""

    code = "no_isolation"


class BadSpec(Invalid):
    """The caller asked for something no sandbox can be built from."""

    code = "sandbox_spec_invalid"


@dataclass(frozen=True)
class Limits:
    """How much of the machine one sandbox may use. None: no limit of our own."""

    memory_mb: int = 512
    processes: int = 128  # threads count too
    files: int = 1024  # open at once, for each process
    file_mb: int = 256  # the largest single file
    disk_mb: int | None = 1024  # what the writable folders may hold together
    tmp_mb: int = 64  # /tmp, in memory
    home_mb: int = 256  # the home directory, in memory
    shm_mb: int = 16  # /dev/shm
    cpu_seconds: int | None = None  # for each process
    cpus: float | None = None  # share of processors; needs a writable cpu cgroup


@dataclass(frozen=True)
class Spec:
    """One program, the folder it lives in, and everything it may see, use and reach.

    `stdout` and `stderr` should be pipes: a program can reopen a plain file it was given and
    rewrite its own log.
    """

    app: Path
    command: list[str]
    writable: bool = False
    env: dict[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    binds: tuple[Bind, ...] = ()
    egress: Egress = "none"
    workdir: str = APP
    stdout: int | None = None  # None: thrown away
    stderr: int | None = None
    # Runs with the same word here share a user id of their own (only when the platform is root),
    # so that several can write to one cache. Without it every app folder has its own user id.
    share: str | None = None


@dataclass(frozen=True)
class Isolation:
    """The best way of isolating programs that was proved to work on this machine."""

    tier: str  # see TIERS
    name: str  # for people
    missing: tuple[str, ...] = ()  # what this tier does not protect from here, for people
    usable: bool = True
    reason: str = ""  # why nothing better, or why nothing at all
    features: frozenset[str] = frozenset()  # see FEATURES
    program: str = ""  # the bubblewrap that worked

    def to_json(self) -> dict[str, object]:
        """The form the API and `make status` show."""
        return {
            "tier": self.tier,
            "name": self.name,
            "missing": list(self.missing),
            "usable": self.usable,
            "reason": self.reason,
        }


# From the strongest to none. "bwrap": all namespaces; "bwrap-shared": file system only, network
# rules by Landlock; "landlock": no namespaces at all; "uid": another user id and limits;
# "bare": nothing, only when a person insists.
TIERS = ("bwrap", "bwrap-shared", "landlock", "uid", "bare")


# What a tier may have on top: "proc" a /proc of its own, "net" a network of its own, "seccomp" a
# filter of system calls, "memory", "pids" and "cpu" control groups, "files", "ports" and "scopes"
# the parts of Landlock.
FEATURES = frozenset(
    {"proc", "net", "seccomp", "memory", "pids", "cpu", "files", "ports", "scopes"}
)


@dataclass(frozen=True)
class Stats:
    """What one sandbox uses just now."""

    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    processes: int = 0
    disk_bytes: int = 0


@dataclass(frozen=True)
class Visit:
    """A host the agent asked for, and what became of it."""

    host: str
    port: int
    allowed: bool
    count: int
    detail: str = ""


@dataclass(frozen=True)
class Toolchain:
    """What a runtime's programs need to see of this machine."""

    binds: tuple[Bind, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()  # folders in front of the sandbox's own PATH
    missing: tuple[str, ...] = ()  # tools a build would want that this machine does not have

    @property
    def search_path(self) -> str:
        """A PATH with this toolchain in front."""
        return ":".join((*self.path, SEARCH_PATH))
