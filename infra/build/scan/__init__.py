"""The scan reads a source before anything of it is run, and says what a person should change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from infra.build.scan.dependencies import scan_dependencies
from infra.build.scan.files import scan_file
from infra.build.scan.findings import Finding, ScanResult, Tool
from infra.build.scan.text import Allowed, scan_text
from infra.build.scan.tools import run_tools

__all__ = ["Finding", "ScanResult", "Tool", "scan"]

_TEXT_BYTES = 2 * 1024 * 1024
_TOTAL_BYTES = 64 * 1024 * 1024
"""What is read as text in all; sources with more code than that are data in disguise."""
_SKIPPED_FOLDERS = frozenset(
    {".git", "node_modules", ".venv", "venv", "__pycache__", "target", "vendor"}
)
"""Installed or generated code: replaced by the build, or judged by file kind only."""
_LOCKS = frozenset(
    {
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "uv.lock",
        "poetry.lock",
        "Pipfile.lock",
        "Cargo.lock",
        "bun.lock",
    }
)
_MOST_FINDINGS = 500


def scan(source: Path) -> ScanResult:
    """Every finding in the source; reading stops at nothing but the size limits."""
    result = ScanResult(tools=[Tool("slipway", "own rules")])
    allowed = Allowed.read(source)
    budget = _TOTAL_BYTES
    for name, path, size, generated in _files(source):
        result.files += 1
        if len(result.findings) > _MOST_FINDINGS:
            continue
        with path.open("rb") as file:
            head = file.read(8192)
            result.findings += [
                finding
                for finding in scan_file(name, size, head)
                if not allowed.covers(finding.rule, name)
            ]
            if generated or b"\0" in head or budget <= 0 or path.name in _LOCKS:
                continue
            data = head + file.read(_TEXT_BYTES - len(head)) if size > len(head) else head
        budget -= len(data)
        result.findings += scan_text(name, data, allowed)
        result.findings += scan_dependencies(name, data, allowed)
    run_tools(source, result)
    result.sort()
    return result


def _files(source: Path) -> Iterator[tuple[str, Path, int, bool]]:
    """All regular files: name, path, size, and whether they lie in a folder of generated code."""
    stack = [(os.fspath(source), "", False)]
    while stack:
        folder, prefix, generated = stack.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                name = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    inside = generated or entry.name in _SKIPPED_FOLDERS
                    if entry.name != ".git":
                        stack.append((entry.path, f"{name}/", inside))
                elif entry.is_file(follow_symlinks=False):
                    yield name, Path(entry.path), entry.stat().st_size, generated
