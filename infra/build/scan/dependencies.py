"""Reading what a source depends on, and noticing names that only look like the real ones."""

from __future__ import annotations

import json
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from infra.build.scan.findings import Finding
from infra.build.scan.text import Allowed

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_."
_SHORTEST = 5
"""Shorter names are one letter away from too many honest ones."""
_FETCH_AND_RUN = re.compile(
    r"\b(?:curl|wget)\b[^\n]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|"
    r"\b(?:curl|wget)\b[^\n]*(?:&&|;)[^\n]*\b(?:ba|z|da)?sh\s+\S|"
    r"\bnode\s+-e\s+.*(?:https?\.get|fetch\()|\bpython3?\s+-c\s+.*(?:urlopen|requests\.get).*exec|"
    r"\bpowershell\b.*\b(?:iex|DownloadString)\b",
    re.IGNORECASE,
)
_INSTALL_SCRIPTS = frozenset({"preinstall", "install", "postinstall", "prepare", "prepublish"})


class Dependency(NamedTuple):
    """A name in a manifest, and where it stands."""

    name: str
    file: str
    line: int | None


def scan_dependencies(name: str, data: bytes, allowed: Allowed) -> list[Finding]:
    """Findings in one dependency manifest; other files give none."""
    base = name.rpartition("/")[2]
    text = data.decode("utf-8", "replace")
    if base == "package.json":
        record = _json(text)
        found = _known("npm", _npm(record, name, text), allowed)
        return found + _install_scripts(record, name, text)
    if base == "pyproject.toml":
        return _known("pypi", _pyproject(text, name), allowed)
    if base == "Pipfile":
        return _known("pypi", _pipfile(text, name), allowed)
    if base == "setup.py":
        return _setup(text, name)
    if re.fullmatch(r"(?:[\w.-]*requirements[\w.-]*|constraints[\w.-]*)\.(?:txt|in)", base) or (
        "requirements/" in name and base.endswith((".txt", ".in"))
    ):
        return _known("pypi", _requirements(text, name), allowed)
    return []


def _known(registry: str, dependencies: Iterator[Dependency], allowed: Allowed) -> list[Finding]:
    findings = []
    for dependency in dependencies:
        if finding := judge_name(registry, dependency):
            if allowed.covers(finding.rule, dependency.file):
                continue
            findings.append(finding)
    return findings


def judge_name(registry: str, dependency: Dependency) -> Finding | None:
    """Whether a name is a known trap, or one slip of the finger away from a popular one."""
    plain = dependency.name.lower()
    name = re.sub(r"[-_.]+", "-", plain) if registry == "pypi" else plain
    meant = denied(registry).get(name)
    if meant:
        return Finding(
            "typosquat",
            "critical",
            "block",
            dependency.file,
            dependency.line,
            f"{dependency.name} is a name used to imitate {meant}.",
            f"Depend on {meant} instead.",
        )
    names = popular(registry)
    if name in names or len(name) < _SHORTEST or name.startswith("@"):
        return None
    near = sorted(candidate for candidate in _one_edit_away(name) if candidate in names)
    if not near:
        near = [other for other in _reordered(name) if other in names]
    if not near:
        return None
    return Finding(
        "typosquat",
        "high",
        "warn",
        dependency.file,
        dependency.line,
        f"{dependency.name} is very close to the popular package {near[0]}. Is that the one meant?",
        f"If so, depend on {near[0]}. If {dependency.name} is right, add the line "
        f"“typosquat {dependency.file}” to .slipwayignore.",
    )


def _one_edit_away(name: str) -> Iterator[str]:
    """Every name that one omission, swap, exchange or addition of a letter leads to."""
    for i in range(len(name) + 1):
        head, tail = name[:i], name[i:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _LETTERS:
            if tail:
                yield head + letter + tail[1:]
            yield head + letter + tail


def _reordered(name: str) -> Iterator[str]:
    parts = name.split("-")
    if len(parts) == 2:
        yield f"{parts[1]}-{parts[0]}"


@cache
def popular(registry: str) -> frozenset[str]:
    """The names that people mean."""
    return frozenset(_list(f"popular_{registry}.txt"))


@cache
def denied(registry: str) -> dict[str, str]:
    """Names known to be traps, each with the name that was meant."""
    return dict(line.split(maxsplit=1) for line in _list(f"denied_{registry}.txt"))


def _list(file: str) -> list[str]:
    # pkgutil reads from a folder and from the packed program alike.
    data = pkgutil.get_data(__package__, file) or b""
    lines = (line.split("#")[0].strip() for line in data.decode().splitlines())
    return [line for line in lines if line]


def _requirements(text: str, file: str) -> Iterator[Dependency]:
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[|[<>=!~;@#]|$)", line)
        if found:
            yield Dependency(found.group(1), file, number)


def _pyproject(text: str, file: str) -> Iterator[Dependency]:
    record = _toml(text)
    project = _table(record, "project")
    lines = [*_strings(project.get("dependencies"))]
    for extra in _table(project, "optional-dependencies").values():
        lines += _strings(extra)
    for group in _table(record, "dependency-groups").values():
        lines += _strings(group)
    names = [re.split(r"[\s\[<>=!~;@(]", line.strip(), maxsplit=1)[0] for line in lines]
    poetry = _table(_table(record, "tool"), "poetry")
    tables = [_table(poetry, "dependencies"), _table(poetry, "dev-dependencies")]
    tables += [
        _table(g, "dependencies") for g in _table(poetry, "group").values() if isinstance(g, dict)
    ]
    names += [name for table in tables for name in table if name != "python"]
    for name in names:
        yield Dependency(name, file, _line_of(text, name))


def _pipfile(text: str, file: str) -> Iterator[Dependency]:
    record = _toml(text)
    for section in ("packages", "dev-packages"):
        for name in _table(record, section):
            yield Dependency(name, file, _line_of(text, name))


def _npm(record: dict[str, Any], file: str, text: str) -> Iterator[Dependency]:
    for section in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
        for name in _table(record, section):
            yield Dependency(name, file, _line_of(text, f'"{name}"'))


def _install_scripts(record: dict[str, Any], file: str, text: str) -> list[Finding]:
    findings = []
    for script, command in _table(record, "scripts").items():
        if script in _INSTALL_SCRIPTS and _FETCH_AND_RUN.search(str(command)):
            findings.append(
                Finding(
                    "install_script",
                    "critical",
                    "block",
                    file,
                    _line_of(text, f'"{script}"'),
                    f"The script {script} fetches a program from the network and runs it while "
                    "installing.",
                    "Ship the program with the source, or depend on a package that contains it.",
                )
            )
    return findings


def _setup(text: str, file: str) -> list[Finding]:
    found = re.search(
        r"\b(?:os\.system|subprocess\.\w+)\([^\n]*\b(?:curl|wget)\b|exec\([^\n]*(?:urlopen|requests\.get)",
        text,
    )
    if not found:
        return []
    line = text.count("\n", 0, found.start()) + 1
    return [
        Finding(
            "install_script",
            "critical",
            "block",
            file,
            line,
            "setup.py fetches a program from the network and runs it while installing.",
            "Ship the program with the source, or depend on a package that contains it.",
        )
    ]


def _line_of(text: str, word: str) -> int | None:
    at = text.find(word)
    return text.count("\n", 0, at) + 1 if at >= 0 else None


def _json(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _table(record: dict[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
