"""Which user id a sandboxed program has outside, when we may choose."""

from __future__ import annotations

import os
import pwd
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
