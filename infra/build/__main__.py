"""`python slipway-build.pyz`, or `python -m infra.build`: carries out one build order."""

import os
import sys
from typing import NoReturn

from infra.build.program import main


def run() -> NoReturn:
    """Ends the process: 0 when the agent was published."""
    code = main()
    # Everything is written and closed; tearing the interpreter down would only cost time.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
