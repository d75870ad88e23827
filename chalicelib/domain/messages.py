"""Commit messages as they may be shown: one line, without what looks like a secret."""

from __future__ import annotations

import re

from chalicelib.domain.masking import MASK

MAX_MESSAGE = 200
_SECRETS = re.compile(
    r"""
    (?<=://)[^\s/@:]*:[^\s/@]+(?=@)                     # user:password in an address
    | -----BEGIN[ A-Z]*PRIVATE\ KEY.*                   # a key, to the end
    | \b(?:gh[pousr]_|github_pat_|glpat-|slp_|sk-|sk_live_|rk_live_|xox[abposr]-|npm_|pypi-|hf_)
      [A-Za-z0-9_-]{12,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | \bAIza[A-Za-z0-9_-]{30,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
    | (?:(?<=password)|(?<=passwd)|(?<=secret)|(?<=token)|(?<=api_key)|(?<=apikey))
      \s*[=:]\s*["']?[^\s"']{4,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Long, without a break, in more than one kind of sign: a key rather than a word. A commit's own
# name (hexadecimal) is none.
_DENSE = re.compile(r"(?<![\w/+-])[A-Za-z0-9+/_-]{32,}={0,2}(?![\w/+-])")
_EMAIL = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+\.[^\s@<>,;:\"]+")


def shown_message(message: str) -> str:
    """The first line, short, with whatever may be a secret masked."""
    text = message.strip().partition("\n")[0]
    text = "".join(c if c.isprintable() else " " for c in text[:1000])
    text = _SECRETS.sub(MASK, text)
    text = _DENSE.sub(lambda found: MASK if _is_dense(found[0]) else found[0], text)
    text = _EMAIL.sub("[email]", text).strip()
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 1]}…"


def shown_author(author: str) -> str:
    """A name as it may be shown: one short line, no address."""
    text = "".join(c if c.isprintable() else " " for c in author[:100]).strip()
    return _EMAIL.sub("[email]", text)


def _is_dense(word: str) -> bool:
    kinds = (any(c.islower() for c in word), any(c.isupper() for c in word))
    return all(kinds) and any(c.isdigit() for c in word)
