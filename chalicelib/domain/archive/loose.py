"""A single source file, sent as it is: the smallest archive there is."""

from __future__ import annotations

import codecs
from pathlib import Path

from chalicelib.domain.archive.entries import Entry, Limits, Listing, reject
from chalicelib.domain.archive.sealed import Archive, Contents


class LooseFile(Archive):
    """One text file under the name its sender gave it."""

    kind = "file"

    def _read(self, entry: Entry, limit: int) -> bytes:  # noqa: ARG002  (there is but one)
        with self.path.open("rb") as file:
            return file.read(limit)

    def _contents(self) -> Contents:
        with self.path.open("rb") as file:
            for entry in self._entries.values():
                yield entry, file


def open_loose(path: Path, filename: str, limits: Limits, digest: str, head: bytes) -> Archive:
    """Take a file of text; anything else is not a source."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    if not _is_text(head):
        raise reject(
            "archive_kind",
            f"{name} is neither an archive nor a text file. Send a zip, a tar.gz, or a single "
            "source file such as app.py or index.html.",
        )
    size = path.stat().st_size
    listing = Listing(limits, size)
    listing.add(name, size=size)
    return LooseFile(path, limits, digest, listing)


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        # The head may end inside a character.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=False)
    except UnicodeDecodeError:
        return False
    return True
