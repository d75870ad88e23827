"""The stand-in's schema is an exact subset of Railway's and serves every document for it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    parse,
    validate,
)

from infra.local.yard.wire import SCHEMA_FILE
from tests.contract.railway_schema import DOCUMENTS, railway_schema


@pytest.fixture(scope="module")
def ours() -> GraphQLSchema:
    return build_schema(SCHEMA_FILE.read_text())


@pytest.fixture(scope="module")
def theirs() -> GraphQLSchema:
    return railway_schema()


def arguments(field: Any) -> dict[str, str]:
    """The arguments of a field and their types."""
    return {name: str(one.type) for name, one in field.args.items()}


def differences(mine: Any, real: Any) -> list[str]:
    """What is in one type of ours that is not exactly so in Railway's."""
    name = mine.name
    if type(mine) is not type(real):
        return [f"{name} is another kind of type"]
    if isinstance(mine, GraphQLScalarType):
        return []
    if isinstance(mine, GraphQLEnumType):
        return [] if set(mine.values) == set(real.values) else [f"{name} has other values"]
    return field_differences(mine, real)


def field_differences(mine: Any, real: Any) -> list[str]:
    """The same for types with fields."""
    name = mine.name
    found = []
    if isinstance(mine, GraphQLInputObjectType) and set(mine.fields) != set(real.fields):
        found.append(f"{name} has other fields")
    for field, given in mine.fields.items():
        if field not in real.fields:
            found.append(f"{name}.{field} does not exist")
            continue
        actual = real.fields[field]
        if str(given.type) != str(actual.type):
            found.append(f"{name}.{field} is {given.type}, at Railway {actual.type}")
        if isinstance(mine, GraphQLObjectType):
            if arguments(given) != arguments(actual):
                found.append(f"{name}.{field} takes other arguments: {arguments(actual)}")
        elif given.default_value != actual.default_value:
            found.append(f"{name}.{field} has another default")
    return found


def test_every_type_field_argument_and_value_is_exactly_railways(
    ours: GraphQLSchema, theirs: GraphQLSchema
) -> None:
    found = [
        line
        for name, mine in ours.type_map.items()
        if not name.startswith("__")
        for line in (
            differences(mine, theirs.type_map[name])
            if name in theirs.type_map
            else [f"{name} does not exist"]
        )
    ]
    assert found == []


def test_every_query_and_mutation_document_is_valid_against_the_subset(
    ours: GraphQLSchema,
) -> None:
    document = parse(DOCUMENTS.read_text())
    fragments = [one for one in document.definitions if one.kind == "fragment_definition"]
    bad = []
    for one in document.definitions:
        if not isinstance(one, OperationDefinitionNode):
            continue
        if one.operation is OperationType.SUBSCRIPTION:
            continue
        alone = type(document)(definitions=(one, *fragments))
        errors = [e for e in validate(ours, alone) if "is never used" not in e.message]
        bad += [(one.name.value if one.name else "", e.message) for e in errors]
    assert bad == []


def test_the_subset_is_a_valid_schema(ours: GraphQLSchema) -> None:
    assert ours.query_type is not None
    assert len(ours.type_map) > 100
