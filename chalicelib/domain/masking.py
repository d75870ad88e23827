"""Taking secret values out of whatever is written or shown; one rule for builds and for agents.

A value is found plain, base64 (at each alignment, also URL-safe), hexadecimal, percent-encoded and
escaped as in JSON, HTML and Python. Not found: values shorter than `SHORTEST`, values that were
cut apart, compressed or encrypted, and encodings of encodings other than JSON in JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "•••"
SHORTEST = 4
"""Shorter values are no secrets, and masking them would make a log unreadable."""
_SHORTEST_LINE = 8


class Masker:
    """Replaces the secrets it was given, in every form, wherever they appear."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            forms |= _forms(secret)
        # The longest first, so that no part of a value is left beside its mask.
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self.longest = len(self._forms[0]) if self._forms else 0

    def __call__(self, text: str) -> str:
        """`text` without the secrets."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def deep(self, value: Any) -> Any:
        """The same for every string inside plain JSON; keys are ours and stay."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.deep(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.deep(item) for item in value]
        return value


def _forms(secret: str) -> set[str]:
    import html  # noqa: PLC0415 - only those who have secrets pay for it

    if len(secret.strip()) < SHORTEST:
        return set()
    # A log is made of lines, so a key of many lines must be known by each of them.
    lines = {line.strip() for line in secret.splitlines()}
    plain = {secret, secret.strip(), *_password(secret)}
    plain |= {line for line in lines if len(line) >= _SHORTEST_LINE}
    forms = set(plain)
    for text in plain:
        data = text.encode("utf-8", "surrogatepass")
        forms |= _percent_forms(text) | _base64_forms(data)
        forms |= {data.hex(), data.hex().upper(), data.hex(" "), data.hex(":")}
        forms |= {html.escape(text), html.escape(text, quote=False), repr(text)[1:-1]}
        for ascii_only in (True, False):
            once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
            forms |= {once, json.dumps(once, ensure_ascii=ascii_only)[1:-1]}
            # Some writers escape the slash as well.
            forms.add(once.replace("/", "\\/"))
    return {form for form in forms if len(form) >= SHORTEST}


def _password(secret: str) -> set[str]:
    """The password in an address such as a database's: programs like to print it by itself."""
    if "://" not in secret:
        return set()
    try:
        password = urlsplit(secret.strip()).password or ""
    except ValueError:
        return set()
    return {text for text in (password, unquote(password)) if len(text) >= SHORTEST}


def _percent_forms(text: str) -> set[str]:
    forms = {quote(text, safe="", errors="replace"), quote(text, errors="replace")}
    forms.add(quote_plus(text, errors="replace"))
    return forms | {_lower_escapes(form) for form in forms}


def _lower_escapes(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _base64_forms(data: bytes) -> set[str]:
    """As base64 on its own, and as it looks inside a longer text at each of three alignments."""
    forms = set()
    for offset in range(3):
        padded = b"\0" * offset + data
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(padded).decode().rstrip("=")
            # The first and last symbol mix in bits of the neighbours; what lies between is ours.
            start = 0 if offset == 0 else offset + 1
            end = len(text) if len(padded) % 3 == 0 else len(text) - 1
            forms.add(text[start:end])
    return forms
