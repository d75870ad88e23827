"""Safe intake: what kind of archive a file is, and whether it may be opened at all.

Standard library only: this package also travels inside the build program.

An archive is judged by its listing before a byte of it is written anywhere, and never lies in
memory: readers stream, and every limit is checked again while bytes are counted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from chalicelib.domain.archive.entries import ArchiveRejected, Limits, megabytes, reject
from chalicelib.domain.archive.loose import open_loose
from chalicelib.domain.archive.sealed import Archive
from chalicelib.domain.archive.tarball import open_tarball
from chalicelib.domain.archive.zipped import open_zip

__all__ = ["Archive", "ArchiveRejected", "Limits", "open_archive"]

_FOREIGN = (
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1f\x9d", "a compress archive"),
    (b"%PDF-", "a PDF document"),
    (b"\x7fELF", "a compiled program"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a compiled program"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
)
_ADVICE = "Send a zip, a tar.gz, or a single source file such as app.py or index.html."


def open_archive(path: Path, filename: str, limits: Limits | None = None) -> Archive:
    """Judge the file at `path` by its content; raises `ArchiveRejected` with every fault found.

    `filename` is what the sender calls it: it names a loose file and decides nothing else.
    """
    limits = limits or Limits()
    size = path.stat().st_size
    if size == 0:
        raise reject("archive_empty", f"{filename} is empty (0 bytes). {_ADVICE}")
    if size > limits.packed:
        raise reject(
            "archive_too_large",
            f"{filename} has {megabytes(size)}; at most {megabytes(limits.packed)} are taken. "
            "Leave out dependencies, build output and data: they are installed or built here.",
        )
    head = _head(path)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK00PK")):
        return open_zip(path, filename, limits, _digest(path))
    if head.startswith(b"\x1f\x8b"):
        return open_tarball(path, filename, limits, _digest(path), packed=True)
    if head[257:262] == b"ustar":
        return open_tarball(path, filename, limits, _digest(path), packed=False)
    for magic, kind in _FOREIGN:
        if head.startswith(magic):
            raise reject("archive_kind", f"{filename} is {kind}. {_ADVICE}")
    return open_loose(path, filename, limits, _digest(path), head)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8192)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
