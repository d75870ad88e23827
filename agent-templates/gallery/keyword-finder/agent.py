"""Finds the key phrases of a text: runs of words between stop words, ranked by how they occur."""

import re
from collections import defaultdict

NAME = "Keyword finder"
EXAMPLE = {
    "text": "Deep learning needs good data. Good data is rare, and deep learning is hungry.",
    "limit": 2,
}
STOP = set(
    "a about an and are as at be but by can for from has have how in is it its needs not of on or "
    "so than that the their then there they this to was we were what when which who will with "
    "you your".split()
)


def answer(request: dict) -> dict:
    text, limit = request.get("text"), request.get("limit", 10)
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`text` must be a text that is not empty.")
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 100:
        raise ValueError("`limit` must be a whole number from 1 to 100.")
    found = phrases(text)
    degree, count = defaultdict(int), defaultdict(int)
    for phrase in found:
        for word in phrase:
            count[word] += 1
            degree[word] += len(phrase)
    scores = defaultdict(float)
    for phrase in found:
        scores[" ".join(phrase)] += sum(degree[w] / count[w] for w in phrase)
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]
    return {"keywords": [{"phrase": p, "score": round(s, 2)} for p, s in ranked]}


def phrases(text: str) -> list[list[str]]:
    found, present = [], []
    for token in re.findall(r"[^\W_]+|[^\w\s]", text.lower()):
        if token in STOP or not token[0].isalnum():
            found.append(present)
            present = []
        else:
            present.append(token)
    return [phrase for phrase in [*found, present] if 1 <= len(phrase) <= 4]
