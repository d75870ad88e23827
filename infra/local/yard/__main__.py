"""`python -m infra.local.yard --config FILE`: runs the yard in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from infra.local.yard.app import serve
from infra.local.yard.config import ConfigError, load
from infra.local.yard.runs import Ground, StartFailed


def main(ground: Ground | None = None) -> int:
    """Exit code 0 after a clean stop, 2 for a configuration or machine that cannot work."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.yard", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a JSON file")
    options = parser.parse_args()
    # Tokens, variables, logs and sources: nobody else's business. What agents under user ids of
    # their own must read is opened where it is made.
    os.umask(0o077)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(load(options.config), ground))
    except ConfigError as exc:
        sys.exit(_complain(f"the yard's configuration is wrong: {exc}"))
    except StartFailed as exc:
        sys.exit(_complain(str(exc)))
    except OSError as exc:
        sys.exit(_complain(f"the yard cannot start: {exc.strerror or exc}"))
    return 0


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
