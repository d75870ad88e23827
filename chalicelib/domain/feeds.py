"""What machines read of the marketplace: a feed of what is new, a sitemap, and social cards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from urllib.parse import quote

from chalicelib.domain.images import Screenshot
from chalicelib.domain.search import Entry

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def page_url(web_url: str, slug: str) -> str:
    """Where people read about an agent."""
    return f"{web_url}/marketplace/{quote(slug)}"


def rss(web_url: str, entries: Iterable[Entry]) -> str:
    """RSS 2.0 of these agents, in this order."""
    items = "".join(
        "<item>"
        f"<title>{_text(entry.name)}</title>"
        f"<link>{_text(page_url(web_url, entry.slug))}</link>"
        f'<guid isPermaLink="false">{_text(entry.slug)}@{entry.refreshed_at:%Y%m%d%H%M%S}</guid>'
        f"<pubDate>{format_datetime(entry.refreshed_at.astimezone(UTC), usegmt=True)}</pubDate>"
        f"<description>{_text(f'{entry.summary} ({entry.label})')}</description>"
        + "".join(f"<category>{_text(category)}</category>" for category in entry.categories)
        + "</item>"
        for entry in entries
    )
    here = f"{web_url}/marketplace"
    return (
        f'{_DECLARATION}<rss version="2.0"><channel><title>Slipway marketplace</title>'
        f"<link>{_text(here)}</link><description>New and updated agents</description>"
        f"{items}</channel></rss>"
    )


def sitemap(web_url: str, pages: Iterable[tuple[str, datetime]]) -> str:
    """A sitemap of these agents' pages: slug, and when it was last changed."""
    urls = "".join(
        f"<url><loc>{_text(page_url(web_url, slug))}</loc>"
        f"<lastmod>{changed.astimezone(UTC).date().isoformat()}</lastmod></url>"
        for slug, changed in pages
    )
    return (
        f'{_DECLARATION}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        f"<url><loc>{_text(web_url)}/marketplace</loc></url>{urls}</urlset>"
    )


def social_page(web_url: str, entry: Entry, screenshots: Sequence[Screenshot] = ()) -> str:
    """A page that tells link previews what is behind it, and leads people on to it.

    A screenshot or an icon of the agent's is shown where there is one, since many previews show no
    drawn picture; else the card that is drawn of its words.
    """
    target = page_url(web_url, entry.slug)
    mean = entry.counts.mean
    rated = "" if mean is None else f"★ {mean:.1f} ({entry.counts.ratings})"
    # The rating stands in the title: many previews show a picture and no description.
    title = " ".join(part for part in (entry.icon, entry.name, rated) if part)
    about = entry.summary
    picture = f"{web_url}/api/v1/marketplace/agents/{quote(entry.slug)}/picture.svg"
    size, shown = {}, "summary_large_image"
    if screenshots:
        first = screenshots[0]
        picture = f"{web_url}/{first.path}"
        size = {"og:image:width": first.width, "og:image:height": first.height}
    elif entry.picture:
        picture, shown = f"{web_url}/{entry.picture}", "summary"
    tags = {
        "og:type": "website",
        "og:site_name": "Slipway",
        "og:title": title,
        "og:description": about,
        "og:url": target,
        "og:image": picture,
        "og:image:alt": (screenshots[0].alt if screenshots else "") or entry.name,
        **size,
        "twitter:card": shown,
    }
    if rated:
        tags |= {"twitter:label1": "Rating", "twitter:data1": rated}
    metas = "".join(
        f'<meta property="{name}" content="{_text(value)}">' for name, value in tags.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta name="description" content="{_text(about)}">{metas}'
        f'<link rel="canonical" href="{_text(target)}">'
        f'<meta http-equiv="refresh" content="0; url={_text(target)}"></head>'
        f'<body><a href="{_text(target)}">{_text(title)}</a>: {_text(about)}</body></html>'
    )


def social_picture(entry: Entry) -> str:
    """The picture of a social card: name, summary, rating. It holds text and shapes only."""
    mean = entry.counts.mean
    rated = "not rated yet" if mean is None else f"★ {mean:.1f} · {entry.counts.ratings} ratings"
    lines = "".join(
        f'<tspan x="80" dy="{0 if n == 0 else 52}">{_text(line)}</tspan>'
        for n, line in enumerate(_wrapped(entry.summary, 44)[:4])
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="630" viewBox="0 0 1200 630" '
        'font-family="system-ui, sans-serif"><rect width="1200" height="630" fill="#11212b"/>'
        '<path d="M0 560 L1200 470 V630 H0 Z" fill="#1e333f"/>'
        '<path d="M0 560 L1200 470" stroke="#e2714a" stroke-width="6"/>'
        '<text x="80" y="170" font-size="72" font-weight="700" fill="#fff">'
        f"{_text(f'{entry.icon} {entry.name[:28]}'.strip())}</text>"
        f'<text x="80" y="260" font-size="40" fill="#d5dee1">{lines}</text>'
        f'<text x="80" y="580" font-size="34" fill="#a9bdc7">{_text(rated)} · '
        f"{_text(entry.publisher[:40])}</text>"
        '<text x="1120" y="580" font-size="34" fill="#a9bdc7" text-anchor="end">Slipway</text>'
        "</svg>"
    )


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word[:width]}".strip()
    return lines


def _text(value: object) -> str:
    return escape(str(value))
