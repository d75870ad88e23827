"""Tells whether a crawler may fetch an address, by the rules of a site's robots.txt."""

from urllib.robotparser import RobotFileParser

NAME = "Robots checker"
EXAMPLE = {
    "robots": "User-agent: *\nDisallow: /private/\nCrawl-delay: 2\n",
    "agent": "my-crawler",
    "urls": ["https://example.com/", "https://example.com/private/a"],
}


def answer(request: dict) -> dict:
    text, agent, urls = request.get("robots"), request.get("agent", "*"), request.get("urls")
    if not isinstance(text, str) or not isinstance(agent, str):
        raise ValueError("`robots` must be the text of robots.txt, `agent` the crawler's name.")
    if not isinstance(urls, list) or not urls or not all(isinstance(u, str) for u in urls):
        raise ValueError("`urls` must be a list of addresses.")
    rules = RobotFileParser()
    rules.parse(text.splitlines())
    rules.modified()
    delay = rules.crawl_delay(agent)
    return {
        "allowed": {url: rules.can_fetch(agent, url) for url in urls[:1000]},
        "crawl_delay_seconds": delay,
        "sitemaps": rules.site_maps() or [],
    }
