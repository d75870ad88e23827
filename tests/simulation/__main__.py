"""`python -m tests.simulation SEED [RUNS] [image | source]`: the runs of consecutive seeds, and the
shortest program that ends the same way for each kind of lie that they end in."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import defaultdict
from functools import partial

from chalicelib.domain.release import Strategy
from chalicelib.telemetry import logger
from tests.simulation.programs import Program, carry_out, draw, shorten

_NAMES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


def main(seed: int, runs: int, strategy: Strategy) -> int:
    """Exit code 1 when anything untrue was found."""
    logger.setLevel(logging.CRITICAL)
    found: dict[str, list[int]] = defaultdict(list)
    began = time.process_time()
    for one in range(seed, seed + runs):
        for lie in set(_kinds(draw(one), strategy)):
            found[lie].append(one)
    spent = time.process_time() - began
    print(f"{runs} runs by {strategy} from seed {seed} in {spent:.0f} s of CPU")
    print(f"lies of {len(found)} kinds")
    for lie, seeds in sorted(found.items(), key=lambda pair: -len(pair[1])):
        print(f"\n{len(seeds)} runs (seeds {seeds[:5]}): {lie}", flush=True)
        shortest = shorten(draw(seeds[0]), partial(_ends_in, lie, strategy))
        print(shortest, flush=True)
    return int(bool(found))


def _ends_in(lie: str, strategy: Strategy, program: Program) -> bool:
    return lie in _kinds(program, strategy)


def _kinds(program: Program, strategy: Strategy) -> list[str]:
    """The lies a program ends in, without the names that differ from run to run."""
    try:
        lies = carry_out(program, strategy=strategy)
    except Exception as error:  # noqa: BLE001 - a run that breaks off is a find, too
        lies = [repr(error)]
    return [_NAMES.sub("#", lie)[:150] for lie in lies]


if __name__ == "__main__":
    given = dict(enumerate(sys.argv[1:]))
    sys.exit(main(int(given[0]), int(given.get(1, "1")), Strategy(given.get(2, "image"))))
