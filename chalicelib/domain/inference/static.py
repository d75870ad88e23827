"""Sources that are files to serve as they are."""

from __future__ import annotations

import re
import shlex

from chalicelib.domain.inference.evidence import Draft, Source
from chalicelib.domain.inference.hints import Hints

_FOLDERS = ("public", "dist", "build", "out", "_site", "site", "www", "html", "docs", "static")


class StaticSite:
    """One folder of a source, looked at as a site."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.pages = [name for name in source.names if name.lower().endswith((".html", ".htm"))]
        self.folder = next(
            (
                folder
                for folder in ("", *_FOLDERS)
                if source.has(f"{folder}/index.html" if folder else "index.html")
            ),
            None,
        )

    @property
    def lone(self) -> str | None:
        """A single page by another name than index.html."""
        top = [name for name in self.pages if "/" not in name]
        return top[0] if self.folder is None and len(top) == 1 else None

    @property
    def strength(self) -> float:
        """1.5: index.html at the top; 0.5: in a usual folder, or one page by another name."""
        if self.folder == "":
            return 1.5
        return 0.5 if self.folder is not None or self.lone is not None else 0

    def plan(self, draft: Draft, hints: Hints) -> None:
        """Fill the draft."""
        if hints.static and self.source.has_folder(hints.static[0].value.strip("./")):
            draft.set("static_dir", hints.static[0].value.strip("./"), hints.static[0].source)
            return
        if self.lone is not None:
            page = self.lone
            draft.set("static_dir", "", page)
            draft.set("build_command", f"cp {shlex.quote(page)} index.html", f"{page} is one page")
            return
        if self.folder is None:
            draft.say(
                "error",
                "no_index",
                "No index.html was found at the top or in public, dist or build. Add one, or add "
                "to agent.yaml the folder to serve: `build: {output: FOLDER}`.",
            )
            return
        index = f"{self.folder}/index.html" if self.folder else "index.html"
        draft.set("static_dir", self.folder, index)
        if self._one_page(index):
            draft.set("single_page", value=True, source=f"{index}: one page with a root element")

    def _one_page(self, index: str) -> bool:
        """A built front end: one page, an empty root element, and scripts."""
        pages = [p for p in self.pages if p.startswith(f"{self.folder}/" if self.folder else "")]
        text = self.source.text(index)
        return len(pages) == 1 and bool(
            re.search(r"<div id=['\"](root|app)['\"]>\s*</div>", text)
            and re.search(r"<script\b[^>]*\btype=['\"]module['\"]|/assets/|/static/js/", text)
        )
