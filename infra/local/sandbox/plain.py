"""Orders for machines without namespaces: the program sees real paths, and rules guard them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from infra.local.sandbox.orders import Ground, Order, outputs, rlimits
from infra.local.sandbox.spec import APP, HOME, Isolation, Spec
from infra.local.sandbox.trees import remove

# What every program reads of the system. Nothing in it is private on a sane machine.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/alternatives", "/etc/ld.so.cache"),
    *("/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/mime.types", "/etc/services"),
    *("/etc/protocols", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts"),
    *("/etc/debian_version", "/etc/os-release"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/uptime"),
    *("/proc/loadavg", "/proc/filesystems", "/sys/devices/system/cpu"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")


def prepare_home(state: Path, name: str, spec: Spec, uid: int | None) -> Path:
    """A home directory for one run, with the files the caller binds into it."""
    home = state / "homes" / f"{os.getpid()}-{name}"
    home.parent.mkdir(exist_ok=True)
    home.parent.chmod(0o711)  # whatever the umask is
    (home / "tmp").mkdir(parents=True, mode=0o700)
    for source, target, _ in spec.binds:
        if isinstance(source, bytes):
            file = home / Path(target).relative_to(HOME if target.startswith(HOME) else "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source)
    home.chmod(0o700)
    if uid is not None:
        for folder, _, files in os.walk(home):
            for each in ("", *files):
                os.chown(Path(folder, each), uid, uid, follow_symlinks=False)
    return home


def sweep_homes(state: Path) -> None:
    """Remove the homes that platforms which died without a word left behind."""
    for home in state.glob("homes/*-*"):
        if not Path("/proc", home.name.partition("-")[0]).exists():
            remove(home)


def for_keeper(ground: Ground, spec: Spec, home: Path, proxy_port: int) -> Order:
    """The order for the tiers below bubblewrap."""
    order = Order()
    order.descriptors = outputs(spec, order)
    places = _places(spec, home)
    limits = rlimits(spec.limits)
    if ground.uid is None:
        # Without a namespace of its own, a user's processes are counted with all others of theirs.
        limits["RLIMIT_NPROC"] += _own_tasks()
    env = {name: moved(value, places) for name, value in ground.env.items()}
    env["TMPDIR"] = str(home / "tmp")
    order.body = {
        "kind": "keeper",
        "command": [moved(word, places) for word in spec.command],
        "env": env,
        "workdir": moved(spec.workdir, places),
        "drop": None if ground.uid is None else [ground.uid, ground.uid],
        "rlimits": limits,
        "cgroups": list(ground.cgroups),
        "filter": None if ground.filter is None else order.add(ground.filter),
        "landlock": _rules(ground.isolation, spec, home, proxy_port),
        "network": False,
        "listen": None,
        "sockets": [],
    }
    return order


def port_rules(spec: Spec, proxy_port: int) -> dict[str, list[int] | None]:
    """Which TCP ports a program may connect to and listen on, where it shares our network.

    Its own port comes from PORT; without one every port may be listened on.
    """
    own = spec.env.get("PORT", "")
    if not own.isdecimal():
        return {"connect": [proxy_port], "bind": None}
    return {"connect": [proxy_port, int(own)], "bind": [0, int(own)]}


def moved(text: str, places: Mapping[str, str]) -> str:
    """Text with every path of the sandbox replaced by the real one it stands for."""
    names = "|".join(re.escape(place) for place in sorted(places, key=len, reverse=True))
    pattern = rf"(?<![\w./-])({names})(?=$|[^\w.-])"
    return re.sub(pattern, lambda match: places[match[1]], text)


def _places(spec: Spec, home: Path) -> dict[str, str]:
    places = {APP: str(spec.app.resolve()), HOME: str(home)}
    for source, target, _ in spec.binds:
        if isinstance(source, Path):
            places[target.rstrip("/")] = str(source.resolve())
        elif not target.startswith(HOME):
            places[target] = str(home / target.lstrip("/"))
    return places


def _rules(
    isolation: Isolation, spec: Spec, home: Path, proxy_port: int
) -> dict[str, object] | None:
    if isolation.tier != "landlock":
        return None
    read = [*_SYSTEM, str(spec.app.resolve())]
    write = [*_DEVICES, str(home)]
    if spec.writable:
        write.append(str(spec.app.resolve()))
    for source, _, read_only in spec.binds:
        if isinstance(source, Path):
            (read if read_only else write).append(str(source.resolve()))
    return {"files": True, "read": read, "write": write, **port_rules(spec, proxy_port)}


def _own_tasks() -> int:
    uid = os.getuid()
    total = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                if entry.stat().st_uid == uid:
                    total += len(os.listdir(f"{entry.path}/task"))  # noqa: PTH208
            except OSError:
                continue
    return total
