"""An archive that passed: its names, its first bytes, and the one safe way to unpack it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol, Self

from chalicelib.domain.archive.entries import (
    ArchiveRejected,
    Entry,
    Limits,
    Listing,
    reject,
    reject_bomb,
    too_large,
)
from chalicelib.domain.plan import Finding

CHUNK = 1 << 18


class Readable(Protocol):
    """What a member's bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


Contents = Generator[tuple[Entry, Readable], None, None]
#: A package's folder may not be unwrapped: its modules import each other by its name.
_PACKAGE_MARK = "__init__.py"


class Archive(ABC):
    """A judged archive; it is a `SourceTree`, read and unpacked without following anything."""

    kind: str

    def __init__(self, path: Path, limits: Limits, digest: str, listing: Listing) -> None:
        listing.finish()
        self.path = path
        self.digest = digest
        self.limits = limits
        self.top = _common_top(listing)
        self.packed_size = listing.packed
        self.unpacked_size = listing.unpacked
        self._entries = {
            entry_path[len(self.top) :]: entry for entry_path, entry in listing.entries.items()
        }
        self._names = tuple(sorted(self._entries))
        self.findings = _left_out(listing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027  (most kinds hold nothing open)
        """Give back what is held open."""

    @property
    def file_count(self) -> int:
        """How many files will be unpacked."""
        return len(self._names)

    def names(self) -> Sequence[str]:
        """Posix paths of all files, below the common top folder if there is one, sorted."""
        return self._names

    def size(self, path: str) -> int:
        """The unpacked size the listing states for one file."""
        return self._entries[path].size

    def modified(self, path: str) -> float:
        """When the file was last changed, in seconds; 0 when the archive does not say."""
        return self._entries[path].modified

    def read(self, path: str, limit: int = 262_144) -> bytes:
        """The first `limit` bytes of one file; KeyError when there is none of that name."""
        return self._read(self._entries[path], limit)

    def extract(self, dest: Path) -> None:
        """Unpack everything into `dest`, a folder that is absent or empty.

        Each file is created anew and never through a link; modes are 644 or 755.
        """
        dest.mkdir(parents=True, exist_ok=True, mode=0o755)
        if any(dest.iterdir()):
            raise FileExistsError(f"{dest} is not empty")
        # The listing may lie: what counts is what comes out.
        written = 0
        made: set[str] = {""}
        with closing(self._contents()) as contents:
            for entry, stream in contents:
                name = entry.path[len(self.top) :]
                folder = name.rpartition("/")[0]
                if folder not in made:
                    (dest / folder).mkdir(parents=True, exist_ok=True, mode=0o755)
                    made.add(folder)
                written += self._write(stream, dest / name, entry, self.limits.unpacked - written)

    def _write(self, stream: Readable, target: Path, entry: Entry, room: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(target, flags, 0o755 if entry.executable else 0o644)
        written = 0
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o755 if entry.executable else 0o644)
            while chunk := stream.read(CHUNK):
                written += len(chunk)
                if written > entry.size:
                    raise reject_bomb(self.limits)
                if written > room:
                    raise too_large(self.limits)
                file.write(chunk)
        if written != entry.size:
            raise corrupt(entry.path)
        return written

    @abstractmethod
    def _read(self, entry: Entry, limit: int) -> bytes:
        """The first bytes of one entry."""

    @abstractmethod
    def _contents(self) -> Contents:
        """Every entry with a stream of its bytes, each to be read before the next is asked for."""


def corrupt(name: str | None = None) -> ArchiveRejected:
    """The verdict for bytes that are not what the archive says they are."""
    place = f"{name} in the archive" if name else "The archive"
    return reject(
        "archive_corrupt",
        f"{place} is damaged or not complete. Pack it again and send it once more.",
        name,
    )


def _common_top(listing: Listing) -> str:
    """The one folder everything lies in, as "name/", or ""."""
    first = next(iter(listing.entries), "")
    top, slash, _ = first.partition("/")
    if not slash or not all(path.startswith(top + "/") for path in listing.entries):
        return ""
    if f"{top}/{_PACKAGE_MARK}" in listing.entries:
        return ""
    return top + "/"


def _left_out(listing: Listing) -> tuple[Finding, ...]:
    if not listing.left_out:
        return ()
    names = ", ".join(sorted(listing.left_out))
    return (
        Finding(
            "archive_left_out",
            f"Left out of the source: {names}. Dependencies are installed here; "
            "the rest is of no use to a running agent.",
            level="info",
        ),
    )
