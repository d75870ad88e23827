"""The stack as it would be deployed, made once for all tests of it; and ground for sandboxes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import package, synthesis
from infra.local.sandbox import Isolation, probe
from tests.infra import sandbox_ground as ground

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built() -> package.Package:
    """The Lambda package of this source; an unchanged one is taken from an earlier run."""
    return package.build(ROOT, "local", ROOT / ".local" / "package", local=True)


@pytest.fixture(scope="session")
def template(built: package.Package) -> dict[str, Any]:
    """The whole stack as plain CloudFormation."""
    return synthesis.translate(synthesis.assemble(built.sam))


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The stack's resources by their logical ids."""
    found: dict[str, dict[str, Any]] = template["Resources"]
    return found


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """Where sandboxes keep what is theirs."""
    folder = ground.open_folder("slipway-state-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def isolation(state: Path) -> Isolation:
    """The best there is on this machine."""
    found = probe(state)
    if not found.usable:
        pytest.skip(found.reason)
    return found
