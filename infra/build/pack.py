"""Packing the build program: `python -m infra.build.pack OUT.pyz` makes one file of it.

The file needs nothing but Python. Modules travel as source, and compiled beside it for the
Python that packs, which saves a build some 100 ms; another Python falls back to the source.
The same source always gives the same bytes, so the file's digest can name it.
"""

from __future__ import annotations

import hashlib
import py_compile
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_MEMBERS = (
    "infra/__init__.py",
    "infra/build",
    "chalicelib/__init__.py",
    "chalicelib/domain/__init__.py",
    "chalicelib/domain/archive",
    "chalicelib/domain/interface.py",
    "chalicelib/domain/masking.py",
    "chalicelib/domain/plan.py",
    "chalicelib/domain/smoke.py",
    "chalicelib/values.py",
)
_LEFT_OUT = frozenset({"pack.py", "buildspec.yml"})
_MAIN = b"from infra.build.__main__ import run\n\nrun()\n"


def pack(target: Path) -> str:
    """Writes the program to `target` and returns its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Stored, not compressed: the file is small, and reading it is part of every build.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as packed:
        for name, data in _contents():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            packed.writestr(info, data)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def _contents() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", _MAIN
    for path in _files():
        name = path.relative_to(_ROOT).as_posix()
        data = path.read_bytes()
        yield name, data
        if path.suffix == ".py":
            yield f"{name}c", _compiled(path, name)


def _compiled(path: Path, name: str) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".pyc") as target:
        # Unchecked: inside a zip the time stamps that would be compared mean nothing.
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(
            str(path), target.name, dfile=name, doraise=True, optimize=0, invalidation_mode=mode
        )
        return Path(target.name).read_bytes()


def _files() -> Iterator[Path]:
    for member in _MEMBERS:
        path = _ROOT / member
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            if file.suffix in {".py", ".txt"} and file.name not in _LEFT_OUT:
                yield file


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m infra.build.pack OUT.pyz")
    print(pack(Path(sys.argv[1])))
