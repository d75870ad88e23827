"""The faults that can be switched on, so that tests can prove what the platform does then.

Wire faults strike the GraphQL answer, host faults strike what runs, delivery faults strike events
on their way out, and accidents are what people and the host do behind the caller's back. Each has
a count (or lasts until it is switched off), a probability, and may name an operation (a root field
such as `serviceCreate`, or the document's operation name) and a service (id or name).

An accident that names an operation happens right after that operation's effect; one that names
none happens `seconds` after the next deployment is live.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from infra.local.yard.store import new_id

KINDS: dict[str, str] = {
    # wire
    "rate_limit": "429 with Retry-After (retry_after)",
    "create_throttle": 'HTTP 200 with "... too quickly"',
    "timeout_before": "no effect, no answer for `seconds`, then a gateway 504",
    "timeout_after": "the effect happens, no answer for `seconds`, then a gateway 504",
    "server_error": "a gateway page with `status` (default 503), before the effect",
    "server_error_after": "the same page, after the effect",
    "cloudflare": 'an HTML page "Access denied" with `status` (default 403)',
    "problem": 'HTTP 200 "Problem processing request" without a code, before the effect',
    "problem_after": "the same, after the effect",
    "not_authorized": 'HTTP 200 "Not Authorized"',
    "in_progress": 'HTTP 200 "an operation is already in progress"',
    "message": "HTTP 200 with the error text in `message`, before the effect",
    # host
    "slow_visibility": '"ServiceInstance not found" for `seconds` after serviceCreate',
    "stale_image": "a deployment runs the image that was live before, as does what is built of a"
    " source",
    "queued": "the deployment stays QUEUED for `seconds`",
    "health_status": "the health probe sees `status` whatever the agent answers",
    "crash_before_live": "the agent ends with `exit_code` (default 1) `seconds` after its start",
    "crash_after_live": "the agent ends with `exit_code` (default 1) `seconds` after it is live",
    "out_of_memory": "the agent is killed for lack of memory `seconds` after it is live",
    # accidents
    "removed_by_hand": "somebody removes what the service runs",
    "service_deleted": "somebody deletes the service",
    "migrated": "the host itself moves what runs to a new deployment of the same image",
    "token_revoked": "the caller's token is refused from then on, for `seconds` or until cleared",
    # delivery
    "build_event_lost": "the build's final event is never sent",
    "build_event_doubled": "it is sent twice",
    "build_event_delayed": "it is sent `seconds` later",
    "webhook_lost": "the webhook is never sent",
    "webhook_doubled": "it is sent twice",
    "webhook_delayed": "it is sent `seconds` later, so that later ones overtake it",
}

ACCIDENTS = ("removed_by_hand", "service_deleted", "migrated", "token_revoked")


@dataclass
class Fault:
    """One switched-on fault."""

    kind: str
    operation: str | None = None
    service: str | None = None
    count: int | None = 1
    probability: float = 1.0
    seconds: float | None = None
    status: int | None = None
    retry_after: int = 1
    exit_code: int = 1
    message: str = ""
    id: str = field(default_factory=new_id)
    struck: int = 0

    @property
    def spent(self) -> bool:
        """Whether it will not strike again."""
        return self.count is not None and self.struck >= self.count


class FaultError(Exception):
    """A fault that cannot be switched on; says what is wrong."""


def parse_fault(raw: Any) -> Fault:
    """A fault from decoded JSON."""
    if not isinstance(raw, dict):
        raise FaultError("a fault is a JSON object with at least a `kind`")
    known = {one.name for one in fields(Fault)} - {"id", "struck"}
    if unknown := sorted(set(raw) - known):
        raise FaultError(f"unknown: {', '.join(unknown)}; a fault has {', '.join(sorted(known))}")
    if raw.get("kind") not in KINDS:
        raise FaultError(f"kind must be one of {', '.join(KINDS)}")
    fault = Fault(**raw)
    if not 0 <= fault.probability <= 1:
        raise FaultError("probability lies between 0 and 1")
    if fault.kind == "token_revoked" and fault.operation is None:
        raise FaultError("token_revoked needs the operation after which the token is refused")
    return fault


class Faults:
    """What is switched on. Kept in memory only: a restarted yard is a healthy one."""

    def __init__(self, seed: int | None = None) -> None:
        self._active: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311 - dice for tests, and repeatable

    def seed(self, seed: int) -> None:
        """Makes the dice repeatable."""
        self._random.seed(seed)

    def add(self, fault: Fault) -> Fault:
        """Switches a fault on."""
        self._active.append(fault)
        return fault

    def clear(self, fault_id: str | None = None) -> None:
        """Switches one fault off, or all."""
        self._active = [one for one in self._active if fault_id and one.id != fault_id]

    def take(
        self,
        *kinds: str,
        operations: Iterable[str] = (),
        services: Iterable[str | None] = (),
    ) -> Fault | None:
        """The first fault that strikes here, counted; None when all is well."""
        if not self._active:
            return None
        called, named = set(operations), set(services)
        for fault in self._active:
            if fault.kind not in kinds or fault.spent:
                continue
            if fault.operation is not None and fault.operation not in called:
                continue
            if fault.kind in ACCIDENTS and fault.operation is None and called:
                continue
            if fault.service is not None and fault.service not in named:
                continue
            if self._random.random() >= fault.probability:
                continue
            fault.struck += 1
            return fault
        return None

    def await_any(self, *kinds: str) -> bool:
        """Whether a fault of one of these kinds may still strike."""
        return any(one.kind in kinds and not one.spent for one in self._active)

    def stands(self, fault_id: str) -> bool:
        """Whether a fault has not been switched off, spent or not."""
        return any(one.id == fault_id for one in self._active)

    def describe(self) -> list[dict[str, Any]]:
        """All faults, spent ones included, with how often each struck."""
        return [{**asdict(one), "spent": one.spent} for one in self._active]
