"""A small load: several clients, one connection each, for a bounded number of calls."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx

CLIENTS = 8
CALLS = 60


def p95(url: str, authorization: str) -> float:
    """The 95th percentile of all calls, in seconds; every answer must be 200."""

    def one(_: int) -> list[float]:
        times = []
        with httpx.Client(headers={"authorization": authorization}, trust_env=False) as client:
            client.get(url, timeout=30)
            for _ in range(CALLS):
                began = time.perf_counter()
                answer = client.get(url, timeout=30)
                times.append(time.perf_counter() - began)
                answer.raise_for_status()
        return times

    with ThreadPoolExecutor(CLIENTS) as pool:
        found = sorted(t for times in pool.map(one, range(CLIENTS)) for t in times)
    return found[int(len(found) * 0.95)]
