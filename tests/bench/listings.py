"""Listings for measuring: any number of made-up ones whose words are spread as in real text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from chalicelib.domain.agents import Category, Runtime
from chalicelib.domain.search import Counts, Entry, trend_of

_VERBS = """
    summarises extracts converts watches cleans translates classifies monitors scrapes validates
    generates sorts merges compares tracks schedules formats checks parses collects ranks
    transcribes forwards archives enriches deduplicates anonymises predicts labels answers
""".split()  # noqa: SIM905 - a paragraph is easier to read
_THINGS = """
    invoices emails tweets articles prices spreadsheets contracts images logs feeds tickets
    recipes calendars meetings reviews jobs products tables receipts resumes surveys podcasts
    videos charts maps weather stocks domains certificates backups websites links sitemaps forms
    addresses phones contacts leads orders shipments flights hotels events news papers citations
    code commits issues pipelines metrics alerts databases queries schemas dictionaries glossaries
""".split()  # noqa: SIM905 - a paragraph is easier to read
_WITH = """
    markdown json csv pdf html excel slack github telegram notion rss sqlite webhook rest graphql
    openai regex ocr cron s3 postgres redis docker terraform kubernetes stripe shopify
""".split()  # noqa: SIM905 - a paragraph is easier to read
_SYLLABLES = """
    ba co di fu ga he ki lo mu na pe qui ro sa te vo wa xi yo zu bri cla dro fle
""".split()  # noqa: SIM905 - a paragraph is easier to read
_START = datetime(2026, 1, 1, tzinfo=UTC)


def listings(number: int, seed: int = 7) -> Iterator[Entry]:
    """Made-up listings. A few words are everywhere, most are rare, as Zipf's law has it."""
    chance = random.Random(seed)  # noqa: S311 - the same for everybody
    rare = [
        "".join(chance.choice(_SYLLABLES) for _ in range(chance.randint(2, 4)))
        for _ in range(max(1000, number // 2))
    ]
    weights = [1 / (rank + 20) for rank in range(len(rare))]
    odd = chance.choices(rare, weights, k=number * 12)
    for n in range(number):
        verb, thing, how = chance.choice(_VERBS), chance.choice(_THINGS), chance.choice(_WITH)
        words = odd[n * 12 : n * 12 + 12]
        brand = f"{words[0]}{n % 97}".capitalize()
        made = _START + timedelta(minutes=chance.randrange(400_000))
        deployments = int(chance.paretovariate(0.9)) - 1
        ratings = deployments // 9
        yield Entry(
            agent_id=f"agt_{n:026d}",
            slug=f"{brand.lower()}-{thing}-{n}",
            name=f"{brand} {thing}",
            summary=f"{verb.capitalize()} {thing} and {chance.choice(_THINGS)} from {how} "
            f"for {words[1]} teams, an agent that {chance.choice(_VERBS)} {words[2]}",
            publisher=f"{words[3].capitalize()} labs",
            categories=(chance.choice(list(Category)),),
            tags=(thing, how, words[4]),
            runtime=chance.choice(list(Runtime)),
            licence="MIT",
            icon="",
            picture=f"media/{chance.randbytes(8).hex()}/{chance.randbytes(12).hex()}.webp",
            label="1.0.0",
            published_at=made,
            refreshed_at=made,
            counts=Counts(
                views=deployments * 20,
                deployments=deployments,
                users=deployments,
                ratings=ratings,
                stars=sum(chance.choices((1, 2, 3, 4, 5), (1, 1, 2, 4, 5), k=min(ratings, 50))),
                trend=deployments * trend_of(made),
            ),
            body=f"This agent {chance.choice(_VERBS)} {chance.choice(_THINGS)} with {how}. It uses "
            f"{' and '.join(words[5:9])} and {chance.choice(_WITH)}. Set the variable, deploy it, "
            f"then send a request. {' '.join(words[9:])}.",
        )


QUERIES = (
    *(f"{verb} {thing}" for verb, thing in zip(_VERBS, _THINGS, strict=False)),
    *(f"{thing} from {how}" for thing, how in zip(_THINGS, _WITH, strict=False)),
    *_THINGS,
    *(thing[:1] + thing[2] + thing[1] + thing[3:] for thing in _THINGS[:20]),
    *(how[:3] for how in _WITH),
    *_WITH,
    "agent",
    "an agent that summarises emails for teams and sends json to slack",
    "set the variable deploy it then send a request",
    "",
)
"""What people type: two words, one, misspelt, unfinished, everywhere, whole sentences, nothing."""
