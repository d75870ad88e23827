"""How a layer blob becomes a folder: once per digest, checked, with nothing outside of it.

What is made here is read by agents, which are other users: every mode is set, not inherited.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

DEPENDENCY_FOLDERS = frozenset({".venv", "node_modules"})
"""Folders that are shared between versions and bound read-only instead of copied."""

MAX_ENTRIES = 400_000


class BadLayer(Exception):
    """The layer cannot be unpacked; says why."""


@dataclass(frozen=True)
class Layer:
    """An unpacked layer: what of it is bound read-only, and whether it has parts of the app."""

    root: Path
    mounts: tuple[str, ...]  # folders relative to "/", for example "app/.venv"
    has_app: bool
    size: int


def unpack(blob: Path, digest: str, target: Path) -> Layer:
    """Unpacks a blob into `target` unless that was done before. Blocking."""
    note = target.with_suffix(".json")
    if not note.exists():
        part = target.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        part.mkdir(parents=True)
        part.chmod(0o755)
        try:
            facts = _Unpacking(part).run(blob, digest)
        except (tarfile.TarError, OSError, EOFError) as exc:
            shutil.rmtree(part, ignore_errors=True)
            raise BadLayer(f"layer {digest} cannot be unpacked: {exc}") from exc
        except BadLayer:
            shutil.rmtree(part, ignore_errors=True)
            raise
        part.rename(target)
        # The note is the proof that the folder is whole, so it comes last.
        note.write_text(json.dumps(facts))
    facts = json.loads(note.read_text())
    return Layer(target, tuple(facts["mounts"]), facts["has_app"], facts["size"])


class _HashingReader:
    """Hashes a file while tarfile reads it, so that content is never trusted by its name."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.hash.update(data)
        return data

    def finish(self) -> str:
        while self.read(1 << 20):
            pass
        return f"sha256:{self.hash.hexdigest()}"


class _Unpacking:
    """One run. Only folders made by this run are ever written into: links are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: set[tuple[str, ...]] = {()}
        self._mounts: set[str] = set()
        self._has_app = False
        self._size = 0

    def run(self, blob: Path, digest: str) -> dict[str, Any]:
        with blob.open("rb") as file:
            reader = _HashingReader(file)
            with tarfile.open(fileobj=reader, mode="r|*", bufsize=1 << 18) as tar:  # type: ignore[call-overload]
                for count, member in enumerate(tar):
                    if count >= MAX_ENTRIES:
                        raise BadLayer(f"layer {digest} has more than {MAX_ENTRIES} entries")
                    self._place(tar, member)
            if reader.finish() != digest:
                raise BadLayer(f"the stored content of {digest} is damaged: push the image again")
        for top in ("app", *self._mounts):
            # What is copied or bound as a whole must be in the layer, not where a link leads.
            if self._root.joinpath(top).is_symlink():
                raise BadLayer(f"{top} is a link")
        return {"mounts": sorted(self._mounts), "has_app": self._has_app, "size": self._size}

    def _place(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = _parts(member.name)
        if not parts:
            return
        if member.isdir():
            self._folder(parts)
            return
        self._classify(parts)
        self._folder(parts[:-1])
        path = self._root.joinpath(*parts)
        if parts in self._folders or path.is_symlink() or path.exists():
            raise BadLayer(f"{member.name} is in the layer twice")
        if member.isreg():
            self._file(tar, member, path)
        elif member.issym():
            path.symlink_to(member.linkname)
        elif member.islnk():
            self._link(member, path)
        else:
            raise BadLayer(f"{member.name} is a device, a pipe or something else unusual")

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        source = tar.extractfile(member)
        if source is None:
            raise BadLayer(f"{member.name} has no content")
        with path.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 18)
        path.chmod(0o755 if member.mode & stat.S_IXUSR else 0o644)
        # Compiled Python is only used when its source has the recorded time.
        os.utime(path, (member.mtime, member.mtime))
        self._size += member.size

    def _link(self, member: tarfile.TarInfo, path: Path) -> None:
        source = self._root.joinpath(*_parts(member.linkname))
        if source.is_symlink() or not source.is_file() or not self._inside(source):
            raise BadLayer(f"{member.name} links to something that is not in the layer")
        shutil.copy2(source, path)

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._root.resolve())

    def _folder(self, parts: tuple[str, ...]) -> None:
        for depth in range(1, len(parts) + 1):
            prefix = parts[:depth]
            if prefix in self._folders:
                continue
            folder = self._root.joinpath(*prefix)
            try:
                folder.mkdir()
            except FileExistsError:
                raise BadLayer(f"{'/'.join(prefix)} is a file and a folder at once") from None
            folder.chmod(0o755)
            self._folders.add(prefix)

    def _classify(self, parts: tuple[str, ...]) -> None:
        """Dependencies are mounted, the app is copied, anything else is mounted by its top."""
        for depth, name in enumerate(parts[:-1]):
            if name in DEPENDENCY_FOLDERS:
                self._mounts.add("/".join(parts[: depth + 1]))
                return
        if parts[0] == "app":
            self._has_app = True
        else:
            self._mounts.add("/".join(parts[:2] if len(parts) > 2 else parts))


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadLayer(f"{name!r} points outside of the layer")
    return tuple(part for part in path.parts if part != ".")


def copy_tree(source: Path, target: Path, skip: frozenset[str] = frozenset()) -> None:
    """Copies a folder's content, sharing blocks where the file system can. Blocking.

    `target` may hold earlier layers: raises BadLayer rather than write through a link of theirs.
    `skip` holds paths relative to `source` that are left out.
    """
    target.mkdir(parents=True, exist_ok=True)
    pending = [("", source, target)]
    while pending:
        prefix, come_from, go_to = pending.pop()
        with os.scandir(come_from) as entries:
            for entry in entries:
                relative = f"{prefix}{entry.name}"
                if relative in skip:
                    continue
                to = go_to / entry.name
                if to.is_symlink():
                    raise BadLayer(f"{relative} is a link in an earlier layer")
                if entry.is_symlink():
                    to.symlink_to(Path(entry.path).readlink())
                elif entry.is_dir():
                    to.mkdir(exist_ok=True)
                    to.chmod(0o755)
                    pending.append((f"{relative}/", Path(entry.path), to))
                else:
                    _copy_file(Path(entry.path), to)


def make_folder(root: Path, relative: str) -> None:
    """Makes a folder below `root` with those above it; raises BadLayer when one is a link."""
    place = root
    for part in _parts(relative):
        place /= part
        if place.is_symlink():
            raise BadLayer(f"{relative} is to be mounted where there is a link")
        place.mkdir(exist_ok=True)
        place.chmod(0o755)


def _copy_file(source: Path, target: Path) -> None:
    facts = source.stat()
    with source.open("rb") as read, target.open("wb") as write:
        left = facts.st_size
        while left > 0:
            try:
                # On file systems with shared blocks the kernel turns this into a reference.
                done = os.copy_file_range(read.fileno(), write.fileno(), left)
            except OSError:  # two file systems, or one that cannot
                shutil.copyfileobj(read, write, 1 << 20)
                break
            if done == 0:
                break
            left -= done
    target.chmod(stat.S_IMODE(facts.st_mode))
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
