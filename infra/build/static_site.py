"""A static site knows which file answers which path: the same rules as where it will be served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from chalicelib.domain.plan import Plan
from infra.build.faults import Failed
from infra.build.wire import Answer

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".xml": "application/xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".pdf": "application/pdf",
}


@dataclass(frozen=True, slots=True)
class StaticSite:
    """A folder of files, as it answers GET."""

    folder: Path
    single_page: bool
    count: int

    @classmethod
    def open(cls, source: Path, plan: Plan) -> StaticSite:
        """The plan's output folder; it must have something to show."""
        folder = (source / plan.root / (plan.static_dir or "")).resolve()
        place = plan.static_dir or "the source"
        # The build may have made links: what they lead to outside is the machine's, not the site's.
        if not folder.is_relative_to(source.resolve()):
            raise Failed.because(
                "static_output_outside",
                f"{place} leads out of the source. Set build.output in agent.yaml to a folder "
                "inside it.",
            )
        if not folder.is_dir():
            raise Failed.because(
                "static_output_missing",
                f"The build did not make the folder {place}. Set build.output in agent.yaml to "
                "the folder your build writes to.",
            )
        count = sum(1 for path in folder.rglob("*") if path.is_file())
        site = cls(folder, plan.single_page, count)
        if site._find("") is None:
            pages = sorted(path.name for path in folder.glob("*.htm*"))
            if not pages:
                raise Failed.because(
                    "static_index_missing",
                    f"There is no index.html in {place}. Add one, or set build.output in "
                    "agent.yaml to the folder that has it.",
                )
        return site

    def answer(self, method: str, target: str) -> Answer:
        """What this site answers."""
        if method not in {"GET", "HEAD"}:
            return Answer(405, "Method Not Allowed", {"allow": "GET, HEAD"}, b"")
        path = unquote(urlsplit(target).path).lstrip("/")
        found = self._find(path)
        if found is None and self.single_page and "." not in path.rpartition("/")[2]:
            found = self._find("")
        if found is None:
            return Answer(404, "Not Found", {"content-type": "text/plain"}, b"Not found")
        kind = _TYPES.get(found.suffix.lower(), "application/octet-stream")
        body = b"" if method == "HEAD" else found.read_bytes()
        return Answer(200, "OK", {"content-type": kind}, body)

    def _find(self, path: str) -> Path | None:
        for name in (path, f"{path.rstrip('/')}/index.html".lstrip("/"), f"{path}.html"):
            try:
                candidate = (self.folder / name).resolve()
            except (OSError, RuntimeError, ValueError):  # links in a circle, or no name at all
                continue
            if candidate.is_relative_to(self.folder) and candidate.is_file():
                return candidate
        return None
