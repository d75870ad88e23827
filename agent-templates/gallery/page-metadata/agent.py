"""Reads out of a page's HTML what it says about itself: title, description, social tags, links."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

NAME = "Page metadata"
EXAMPLE = {
    "html": '<html lang="en"><title>Slipway</title><meta name="description" content="Runs agents">'
    '<a href="/docs">Docs</a></html>',
    "base": "https://example.com/",
}


class Reader(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base = base
        self.title: list[str] = []
        self.inside = False
        self.found: dict = {"language": None, "description": None, "social": {}, "links": []}

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.found["language"] = values.get("lang") or None
        elif tag == "title":
            self.inside = not self.title
        elif tag == "meta":
            self.meta(values.get("name", "") or values.get("property", ""), values)
        elif tag == "a" and values.get("href") and len(self.found["links"]) < 1000:
            target = urljoin(self.base, values["href"])
            if (
                urlsplit(target).scheme in ("http", "https", "")
                and target not in self.found["links"]
            ):
                self.found["links"].append(target)

    def meta(self, name: str, values: dict) -> None:
        name = name.lower()
        if name == "description":
            self.found["description"] = values.get("content")
        elif name.startswith(("og:", "twitter:")):
            self.found["social"][name] = values.get("content")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "title"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.title.append(data)


def answer(request: dict) -> dict:
    page, base = request.get("html"), request.get("base", "")
    if not isinstance(page, str) or not page.strip():
        raise ValueError("`html` must be the page's source.")
    if not isinstance(base, str):
        raise ValueError("`base` must be the page's address.")
    reader = Reader(base)
    reader.feed(page)
    reader.close()
    title = " ".join("".join(reader.title).split())
    return {"title": title or None, **reader.found}
