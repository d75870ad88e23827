"""The stack as it would be deployed, made once for all tests of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra import package, synthesis

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
