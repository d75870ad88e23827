"""Folders a hostile program has filled: measured, given away and removed without trusting them.

No link is followed, and no depth of nesting, hard link or missing permission stops the work.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from pathlib import Path

from infra.local.sandbox.spec import BadSpec

_DEEPEST = 100
_TOO_DEEP = 1 << 62
_LONGEST = 3800  # the kernel takes 4096 bytes, and a name may have 255
_LEAST = 1024  # an empty file costs its entry and its inode
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class DiskUse:
    """What one sandbox occupies: its own folders, and what it adds to those it shares."""

    def __init__(self, own: tuple[Path, ...], shared: tuple[Path, ...]) -> None:
        self.own = own
        self.shared = shared
        self._before: int | None = None

    def measure(self) -> int:
        """Bytes by now. What shared folders held at the first look is not counted."""
        now = sum(map(disk_bytes, self.shared))
        if self._before is None:
            self._before = now
        return sum(map(disk_bytes, self.own)) + max(now - self._before, 0)

    def __bool__(self) -> bool:
        """Whether there is anything to measure."""
        return bool(self.own or self.shared)


def disk_bytes(folder: Path) -> int:
    """What a folder occupies, hidden costs of many small files included."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        path = waiting.pop()
        if len(os.fsencode(path)) > _LONGEST:
            return _TOO_DEEP  # nested until no path reaches it: only done to hide
        try:
            entries = _entries(path)
        except OSError:
            continue
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            total += max(found.st_blocks * 512, _LEAST)
            if stat.S_ISDIR(found.st_mode):
                waiting.append(entry.path)
    return total


def give(folder: Path, uid: int) -> None:
    """Make a folder and everything in it belong to a user.

    Files that already do are left alone, so giving a second time costs one look at each.
    """
    _give(os.open(folder, _FOLDER), uid, 0)


def remove(folder: Path) -> None:
    """Remove a folder and everything in it, whatever a program made of it."""
    try:
        _unlock(folder.name, os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY))
        top = os.open(folder, _FOLDER)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        folder.unlink(missing_ok=True)
        return
    try:
        # Folders inside are moved to the top before they are emptied: however deep they were
        # nested, nothing is ever more than two levels down.
        waiting = _emptied(top, top)
        while waiting:
            name = waiting.pop()
            inner = os.open(name, _FOLDER, dir_fd=top)
            try:
                waiting += _emptied(inner, top)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    folder.rmdir()


def _emptied(folder: int, top: int) -> list[str]:
    """Unlink a folder's files; answer the names its folders have now, at the top."""
    moved = []
    with os.scandir(folder) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in listed:
        if not is_folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            continue
        _unlock(name, os.dup(folder))
        if folder == top:
            moved.append(name)
        else:
            fresh = f".removed-{secrets.token_hex(8)}"
            os.rename(name, fresh, src_dir_fd=folder, dst_dir_fd=top)
            moved.append(fresh)
    return moved


def _unlock(name: str, parent: int) -> None:
    """Let us into a folder that its program has closed, who has our own user id perhaps."""
    try:
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        if os.fstat(handle).st_mode & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101
    finally:
        os.close(handle)


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except PermissionError:
        parent, name = os.path.split(path)
        _unlock(name, os.open(parent, os.O_RDONLY | os.O_DIRECTORY))
        with os.scandir(path) as entries:
            return list(entries)


def _give(folder: int, uid: int, depth: int) -> None:
    try:
        if depth > _DEEPEST:
            raise BadSpec(f"The app's folders are nested deeper than {_DEEPEST} levels.")
        if os.fstat(folder).st_uid != uid:
            os.fchown(folder, uid, uid)
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # it went while we looked
                    _give_entry(folder, entry, uid, depth)
    finally:
        os.close(folder)


def _give_entry(folder: int, entry: os.DirEntry[str], uid: int, depth: int) -> None:
    if entry.is_dir(follow_symlinks=False):
        _give(os.open(entry.name, _FOLDER, dir_fd=folder), uid, depth + 1)
        return
    found = entry.stat(follow_symlinks=False)
    if found.st_uid == uid:
        return
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        _copy_out(folder, entry.name, uid)
    else:
        os.chown(entry.name, uid, uid, dir_fd=folder, follow_symlinks=False)


def _copy_out(folder: int, name: str, uid: int) -> None:
    """Break a hard link first: its other name (a shared cache, say) must keep its owner."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    fresh = f".{secrets.token_hex(8)}"
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as source:
        mode = os.fstat(source.fileno()).st_mode & 0o777
        with os.fdopen(os.open(fresh, flags, mode, dir_fd=folder), "wb") as target:
            os.fchown(target.fileno(), uid, uid)
            shutil.copyfileobj(source, target)
    os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
