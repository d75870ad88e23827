"""What counting a request costs in time of the processor, and how fast an audit log is proven."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.credentials import Credentials
from botocore.session import get_session

from chalicelib.adapters.counters import DynamoCounters
from chalicelib.adapters.dynamo import DynamoStore, to_item
from chalicelib.adapters.http import SystemClock
from chalicelib.adapters.memory import MemoryArtifacts
from chalicelib.domain.audit import Audited, AuditEvent, AuditHead, append, block_of
from chalicelib.domain.limits import RateClass
from chalicelib.domain.tenancy import Principal, Role
from chalicelib.services.audit import Audit
from chalicelib.services.limits import Limits
from chalicelib.settings import RATE_LIMITS

RECORDS = 10_000
ROUNDS = 7
TAKES = 300
WHO = Principal("usr_1", "org_1", Role.OWNER)


def counting() -> tuple[float, float]:
    """Calls to the table, and microseconds of this process, that one counted request adds:
    everything up to the socket, the signature included."""
    client = get_session().create_client(
        "dynamodb", region_name="us-east-1", endpoint_url="http://127.0.0.1:9"
    )
    client._request_signer._credentials = Credentials("AKIA" + "X" * 16, "secret")
    body = b'{"Attributes":{"hits":{"N":"1"},"expires_at":{"N":"1800000000"}}}'

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {"x-amzn-requestid": "1"}, _Raw(body))

    client.meta.events.register("before-send.dynamodb", answer)
    counters = DynamoCounters("table", lambda: client)
    limits = Limits(counters=counters, clock=SystemClock(), table=RATE_LIMITS)
    rounds = []
    for _ in range(ROUNDS):
        before, began = counters.calls, time.process_time()
        for _ in range(TAKES):
            limits.take(RateClass.READ, principal=WHO)
        rounds.append((time.process_time() - began) / TAKES * 1e6)
        calls = (counters.calls - before) / TAKES
    return calls, statistics.median(rounds)


def verifying() -> float:
    """Seconds to prove ten thousand records, the table's own time left out."""
    table = _Table()
    audit = Audit(
        store=DynamoStore("table", lambda: table),
        artifacts=MemoryArtifacts(),
        clock=SystemClock(),
        kept=timedelta(days=400),
    )
    rounds = []
    for _ in range(3):
        began = time.process_time()
        checked, after = 0, None
        while True:
            found = audit.verify(WHO, after=after, anchor=None)
            assert found.broken is None, found.broken
            checked, after = checked + found.checked, found.next
            if after is None:
                break
        assert checked == RECORDS
        rounds.append(time.process_time() - began)
    return statistics.median(rounds)


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]


class _Table:
    """Answers as DynamoDB does, with a log of ten thousand records."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        head, self._blocks = AuditHead("org_1"), dict[int, list[dict[str, Any]]]()
        for number in range(RECORDS):
            event = AuditEvent(
                "org_1",
                "usr_01m8cj0stvakb49rncrxrc8he7",
                Audited.AGENT_UPDATED,
                f"agt_{number:026d}",
                "192.0.2.1",
                before={"name": "Before", "visibility": "private"},
                after={"name": "After", "visibility": "public"},
                trace_id="c6af9ac67b6111e69a4193e8deadbeef",
            )
            record, head = append(head, event, now=now, expires_at=now + timedelta(days=400))
            self._blocks.setdefault(block_of(record.sequence), []).append(to_item(record))
        self._head = to_item(head)

    def get_item(self, *, Key: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Item": self._head} if Key["sk"]["S"] == "HEAD#" else {}

    def query(self, *, ExpressionAttributeValues: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        block = int(ExpressionAttributeValues[":pk"]["S"].split("#")[3])
        return {"Items": self._blocks.get(block, [])}


if __name__ == "__main__":
    print(counting(), verifying())
