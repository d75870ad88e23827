"""The thread that ends sandboxes which use more memory or disk than they may, and tidies up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.local.sandbox import processes
from infra.local.sandbox.run import Run

_MB = 1 << 20
_LOOK_EVERY = 0.2  # seconds, while something runs
_MOST_EFFORT = 0.05  # of one processor, at most
_WALK_EVERY = 2.0  # seconds between looks at a folder that is written to
_WALK_ANYWAY = 5.0  # seconds between looks at any: new folders and empty files do not count there
_MUCH = 4 * _MB  # written since the last look: worth one at once


@dataclass
class _Disk:
    """When a sandbox's folders were last measured, and what it had written by then."""

    written: int | None = None
    walked: float = 0.0


class Watchdog:
    """Looks at all runs of one `Sandbox`."""

    def __init__(self, *, memory_cgroup: bool) -> None:
        self._earliest_walk = 0.0
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
                effort = _cost(self._look)
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
            pids = processes.tree(run.inner)
            # The kernel may have taken one process of many; what is left is of no use.
            if run.oom or (self._memory and _too_much_memory(run, pids)):
                run.end(oom=True)
            elif run.limits.disk_mb is not None and run.disk:
                self._look_at_disk(run, disk, pids, run.limits.disk_mb * _MB)

    def _look_at_disk(self, run: Run, disk: _Disk, pids: list[int], limit: int) -> None:
        """Measure the folders when something was written, but never at more than a fair effort."""
        now = time.monotonic()
        written = processes.written_bytes(pids)
        news = 0 if written is None or disk.written is None else written - disk.written
        due = disk.walked + (_WALK_EVERY if news else _WALK_ANYWAY)
        if disk.walked and news < _MUCH and now < due:
            return
        if now < self._earliest_walk:
            return
        effort = _cost(run.measure_disk)
        disk.written = written
        disk.walked = now
        self._earliest_walk = now + effort / _MOST_EFFORT
        if run.disk_bytes > limit:
            run.end(disk_full=True)


def _cost(work: Callable[[], object]) -> float:
    """Does it, and says what it took of a processor; waiting for one on a busy machine is free."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _too_much_memory(run: Run, pids: list[int]) -> bool:
    limit = run.limits.memory_mb * _MB
    # The quick sum is never too small; only when it is over is the fair one worth its price.
    quick = processes.memory(pids)
    return quick > limit and (processes.proportional_memory(pids) or quick) > limit
