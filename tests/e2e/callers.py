"""Somebody who calls an agent's URL all the time, and counts what fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType

import httpx

PAUSE = 0.01


class Caller:
    """Calls from the moment it is entered until it is left."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call, daemon=True)

    def __enter__(self) -> Caller:
        self._thread.start()
        self.heard()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.heard()
        self._over.set()
        self._thread.join(30)

    def heard(self, more: int = 5) -> None:
        """Returns when some more calls have been answered or have failed."""
        enough = self.calls + more
        deadline = time.monotonic() + 30
        while self.calls < enough and time.monotonic() < deadline:
            time.sleep(PAUSE)

    @property
    def calls(self) -> int:
        """How many have ended."""
        return self.answers.total() + len(self.failures)

    def _call(self) -> None:
        with httpx.Client(timeout=45, trust_env=False) as client:
            while not self._over.is_set():
                try:
                    answer = client.get(self.url)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                else:
                    if answer.status_code == 200:
                        self.answers[answer.text] += 1
                    else:
                        self.failures.append(f"{answer.status_code} {answer.text[:200]}")
                time.sleep(PAUSE)
