"""JSON logs with a trace id on every line, and the trace id itself."""

from __future__ import annotations

from contextvars import ContextVar
from secrets import token_hex

from aws_lambda_powertools.logging import Logger

logger = Logger(service="slipway", log_uncaught_exceptions=False)

_trace_id: ContextVar[str] = ContextVar("trace_id", default="")


def start_trace(trace_id: str | None = None) -> str:
    """Begins a trace for this request or event and puts its id on every log line."""
    trace = trace_id or token_hex(16)
    _trace_id.set(trace)
    logger.append_keys(trace_id=trace)
    return trace


def trace_id() -> str:
    """The id people quote when they report a problem."""
    return _trace_id.get() or start_trace()
