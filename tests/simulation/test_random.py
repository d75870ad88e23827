"""Hundreds of random runs: whatever happens, once all is quiet nothing that Slipway says is untrue.

A failing run is printed as the shortest program that fails, with the seed that leads to it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.simulation import rules
from tests.simulation.truth import lies
from tests.simulation.world import World

SEED = int(os.environ.get("SLIPWAY_SEED", "20260101"))
RUNS = int(os.environ.get("SLIPWAY_RUNS", "520"))
SHARDS = 4
STEPS = 14
agents = st.integers(0, 1)
deeds = st.sampled_from(
    [
        "deploy",
        "deploy",
        "deploy",
        "build",
        "redeploy",
        "redeploy",
        "redeploy an older one",
        "roll_back",
        "roll_back",
        "restart",
        "stop",
        "cancel",
    ]
)
behaviours = st.sampled_from(["good"] * 8 + [one for one in rules.BEHAVIOURS if one != "good"])
moments = st.sampled_from([0.0, 0.5, 2.0, 4.0, 6.0, 10.0, 25.0, 70.0, 250.0])
wire_faults = st.tuples(
    st.sampled_from(sorted(rules.WIRE)),
    st.sampled_from(rules.OPERATIONS),
    st.sampled_from([1, 1, 1, 2, 5, None]),
)


class Runs(RuleBasedStateMachine):
    """One run: anything, in any order; then quiet, then the truth."""

    world: World
    report: Any = None

    @initialize(dice=st.integers(0, 2**16))
    def begin(self, dice: int) -> None:
        shared = Path("/dev/shm")
        folder = tempfile.mkdtemp(prefix="slipway-", dir=shared if shared.is_dir() else None)
        self.folder = Path(folder)
        self.world = World(self.folder, dice)
        self.agents = [self.world.agent("One"), self.world.agent("Two")]
        self.world.upload(self.agents[0], rules.BEHAVIOURS["good"])
        self.world.pass_time(20)
        self.steps = 0

    def start(self, agent: int, deed: str, behaviour: str) -> None:
        """Something a person does with an agent."""
        chosen = self.agents[agent]
        match deed:
            case "deploy" | "build":
                made = rules.BEHAVIOURS[behaviour]
                self.world.upload(chosen, made, deploy=deed == "deploy")
            case "redeploy":
                rules.redeploy(self.world, chosen, 0)
            case "redeploy an older one":
                rules.redeploy(self.world, chosen, 1)
            case _:
                rules.act(self.world, chosen, deed)

    @rule(agent=agents, deed=deeds, behaviour=behaviours, seconds=moments)
    def do(self, agent: int, deed: str, behaviour: str, seconds: float) -> None:
        self.start(agent, deed, behaviour)
        self.world.pass_time(seconds)

    @rule(
        agent=agents,
        deed=deeds,
        behaviour=behaviours,
        faults=st.lists(wire_faults, min_size=1, max_size=3),
        seconds=moments,
    )
    def do_with_a_bad_wire(
        self, agent: int, deed: str, behaviour: str, faults: Any, seconds: float
    ) -> None:
        for kind, operation, count in faults:
            self.world.fault(kind, operation=operation, count=count, **rules.WIRE[kind])
        self.start(agent, deed, behaviour)
        self.world.pass_time(seconds)

    @rule(
        agent=agents,
        deed=deeds,
        behaviour=behaviours,
        kind=st.sampled_from(sorted(rules.HOST)),
        seconds=moments,
    )
    def do_at_a_bad_host(
        self, agent: int, deed: str, behaviour: str, kind: str, seconds: float
    ) -> None:
        self.world.fault(kind, **rules.HOST[kind])
        self.start(agent, deed, behaviour)
        self.world.pass_time(seconds)

    @rule(
        agent=agents,
        deed=deeds,
        behaviour=behaviours,
        kind=st.sampled_from(rules.ACCIDENTS),
        operation=st.sampled_from(rules.OPERATIONS[2:]),
        seconds=moments,
    )
    def do_with_an_accident(
        self, agent: int, deed: str, behaviour: str, kind: str, operation: str, seconds: float
    ) -> None:
        self.world.fault(kind, operation=operation)
        self.start(agent, deed, behaviour)
        self.world.pass_time(seconds)

    @rule(
        agent=agents,
        deed=deeds,
        behaviour=behaviours,
        kinds=st.lists(st.sampled_from(sorted(rules.DELIVERY)), min_size=1, max_size=2),
        count=st.sampled_from([1, 3, None]),
        seconds=moments,
    )
    def do_with_bad_news(
        self, agent: int, deed: str, behaviour: str, kinds: Any, count: int | None, seconds: float
    ) -> None:
        for kind in kinds:
            self.world.fault(kind, count=count, **rules.DELIVERY[kind])
        self.start(agent, deed, behaviour)
        self.world.pass_time(seconds)

    @rule(
        agent=agents,
        deed=deeds,
        behaviour=behaviours,
        kind=st.sampled_from(rules.WORKERS),
        calls=st.integers(0, 40),
        seconds=moments,
    )
    def do_and_kill_a_worker(
        self, agent: int, deed: str, behaviour: str, kind: str, calls: int, seconds: float
    ) -> None:
        self.world.doom(kind, calls)
        self.start(agent, deed, behaviour)
        self.world.pass_time(seconds)

    @rule()
    def mend(self) -> None:
        self.world.clear_faults()

    @rule(agent=agents, seconds=moments)
    def remove_by_hand(self, agent: int, seconds: float) -> None:
        rules.by_hand(self.world, self.agents[agent], "removed_by_hand")
        self.world.pass_time(seconds)

    @rule(agent=agents, seconds=moments)
    def delete_by_hand(self, agent: int, seconds: float) -> None:
        rules.by_hand(self.world, self.agents[agent], "service_deleted")
        self.world.pass_time(seconds)

    @rule(times=st.integers(0, 3))
    def lose_the_engine(self, times: int) -> None:
        self.world.tally["executions lost"] += self.world.engine.lose()
        self.world.engine.refuses = times

    @rule(calls=st.integers(0, 30), seconds=moments)
    def kill_the_reconciler(self, calls: int, seconds: float) -> None:
        self.world.doom("reconcile", calls)
        self.world.wait(self.world.reconcile())
        self.world.pass_time(seconds)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.quiet()
            found = lies(self.world)
            if Runs.report is not None:
                Runs.report(self.world)
            assert not found, "\n".join(found)
        finally:
            self.world.close()
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_whatever_happens_nothing_is_said_that_is_not_true(shard: int, figures: Any) -> None:
    chosen = settings(
        max_examples=RUNS // SHARDS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    machine = type("Runs", (Runs,), {})
    Runs.report = staticmethod(figures)
    seeded = seed(SEED + shard)(machine)
    print(f"SLIPWAY_SEED={SEED}, shard {shard}")
    run_state_machine_as_test(seeded, settings=chosen)
