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

    @rule(
        agent=agents,
        behaviour=st.sampled_from(sorted(rules.BEHAVIOURS)),
        good=st.booleans(),
        deploy=st.sampled_from([True, True, True, False]),
    )
    def new_version(self, agent: int, behaviour: str, good: bool, deploy: bool) -> None:
        name = "good" if good else behaviour
        self.world.upload(self.agents[agent], rules.BEHAVIOURS[name], deploy=deploy)

    @rule(agent=agents, which=st.integers(0, 3))
    def redeploy(self, agent: int, which: int) -> None:
        rules.redeploy(self.world, self.agents[agent], which)

    @rule(agent=agents, verb=st.sampled_from(["roll_back", "restart", "stop", "cancel"]))
    def act(self, agent: int, verb: str) -> None:
        rules.act(self.world, self.agents[agent], verb)

    @rule(
        kind=st.sampled_from(sorted(rules.WIRE)),
        operation=st.sampled_from(rules.OPERATIONS),
        count=st.sampled_from([1, 1, 2, 5, None]),
    )
    def fault_on_the_wire(self, kind: str, operation: str | None, count: int | None) -> None:
        self.world.fault(kind, operation=operation, count=count, **rules.WIRE[kind])

    @rule(kind=st.sampled_from(sorted(rules.HOST)), count=st.sampled_from([1, 1, 3]))
    def fault_of_the_host(self, kind: str, count: int) -> None:
        self.world.fault(kind, count=count, **rules.HOST[kind])

    @rule(kind=st.sampled_from(sorted(rules.DELIVERY)), count=st.sampled_from([1, 3, None]))
    def fault_of_delivery(self, kind: str, count: int | None) -> None:
        self.world.fault(kind, count=count, **rules.DELIVERY[kind])

    @rule(
        kind=st.sampled_from(rules.ACCIDENTS), operation=st.sampled_from(rules.OPERATIONS[2:])
    )
    def accident(self, kind: str, operation: str) -> None:
        self.world.fault(kind, operation=operation)

    @rule()
    def mend(self) -> None:
        self.world.clear_faults()

    @rule(agent=agents)
    def remove_by_hand(self, agent: int) -> None:
        rules.remove_by_hand(self.world, self.agents[agent])

    @rule(agent=agents)
    def delete_by_hand(self, agent: int) -> None:
        rules.delete_by_hand(self.world, self.agents[agent])

    @rule(kind=st.sampled_from(rules.WORKERS), calls=st.integers(0, 40))
    def kill(self, kind: str, calls: int) -> None:
        self.world.doom(kind, calls)

    @rule()
    def lose_the_engine(self) -> None:
        self.world.tally["executions lost"] += self.world.engine.lose()

    @rule(times=st.integers(1, 3))
    def refuse_executions(self, times: int) -> None:
        self.world.engine.refuses = times

    @rule()
    def reconcile(self) -> None:
        self.world.wait(self.world.reconcile())

    @rule(seconds=st.sampled_from([0.2, 1, 3, 10, 30, 90, 300]))
    def pass_time(self, seconds: float) -> None:
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
