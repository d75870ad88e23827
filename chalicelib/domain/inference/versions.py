"""Which Python, Node.js or Rust a source wishes for, and which available one comes nearest."""

from __future__ import annotations

import re
from collections.abc import Iterable

from chalicelib.domain.inference.evidence import Draft, Source, as_dict, as_text

_LTS = {"hydrogen": "18", "iron": "20", "jod": "22", "gallium": "16", "fermium": "14"}
_CLAUSE = re.compile(r"(\^|~=|~|>=|<=|==|!=|>|<|=)?\s*v?(\d+(?:\.(?:\d+|[x*]))*)")


def wish_python(source: Source, draft: Draft) -> None:
    """.python-version, runtime.txt, Pipfile, pyproject.toml: the first that speaks."""
    pyproject = source.toml("pyproject.toml")
    poetry = as_dict(as_dict(as_dict(pyproject.get("tool")).get("poetry")).get("dependencies"))
    requires = as_dict(source.toml("Pipfile").get("requires"))
    _wish(
        draft,
        [
            (_first_line(source, ".python-version"), ".python-version"),
            (_first_line(source, "runtime.txt").removeprefix("python-"), "runtime.txt"),
            (
                as_text(requires.get("python_version") or requires.get("python_full_version")),
                "Pipfile",
            ),
            (
                as_text(as_dict(pyproject.get("project")).get("requires-python")),
                "pyproject.toml requires-python",
            ),
            (as_text(poetry.get("python")), "pyproject.toml"),
            (_tool_version(source, "python"), ".tool-versions"),
        ],
        parts=2,
    )


def wish_node(source: Source, draft: Draft) -> None:
    """.nvmrc, .node-version, package.json (volta, engines): the first that speaks."""
    package = source.json("package.json")
    _wish(
        draft,
        [
            (_node_alias(_first_line(source, ".nvmrc")), ".nvmrc"),
            (_node_alias(_first_line(source, ".node-version")), ".node-version"),
            (as_text(as_dict(package.get("volta")).get("node")), "package.json volta"),
            (as_text(as_dict(package.get("engines")).get("node")), "package.json engines"),
            (_tool_version(source, "nodejs"), ".tool-versions"),
        ],
        parts=1,
    )


def wish_rust(source: Source, draft: Draft) -> None:
    """rust-toolchain(.toml), then Cargo.toml's rust-version."""
    toolchain = as_dict(source.toml("rust-toolchain.toml").get("toolchain"))
    package = as_dict(source.toml("Cargo.toml").get("package"))
    oldest = as_text(package.get("rust-version"))
    _wish(
        draft,
        [
            (as_text(toolchain.get("channel")), "rust-toolchain.toml"),
            (_first_line(source, "rust-toolchain"), "rust-toolchain"),
            (f">={oldest}" if oldest else "", "Cargo.toml rust-version"),
        ],
        parts=2,
    )


def nearest(wish: str | None, available: Iterable[str]) -> tuple[str | None, bool]:
    """The available version nearest to a wish, and whether it grants it.

    Newer is nearer than older: sources outlive their pins upward.
    """
    versions = sorted(set(available), key=_key)
    if not versions:
        return None, False
    if wish is None:
        return versions[-1], True
    wanted = _key(wish)
    for version in reversed(versions):
        if _key(version)[: len(wanted)] == wanted:
            return version, True
    newer = [version for version in versions if _key(version) > wanted]
    return (newer[0] if newer else versions[-1]), False


def in_range(specifier: str, parts: int) -> str | None:
    """The one version a specifier wishes for; None when every newer one will do.

    `>=3.9` is content with anything; `<3.12` wants 3.11; `^18 || ^20` wants 20.
    """
    best: str | None = None
    for alternative in specifier.split("||"):
        wished = _one_range(alternative.replace(",", " "), parts)
        if wished is not None and (best is None or _key(wished) > _key(best)):
            best = wished
    return best


def _one_range(text: str, parts: int) -> str | None:
    lower: str | None = None
    for operator, version in _CLAUSE.findall(text):
        numbers = [part for part in version.split(".") if part.isdigit()]
        if operator in ("", "=", "==", "^", "~", "~="):
            if operator in ("^", "~=") and parts == 2 and len(numbers) <= 2:
                lower = version  # poetry's ^3.9 and ~=3.9 allow every later 3.x
                continue
            return ".".join(numbers[:parts])
        if operator in ("<", "<="):
            return _below(numbers, inclusive=operator == "<=", parts=parts) or lower
    return None


def _below(numbers: list[str], *, inclusive: bool, parts: int) -> str | None:
    values = [int(number) for number in numbers[:parts]]
    if len(values) < parts:
        return None  # <4 of Python says nothing about its 3.x
    exact = len(numbers) > parts and any(int(number) for number in numbers[parts:])
    if not inclusive and not exact:
        values[-1] -= 1
    return None if values[-1] < 0 else ".".join(map(str, values))


def _wish(draft: Draft, wishes: list[tuple[str, str]], parts: int) -> None:
    for text, source in wishes:
        if not text or not re.search(r"\d", text):
            continue
        version = in_range(text, parts)
        if version is not None:
            draft.set("toolchain", version, f"{source}: {text}")
        return


def _first_line(source: Source, name: str) -> str:
    lines = (line.partition("#")[0].strip() for line in source.text(name).splitlines())
    return next(filter(None, lines), "")[:60]


def _node_alias(text: str) -> str:
    name = text.lower().removeprefix("lts/")
    return _LTS.get(name, text)


def _tool_version(source: Source, tool: str) -> str:
    for line in source.text(".tool-versions").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == tool:
            return words[1]
    return ""


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
