"""Which package manager a Node.js source is installed with, and where its workspaces are."""

from __future__ import annotations

import fnmatch
import re

from chalicelib.domain.inference.evidence import Draft, Source, as_dict, as_list, as_text
from chalicelib.values import frozen

_LOCKS = (
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
)
#: The manager that writes a lock file of this version.
_PNPM_BY_LOCK = {"5": "7", "6": "8", "9": "9"}


@frozen
class Manager:
    """A package manager as the source wants it."""

    installer: str
    version: str | None
    lock: str | None
    why: str

    @property
    def run(self) -> str:
        """How it runs a script of package.json."""
        return f"{self.installer.partition('-')[0]} run"


def read_manager(source: Source, draft: Draft) -> Manager:
    """The manager declared, else the one whose lock file is freshest; a choice is said aloud."""
    package = source.json("package.json")
    name, version = _declared(package)
    locks = [(lock, kind) for lock, kind in _LOCKS if source.has(lock)]
    if name is not None:
        locks.sort(key=lambda item: item[1] != name)
        if locks and locks[0][1] != name:
            name, version = locks[0][1], None  # a declared manager without a lock of its own
    elif len(locks) > 1:
        locks.sort(key=lambda item: _staleness(source, item[0], package))
    lock = locks[0][0] if locks else None
    name = name or (locks[0][1] if locks else "npm")
    if len({kind for _, kind in locks}) > 1:
        others = ", ".join(other for other, _ in locks[1:])
        draft.say(
            "warning",
            "two_lock_files",
            f"There are several lock files; {lock} is obeyed and {others} is not. Delete what you "
            'do not use, or name the manager in package.json: "packageManager".',
            source.path(locks[1][0]),
        )
    return _manager(source, name, version, lock, draft)


def workspace_members(source: Source) -> list[str]:
    """Folders of the packages that a workspace at the top of this source consists of."""
    declared = source.json("package.json").get("workspaces")
    globs = [as_text(item) for item in as_list(as_dict(declared).get("packages") or declared)]
    if source.has("pnpm-workspace.yaml"):
        text = source.text("pnpm-workspace.yaml").partition("packages:")[2]
        for line in text.splitlines():
            item = re.match(r"\s*-\s*['\"]?([^'\"#]+?)['\"]?\s*(#.*)?$", line)
            if item:
                globs.append(item.group(1))
            elif line.strip() and not line.startswith((" ", "#")):
                break
    folders = sorted(
        name.rpartition("/")[0] for name in source.names if name.endswith("/package.json")
    )
    globs = [pattern.removeprefix("./").rstrip("/") for pattern in globs if pattern]
    return [
        folder
        for folder in folders
        if any(fnmatch.fnmatchcase(folder, p) for p in globs if not p.startswith("!"))
        and not any(fnmatch.fnmatchcase(folder, p[1:]) for p in globs if p.startswith("!"))
        and "node_modules" not in folder.split("/")
    ]


def is_workspace(source: Source) -> bool:
    """Whether packages below this folder are installed from here."""
    return bool(source.json("package.json").get("workspaces")) or source.has("pnpm-workspace.yaml")


def _declared(package: dict[str, object]) -> tuple[str | None, str | None]:
    match = re.match(r"^(npm|pnpm|yarn|bun)@(\d+[\w.-]*)", as_text(package.get("packageManager")))
    if match:
        return match.group(1), match.group(2)
    engines = as_dict(package.get("engines"))
    for name in ("pnpm", "yarn", "bun"):
        if name in engines:
            return name, None
    volta = as_dict(package.get("volta"))
    for name in ("pnpm", "yarn"):
        if name in volta:
            return name, as_text(volta[name]) or None
    return None, None


def _staleness(source: Source, lock: str, package: dict[str, object]) -> tuple[int, float]:
    """How many dependencies a lock does not know, then its age: the newest knows them all."""
    text = source.text(lock)
    names = [*as_dict(package.get("dependencies")), *as_dict(package.get("devDependencies"))]
    missing = sum(1 for name in names if name not in text) if "\x00" not in text else len(names)
    return missing, -source.modified(lock)


def _manager(
    source: Source, name: str, version: str | None, lock: str | None, draft: Draft
) -> Manager:
    why = lock or "package.json"
    text = source.text(lock)
    if name == "yarn":
        berry = "__metadata:" in text or (lock is None and (version or "1")[0] != "1")
        return Manager("yarn-berry" if berry else "yarn-classic", version, lock, why)
    if name == "pnpm":
        found = re.search(r"lockfileVersion:\s*['\"]?(\d+)", text)
        wished = version or (_PNPM_BY_LOCK.get(found.group(1)) if found else None)
        return Manager("pnpm", wished, lock, why)
    if name == "bun":
        draft.say(
            "warning",
            "bun_lock_not_obeyed",
            f"Dependencies are installed by npm from package.json; {lock or 'bun'} is not obeyed. "
            "Add a package-lock.json (`npm install --package-lock-only`) to fix the versions.",
            source.path(lock or "package.json"),
        )
        return Manager("npm", None, None, "package.json")
    return Manager("npm", version, lock, why)
