"""Reading files with the rules: line numbers, values that are no secrets, and allowed places."""

from __future__ import annotations

import fnmatch
import math
import re
from dataclasses import dataclass
from pathlib import Path

from infra.build.scan.findings import Finding, Level
from infra.build.scan.rules import ASSIGNMENT, HOSTILE, SECRETS, Rule

IGNORE_FILE = ".slipwayignore"

_MANY = 20
"""Findings of one rule in one file; more of the same tell nothing new."""

_MILD = re.compile(
    r"(?:^|/)(?:tests?|__tests__|spec|fixtures?|testdata|examples?|docs?|samples?)/|"
    r"(?:^|/)(?:test_[^/]*|[^/]*[._-](?:test|spec))\.\w+$|\.(?:md|rst|txt|adoc)$|"
    r"\.(?:example|sample|template|dist)$",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    rb"(?i)example|dummy|placeholder|your[_-]|change[_-]?me|replace|insert|x{6,}|\*{4,}|\.{3}|<[^>]+>|"
    rb"\$\{|\{\{|0{8,}|1234567|abcdef|not[_-]?a|fake|test[_-]?(?:key|token|secret)|process\.env|os\.environ|getenv"
)
_GENERIC_ENTROPY = 3.6


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the source itself vouches for: lines of `.slipwayignore`, "rule path-pattern"."""

    entries: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, source: Path) -> Allowed:
        """From the top of the source; without the file nothing is allowed."""
        file = source / IGNORE_FILE
        if not file.is_file():
            return cls()
        entries = []
        for line in file.read_text("utf-8", "replace").splitlines():
            words = line.split("#")[0].split()
            if words:
                entries.append((words[0], words[1] if len(words) > 1 else "*"))
        return cls(tuple(entries))

    def covers(self, rule: str, file: str) -> bool:
        """Whether a finding of this rule in this file is expected."""
        return any(
            fnmatch.fnmatchcase(rule, name) and fnmatch.fnmatchcase(file, pattern)
            for name, pattern in self.entries
        )


def scan_text(name: str, data: bytes, allowed: Allowed) -> list[Finding]:
    """All findings of the text rules in one file."""
    suffix = Path(name).suffix.lower()
    findings: list[Finding] = []
    taken: set[int] = set()
    for rule in (*SECRETS, *HOSTILE, ASSIGNMENT):
        if rule.suffixes is not None and suffix not in rule.suffixes:
            continue
        if not any(hint in data for hint in rule.hints):
            continue
        count = 0
        for match in rule.compiled.finditer(data):
            if rule.secret and not _real(rule, match):
                continue
            line = data.count(b"\n", 0, match.start()) + 1
            if rule is ASSIGNMENT and line in taken:
                continue
            taken.add(line)
            vouched = rule.may_be_allowed and (
                _vouched(rule, data, match.start()) or allowed.covers(rule.name, name)
            )
            findings.append(_finding(rule, name, line, vouched=vouched))
            count += 1
            if count == _MANY:
                break
    return findings


def _finding(rule: Rule, name: str, line: int, *, vouched: bool) -> Finding:
    level: Level = rule.level
    detail = rule.detail
    if vouched:
        level = "info"
        detail += " It is allowed by a note in the source."
    elif rule.secret and level == "block" and _MILD.search(name):
        level = "warn"
        detail += " It lies among tests, examples or documents, so it may be a made-up one."
    advice = rule.advice
    if rule.may_be_allowed and level != "info":
        advice += f" If it is meant to be there, say so on its line: slipway: allow {rule.name}"
    return Finding(rule.name, rule.severity, level, name, line, detail, advice)


def _vouched(rule: Rule, data: bytes, at: int) -> bool:
    """`slipway: allow RULE` on the same line, or on the one above it."""
    start = data.rfind(b"\n", 0, at) + 1
    above = data.rfind(b"\n", 0, max(0, start - 1)) + 1
    end = data.find(b"\n", at)
    near = data[above : end if end >= 0 else len(data)]
    return b"slipway: allow" in near and (
        re.search(rb"slipway: allow\s+(?:\*|" + rule.name.encode() + rb")(?![\w])", near)
        is not None
    )


def _real(rule: Rule, match: re.Match[bytes]) -> bool:
    text = match.group(0)
    if rule is not ASSIGNMENT:
        return not _PLACEHOLDER.search(text) and len(set(text[-16:])) > 4
    value = match.group(2)
    if _PLACEHOLDER.search(text):
        return False
    kinds = sum(
        bool(re.search(kind, value)) for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]", rb"[^A-Za-z0-9]")
    )
    # Words joined by dashes or dots are names of things; real secrets mix letters and digits.
    wordy = re.fullmatch(rb"[A-Za-z]+(?:[ _./-][A-Za-z]+)*", value) is not None
    return kinds >= 2 and not wordy and _entropy(value) >= _GENERIC_ENTROPY


def _entropy(value: bytes) -> float:
    size = len(value)
    return -sum(
        (n := value.count(bytes([symbol]))) / size * math.log2(n / size) for symbol in set(value)
    )
