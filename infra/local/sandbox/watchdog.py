"""The thread that ends sandboxes which use more memory or disk than they may, and tidies up."""

from __future__ import annotations

import os
import queue
import threading
import time
from dataclasses import dataclass

from infra.local.sandbox import processes
from infra.local.sandbox.run import Run

_MB = 1 << 20
_LOOK_EVERY = 0.2  # seconds, while something runs
_MOST_EFFORT = 0.05  # of one processor, at most
_WALK_EVERY = 30.0  # seconds between looks at a folder when nothing points to writing
_SUSPICIOUS = 16 * _MB  # the file system lost this much since the last look


@dataclass
class _Disk:
    """When a sandbox's folders were last measured, and what was free then."""

    free: int = 0
    next_walk: float = 0.0
    earliest: float = 0.0


class Watchdog:
    """Looks at all runs of one `Sandbox`."""

    def __init__(self, *, memory_cgroup: bool) -> None:
        # With a memory control group the kernel counts better and acts sooner than we could.
        self._memory = not memory_cgroup
        self._runs: dict[Run, _Disk] = {}
        self._lock = threading.Lock()
        self._bell: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="watchdog")
        self._thread.start()

    def watch(self, run: Run) -> None:
        """Look after a run until it ends."""
        with self._lock:
            self._runs[run] = _Disk()
        self._bell.put(run)

    def bury(self, run: Run) -> None:
        """Tidy up after a run that has ended."""
        with self._lock:
            self._runs.pop(run, None)
        self._bell.put(run)

    def close(self) -> None:
        """Stop looking."""
        self._bell.put(None)
        self._thread.join(timeout=5)

    def _work(self) -> None:
        next_look = 0.0
        while True:
            left = max(next_look - time.monotonic(), 0.0) if self._runs else None
            try:
                run = self._bell.get(timeout=left)
            except queue.Empty:
                began = time.monotonic()
                self._look()
                effort = time.monotonic() - began
                next_look = began + max(_LOOK_EVERY, effort / _MOST_EFFORT)
                continue
            if run is None:
                return
            if not run.alive:
                run.tidy()

    def _look(self) -> None:
        with self._lock:
            runs = list(self._runs.items())
        for run, disk in runs:
            if not run.alive:
                continue
            if self._memory and _too_much_memory(run):
                run.end(oom=True)
            elif run.limits.disk_mb is not None and run.folders and _too_much_disk(run, disk):
                run.end(disk_full=True)


def _too_much_memory(run: Run) -> bool:
    limit = run.limits.memory_mb * _MB
    pids = processes.tree(run.inner)
    # The quick sum is never too small; only when it is over is the fair one worth its price.
    quick = processes.memory(pids)
    return quick > limit and (processes.proportional_memory(pids) or quick) > limit


def _too_much_disk(run: Run, disk: _Disk) -> bool:
    now = time.monotonic()
    free = _free(run)
    if now < disk.earliest or (now < disk.next_walk and disk.free - free < _SUSPICIOUS):
        return False
    run.disk_bytes = sum(processes.disk_bytes(folder) for folder in run.folders)
    took = time.monotonic() - now
    disk.free = free
    disk.earliest = now + took / _MOST_EFFORT
    disk.next_walk = now + _WALK_EVERY
    limit = run.limits.disk_mb
    return limit is not None and run.disk_bytes > limit * _MB


def _free(run: Run) -> int:
    total = 0
    for folder in run.folders:
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        total += found.f_bfree * found.f_frsize
    return total
