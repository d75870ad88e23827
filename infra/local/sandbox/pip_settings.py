"""Where Python packages come from on this machine, as pip and uv are told."""

from __future__ import annotations

import configparser
import functools
import os
import re
import shlex
import ssl
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.local.sandbox.packages import Settings, variables
from infra.local.sandbox.upstream import basic

_PAGE_WITHIN = 5.0
_PAGE_LIMIT = 1 << 20
_LINK = re.compile(rb"""href\s*=\s*["'](https?://[^"'#]+)""", re.IGNORECASE)


@functools.cache
def python() -> Settings:
    """pip's and uv's settings; uv does not read pip's files, so it gets the same as variables."""
    settings = Settings(env=variables())
    told = _settings()
    settings.files.update(_files())
    of_uv = _uv_files()
    settings.files.update(of_uv)
    named = [address for content in of_uv.values() for address in _uv_addresses(content)]
    index, extra = _first(told, "index-url"), _words(told, "extra-index-url")
    links, certificate = _words(told, "find-links"), _first(told, "cert")
    env = settings.env
    if not named and not any(name.startswith("UV_") and "INDEX" in name for name in env):
        _translate(env, index, extra)
    if links:
        env.setdefault("UV_FIND_LINKS", ",".join(links))
    if trusted := _words(told, "trusted-host"):
        env.setdefault("UV_INSECURE_HOST", " ".join(trusted))
    if certificate:
        env.setdefault("SSL_CERT_FILE", certificate)
    base = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or index
    settings.addresses = [base] if base else _defaults()
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        settings.addresses += [word.rpartition("=")[2] for word in env.get(name, "").split()]
    settings.addresses += [word for word in env.get("UV_FIND_LINKS", "").split(",") if word]
    settings.addresses += [*named, *extra, *links]
    if base:
        settings.addresses += _file_hosts(base, certificate)
    if certificate:
        settings.addresses.append(certificate)
    return settings


def _translate(env: dict[str, str], index: str, extra: list[str]) -> None:
    if index:
        env["UV_DEFAULT_INDEX"] = index
    if extra:
        env["UV_INDEX"] = " ".join(extra)
        # pip takes the best version of all indexes; without this uv would stop at the first.
        env.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")


def _uv_files() -> dict[str, bytes]:
    """uv's own settings; a person's are merged over the machine's by uv, so the last one counts."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    found: dict[str, bytes] = {}
    for path in (Path("/etc/uv/uv.toml"), config / "uv/uv.toml"):
        if path.is_file() and os.access(path, os.R_OK):
            found[".config/uv/uv.toml"] = path.read_bytes()
    return found


def _uv_addresses(content: bytes) -> list[str]:
    try:
        told = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return []
    found = [str(each.get("url", "")) for each in told.get("index", []) if isinstance(each, dict)]
    for table in (told, told.get("pip", {})):
        for key in ("index-url", "extra-index-url", "find-links"):
            value = table.get(key, [])
            found += [str(each) for each in (value if isinstance(value, list) else [value])]
    return [address for address in found if address]


def _file_hosts(index: str, certificate: str) -> list[str]:
    """Where an index that somebody configured keeps its files: one of its pages says it."""
    parts = urlsplit(index)
    if parts.scheme not in ("http", "https"):
        return []
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    request = urllib.request.Request(f"{bare}/pip/")  # noqa: S310  # http or https, see above
    if parts.username is not None:
        known = basic(unquote(parts.username), unquote(parts.password or ""))
        request.add_header("Authorization", known)
    try:
        trust = ssl.create_default_context(cafile=certificate or None)
        with urllib.request.urlopen(request, timeout=_PAGE_WITHIN, context=trust) as answer:  # noqa: S310
            page = answer.read(_PAGE_LIMIT)
    except (OSError, ValueError):
        return []
    links = [urlsplit(link.decode("latin-1")) for link in _LINK.findall(page)]
    return sorted({f"{link.scheme}://{link.netloc}/" for link in links})


def _settings() -> list[tuple[str, str]]:
    """Every setting pip knows, in the order in which later ones win."""
    told: list[tuple[str, str]] = []
    for path in _paths():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except configparser.Error:
            continue
        for section in ("global", "install", "download"):
            if parser.has_section(section):
                told += parser.items(section)
    told += [
        (name[4:].lower().replace("_", "-"), value)
        for name, value in os.environ.items()
        if name.startswith("PIP_")
    ]
    return told


def _paths() -> list[Path]:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    system = [Path(folder, "pip/pip.conf") for folder in ("/etc/xdg",)] + [Path("/etc/pip.conf")]
    user = [Path.home() / ".pip/pip.conf", config / "pip/pip.conf"]
    named = os.environ.get("PIP_CONFIG_FILE")
    found = [*system, *user, *([Path(named)] if named else [])]
    return [path for path in found if path.is_file() and os.access(path, os.R_OK)]


def _files() -> Iterator[tuple[str, bytes]]:
    """pip's files as one: the sandbox has only one home for them."""
    merged = configparser.RawConfigParser()
    for path in _paths():
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


def _defaults() -> list[str]:
    """Where pip fetches when nobody tells it otherwise: it knows, so it is asked."""
    try:
        from pip._internal.models.index import PyPI  # noqa: PLC0415  # slow, rarely needed
    except ImportError:
        return []
    return [PyPI.simple_url, f"https://{PyPI.file_storage_domain}/"]


def _first(told: list[tuple[str, str]], name: str) -> str:
    return next((value.strip() for key, value in reversed(told) if key == name), "")


def _words(told: list[tuple[str, str]], name: str) -> list[str]:
    return list(dict.fromkeys(shlex.split(_first(told, name))))
