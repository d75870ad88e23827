"""Runs as data: a list of steps drawn from a seed, carried out, and shortened when it fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chalicelib.domain.release import Strategy
from tests.simulation import rules
from tests.simulation.truth import lies
from tests.simulation.world import World

Step = tuple[Any, ...]
Program = tuple[int, tuple[Step, ...]]
MOMENTS = (0.0, 0.5, 2.0, 4.0, 6.0, 10.0, 25.0, 70.0, 250.0)
DEEDS = (
    *("deploy",) * 4,
    "build",
    *("redeploy",) * 2,
    "redeploy an older one",
    *("roll_back",) * 2,
    "restart",
    "stop",
    "cancel",
)
BEHAVIOURS = (*("good",) * 10, *(one for one in rules.BEHAVIOURS if one != "good"))


def draw(seed: int, length: int = 12) -> Program:
    """The program of a seed."""
    dice = random.Random(seed)
    return dice.getrandbits(16), tuple(_step(dice) for _ in range(dice.randint(3, length)))


def _step(dice: random.Random) -> Step:
    kind = dice.choice(
        (
            "do",
            "do",
            "wire",
            "wire",
            "wire",
            "host",
            "host",
            "accident",
            "news",
            "kill",
            "kill",
            "mend",
            "removed_by_hand",
            "service_deleted",
            "engine",
            "reconciler",
        )
    )
    agent, moment = dice.randint(0, 1), dice.choice(MOMENTS)
    deed = ("do", agent, dice.choice(DEEDS), dice.choice(BEHAVIOURS))
    match kind:
        case "do":
            return (*deed, moment)
        case "wire":
            faults = tuple(
                (
                    dice.choice(sorted(rules.WIRE)),
                    dice.choice(rules.OPERATIONS),
                    dice.choice((1, 1, 1, 2, 5, None)),
                )
                for _ in range(dice.randint(1, 3))
            )
            return ("wire", faults, deed, moment)
        case "host":
            return ("host", dice.choice(sorted(rules.HOST)), deed, moment)
        case "accident":
            return (
                "accident",
                dice.choice(rules.ACCIDENTS),
                dice.choice(rules.OPERATIONS[2:]),
                deed,
                moment,
            )
        case "news":
            return (
                "news",
                dice.choice(sorted(rules.DELIVERY)),
                dice.choice((1, 3, None)),
                deed,
                moment,
            )
        case "kill":
            return ("kill", dice.choice(rules.WORKERS), dice.randint(0, 40), deed, moment)
        case "removed_by_hand" | "service_deleted":
            return (kind, agent, moment)
        case "engine":
            return ("engine", dice.randint(0, 3))
        case "reconciler":
            return ("reconciler", dice.randint(0, 30), moment)
        case _:
            return ("mend",)


def carry_out(
    program: Program,
    report: Callable[[World], None] | None = None,
    strategy: Strategy = Strategy.IMAGE,
) -> list[str]:
    """What is untrue after it, once all is quiet."""
    dice, steps = program
    world = World(dice, strategy)
    try:
        agents = begin(world)
        for step in steps:
            take(world, agents, step)
        world.quiet()
        found = lies(world)
        if report is not None:
            report(world)
        return found
    finally:
        world.close()


def begin(world: World) -> list[Any]:
    """Two agents, of which the first has a version live."""
    agents = [world.agent("One"), world.agent("Two")]
    world.upload(agents[0], rules.BEHAVIOURS["good"])
    world.pass_time(20)
    return agents


def take(  # noqa: C901 - one case for each kind of step
    world: World, agents: Sequence[Any], step: Step
) -> None:
    """One step."""
    match step:
        case ("do", agent, deed, behaviour, *moment):
            _do(world, agents[agent], deed, behaviour)
            world.pass_time(*moment or [0.0])
        case ("wire", faults, deed, moment):
            for kind, operation, count in faults:
                world.fault(kind, operation=operation, count=count, **rules.WIRE[kind])
            take(world, agents, (*deed, moment))
        case ("host", kind, deed, moment):
            world.fault(kind, **rules.HOST[kind])
            take(world, agents, (*deed, moment))
        case ("accident", kind, operation, deed, moment):
            world.fault(kind, operation=operation)
            take(world, agents, (*deed, moment))
        case ("news", kind, count, deed, moment):
            world.fault(kind, count=count, **rules.DELIVERY[kind])
            take(world, agents, (*deed, moment))
        case ("kill", kind, calls, deed, moment):
            world.doom(kind, calls)
            take(world, agents, (*deed, moment))
        case ("removed_by_hand" | "service_deleted", agent, moment):
            rules.by_hand(world, agents[agent], step[0])
            world.pass_time(moment)
        case ("engine", refused):
            world.tally["executions lost"] += world.engine.lose()
            world.engine.refuses = refused
        case ("reconciler", calls, moment):
            world.doom("reconcile", calls)
            world.wait(world.reconcile())
            world.pass_time(moment)
        case ("mend",):
            world.clear_faults()
        case _:
            raise ValueError(step)


def _do(world: World, agent: Any, deed: str, behaviour: str) -> None:
    match deed:
        case "deploy" | "build":
            world.upload(agent, rules.BEHAVIOURS[behaviour], deploy=deed == "deploy")
        case "redeploy":
            rules.redeploy(world, agent, 0)
        case "redeploy an older one":
            rules.redeploy(world, agent, 1)
        case _:
            rules.act(world, agent, deed)


def shorten(program: Program, fails: Callable[[Program], bool]) -> Program:
    """Without what it fails without, too."""
    dice, steps = program
    shorter = True
    while shorter:
        shorter = False
        for index in range(len(steps)):
            tried = (dice, steps[:index] + steps[index + 1 :])
            if fails(tried):
                steps, shorter = tried[1], True
                break
        else:
            for index, step in enumerate(steps):
                for simpler in _simpler(step):
                    tried = (dice, (*steps[:index], simpler, *steps[index + 1 :]))
                    if fails(tried):
                        steps, shorter = tried[1], True
                        break
                if shorter:
                    break
    return dice, steps


def _simpler(step: Step) -> Iterable[Step]:
    match step:
        case ("do", *_):
            return
        case ("wire", faults, deed, moment):
            yield (*deed, moment)
            if len(faults) > 1:
                for one in faults:
                    yield ("wire", (one,), deed, moment)
        case (_, *_, ("do", *_) as deed, moment):
            yield (*deed, moment)
