"""Reading an uploaded source: is it safe, what does its manifest say, what can be inferred."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.domain.archive import Archive, ArchiveRejected, Limits, open_archive
from chalicelib.domain.inference import infer, manifest_path
from chalicelib.domain.manifest import Manifest, named_lines, parse_manifest
from chalicelib.domain.pages import PAGES, read_pages
from chalicelib.domain.plan import Finding, Inference
from chalicelib.domain.stations import LINES
from chalicelib.domain.versions import InferredValue, Reason, Version
from chalicelib.errors import Invalid
from chalicelib.ports import Artifacts
from chalicelib.values import frozen

_LFS = b"version https://git-lfs.github.com/spec/"
_MOST_LOOKED_AT = 100


@frozen
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
            lines = _lines(archive, version)
        except ArchiveRejected as rejected:
            return Understood(
                digest=digest, size=size, reasons=_reasons(rejected.findings), unsafe=True
            )
    if lines is not None:
        artifacts.put_json(f"{version.prefix}{LINES}", lines)
    if any(pages.values()):
        artifacts.put_json(f"{version.prefix}{PAGES}", pages)
    return Understood(**{**understood, "digest": digest, "size": size})


def _read(archive: Archive, version: Version) -> dict[str, Any]:
    folder = version.source.commit.root if version.source.commit else ""
    if folder and not any(name.startswith(f"{folder}/") for name in archive.names()):
        why = f"The repository has no folder {folder} at this commit. Change the agent's folder."
        return {"reasons": (Reason("root_missing", why),)}
    file = _manifest_in(archive, folder)
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
    if stated is not None and folder and version.manifest is None:
        # What a manifest says of folders counts from where it lies.
        stated["root"] = f"{folder}/{stated['root']}" if stated.get("root") else folder
    inference: Inference = infer(archive, stated, folder or version.choice)
    found = {
        "label": manifest.version if manifest else None,
        "manifest": stated,
        "inferred": tuple(InferredValue(i.field, i.value, i.source) for i in inference.inferred),
        "candidates": inference.candidates,
        "warnings": (
            *version.warnings,
            *_reasons(f for f in inference.findings if f.level != "error"),
            *(_not_in_archives(archive) if version.source.commit else ()),
        ),
    }
    if inference.plan is None or inference.errors:
        reasons = _reasons(inference.errors) or (
            Reason("not_understood", "We could not tell how to run this. Add an agent.yaml."),
        )
        return {**found, "reasons": reasons}
    plan = inference.plan.to_json()
    return {**found, "plan": plan, "manifest": _whole(stated or {}, plan)}


def _manifest_in(archive: Archive, folder: str) -> str | None:
    if not folder:
        return manifest_path(archive)
    names = archive.names()
    return next((n for n in (f"{folder}/agent.yaml", f"{folder}/agent.yml") if n in names), None)


def _not_in_archives(archive: Archive) -> tuple[Reason, ...]:
    """What a code host leaves out of a commit's archive, which git would have fetched."""
    found = []
    if ".gitmodules" in archive.names():
        found.append(
            Reason(
                "submodules_missing",
                "The repository has submodules, which are not part of a commit's archive: their "
                "folders are empty here. Put what the agent needs of them into the repository, or "
                "install it as a dependency.",
                ".gitmodules",
            )
        )
    pointers = _lfs_pointers(archive)
    if pointers:
        more = f" and {len(pointers) - 1} more" if len(pointers) > 1 else ""
        found.append(
            Reason(
                "lfs_pointers",
                f"{pointers[0]}{more}: only pointers to Git LFS are in the archive, not the files. "
                "Switch on “Include Git LFS objects in archives” in the repository's settings, or "
                "keep what the agent needs out of LFS.",
                pointers[0],
            )
        )
    return tuple(found)


def _lfs_pointers(archive: Archive) -> list[str]:
    names = archive.names()
    attributes = [n for n in names if n.rpartition("/")[2] == ".gitattributes"][:_MOST_LOOKED_AT]
    if not any(b"filter=lfs" in archive.read(name) for name in attributes):
        return []
    # A pointer is a few lines long; everything larger is the file itself.
    small = [n for n in names if 100 <= archive.size(n) <= 1024][:_MOST_LOOKED_AT]
    return [n for n in small if archive.read(n, 64).startswith(_LFS)]


def _lines(archive: Archive, version: Version) -> dict[str, Any] | None:
    if version.source.commit is None:
        return None
    file = _manifest_in(archive, version.source.commit.root)
    return {"file": file, **named_lines(archive.read(file))} if file else None


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
