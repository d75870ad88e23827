"""A layer is a deterministic tar: the same files make the same bytes, so blobs are shared."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.build.beneath import Beneath

_BLOCK = 1024 * 1024
_LINK_BLOCK = 262_144


@dataclass(frozen=True, slots=True)
class Layer:
    """A finished tar on disk."""

    path: Path
    digest: str
    size: int

    def note(self) -> str:
        """What to remember of it beside the file."""
        return json.dumps({**asdict(self), "path": self.path.name})

    @classmethod
    def noted(cls, note: Path) -> Layer:
        """A layer that was made earlier; its file lies beside the note."""
        record = json.loads(note.read_text())
        return cls(note.with_name(record["path"]), record["digest"], record["size"])


class _HashingFile:
    """Counts and hashes what tarfile writes, so that a layer is read only once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=_BLOCK)
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()


Keep = Callable[[str, bool], bool]


def _everything(_name: str, _is_folder: bool) -> bool:
    return True


def write_layer(
    target: Path,
    folder: Path,
    prefix: str,
    *,
    keep: Keep = _everything,
    empty_folders: bool = True,
) -> Layer:
    """Packs `folder` as `prefix` into `target`; `keep` sees each path relative to the folder.

    Links are stored as links and never followed: what lies in the folder was made by strangers.
    """
    sink = _HashingFile(target)
    with tarfile.open(
        fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_LINK_BLOCK
    ) as tar:  # type: ignore[call-overload]
        tar.addfile(_info(prefix, tarfile.DIRTYPE, 0o755))
        waiting: list[str] = []
        for name, entry, place in Beneath(folder).walk(enter=keep):
            if entry.is_dir(follow_symlinks=False) and not empty_folders:
                waiting.append(name)
                continue
            for above in waiting:
                if name.startswith(f"{above}/"):
                    tar.addfile(_info(f"{prefix}/{above}", tarfile.DIRTYPE, 0o755))
            waiting = [one for one in waiting if not name.startswith(f"{one}/")]
            _add(tar, f"{prefix}/{name}", entry, place)
    sink.close()
    return Layer(target, f"sha256:{sink.hash.hexdigest()}", sink.size)


def _add(tar: tarfile.TarFile, name: str, entry: os.DirEntry[str], place: int) -> None:
    if entry.is_symlink():
        info = _info(name, tarfile.SYMTYPE, 0o777)
        info.linkname = os.readlink(entry.name, dir_fd=place)
        tar.addfile(info)
    elif entry.is_dir(follow_symlinks=False):
        tar.addfile(_info(name, tarfile.DIRTYPE, 0o755))
    elif entry.is_file(follow_symlinks=False):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(entry.name, flags, dir_fd=place)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            info = _info(name, tarfile.REGTYPE, 0o755 if found.st_mode & stat.S_IXUSR else 0o644)
            info.size = found.st_size
            tar.addfile(info, file)
    # Sockets, pipes and devices are nothing an image can carry.


def _info(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode
    return info
