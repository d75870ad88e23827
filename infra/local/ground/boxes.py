"""Getting the sandbox ready while the source is still on its way."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict
from pathlib import Path

from infra.build.faults import BuildFault, Failed
from infra.local.ground.bench import Box
from infra.local.sandbox import Isolation, Sandbox, probe

_PROVEN_SECONDS = 600


class ReadyBox:
    """A sandbox that is being made in the background; asking for it waits for it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._box: Sandbox | None = None
        self._fault: BuildFault | None = None
        self._thread = threading.Thread(target=self._prepare, name="sandbox", daemon=True)
        self._thread.start()

    def get(self) -> Box:
        """The sandbox; raises when this machine has none to offer."""
        self._thread.join()
        if self._box is None:
            raise self._fault or Failed.because("no_isolation", "The sandbox could not be made.")
        return self._box

    def _prepare(self) -> None:
        try:
            isolation = proven(self._state)
            if isolation.usable:
                self._box = Sandbox(isolation, self._state)
            else:
                self._fault = Failed.because(
                    "no_isolation",
                    f"This machine cannot isolate builds, so nothing is run: {isolation.reason}",
                )
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self._fault = Failed.because("no_isolation", f"The sandbox could not be made: {error}")


def proven(state: Path) -> Isolation:
    """The best isolation here. Proving it takes a moment, so a proof is good for ten minutes.

    A stale proof is no danger: the sandbox does what it names, or refuses to start.
    """
    note = state / "builds" / "isolation.json"
    machine = _machine()
    try:
        record = json.loads(note.read_bytes())
        if (
            record.pop("machine") == machine
            and time.time() - note.stat().st_mtime < _PROVEN_SECONDS
        ):
            record["missing"] = tuple(record["missing"])
            record["features"] = frozenset(record["features"])
            return Isolation(**record)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    isolation = probe(state)
    if isolation.usable:
        record = {**asdict(isolation), "features": sorted(isolation.features), "machine": machine}
        fresh = note.with_suffix(f".{os.getpid()}")
        note.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(record))
        fresh.replace(note)
    return isolation


def _machine() -> str:
    """Another boot or another user must prove it again."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.geteuid()}"
