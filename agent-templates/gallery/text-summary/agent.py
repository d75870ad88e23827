"""Shortens a text: it keeps the sentences whose words matter most, in the order of the text."""

import re
from collections import Counter

NAME = "Text summary"
EXAMPLE = {
    "text": "Ships are built on a slipway. The weather was fine. A slipway leads ships to water. "
    "Somebody had lunch.",
    "sentences": 2,
}
STOP = set(
    "a an and are as at be been but by can did do for from had has have he her his how i if in is "
    "it its more not of on or she so some than that the their them then there they this to up was "
    "we were what when which who will with would you your somebody".split()
)


def answer(request: dict) -> dict:
    text, wanted = request.get("text"), request.get("sentences", 3)
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`text` must be a text that is not empty.")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or not 1 <= wanted <= 50:
        raise ValueError("`sentences` must be a whole number from 1 to 50.")
    found = [s.strip() for s in re.split(r"(?<=[.!?])\s+", text.strip()) if s.strip()]
    counts = Counter(w for s in found for w in words(s))
    weights = [sum(counts[w] for w in words(s)) / (len(words(s)) or 1) for s in found]
    best = sorted(range(len(found)), key=lambda n: (-weights[n], n))[:wanted]
    return {"summary": [found[n] for n in sorted(best)], "sentences": len(found)}


def words(sentence: str) -> list[str]:
    return [w for w in re.findall(r"[^\W\d_]+", sentence.lower()) if w not in STOP]
