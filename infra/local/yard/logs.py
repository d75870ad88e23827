"""Resolvers for build logs, runtime logs and request logs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from infra.local.yard.core import Core
from infra.local.yard.journal import Line, read, widen
from infra.local.yard.store import Row, iso
from infra.local.yard.wire import Args, Call, Resolver, parse_moment

DEFAULT_LIMIT = 500
MAX_LIMIT = 5000


class Logs:
    """What was said while building, running and answering."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def queries(self) -> dict[str, Resolver]:
        """Root fields of Query."""
        return {
            "buildLogs": lambda call, args: self._lines(call, args, "build"),
            "deploymentLogs": lambda call, args: self._lines(call, args, "deploy"),
            "environmentLogs": self._environment,
            "httpLogs": self._http,
        }

    def _lines(self, call: Call, args: Args, kind: str) -> Any:
        row = self._core.deployment(call, args["deploymentId"])
        start, end = args.get("startDate"), args.get("endDate")
        lines = read(
            self._core.fleet.log_path(row["id"], kind),
            limit=self._limit(args.get("limit")),
            start=widen(start) if start else None,
            end=widen(end, "9") if end else None,
            matching=args.get("filter") or "",
        )
        return [_view(row, line) for line in lines]

    def _environment(self, call: Call, args: Args) -> Any:
        environment = self._core.environment(call, args["environmentId"])
        window = _Window(args)
        rows = self._core.store.rows(
            "SELECT * FROM deployments WHERE environment_id = ? ORDER BY seq DESC LIMIT 200",
            environment["id"],
        )
        found: list[tuple[str, dict[str, Any]]] = []
        for row in rows:
            lines = read(
                self._core.fleet.log_path(row["id"], "deploy"),
                limit=window.limit,
                start=window.start,
                end=window.end,
                matching=args.get("filter") or "",
            )
            found += [(line.timestamp, _view(row, line)) for line in lines]
        found.sort(key=lambda pair: pair[0])
        kept = found[: window.limit] if window.start else found[-window.limit :]
        return [view for _, view in kept]

    def _http(self, call: Call, args: Args) -> Any:
        row = self._core.deployment(call, args["deploymentId"])
        window = _Window(args, self._limit(args.get("limit")))
        clauses, values = ["deployment_id = ?"], [row["id"]]
        if window.start:
            clauses.append("at >= ?")
            values.append(_seconds(window.start))
        if window.end:
            clauses.append("at <= ?")
            values.append(_seconds(window.end))
        order = "ASC" if window.start else "DESC"
        found = self._core.store.rows(
            f"SELECT * FROM requests WHERE {' AND '.join(clauses)}"  # noqa: S608 - our own words
            f" ORDER BY at {order}, seq {order} LIMIT ?",
            *values,
            window.limit,
        )
        wanted = _request_filter(args.get("filter") or "")
        views = [_request_view(one) for one in found if wanted(one)]
        return views if window.start else views[::-1]

    def _limit(self, given: int | None) -> int:
        wanted = max(0, min(given or DEFAULT_LIMIT, MAX_LIMIT))
        # Railway answers one row more than it was asked for, and so do we.
        return wanted + (1 if self._core.config.hosting.log_limit_plus_one else 0)


class _Window:
    """The before/anchor/after arguments, as a span and a limit."""

    def __init__(self, args: Args, limit: int | None = None) -> None:
        after = args.get("afterDate") or args.get("anchorDate")
        before = args.get("beforeDate")
        asked = args.get("afterLimit") if after else args.get("beforeLimit")
        self.start = widen(parse_moment(after)) if after else None
        self.end = widen(parse_moment(before), "9") if before else None
        self.limit = min(asked, MAX_LIMIT) if asked else limit or DEFAULT_LIMIT


def _seconds(stamp: str) -> float:
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return moment.timestamp() + float(f"0.{fraction or 0}")


def _request_filter(text: str) -> Any:
    words = text.split()

    def passes(row: Row) -> bool:
        for word in words:
            name, _, value = word.removeprefix("@").partition(":")
            match name:
                case "httpStatus":
                    good = str(row["status"]) == value
                case "method":
                    good = row["method"] == value.upper()
                case "path":
                    good = value in row["path"]
                case "AND":
                    good = True
                case _:
                    good = word.lower() in f"{row['method']} {row['path']}".lower()
            if not good:
                return False
        return True

    return passes


def _view(row: Row, line: Line) -> dict[str, Any]:
    attributes = {"level": line.severity, **line.attributes}
    return {
        "timestamp": line.timestamp,
        "message": line.message,
        "severity": line.severity,
        # Railway gives every value as JSON inside a string.
        "attributes": [
            {"key": name, "value": json.dumps(value)} for name, value in attributes.items()
        ],
        "tags": {
            "projectId": row["project_id"],
            "environmentId": row["environment_id"],
            "serviceId": row["service_id"],
            "deploymentId": row["id"],
            "deploymentInstanceId": line.replica or None,
            "snapshotId": None,
        },
    }


def _request_view(row: Row) -> dict[str, Any]:
    return {
        "timestamp": iso(datetime.fromtimestamp(row["at"], UTC)),
        "requestId": row["id"],
        "method": row["method"],
        "path": row["path"],
        "host": row["host"],
        "httpStatus": row["status"],
        "totalDuration": row["total_ms"],
        "upstreamRqDuration": row["upstream_ms"],
        "srcIp": row["ip"],
        "clientUa": row["agent"],
        "edgeRegion": "local",
        "rxBytes": row["rx"],
        "txBytes": row["tx"],
        "responseDetails": row["errors"],
        "upstreamErrors": row["errors"],
        "deploymentId": row["deployment_id"],
        "deploymentInstanceId": row["replica_id"],
    }
