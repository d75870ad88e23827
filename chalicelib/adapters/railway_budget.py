"""The hour's calls at the host, counted once for all functions, and whose turn it is to change it.

One item holds the count. Each call adds one to it on the condition that something is left, so the
limit cannot be passed however many functions run; what the host's own headers say corrects it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.keys import Key
from chalicelib.adapters.plain_keys import HOST_BUDGET, host_lease
from chalicelib.domain.budget import HOUR, Allowance, BudgetState, Count, Need, ceilings
from chalicelib.errors import HostUnavailable, Unavailable

LEASE_SECONDS = 75
ONE_CALL_SECONDS = 66
"""The longest a call can take: connecting and waiting for a mutation's answer."""


class DynamoBudget:
    """`per_hour` is the limit until the host has named its own."""

    def __init__(
        self,
        table: str,
        client: Callable[[], Any],
        *,
        per_hour: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._items = _Items(table, client)
        self._per_hour = per_hour
        self._clock = clock
        self._seen: Count | None = None
        self.writes = 0

    def spend(self, need: Need) -> None:
        for _ in range(4):
            now = self._clock()
            found = self._add_one(need, now)
            if found is not None:
                self._seen = found
                return
            stored = self._read()
            if stored is not None and stored.paused_until > now:
                raise stored.refusal(now)
            if stored is not None and stored.resets_at > now:
                if stored.used < ceilings(stored.limit)[need]:
                    continue  # a new window began while we looked
                raise stored.refusal(now)
            limit = stored.limit if stored else self._per_hour
            heard = stored.heard_at if stored else 0.0
            begun = Count(limit, used=1, resets_at=now + HOUR, heard_at=heard)
            if self._replace(begun, stored):
                self._seen = begun
                return
        raise HostUnavailable(
            "The count of calls at the host is changing too fast; we try again.", retry_after=1
        )

    def learn(self, allowance: Allowance | None, *, pause: int = 0) -> None:
        now = self._clock()
        if pause:
            self._pause(now + pause)
        seen = self._seen
        if seen is None:
            return
        told = seen.corrected(allowance, now)
        if told is seen:
            return
        self.writes += 1
        same = told.resets_at == seen.resets_at
        values = {**_numbers(told), ":stored": _number(seen.resets_at)}
        condition = "resets_at = :stored"
        # Others count on while we look: in the same window the count never goes back.
        update = _SET_COUNT
        if same and told.used <= seen.used:
            update = update.replace("used = :used, ", "")
            del values[":used"]
        elif same:
            condition += " AND used < :used"
        if self._items.update(HOST_BUDGET, update, condition, values, names=_NAMES) is not None:
            self._seen = told

    def state(self) -> BudgetState:
        now = self._clock()
        found = self._read()
        return (found or Count(self._per_hour, 0, 0.0)).state(now)

    def _add_one(self, need: Need, now: float) -> Count | None:
        self.writes += 1
        item = self._items.update(
            HOST_BUDGET,
            "ADD used :one",
            f"resets_at > :now AND paused_until <= :now AND used < upto_{need}",
            {":one": {"N": "1"}, ":now": _number(now)},
        )
        return None if item is None else _count(item)

    def _replace(self, count: Count, stored: Count | None) -> bool:
        self.writes += 1
        values = _numbers(count)
        condition = "attribute_not_exists(pk)"
        update = f"{_SET_COUNT}, paused_until = :paused"
        values[":paused"] = _number(count.paused_until)
        if stored is not None:
            condition = "resets_at = :stored"
            values[":stored"] = _number(stored.resets_at)
        return self._items.update(HOST_BUDGET, update, condition, values, names=_NAMES) is not None

    def _pause(self, until: float) -> None:
        self.writes += 1
        self._items.update(
            HOST_BUDGET,
            "SET paused_until = :until",
            "attribute_exists(pk) AND paused_until < :until",
            {":until": _number(until)},
        )

    def _read(self) -> Count | None:
        item = self._items.get(HOST_BUDGET)
        return None if item is None else _count(item)


class DynamoLease:
    """Changes of the host's configuration, one at a time in each of its environments."""

    def __init__(
        self,
        table: str,
        client: Callable[[], Any],
        environment: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._items = _Items(table, client)
        self._key = host_lease(environment)
        self._clock = clock
        self._until: dict[str, float] = {}

    def acquire(self, holder: str) -> bool:
        now = self._clock()
        return self._take(
            holder, now, "attribute_not_exists(pk) OR lease_until < :now OR holder = :holder", now
        )

    def keep(self, holder: str) -> bool:
        now = self._clock()
        if self._until.get(holder, 0.0) - now >= ONE_CALL_SECONDS:
            return True
        return self._take(holder, now, "holder = :holder", None)

    def release(self, holder: str) -> None:
        self._until.pop(holder, None)
        self._items.delete(self._key, "holder = :holder", {":holder": {"S": holder}})

    def _take(self, holder: str, now: float, condition: str, free_at: float | None) -> bool:
        until = now + LEASE_SECONDS
        values = {":holder": {"S": holder}, ":until": _number(until)}
        if free_at is not None:
            values[":now"] = _number(free_at)
        update = "SET holder = :holder, lease_until = :until"
        if self._items.update(self._key, update, condition, values) is None:
            self._until.pop(holder, None)
            return False
        self._until[holder] = until
        return True


class _Items:
    """The few requests that a counter and a lease need."""

    def __init__(self, table: str, client: Callable[[], Any]) -> None:
        self._table = table
        self._client = client

    def get(self, key: Key) -> dict[str, Any] | None:
        answer = self._call("get_item", Key=_attributes(key), ConsistentRead=True)
        item: dict[str, Any] | None = (answer or {}).get("Item")
        return item

    def update(
        self,
        key: Key,
        update: str,
        condition: str,
        values: Mapping[str, Any],
        *,
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | None:
        """The item afterwards; None when the condition did not hold."""
        answer = self._call(
            "update_item",
            Key=_attributes(key),
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues=dict(values),
            ReturnValues="ALL_NEW",
            **({"ExpressionAttributeNames": dict(names)} if names else {}),
        )
        return None if answer is None else answer["Attributes"]

    def delete(self, key: Key, condition: str, values: Mapping[str, Any]) -> None:
        self._call(
            "delete_item",
            Key=_attributes(key),
            ConditionExpression=condition,
            ExpressionAttributeValues=dict(values),
        )

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = getattr(self._client(), operation)(
                TableName=self._table, **arguments
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                return None
            raise _unavailable() from error
        except BotoCoreError as error:
            raise _unavailable() from error
        return answer


_NAMES = {"#limit": "limit"}
_SET_COUNT = (
    "SET used = :used, #limit = :limit, resets_at = :resets, heard_at = :heard, "
    + ", ".join(f"upto_{need} = :upto_{need}" for need in Need)
)


def _numbers(count: Count) -> dict[str, Any]:
    upto = {f":upto_{need}": _number(most) for need, most in ceilings(count.limit).items()}
    return {
        ":used": _number(count.used),
        ":limit": _number(count.limit),
        ":resets": _number(count.resets_at),
        ":heard": _number(count.heard_at),
        **upto,
    }


def _count(item: Mapping[str, Any]) -> Count:
    return Count(
        limit=int(item["limit"]["N"]),
        used=int(item["used"]["N"]),
        resets_at=float(item["resets_at"]["N"]),
        paused_until=float(item["paused_until"]["N"]),
        heard_at=float(item["heard_at"]["N"]),
    )


def _number(value: float) -> dict[str, str]:
    return {"N": f"{value:.3f}" if isinstance(value, float) else str(value)}


def _attributes(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _unavailable() -> Unavailable:
    return Unavailable("The store did not answer. Nothing was changed; try again.", retry_after=2)
