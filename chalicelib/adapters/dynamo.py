"""DynamoStore: the store on one DynamoDB table.

An item is its keys, its revision and the entity as one JSON document: what is searched for is in
the keys, and the document is read and written in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.keys import Key, tally_key
from chalicelib.adapters.layouts import (
    INDEXES,
    KEYS_ONLY,
    LAYOUTS,
    codec,
    decoded,
    index_key,
    range_of,
    revision_of,
)
from chalicelib.domain.deployments import Deployment
from chalicelib.domain.search import Counts
from chalicelib.domain.versions import Version
from chalicelib.errors import ChangedMeanwhile, FieldError, Invalid, Unavailable
from chalicelib.ports import Change, Listing, Page, Put, Tally

E = TypeVar("E")
_RACES = frozenset({"ConditionalCheckFailed", "TransactionConflict"})
_MAX_CURSOR = 120
_BATCH_TRIES = 5


class DynamoStore:
    def __init__(self, table: str, client: Callable[[], Any]) -> None:
        self._table = table
        self._client = client
        self.calls = 0
        """How many requests this store has made; what a route costs is tested."""

    def get(self, kind: type[E], *key: str) -> E | None:
        at = LAYOUTS[kind].key(*key)
        answer = self._call("get_item", Key=_attributes(at), ConsistentRead=True)
        item = answer.get("Item")
        return None if item is None else _entity(kind, item)

    def get_many(self, *wanted: tuple[type, *tuple[str, ...]]) -> list[Any]:
        keys = [LAYOUTS[kind].key(*key) for kind, *key in wanted]
        found = self._items(keys)
        return [
            _entity(kind, found[key]) if key in found else None
            for (kind, *_), key in zip(wanted, keys, strict=True)
        ]

    def _items(self, keys: Sequence[Key]) -> dict[Key, dict[str, Any]]:
        if not keys:
            return {}
        request: dict[str, Any] = {
            self._table: {"Keys": [_attributes(key) for key in keys], "ConsistentRead": True}
        }
        found: dict[Key, dict[str, Any]] = {}
        for _ in range(_BATCH_TRIES):
            answer = self._call("batch_get_item", RequestItems=request)
            for item in answer.get("Responses", {}).get(self._table, []):
                found[Key(item["pk"]["S"], item["sk"]["S"])] = item
            request = answer.get("UnprocessedKeys") or {}
            if not request:
                return found
        raise Unavailable("The store is busy. Try again in a moment.", retry_after=2)

    def page(
        self,
        listing: Listing[E],
        *scope: str,
        limit: int = 50,
        after: str | None = None,
        newest_first: bool = True,
    ) -> Page[E]:
        where = range_of(listing, *scope)
        prefix = f"{where.index}" if where.index else ""
        names = {"#pk": f"{prefix}pk"}
        values: dict[str, Any] = {":pk": {"S": where.pk}}
        condition = "#pk = :pk"
        # A cursor is the sort key of the last item. It can only ever move inside the partition,
        # which comes from the principal, so a forged one reaches nothing of anybody else's.
        if after is not None:
            low, high = (where.begins, after) if newest_first else (after, f"{where.begins}~")
            condition += " AND #sk BETWEEN :low AND :high"
            values |= {":low": {"S": low or " "}, ":high": {"S": high}}
        elif where.begins:
            condition += " AND begins_with(#sk, :begins)"
            values[":begins"] = {"S": where.begins}
        if after is not None or where.begins:
            names["#sk"] = f"{prefix}sk"
        wanted = limit + (2 if after is not None else 1)
        answer = self._call(
            "query",
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
            Limit=wanted,
            **({"IndexName": where.index} if where.index else {"ConsistentRead": True}),
        )
        # An answer ends at one megabyte, however many items were asked for.
        cut = "LastEvaluatedKey" in answer and len(answer["Items"]) < wanted
        found = [item for item in answer["Items"] if item[f"{prefix}sk"]["S"] != after]
        more = len(found) > limit or cut
        shown = found[:limit]
        end = shown[-1][f"{prefix}sk"]["S"] if more else None
        if where.index in KEYS_ONLY:
            keys = [Key(item["pk"]["S"], item["sk"]["S"]) for item in shown]
            whole = self._items(keys)
            shown = [whole[key] for key in keys if key in whole]
        return Page(tuple(_entity(listing.kind, item) for item in shown), end)

    def counts(self, org_id: str, agent_id: str, month: str = "") -> Counts:
        where = tally_key(org_id, agent_id)
        answer = self._call(
            "query",
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": {"S": where.pk}, ":sk": {"S": where.sk}},
            ConsistentRead=True,
        )
        sums: dict[str, float] = {}
        for item in answer["Items"]:
            if item.get("month", {}).get("S", "") not in ("", month):
                continue
            for name, kind in Counts.__annotations__.items():
                number = item.get(name, {}).get("N", "0")
                sums[name] = sums.get(name, 0) + (int(number) if kind == "int" else float(number))
        return Counts(**sums)  # type: ignore[arg-type]

    def touch(self, kind: type[E], *key: str, at: datetime) -> E | None:
        try:
            answer = self._call(
                "update_item",
                Key=_attributes(LAYOUTS[kind].key(*key)),
                UpdateExpression="SET used_at = :at",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={":at": {"N": str(int(at.timestamp()))}},
                ReturnValues="ALL_NEW",
            )
        except ChangedMeanwhile:
            return None
        return _entity(kind, answer["Attributes"])

    def commit(self, *changes: Change) -> None:
        writes = [self._write(change) for change in changes]
        if len(writes) == 1:
            self._one(writes[0])
            return
        self._call("transact_write_items", TransactItems=writes)

    def _one(self, write: dict[str, Any]) -> None:
        for operation, request in write.items():
            arguments = {k: v for k, v in request.items() if k != "TableName"}
            self._call(f"{operation.lower()}_item", **arguments)

    def _write(self, change: Change) -> dict[str, Any]:
        if isinstance(change, Tally):
            return {"Update": {"TableName": self._table, **_addition(change)}}
        entity = change.entity
        revision = revision_of(entity)
        if isinstance(change, Put):
            condition = _unwritten() if revision == 1 else _stored(revision - 1)
            return {"Put": {"TableName": self._table, "Item": to_item(entity), **condition}}
        key = _attributes(LAYOUTS[type(entity)].key_of(entity))
        return {"Delete": {"TableName": self._table, "Key": key, **_stored(revision)}}

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        self.calls += 1
        if operation not in ("transact_write_items", "batch_get_item"):
            arguments["TableName"] = self._table
        try:
            answer: dict[str, Any] = getattr(self._client(), operation)(**arguments)
        except ClientError as error:
            raise _translated(error) from error
        except BotoCoreError as error:
            raise Unavailable(
                "The store did not answer. Nothing was changed; try again in a moment.",
                retry_after=2,
            ) from error
        return answer


def to_item(entity: Any) -> dict[str, Any]:
    """The item an entity is stored as."""
    layout = LAYOUTS[type(entity)]
    item = _attributes(layout.key_of(entity))
    item["kind"] = {"S": type(entity).__name__}
    item["revision"] = {"N": str(revision_of(entity))}
    item["doc"] = {"S": codec(type(entity)).dump_json(entity).decode()}
    for index in INDEXES:
        key = index_key(entity, index)
        if key is not None:
            item |= _attributes(key, index)
    if _is_followed(entity):
        item["followed"] = {"S": "commit"}
    if layout.expires and entity.expires_at is not None:
        item["expires_at"] = {"N": str(int(entity.expires_at.timestamp()))}
    if layout.touched and entity.last_used_at is not None:
        item["used_at"] = {"N": str(int(entity.last_used_at.timestamp()))}
    return item


def _is_followed(entity: Any) -> bool:
    """Whether the code host is told of its changes. The stream's reader is woken for nothing else,
    and its filter cannot look into the document."""
    match entity:
        case Version():
            return entity.source.commit is not None
        case Deployment():
            return entity.commit is not None
        case _:
            return False


def _entity(kind: type[E], item: dict[str, Any]) -> E:
    entity = decoded(kind, item["doc"]["S"])
    if "used_at" not in item:
        return entity
    used: Any = {"last_used_at": datetime.fromtimestamp(int(item["used_at"]["N"]), UTC)}
    return replace(entity, **used)  # type: ignore[type-var]


def cursor_checked(cursor: str | None) -> str | None:
    """A cursor as it came from a client, if it can be one of ours."""
    if cursor is None:
        return None
    if len(cursor) > _MAX_CURSOR or not cursor.isascii() or not cursor.isprintable() or not cursor:
        raise Invalid(
            "This is not a cursor of this list.",
            code="cursor_invalid",
            errors=(FieldError("cursor", "Send back next_cursor as it came, or leave it out."),),
        )
    return cursor


def _addition(count: Tally) -> dict[str, Any]:
    names = sorted(count.amounts)
    # The number of a float is written as Python writes it: DynamoDB keeps 38 digits of it.
    values = {f":{name}": {"N": repr(count.amounts[name])} for name in names}
    names_of_ours = {f"#{name}": name for name in names}
    more = ""
    if count.month:
        more += ", #month = :month"
        names_of_ours |= {"#month": "month"}
        values[":month"] = {"S": count.month}
    if count.expires_at is not None:
        more += ", expires_at = :expires"
        values[":expires"] = {"N": str(int(count.expires_at.timestamp()))}
    return {
        "Key": _attributes(tally_key(count.org_id, count.agent_id, count.shard, count.month)),
        "UpdateExpression": f"SET kind = :kind, org_id = :org, agent_id = :agent{more} ADD "
        + ", ".join(f"#{name} :{name}" for name in names),
        "ExpressionAttributeNames": names_of_ours,
        "ExpressionAttributeValues": {
            **values,
            ":kind": {"S": "Counter"},
            ":org": {"S": count.org_id},
            ":agent": {"S": count.agent_id},
        },
    }


def _attributes(key: Key, index: str = "") -> dict[str, Any]:
    return {f"{index}pk": {"S": key.pk}, f"{index}sk": {"S": key.sk}}


def _unwritten() -> dict[str, Any]:
    return {"ConditionExpression": "attribute_not_exists(pk)"}


def _stored(revision: int) -> dict[str, Any]:
    return {
        "ConditionExpression": "revision = :stored",
        "ExpressionAttributeValues": {":stored": {"N": str(revision)}},
    }


def _translated(error: ClientError) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    reasons = error.response.get("CancellationReasons") or []
    lost = frozenset(n for n, reason in enumerate(reasons) if reason.get("Code") in _RACES)
    if code == "ConditionalCheckFailedException":
        lost = frozenset({0})
    if lost or code in ("TransactionConflictException", "TransactionInProgressException"):
        return ChangedMeanwhile(
            "Somebody else changed this at the same moment. Try again.", lost=lost
        )
    return Unavailable(
        "The store refused for now. Nothing was changed; try again in a moment.", retry_after=2
    )
