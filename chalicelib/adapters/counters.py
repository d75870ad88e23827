"""DynamoCounters: counting in the platform's table, one conditional write for each count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.keys import Key
from chalicelib.adapters.plain_keys import counter_key, strikes_key
from chalicelib.domain.limits import Bucket, Strikes
from chalicelib.errors import Unavailable


class DynamoCounters:
    def __init__(self, table: str, client: Callable[[], Any]) -> None:
        self._table = table
        self._client = client
        self.calls = 0

    def take(self, bucket: Bucket, *, window: int, limit: int, expires_at: datetime) -> int | None:
        try:
            answer = self._update(
                counter_key(bucket, window),
                expires_at,
                ConditionExpression="attribute_not_exists(hits) OR hits < :limit",
                values={":limit": {"N": str(limit)}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return None
            raise _silent() from error
        return int(answer["Attributes"]["hits"]["N"])

    def strike(self, bucket: Bucket, *, window: int, at: datetime, expires_at: datetime) -> Strikes:
        try:
            answer = self._update(
                strikes_key(bucket, window),
                expires_at,
                more=", last_at = :last",
                values={":last": {"S": at.isoformat()}},
            )
        except ClientError as error:
            raise _silent() from error
        return Strikes(int(answer["Attributes"]["hits"]["N"]), at)

    def strikes(self, bucket: Bucket, *, window: int) -> Strikes | None:
        self.calls += 1
        try:
            answer = self._client().get_item(
                TableName=self._table, Key=_item(strikes_key(bucket, window)), ConsistentRead=True
            )
        except (BotoCoreError, ClientError) as error:
            raise _silent() from error
        item = answer.get("Item")
        if item is None:
            return None
        return Strikes(int(item["hits"]["N"]), datetime.fromisoformat(item["last_at"]["S"]))

    def _update(
        self,
        key: Key,
        expires_at: datetime,
        *,
        more: str = "",
        values: dict[str, Any],
        **condition: str,
    ) -> dict[str, Any]:
        self.calls += 1
        try:
            answer: dict[str, Any] = self._client().update_item(
                TableName=self._table,
                Key=_item(key),
                UpdateExpression=f"SET expires_at = :expires{more} ADD hits :one",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":expires": {"N": str(int(expires_at.timestamp()))},
                    **values,
                },
                ReturnValues="UPDATED_NEW",
                **condition,
            )
        except BotoCoreError as error:
            raise _silent() from error
        return answer


def _item(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _silent() -> Unavailable:
    return Unavailable(
        "Requests cannot be counted just now. Nothing was changed; try again in a moment.",
        retry_after=2,
    )
