"""The pages a source carries: its README, its licence and what lies in docs/, as people wrote it.

They stay Markdown: whoever shows them makes HTML of them through a sanitiser. Here they are only
bounded, and cleaned of what no text holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.listings import licence_of
from chalicelib.domain.plan import SourceTree

PAGES = "pages.json"
"""Where a version's pages lie, below its prefix in the artifacts bucket."""
MAX_PAGE = 200_000
MAX_PAGES = 60
MAX_ALL = 1_000_000
_README = re.compile(r"readme(\.(md|markdown|mdown|txt|rst))?", re.IGNORECASE)
_LICENCE = re.compile(r"(licen[cs]e|copying|unlicense)([.-][\w.-]+)?", re.IGNORECASE)
_PAGE = re.compile(r"docs?/[^\x00-\x1f]{1,200}\.(md|markdown)", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_HEADING = re.compile(r"^#{1,3}[ \t]+(.{1,200}?)[ \t]*#*[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page; `path` is where it lies in the source."""

    path: str
    title: str
    markdown: str


@dataclass(frozen=True)
class Pages:
    readme: str = ""
    readme_path: str = ""
    licence: str = ""
    """The SPDX name of the licence's text; "" when there is none, or none that is known."""
    licence_text: str = ""
    docs: tuple[Page, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "readme": self.readme,
            "readme_path": self.readme_path,
            "licence": self.licence,
            "licence_text": self.licence_text,
            "docs": [vars(page) for page in self.docs],
        }

    @classmethod
    def from_json(cls, found: Any) -> Pages:
        if not found:
            return cls()
        return cls(**{**found, "docs": tuple(Page(**page) for page in found["docs"])})


def read_pages(tree: SourceTree, root: str = "") -> Pages:
    """The pages of the app in the folder `root`; a README or licence at the top serves as well."""
    names = list(tree.names())
    readme_path = _first(names, _README, root)
    licence_path = _first(names, _LICENCE, root)
    licence_text = _text(tree, licence_path) if licence_path else ""
    base = f"{root}/" if root else ""
    docs: list[Page] = []
    room = MAX_ALL
    for name in names:
        inside = name.removeprefix(base)
        if not name.startswith(base) or not _PAGE.fullmatch(inside) or len(docs) == MAX_PAGES:
            continue
        text = _text(tree, name)
        room -= len(text)
        if room < 0:
            break
        docs.append(Page(inside, title_of(text) or _file_title(inside), text))
    return Pages(
        readme=_text(tree, readme_path) if readme_path else "",
        readme_path=readme_path,
        licence=licence_of(licence_text),
        licence_text=licence_text[:20_000],
        docs=tuple(docs),
    )


def title_of(markdown: str) -> str:
    """The first heading's text, without its marks."""
    found = _HEADING.search(markdown)
    return re.sub(r"[*_`\[\]<>]|\(.*?\)", "", found.group(1)).strip() if found else ""


def plain_text(markdown: str, limit: int = 240) -> str:
    """What a search should find of a page: its words, without code, addresses and marks."""
    text = re.sub(r"```.*?(```|\Z)|<!--.*?(-->|\Z)", " ", markdown[: limit * 20], flags=re.DOTALL)
    text = re.sub(r"<[^>]{0,500}>|!\[[^\]]{0,200}\]\([^)]{0,500}\)|https?://\S+", " ", text)
    text = re.sub(r"\]\([^)]{0,500}\)|[*_`#>|\[\]~-]+", " ", text)
    return " ".join(text.split())[:limit]


def _first(names: list[str], pattern: re.Pattern[str], root: str) -> str:
    """The file of this name in the app's folder or else at the top; Markdown before the rest."""
    for folder in dict.fromkeys((f"{root}/" if root else "", "")):
        here = [n for n in names if n.startswith(folder) and pattern.fullmatch(n[len(folder) :])]
        if here:
            return min(here, key=lambda n: (not n.lower().endswith((".md", ".markdown")), n))
    return ""


def _text(tree: SourceTree, path: str) -> str:
    text = tree.read(path, MAX_PAGE).decode("utf-8", "replace").removeprefix("\ufeff")
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n"))


def _file_title(path: str) -> str:
    name = path.rpartition("/")[2].rpartition(".")[0]
    return name.replace("-", " ").replace("_", " ").strip().capitalize() or path
