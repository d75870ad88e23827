"""A folder in which strangers' code has run: looked at and changed without following a link.

Code that ran in the sandbox may have put a link where a file or a folder of the source was. The
build program has more rights than that code, so it must never go where such a link leads. Every
component of a path is opened by itself, from the folder above it, which no later swap can change.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from infra.build.faults import Failed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without waiting: a pipe in a file's place would keep its reader for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Found = tuple[str, "os.DirEntry[str]", int]


class Beneath:
    """What lies below one folder. Names are relative to it; what is outside does not exist."""

    def __init__(self, top: Path, prefix: str = "") -> None:
        self._top = top
        self._prefix = prefix

    def below(self, folder: str) -> Beneath:
        """The same ground, with names relative to a folder of it."""
        return Beneath(self._top, f"{self._prefix}/{folder}".strip("/"))

    def is_file(self, name: str) -> bool:
        """Whether a regular file is there; a link is a fault."""
        return self._mode(name, stat.S_ISREG)

    def is_folder(self, name: str) -> bool:
        """Whether a folder is there; a link is a fault."""
        return self._mode(name, stat.S_ISDIR)

    def read(self, name: str) -> bytes | None:
        """A regular file's content; None when there is none."""
        if not self.is_file(name):
            return None
        with self._parent(name) as (folder, last):
            try:
                handle = os.open(last, _FILE, dir_fd=folder)
            except OSError:
                _refuse_link(folder, last, self._shown(name))
                return None
            with os.fdopen(handle, "rb") as file:
                return file.read() if stat.S_ISREG(os.fstat(handle).st_mode) else None

    def text(self, name: str) -> str | None:
        """The same as text, whatever its bytes."""
        data = self.read(name)
        return None if data is None else data.decode("utf-8", "replace")

    def write(self, name: str, content: bytes | str) -> None:
        """Put a new file there; what was there is replaced, never written to."""
        data = content.encode() if isinstance(content, str) else content
        with self._parent(name) as (folder, last):
            _refuse_link(folder, last, self._shown(name))
            fresh = f".{secrets.token_hex(8)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(fresh, flags, 0o644, dir_fd=folder), "wb") as file:
                file.write(data)
            os.replace(fresh, last, src_dir_fd=folder, dst_dir_fd=folder)

    def make_folder(self, name: str) -> None:
        """Make a folder, and those above it, unless they are there."""
        os.close(self._open(self._parts(name), make=True))

    def remove(self, name: str) -> None:
        """Remove a folder with all that is in it, if there is one."""
        if self.is_folder(name):
            with self._parent(name) as (folder, last):
                shutil.rmtree(last, dir_fd=folder)

    def move_out(self, name: str, to: Path) -> None:
        """Move a folder to a place of ours."""
        with self._parent(name) as (folder, last):
            _refuse_link(folder, last, self._shown(name))
            os.rename(last, to, src_dir_fd=folder)
        # What was looked at and what was moved may be two things.
        if not stat.S_ISDIR(to.lstat().st_mode):
            to.unlink()
            raise _is_a_link(self._shown(name))

    def move_in(self, source: Path, name: str) -> None:
        """Move a folder of ours here, in place of what is here."""
        self.remove(name)
        parts = self._parts(name)
        os.close(self._open(parts[:-1], make=True))
        with self._parent(name) as (folder, last):
            os.rename(source, last, dst_dir_fd=folder)

    def walk(
        self, name: str = "", enter: Callable[[str, bool], bool] = lambda _name, _folder: True
    ) -> Iterator[Found]:
        """All that `enter` lets in, by name, with the open folder it is in; links as links."""
        chain: list[tuple[str, int]] = []
        stack = [""] if self.is_folder(name) else []
        try:
            while stack:
                at = stack.pop()
                while chain and not at.startswith(chain[-1][0]):
                    os.close(chain.pop()[1])
                handle = (
                    _step(chain[-1][1], at[:-1].rpartition("/")[2], self._shown(f"{name}/{at}"))
                    if chain
                    else self._open(self._parts(name))
                )
                chain.append((at, handle))
                with os.scandir(handle) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
                below = []
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if enter(at + entry.name, is_folder):
                        yield at + entry.name, entry, handle
                        if is_folder:
                            below.append(f"{at}{entry.name}/")
                stack.extend(reversed(below))
        finally:
            for _, handle in chain:
                os.close(handle)

    def _shown(self, name: str) -> str:
        return os.path.normpath(f"{self._prefix}/{name}").strip("/")

    def _parts(self, name: str) -> list[str]:
        path = os.path.normpath(os.path.join(self._prefix, name))  # noqa: PTH118 - tidied as text
        parts = [part for part in path.split("/") if part != "."]
        if path.startswith("/") or ".." in parts:
            raise FileNotFoundError(f"{name} is not below {self._top}")
        return parts

    def _mode(self, name: str, wanted: Callable[[int], bool]) -> bool:
        try:
            parts = self._parts(name)
            if not parts:
                return wanted(stat.S_IFDIR)
            with self._parent(name) as (folder, last):
                _refuse_link(folder, last, self._shown(name))
                return wanted(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    @contextlib.contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        parts = self._parts(name)
        folder = self._open(parts[:-1])
        try:
            yield folder, parts[-1]
        finally:
            os.close(folder)

    def _open(self, parts: list[str], *, make: bool = False) -> int:
        handle = os.open(self._top, _FOLDER)
        for depth, part in enumerate(parts, 1):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=handle)
            try:
                inner = _step(handle, part, "/".join(parts[:depth]))
            finally:
                os.close(handle)
            handle = inner
        return handle


def _step(handle: int, part: str, shown: str) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=handle)
    except OSError:
        _refuse_link(handle, part, shown)
        raise


def _refuse_link(folder: int, last: str, shown: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISLNK(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _is_a_link(shown)


def _is_a_link(name: str) -> Failed:
    return Failed.because(
        "build_path_is_a_link",
        f"While it was built, {name} became a link. A build may make links, but not in "
        "place of the files and folders that the platform itself works with.",
        file=name,
    )
