"""How one sandboxed program is started: privileged preparation, giving up privilege, exec."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import stat
import time
from typing import Any

from . import kernel, landlock

GAVE_UP = "bubblewrap gave up while it built the sandbox; its last line on stderr says why"
_STARTED_WITHIN = 15.0
_IP_FREEBIND = 15
_STAGES = ("/mnt", "/media", "/srv", "/opt", "/tmp")  # noqa: S108  # only looked at, never written


class StartFailed(Exception):
    """The sandbox did not come up; the text says what refused."""


class Started:
    """A running sandbox: its outer process (our child), its first inner one, its network."""

    def __init__(self, pid: int, inner: int, network: int | None, owner: int | None) -> None:
        self.pid = pid
        self.inner = inner
        self.handle = os.pidfd_open(inner)
        self.network = network
        self.owner = owner

    def kill(self) -> None:
        """End everything inside: the kernel empties a pid namespace when its first process dies."""
        try:
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        except ProcessLookupError:
            return

    def lent(self) -> list[int]:
        """A hold on the first inner process for the platform, should this process be killed."""
        return [self.handle]

    def close(self) -> None:
        """Let go of the namespaces, so that the kernel can remove them."""
        for descriptor in (self.handle, self.network, self.owner):
            if descriptor is not None:
                os.close(descriptor)


def start(order: dict[str, Any], descriptors: list[int]) -> tuple[Started, int]:
    """Start bubblewrap and hold it just before the program; answers the end that lets it go.

    While it waits, limits and control groups are put on it and its network is opened, so the
    program never runs a moment without them.
    """
    info_read, info_write = os.pipe()
    block_read, block_write = os.pipe()
    error_read, error_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(order, descriptors, info_write, block_read, error_write)
    for descriptor in (info_write, block_read, error_write):
        os.close(descriptor)
    try:
        inner = _read_info(info_read, error_read)
        started = _take_hold(order, pid, inner)
    except (OSError, StartFailed) as error:
        os.close(block_write)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        gone = isinstance(error, (FileNotFoundError, ProcessLookupError))
        raise StartFailed(GAVE_UP if gone else str(error)) from error
    finally:
        os.close(info_read)
        os.close(error_read)
    return started, block_write


def _take_hold(order: dict[str, Any], pid: int, inner: int) -> Started:
    write_text(f"/proc/{inner}/oom_score_adj", "600")
    for folder in order["cgroups"]:
        write_text(f"{folder}/cgroup.procs", str(inner))
    # bubblewrap makes two user namespaces, one in the other. The other namespaces belong to the
    # outer one, so that is asked for by way of one of them.
    names = os.open(f"/proc/{inner}/ns/uts", os.O_RDONLY)
    try:
        owner = kernel.owner(names)
    finally:
        os.close(names)
    network = os.open(f"/proc/{inner}/ns/net", os.O_RDONLY) if order["network"] else None
    return Started(pid, inner, network, owner)


def limit(pid: int, which: int, value: int) -> None:
    """Set a resource limit, soft and hard, of a process (0: this one), never above the present."""
    _, ceiling = resource.prlimit(pid, which)
    if ceiling != resource.RLIM_INFINITY:
        value = min(value, ceiling)
    resource.prlimit(pid, which, (value, value))


def write_text(path: str, text: str) -> None:
    """Write to a file of the kernel's."""
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123  # pathlib is not loaded here
        file.write(text)


def _read_info(info: int, error: int) -> int:
    """Wait for bubblewrap's word that the sandbox stands, and take the inner process from it."""
    told = b""
    deadline = time.monotonic() + _STARTED_WITHIN
    while not told.rstrip().endswith(b"}"):
        left = deadline - time.monotonic()
        ready, _, _ = select.select([info], [], [], max(left, 0.0))
        if not ready:
            raise StartFailed(f"the sandbox did not stand within {_STARTED_WITHIN:.0f} seconds")
        part = os.read(info, 4096)
        if not part:
            said = os.read(error, 4096).decode(errors="replace").strip()
            raise StartFailed(said or GAVE_UP)
        told += part
    return int(json.loads(told)["child-pid"])


def _child(
    order: dict[str, Any], descriptors: list[int], info: int, block: int, error: int
) -> None:
    try:
        kernel.reset_signals()
        os.chdir("/")
        os.umask(0o022)
        sources = order["sources"]
        program = order["program"]
        if order["drop"]:
            sources, program = _stage(sources, order["home"], program)
            kernel.drop(*order["drop"])
        else:
            _refuse_links(sources)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if order["landlock"]:
            landlock.restrict(order["landlock"])
        os.dup2(descriptors[0], 1)
        os.dup2(descriptors[1], 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # A descriptor list, not the command line, carries the options: everybody on a machine
        # can read command lines, and the options hold the agent's secret variables.
        words = _words(order["options"], sources, descriptors)
        words += ["--info-fd", str(info), "--block-fd", str(block)]
        options = os.memfd_create("options", 0)
        os.write(options, b"".join(os.fsencode(word) + b"\0" for word in words))
        os.lseek(options, 0, os.SEEK_SET)
        for descriptor in (info, block, *descriptors[2:]):
            os.set_inheritable(descriptor, True)
        words = ["bwrap", "--args", str(options), "--", *order["command"]]
        os.execve(program, words, {})  # noqa: S606  # no shell is wanted
    except BaseException as problem:  # noqa: BLE001  # nothing may return into the parent's loop
        os.write(error, str(problem).encode())
    finally:
        os._exit(126)


def _words(options: list[Any], sources: list[str], descriptors: list[int]) -> list[str]:
    words: list[str] = []
    for word in options:
        if isinstance(word, str):
            words.append(word)
        elif "fd" in word:
            words.append(str(descriptors[word["fd"]]))
        else:
            words.append(sources[word["source"]])
    return words


def _stage(sources: list[str], home: str, program: str) -> tuple[list[str], str]:
    """Make sources reachable for a user who may not walk through the folders above them.

    Opened with our rights, mounted side by side in a mount namespace of this process alone; it
    vanishes with the process. The program itself is served the same way.
    """
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SLAVE)
    # What a source was when it was checked it may no longer be: a link must not lead us elsewhere.
    opened = [os.open(path, os.O_PATH | os.O_NOFOLLOW) for path in sources]
    for path, source in zip(sources, opened, strict=True):
        if stat.S_ISLNK(os.fstat(source).st_mode):
            raise StartFailed(f"{path} is a link, and no link is bound into a sandbox")
    opened.append(os.open(home, os.O_PATH))
    stage = next((path for path in _STAGES if os.path.isdir(path)), None)  # noqa: PTH112
    if stage is None:
        raise StartFailed(f"needs one of these folders to mount on: {', '.join(_STAGES)}")
    kernel.mount("stage", stage, "tmpfs", kernel.MS_NODEV, "mode=755,size=1m")
    staged = []
    for position, source in enumerate(opened):
        target = f"{stage}/{position}"
        if stat.S_ISDIR(os.fstat(source).st_mode):
            os.mkdir(target)  # noqa: PTH102
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        kernel.mount(f"/proc/self/fd/{source}", target, None, kernel.MS_BIND | kernel.MS_REC)
        os.close(source)
        staged.append(target)
    inside = os.path.relpath(program, home)
    return staged[:-1], f"{staged[-1]}/{inside}"


def _refuse_links(sources: list[str]) -> None:
    """Without rights to stage them, bubblewrap opens the sources itself, and follows links."""
    for path in sources:
        if stat.S_ISLNK(os.lstat(path).st_mode):
            raise StartFailed(f"{path} is a link, and no link is bound into a sandbox")


def set_limits(started: Started, limits: dict[str, int]) -> None:
    """Put resource limits on a held sandbox. Call this in a child: it joins the user namespace.

    Only in there do we have the right, whoever we are outside; and only in there are a user's
    processes counted apart from those outside.
    """
    if started.owner is not None:
        kernel.setns(started.owner, kernel.CLONE_NEWUSER)
    for name, value in limits.items():
        limit(started.inner, getattr(resource, name), value)


def open_sockets(started: Started, listen: int | None, families: list[int]) -> list[int]:
    """Join a sandbox's network and open sockets in it; call this in a child in its user namespace.

    A socket stays in the network it was made in, so the platform can listen and connect with
    these although it is outside.
    """
    if started.network is None:
        raise StartFailed("this sandbox has no network of its own")
    kernel.setns(started.network, kernel.CLONE_NEWNET)
    opened: list[int] = []
    if listen is not None:
        server = socket.socket()
        # bubblewrap may still be about to bring the loopback device and its address up.
        server.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
        server.bind(("127.0.0.1", listen))
        server.listen(128)
        opened.append(server.detach())
    for family in families:
        try:
            opened.append(socket.socket(family, socket.SOCK_STREAM).detach())
        except OSError:
            continue  # a machine without IPv6
    return opened
