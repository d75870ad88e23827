"""What a sandbox's processes do, read from /proc: the tree, memory, CPU, listening ports."""

from __future__ import annotations

import os
from collections.abc import Iterator

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LISTEN = "0A"
_SHELLS = frozenset({"sh", "dash", "bash", "ash", "busybox", "zsh"})


def tree(root: int) -> list[int]:
    """A process and all its descendants. Orphans inside a pid namespace belong to its first."""
    found = [root]
    for pid in found:
        found += children(pid)
    return found


def children(pid: int) -> list[int]:
    """The processes a process has started and that are still there."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  # names only, thousands of times
    except OSError:
        return found
    for task in tasks:
        text = _read(f"/proc/{pid}/task/{task}/children")
        found += [int(word) for word in text.split()]
    return found


def memory(pids: list[int]) -> int:
    """Resident bytes, shared pages counted once for each process: quick, never too small."""
    total = 0
    for pid in pids:
        words = _read(f"/proc/{pid}/statm").split()
        if len(words) > 1:
            total += int(words[1]) * _PAGE
    return total


def proportional_memory(pids: list[int]) -> int:
    """Resident bytes, shared pages divided among those who share them: slower, and fair."""
    total = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
                break
    return total


def cpu_seconds(pids: list[int]) -> float:
    """Processor time of these processes and of all their children that have ended."""
    ticks = 0
    for pid in pids:
        text = _read(f"/proc/{pid}/stat")
        # The name in brackets may hold anything, spaces and brackets too.
        words = text[text.rfind(")") + 2 :].split()
        if len(words) > 14:  # utime, stime, cutime, cstime are 11 to 14
            ticks += sum(int(word) for word in words[11:15])
    return ticks / _TICKS


def foremost(inner: int) -> list[int]:
    """Those who should hear a signal: the program itself, not the shell that waits for it.

    A shell dies of SIGTERM at once and would take a program that is closing down with it.
    """
    heard: list[int] = []
    waiting = children(inner)
    while waiting:
        pid = waiting.pop()
        below = children(pid)
        if below and _name(pid) in _SHELLS:
            waiting += below
        else:
            heard.append(pid)
    return heard


def listening(pid: int, but_not: frozenset[int]) -> list[int]:
    """TCP ports somebody in this process's network listens on, except the given sockets."""
    return sorted({port for port, inode in _listeners(pid) if inode not in but_not})


def sockets(pids: list[int]) -> frozenset[int]:
    """The sockets these processes hold open, by inode."""
    found: set[int] = set()
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return frozenset(found)


def listening_of(pids: list[int]) -> list[int]:
    """TCP ports these very processes listen on, where they share a network with others."""
    own = sockets(pids)
    return sorted({port for port, inode in _listeners(pids[0]) if inode in own}) if pids else []


def _listeners(pid: int) -> Iterator[tuple[int, int]]:
    for table in ("tcp", "tcp6"):
        for line in _read(f"/proc/{pid}/net/{table}").splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTEN:
                yield int(words[1].rsplit(":", 1)[1], 16), int(words[9])


def written_bytes(pids: list[int]) -> int | None:
    """What these processes and their ended children have written to disks; None if unknown."""
    total, known = 0, False
    for pid in pids:
        for line in _read(f"/proc/{pid}/io").splitlines():
            if line.startswith("write_bytes:"):
                total += int(line.split()[1])
                known = True
    return total if known else None


def _name(pid: int) -> str:
    return _read(f"/proc/{pid}/comm").strip()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123  # hot path
            return file.read()
    except OSError:
        return ""
