"""Better scanners, when the build machine has them. What did not run is never called clean."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from infra.build.scan.findings import Finding, Level, ScanResult, Severity, Tool

_SECONDS = 60


class Scanner(NamedTuple):
    """A program, how to run it on a folder, and how to read its answer."""

    name: str
    finds: str
    command: Callable[[str], list[str]]
    parse: Callable[[Any, Path], list[Finding]]


def run_tools(source: Path, result: ScanResult) -> None:
    """Runs what SLIPWAY_SCAN_TOOLS names ("bandit,trivy"), and notes the rest as unavailable."""
    wanted = {name.strip() for name in os.environ.get("SLIPWAY_SCAN_TOOLS", "").split(",")}
    for scanner in SCANNERS:
        if scanner.name not in wanted:
            why = f"not switched on; would find {scanner.finds}"
        elif shutil.which(scanner.name) is None:
            why = f"not installed; would find {scanner.finds}"
        else:
            why = _run(scanner, source, result)
        if why:
            result.unavailable.append(Tool(scanner.name, why))
    result.unavailable.append(
        Tool(
            "advisories",
            "no advisory database here; known weaknesses of dependencies are unchecked",
        )
    )


def _run(scanner: Scanner, source: Path, result: ScanResult) -> str:
    """Why it did not work; empty when it did."""
    try:
        done = subprocess.run(
            scanner.command(os.fspath(source)), capture_output=True, timeout=_SECONDS, check=False
        )
        result.findings += scanner.parse(json.loads(done.stdout), source)
    except subprocess.TimeoutExpired:
        return f"did not finish within {_SECONDS} s"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"gave no readable answer ({type(error).__name__})"
    result.tools.append(Tool(scanner.name, scanner.finds))
    return ""


def _severity(word: str) -> Severity:
    levels: dict[str, Severity] = {"CRITICAL": "critical", "HIGH": "high", "MEDIUM": "medium"}
    return levels.get(word.upper(), "low")


def _relative(path: str, source: Path) -> str:
    return os.path.relpath(path, source) if path.startswith("/") else path


def _bandit(record: Any, source: Path) -> list[Finding]:
    return [
        Finding(
            rule=f"bandit_{item['test_id']}",
            severity=_severity(item["issue_severity"]),
            level="warn" if item["issue_severity"] in {"HIGH", "MEDIUM"} else "info",
            file=_relative(item["filename"], source),
            line=item["line_number"],
            detail=item["issue_text"],
            advice=f"See bandit's notes on {item['test_id']} ({item['test_name']}).",
        )
        for item in record["results"]
    ]


def _trivy(record: Any, _source: Path) -> list[Finding]:
    findings = []
    for target in record.get("Results") or ():
        for item in (target.get("Secrets") or []) + (target.get("Misconfigurations") or []):
            severity = _severity(item.get("Severity", ""))
            level: Level = "warn" if severity != "low" else "info"
            findings.append(
                Finding(
                    rule=f"trivy_{item.get('RuleID') or item.get('ID')}",
                    severity=severity,
                    level=level,
                    file=target.get("Target"),
                    line=item.get("StartLine")
                    or (item.get("CauseMetadata") or {}).get("StartLine"),
                    detail=item.get("Title") or "",
                    advice=item.get("Resolution") or "See trivy's notes on this rule.",
                )
            )
    return findings


SCANNERS = (
    Scanner(
        "bandit",
        "weak spots in Python code",
        # B104 (binding all interfaces) and B311 (random) are right for nearly every agent.
        lambda folder: ["bandit", "-q", "-r", folder, "-f", "json", "-s", "B104,B311"],
        _bandit,
    ),
    Scanner(
        "trivy",
        "more kinds of secrets, and mistakes in Dockerfiles",
        lambda folder: [
            "trivy",
            "fs",
            "-q",
            "--offline-scan",
            "--skip-version-check",
            "--scanners",
            "secret,misconfig",
            "-f",
            "json",
            folder,
        ],
        _trivy,
    ),
)
