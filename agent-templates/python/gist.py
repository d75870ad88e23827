"""What the agent knows about text: which sentences carry it, and which phrases name it.

Everything here is a pure function of the text. The same text always gives the same gist, which
makes the agent easy to test and its answers easy to trust: no sentence is invented, each one is
quoted from the input.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
# A stop, whatever closes after it, white space, and something that can open a sentence.
SENTENCE_END = re.compile(
    r"""[.!?\u2026]+["'\u201d\u2019\u00bb)\]]*\s+(?=["'\u201c\u2018\u00ab(\[]?[^\W_])"""
)
# A full stop after these, or after a single letter, does not end a sentence.
ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[a-z]|mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|fig|approx|inc|ltd)\.$",
    re.IGNORECASE,
)
# Function words, which say nothing by themselves. Replace the file for another language.
STOP_WORDS = frozenset((Path(__file__).parent / "stopwords.txt").read_text("utf-8").split())
SHORTEST_WORD = 3
LONGEST_PHRASE = 3


@dataclass(frozen=True)
class Gist:
    """The answer: quoted sentences in reading order, and phrases by weight."""

    summary: tuple[str, ...]
    keyphrases: tuple[tuple[str, float], ...]
    words: int
    sentences: int


def gist(text: str, *, sentences: int = 3, keyphrases: int = 8) -> Gist:
    """Choose the sentences that say most, and the phrases that name what it is about."""
    parts = split_sentences(text)
    spoken = [[word.lower() for word in WORD.findall(part)] for part in parts]
    return Gist(
        summary=tuple(parts[i] for i in choose(spoken, sentences)),
        keyphrases=tuple(rank_phrases(parts)[:keyphrases]),
        words=sum(len(words) for words in spoken),
        sentences=len(parts),
    )


def split_sentences(text: str) -> list[str]:
    """Cut at full stops, question marks and blank lines, but not after "Dr." or "e.g."."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        line = " ".join(paragraph.split())
        begin = 0
        for match in SENTENCE_END.finditer(line):
            # Only the last word is looked at: a text of nothing but stops must not take minutes.
            if not ABBREVIATION.search(line[max(begin, match.start() - 8) : match.start() + 1]):
                found.append(line[begin : match.end()].rstrip())
                begin = match.end()
        found.append(line[begin:])
    return [sentence for sentence in found if WORD.search(sentence)]


def choose(spoken: list[list[str]], wanted: int) -> list[int]:
    """Pick sentences by the SumBasic rule: frequent words count, words already told count less."""
    content = [[word for word in words if is_content(word)] for words in spoken]
    counts = Counter(word for words in content for word in words)
    total = sum(counts.values()) or 1
    weight = {word: count / total for word, count in counts.items()}
    left = {i for i, words in enumerate(content) if words}
    chosen: list[int] = []

    def score(i: int) -> tuple[float, int]:
        # Very short sentences would win on average weight alone; a tie goes to the earlier one.
        words = content[i]
        return sum(weight[word] for word in words) / max(len(words), 6), -i

    while left and len(chosen) < wanted:
        best = max(left, key=score)
        left.remove(best)
        chosen.append(best)
        for word in set(content[best]):
            weight[word] **= 2
    return sorted(chosen)


def rank_phrases(parts: list[str]) -> list[tuple[str, float]]:
    """Score runs of content words by the RAKE rule: degree over frequency, times repetition."""
    runs = Counter(run for part in parts for run in phrase_runs(part))
    frequency: Counter[str] = Counter()
    degree: Counter[str] = Counter()
    for run, count in runs.items():
        for word in run:
            frequency[word] += count
            degree[word] += count * len(run)
    scored = {
        " ".join(run): count * sum(degree[word] / frequency[word] for word in run)
        for run, count in runs.items()
    }
    return [
        (phrase, round(score, 2))
        for phrase, score in sorted(scored.items(), key=lambda item: (-item[1], item[0]))
    ]


def phrase_runs(sentence: str) -> list[tuple[str, ...]]:
    """Maximal runs of content words that no other word or punctuation interrupts."""
    runs: list[tuple[str, ...]] = []
    run: list[str] = []
    end = 0
    for match in WORD.finditer(sentence):
        word = match.group().lower()
        adjoining = sentence[end : match.start()].strip() == ""
        end = match.end()
        if run and (not adjoining or not is_content(word) or len(run) == LONGEST_PHRASE):
            runs.append(tuple(run))
            run = []
        if is_content(word):
            run.append(word)
    return [*runs, tuple(run)] if run else runs


def is_content(word: str) -> bool:
    """Whether a word means something by itself."""
    return len(word) >= SHORTEST_WORD and word not in STOP_WORDS
