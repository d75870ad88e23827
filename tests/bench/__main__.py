"""Measures speed and size, each beside its limit or a peer measured in the same run.

`make bench` prints a table and writes `.local/bench.json`: name → value, unit, limit, ratio. A
ratio of at most 1 is within the limit. Nothing here is a test: these figures are for reading.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from tests.bench import dispatch, floor, guard, host, identity, load, scroll, search
from tests.e2e import sources
from tests.e2e.conftest import LocalCloud, end, new_cloud

ROOT = Path(__file__).parents[2]
RESULT = ROOT / ".local" / "bench.json"
ROUNDS = 3


@dataclass(frozen=True)
class Figure:
    """One measured value. `limit` is what it is compared with, in the same unit."""

    value: float
    unit: str
    limit: float
    against: str

    @property
    def ratio(self) -> float:
        return self.value / self.limit if self.limit else 0.0


Figures = dict[str, Figure]


def main() -> None:
    """Runs every measurement and shows it as soon as it is there."""
    figures: Figures = {}
    print(f"{'what':<44} {'value':>10} {'limit':>10} {'ratio':>6}")
    for measure in (
        *(_dispatch, _identity, _guard, _cold_import),
        *(_host_calls, _reconciling, _search),
    ):
        _show(figures, measure())
    cloud = new_cloud()
    try:
        _show(figures, _starts(cloud))
        _show(figures, _package())
        _show(figures, _api(cloud))
        _show(figures, _deploys(cloud))
        _show(figures, _rollbacks(cloud))
        _show(figures, _scrolls(cloud))
    finally:
        end(cloud)
    RESULT.parent.mkdir(exist_ok=True)
    content = {name: {**asdict(f), "ratio": round(f.ratio, 3)} for name, f in figures.items()}
    RESULT.write_text(json.dumps(content, indent=2) + "\n")
    print(f"\nWritten to {RESULT.relative_to(ROOT)}.")


def _show(figures: Figures, found: Figures) -> None:
    for name, figure in found.items():
        unit = figure.unit
        print(
            f"{name:<44} {figure.value:>8.2f} {unit:<2}{figure.limit:>8.2f} {unit:<2}"
            f"{figure.ratio:>6.2f}  {figure.against}",
            flush=True,
        )
    figures |= found


def _dispatch() -> Figures:
    _, bare, ours = dispatch.ratio()
    return {"dispatch with validation": Figure(ours, "µs", 1.6 * bare, "1.6 x bare Chalice")}


def _guard() -> Figures:
    calls, microseconds = guard.counting()
    return {
        "counting a request: calls to the table": Figure(calls, "", 1, "limit"),
        "counting a request: processor": Figure(microseconds, "µs", 700, "limit"),
        "10,000 audit records proven": Figure(guard.verifying(), "s", 1, "limit"),
    }


def _identity() -> Figures:
    figures: Figures = {}
    for credential, cost in identity.costs().items():
        limit = 0.0 if credential.endswith("remembered") else 1.0
        figures[f"{credential}: who, and may they"] = Figure(cost.micros, "µs", 200, "limit, CPU")
        figures[f"{credential}: calls to the store"] = Figure(cost.calls, "", limit, "limit")
    return figures


def _cold_import() -> Figures:
    def seconds(code: str) -> float:
        runs = []
        for _ in range(9):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
            runs.append(time.perf_counter() - began)
        return statistics.median(runs)

    exit_now = "import os; os._exit(0)"
    net = seconds(f"import app; {exit_now}") - seconds(exit_now)
    return {
        "cold import of the API function": Figure(net * 1000, "ms", 250, "over the interpreter")
    }


def _package() -> Figures:
    package = max((ROOT / ".local" / "package").rglob("*.zip"), key=lambda p: p.stat().st_mtime)
    size = package.stat().st_size / 1e6
    return {"Lambda package": Figure(size, "MB", 15, "limit")}


def _search() -> Figures:
    ours, theirs = search.quality()
    large = search.large()
    return {
        # The other way about than the rest: below 1 is better than plain matching.
        "search: nDCG@10, plain over ours": Figure(
            theirs, "", ours, f"ours {ours:.3f}, plain term matching {theirs:.3f}"
        ),
        "search: p95, 100,000 agents": Figure(large["p95"] * 1000, "ms", 50, "limit"),
        "search: load, 100,000 agents": Figure(large["load"] * 1000, "ms", 1000, "limit"),
        "search: take up 20 changes": Figure(large["apply"] * 1000, "ms", 1000, "limit"),
        "search: index, 100,000 agents": Figure(large["bytes"] / 1e6, "MB", 100, "limit"),
    }


def _host_calls() -> Figures:
    return {
        f"Railway calls, {what}": Figure(count, "", 15, "limit, queued to live")
        for what, count in host.calls().items()
    }


def _reconciling() -> Figures:
    found = host.reconciling()
    # A quarter of the smallest plan's 1,000 calls an hour, in runs a minute apart.
    per_hour = 60 * (found.read_units * 0.125e-6 + found.write_units * 0.625e-6)
    where = "a run over 1,000 live deployments"
    return {
        "reconciler: Railway calls": Figure(found.calls, "", 20, f"limit, {where}"),
        "reconciler: DynamoDB read units": Figure(found.read_units, "", 1000, f"limit, {where}"),
        "reconciler: DynamoDB write units": Figure(found.write_units, "", 2000, f"limit, {where}"),
        "reconciler: DynamoDB, an hour": Figure(per_hour * 100, "c", 10, "limit, in US cents"),
        "reconciler: time of CPU": Figure(found.seconds, "s", 10, f"limit, {where}"),
    }


def _rollbacks(cloud: LocalCloud) -> Figures:
    person = cloud.sign_in("bench@example.org")
    agent = person.create("/agents", {"name": "Bench rollback"})
    for word in ("one", "two"):
        page = sources.server().replace("b'served'", f"b'{word}'")
        cloud.deploy(person, agent["id"], sources.python("health: {path: /}\n", main_py=page))
    found = host.times(cloud, person, agent["id"])
    return {
        "rollback without a build, p50": Figure(found.rollback_p50, "s", 30, "limit"),
        "rollback without a build, p95": Figure(found.rollback_p95, "s", 60, "limit"),
        "control plane, a deployment": Figure(
            found.control_plane, "s", 5, "limit, without build and host"
        ),
    }


def _starts(cloud: LocalCloud) -> Figures:
    first = cloud.up()
    cloud.down()
    warm = cloud.up()
    return {
        "make up, first run (tools installed)": Figure(first, "s", 120, "limit"),
        "make up, warm": Figure(warm, "s", 15, "limit"),
    }


def _api(cloud: LocalCloud) -> Figures:
    person = cloud.sign_in("bench@example.org")
    agent = person.create("/agents", {"name": "Bench"})
    live = cloud.deploy(person, agent["id"], floor.source("static"))
    figures: Figures = {}
    for name, path in (
        ("GET /agents, 8 clients, p95", "/agents"),
        ("GET /deployments/{id}, 8 clients, p95", f"/deployments/{live['id']}"),
    ):
        p95 = load.p95(f"{cloud.api_url}{path}", str(person.http.headers["Authorization"]))
        figures[name] = Figure(p95 * 1000, "ms", 200, "limit")
    return figures


def _deploys(cloud: LocalCloud) -> Figures:
    person = cloud.sign_in("bench@example.org")
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="slipway-floor-") as folder:
        for runtime in ("python", "nodejs", "rust", "static"):
            agent = person.create("/agents", {"name": f"Bench {runtime}"})
            files = floor.source(runtime)

            def deploy(agent_id: str = agent["id"], files: floor.Files = files) -> float:
                """Until the moment the platform itself calls it live: one clock for both."""
                began = time.time()
                live = cloud.deploy(person, agent_id, files)
                return datetime.fromisoformat(live["timings"]["live"]).timestamp() - began

            deploy()  # fills the caches
            by_hand = _median(partial(floor.by_hand, runtime, Path(folder)))
            live = _median(deploy)
            figures[f"{runtime}: upload to live"] = Figure(
                live, "s", 1.5 * by_hand, f"1.5 x {by_hand:.2f} s by hand in the same sandbox"
            )
        figures["first change of state after the upload"] = Figure(
            _median(lambda: floor.first_change(person)), "s", 1, "limit"
        )
    return figures


def _scrolls(cloud: LocalCloud) -> Figures:
    person = cloud.sign_in("bench@example.org")
    agent = person.create("/agents", {"name": "Bench logs"})
    live = cloud.deploy(person, agent["id"], floor.source("static"))
    found = scroll.measure(cloud, agent["id"], live["id"])
    words = {"scroll": "scrolled", "jump": "jumped about in", "grow": "growing, 10,000 a second"}
    return {
        f"100,000 log lines {words[work]}, frame p95": Figure(
            one.p95, "ms", 1000 / 60, f"60 a second; median {one.median:.1f} ms"
        )
        for work, one in found.items()
    } | {
        f"10,000 agents {words[work]}, frame p95": Figure(
            one.p95, "ms", 1000 / 60, f"60 a second; median {one.median:.1f} ms"
        )
        for work, one in scroll.measure_agents(cloud).items()
    }


def _median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(ROUNDS))


if __name__ == "__main__":
    main()
