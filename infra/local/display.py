"""Knows how progress is shown: a line a step, with how long it took."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from typing import TextIO

_WHEEL = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Display:
    """Writes to a terminal with a turning wheel, or to anything else line by line."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self.out = out
        self.fancy = out.isatty()
        self._running: dict[str, float] = {}
        self._turner: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Show that something is being done; afterwards that it was, or that it was not."""
        began = time.perf_counter()
        self._running[name] = began
        if self.fancy and self._turner is None:
            self._turner = asyncio.create_task(self._turn())
        try:
            yield
        except BaseException:
            self._end(name)
            self.line("✗", name, time.perf_counter() - began)
            raise
        self._end(name)
        self.line("✓", name, time.perf_counter() - began)

    def line(self, mark: str, text: str, seconds: float | None = None) -> None:
        """One finished line."""
        took = f"{seconds:6.1f} s" if seconds is not None else " " * 8
        colour = {"✓": "32", "✗": "31", "!": "33"}.get(mark)
        if self.fancy and colour:
            mark = f"\x1b[{colour}m{mark}\x1b[0m"
        self._wipe()
        print(f"{mark} {took}  {text}", file=self.out, flush=True)

    def say(self, text: str = "") -> None:
        """Plain text."""
        self._wipe()
        print(text, file=self.out, flush=True)

    def _end(self, name: str) -> None:
        self._running.pop(name, None)
        if not self._running and self._turner is not None:
            self._turner.cancel()
            self._turner = None

    def _wipe(self) -> None:
        if self.fancy:
            print("\r\x1b[2K", end="", file=self.out)

    async def _turn(self) -> None:
        turns = 0
        while True:
            name, began = list(self._running.items())[-1]
            wheel = _WHEEL[turns % len(_WHEEL)]
            self._wipe()
            print(
                f"{wheel} {time.perf_counter() - began:6.1f} s  {name}",
                end="",
                file=self.out,
                flush=True,
            )
            turns += 1
            await asyncio.sleep(0.1)
