"""Which user id a sandboxed program has outside, and whose its files are."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

# Between the ranges others hand out (containers end below it) and the sign bit.
_FIRST, _BLOCK, _BLOCKS = 0x70000000, 1 << 16, 4000


@dataclass(frozen=True)
class Identities:
    """A block of user ids that belongs to one data directory. Only root can give them away."""

    first: int
    size: int

    def of(self, share: str) -> int:
        """The user id (and group id) for everything with the same word."""
        return self.first + zlib.crc32(share.encode()) % self.size


def identities(state_dir: Path) -> Identities | None:
    """The block for a data directory, or None when we are an ordinary user."""
    if os.geteuid() != 0:
        return None
    start, length = _mapped()
    wanted = _FIRST + zlib.crc32(str(state_dir).encode()) % _BLOCKS * _BLOCK
    if wanted >= start and wanted + _BLOCK <= start + length:
        return Identities(wanted, _BLOCK)
    # In a container root may hand out few ids only; take from the end, where no account is.
    size = min(1024, length // 4)
    return Identities(_unused(start + length - size, size), size)


def _mapped() -> tuple[int, int]:
    """The largest range of user ids that exists in this user namespace."""
    ranges = []
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, length = (int(word) for word in line.split())
        ranges.append((length, inside))
    length, inside = max(ranges)
    return inside, length


def _unused(first: int, size: int) -> int:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    while first > size and any(uid in taken for uid in range(first, first + size)):
        first -= size
    return first


def give(folder: Path, uid: int) -> None:
    """Make a folder and everything in it belong to a user, without following any link.

    Files that already do are left alone, so giving a second time costs one look at each.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _give_open(descriptor, uid)
    finally:
        os.close(descriptor)


def _give_open(folder: int, uid: int) -> None:
    if os.fstat(folder).st_uid != uid:
        os.fchown(folder, uid, uid)
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    _give_child(folder, entry.name, uid)
                elif found.st_uid == uid:
                    continue
                elif stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
                    _copy_out(folder, entry.name, uid)
                else:
                    os.chown(entry.name, uid, uid, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue  # it went while we looked


def _give_child(folder: int, name: str, uid: int) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    child = os.open(name, flags, dir_fd=folder)
    try:
        _give_open(child, uid)
    finally:
        os.close(child)


def _copy_out(folder: int, name: str, uid: int) -> None:
    """Break a hard link first: its other name (a shared cache, say) must keep its owner."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    fresh = f".{name}.{os.getpid()}"
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as source:
        mode = os.fstat(source.fileno()).st_mode & 0o777
        with os.fdopen(os.open(fresh, flags, mode, dir_fd=folder), "wb") as target:
            os.fchown(target.fileno(), uid, uid)
            shutil.copyfileobj(source, target)
    os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
