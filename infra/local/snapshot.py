"""Knows how the emulator's state reaches the disk: whole generations, swapped in one step.

The emulator itself saves only when it ends in good order, one file a service. A crash would
then lose everything since the last clean stop, and a crash in the middle of saving would leave
services that contradict each other. Here every snapshot is a directory of its own; services that
have not changed are hard links into the one before, and a symbolic link names the complete one.

This module runs in the emulator's own environment: it may import nothing but the standard
library.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CURRENT = "current"
_PREFIX = "generation-"
_ATTEMPTS = 5


class Generations:
    """A folder of snapshots; `current` always names a complete one."""

    def __init__(self, folder: Path, encode: Callable[[str, Any], bytes]) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._encode = encode
        self._digests: dict[str, str] = {}
        self._writing = threading.Lock()
        self._open()

    @property
    def current(self) -> Path:
        """The path that stays the same while generations come and go."""
        return self.folder / CURRENT

    def collect(self, services: Mapping[str, Callable[[], Any]]) -> dict[str, bytes]:
        """What has changed since the last snapshot, encoded; the caller holds the world still."""
        changed: dict[str, bytes] = {}
        for name, read in services.items():
            state = _read_still(read)
            if state is None:  # a service that could not be loaded keeps what it had on disk
                continue
            data = self._encode(name, state)
            digest = hashlib.blake2b(data, digest_size=16).hexdigest()
            if self._digests.get(name) != digest:
                self._digests[name] = digest
                changed[name] = data
        return changed

    def write(self, changed: Mapping[str, bytes]) -> bool:
        """Make a generation of what is there and what has changed; False when nothing has."""
        if not changed:
            return False
        with self._writing:
            try:
                self._write(changed)
            except OSError:
                # What did not reach the disk must count as changed the next time.
                for name in changed:
                    self._digests.pop(name, None)
                raise
        return True

    def _write(self, changed: Mapping[str, bytes]) -> None:
        before = self.current.resolve()
        number = int(before.name.removeprefix(_PREFIX)) + 1
        after = self.folder / f"{_PREFIX}{number:08d}"
        shutil.rmtree(after, ignore_errors=True)  # left by a crash halfway
        after.mkdir()
        for file in before.iterdir():
            if file.is_file() and file.stem not in changed:
                os.link(file, after / file.name)
        for name, data in changed.items():
            _write_through(after / f"{name}.json", data)
        self._point_at(after)
        shutil.rmtree(before, ignore_errors=True)

    def _open(self) -> None:
        if not self.current.is_symlink():
            first = self.folder / f"{_PREFIX}{0:08d}"
            first.mkdir(exist_ok=True)
            self._point_at(first)
        kept = self.current.resolve()
        if not kept.name.startswith(_PREFIX) or not kept.is_dir():
            raise SystemExit(
                f"{self.current} does not name a snapshot of the local cloud; "
                "run `make reset` to start afresh."
            )
        for other in self.folder.glob(f"{_PREFIX}*"):
            if other != kept:
                shutil.rmtree(other, ignore_errors=True)

    def _point_at(self, generation: Path) -> None:
        fresh = self.folder / f"{CURRENT}.next"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(generation.name)
        fresh.replace(self.current)


def encode(
    version: Callable[[str], int], default: Callable[[Any], Any], name: str, state: Any
) -> bytes:
    """One service's state in the form the emulator's own loader reads."""
    document = {"__ministack_format__": version(name), "payload": state}
    return json.dumps(document, default=default).encode()


def _read_still(read: Callable[[], Any]) -> Any:
    """Copy a service's state, again if one of its threads changed it meanwhile."""
    for attempt in range(_ATTEMPTS):
        try:
            return read()
        except RuntimeError:
            if attempt == _ATTEMPTS - 1:
                raise
    return None


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
