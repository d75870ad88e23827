"""The configuration of the package managers on this machine: where they fetch, whom they trust.

Read from their own files and variables and from the tools themselves; no registry is known here.
"""

from __future__ import annotations

import configparser
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_ASK_WITHIN = 15.0
# Variables of the package managers that say where to fetch and whom to trust. Nothing that
# publishes: a build script could read it.
_PASSED = re.compile(
    r"""(?ix) ^ (
      PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|CERT|TRUSTED_HOST|DEFAULT_TIMEOUT|RETRIES
          |PREFER_BINARY|ONLY_BINARY|NO_BINARY|DISABLE_PIP_VERSION_CHECK)
    | UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|INDEX_STRATEGY
         |SYSTEM_CERTS|NATIVE_TLS|INSECURE_HOST|HTTP_TIMEOUT|OFFLINE|PYTHON_INSTALL_MIRROR)
    | NPM_CONFIG_(REGISTRY|CAFILE|CA|STRICT_SSL|NODEDIR|FETCH_TIMEOUT|FETCH_RETRIES)
    | COREPACK_NPM_REGISTRY | YARN_(REGISTRY|NPM_REGISTRY_SERVER|HTTPS_CA_FILE_PATH|CA_FILE_PATH)
    | CARGO_(HTTP_CAINFO|NET_OFFLINE|NET_RETRY|SOURCE_\w+|REGISTRIES_\w+_INDEX)
    ) $ """
)
_NPM_KEPT = re.compile(
    r"^(registry|@[^:]+:registry|ca|ca\[\]|cafile|strict-ssl|nodedir|fetch-[a-z-]+|"
    r"omit-lockfile-registry-resolved|replace-registry-host)$"
)


@dataclass
class Settings:
    """What one package manager is told: addresses, folders, certificates, files to hand on."""

    addresses: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)  # where inside, and what
    env: dict[str, str] = field(default_factory=dict)

    def hosts(self) -> frozenset[str]:
        """The hosts of the addresses, each as "host:port"."""
        return frozenset(filter(None, map(_host, self.addresses)))

    def folders(self) -> list[Path]:
        """Folders of this machine that serve as an index: they must be seen inside."""
        found = []
        for address in self.addresses:
            if address.startswith("file:"):
                folder = Path(unquote(urlsplit(address).path))
                # The pages of an index point to files beside it ("../../files/…").
                beside = folder.name == "simple" and len(folder.parts) > 2
                found.append(folder.parent if beside else folder)
        found += [Path(address) for address in self.addresses if address.startswith("/")]
        return [path for path in dict.fromkeys(found) if path.exists()]


def variables() -> dict[str, str]:
    """The package managers' variables that builds are given."""
    return {name: value for name, value in os.environ.items() if _PASSED.match(name)}


@functools.cache
def python() -> Settings:
    """pip's settings, and the same for uv, which does not read pip's files."""
    settings = Settings(env=dict(variables()))
    told = _pip_settings()
    for path, content in _pip_files():
        settings.files[path] = content
    index = _first(told, "index-url")
    extra = _words(told, "extra-index-url")
    links = _words(told, "find-links")
    trusted = _words(told, "trusted-host")
    own = {name: os.environ.get(name, "") for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")}
    env = settings.env
    if index and not any(own.values()):
        env["UV_DEFAULT_INDEX"] = index
    if extra and not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & env.keys():
        env["UV_INDEX"] = " ".join(extra)
        # pip takes the best version of all indexes; without this uv would stop at the first.
        env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if links:
        env.setdefault("UV_FIND_LINKS", ",".join(links))
    if trusted:
        env.setdefault("UV_INSECURE_HOST", " ".join(trusted))
    certificate = _first(told, "cert")
    if certificate:
        env.setdefault("SSL_CERT_FILE", certificate)
    base = index or next(filter(None, own.values()), "")
    settings.addresses = [base] if base else _pip_defaults()
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        settings.addresses += [word.rpartition("=")[2] for word in env.get(name, "").split()]
    settings.addresses += [word for word in env.get("UV_FIND_LINKS", "").split(",") if word]
    settings.addresses += extra + links
    if certificate:
        settings.addresses.append(certificate)
    return settings


@functools.cache
def node() -> Settings:
    """npm's settings (pnpm and Yarn are given the same registry)."""
    settings = Settings(env=dict(variables()))
    npm = shutil.which("npm")
    if npm is None:
        return settings
    told = _npm_settings(npm)
    registry = str(told.get("registry") or "")
    lines = []
    for name, value in told.items():
        if _NPM_KEPT.match(name) and value not in (None, "", []):
            if name.endswith("registry"):
                settings.addresses.append(str(value))
            if name == "cafile":
                settings.addresses.append(str(value))
            values = value if isinstance(value, list) else [value]
            lines += [f"{name}={_plain(each)}" for each in values]
    lines += _npm_credentials(settings.hosts(), registry)
    settings.files[".npmrc"] = ("\n".join(lines) + "\n").encode()
    if registry:
        settings.env.setdefault("COREPACK_NPM_REGISTRY", registry.rstrip("/"))
        settings.env.setdefault("YARN_REGISTRY", registry)
        settings.env.setdefault("YARN_NPM_REGISTRY_SERVER", registry.rstrip("/"))
    return settings


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
            settings.addresses += _cargo_addresses(content)
            break
    if not any(address.startswith(("http", "sparse+")) for address in settings.addresses):
        settings.addresses += _asked_of_cargo()
    return settings


def _pip_settings() -> list[tuple[str, str]]:
    """Every setting pip knows, in the order in which later ones win."""
    told: list[tuple[str, str]] = []
    for path in _pip_paths():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except configparser.Error:
            continue
        for section in ("global", "install", "download"):
            if parser.has_section(section):
                told += parser.items(section)
    for name, value in os.environ.items():
        if name.startswith("PIP_"):
            told.append((name[4:].lower().replace("_", "-"), value))
    return told


def _pip_paths() -> list[Path]:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    system = [Path(folder, "pip/pip.conf") for folder in ("/etc/xdg",)] + [Path("/etc/pip.conf")]
    user = [Path.home() / ".pip/pip.conf", config / "pip/pip.conf"]
    named = os.environ.get("PIP_CONFIG_FILE")
    found = [*system, *user, *([Path(named)] if named else [])]
    return [path for path in found if path.is_file() and os.access(path, os.R_OK)]


def _pip_files() -> Iterator[tuple[str, bytes]]:
    """pip's files as one: the sandbox has only one home for them."""
    merged = configparser.RawConfigParser()
    for path in _pip_paths():
        try:
            merged.read(path, encoding="utf-8")
        except configparser.Error:
            continue
    lines: list[str] = []
    for section in merged.sections():
        lines.append(f"[{section}]")
        lines += [
            f"{key} = " + value.replace("\n", "\n    ") for key, value in merged[section].items()
        ]
    if lines:
        yield ".config/pip/pip.conf", ("\n".join(lines) + "\n").encode()


def _pip_defaults() -> list[str]:
    """Where pip fetches when nobody tells it otherwise: it knows, so it is asked."""
    try:
        from pip._internal.models.index import PyPI  # noqa: PLC0415  # slow, rarely needed
    except ImportError:
        return []
    return [PyPI.simple_url, f"https://{PyPI.file_storage_domain}/"]


def _npm_settings(npm: str) -> dict[str, object]:
    try:
        answer = subprocess.run(
            [npm, "config", "list", "--json"],
            capture_output=True,
            text=True,
            timeout=_ASK_WITHIN,
            check=False,
            cwd="/",
        )
        told: dict[str, object] = json.loads(answer.stdout or "{}")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}
    return told


def _npm_credentials(hosts: frozenset[str], registry: str) -> list[str]:
    """Lines that sign in to a registry a person has configured.

    Only for those: a token for npm's default registry is for publishing, and installs need none.
    """
    file = Path(os.environ.get("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc")
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return []
    named = [line for line in lines if re.match(r"\s*(@[^:]+:)?registry\s*=", line)]
    if not named and not os.environ.get("NPM_CONFIG_REGISTRY"):
        return []
    kept = []
    for line in lines:
        if line.lstrip().startswith("//"):
            host = _host("https:" + line.strip().partition("=")[0].rsplit(":", 1)[0])
            if host in hosts and any(host == _host(each.partition("=")[2]) for each in named):
                kept.append(line)
    return kept if registry else []


def _cargo_addresses(content: bytes) -> list[str]:
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
    return []


def _first(told: list[tuple[str, str]], name: str) -> str:
    return next((value.strip() for key, value in reversed(told) if key == name), "")


def _words(told: list[tuple[str, str]], name: str) -> list[str]:
    return list(dict.fromkeys(shlex.split(_first(told, name))))


def _plain(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return json.dumps(text) if "\n" in text else text


def _host(address: str) -> str | None:
    parts = urlsplit(address.strip().removeprefix("sparse+").removeprefix("registry+"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{name.lower()}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
