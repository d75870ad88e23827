"""Hundreds of random runs: whatever happens, once all is quiet nothing that Slipway says is untrue.

`SLIPWAY_SEED` and the number of the shard give the same runs again. A failing run is printed as
the shortest one that fails, and as a program for `test_found`.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from chalicelib.domain.release import Strategy
from tests.simulation import programs, rules
from tests.simulation.truth import lies
from tests.simulation.world import World

SEED = int(os.environ.get("SLIPWAY_SEED", "20260101"))
RUNS = int(os.environ.get("SLIPWAY_RUNS", "520"))
SHARDS = 4
SOURCES = 2
"""Shards more, whose runs have a host that builds what is sent to it."""
STEPS = 12

agents = st.integers(0, 1)
moments = st.sampled_from(programs.MOMENTS)
deeds = st.tuples(
    st.just("do"),
    agents,
    st.sampled_from(programs.DEEDS),
    st.sampled_from(programs.BEHAVIOURS),
)
strikes = st.lists(
    st.tuples(
        st.sampled_from(sorted(rules.WIRE)),
        st.sampled_from(rules.OPERATIONS),
        st.sampled_from([1, 1, 1, 2, 5, None]),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


class Runs(RuleBasedStateMachine):
    """One run: anything, in any order; then quiet, then the truth."""

    report: Any = None
    strategy = Strategy.IMAGE

    @initialize(dice=st.integers(0, 2**16))
    def begin(self, dice: int) -> None:
        self.world = World(dice, self.strategy)
        self.dice = dice
        self.steps: list[programs.Step] = []
        self.agents = programs.begin(self.world)

    def take(self, *step: Any) -> None:
        """One step, remembered."""
        self.steps.append(step)
        programs.take(self.world, self.agents, step)

    @rule(deed=deeds, moment=moments)
    def somebody_does_something(self, deed: Any, moment: float) -> None:
        self.take(*deed, moment)

    @rule(strikes=strikes, deed=deeds, moment=moments)
    def while_the_wire_is_bad(self, strikes: Any, deed: Any, moment: float) -> None:
        self.take("wire", strikes, deed, moment)

    @rule(kind=st.sampled_from(sorted(rules.HOST)), deed=deeds, moment=moments)
    def while_the_host_is_bad(self, kind: str, deed: Any, moment: float) -> None:
        self.take("host", kind, deed, moment)

    @rule(
        kind=st.sampled_from(rules.ACCIDENTS),
        operation=st.sampled_from(rules.OPERATIONS[2:]),
        deed=deeds,
        moment=moments,
    )
    def with_an_accident(self, kind: str, operation: str, deed: Any, moment: float) -> None:
        self.take("accident", kind, operation, deed, moment)

    @rule(
        kind=st.sampled_from(sorted(rules.DELIVERY)),
        count=st.sampled_from([1, 3, None]),
        deed=deeds,
        moment=moments,
    )
    def while_news_is_bad(self, kind: str, count: int | None, deed: Any, moment: float) -> None:
        self.take("news", kind, count, deed, moment)

    @rule(
        kind=st.sampled_from(rules.WORKERS),
        calls=st.integers(0, 40),
        deed=deeds,
        moment=moments,
    )
    def and_a_worker_is_killed(self, kind: str, calls: int, deed: Any, moment: float) -> None:
        self.take("kill", kind, calls, deed, moment)

    @rule(calls=st.integers(0, 30), moment=moments)
    def the_reconciler_is_killed(self, calls: int, moment: float) -> None:
        self.take("reconciler", calls, moment)

    @rule(refused=st.integers(0, 3))
    def the_engine_is_lost(self, refused: int) -> None:
        self.take("engine", refused)

    @rule(kind=st.sampled_from(["removed_by_hand", "service_deleted"]), agent=agents, at=moments)
    def somebody_interferes(self, kind: str, agent: int, at: float) -> None:
        self.take(kind, agent, at)

    @rule()
    def all_faults_are_mended(self) -> None:
        self.take("mend")

    def truth(self) -> list[str]:
        """What is untrue in the end; a run that breaks off or does not end is a find, too."""
        try:
            self.world.quiet()
            return lies(self.world)
        except Exception as error:  # noqa: BLE001 - told with the program that led to it
            return [repr(error)]

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            found = self.truth()
            if Runs.report is not None:
                Runs.report(self.world, found)
            program = f"program, by {self.strategy}: {(self.dice, tuple(self.steps))}"
            told = "\n".join([*found, program])
            assert not found, told
        finally:
            self.world.close()


@pytest.mark.parametrize("shard", range(SHARDS))
def test_whatever_happens_nothing_is_said_that_is_not_true(shard: int, figures: Any) -> None:
    _run(shard, Strategy.IMAGE, figures)


@pytest.mark.parametrize("shard", range(SHARDS, SHARDS + SOURCES))
def test_nor_where_the_host_builds_what_is_sent_to_it(shard: int, figures: Any) -> None:
    _run(shard, Strategy.SOURCE, figures)


def _run(shard: int, strategy: Strategy, figures: Any) -> None:
    chosen = settings(
        max_examples=RUNS // SHARDS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    over: list[int] = []

    def count(world: World, found: list[str]) -> None:
        over.append(len(found))
        figures(world, found)

    Runs.report = staticmethod(count)
    print(f"SLIPWAY_SEED={SEED}, shard {shard}, by {strategy}")
    seeded = seed(SEED + shard)(type("Runs", (Runs,), {"strategy": strategy}))
    run_state_machine_as_test(seeded, settings=chosen)
    assert len(over) >= RUNS // SHARDS, "as many runs as are promised"
