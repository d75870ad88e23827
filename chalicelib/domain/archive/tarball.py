"""Tar archives, packed by gzip or not: one pass forward, every byte counted as it comes out."""

from __future__ import annotations

import gzip
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from chalicelib.domain.archive.entries import (
    MEGABYTE,
    Entry,
    Limits,
    Listing,
    bomb,
    reject,
    reject_bomb,
    too_large,
)
from chalicelib.domain.archive.sealed import CHUNK, Archive, Contents, Readable, corrupt

#: Headers and padding, on top of what the files themselves may have.
_OVERHEAD_PER_ENTRY = 4096
#: tarfile reads a long name whole; an honest one is a few kilobytes.
_MAX_HEADER = 1 << 20
#: First bytes of text files kept on disk during the listing, so that reading one is not
#: unpacking everything again.
_KEPT_HEAD = 262_144
_KEPT_TOTAL = 64 * MEGABYTE
#: Told by suffix, since looking at the bytes would mean unpacking them.
_BINARY_SUFFIXES = (
    ".png .jpg .jpeg .gif .webp .ico .woff .woff2 .ttf .otf .eot .mp3 .mp4 .webm .wav .zip .gz"
    " .bz2 .xz .7z .whl .egg .so .dll .dylib .exe .bin .pt .pth .onnx .h5 .pkl .npy .npz .parquet"
    " .db .sqlite .sqlite3 .pdf .class .jar .pyc .node .wasm .o .a"
)
_NEVER_TEXT = frozenset(_BINARY_SUFFIXES.split())
_BROKEN = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError)


class TarArchive(Archive):
    """A tar; heads of its text files lie in a temporary file that goes with the object."""

    kind = "tar"

    def __init__(
        self,
        path: Path,
        limits: Limits,
        digest: str,
        listing: Listing,
        *,
        packed: bool,
        heads: IO[bytes],
    ) -> None:
        super().__init__(path, limits, digest, listing)
        self._packed = packed
        self._heads = heads
        self._closing = weakref.finalize(self, heads.close)

    def close(self) -> None:
        """Give the temporary file back; also done when the object goes."""
        self._closing()

    def _read(self, entry: Entry, limit: int) -> bytes:
        kept = entry.handle
        if isinstance(kept, tuple):
            start, length = kept
            if length == entry.size or limit <= length:
                self._heads.seek(start)
                return self._heads.read(min(limit, length))
        with _members(self.path, self.limits, packed=self._packed) as members:
            for name, stream in members:
                if name == entry.path:
                    return stream.read(limit)
        raise corrupt(entry.path)

    def _contents(self) -> Contents:
        wanted = {entry.path: entry for entry in self._entries.values()}
        with _members(self.path, self.limits, packed=self._packed) as members:
            for name, stream in members:
                entry = wanted.pop(name, None)
                if entry is not None:
                    yield entry, stream
        if wanted:
            raise corrupt()


def open_tarball(
    path: Path, filename: str, limits: Limits, digest: str, *, packed: bool
) -> Archive:
    """Judge a tar in one pass, keeping the heads of its text files at hand."""
    listing = Listing(limits, path.stat().st_size)
    heads = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the archive object)
    accepted = False
    try:
        with _tar(path, limits, packed=packed, filename=filename) as (tar, source):
            for member in _walk(tar, source):
                _judge(listing, member, tar, heads)
            source.finish()
        archive = TarArchive(path, limits, digest, listing, packed=packed, heads=heads)
        accepted = True
    finally:
        if not accepted:
            heads.close()
    return archive


def _judge(
    listing: Listing, member: tarfile.TarInfo, tar: tarfile.TarFile, heads: IO[bytes]
) -> None:
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk() or member.isdev()):
        raise reject(
            "archive_kind",
            f"{member.name!r} is of a kind only special tools make. Pack it as a plain tar.gz.",
        )
    if member.issparse():
        raise reject(
            "archive_kind",
            f"{member.name!r} is a sparse file. Pack the source without --sparse.",
        )
    handle: object = None
    keep = member.isreg() and PurePosixPath(member.name).suffix.lower() not in _NEVER_TEXT
    start = heads.tell()
    if keep and start < _KEPT_TOTAL:
        handle = (start, min(member.size, _KEPT_HEAD))
    entry = listing.add(
        member.name,
        size=member.size,
        mode=member.mode & 0o777,
        folder=member.isdir(),
        link=member.issym() or member.islnk(),
        device=member.isdev(),
        modified=float(member.mtime),
        handle=handle,
    )
    if entry is None or handle is None:
        return
    stream = tar.extractfile(member)
    if stream is not None:
        head = stream.read(_KEPT_HEAD)
        if len(head) != min(member.size, _KEPT_HEAD):
            raise corrupt(entry.path)
        heads.write(head)


def _walk(tar: tarfile.TarFile, source: _Forward) -> Iterator[tarfile.TarInfo]:
    """Every member once, none of them remembered."""
    count = 0
    while True:
        count += 1
        source.allow(count)
        member = tar.next()
        if member is None:
            return
        tar.members.clear()  # type: ignore[attr-defined]  # ours is the only listing
        yield member


@contextmanager
def _members(
    path: Path, limits: Limits, *, packed: bool
) -> Iterator[Iterator[tuple[str, Readable]]]:
    """The regular files of a tar that was judged before, in their order, as (path, stream)."""
    with _tar(path, limits, packed=packed, filename=path.name) as (tar, source):

        def files() -> Iterator[tuple[str, Readable]]:
            for member in _walk(tar, source):
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is not None:
                    parts = (part for part in member.name.split("/") if part not in ("", "."))
                    yield "/".join(parts), stream

        yield files()


@contextmanager
def _tar(
    path: Path, limits: Limits, *, packed: bool, filename: str
) -> Iterator[tuple[tarfile.TarFile, _Forward]]:
    """A tar over a stream that only goes forward and counts; its faults become verdicts."""
    size = path.stat().st_size
    try:
        with path.open("rb") as raw:
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw) if packed else raw)
            source = _Forward(stream, size, limits)
            try:
                tar = tarfile.TarFile(
                    fileobj=cast("IO[bytes]", source),
                    mode="r",
                    encoding="utf-8",
                    errors="surrogateescape",
                    errorlevel=2,
                    ignore_zeros=False,
                )
            except tarfile.ReadError as error:
                if packed and source.tell() > 0:
                    raise reject(
                        "archive_kind",
                        f"{filename} is packed by gzip but holds no tar. Pack the folder with "
                        "`tar czf source.tar.gz folder`.",
                    ) from error
                raise
            with tar:
                yield tar, source
    except _BROKEN as error:
        raise corrupt() from error


class _Forward:
    """A readable stream with `tell` and a `seek` that goes forward only, counting what comes."""

    def __init__(self, stream: IO[bytes], packed: int, limits: Limits) -> None:
        self._stream = stream
        self._packed = packed
        self._limits = limits
        self._at = 0
        self._allowed = limits.unpacked + _MAX_HEADER
        self._last = b""

    def allow(self, entries: int) -> None:
        """Let headers and padding of that many entries come on top of the limit."""
        self._allowed = self._limits.unpacked + _MAX_HEADER + entries * _OVERHEAD_PER_ENTRY

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > max(_MAX_HEADER, CHUNK):
            raise tarfile.ReadError("a header larger than any honest one")
        data = self._stream.read(size)
        self._count(len(data))
        self._last = data
        return data

    def finish(self) -> None:
        """Make sure the listing ended where the archive did, and check what gzip sums up.

        tarfile takes a damaged header for the end; the true end is a block of zeros, or nothing.
        """
        if self._last.strip(b"\0"):
            raise tarfile.ReadError("a damaged header")
        while data := self._stream.read(CHUNK):
            self._count(len(data))

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0 or position < self._at:
            raise tarfile.ReadError("the archive points backwards")
        left = position - self._at
        while left:
            data = self._stream.read(min(left, CHUNK))
            if not data:
                break
            self._count(len(data))
            left -= len(data)
        return self._at

    def _count(self, size: int) -> None:
        self._at += size
        if self._at > self._allowed:
            raise too_large(self._limits)
        if bomb(self._at, self._packed, self._limits):
            raise reject_bomb(self._limits)
