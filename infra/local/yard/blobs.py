"""The registry's content: blobs by digest, manifests and tags by repository."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from infra.local.yard.store import Store, new_id, now

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
FLUSH = 1 << 20
"""Bytes gathered before they are hashed and written in a thread."""


class DigestMismatch(Exception):
    """What came is not what its name says."""


@dataclass
class Upload:
    """One blob on its way in."""

    id: str
    path: Path
    file: IO[bytes]
    hash: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def append(self, data: bytes) -> None:
        """Blocking; called in a thread."""
        self.hash.update(data)
        self.file.write(data)
        self.size += len(data)


class Blobs:
    """Content-addressed files below one folder, and what the store knows about manifests."""

    def __init__(self, root: Path, store: Store) -> None:
        self._blobs = root / "blobs"
        self._uploads_dir = root / "uploads"
        self._store = store
        self._uploads: dict[str, Upload] = {}
        self._blobs.mkdir(parents=True, exist_ok=True)
        # Uploads live as long as the process that hashes them.
        shutil.rmtree(self._uploads_dir, ignore_errors=True)
        self._uploads_dir.mkdir()

    def path(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Whether the blob is complete here."""
        return bool(DIGEST.fullmatch(digest)) and self.path(digest).exists()

    def begin(self) -> Upload:
        """A new upload."""
        upload_id = new_id()
        path = self._uploads_dir / upload_id
        upload = Upload(upload_id, path, path.open("wb", buffering=0))
        self._uploads[upload_id] = upload
        return upload

    def upload(self, upload_id: str) -> Upload | None:
        """An upload in progress."""
        return self._uploads.get(upload_id)

    async def receive(self, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        """Appends a stream without ever holding more than a little of it."""
        gathered = bytearray()
        async for chunk in chunks:
            gathered += chunk
            if len(gathered) >= FLUSH:
                await asyncio.to_thread(upload.append, bytes(gathered))
                gathered.clear()
        if gathered:
            upload.append(bytes(gathered))

    def finish(self, upload: Upload, digest: str) -> None:
        """Makes the blob available, if it is what its digest says."""
        self._uploads.pop(upload.id, None)
        upload.file.close()
        if f"sha256:{upload.hash.hexdigest()}" != digest:
            upload.path.unlink()
            raise DigestMismatch
        upload.path.rename(self.path(digest))

    def abandon(self, upload: Upload) -> None:
        """Forgets an upload."""
        self._uploads.pop(upload.id, None)
        upload.file.close()
        upload.path.unlink(missing_ok=True)

    async def put_manifest(self, repository: str, reference: str, media: str, body: bytes) -> str:
        """Stores a manifest under its digest, and under a tag when the reference is one."""
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        is_digest = reference.startswith("sha256:")
        if is_digest and reference != digest:
            raise DigestMismatch
        target = self.path(digest)
        if not target.exists():
            part = target.with_suffix(f".{new_id()}")
            part.write_bytes(body)
            part.rename(target)

        def record(db: Any) -> None:
            db.execute(
                "INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?)",
                (repository, digest, media, now()),
            )
            if not is_digest:
                db.execute(
                    "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", (repository, reference, digest)
                )

        await self._store.write(record)
        return digest

    def find_manifest(self, repository: str, reference: str) -> tuple[str, str] | None:
        """Digest and media type of a manifest, by digest or tag."""
        digest = reference
        if not DIGEST.fullmatch(reference):
            tag = self._store.row(
                "SELECT digest FROM tags WHERE repository = ? AND tag = ?", repository, reference
            )
            if tag is None:
                return None
            digest = tag["digest"]
        row = self._store.row(
            "SELECT media_type FROM manifests WHERE repository = ? AND digest = ?",
            repository,
            digest,
        )
        return None if row is None else (digest, row["media_type"])

    async def remove_manifest(self, repository: str, digest: str) -> bool:
        """Removes a manifest and the tags on it; its blobs stay."""

        def remove(db: Any) -> bool:
            db.execute("DELETE FROM tags WHERE repository = ? AND digest = ?", (repository, digest))
            gone = db.execute(
                "DELETE FROM manifests WHERE repository = ? AND digest = ?", (repository, digest)
            )
            return bool(gone.rowcount)

        return await self._store.write(remove)

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository in order."""
        rows = self._store.rows(
            "SELECT tag FROM tags WHERE repository = ? ORDER BY tag", repository
        )
        return [row["tag"] for row in rows]

    def read_json(self, digest: str) -> Any:
        """A small blob, decoded."""
        return json.loads(self.path(digest).read_bytes())
