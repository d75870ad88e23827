"""The rules of the house that no linter knows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.domain.audit import Audited
from infra import docs

ROOT = Path(__file__).parents[2]
HAND_WRITTEN = [
    path
    for folder in ("chalicelib", "infra")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
]
DENIED = (
    "aws_xray_sdk",
    "boto3",
    "s3transfer",
    "httpx",
    "asyncio",
    "fastapi",
    "moto",
    "multiprocessing",
    "infra",
    "jwt",
    "yaml",
    # Reading a source takes these; no ordinary request does.
    "chalicelib.domain.archive",
    "chalicelib.domain.inference",
    "chalicelib.domain.manifest",
)


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_opens_with_what_it_knows(path: Path) -> None:
    text = path.read_text()
    assert not text or re.match(r'(#.*\n)*"""\S', text), "give it a one-sentence docstring"


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_is_not_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 600


def test_only_settings_read_the_environment() -> None:
    reading = re.compile(
        r"^(?:import os$|from os import)[\s\S]*os\.(?:environ|getenv)", re.MULTILINE
    )
    sources = (ROOT / "chalicelib").rglob("*.py")
    readers = [path.relative_to(ROOT) for path in sources if reading.search(path.read_text())]
    assert readers == [Path("chalicelib/settings.py")]


def test_no_test_patches() -> None:
    word = "mock" + ".patch"
    offenders = [p for p in (ROOT / "tests").rglob("*.py") if word in p.read_text()]
    assert offenders == []


def test_importing_the_api_function_loads_nothing_heavy() -> None:
    code = "import sys, json, app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    heavy = [m for m in loaded if f"{m}.".startswith(tuple(f"{name}." for name in DENIED))]
    assert heavy == []


def test_generated_documents_are_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["openapi.json", "states.md", "errors.md", "permissions.md"]
    for name in names:
        (tmp_path / name).write_text((docs.DOCS / name).read_text())
    monkeypatch.setattr(docs, "DOCS", tmp_path)
    docs.main()
    for name in names:
        found = (ROOT / "docs" / name).read_text()
        assert (tmp_path / name).read_text() == found, f"run `make gen`: {name} is old"


def test_links_in_the_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_audited_action_is_documented() -> None:
    page = (ROOT / "docs" / "audit.md").read_text()
    missing = [action.value for action in Audited if f"`{action.value}`" not in page]
    assert missing == []


def test_the_sign_in_page_says_what_to_do_next_for_every_way_to_come_back() -> None:
    table = (ROOT / "docs" / "identity.md").read_text().partition("/sign-in?error=<code>`:")[2]
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    codes = {code for row in rows for code in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    page = ROOT / "frontend" / "src" / "features" / "sign-in" / "refusals.ts"
    said = set(re.findall(r"^  (\w+):", page.read_text(), re.MULTILINE))
    assert len(codes) > 10
    assert codes - said == set()


def test_every_test_that_the_threat_model_names_exists() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text()
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page))
    assert len(named) > 60
    missing = [
        f"{path}::{name}"
        for path, name in sorted(named)
        if not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []
