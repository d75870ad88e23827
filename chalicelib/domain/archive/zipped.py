"""Zip archives: counted from the end record before the listing is made, read member by member."""

from __future__ import annotations

import struct
import time
import zipfile
import zlib
from pathlib import Path
from typing import IO

from chalicelib.domain.archive.entries import Entry, Limits, Listing, reject, too_many
from chalicelib.domain.archive.sealed import Archive, Contents, Readable, corrupt

_END = b"PK\x05\x06"
_END_SIZE = 22
_LOCATOR = b"PK\x06\x07"
_LOCATOR_SIZE = 20
_END64 = b"PK\x06\x06"
_END64_SIZE = 56
_MEMBER = b"PK\x01\x02"
_MEMBER_SIZE = 46
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: No honest listing needs more than this for each of its entries, names included.
_LISTING_BYTES_PER_ENTRY = 1024

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, OSError, ValueError)
_BROKEN_TOO = (NotImplementedError, RuntimeError, IndexError, OverflowError)


class ZipArchive(Archive):
    """A zip; the file is opened for each reading and holds no handle between."""

    kind = "zip"

    def _read(self, entry: Entry, limit: int) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive, _member(archive, entry) as stream:
                return stream.read(limit)
        except (*_BROKEN, *_BROKEN_TOO) as error:
            raise corrupt(entry.path) from error

    def _contents(self) -> Contents:
        try:
            with zipfile.ZipFile(self.path) as archive:
                for entry in self._entries.values():
                    with _member(archive, entry) as stream:
                        yield entry, _Guarded(stream, entry.path)
        except (zipfile.BadZipFile, zlib.error, *_BROKEN_TOO) as error:
            raise corrupt() from error


def open_zip(path: Path, filename: str, limits: Limits, digest: str) -> Archive:
    """Judge a zip by its end record, then by its listing."""
    _count_first(path, limits)
    listing = Listing(limits, path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except UnicodeDecodeError as error:
        raise reject(
            "archive_name_encoding",
            "A file name in the archive claims to be UTF-8 and is not. Rename the file, or pack "
            "it with UTF-8 names.",
        ) from error
    except (*_BROKEN, *_BROKEN_TOO) as error:
        raise reject(
            "archive_corrupt",
            f"{filename} is damaged or not complete. Pack it again and send it once more.",
        ) from error
    claimed = 0
    for member in members:
        claimed += member.compress_size
        _judge(listing, member)
    if claimed > listing.packed:
        # Members that share their bytes are how the best bombs are made.
        raise reject(
            "archive_bomb",
            "The members of the archive overlap each other. Pack the source again.",
        )
    return ZipArchive(path, limits, digest, listing)


def _judge(listing: Listing, member: zipfile.ZipInfo) -> None:
    name = _name(member)
    mode = member.external_attr >> 16
    folder = name.endswith("/") or bool(member.external_attr & 0x10 and not member.file_size)
    before = len(listing.faults)
    entry = listing.add(
        name,
        size=member.file_size,
        mode=mode,
        folder=folder,
        modified=_modified(member),
        handle=member,
    )
    if entry is None or len(listing.faults) > before:
        return
    if member.flag_bits & _ENCRYPTED_FLAGS:
        raise reject(
            "archive_encrypted",
            f"{entry.path} is encrypted. Pack the source without a password.",
            entry.path,
        )
    if member.compress_type not in _METHODS:
        raise reject(
            "archive_kind",
            f"{entry.path} is packed by a method other than 'deflate'. Pack it as a plain zip.",
            entry.path,
        )


def _name(member: zipfile.ZipInfo) -> str:
    """The stored name; without the UTF-8 flag many tools still write UTF-8, so that is tried."""
    name = member.orig_filename
    if member.flag_bits & _UTF8_FLAG or name.isascii():
        return name
    try:
        return name.encode("cp437").decode()
    except UnicodeDecodeError:
        return name.encode("cp437").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name


def _modified(member: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*member.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def _member(archive: zipfile.ZipFile, entry: Entry) -> IO[bytes]:
    member = entry.handle
    assert isinstance(member, zipfile.ZipInfo)  # noqa: S101  (made by _judge)
    return archive.open(member)


class _Guarded:
    """A member's stream whose faults name the member."""

    def __init__(self, stream: Readable, path: str) -> None:
        self._stream = stream
        self._path = path

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (*_BROKEN, *_BROKEN_TOO) as error:
            raise corrupt(self._path) from error


def _count_first(path: Path, limits: Limits) -> None:
    """Refuse a long listing by its end record: making the listing is what costs.

    The count in the end record may lie, so the size of the listing is looked at as well, and
    where that leaves room for too many the members are counted one by one.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_SIZE - 0xFFFF))
        tail = file.read(_END_SIZE + 0xFFFF)
        at = tail.rfind(_END)
        if at < 0 or len(tail) - at < _END_SIZE:
            raise corrupt()
        _, _, _, _, count, listing_size, _, _ = struct.unpack("<4s4H2LH", tail[at : at + _END_SIZE])
        end_at = max(0, size - len(tail)) + at
        if end_at >= _LOCATOR_SIZE:
            file.seek(end_at - _LOCATOR_SIZE)
            locator = file.read(_LOCATOR_SIZE)
            if locator.startswith(_LOCATOR):
                count, listing_size, end_at = _end64(
                    file, struct.unpack("<4sLQL", locator)[2], end_at
                )
        if count > limits.entries:
            raise too_many(limits)
        if listing_size > limits.entries * _LISTING_BYTES_PER_ENTRY:
            raise too_many(limits)
        if listing_size > end_at:
            raise corrupt()
        if listing_size // _MEMBER_SIZE > limits.entries:
            file.seek(end_at - listing_size)
            _count_members(file.read(listing_size), limits)


def _end64(file: IO[bytes], offset: int, limit: int) -> tuple[int, int, int]:
    if offset > limit - _LOCATOR_SIZE:
        raise corrupt()
    # zipfile looks for the record right before its locator, whatever the locator says.
    for place in (limit - _LOCATOR_SIZE - _END64_SIZE, offset):
        if place < 0:
            continue
        file.seek(place)
        record = file.read(_END64_SIZE)
        if len(record) == _END64_SIZE and record.startswith(_END64):
            values = struct.unpack("<4sQ2H2L4Q", record)
            return values[7], values[8], place
    raise corrupt()


def _count_members(listing: bytes, limits: Limits) -> None:
    at = count = 0
    while listing.startswith(_MEMBER, at):
        count += 1
        if count > limits.entries:
            raise too_many(limits)
        name, extra, comment = struct.unpack_from("<3H", listing, at + 28)
        at += _MEMBER_SIZE + name + extra + comment
