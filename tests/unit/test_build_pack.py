"""The packed program: one file, the same bytes each time, quick to begin, at home anywhere."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from infra.build.pack import pack


def test_packing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    assert pack(tmp_path / "one.pyz") == pack(tmp_path / "two.pyz")
    names = zipfile.ZipFile(tmp_path / "one.pyz").namelist()
    assert "chalicelib/domain/plan.py" in names
    assert "infra/build/scan/popular_npm.txt" in names
    assert not [name for name in names if "local" in name or name.endswith("pack.py")]


def test_it_runs_alone_and_says_what_it_needs(tmp_path: Path) -> None:
    pack(tmp_path / "program.pyz")
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "program.pyz"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "SLIPWAY_ORDER_BUCKET" in done.stderr


def test_it_loads_nothing_heavy_before_it_knows_the_order(tmp_path: Path) -> None:
    pack(tmp_path / "program.pyz")
    program = str(tmp_path / "program.pyz")
    code = (
        f"import sys; sys.path.insert(0, {program!r}); "
        "import infra.build.program; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {
        "asyncio", "boto3", "email.message", "http.client", "logging", "pydantic", "ssl", "tarfile",
        "tomllib", "urllib.request", "zipfile", "infra.build.scan", "infra.build.trial",
    }  # fmt: skip
    assert not heavy & set(done.stdout.split())
