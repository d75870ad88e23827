"""Every document we send to Railway is valid in Railway's own schema, and in the stand-in's."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_client_schema, build_schema, parse, validate

from chalicelib.adapters import railway_documents as railway
from chalicelib.domain.hosting import VERDICTS

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT.parent / "shared" / "railway" / "schema.json"
STAND_IN = ROOT / "infra" / "local" / "yard" / "schema.graphql"
DOCUMENTS = {
    name: value
    for name, value in vars(railway).items()
    if isinstance(value, str) and value.startswith(("query", "mutation"))
} | {"STATUSES": railway.status_document(3)}
needs_schema = pytest.mark.skipif(not SCHEMA.exists(), reason=f"needs {SCHEMA.name} of Railway")


@cache
def real() -> GraphQLSchema:
    loaded = json.loads(SCHEMA.read_text())
    # graphql-core refuses a deprecation in Railway's schema that is harmless to us.
    return build_client_schema(loaded.get("data", loaded), assume_valid=True)


@needs_schema
@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_railway_understands_this_document(name: str) -> None:
    assert validate(real(), parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_stand_in_understands_this_document(name: str) -> None:
    stand_in = build_schema(STAND_IN.read_text(), assume_valid=True)
    assert validate(stand_in, parse(DOCUMENTS[name])) == []


@needs_schema
def test_we_know_what_every_status_of_the_host_means() -> None:
    status = real().type_map["DeploymentStatus"]
    assert set(VERDICTS) == set(status.values)  # type: ignore[attr-defined]
