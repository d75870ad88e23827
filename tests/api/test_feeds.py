"""What machines read: well-formed whatever authors write, and nothing in it runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from tests.api.conftest import Client
from tests.api.test_marketplace import published
from tests.conftest import World
from tests.unit.test_search import entry

WILD = {"name": "Tom & <b>Jerry</b>", "summary": "Says \"hello\" & 'bye' ]]> <script>x</script>"}


def test_feed_and_sitemap_are_xml_and_name_the_page(
    world: World, client: Client, nobody: Client
) -> None:
    published(world, client, **WILD)
    feed = nobody("GET", "/marketplace/feed.xml")
    assert feed.headers["content-type"] == "application/rss+xml"
    item = ET.fromstring(feed.text).find("channel/item")  # noqa: S314 - made here
    assert item is not None
    assert item.findtext("title") == WILD["name"]
    assert item.findtext("link") == "http://localhost:8800/marketplace/site-crawler"
    sitemap = ET.fromstring(nobody("GET", "/marketplace/sitemap.xml").text)  # noqa: S314
    places = [e.text for e in sitemap.iter() if e.tag.endswith("loc")]
    assert "http://localhost:8800/marketplace/site-crawler" in places


def test_an_old_agent_that_was_updated_leads_the_feed_however_many_are_newer(
    world: World, nobody: Client
) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    newer = [entry(f"agent-{n}", refreshed_at=now, published_at=now) for n in range(60)]
    long_ago = now - timedelta(days=900)
    old = entry("old", published_at=long_ago, refreshed_at=now + timedelta(hours=1))
    world.catalogue.rebuild([*newer, old])
    feed = ET.fromstring(nobody("GET", "/marketplace/feed.xml").text)  # noqa: S314 - made here
    titles = [one.text for one in feed.iterfind("channel/item/title")]
    assert titles[0] == "Old"
    assert len(titles) == 40


def test_the_social_card_holds_text_only(world: World, client: Client, nobody: Client) -> None:
    published(world, client, **WILD)
    page = nobody("GET", "/marketplace/agents/{slug}/social", slug="site-crawler")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert "og:title" in page.text
    assert "Tom &amp; &lt;b&gt;" in page.text
    picture = nobody("GET", "/marketplace/agents/{slug}/picture.svg", slug="site-crawler")
    tags = {e.tag.rpartition("}")[2] for e in ET.fromstring(picture.text).iter()}  # noqa: S314
    assert tags == {"svg", "rect", "path", "text", "tspan"}
    assert "default-src 'none'" in picture.headers["content-security-policy"]


def test_nothing_public_is_an_empty_feed(world: World, nobody: Client) -> None:
    ET.fromstring(nobody("GET", "/marketplace/feed.xml").text)  # noqa: S314
    assert nobody("GET", "/marketplace/agents/{slug}/social", slug="none").status == 404
