"""The pages a source carries: its README, its licence and what lies in docs/, as people wrote it.

They stay Markdown: whoever shows them makes HTML of them through a sanitiser. Here they are only
bounded, and cleaned of what no text holds.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Set
from typing import Any

from chalicelib.domain.listings import licence_of
from chalicelib.domain.plan import SourceTree
from chalicelib.domain.search import STOP_WORDS, bare, distance, words_of
from chalicelib.values import frozen

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


@frozen
class Page:
    """One page; `path` is where it lies in the source."""

    path: str
    title: str
    markdown: str


@frozen
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


@frozen
class Passage:
    """Where a page has what was looked for. `excerpt` is plain text around the first place."""

    path: str
    title: str
    heading: str
    excerpt: str


_SECTION = re.compile(r"^(#{1,6})[ \t]+(.{1,200}?)[ \t]*#*[ \t]*$", re.MULTILINE)
_EXCERPT = 200


def look_up(pages: Iterable[Page], text: str, limit: int = 20) -> list[Passage]:
    """The sections that have the words of `text`, the best first; each word may be unfinished, and
    one that stands nowhere may be a letter or two away from one that does."""
    sections = [section for page in pages for section in _sections(page)]
    words = [word for word in words_of(text) if word not in STOP_WORDS] or words_of(text)
    known = {word for section in sections for word in section.words}
    wanted = [_meant(word, known) for word in words]
    found: list[tuple[float, int, Passage]] = []
    for position, section in enumerate(sections):
        score = _score(section, wanted)
        if score > 0:
            passage = Passage(
                section.page.path, section.page.title, section.heading, _around(section, wanted)
            )
            found.append((-score, position, passage))
    return [passage for _, _, passage in sorted(found, key=lambda one: one[:2])[:limit]]


@frozen
class _Section:
    page: Page
    heading: str
    text: str
    words: Mapping[str, int]


def _sections(page: Page) -> list[_Section]:
    marks = list(_SECTION.finditer(page.markdown))
    starts = [0, *(mark.start() for mark in marks)]
    ends = [*(mark.start() for mark in marks), len(page.markdown)]
    headings = ["", *(mark.group(2) for mark in marks)]
    found = []
    for heading, start, end in zip(headings, starts, ends, strict=True):
        body = page.markdown[start:end]
        counted: dict[str, int] = {}
        for word in _bare_words(body):
            counted[word] = counted.get(word, 0) + 1
        if counted:
            shown = title_of(f"# {heading}") if heading else page.title
            found.append(_Section(page, shown, body, counted))
    return found


def _bare_words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).replace("_", " ")
    return [bare(word) for word in re.findall(r"\w{1,40}", plain)]


def _meant(word: str, known: Set[str]) -> frozenset[str]:
    """What stands for a word: those that begin with it, or else those it is nearly."""
    stem = bare(word)
    found = {one for one in known if one.startswith(stem)}
    if not found and len(word) > 3:
        limit = 1 if len(word) < 6 else 2
        found = {one for one in known if distance(stem, one, limit) <= limit}
    return frozenset(found)


def _score(section: _Section, wanted: list[frozenset[str]]) -> float:
    heading = set(_bare_words(section.heading))
    score = 0.0
    for group in wanted:
        times = sum(section.words.get(word, 0) for word in group)
        if not times:
            return 0.0
        score += math.log1p(times) / (1 + math.log1p(len(section.words)) / 10)
        score += 3.0 if heading & group else 0.0
    return score


def _around(section: _Section, wanted: list[frozenset[str]]) -> str:
    """The plain words around the first place that was looked for."""
    text = plain_text(section.text, 100_000)
    sought = {word for group in wanted for word in group}
    start = 0
    for match in re.finditer(r"\w{1,40}", text):
        if set(_bare_words(match.group())) & sought:
            start = max(0, match.start() - _EXCERPT // 3)
            break
    if start:
        start = text.find(" ", start) + 1
    cut = text[start : start + _EXCERPT]
    return f"{'… ' if start else ''}{cut}{' …' if start + _EXCERPT < len(text) else ''}"


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
