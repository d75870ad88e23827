"""Knows the agent templates: which there are, what they are called, and how one is packed."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from chalicelib.domain.manifest import parse_manifest

FOLDER = Path(__file__).resolve().parent.parent / "agent-templates"
MANIFEST = "agent.yaml"
# The earliest moment a zip can name: the archive tells what the files say, not when they were made.
_EPOCH = (1980, 1, 1, 0, 0, 0)
# What running, testing or editing a template leaves behind.
_LEFTOVERS = frozenset(
    {
        ".DS_Store",
        ".coverage",
        ".git",
        ".idea",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".venv",
        ".vscode",
        "__pycache__",
        "node_modules",
        "target",
    }
)


@dataclass(frozen=True)
class Template:
    """One agent to start from. `name` is what the API calls it; `title` is for people."""

    name: str
    runtime: str
    title: str
    description: str
    category: str
    path: Path


def publishable(folder: Path = FOLDER) -> list[Template]:
    """Every template by name; a manifest with faults, or without a title, is not published."""
    found = [_read(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))]
    if not found:
        raise FileNotFoundError(f"There are no agent templates in {folder}.")
    return found


def pack(name: str, out: Path, folder: Path = FOLDER) -> str:
    """Write the template's source archive to `out`; the answer is its SHA-256.

    The same files give the same bytes on every machine. Nothing is compressed: compressors differ
    between machines, and a template is a few dozen kilobytes either way.
    """
    source = folder / name
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in source_files(source):
            info = zipfile.ZipInfo(path.relative_to(source).as_posix(), _EPOCH)
            info.create_system = 3  # Unix, wherever this runs, so that the mode below counts
            info.external_attr = (0o100755 if path.stat().st_mode & 0o100 else 0o100644) << 16
            archive.writestr(info, path.read_bytes())
    return hashlib.sha256(out.read_bytes()).hexdigest()


def source_files(source: Path) -> list[Path]:
    """The files that make up a template, in a fixed order, without what tools leave behind."""
    if not (source / MANIFEST).is_file():
        raise FileNotFoundError(f"There is no agent template {source.name!r}: no {MANIFEST} there.")
    files: list[Path] = []
    for path in source.rglob("*"):
        parts = path.relative_to(source).parts
        if _LEFTOVERS.intersection(parts) or path.suffix == ".pyc":
            continue
        if path.is_symlink():
            raise ValueError(f"{path} is a link; a template holds plain files only.")
        if path.is_file():
            files.append(path)
    return sorted(files, key=lambda path: path.relative_to(source).as_posix())


def _read(source: Path) -> Template:
    manifest = parse_manifest((source / MANIFEST).read_bytes())
    if not (manifest.name and manifest.description and manifest.category and manifest.runtime):
        raise ValueError(
            f"{source / MANIFEST} must say name, description, category and runtime, "
            "since people choose the template by them."
        )
    return Template(
        name=source.name,
        runtime=manifest.runtime,
        title=manifest.name,
        description=manifest.description,
        category=manifest.category,
        path=source,
    )
