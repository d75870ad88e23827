"""Control groups, version 1 or 2, where this process may make them: memory, processes, CPU."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from infra.local.sandbox.spec import Limits

_MB = 1 << 20
_PERIOD = 100_000  # microseconds
_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Group:
    """The control groups of one sandbox: one folder (version 2) or one for each controller."""

    folders: dict[str, Path]

    def out_of_memory(self) -> bool:
        """Whether the kernel ended a process in here for want of memory."""
        folder = self.folders.get("memory")
        if folder is None:
            return False
        for name in ("memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError):
                for line in (folder / name).read_text().splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill" and int(value) > 0:
                        return True
        return False

    def remove(self) -> None:
        """Take the folders away. The last process may need a moment to leave them."""
        for folder in set(self.folders.values()):
            for pause in (0.0, 0.005, 0.02, 0.1, 0.5):
                time.sleep(pause)
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    continue
                break


class Groups:
    """The control groups this platform may make, found by trying."""

    def __init__(self, label: str) -> None:
        self._name = f"slipway-{label}-{os.getpid()}"
        self._parents = _version_1() or _version_2()
        self.controllers = frozenset(
            controller for controller in self._parents if self._works(controller)
        )

    def make(self, number: str, limits: Limits) -> Group:
        """Make a sandbox's group and write its limits."""
        folders: dict[str, Path] = {}
        for controller in sorted(self.controllers):
            folder = self._parents[controller] / f"{self._name}-{number}"
            folder.mkdir(exist_ok=True)
            folders[controller] = folder
            for name, value in _settings(controller, limits):
                # Which of the names exists tells the version.
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    _set(folder / name, value)
        return Group(folders)

    def sweep(self) -> None:
        """Remove what platforms that died without a word left behind."""
        for parent in set(self._parents.values()):
            for folder in parent.glob("slipway-*-*-*"):
                owner = folder.name.split("-")[2]
                if owner.isdecimal() and not Path("/proc", owner).exists():
                    with contextlib.suppress(OSError):
                        folder.rmdir()

    def _works(self, controller: str) -> bool:
        """Make a group, move a process there and back by asking for it, and remove it."""
        folder = self._parents[controller] / f"{self._name}-try"
        try:
            folder.mkdir()
            try:
                return any((folder / name).exists() for name in _NAMES[controller]) and os.access(
                    folder / "cgroup.procs", os.W_OK
                )
            finally:
                folder.rmdir()
        except OSError:
            return False


_NAMES = {
    "memory": ("memory.limit_in_bytes", "memory.max"),
    "pids": ("pids.max",),
    "cpu": ("cpu.cfs_quota_us", "cpu.max"),
}


def _settings(controller: str, limits: Limits) -> list[tuple[str, str]]:
    match controller:
        case "memory":
            ceiling = str(limits.memory_mb * _MB)
            return [
                ("memory.limit_in_bytes", ceiling),
                ("memory.max", ceiling),
                ("memory.swap.max", "0"),
                ("memory.oom.group", "1"),
            ]
        case "pids":
            # Some room for the sandbox's own first process.
            return [("pids.max", str(limits.processes + 4))]
        case _ if limits.cpus is not None:
            quota = max(int(limits.cpus * _PERIOD), 1000)
            return [("cpu.cfs_quota_us", str(quota)), ("cpu.max", f"{quota} {_PERIOD}")]
        case _:
            return []


def _set(file: Path, value: str) -> None:
    # Not write_text: opening for creation in a control group is refused with EACCES.
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _own() -> dict[str, str]:
    """This process's place in each hierarchy: controller (or "" for version 2) to path."""
    places: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            places[controller] = path
    return places


def _version_1() -> dict[str, Path]:
    places = _own()
    parents: dict[str, Path] = {}
    for controller in _NAMES:
        mounted = _ROOT / controller
        if controller in places and (mounted / "cgroup.procs").exists():
            inside = mounted / places[controller].lstrip("/")
            # In a container the path may name a place that is mounted as the top.
            parents[controller] = inside if inside.is_dir() else mounted
    return parents


def _version_2() -> dict[str, Path]:
    """A parent whose children get controllers. Processes may sit only in leaves, so it is our
    own group's parent (as in a systemd user session) or, as root, the top."""
    place = _own().get("")
    if place is None or not (_ROOT / "cgroup.controllers").exists():
        return {}
    own = _ROOT / place.lstrip("/")
    for parent in (own.parent, _ROOT):
        if parent != _ROOT.parent and os.access(parent, os.W_OK):
            control = parent / "cgroup.subtree_control"
            for controller in _NAMES:
                with contextlib.suppress(OSError):
                    _set(control, f"+{controller}")
            with contextlib.suppress(OSError):
                given = control.read_text().split()
                return {controller: parent for controller in _NAMES if controller in given}
    return {}
