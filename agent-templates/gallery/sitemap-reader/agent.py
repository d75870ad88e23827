"""Lists the addresses of a sitemap, newest first, and the sitemaps of a sitemap index."""

import re
from html import unescape

NAME = "Sitemap reader"
EXAMPLE = {
    "xml": "<urlset><url><loc>https://example.com/</loc><lastmod>2026-01-02</lastmod></url>"
    "<url><loc>https://example.com/new</loc><lastmod>2026-03-04</lastmod></url></urlset>"
}
ENTRY = re.compile(r"<(url|sitemap)\b[^>]*>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)
FIELD = r"<{0}\b[^>]*>\s*(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?\s*</{0}\s*>"


def answer(request: dict) -> dict:
    xml = request.get("xml")
    if not isinstance(xml, str) or "<" not in xml:
        raise ValueError("`xml` must be the text of a sitemap.")
    # No XML parser: a sitemap needs none of what makes parsing strangers' XML dangerous.
    found = {"url": [], "sitemap": []}
    for kind, inside in ENTRY.findall(xml):
        address = field("loc", inside)
        if address:
            found[kind.lower()].append({"url": address, "modified": field("lastmod", inside)})
    for entries in found.values():
        entries.sort(key=lambda entry: entry["modified"] or "", reverse=True)
    return {"pages": found["url"], "sitemaps": found["sitemap"]}


def field(name: str, inside: str) -> str | None:
    match = re.search(FIELD.format(name), inside, re.DOTALL | re.IGNORECASE)
    return unescape(match.group(1).strip()) if match else None
