"""Prints how agents are isolated on this machine: `python -m infra.local.sandbox [DATA_DIR]`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from infra.local.sandbox import probe


def main() -> int:
    """Probe, print as JSON, and fail when agents could not be run."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        isolation = probe(Path(sys.argv[1] if len(sys.argv) > 1 else folder))
    print(json.dumps(isolation.to_json(), indent=2))
    return 0 if isolation.usable else 1


if __name__ == "__main__":
    sys.exit(main())
