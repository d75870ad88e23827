"""Landlock: rules a process puts on itself and its children for files, TCP ports and signals."""

from __future__ import annotations

from typing import Any


def restrict(rules: dict[str, Any]) -> None:
    """Put this process under the rules. Not to be undone."""
    raise NotImplementedError(rules)
