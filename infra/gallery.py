"""Knows the ready-made agents of the marketplace: which there are, and how one is packed."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.package import EPOCH

FOLDER = Path(__file__).resolve().parent.parent / "agent-templates" / "gallery"
SHARED = FOLDER / "shared"
"""What every agent of the gallery comes with: its server and the licence."""
LISTING = "listing.yaml"
_LEFT_OUT = frozenset({LISTING, "__pycache__"})


@dataclass(frozen=True)
class Showpiece:
    """One ready-made agent; `listing` is what the marketplace says of it."""

    slug: str
    path: Path
    listing: dict[str, Any]

    def source(self) -> bytes:
        """Its source as a zip; the same files give the same bytes."""
        files = {
            path.relative_to(folder).as_posix(): path
            for folder in (SHARED, self.path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(folder).parts)
        }
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in sorted(files.items()):
                info = zipfile.ZipInfo(name, EPOCH)
                info.external_attr = 0o100644 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
        return out.getvalue()


def showpieces() -> list[Showpiece]:
    """Every ready-made agent, by its slug."""
    found = []
    for path in sorted(FOLDER.glob(f"*/{LISTING}")):
        listing = yaml.safe_load(path.read_text())
        found.append(Showpiece(listing["slug"], path.parent, listing))
    return found
