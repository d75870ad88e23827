"""The package managers of Node.js: where each comes from, and what to say to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from infra.local.sandbox.spec import PROXY_PORT

TOOLS = "/build/tools"
CACHE = "/build/packages"
_VERSION = re.compile(r"\d+(?:\.\d+){0,2}(?:-[\w.-]+)?")
_PROXY = f"http://127.0.0.1:{PROXY_PORT}"
ENV = {
    "npm_config_cache": f"{CACHE}/npm",
    "npm_config_update_notifier": "false",
    "npm_config_fund": "false",
    "npm_config_audit": "false",
    "npm_config_progress": "false",
    # Packages that come as programs for another manager must not stop this one.
    "COREPACK_ENABLE_STRICT": "0",
    "SKIP_YARN_COREPACK_CHECK": "1",
}

LOCKS = {
    "npm": ("package-lock.json", "npm-shrinkwrap.json"),
    "yarn": ("yarn.lock",),
    "pnpm": ("pnpm-lock.yaml",),
}


@dataclass(frozen=True)
class Manager:
    """A package manager: where it comes from on npm, and what to say to it."""

    name: str
    install: tuple[str, ...]
    locked: tuple[str, ...]
    """Instead of `install`, when there is a lock to obey to the letter."""
    loose: tuple[str, ...]
    """After `install`, when there is none."""
    add: tuple[str, ...]
    package: str = ""
    version: str = ""
    program: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


# Said here, because a source's .npmrc may name a program of its own as git.
_NPM_QUIET = ("--ignore-scripts", "--git=/usr/bin/git", "--no-audit", "--no-fund")
NPM = Manager(
    name="npm",
    install=("install", *_NPM_QUIET),
    locked=("ci", *_NPM_QUIET),
    loose=("--no-package-lock",),
    add=("install", "--no-save", *_NPM_QUIET),
)
_YARN_QUIET = ("--non-interactive", "--ignore-scripts", "--ignore-engines")
_YARN_CLASSIC = Manager(
    name="yarn",
    package="yarn",
    version="1.22.22",
    program="yarn/bin/yarn.js",
    install=("install", *_YARN_QUIET),
    locked=("install", *_YARN_QUIET, "--frozen-lockfile"),
    loose=("--no-lockfile",),
    add=("add", *_YARN_QUIET, "--ignore-workspace-root-check"),
    env={"YARNCACHE_FOLDER": f"{CACHE}/yarn"},
)
_YARN_BERRY = Manager(
    name="yarn",
    package="@yarnpkg/cli-dist",
    version="4",
    program="@yarnpkg/cli-dist/bin/yarn.js",
    install=("install",),
    locked=("install", "--immutable"),
    loose=(),
    add=("add",),
    env={
        "YARN_GLOBAL_FOLDER": f"{CACHE}/berry",
        "YARN_NODE_LINKER": "node-modules",
        "YARN_NM_MODE": "classic",
        "YARN_ENABLE_SCRIPTS": "false",
        "YARN_ENABLE_TELEMETRY": "0",
        "YARN_ENABLE_IMMUTABLE_INSTALLS": "false",
        "YARN_ENABLE_PROGRESS_BARS": "false",
        "YARN_IGNORE_PATH": "1",
        # It does not look at the variables that everybody else looks at.
        "YARN_HTTPS_PROXY": _PROXY,
        "YARN_HTTP_PROXY": _PROXY,
    },
)
_PNPM_SETTINGS = {
    "store_dir": f"{CACHE}/pnpm",
    "package_import_method": "copy",
    "manage_package_manager_versions": "false",
    "package_manager_strict": "false",
}
_PNPM = Manager(
    name="pnpm",
    package="pnpm",
    version="9",
    program="pnpm/bin/pnpm.cjs",
    install=("install", "--ignore-scripts", "--reporter=append-only"),
    locked=("install", "--ignore-scripts", "--reporter=append-only", "--frozen-lockfile"),
    loose=("--no-frozen-lockfile",),
    add=("add", "--ignore-scripts", "--ignore-workspace-root-check"),
    # As variables, since its commands know different options; newer ones have another prefix.
    env={f"{p}_config_{name}": v for p in ("npm", "pnpm") for name, v in _PNPM_SETTINGS.items()},
)


def manager_for(installer: str, version: str | None) -> Manager:
    """The manager for a plan's installer; npm is the one every Node.js brings."""
    if installer == "yarn-classic":
        return _YARN_CLASSIC
    if version and not _VERSION.fullmatch(version):
        version = None  # npm would read an address or another package's name as one, too
    chosen = {"yarn-berry": _YARN_BERRY, "pnpm": _PNPM}.get(installer, NPM)
    return replace(chosen, version=version) if version and chosen is not NPM else chosen
