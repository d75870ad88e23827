"""The Lambda package: complete, small, compiled, and the same every time."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import package

ROOT = Path(__file__).parents[2]
WORKER = ROOT / ".local" / "venvs" / "lambda" / "bin" / "python"


def test_the_package_is_small_enough(built: package.Package) -> None:
    assert built.zip_path.stat().st_size < package.MAX_ZIP_BYTES


def test_everything_required_is_in_it(built: package.Package) -> None:
    package.check(built.zip_path, ROOT / "requirements.txt")


def test_nothing_is_in_it_that_must_not_ship(built: package.Package) -> None:
    with zipfile.ZipFile(built.zip_path) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {"app.py", "chalicelib", "chalice", "pydantic"} <= tops
    assert not tops & (package.DENIED | package.DROPPED | {"tests", "frontend", "docs"})
    assert not [name for name in names if name.endswith((".pyi", ".c", ".h"))]
    assert not [name for name in names if "/tests/" in name]


def test_every_module_is_compiled_and_taken_without_a_look(built: package.Package) -> None:
    with zipfile.ZipFile(built.zip_path) as archive:
        names = set(archive.namelist())
        tag = sys.implementation.cache_tag
        for name in sorted(names):
            if name.startswith("chalicelib/") and name.endswith(".py"):
                folder, _, file = name.rpartition("/")
                code = archive.read(f"{folder}/__pycache__/{file[:-3]}.{tag}.pyc")
                assert code[:4] == importlib.util.MAGIC_NUMBER
                assert code[4:8] == b"\x01\0\0\0", "unchecked: the zip's dates mean nothing"
                assert code[8:16] == importlib.util.source_hash(archive.read(name))


def test_the_same_source_makes_the_same_package(built: package.Package, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for kept in (ROOT / ".local" / "package").glob("deps-*.zip"):
        (work / kept.name).write_bytes(kept.read_bytes())
    again = package.build(ROOT, "local", work, local=True)
    assert again.built
    assert again.digest == built.digest


def test_the_application_starts_from_the_package_alone(
    built: package.Package, tmp_path: Path
) -> None:
    with zipfile.ZipFile(built.zip_path) as archive:
        archive.extractall(tmp_path)
    script = "import sys; sys.path.insert(0, sys.argv[1]); import app, chalicelib.workers, yaml"
    done = subprocess.run(
        [str(WORKER), "-I", "-B", "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def broken(built: package.Package, tmp_path: Path) -> Path:
    """The package without PyJWT, as when no wheel for it could be had."""
    path = tmp_path / "broken.zip"
    with zipfile.ZipFile(built.zip_path) as whole, zipfile.ZipFile(path, "w") as part:
        for name in whole.namelist():
            if not name.lower().startswith("pyjwt-"):
                part.writestr(name, b"")
    return path


def test_a_package_that_lacks_a_requirement_is_refused(broken: Path) -> None:
    with pytest.raises(package.PackagingError, match="pyjwt==") as refusal:
        package.check(broken, ROOT / "requirements.txt")
    assert "pin a version" in str(refusal.value)


def test_a_package_with_development_tools_is_refused(broken: Path) -> None:
    with zipfile.ZipFile(broken, "a") as archive:
        archive.writestr("moto/__init__.py", "")
    with pytest.raises(package.PackagingError, match="must not ship: moto"):
        package.check(broken, ROOT / "requirements.txt")


def test_a_package_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.truncate(package.MAX_ZIP_BYTES + 1)
    with pytest.raises(package.PackagingError, match=r"is 15\.0 MB and may be 15 MB"):
        package.check(path, ROOT / "requirements.txt")
