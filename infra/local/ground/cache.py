"""Installed dependencies, kept by what decides them, so that an unchanged set costs nothing.

Every entry belongs to one organisation, is written only after an install succeeded, and is then
only ever bound read-only. Where the source or an installed package could run code during the
install, what came of it is not decided by the lists alone: then it belongs to one agent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.build.beneath import Beneath
from infra.build.layers import Layer, write_layer

_FORMAT = "2"
"""Changes when the way we install changes, so that older entries are forgotten."""
_NOTE = "layer.json"
_LEFTOVERS = frozenset({".cache", ".vite", ".vite-temp", ".package-lock.json"})
"""What build tools write among dependencies for their own use."""
_KEPT_ENTRIES = 24
_UNTOUCHED_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Kept:
    """Installed dependencies: the folders as they appear below /app, and their layer."""

    tree: Path
    folders: tuple[str, ...]
    layer: Layer


class DependencyCache:
    """All organisations' installed dependencies on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, org_id: str, key: str) -> Kept | None:
        """The dependencies installed for exactly this key before."""
        entry = self._root / org_id / key
        note = entry / _NOTE
        try:
            layer = Layer.noted(note)
            os.utime(note)  # still in use; the oldest are the first to go
        except (OSError, ValueError, KeyError):
            return None
        folders = (entry / "folders").read_text().split("\n")
        return Kept(entry / "tree", tuple(name for name in folders if name), layer)

    def keep(self, org_id: str, key: str, app: Path, folders: Sequence[str]) -> Kept:
        """Moves what was installed out of the app's folder into the cache.

        Only real folders: an entry is bound into sandboxes later, and a link that an install left
        in a folder's place would show them whatever it points to.
        """
        place = self._root / org_id
        place.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=place))
        try:
            tree = fresh / "tree"
            tree.mkdir()
            for name in folders:
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                Beneath(app).move_out(name, tree / name)
            fresh.chmod(0o755)
            layer = write_layer(fresh / "layer.tar", tree, "app")
            (fresh / "folders").write_text("\n".join(folders))
            (fresh / _NOTE).write_text(layer.note())
            self._put(fresh, org_id, key)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        kept = self.find(org_id, key)
        if kept is None:
            raise OSError(f"the dependencies could not be kept in {place}")
        self._prune(place)
        return kept

    def _put(self, fresh: Path, org_id: str, key: str) -> None:
        """In one step, so that nobody ever sees half of it."""
        entry = fresh.with_name(key)
        with contextlib.suppress(OSError):
            fresh.rename(entry)
            return
        if self.find(org_id, key) is None:  # the remains of an interrupted removal
            shutil.rmtree(entry, ignore_errors=True)
            fresh.rename(entry)
        else:  # another build was first with the same set
            shutil.rmtree(fresh, ignore_errors=True)

    def _prune(self, place: Path) -> None:
        entries = sorted(place.glob(f"*/{_NOTE}"), key=lambda note: note.stat().st_mtime)
        for note in entries[:-_KEPT_ENTRIES]:
            if time.time() - note.stat().st_mtime > _UNTOUCHED_SECONDS:
                shutil.rmtree(note.parent, ignore_errors=True)


def key_of(*parts: str | bytes) -> str:
    """One name for everything that decides what would be installed."""
    digest = hashlib.sha256(_FORMAT.encode())
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:40]


def own_key(key: str, agent_id: str) -> str:
    """The name of what only one agent may find again."""
    return key_of(key, agent_id)


def identity(program: str) -> str:
    """Which program this is, without running it: an update changes size or time."""
    path = Path(program)
    if not path.exists():
        return program
    real = path.resolve()
    found = real.stat()
    return f"{real} {found.st_size} {found.st_mtime_ns}"


def bring(source: Path, app: Path, name: str, scratch: Path) -> None:
    """A copy with owners and times; cp clones blocks where the file system can.

    It is made where no strangers' code can reach, and then moved in.
    """
    fresh = Path(tempfile.mkdtemp(prefix="brought-", dir=scratch)) / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", os.fspath(source), os.fspath(fresh)], check=True)
    Beneath(app).move_in(fresh, name)
    fresh.parent.rmdir()


def unchanged(kept: Path, here: Beneath) -> bool:
    """Whether a copied folder still is what was copied, caches of build tools aside."""
    return _facts(Beneath(kept)) == _facts(here)


def _facts(folder: Beneath) -> dict[str, tuple[int, int, int]]:
    facts = {}
    for name, entry, _ in folder.walk(enter=lambda name, _folder: name not in _LEFTOVERS):
        if not entry.is_dir(follow_symlinks=False):
            found = entry.stat(follow_symlinks=False)
            facts[name] = (found.st_mode, found.st_size, found.st_mtime_ns)
    return facts
