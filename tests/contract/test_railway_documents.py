"""Every document we send to Railway is valid in Railway's own schema, and in the stand-in's."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from chalicelib.adapters import railway_documents as railway
from chalicelib.domain.hosting import VERDICTS
from tests.contract.railway_schema import railway_schema

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "infra" / "local" / "yard" / "schema.graphql"
DOCUMENTS = {
    name: value
    for name, value in vars(railway).items()
    if isinstance(value, str) and value.startswith(("query", "mutation"))
} | {"STATUSES": railway.status_document(3)}


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_railway_understands_this_document(name: str) -> None:
    assert validate(railway_schema(), parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_stand_in_understands_this_document(name: str) -> None:
    stand_in = build_schema(STAND_IN.read_text(), assume_valid=True)
    assert validate(stand_in, parse(DOCUMENTS[name])) == []


def test_we_know_what_every_status_of_the_host_means() -> None:
    status = railway_schema().type_map["DeploymentStatus"]
    assert set(VERDICTS) == set(status.values)  # type: ignore[attr-defined]
