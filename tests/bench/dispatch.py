"""What our endpoint wrapper costs on top of bare Chalice, for a POST with a validated body."""

from __future__ import annotations

import io
import json
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from chalice.app import Blueprint, Chalice
from pydantic import Field

from chalicelib import bootstrap
from chalicelib.adapters.memory import MemoryCounters
from chalicelib.api.http import ENDPOINTS, Call, Model, View, endpoint
from chalicelib.telemetry import logger
from tests.api.conftest import event
from tests.conftest import World

ROUNDS = 15
CALLS = 400


class _Uncounted(MemoryCounters):
    def take(self, *_: object, **__: object) -> int:
        return 1


class Order(Model):
    name: str = Field(min_length=1, max_length=80)
    amount: int = Field(ge=0)
    tags: list[str] = Field(default_factory=list)


class Receipt(View):
    name: str
    amount: int


def ratio() -> tuple[float, float, float]:
    """Ours over bare, median of paired rounds; and both in microseconds a call."""
    bare, ours = _bare(), _ours()
    sent = event("POST", "/v1/orders", {"name": "x", "amount": 1, "tags": ["a"]}, {}, {})
    with redirect_stdout(io.StringIO()):
        pairs = [(_time(bare, sent), _time(ours, sent)) for _ in range(ROUNDS)]
    rounds = pairs[2:]
    return (
        statistics.median(b / a for a, b in rounds),
        statistics.median(a for a, _ in rounds),
        statistics.median(b for _, b in rounds),
    )


def _bare() -> Callable[..., Any]:
    app = Chalice(app_name="bare", configure_logs=False)

    def orders() -> dict[str, Any]:
        body = app.current_request.json_body
        return {"name": body["name"], "amount": body["amount"]}

    app.route("/v1/orders", methods=["POST"])(orders)
    return app  # type: ignore[no-any-return]


def _ours() -> Callable[..., Any]:
    # What counting costs is measured by itself (guard.py).
    world = World(counters=_Uncounted())
    bootstrap.install(world.platform)
    blueprint = Blueprint(__name__)

    @endpoint(
        blueprint,
        "POST",
        "/orders",
        summary="An order",
        body=Order,
        answer=Receipt,
        public=True,
    )
    def create_order(call: Call, body: Order) -> Receipt:
        return Receipt(name=body.name, amount=body.amount)

    ENDPOINTS.pop()
    app = Chalice(app_name="ours", configure_logs=False)
    app.log = logger
    app.register_blueprint(blueprint, url_prefix="/v1")
    return app  # type: ignore[no-any-return]


def _time(app: Callable[..., Any], sent: dict[str, Any]) -> float:
    json.dumps(app(sent, None))
    began = time.perf_counter()
    for _ in range(CALLS):
        app(sent, None)
    return (time.perf_counter() - began) / CALLS * 1e6


if __name__ == "__main__":
    print(ratio())
