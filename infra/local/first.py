"""Knows how a person's first agent is deployed through the public API, from mail to live URL."""

from __future__ import annotations

from typing import Any

from infra.local.layout import Layout, LocalCloudError

_LIMIT_SECONDS = 180.0


class FirstAgent:
    """The Python template, deployed as anybody would deploy it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def deploy(self) -> dict[str, Any]:
        """The live agent: its name and its URL."""
        raise LocalCloudError("not written yet")


def api_token(layout: Layout, email: str, *, name: str) -> str:
    """An API token for a person of this local cloud."""
    raise LocalCloudError("not written yet")
