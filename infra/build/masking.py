"""The masker knows the secret values of one build and takes them out of everything written."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "•••"

#: Shorter values are no secrets, and masking them would make a log unreadable.
SHORTEST = 4
_SHORTEST_LINE = 8


class Masker:
    """Replaces secret values, plain, base64, URL- and JSON-encoded, wherever they appear."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            forms |= _forms(secret)
        self.longest = max(map(len, forms), default=0)
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """`text` without the secrets."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def deep(self, value: Any) -> Any:
        """The same for every string inside plain JSON; keys are ours and stay."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.deep(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.deep(item) for item in value]
        return value


def _forms(secret: str) -> set[str]:
    if len(secret.strip()) < SHORTEST:
        return set()
    # A log is made of lines, so a key of many lines must be known by each of them.
    lines = {line.strip() for line in secret.splitlines()}
    plain = {secret, secret.strip()} | {line for line in lines if len(line) >= _SHORTEST_LINE}
    forms = set(plain)
    for text in plain:
        forms |= {quote(text, safe=""), quote(text), quote_plus(text)}
        forms |= {text.replace("\\", "\\\\").replace('"', '\\"')}
        forms |= _base64_forms(text.encode())
    return forms


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
            if end - start >= SHORTEST * 4 // 3:
                forms.add(text[start:end])
    return forms
