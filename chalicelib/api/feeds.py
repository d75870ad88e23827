"""Endpoints that machines read: the feed, the sitemap, social cards."""

from __future__ import annotations

from chalice.app import Blueprint

from chalicelib.api.http import Answer, Call, endpoint
from chalicelib.domain.feeds import rss, sitemap, social_page, social_picture

feeds = Blueprint(__name__)

_AN_HOUR = "public, max-age=3600"


@endpoint(
    feeds,
    "GET",
    "/marketplace/feed.xml",
    summary="Read the feed of new and updated agents (RSS 2.0)",
    answer=None,
    public=True,
)
def get_feed(call: Call) -> Answer:
    entries = call.platform.marketplace.newest()
    return _document(rss(call.platform.settings.web_url, entries), "application/rss+xml")


@endpoint(
    feeds,
    "GET",
    "/marketplace/sitemap.xml",
    summary="Read the sitemap of the marketplace's pages",
    answer=None,
    public=True,
)
def get_sitemap(call: Call) -> Answer:
    pages = call.platform.marketplace.pages()
    return _document(sitemap(call.platform.settings.web_url, pages), "application/xml")


@endpoint(
    feeds,
    "GET",
    "/marketplace/agents/{slug}/social",
    summary="A page for link previews that leads on to the agent's own",
    answer=None,
    errors=(404,),
    public=True,
)
def get_social_page(call: Call, slug: str) -> Answer:
    entry, screenshots = call.platform.marketplace.entry(slug)
    page = social_page(call.platform.settings.web_url, entry, screenshots)
    return _document(page, "text/html; charset=utf-8")


@endpoint(
    feeds,
    "GET",
    "/marketplace/agents/{slug}/picture.svg",
    summary="The picture of an agent's social card",
    answer=None,
    errors=(404,),
    public=True,
)
def get_social_picture(call: Call, slug: str) -> Answer:
    entry, _ = call.platform.marketplace.entry(slug)
    return _document(social_picture(entry), "image/svg+xml")


def _document(text: str, kind: str) -> Answer:
    # As with every answer of the API, nothing in it may run or be fetched (api/http.py).
    return Answer(text, headers={"Content-Type": kind, "Cache-Control": _AN_HOUR})
