"""What one entry of an archive may be: its path, its kind, its size, and the limits over all."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field

from chalicelib.domain.plan import Finding
from chalicelib.values import frozen

MEGABYTE = 1_000_000
_MAX_FAULTS = 25
MAX_PATH_BYTES = 1024
MAX_SEGMENT_BYTES = 255
#: Below this size a high ratio is a file of spaces, not a bomb.
BOMB_FLOOR = 10 * MEGABYTE

#: Made again here or meaningless here, and often full of links: left out instead of refused.
LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", "node_modules", ".venv", "__pycache__", "__MACOSX", ".tox", ".nox"}
    | {".DS_Store", "Thumbs.db", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".gradle"}
)

_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@frozen
class Limits:
    """How much of everything one source may have."""

    packed: int = 100 * MEGABYTE
    unpacked: int = 500 * MEGABYTE
    files: int = 10_000
    depth: int = 32
    ratio: int = 100

    @property
    def entries(self) -> int:
        """How long a listing may be: files, their folders, and what will be left out."""
        return self.files * 2


@frozen
class Entry:
    """One file that passed: where it will lie, and where the archive keeps it."""

    path: str
    size: int
    executable: bool
    modified: float
    handle: object = None


class ArchiveRejected(Exception):
    """The archive must not be opened; each finding says what is wrong and how to mend it."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(finding.detail for finding in findings))
        self.findings = findings


def reject(code: str, detail: str, file: str | None = None) -> ArchiveRejected:
    """The verdict for one fault."""
    return ArchiveRejected((Finding(code, detail, file),))


def megabytes(size: int) -> str:
    """A size as people read it."""
    if size < MEGABYTE:
        return f"{size:,} bytes"
    return f"{size / MEGABYTE:,.1f} MB".replace(".0 MB", " MB")


def printable(name: str) -> str:
    """A name that is safe to show, store and log, whatever bytes it was made of."""
    shown = name.encode("utf-8", "backslashreplace").decode()
    shown = _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", shown)
    return shown if len(shown) <= 200 else shown[:197] + "..."


@dataclass
class Listing:
    """Collects the entries of one archive and every fault among them."""

    limits: Limits
    packed: int
    entries: dict[str, Entry] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    faults: list[Finding] = field(default_factory=list)
    seen: int = 0
    unpacked: int = 0

    def add(
        self,
        name: str,
        *,
        size: int,
        mode: int = 0,
        folder: bool = False,
        link: bool = False,
        device: bool = False,
        modified: float = 0.0,
        handle: object = None,
    ) -> Entry | None:
        """Judge one entry; None when it is a folder, is left out, or has a fault."""
        self.seen += 1
        if self.seen > self.limits.entries:
            raise too_many(self.limits)
        path = self._path(name)
        if path is None:
            return None
        parts = path.split("/") if path else []
        out = next((part for part in parts if part in LEFT_OUT or part.startswith("._")), None)
        if out is not None:
            self.left_out.add(out if out in LEFT_OUT else "._*")
            return None
        wrong = self._wrong_kind(path, mode, link=link, device=device)
        if wrong is not None:
            self._fault(*wrong, path)
            return None
        if folder:
            self._folder(path)
            return None
        return self._file(Entry(path, size, bool(mode & 0o111), modified, handle))

    def finish(self) -> None:
        """Raise every fault found, or accept the listing as a whole."""
        for path in self.entries:
            if path in self.folders:
                self._fault(
                    "archive_duplicate",
                    f"{printable(path)} is both a file and a folder. Rename one of them.",
                    path,
                )
        if self.faults:
            raise ArchiveRejected(tuple(self.faults))
        if not self.entries:
            raise reject(
                "archive_empty",
                "The archive holds no file that could be deployed"
                + (f" (only {', '.join(sorted(self.left_out))})" if self.left_out else "")
                + ". Pack the folder that holds your source.",
            )

    def _wrong_kind(
        self, path: str, mode: int, *, link: bool, device: bool
    ) -> tuple[str, str] | None:
        if path.count("/") >= self.limits.depth:
            return (
                "archive_too_deep",
                (
                    f"{printable(path)} lies more than {self.limits.depth} folders deep. Move it "
                    "further up or leave it out."
                ),
            )
        if link or stat.S_ISLNK(mode):
            return (
                "archive_link",
                (
                    f"{printable(path)} is a link. Put a copy of what it points to in its place, "
                    "or leave it out."
                ),
            )
        if device or stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            return (
                "archive_device",
                f"{printable(path)} is a device, pipe or socket, not a file. Leave it out.",
            )
        return None

    def _path(self, name: str) -> str | None:
        """The normal form of a name, or None when it is not a place inside the source."""
        wrong = _wrong_path(name)
        if wrong is not None:
            code, detail = wrong
            self._fault(code, f"{printable(name) or '(no name)'} {detail}", name)
            return None
        return "/".join(part for part in name.split("/") if part not in ("", "."))

    def _folder(self, path: str) -> None:
        if path:
            self.folders.add(path)
            self._parents(path)

    def _file(self, entry: Entry) -> Entry | None:
        if not entry.path:
            self._fault("archive_path", "An entry has no name. Pack the source again.", None)
            return None
        if entry.path in self.entries:
            self._fault(
                "archive_duplicate",
                f"{printable(entry.path)} is in the archive twice. Pack the source again.",
                entry.path,
            )
            return None
        self.entries[entry.path] = entry
        self._parents(entry.path)
        if len(self.entries) > self.limits.files:
            raise too_many(self.limits)
        self.unpacked += entry.size
        if self.unpacked > self.limits.unpacked:
            raise too_large(self.limits)
        if bomb(self.unpacked, self.packed, self.limits):
            raise reject_bomb(self.limits)
        return entry

    def _parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        while parent and parent not in self.folders:
            self.folders.add(parent)
            parent = parent.rpartition("/")[0]

    def _fault(self, code: str, detail: str, file: str | None) -> None:
        self.faults.append(Finding(code, detail, printable(file) if file else None))
        if len(self.faults) >= _MAX_FAULTS:
            raise ArchiveRejected(tuple(self.faults))


def _wrong_path(name: str) -> tuple[str, str] | None:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return (
            "archive_name_encoding",
            "is a file name that is not UTF-8. Rename the file, or pack it with UTF-8 names.",
        )
    parts = name.split("/")
    too_long = len(encoded) > MAX_PATH_BYTES or any(
        len(part.encode()) > MAX_SEGMENT_BYTES for part in parts
    )
    rules = (
        (not name, "is an entry without a name. Pack the source again."),
        (_CONTROL.search(name), "has a control character in its name. Rename the file."),
        (
            "\\" in name,
            "has a backslash in its name. Pack the source with a tool that writes forward slashes.",
        ),
        (
            name.startswith("/") or _DRIVE.match(name),
            "is an absolute path. Pack the folder itself, with relative paths.",
        ),
        (".." in parts, "points outside of the archive ('..'). Pack the folder itself."),
        (too_long, "is too long a name. Shorten each part to 255 bytes, the whole to 1024."),
    )
    detail = next((detail for broken, detail in rules if broken), None)
    return None if detail is None else ("archive_path", detail)


def bomb(unpacked: int, packed: int, limits: Limits) -> bool:
    """Whether that much may not come out of that little."""
    return unpacked > BOMB_FLOOR and unpacked > packed * limits.ratio


def reject_bomb(limits: Limits) -> ArchiveRejected:
    """The verdict for contents that grow beyond the ratio."""
    return reject(
        "archive_bomb",
        f"The contents unpack to more than {limits.ratio} times the size of the archive. Leave "
        "out large files of repeated bytes, and make them when the agent starts.",
    )


def too_many(limits: Limits) -> ArchiveRejected:
    """The verdict for too long a listing."""
    return reject(
        "archive_too_many_files",
        f"The archive holds more than {limits.files:,} files. Leave out dependencies "
        "(node_modules, .venv, target), .git and data sets: dependencies are installed here.",
    )


def too_large(limits: Limits) -> ArchiveRejected:
    """The verdict for contents beyond the unpacked limit."""
    return reject(
        "archive_too_large",
        f"The contents unpack to more than {megabytes(limits.unpacked)}. Leave out data and "
        "models, and fetch them when the agent starts.",
    )
