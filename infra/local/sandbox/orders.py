"""What the zygote is told for one sandbox: every word, source and descriptor, in order."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.sandbox import bubblewrap
from infra.local.sandbox.bubblewrap import Bubblewrap, Layout, Mount
from infra.local.sandbox.nursery import as_file
from infra.local.sandbox.spec import APP, PROXY_PORT, BadSpec, Bind, Isolation, Limits, Spec

_MB = 1 << 20
# RLIMIT_DATA counts what a program might use, such as the whole stack of each thread; the true
# use is checked by the control group or the watchdog.
_DATA_SLACK_MB = 256
_FIRST_SOCKETS = (socket.AF_INET, socket.AF_INET)


@dataclass
class Order:
    """A body for the zygote with the descriptors it speaks of; those in `owned` are ours."""

    body: dict[str, Any] = field(default_factory=dict)
    descriptors: list[int] = field(default_factory=list)
    owned: list[int] = field(default_factory=list)

    def add(self, content: bytes) -> int:
        """Add content as a descriptor; answers its position."""
        descriptor = as_file(content)
        self.owned.append(descriptor)
        self.descriptors.append(descriptor)
        return len(self.descriptors) - 1

    def close(self) -> None:
        """Close the descriptors made for this order."""
        for descriptor in self.owned:
            os.close(descriptor)
        self.owned.clear()


def check(spec: Spec) -> None:
    """Refuse what no sandbox can be built from, saying what to change."""
    if not spec.command:
        raise BadSpec("A sandbox needs a command to run.")
    if not spec.app.is_dir():
        raise BadSpec(f"The app folder {spec.app} is not a folder.")
    if os.geteuid() == 0 and not spec.writable and spec.app.stat().st_mode & 0o5 != 0o5:
        raise BadSpec(
            f"The app folder {spec.app} is closed to other users, and the program will be one: "
            "give it mode 755, or start it writable."
        )
    for name, value in spec.env.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise BadSpec(f"The variable {name!r} has a name or a value no program can be given.")
    if "\0" in "".join(spec.command):
        raise BadSpec("The command holds a NUL character, which no program can be given.")
    _check_binds(spec)


def _check_binds(spec: Spec) -> None:
    for source, target, _ in spec.binds:
        if not target.startswith("/") or ".." in target.split("/"):
            raise BadSpec(f"The bind target {target!r} must be an absolute path without '..'.")
        if isinstance(source, Path) and source.is_symlink():
            # Who made it may have had fewer rights than we, who would follow it.
            raise BadSpec(f"The bind source {source} is a link; name what it points to.")
        if isinstance(source, Path) and not source.exists():
            raise BadSpec(f"The bind source {source} does not exist.")


def rlimits(limits: Limits) -> dict[str, int]:
    """The limits the kernel keeps for each process, or for the sandbox's own user."""
    found = {
        "RLIMIT_DATA": (limits.memory_mb + _DATA_SLACK_MB) * _MB,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_NOFILE": limits.files,
        "RLIMIT_FSIZE": limits.file_mb * _MB,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 8 * _MB,
    }
    if limits.cpu_seconds is not None:
        found["RLIMIT_CPU"] = limits.cpu_seconds
    return found


@dataclass(frozen=True)
class Ground:
    """What an order needs besides the spec: this machine's side of the sandbox."""

    isolation: Isolation
    binds: tuple[Bind, ...]  # what every sandbox sees
    env: dict[str, str]
    filter: bytes | None
    uid: int | None  # the user to become first, when we are root
    cgroups: tuple[str, ...]


def for_bubblewrap(
    ground: Ground, wrap: Bubblewrap, spec: Spec, landlock: dict[str, Any] | None
) -> Order:
    """The order for the tiers that use bubblewrap."""
    isolation = ground.isolation
    order = Order()
    order.descriptors = outputs(spec, order)
    sources: list[str] = []
    # The machine's own folders may be links (/etc/ssl is one here and there), and so may the way to
    # the app; nothing that is to be bound may still be one when the zygote opens it.
    own = (*ground.binds, (spec.app, APP, not spec.writable))
    mounts = [_mount(_real(bind), sources, order) for bind in own]
    # Shallow targets first, so that a bind never hides one made inside it before.
    binds = sorted(spec.binds, key=lambda bind: bind[1].count("/"))
    mounts += [_mount(bind, sources, order) for bind in binds]
    private_network = "net" in isolation.features
    layout = Layout(
        mounts=tuple(mounts),
        env=ground.env,
        workdir=spec.workdir,
        tmp_mb=spec.limits.tmp_mb,
        home_mb=spec.limits.home_mb,
        shm_mb=spec.limits.shm_mb,
        seccomp=None if ground.filter is None else order.add(ground.filter),
        fresh_proc="proc" in isolation.features,
        private_network=private_network,
    )
    order.body = {
        "kind": "bwrap",
        "program": str(wrap.program),
        "home": str(wrap.home),
        "options": bubblewrap.options(layout),
        "sources": sources,
        "command": spec.command,
        "drop": None if ground.uid is None else [ground.uid, ground.uid],
        "rlimits": rlimits(spec.limits),
        "cgroups": list(ground.cgroups),
        "landlock": landlock,
        "network": private_network,
        "listen": PROXY_PORT,
        "sockets": [int(family) for family in _FIRST_SOCKETS],
    }
    return order


def outputs(spec: Spec, order: Order) -> list[int]:
    """Where the program's output goes; what nobody wants is thrown away."""
    if spec.stdout is not None and spec.stderr is not None:
        return [spec.stdout, spec.stderr]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    order.owned.append(nowhere)
    return [
        nowhere if spec.stdout is None else spec.stdout,
        nowhere if spec.stderr is None else spec.stderr,
    ]


def _real(bind: Bind) -> Bind:
    source, target, read_only = bind
    return (source.resolve() if isinstance(source, Path) else source, target, read_only)


def _mount(bind: Bind, sources: list[str], order: Order) -> Mount:
    source, target, read_only = bind
    if isinstance(source, bytes):
        return Mount(target, content=order.add(source))
    sources.append(str(source))
    return Mount(target, writable=not read_only, source=len(sources) - 1)
