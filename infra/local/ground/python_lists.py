"""What Python sources say they need: requirement files and the locks of other managers."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.domain.plan import Plan
from infra.build.beneath import Beneath
from infra.build.faults import Failed


def read_toml(folder: Beneath, name: str) -> dict[str, Any]:
    """A TOML file; empty when there is none, a reason when it is broken."""
    data = folder.read(name)
    if data is None:
        return {}
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failed.because(
            "manifest_unreadable", f"{name} is not valid TOML: {error}.", file=name
        ) from error


def usual_files(folder: Beneath, installer: str) -> tuple[str, ...]:
    name = "pyproject.toml" if installer == "pyproject" else "requirements.txt"
    return (name,) if folder.is_file(name) else ()


def deciding_files(folder: Beneath, plan: Plan) -> list[str]:
    """Every file whose bytes decide what is installed, following -r, -c and local paths."""
    names = {
        "uv-lock": ("uv.lock", "pyproject.toml"),
        "poetry": ("poetry.lock", "pyproject.toml"),
        "pipenv": ("Pipfile.lock", "Pipfile"),
        "pyproject": ("pyproject.toml", "setup.py", "setup.cfg"),
    }.get(plan.installer, ())
    found = {name for name in (*names, *plan.install_files) if folder.is_file(name)}
    if plan.installer == "requirements":
        for name in plan.install_files or usual_files(folder, plan.installer):
            found |= _included(folder, name)
    return sorted(found)


def _included(folder: Beneath, start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        text = None if name in seen else folder.text(name)
        if text is None:
            continue
        seen.add(name)
        for line in text.splitlines():
            if found := re.match(r"\s*(?:-r|--requirement|-c|--constraint)[= ]\s*(\S+)", line):
                todo.append((Path(name).parent / found.group(1)).as_posix())
            elif re.match(
                r"\s*(?:-e\s|--editable|\.{1,2}(?:/|\[|\s*$)|file:|\S+\s*@\s*(?:file:|\.|/)|/|"
                r"-f\b|--find-links|[^\s@]+\.(?:whl|zip|tar\.\w+)\b)",
                line,
            ):
                # The source itself is installed: then all of it decides.
                return {
                    name for name, entry, _ in folder.walk() if entry.is_file(follow_symlinks=False)
                }
    return seen


def poetry_wants(record: dict[str, Any]) -> Iterator[str]:
    """The names a Poetry project asks for; their versions come from its lock."""
    project = record.get("project") or {}
    yield from (str(line) for line in project.get("dependencies") or ())
    table = (record.get("tool") or {}).get("poetry", {}).get("dependencies") or {}
    for name, wish in table.items():
        if name.lower() == "python":
            continue
        details = wish[0] if isinstance(wish, list) and wish else wish
        if not isinstance(details, dict):
            yield name
        elif not details.get("optional"):
            yield _with_details(name, details)


def _with_details(name: str, details: dict[str, Any]) -> str:
    extras = f"[{','.join(details['extras'])}]" if details.get("extras") else ""
    if "git" in details:
        ref = details.get("rev") or details.get("tag") or details.get("branch")
        return f"{name}{extras} @ git+{details['git']}" + (f"@{ref}" if ref else "")
    if "url" in details:
        return f"{name}{extras} @ {details['url']}"
    if "path" in details:
        return f"./{details['path']}"
    marker = details.get("markers")
    return f"{name}{extras}" + (f" ; {marker}" if marker else "")


def locked(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for package in record.get("package") or ():
        kind = (package.get("source") or {}).get("type")
        if kind in {None, "legacy"}:
            yield package["name"], package["version"]


def pipenv_wants(section: dict[str, Any]) -> Iterator[str]:
    """Pipfile.lock lists the whole set, each with its exact version."""
    for name, details in section.items():
        extras = f"[{','.join(details['extras'])}]" if details.get("extras") else ""
        marker = f" ; {details['markers']}" if details.get("markers") else ""
        if "version" in details:
            yield f"{name}{extras}{details['version']}{marker}"
        elif "git" in details:
            yield f"{name}{extras} @ git+{details['git']}@{details.get('ref', 'HEAD')}{marker}"
        elif "path" in details:
            yield f"{details['path']}"
