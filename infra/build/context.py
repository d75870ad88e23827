"""The context knows how a source is packed for a host that builds it: one Dockerfile at its top.

What is packed is the source as it was fetched and scanned, before anything of it has run. The
same source and plan always give the same bytes, so the digest names what the host is given.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from infra.build.faults import Failed
from infra.build.grounds import Job, Published

NAME = "context.tar.gz"
REFERENCE = "source@sha256:"
PLAN = ".slipway/plan.json"
MAX_BYTES = 100_000_000
"""More than the host takes in one upload."""
_NOT_SENT = frozenset({"railway.json", "railway.toml", ".railway", ".slipway", ".git"})
"""What would configure the host behind our back, and what it has no use for."""


def pack_context(job: Job, to: Path) -> None:
    """Writes the packed source to `to`."""
    files = _files(job)
    dockerfile = _dockerfile(job, sorted(files)).rstrip()
    # No two sources are built into one image, not even where they differ in what is left out of
    # it: what a host has built of an older one is known by its digest.
    files["Dockerfile"] = f"{dockerfile}\nLABEL slipway.source={_digest(files)}\n".encode()
    # For whatever stands in for the host and has no container engine.
    files[PLAN] = json.dumps(job.order.plan.to_json(), sort_keys=True).encode()
    with (
        to.open("wb") as out,
        gzip.GzipFile("", "wb", 6, out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            _add(tar, name, files[name])
    if to.stat().st_size > MAX_BYTES:
        raise Failed.because(
            "source_too_large",
            f"Packed, the source has {to.stat().st_size:,} bytes; the host takes {MAX_BYTES:,}. "
            "Leave out what is not needed to build it.",
        )


def published(packed: Path) -> Published:
    """What stands for an image: the digest of what the host is given."""
    with packed.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Published(f"{REFERENCE}{digest}", packed.stat().st_size)


def _files(job: Job) -> dict[str, bytes | Path]:
    found: dict[str, bytes | Path] = {}
    for path in sorted(job.source.rglob("*")):
        name = path.relative_to(job.source).as_posix()
        if path.is_file() and not path.is_symlink() and name.split("/")[0] not in _NOT_SENT:
            found[name] = path
    return found


def _digest(files: Mapping[str, bytes | Path]) -> str:
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{len(name)}:{name}".encode())
        if isinstance(content, bytes):
            whole.update(hashlib.sha256(content).digest())
            continue
        with content.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _dockerfile(job: Job, names: list[str]) -> str:
    plan = job.order.plan
    if plan.dockerfile is not None:
        own = job.source / plan.dockerfile
        if own.is_file() and own.resolve().is_relative_to(job.source.resolve()):
            return own.read_text(errors="replace")
    if plan.needs_container:
        raise Failed.because(
            "dockerfile_missing", "The plan names no Dockerfile, and nothing else to build."
        )
    from infra.build.dockerfiles import render  # noqa: PLC0415 - only this strategy needs it here

    return render(plan, names)


def _add(tar: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    member = tarfile.TarInfo(name)
    member.mode = 0o644
    if isinstance(content, bytes):
        member.size = len(content)
        tar.addfile(member, BytesIO(content))
        return
    member.size = content.stat().st_size
    # Whoever may run it here may run it there.
    member.mode = 0o755 if content.stat().st_mode & 0o100 else 0o644
    with content.open("rb") as file:
        tar.addfile(member, file)
