"""Which sources may share what their organisation downloaded: those that configure no installer.

An organisation's builds share downloaded packages, and dependencies installed for the same lists.
A package manager that obeys settings of the source can be made to run its code, or to write where
it likes, while it works on them. Such a source gets caches of its own; it loses a little speed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from infra.build.beneath import Beneath
from infra.local.ground.python_lists import read_toml

_UV_OPTIONS = re.compile(
    r"^\s*(?:-f|-i|--find-links|--(?:extra-)?index-url|--no-index)\b", re.MULTILINE
)
_NODE_SETTINGS = (
    ".npmrc", ".yarnrc", ".yarnrc.yml", ".yarnrc.yaml", ".pnpmfile.cjs", ".pnpmfile.mjs",
    "pnpmfile.js", "pnpm-workspace.yaml", "pnpm-workspace.yml",
)  # fmt: skip
_NODE_LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml")
_NODE_LISTS = (
    "dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides",
    "resolutions",
)  # fmt: skip
#: Versions, ranges, tags, and names of the registry: nothing that is fetched or made elsewhere.
_FROM_REGISTRY = re.compile(
    r"(?:npm:(?:@[\w.~-]+/)?[\w.~-]+(?:@|$)|workspace:|\$)?[\w\s.^~<>=|*+-]*"
)
#: Git prepares what it fetched with its scripts, and Yarn's exec: is nothing but a script.
_MADE_ELSEWHERE = re.compile(
    r"git\+|git@|git:|ssh:|\.git\b|(?:github|gitlab|bitbucket|gist|file|link|portal|exec):"
)
_CARGO_SETTINGS = (".cargo/config.toml", ".cargo/config")


def plain_python(files: Beneath, root: str, lists: Iterable[str]) -> bool:
    """Whether uv is told only what to install; `lists` are the files below root that say it."""
    for folder in _levels(files, root):
        if folder.is_file("uv.toml") or "uv" in read_toml(folder, "pyproject.toml").get("tool", {}):
            return False
    here = files.below(root)
    return not any(_UV_OPTIONS.search(here.text(name) or "") for name in lists)


def plain_node(files: Beneath, root: str, manifests: Iterable[str]) -> bool:
    """Whether all packages come from the registry, and no manager is told how to get them."""
    for folder in _levels(files, root):
        if folder.is_folder(".yarn") or any(map(folder.is_file, _NODE_SETTINGS)):
            return False
        if any(_MADE_ELSEWHERE.search(folder.text(name) or "") for name in _NODE_LOCKS):
            return False
        if not _from_registry(folder.read("package.json")):
            return False
    here = files.below(root)
    return all(_from_registry(here.read(name)) for name in manifests)


def plain_rust(files: Beneath, root: str) -> bool:
    """Whether cargo has no settings: they name compilers and credential helpers, and those run."""
    return not any(
        folder.is_file(name) for folder in _levels(files, root) for name in _CARGO_SETTINGS
    )


def _levels(files: Beneath, root: str) -> Iterator[Beneath]:
    """The folder of the install and all above it: package managers look for settings there."""
    parts = [part for part in root.split("/") if part not in {"", "."}]
    for depth in range(len(parts), -1, -1):
        yield files.below("/".join(parts[:depth]))


def _from_registry(manifest: bytes | None) -> bool:
    if manifest is None:
        return True
    try:
        record = json.loads(manifest)
    except ValueError:
        return False
    if not isinstance(record, dict) or "pnpm" in record:
        return False
    wishes = (wish for name in _NODE_LISTS for wish in _texts(record.get(name)))
    return all(_FROM_REGISTRY.fullmatch(wish) for wish in wishes)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
