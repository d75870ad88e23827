"""Where Rust crates come from on this machine, as cargo is told."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import tomllib
import urllib.request
from pathlib import Path

from infra.local.sandbox.packages import Settings, variables

_ASK_WITHIN = 10.0
_DOWNLOADS_WITHIN = 5.0
# A package that needs another one, so that cargo has a reason to go to its registry.
_ASKING = """[package]
name = "asking"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[dependencies]
libc = "0.2"
"""


@functools.cache
def rust() -> Settings:
    """cargo's settings; a registry's own download host is asked for over the network."""
    settings = Settings(env=dict(variables()))
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    for name in ("config.toml", "config"):
        file = home / name
        if file.is_file():
            content = file.read_bytes()
            settings.files[".cargo/config.toml"] = content
            settings.addresses += _addresses(content)
            break
    if not any(address.startswith(("http", "sparse+")) for address in settings.addresses):
        settings.addresses += _asked_of_cargo()
    return settings


def _addresses(content: bytes) -> list[str]:
    try:
        told = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return []
    found: list[str] = []
    for source in told.get("source", {}).values():
        found += [
            str(source[key])
            for key in ("registry", "directory", "local-registry", "git")
            if key in source
        ]
    found += [str(each["index"]) for each in told.get("registries", {}).values() if "index" in each]
    cainfo = told.get("http", {}).get("cainfo")
    return found + ([str(cainfo)] if cainfo else [])


def _asked_of_cargo() -> list[str]:
    """Which registry cargo would use: it is given a proxy that only listens to what it asks for.

    The registry's own settings then say where the crates themselves lie.
    """
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo/bin"))
    if cargo is None:
        return []
    with (
        tempfile.TemporaryDirectory(prefix="slipway-cargo-") as folder,
        socket.create_server(("127.0.0.1", 0)) as proxy,
    ):
        Path(folder, "Cargo.toml").write_text(_ASKING)
        Path(folder, "lib.rs").touch()
        env = {
            **os.environ,
            "CARGO_HOME": f"{folder}/home",  # nothing cached: it must ask
            "CARGO_HTTP_PROXY": f"http://127.0.0.1:{proxy.getsockname()[1]}",
            "CARGO_NET_RETRY": "0",
            "CARGO_NET_OFFLINE": "false",
        }
        asking = subprocess.Popen(
            [cargo, "fetch"],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            index = _overheard(proxy)
        finally:
            asking.kill()
            asking.wait()
    if index is None:
        return []
    registry = f"https://{index}/"
    return [registry, *_downloads(registry)]


def _overheard(proxy: socket.socket) -> str | None:
    proxy.settimeout(_ASK_WITHIN)
    try:
        near, _ = proxy.accept()
    except TimeoutError:
        return None
    with near:
        near.settimeout(_ASK_WITHIN)
        with contextlib.suppress(OSError):
            words = near.recv(4096).split(b" ")
            if len(words) > 1 and words[0] == b"CONNECT":
                return words[1].decode("latin-1")
    return None


def _downloads(registry: str) -> list[str]:
    try:
        with urllib.request.urlopen(  # noqa: S310  # https only, see above
            f"{registry}config.json", timeout=_DOWNLOADS_WITHIN
        ) as answer:
            told = json.loads(answer.read(65536))
    except (OSError, ValueError):
        return []  # not reachable from here, and then not from a build either
    return [str(told[key]) for key in ("dl", "api") if isinstance(told.get(key), str)]
