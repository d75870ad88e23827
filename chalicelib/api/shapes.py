"""Shapes that several endpoints share: lists, their queries, reasons, log lines."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from chalicelib.api.http import Model, View
from chalicelib.api.words import CURSOR_BACK, written

MAX_PAGE = 100
Cursor = Annotated[str, written(r"^[\x21-\x7e]+$", CURSOR_BACK, min_length=1, max_length=120)]


class PageQuery(Model):
    """Where a list goes on, and how much of it at once."""

    cursor: Cursor | None = None
    limit: int = Field(50, ge=1, le=MAX_PAGE)


class LogQuery(Model):
    cursor: Cursor | None = None
    limit: int = Field(500, ge=1, le=2000)


class ReasonView(View):
    """One thing that is wrong, and what to change."""

    code: str
    detail: str
    file: str | None = None
    line: int | None = None


class LogLineView(View):
    timestamp: str
    level: str
    message: str
    step: str | None


class LogPage(View):
    """New lines since the cursor. `more` says whether the source may still write."""

    items: list[LogLineView]
    next_cursor: str | None
    more: bool


class UserView(View):
    id: str
    email: str
    name: str


class InferredView(View):
    field: str
    value: Any
    source: str


class CommitView(View):
    """The commit a source is. `message` is its first line, without what may be a secret."""

    repository: str
    sha: str
    branch: str
    message: str
    author: str
    root: str
    pull_request: int | None
    fork: bool
