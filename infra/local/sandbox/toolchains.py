"""What builds and agents of each runtime need to see of this machine, and where it is."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from infra.local.sandbox import cargo_settings, npm_settings, packages, pip_settings
from infra.local.sandbox.spec import HOME, Bind, Toolchain

Purpose = Literal["build", "run"]

_TOOLS = "/opt/slipway/bin"
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_OLDEST_PYTHON = (3, 11)


def toolchains(runtime: str, purpose: Purpose = "build") -> Toolchain:
    """The binds, variables and search path for a runtime.

    For "build" the package managers and their configuration come along; for "run" only what the
    program itself needs. `missing` names what this machine does not have.
    """
    match runtime:
        case "python":
            found = _python(purpose)
        case "nodejs":
            found = _node(purpose)
        case "rust":
            found = _rust(purpose)
        case _:
            return Toolchain()
    # A sandbox binds no links, and where tools are installed there are many.
    binds = (
        (source.resolve() if isinstance(source, Path) else source, target, read_only)
        for source, target, read_only in found.binds
    )
    return replace(found, binds=tuple(binds))


def registry_hosts() -> frozenset[str]:
    """The hosts (each "host:port") package managers fetch from, as they are configured here."""
    return (
        pip_settings.python().hosts() | npm_settings.node().hosts() | cargo_settings.rust().hosts()
    )


@functools.cache
def _python(purpose: Purpose) -> Toolchain:
    binds: list[Bind] = []
    path: list[str] = []
    missing: list[str] = []
    if not _SYSTEM_PYTHON.exists():
        # Only an interpreter somewhere in a home: bring it along as a whole.
        binds.append((Path(sys.base_prefix), "/opt/python", True))
        path.append("/opt/python/bin")
    if purpose == "run":
        return Toolchain(tuple(binds), {}, tuple(path))
    uv = _uv()
    if uv is None:
        missing.append("uv")
    else:
        binds.append((uv, f"{_TOOLS}/uv", True))
        path.append(_TOOLS)
    settings = pip_settings.python()
    env = {
        **settings.env,
        # The interpreter of the build is the one of the run; another would not be there then.
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PYTHON": "/opt/python/bin/python3"
        if path[:1] == ["/opt/python/bin"]
        else "/usr/bin/python3",
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return Toolchain(tuple(binds + _handed_on(settings)), env, tuple(path), tuple(missing))


@functools.cache
def _node(purpose: Purpose) -> Toolchain:
    found = shutil.which("node")
    if found is None:
        return Toolchain(missing=("node",))
    binds: list[Bind] = []
    path: list[str] = []
    node = Path(found).resolve()
    if not node.is_relative_to("/usr"):
        binds.append((node.parent.parent, "/opt/node", True))
        path.append("/opt/node/bin")
    if purpose == "run":
        return Toolchain(tuple(binds), {}, tuple(path))
    settings = npm_settings.node()
    env = {
        **settings.env,
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
        "NPM_CONFIG_FUND": "false",
        "NPM_CONFIG_AUDIT": "false",
        "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    missing = tuple(name for name in ("npm",) if shutil.which(name) is None)
    return Toolchain(tuple(binds + _handed_on(settings)), env, tuple(path), missing)


@functools.cache
def _rust(purpose: Purpose) -> Toolchain:
    if purpose == "run":
        return Toolchain()
    root = _rust_root()
    if root is None:
        return Toolchain(missing=("cargo", "rustc"))
    binds: list[Bind] = []
    path: list[str] = []
    if not root.is_relative_to("/usr"):
        binds.append((root, "/opt/rust", True))
        path.append("/opt/rust/bin")
    settings = cargo_settings.rust()
    env = {**settings.env, "CARGO_HOME": f"{HOME}/.cargo", "CARGO_TERM_COLOR": "never"}
    missing = ("cc",) if shutil.which("cc", path="/usr/bin:/usr/local/bin") is None else ()
    return Toolchain(tuple(binds + _handed_on(settings)), env, tuple(path), missing)


def _handed_on(settings: packages.Settings) -> list[Bind]:
    """Configuration files into the sandbox's home, and the local folders they name."""
    binds: list[Bind] = [
        (content, f"{HOME}/{name}", True) for name, content in settings.files.items()
    ]
    folders = [folder for folder in settings.folders() if not _visible(folder)]
    return [*binds, *((folder, str(folder), True) for folder in folders)]


def _visible(path: Path) -> bool:
    """Whether every sandbox sees it anyway."""
    return any(path.is_relative_to(shown) for shown in ("/usr", "/etc/ssl", "/etc/pki"))


def _uv() -> Path | None:
    beside = Path(sys.executable).parent / "uv"
    places: Iterable[str | None] = (
        str(beside),
        os.environ.get("UV"),
        shutil.which("uv"),
        str(Path.home() / ".local/bin/uv"),
    )
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


def _rust_root() -> Path | None:
    """The real toolchain: what is on the path may be a proxy that only knows its owner's home."""
    rustc = shutil.which("rustc") or shutil.which("rustc", path=str(Path.home() / ".cargo/bin"))
    if rustc is None:
        return None
    try:
        answer = subprocess.run(
            [rustc, "--print", "sysroot"],
            capture_output=True,
            text=True,
            timeout=15,
            check=False,
            cwd="/",  # a project's own toolchain file must not decide
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    root = Path(answer.stdout.strip() or "/nonexistent")
    return root if (root / "bin/cargo").is_file() else None
