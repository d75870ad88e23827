"""The order knows what one build is asked to do; the platform writes it, the program reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.plan import Plan

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class OrderUnreadable(Exception):
    """The order is not one this program understands; says which part."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each part may take, and how much log is kept."""

    build_seconds: float = 600
    start_seconds: float = 60
    test_seconds: float = 120
    log_bytes: int = 10 * 1024 * 1024
    memory_mb: int = 2048
    disk_mb: int = 4096
    processes: int = 512


@dataclass(frozen=True, slots=True)
class Location:
    """Where something is in S3."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Order:
    """One build: the source, the plan, and where the results go."""

    org_id: str
    agent_id: str
    version_id: str
    source: Location
    filename: str
    plan: Plan
    output: Location
    """`key` is the prefix, with its closing slash."""
    repository: str
    variables: Mapping[str, str] = field(default_factory=dict)
    secret_names: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    strategy: str = "image"
    """What is published: an `image` in the registry, or the packed `source`."""
    digest: str | None = None
    """SHA-256 of the packed source that was reviewed, in hex; None when nobody noted it."""

    @property
    def secrets(self) -> list[str]:
        """The values that no log may show."""
        return [value for name, value in self.variables.items() if name in self.secret_names]

    @classmethod
    def parse(cls, data: bytes) -> Order:
        """Read an order; OrderUnreadable names what is missing or wrong."""
        try:
            record = json.loads(data)
            order = _order(record)
        except KeyError as missing:
            raise OrderUnreadable(f"the order lacks {missing}") from missing
        except (TypeError, ValueError, AttributeError) as wrong:
            raise OrderUnreadable(f"the order is not valid: {wrong}") from wrong
        return order


def _order(record: dict[str, Any]) -> Order:
    known = Limits.__dataclass_fields__
    limits = {k: v for k, v in (record.get("limits") or {}).items() if k in known}
    prefix = str(record["output"]["prefix"])
    return Order(
        org_id=_id(record["org_id"]),
        agent_id=_id(record["agent_id"]),
        version_id=_id(record["version_id"]),
        source=Location(record["source"]["bucket"], record["source"]["key"]),
        filename=str(record["source"].get("filename") or "source"),
        plan=Plan.from_json(record["plan"]),
        output=Location(
            record["output"]["bucket"], prefix if prefix.endswith("/") else prefix + "/"
        ),
        repository=str(record["repository"]),
        variables={str(k): str(v) for k, v in (record.get("variables") or {}).items()},
        secret_names=frozenset(record.get("secret_names") or ()),
        limits=Limits(**limits),
        strategy="source" if record.get("strategy") == "source" else "image",
        digest=str(record["source"].get("digest") or "").removeprefix("sha256:") or None,
    )


def _id(value: Any) -> str:
    # Ids become folder names on the build machine.
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{value!r} is not an id")
    return value
