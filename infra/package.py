"""Knows how the Lambda package is made: what Chalice builds, compiled, trimmed and reproducible.

Chalice packages twice. The dependencies are packaged alone and kept, because they change seldom
and take seconds; the application is packaged alone each time, which takes half a second and also
yields the SAM template of its functions and routes. The two archives are then joined.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import marshal
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MAX_ZIP_BYTES = 15_000_000
EPOCH = (1980, 1, 1, 0, 0, 0)
# Names that must never ship: the tools of this repository, and what the runtime brings itself.
DENIED = frozenset(
    {"boto3", "botocore", "infra", "ministack", "moto", "pip", "pytest", "s3transfer", "setuptools"}
)
# cryptography needs cffi's compiled half, `_cffi_backend`, and nothing else of the two.
DROPPED = frozenset({"cffi", "pycparser"})
_CLUTTER = re.compile(r"(^|/)(tests?|__pycache__|_pyinstaller)/|\.(pyi|pyc|pyx|pxd|c|h)$")
_REVISION = "1"  # part of every cache key: raise it when this module makes something else


class PackagingError(Exception):
    """The package cannot be made, or must not be used; the message says why."""


@dataclass(frozen=True)
class Package:
    """A finished Lambda package and the SAM template that came with it."""

    zip_path: Path
    digest: str
    sam: dict[str, Any]
    built: bool
    """False when nothing had changed and an earlier package was taken."""


def build(root: Path, stage: str, work: Path, *, local: bool) -> Package:
    """Package the application in `root`; what was packaged before is taken from `work`."""
    work.mkdir(parents=True, exist_ok=True)
    architecture = _architecture(root, local=local)
    sources = list(app_files(root))
    key = _digest(_REVISION, sys.version, architecture, stage, *_contents(root, sources))
    kept = work / f"app-{key}"
    if built := not (kept / "sam.json").exists():
        dependencies = _dependencies(root, stage, architecture, work)
        with tempfile.TemporaryDirectory(dir=work, prefix="making-") as folder:
            made = Path(folder)
            staging = _stage(made / "staging", root, sources, architecture, stage)
            sam, app_zip = _chalice(staging, stage)
            _join(dependencies, app_zip, made / "deployment.zip")
            check(made / "deployment.zip", root / "requirements.txt")
            whole = made / "whole"
            whole.mkdir()
            (made / "deployment.zip").rename(whole / "deployment.zip")
            (whole / "sam.json").write_text(json.dumps(sam, indent=1, sort_keys=True))
            # Another local cloud may have made the same one meanwhile; then it is there.
            with contextlib.suppress(OSError):
                whole.rename(kept)
        forget_older(work, "app-", keep=kept)
    zip_path = kept / "deployment.zip"
    return Package(
        zip_path=zip_path,
        digest=hashlib.sha256(zip_path.read_bytes()).hexdigest(),
        sam=json.loads((kept / "sam.json").read_text()),
        built=built,
    )


def app_files(root: Path) -> Iterator[Path]:
    """The files of the application that ship, in a fixed order."""
    yield root / "app.py"
    for path in sorted((root / "chalicelib").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield path


def check(zip_path: Path, requirements: Path) -> None:
    """Refuse a package that is too large, incomplete, or holds what must not ship."""
    size = zip_path.stat().st_size
    if size > MAX_ZIP_BYTES:
        raise PackagingError(
            f"The Lambda package is {size / 1e6:.1f} MB and may be {MAX_ZIP_BYTES / 1e6:.0f} MB. "
            "Look for a new dependency in requirements.txt that brings large ones."
        )
    with zipfile.ZipFile(zip_path) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0].split(".")[0] for name in names}
    if denied := sorted(tops & DENIED):
        raise PackagingError(f"The Lambda package holds what must not ship: {', '.join(denied)}.")
    installed = {
        canonicalize_name(match[1]): match[2]
        for name in names
        if (match := re.fullmatch(r"([^/]+)-([^/-]+)\.dist-info/METADATA", name))
    }
    missing = [
        str(requirement)
        for requirement in required(requirements)
        if installed.get(canonicalize_name(requirement.name)) is None
        or not requirement.specifier.contains(installed[canonicalize_name(requirement.name)])
    ]
    if missing:
        # Chalice only prints that it could not build a dependency and ends well.
        raise PackagingError(
            "The Lambda package lacks, in the version asked for: "
            f"{', '.join(missing)}. There is probably no wheel for this Python version and "
            "architecture; pin a version in requirements.txt that has one."
        )
    if "app.py" not in names:
        raise PackagingError("The Lambda package lacks app.py.")


def required(requirements: Path) -> Iterator[Requirement]:
    """What must be in the package: the pinned requirements that apply here, less the dropped."""
    for line in requirements.read_text().splitlines():
        text = line.split("#")[0].strip()
        if not text or text.startswith("-"):
            continue
        requirement = Requirement(text)
        applies = requirement.marker is None or requirement.marker.evaluate()
        if applies and canonicalize_name(requirement.name) not in DROPPED:
            yield requirement


def _dependencies(root: Path, stage: str, architecture: str, work: Path) -> Path:
    """The compiled archive of everything in requirements.txt, built or taken from before."""
    requirements = (root / "requirements.txt").read_bytes()
    kept = work / f"deps-{_digest(_REVISION, sys.version, architecture, requirements)}.zip"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=work, prefix="making-") as folder:
        staging = Path(folder) / "staging"
        _write_project(staging, architecture, stage)
        (staging / "app.py").write_text(
            "from chalice import Chalice\napp = Chalice(app_name='slipway')\n"
            "@app.route('/')\ndef index():\n    return {}\n"
        )
        (staging / "requirements.txt").write_bytes(requirements)
        try:
            _, archive = _chalice(staging, stage)
        except PackagingError:
            # It asks the package registry a hundred times and gives up at the first no.
            _, archive = _chalice(staging, stage)
        trimmed = Path(folder) / "deps.zip"
        with zipfile.ZipFile(trimmed, "w", zipfile.ZIP_DEFLATED) as out:
            _copy(archive, out, skip={"app.py"})
        trimmed.replace(kept)
    forget_older(work, "deps-", keep=kept)
    return kept


def _join(dependencies: Path, app_zip: Path, result: Path) -> None:
    """The dependencies' archive with the application's own files behind it."""
    shutil.copyfile(dependencies, result)
    with zipfile.ZipFile(result, "a", zipfile.ZIP_DEFLATED) as out:
        _copy(app_zip, out, skip=set(out.namelist()))


def _copy(archive: Path, out: zipfile.ZipFile, skip: set[str]) -> None:
    """Copy what ships from one archive to another, with compiled modules beside their sources."""
    with zipfile.ZipFile(archive) as source:
        for name in sorted(source.namelist()):
            if name.endswith("/") or name in skip or _CLUTTER.search(name) or _dropped(name):
                continue
            data = source.read(name)
            _add(out, name, data)
            if name.endswith(".py") and (code := _compiled(name, data)) is not None:
                folder, _, file = name.rpartition("/")
                tag = f"__pycache__/{file[:-3]}.{sys.implementation.cache_tag}.pyc"
                _add(out, f"{folder}/{tag}" if folder else tag, code)


def _compiled(name: str, source: bytes) -> bytes | None:
    """Byte code that is taken as it is: Lambda's file system cannot keep any, and a zip's dates
    would make the usual kind look stale."""
    try:
        code = compile(source, f"/var/task/{name}", "exec", dont_inherit=True, optimize=0)
    except SyntaxError:
        return None  # written for another Python, and imported only there
    unchecked = (0b01).to_bytes(4, "little")
    digest = importlib.util.source_hash(source)
    return importlib.util.MAGIC_NUMBER + unchecked + digest + marshal.dumps(code)


def _add(out: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    out.writestr(info, data)


def _dropped(name: str) -> bool:
    top = name.split("/", maxsplit=1)[0]
    return top in DROPPED or any(top.startswith(f"{dropped}-") for dropped in DROPPED)


def _stage(folder: Path, root: Path, sources: list[Path], architecture: str, stage: str) -> Path:
    """A copy of the application without dependencies, for Chalice to package."""
    _write_project(folder, architecture, stage)
    for path in sources:
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    config = json.loads((root / ".chalice" / "config.json").read_text())
    config |= {"lambda_architecture": architecture, "stages": {stage: {}}}
    (folder / ".chalice" / "config.json").write_text(json.dumps(config))
    (folder / "requirements.txt").write_text("")
    return folder


def _write_project(folder: Path, architecture: str, stage: str) -> None:
    (folder / ".chalice").mkdir(parents=True)
    config = {
        "version": "2.0",
        "app_name": "slipway",
        "api_gateway_stage": "api",
        "autogen_policy": False,
        "manage_iam_role": False,
        "iam_role_arn": "arn:aws:iam::000000000000:role/replaced-by-the-template",
        "lambda_architecture": architecture,
        "stages": {stage: {}},
    }
    (folder / ".chalice" / "config.json").write_text(json.dumps(config))


def _chalice(staging: Path, stage: str) -> tuple[dict[str, Any], Path]:
    """Run `chalice package`; its SAM template and its archive."""
    out = staging.parent / f"{staging.name}-out"
    start = "from chalice.cli import main; main()"
    command = [sys.executable, "-c", start, "package", "--stage", stage, str(out)]
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        **{
            name: value
            for name, value in os.environ.items()
            if name in {"HOME", "PATH", "TMPDIR", "LANG", "VIRTUAL_ENV"}
            or name.startswith(("PIP_", "SSL_", "REQUESTS_"))
            or name.lower().endswith("_proxy")
        },
    }
    done = subprocess.run(
        command, cwd=staging, env=environment, capture_output=True, text=True, check=False
    )
    said = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode or not (out / "sam.json").exists():
        raise PackagingError(f"`chalice package` failed (exit code {done.returncode}):\n{said}")
    if "Could not install dependencies" in said:
        raise PackagingError(f"Chalice could not build a dependency:\n{said}")
    return json.loads((out / "sam.json").read_text()), out / "deployment.zip"


def _architecture(root: Path, *, local: bool) -> str:
    """What the package runs on: the local cloud on this machine's processor, AWS as configured."""
    if local:
        return "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    config = json.loads((root / ".chalice" / "config.json").read_text())
    return str(config.get("lambda_architecture", "arm64"))


def _contents(root: Path, paths: list[Path]) -> Iterator[str | bytes]:
    for path in [*paths, root / "requirements.txt", root / ".chalice" / "config.json"]:
        yield str(path.relative_to(root))
        yield path.read_bytes()


def _digest(*parts: str | bytes) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()[:16]


def forget_older(work: Path, prefix: str, keep: Path, count: int = 3) -> None:
    """Remove what was kept of earlier runs, but the newest."""
    others = [path for path in work.glob(f"{prefix}*") if path != keep]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-count]:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
