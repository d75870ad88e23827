"""Sources that hold more than one app: which folders could be deployed."""

from __future__ import annotations

from chalicelib.domain.inference.evidence import NOT_THE_APP, Source
from chalicelib.domain.inference.nodejs import NodeApp
from chalicelib.domain.inference.nodejs_packages import workspace_members
from chalicelib.domain.inference.python import PythonApp
from chalicelib.domain.inference.rust import RustApp

_SCRIPTS = (".js", ".mjs", ".cjs", ".ts", ".mts")
_MARKS = (
    "agent.yaml",
    "agent.yml",
    "package.json",
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "manage.py",
    "Cargo.toml",
    "Dockerfile",
    "Procfile",
)
#: Files that may be all there is of an app.
_LOOSE = frozenset(
    {"index.html", "app.py", "main.py", "server.py", "bot.py"}
    | {f"{stem}{end}" for stem in ("app", "server", "index", "main", "bot") for end in _SCRIPTS}
)
#: Folders that hold the pages and scripts of an app above them.
_PARTS = frozenset({"templates", "static", "assets", "views", "public", "components", "lib"})
_MAX_FOLDERS = 60
_MAX_DEPTH = 4
#: Looked into only when there is nothing else.
_SHOWN = frozenset({"example", "examples", "samples", "demo", "demos"})
_WORTH = 2.5


def candidates(source: Source) -> list[str]:
    """Folders below this one in which something can be started or built, outermost first."""
    folders = {
        name.rpartition("/")[0]
        for name in source.names
        if name.rpartition("/")[2] in _MARKS and 0 < name.count("/") <= _MAX_DEPTH
    }
    folders |= set(workspace_members(source))
    ordered = sorted(folders, key=lambda folder: (folder.count("/"), folder))
    return _worthy(source, ordered, NOT_THE_APP) or _worthy(source, ordered, NOT_THE_APP - _SHOWN)


def loose_folders(source: Source) -> list[str]:
    """Folders without any list of packages that hold a page or something that listens.

    To be asked for only when nothing else is there: most such folders are a part of an app.
    """
    folders = {
        name.rpartition("/")[0]
        for name in source.names
        if name.rpartition("/")[2] in _LOOSE and 0 < name.count("/") <= _MAX_DEPTH
    }
    ordered = sorted(folders, key=lambda folder: (folder.count("/"), folder))
    never = NOT_THE_APP | _PARTS
    return _worthy(source, ordered, never, loose=True) or _worthy(
        source, ordered, never - _SHOWN, loose=True
    )


def _worthy(
    source: Source, folders: list[str], never: frozenset[str], *, loose: bool = False
) -> list[str]:
    found: list[str] = []
    looked = 0
    for folder in folders:
        if never & set(folder.split("/")) or any(folder.startswith(f"{f}/") for f in found):
            continue
        looked += 1
        if looked > _MAX_FOLDERS:
            break
        below = source.below(folder)
        if _stands_alone(below) if loose else worth(below) >= _WORTH:
            found.append(folder)
    return found


def _stands_alone(source: Source) -> bool:
    page = source.has("index.html")
    return page or NodeApp(source).strength >= _WORTH or PythonApp(source).strength >= _WORTH


def worth(source: Source) -> float:
    """How sure it is that this folder is an app."""
    if source.first("agent.yaml", "agent.yml", "Procfile"):
        return 3
    node = NodeApp(source) if source.has("package.json") else None
    if node is not None and node.site is not None:
        return _WORTH
    return max(
        node.strength if node is not None else 0,
        PythonApp(source).strength,
        RustApp(source).strength,
        _WORTH if source.has("Dockerfile") else 0,
    )
