"""What a source shows of itself: files read once, and notes on what was concluded from them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.plan import Finding, Inferred, Level, SourceTree

#: Folders that are never the app: made by tools, or about the app.
NOT_THE_APP = frozenset(
    {"node_modules", ".git", ".venv", "venv", "__pycache__", "site-packages", "vendor", "target"}
    | {"test", "tests", "__tests__", "testing", "spec", "e2e", "cypress", "fixtures"}
    | {"docs", "doc", "example", "examples", "samples", "demo", "demos", "benchmarks"}
    | {".github", ".vscode", ".idea", ".devcontainer", ".next", ".nuxt", ".cache", "coverage"}
    | {"migrations", "alembic", "notebooks", "scripts", "tools"}
)
_READ_LIMIT = 262_144
#: The TOML parser's time grows with the square of some contents; no honest file is this long.
_MAX_TOML = 65_536
_MAX_WORD = 2_000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Source:
    """The files below one folder of a tree; whatever is unreadable reads as empty."""

    def __init__(self, tree: SourceTree, root: str = "") -> None:
        self.tree = tree
        self.root = root.strip("/")
        prefix = f"{self.root}/" if self.root else ""
        self.names = tuple(name[len(prefix) :] for name in tree.names() if name.startswith(prefix))
        self._set = frozenset(self.names)
        self._folders = frozenset(
            "/".join(parts[:length])
            for parts in (name.split("/") for name in self.names)
            for length in range(1, len(parts))
        )
        self._texts: dict[str, str] = {}
        self.broken: dict[str, tuple[str, int | None]] = {}

    def below(self, folder: str) -> Source:
        """The part of the tree in one folder of this one."""
        return Source(self.tree, "/".join(part for part in (self.root, folder) if part))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._set

    def has_folder(self, name: str) -> bool:
        """Whether any file lies in that folder."""
        return name in self._folders

    def first(self, *names: str) -> str | None:
        """The first of these files that is there."""
        return next((name for name in names if name in self._set), None)

    def any_case(self, name: str) -> str | None:
        """A file at the top by its name in any case, such as dockerfile or Procfile."""
        wanted = name.lower()
        return next((found for found in self.names if found.lower() == wanted), None)

    def path(self, name: str) -> str:
        """The name as seen from the top of the whole source."""
        return f"{self.root}/{name}" if self.root else name

    def text(self, name: str | None) -> str:
        """The start of a file as text; empty when there is none."""
        if name is None or name not in self._set:
            return ""
        if name not in self._texts:
            try:
                data = self.tree.read(self.path(name), _READ_LIMIT)
            except KeyError:
                data = b""
            encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
            self._texts[name] = data.decode(encoding, "replace").replace("\r\n", "\n")
        return self._texts[name]

    def json(self, name: str) -> dict[str, Any]:
        """An object from a JSON file; faults are kept in `broken`."""
        return self._data(name, json.loads)

    def toml(self, name: str) -> dict[str, Any]:
        """A table from a TOML file; faults are kept in `broken`."""
        return self._data(name, tomllib.loads)

    def line_of(self, name: str, pattern: str) -> int | None:
        """The first line of a file that a pattern is found in."""
        match = re.search(pattern, self.text(name), re.MULTILINE)
        return None if match is None else self.text(name).count("\n", 0, match.start()) + 1

    def modified(self, name: str) -> float:
        """When a file was changed, for trees that know."""
        ask: Callable[[str], float] | None = getattr(self.tree, "modified", None)
        return ask(self.path(name)) if ask is not None and self.has(name) else 0.0

    def app_files(
        self,
        *suffixes: str,
        depth: int = 4,
        marks: tuple[str, ...] = (),
        holder: bool = False,
    ) -> list[str]:
        """Files that may be part of the app, the shallow ones first.

        Folders that have one of the `marks` are apps of their own, unless there is but one such
        folder and the top has a mark as well, and is no mere `holder` of others.
        """
        marked = {
            f"{name.rpartition('/')[0]}/"
            for name in self.names
            if "/" in name and name.rpartition("/")[2] in marks
        }
        alone = len(marked) == 1 and self.first(*marks) is not None and not holder
        apart = () if alone else tuple(marked)
        return sorted(
            (
                name
                for name in self.names
                if name.endswith(suffixes)
                and name.count("/") < depth
                and not name.startswith(apart)
                and not NOT_THE_APP & set(name.split("/")[:-1])
            ),
            key=lambda name: (name.count("/"), name),
        )

    def _data(self, name: str, load: Callable[[str], Any]) -> dict[str, Any]:
        text = self.text(name)
        if not text.strip() or name in self.broken:
            return {}
        if load is tomllib.loads and len(text) > _MAX_TOML:
            self.broken[name] = (f"it is longer than {_MAX_TOML // 1024} KB", None)
            return {}
        try:
            data = load(text)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            if line is None and (found := re.search(r"at line (\d+)", str(error))):
                line = int(found.group(1))
            self.broken[name] = (str(error), line)
            return {}
        return data if isinstance(data, dict) else {}


@dataclass
class Draft:
    """A plan in the making: each value set with the place it comes from."""

    values: dict[str, Any] = field(default_factory=dict)
    inferred: list[Inferred] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    candidates: tuple[str, ...] = ()

    def set(self, name: str, value: Any, source: str) -> None:
        """Set a value of the plan and say why; a later word replaces an earlier one."""
        self.values[name] = value
        self.inferred = [known for known in self.inferred if known.field != name]
        self.inferred.append(Inferred(name, value, source))

    def get(self, name: str, default: Any = None) -> Any:
        """A value set before."""
        return self.values.get(name, default)

    def add(self, name: str, values: Iterable[str], source: str) -> None:
        """Add to a list of the plan, each value once."""
        old = tuple(self.values.get(name, ()))
        new = tuple(value for value in values if value not in old)
        if new:
            told = [known.source for known in self.inferred if known.field == name]
            self.set(name, old + new, "; ".join([*told, source]))

    def env(self, values: dict[str, str], source: str) -> None:
        """Add variables for the running agent."""
        self.set("env", {**self.values.get("env", {}), **values}, source)

    def say(
        self,
        level: Level,
        code: str,
        detail: str,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        """Note something a person should know."""
        self.findings.append(Finding(code, detail, file, line, level))

    def failed(self) -> bool:
        """Whether an error was noted."""
        return any(finding.level == "error" for finding in self.findings)


def as_dict(value: object) -> dict[str, Any]:
    """The value when it is an object, else an empty one: foreign files may hold anything."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value when it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The value when it is text of a sane length, else nothing."""
    return value.strip() if isinstance(value, str) and len(value) <= _MAX_WORD else ""
