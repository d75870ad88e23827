"""How a static bundle answers: files with the right headers, and nothing outside its folder."""

from __future__ import annotations

import html
import mimetypes
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

from infra.local.yard.health import Unhealthy

TYPES = {
    ".avif": "image/avif",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
FINGERPRINTED = re.compile(r"[.-](?=[A-Za-z0-9_-]*[0-9])[A-Za-z0-9_-]{8,}\.[A-Za-z0-9]+$")
"""Names that bundlers give to files whose content never changes."""


@dataclass(frozen=True)
class Answer:
    """A response; the body is either `body` or a part of `file`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: Path | None = None
    start: int = 0
    length: int = 0


class Site:
    """Serves one folder, read-only."""

    def __init__(self, root: Path, *, single_page: bool) -> None:
        self._root = root.resolve()
        self._single_page = single_page

    def describe(self) -> str:
        """For the log."""
        fallback = ", unknown paths show index.html" if self._single_page else ""
        return f"the static folder {self._root.name or '/'}{fallback}"

    def healthy(self, path: str, override: int | None) -> int:
        """One look is enough; raises Unhealthy like a process that does not answer 200."""
        status = override or self.answer("GET", path, {}).status
        if status != 200:
            raise Unhealthy(1, f"{path} answered {status}, and only 200 counts")
        return 1

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """The response to a request; `headers` has lower-case names. Blocking, but only stats."""
        if method not in ("GET", "HEAD"):
            return _text(405, "Only GET and HEAD are answered here.", {"Allow": "GET, HEAD"})
        path, _, query = target.partition("?")
        found = self._find(unquote(path, errors="replace"))
        if found is None:
            return self._missing(path, headers)
        if found.is_dir():
            suffix = f"?{query}" if query else ""
            place = quote("/" + path.lstrip("/"), safe="/%") + "/" + suffix
            return _text(308, "", {"Location": place})
        return self._file(found, headers)

    def _find(self, path: str) -> Path | None:
        """The file for a path; a folder without its slash comes back as the folder."""
        if "\0" in path or "\\" in path:
            return None
        place = self._inside(self._root / path.lstrip("/"))
        if place is None:
            return None
        if place.is_dir():
            index = self._file_at(place / "index.html")
            return index if index is None or path.endswith("/") or not path else place
        if path.endswith("/"):
            return None
        return place if place.is_file() else self._file_at(place.with_name(place.name + ".html"))

    def _inside(self, place: Path) -> Path | None:
        """Where a path really leads, unless that is outside of the folder or hidden.

        Whatever is served has come through here: any name in a site may be a link.
        """
        try:
            real = place.resolve()
        except (OSError, RuntimeError):  # links in a circle
            return None
        if not real.is_relative_to(self._root):
            return None
        parts = real.relative_to(self._root).parts
        hidden = any(part.startswith(".") and part != ".well-known" for part in parts)
        return None if hidden else real

    def _file_at(self, place: Path) -> Path | None:
        real = self._inside(place)
        return real if real is not None and real.is_file() else None

    def _missing(self, path: str, headers: Mapping[str, str]) -> Answer:
        index = self._file_at(self._root / "index.html")
        wants_page = "text/html" in headers.get("accept", "") or "." not in path.rpartition("/")[2]
        if self._single_page and wants_page and index is not None:
            return self._file(index, headers)
        own = self._file_at(self._root / "404.html")
        if own is not None:
            with open_file(own) as file:
                body = file.read()
            return Answer(404, {"Content-Type": TYPES[".html"]}, body)
        return _text(404, f"There is no {html.escape(unquote(path, errors='replace'))} here.")

    def _file(self, path: Path, headers: Mapping[str, str]) -> Answer:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            return _text(404, "Not a file.")
        size = facts.st_size
        tag = f'"{facts.st_ino:x}-{size:x}-{facts.st_mtime_ns:x}"'
        out = {
            "Content-Type": content_type(path),
            "ETag": tag,
            "Last-Modified": formatdate(facts.st_mtime, usegmt=True),
            "Cache-Control": "public, max-age=31536000, immutable"
            if FINGERPRINTED.search(path.name)
            else "no-cache",
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
        }
        if _unchanged(headers, tag, facts.st_mtime):
            return Answer(304, out)
        span = _range(headers, tag, size)
        if span is None:
            return Answer(200, out, file=path, length=size)
        start, end = span
        if start >= size or end < start:
            return Answer(416, {**out, "Content-Range": f"bytes */{size}"})
        out["Content-Range"] = f"bytes {start}-{end}/{size}"
        return Answer(206, out, file=path, start=start, length=end - start + 1)


def open_file(path: Path) -> BinaryIO:
    """Opens what a site found; not if it has become a link meanwhile."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def content_type(path: Path) -> str:
    """By the name alone: bundlers and people name files rightly, sniffing guesses."""
    suffix = path.suffix.lower()
    if suffix in TYPES:
        return TYPES[suffix]
    guessed, encoding = mimetypes.guess_type(path.name, strict=False)
    if guessed is None or encoding is not None:
        return "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def _unchanged(headers: Mapping[str, str], tag: str, modified: float) -> bool:
    if "if-none-match" in headers:
        given = {one.strip().removeprefix("W/") for one in headers["if-none-match"].split(",")}
        return tag in given or "*" in given
    if "if-modified-since" in headers:
        try:
            return int(modified) <= parsedate_to_datetime(headers["if-modified-since"]).timestamp()
        except (TypeError, ValueError):
            return False
    return False


def _range(headers: Mapping[str, str], tag: str, size: int) -> tuple[int, int] | None:
    """One byte range; several at once, or one for an older file, get the whole file."""
    if headers.get("if-range", tag) != tag:
        return None
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", "").strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    out = {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}
    return Answer(status, out, text.encode())
