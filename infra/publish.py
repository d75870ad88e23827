"""Knows what a stage is given beside its stack: code, the build program, templates, the site."""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from infra.build.pack import pack
from infra.package import EPOCH

TEMPLATES_INDEX = "templates/index.json"
_SKIPPED = frozenset({"__pycache__", "node_modules", "target", ".venv", ".pytest_cache"})


@dataclass(frozen=True)
class Upload:
    """One object to publish. Keys that carry a digest are written once and never again."""

    key: str
    body: bytes
    content_type: str
    immutable: bool = True


def build_program() -> Upload:
    """The build program as one file that Python runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slipway-build.pyz"
        digest = pack(path)
        return Upload(
            f"programs/slipway-build-{digest[:16]}.pyz", path.read_bytes(), "application/zip"
        )


def templates(root: Path) -> list[Upload]:
    """Every agent template as an archive, and the list of them last."""
    uploads: list[Upload] = []
    index: list[dict[str, Any]] = []
    for folder in sorted((root / "agent-templates").glob("*/agent.yaml")):
        manifest = yaml.safe_load(folder.read_text())
        body = _zip(folder.parent)
        key = f"templates/{folder.parent.name}/{_short(body)}.zip"
        uploads.append(Upload(key, body, "application/zip"))
        index.append(
            {
                "name": folder.parent.name,
                "runtime": manifest.get("runtime", folder.parent.name),
                "title": manifest.get("name", folder.parent.name),
                "description": manifest.get("description", ""),
                "key": key,
                "digest": hashlib.sha256(body).hexdigest(),
            }
        )
    listing = json.dumps(index, indent=1).encode()
    uploads.append(Upload(TEMPLATES_INDEX, listing, "application/json", immutable=False))
    return uploads


def site(folder: Path) -> list[Upload]:
    """The built frontend; pages come last, when what they refer to is there."""
    pages: list[Upload] = []
    assets: list[Upload] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        name = path.relative_to(folder).as_posix()
        hashed = name.startswith("assets/")
        upload = Upload(name, path.read_bytes(), kind, immutable=hashed)
        (assets if hashed else pages).append(upload)
    return assets + pages


def robots(web_url: str) -> Upload:
    """What search engines may read, and where all of it is listed."""
    text = (
        "User-agent: *\nAllow: /api/v1/marketplace/\nDisallow: /api/\n\n"
        f"Sitemap: {web_url}/api/v1/marketplace/sitemap.xml\n"
    )
    return Upload("robots.txt", text.encode(), "text/plain; charset=utf-8", immutable=False)


def publish(s3: Any, bucket: str, uploads: list[Upload]) -> int:
    """Put what is not there yet; how many objects were written."""
    written = 0
    for upload in uploads:
        there = _etag(s3, bucket, upload.key)
        if there and (upload.immutable or there == hashlib.md5(upload.body).hexdigest()):  # noqa: S324 - S3's own
            continue
        s3.put_object(
            Bucket=bucket,
            Key=upload.key,
            Body=upload.body,
            ContentType=upload.content_type,
            CacheControl="public, max-age=31536000, immutable" if upload.immutable else "no-cache",
        )
        written += 1
    return written


def _etag(s3: Any, bucket: str, key: str) -> str | None:
    try:
        return str(s3.head_object(Bucket=bucket, Key=key)["ETag"]).strip('"')
    except ClientError as problem:
        if problem.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise


def _zip(folder: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not _SKIPPED.intersection(name.parts):
                info = zipfile.ZipInfo(name.as_posix(), EPOCH)
                info.external_attr = (0o100755 if path.stat().st_mode & 0o100 else 0o100644) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
    return out.getvalue()


def _short(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
