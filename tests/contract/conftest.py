"""The stores that every suite of the store runs against, and the table behind one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.adapters.dynamo import DynamoStore
from chalicelib.adapters.layouts import INDEXES, KEYS_ONLY
from chalicelib.adapters.memory import MemoryStore
from chalicelib.ports import Store

TABLE: dict[str, Any] = {
    "TableName": "table",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"}
        for name in ("pk", "sk", *(f"{i}{part}" for i in INDEXES for part in ("pk", "sk")))
    ],
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": f"{index}pk", "KeyType": "HASH"},
                {"AttributeName": f"{index}sk", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY" if index in KEYS_ONLY else "ALL"},
        }
        for index in INDEXES
    ],
}


class OneAtATime:
    """A client whose calls wait for each other: moto is not made for several threads. Between the
    calls they may race as they like."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call = getattr(self._client, operation)

        def locked(**arguments: Any) -> Any:
            with self._lock:
                return call(**arguments)

        return locked


@pytest.fixture
def dynamo(monkeypatch: pytest.MonkeyPatch) -> Iterator[OneAtATime]:
    """A client of an empty table."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = get_session().create_client("dynamodb")
        client.create_table(**TABLE)
        yield OneAtATime(client)


@pytest.fixture(params=["memory", "dynamo"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    client: OneAtATime = request.getfixturevalue("dynamo")
    return DynamoStore("table", lambda: client)
