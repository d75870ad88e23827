"""Reading an uploaded source: is it safe, what does its manifest say, what can be inferred."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.domain.archive import Archive, ArchiveRejected, Limits, open_archive
from chalicelib.domain.inference import infer, manifest_path
from chalicelib.domain.manifest import Manifest, parse_manifest
from chalicelib.domain.pages import PAGES, read_pages
from chalicelib.domain.plan import Finding, Inference
from chalicelib.domain.versions import InferredValue, Reason, Version
from chalicelib.errors import Invalid
from chalicelib.ports import Artifacts


@dataclass(frozen=True)
class Understood:
    """What a source turned out to be. `unsafe` says that we refuse it; `reasons` say why it
    cannot be built."""

    digest: str | None = None
    size: int = 0
    label: str | None = None
    manifest: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None
    inferred: tuple[InferredValue, ...] = ()
    candidates: tuple[str, ...] = ()
    warnings: tuple[Reason, ...] = ()
    reasons: tuple[Reason, ...] = ()
    unsafe: bool = False


def understand(version: Version, artifacts: Artifacts, limits: Limits | None = None) -> Understood:
    """Fetches the source to disk and reads it there; it is never held whole in memory."""
    with tempfile.TemporaryDirectory(prefix="slipway-intake-") as folder:
        path = Path(folder) / "source"
        artifacts.fetch_source(version.source.key, path)
        size, digest = path.stat().st_size, _digest(path)
        try:
            archive = open_archive(path, version.source.filename, limits or Limits())
            # Reading a member may find it damaged, too.
            understood = _read(archive, version)
            root = str((understood.get("plan") or {}).get("root") or "")
            pages = read_pages(archive, root).to_json()
        except ArchiveRejected as rejected:
            return Understood(
                digest=digest, size=size, reasons=_reasons(rejected.findings), unsafe=True
            )
    if any(pages.values()):
        artifacts.put_json(f"{version.prefix}{PAGES}", pages)
    return Understood(**{**understood, "digest": digest, "size": size})


def _read(archive: Archive, version: Version) -> dict[str, Any]:
    file = manifest_path(archive)
    try:
        if version.manifest is not None:
            manifest: Manifest | None = Manifest.model_validate(version.manifest)
        else:
            manifest = parse_manifest(archive.read(file), filename=file) if file else None
    except Invalid as error:
        return {
            "reasons": tuple(
                Reason(
                    "manifest_invalid",
                    f"{e.field}: {e.detail}" if e.field else f"The manifest {e.detail}",
                    file,
                    e.line,
                )
                for e in error.errors
            )
            or (Reason("manifest_invalid", error.detail, file),)
        }
    stated = manifest.to_json() if manifest else None
    inference: Inference = infer(archive, stated, version.choice)
    found = {
        "label": manifest.version if manifest else None,
        "manifest": stated,
        "inferred": tuple(InferredValue(i.field, i.value, i.source) for i in inference.inferred),
        "candidates": inference.candidates,
        "warnings": _reasons(f for f in inference.findings if f.level != "error"),
    }
    if inference.plan is None or inference.errors:
        reasons = _reasons(inference.errors) or (
            Reason("not_understood", "We could not tell how to run this. Add an agent.yaml."),
        )
        return {**found, "reasons": reasons}
    plan = inference.plan.to_json()
    return {**found, "plan": plan, "manifest": _whole(stated or {}, plan)}


def _whole(stated: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest as if everything inferred had been written down; people edit it from here."""
    inferred: dict[str, Any] = {
        "runtime": plan["runtime"],
        "root": plan.get("root") or None,
        "port": plan.get("port"),
        "start": {"command": plan["start_command"]} if plan.get("start_command") else None,
        "health": {
            "path": plan["health_path"],
            "timeout_seconds": plan["health_timeout_seconds"],
        }
        if plan.get("health_path")
        else None,
        "build": {
            key: value
            for key, value in (
                ("command", plan.get("build_command")),
                ("output", plan.get("static_dir")),
            )
            if value
        }
        or None,
    }
    return {**{key: value for key, value in inferred.items() if value is not None}, **stated}


def _reasons(findings: Any) -> tuple[Reason, ...]:
    items: list[Finding] = list(findings)
    return tuple(Reason(f.code, f.detail, f.file, f.line) for f in items)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
