"""Resolvers for what agents use and how they answer, from samples taken on this machine."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from infra.local.yard.core import Core
from infra.local.yard.errors import NotImplementedHere
from infra.local.yard.store import Row
from infra.local.yard.wire import Args, Call, Resolver

COLUMNS: Mapping[str, str] = {
    "CPU_USAGE": "cpu",
    "CPU_LIMIT": "cpu_limit",
    "MEMORY_USAGE_GB": "memory_gb",
    "MEMORY_LIMIT_GB": "memory_limit_gb",
    "EPHEMERAL_DISK_USAGE_GB": "disk_gb",
    "NETWORK_RX_GB": "rx_gb",
    "NETWORK_TX_GB": "tx_gb",
}
SUMMED = frozenset({"NETWORK_RX_GB", "NETWORK_TX_GB"})
"""Amounts of an interval; the others are levels."""
USAGE: Mapping[str, str] = {
    "CPU_USAGE": "cpu * seconds / 60",
    "MEMORY_USAGE_GB": "memory_gb * seconds / 60",
    "EPHEMERAL_DISK_USAGE_GB": "disk_gb * seconds / 60",
    "NETWORK_RX_GB": "rx_gb",
    "NETWORK_TX_GB": "tx_gb",
}
"""Unit-minutes, and gigabytes for traffic."""
TAGS: Mapping[str, tuple[str, str]] = {
    "PROJECT_ID": ("projectId", "project_id"),
    "ENVIRONMENT_ID": ("environmentId", "environment_id"),
    "SERVICE_ID": ("serviceId", "service_id"),
    "DEPLOYMENT_ID": ("deploymentId", "deployment_id"),
    "DEPLOYMENT_INSTANCE_ID": ("deploymentInstanceId", "replica_id"),
}
DAY = 86_400
DEFAULT_RATES = ((3600, 30), (6 * 3600, 60), (DAY, 240), (7 * DAY, 3600))


class Metrics:
    """Resource use, requests, and usage totals."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store

    def queries(self) -> dict[str, Resolver]:
        """Root fields of Query."""
        return {
            "httpDurationMetrics": self._durations,
            "httpMetricsGroupedByStatus": self._by_status,
            "metrics": self._metrics,
            "usage": self._usage,
        }

    def _metrics(self, call: Call, args: Args) -> Any:
        where, values = self._scope(call, args)
        start, end = _span(args)
        rate = args.get("sampleRateSeconds") or _default_rate(end - start)
        groups = [TAGS[one] for one in args.get("groupBy") or ("SERVICE_ID",) if one in TAGS]
        rows = self._store.rows(
            f"SELECT * FROM samples WHERE {where} AND at >= ? AND at <= ? ORDER BY at",  # noqa: S608
            *values,
            int(start),
            int(end),
        )
        found = []
        for measurement in args["measurements"]:
            if measurement not in COLUMNS:
                continue  # a volume, a backup: nothing of the kind exists here
            for key, members in _grouped(rows, groups):
                series = _series(members, measurement, rate)
                found.append(_result(measurement, groups, key, series, rows))
        return found

    def _usage(self, call: Call, args: Args) -> Any:
        call.who.require_wide()
        where, values = self._scope(call, args)
        start, end = _span({**args, "startDate": args.get("startDate") or _month_start()})
        groups = [TAGS[one] for one in args.get("groupBy") or () if one in TAGS]
        names = ", ".join(column for _, column in groups)
        found = []
        for measurement in args["measurements"]:
            if measurement not in USAGE:
                continue
            rows = self._store.rows(
                f"SELECT {names or 'NULL'}, coalesce(sum({USAGE[measurement]}), 0) AS value"  # noqa: S608
                f" FROM samples WHERE {where} AND at >= ? AND at <= ?"
                + (f" GROUP BY {names}" if names else ""),
                *values,
                int(start),
                int(end),
            )
            found += [
                {
                    "measurement": measurement,
                    "value": float(row["value"]),
                    "tags": {tag: row[column] for tag, column in groups},
                }
                for row in rows
            ]
        return found

    def _scope(self, call: Call, args: Args) -> tuple[str, list[Any]]:
        who = call.who
        if args.get("volumeId") or args.get("volumeInstanceExternalId"):
            raise NotImplementedHere("volumes")
        wanted = {
            "project_id": args.get("projectId") or who.project_id,
            "environment_id": args.get("environmentId") or who.environment_id,
            "service_id": args.get("serviceId"),
        }
        who.require(wanted["project_id"], wanted["environment_id"])
        clauses = [f"{name} = ?" for name, value in wanted.items() if value]
        return " AND ".join(clauses) or "1", [value for value in wanted.values() if value]

    def _requests(self, call: Call, args: Args) -> tuple[list[Row], int]:
        self._core.instance(call, args["serviceId"], args["environmentId"])
        start, end = _span(args)
        step = args.get("stepSeconds") or _default_rate(end - start)
        clauses = ["service_id = ?", "environment_id = ?", "at >= ?", "at <= ?"]
        values = [args["serviceId"], args["environmentId"], start, end]
        for name, column in (("method", "method"), ("path", "path"), ("statusCode", "status")):
            if args.get(name) is not None:
                clauses.append(f"{column} = ?")
                values.append(args[name])
        rows = self._store.rows(
            f"SELECT at, status, total_ms FROM requests WHERE {' AND '.join(clauses)} ORDER BY at",  # noqa: S608
            *values,
        )
        return rows, step

    def _by_status(self, call: Call, args: Args) -> Any:
        rows, step = self._requests(call, args)
        counts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for row in rows:
            counts[row["status"]][int(row["at"]) // step * step] += 1
        return [
            {
                "statusCode": status,
                "samples": [{"ts": at, "value": float(n)} for at, n in sorted(series.items())],
            }
            for status, series in sorted(counts.items())
        ]

    def _durations(self, call: Call, args: Args) -> Any:
        rows, step = self._requests(call, args)
        buckets: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            buckets[int(row["at"]) // step * step].append(row["total_ms"])
        samples = []
        for at, values in sorted(buckets.items()):
            values.sort()
            sample: dict[str, float] = {"ts": at}
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
                sample[name] = float(values[min(len(values) - 1, int(len(values) * share))])
            samples.append(sample)
        return {"samples": samples}


def _grouped(
    rows: Iterable[Row], groups: list[tuple[str, str]]
) -> list[tuple[tuple[str, ...], list[Row]]]:
    found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(row[column] for _, column in groups)].append(row)
    return list(found.items())


def _series(rows: list[Row], measurement: str, rate: int) -> list[dict[str, float]]:
    """Per interval: copies are added up, moments within the interval are averaged."""
    column = COLUMNS[measurement]
    buckets: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        buckets[row["at"] // rate * rate][row["at"]] += row[column]
    series = []
    for at, moments in sorted(buckets.items()):
        total = sum(moments.values())
        series.append({"ts": at, "value": total if measurement in SUMMED else total / len(moments)})
    return series


def _result(
    measurement: str,
    groups: list[tuple[str, str]],
    key: tuple[str, ...],
    series: list[dict[str, float]],
    rows: list[Row],
) -> dict[str, Any]:
    tags: dict[str, Any] = {tag: value for (tag, _), value in zip(groups, key, strict=True)}
    tags.setdefault("projectId", rows[0]["project_id"] if rows else None)
    tags["region"] = "local"
    return {"measurement": measurement, "tags": tags, "values": series}


def _span(args: Args) -> tuple[float, float]:
    start = datetime.fromisoformat(args["startDate"]).timestamp()
    end = args.get("endDate")
    return start, datetime.fromisoformat(end).timestamp() if end else time.time()


def _month_start() -> str:
    moment = datetime.now().astimezone()
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0).isoformat()


def _default_rate(seconds: float) -> int:
    return next((rate for span, rate in DEFAULT_RATES if seconds <= span), 14_400)
