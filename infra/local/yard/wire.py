"""How a GraphQL request becomes an answer: Railway's status codes, error shape and headers."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    build_schema,
    execute,
    parse,
    validate,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from infra.local.yard import clock
from infra.local.yard.access import Budget, Gate, Meter, Principal
from infra.local.yard.errors import NotAuthorized, NotFound, NotImplementedHere, Refusal
from infra.local.yard.faults import Fault, Faults

SCHEMA_FILE = Path(__file__).with_name("schema.graphql")
BODY_LIMIT = 10_000_000
CACHED_DOCUMENTS = 512
DEFAULT_TIMEOUT = 100.0
"""A gateway gives up later than any sensible client does."""

log = logging.getLogger(__name__)
Args = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """The caller of a resolver, and the operations named in the same request."""

    principal: Principal | None
    operations: tuple[str, ...] = ()
    with_project_token: bool = False

    @property
    def who(self) -> Principal:
        """The accepted token; without one nothing is answered."""
        if self.principal is None:
            raise NotFound("Project Token") if self.with_project_token else NotAuthorized()
        return self.principal


Resolver = Callable[[Call, Args], Any]
Resolvers = Mapping[str, Resolver]
After = Callable[[Sequence[str], Mapping[str, Any] | None], Awaitable[None]]
"""Called with the operations and variables of a request that has had its effect."""


def make_schema(queries: Resolvers, mutations: Resolvers) -> GraphQLSchema:
    """The subset schema with resolvers attached, and a plain refusal where there is none."""
    schema = build_schema(SCHEMA_FILE.read_text())
    attach(schema, queries, mutations)
    moments = schema.type_map["DateTime"]
    assert isinstance(moments, GraphQLScalarType)  # noqa: S101 - our own file says so
    moments.parse_value = parse_moment  # type: ignore[method-assign]
    moments.coerce_input_value = parse_moment
    variables = schema.type_map["EnvironmentVariables"]
    assert isinstance(variables, GraphQLScalarType)  # noqa: S101
    variables.parse_value = _parse_variables  # type: ignore[method-assign]
    variables.coerce_input_value = _parse_variables
    return schema


def attach(schema: GraphQLSchema, queries: Resolvers, mutations: Resolvers) -> None:
    """Answers with these resolvers, and with no earlier ones."""
    _attach(schema.query_type, queries)
    _attach(schema.mutation_type, mutations)


def _attach(root: GraphQLObjectType | None, resolvers: Resolvers) -> None:
    assert root is not None  # noqa: S101
    if unknown := set(resolvers) - set(root.fields):
        raise LookupError(f"{root.name} has no {', '.join(sorted(unknown))}")
    for name, field in root.fields.items():
        resolver = resolvers.get(name) or _absent(name)
        field.resolve = _adapt(resolver)


def _adapt(resolver: Resolver) -> Callable[..., Any]:
    def resolve(_source: Any, info: Any, **args: Any) -> Any:
        call: Call = info.context
        call.who  # noqa: B018 - refuses the anonymous before anything is looked up
        return resolver(call, args)

    return resolve


def _absent(name: str) -> Resolver:
    def refuse(_call: Call, _args: Args) -> Any:
        raise NotImplementedHere(name)

    return refuse


def parse_moment(value: Any) -> str:
    """A DateTime argument, checked, in the one form the store compares."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        raise GraphQLError(
            f"DateTime cannot represent an invalid date-time-string {value}."
        ) from exc
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _parse_variables(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise GraphQLError("EnvironmentVariables must be an object of strings")
    return value


@dataclass(frozen=True)
class _Prepared:
    document: DocumentNode
    operations: Mapping[str, tuple[str, ...]]


class Wire:
    """The handler of `POST /graphql/v2`."""

    def __init__(
        self, schema: GraphQLSchema, gate: Gate, meter: Meter, faults: Faults, after: After
    ) -> None:
        self._schema = schema
        self._gate = gate
        self._meter = meter
        self._faults = faults
        self._after = after
        self._revoked: dict[str, tuple[str, float]] = {}
        self._cache: OrderedDict[str, _Prepared] = OrderedDict()

    async def answer(self, request: Request) -> Response:
        """Answers one request."""
        principal = self._gate.principal(request.headers)
        if principal is not None and self._is_revoked(principal):
            principal = None
        budget = self._meter.spend(principal.key if principal else "anonymous")
        if budget.retry_after is not None:
            return _too_many(budget)
        response = await self._answer(request, principal, budget)
        for name, value in budget.headers().items():
            response.headers.setdefault(name, value)
        return response

    async def _answer(
        self, request: Request, principal: Principal | None, budget: Budget
    ) -> Response:
        try:
            query, variables, name = _read(await request.body())
            prepared = self._prepare(query)
        except _Malformed as exc:
            return _errors(400, exc.errors)
        operations = prepared.operations.get(name or "", ())
        fault = self._faults.take(*_WIRE_FAULTS, operations=(*operations, name or ""))
        if fault and (early := await self._before(request, fault, operations, budget)):
            return early
        call = Call(principal, operations, "project-access-token" in request.headers)
        response = await self._execute(prepared, variables, name, call)
        await self._after(operations, variables)
        if principal:
            self._revoke(principal, operations)
        if fault:
            return await _after(request, fault)
        return response

    async def guard(
        self,
        request: Request,
        operation: str,
        work: Callable[[Call], Awaitable[Response]],
        subject: Mapping[str, Any] | None = None,
    ) -> Response:
        """For what is not GraphQL: the same tokens, the same budget, the same faults."""
        principal = self._gate.principal(request.headers)
        if principal is not None and self._is_revoked(principal):
            principal = None
        budget = self._meter.spend(principal.key if principal else "anonymous")
        if budget.retry_after is not None:
            return _too_many(budget)
        fault = self._faults.take(*_WIRE_FAULTS, operations=(operation,))
        if fault and (early := await self._before(request, fault, (operation,), budget)):
            return _plainly(early)
        call = Call(principal, (operation,), "project-access-token" in request.headers)
        response = await work(call)
        await self._after((operation,), subject)
        if principal:
            self._revoke(principal, (operation,))
        if fault:
            response = _plainly(await _after(request, fault))
        for name, value in budget.headers().items():
            response.headers.setdefault(name, value)
        return response

    def _revoke(self, principal: Principal, operations: Sequence[str]) -> None:
        if revoked := self._faults.take("token_revoked", operations=operations):
            self._revoked[revoked.id] = (
                principal.key,
                clock.seconds() + (math.inf if revoked.seconds is None else revoked.seconds),
            )

    def _is_revoked(self, principal: Principal) -> bool:
        moment = clock.seconds()
        return any(
            key == principal.key and moment < until and self._faults.stands(fault_id)
            for fault_id, (key, until) in self._revoked.items()
        )

    def _prepare(self, query: str) -> _Prepared:
        """Parsed and validated once: clients send the same few documents again and again."""
        if cached := self._cache.get(query):
            self._cache.move_to_end(query)
            return cached
        try:
            document = parse(query, max_tokens=20_000)
        except GraphQLSyntaxError as exc:
            raise _Malformed("GRAPHQL_PARSE_FAILED", [exc]) from exc
        if errors := validate(self._schema, document):
            raise _Malformed("GRAPHQL_VALIDATION_FAILED", errors)
        prepared = _Prepared(document, _operations(document))
        self._cache[query] = prepared
        if len(self._cache) > CACHED_DOCUMENTS:
            self._cache.popitem(last=False)
        return prepared

    async def _execute(
        self, prepared: _Prepared, variables: Any, name: str | None, call: Call
    ) -> Response:
        result = execute(
            self._schema,
            prepared.document,
            context_value=call,
            variable_values=variables,
            operation_name=name,
        )
        if isinstance(result, Awaitable):
            result = await result
        errors = [_formatted(one) for one in result.errors or ()]
        # Nothing was executed when no error has a path and there are no data: the input itself.
        if errors and result.data is None and all(not one.get("path") for one in errors):
            for one in errors:
                one["extensions"] = {"code": "BAD_USER_INPUT"}
            return _errors(400, errors)
        body: dict[str, Any] = {"data": result.data}
        if errors:
            body["errors"] = errors
        return _json(200, body)

    async def _before(
        self, request: Request, fault: Fault, operations: Sequence[str], budget: Budget
    ) -> Response | None:
        match fault.kind:
            case "rate_limit":
                return _too_many(budget, fault.retry_after)
            case "create_throttle":
                return _refused(_throttle_text(operations), operations)
            case "timeout_before":
                await _hang(request, fault)
                return _gateway(504)
            case "server_error":
                return _gateway(fault.status or 503)
            case "cloudflare":
                return _cloudflare(fault.status or 403)
            case "problem":
                return _problem()
            case "not_authorized":
                return _refused("Not Authorized", operations)
            case "in_progress":
                return _refused("an operation is already in progress", operations)
            case "message":
                return _refused(fault.message, operations)
        return None


_WIRE_FAULTS = (
    "rate_limit",
    "create_throttle",
    "timeout_before",
    "timeout_after",
    "server_error",
    "server_error_after",
    "cloudflare",
    "problem",
    "problem_after",
    "not_authorized",
    "in_progress",
    "message",
)


async def _after(request: Request, fault: Fault) -> Response:
    match fault.kind:
        case "timeout_after":
            await _hang(request, fault)
            return _gateway(504)
        case "problem_after":
            return _problem()
        case _:
            return _gateway(fault.status or 503)


async def _hang(request: Request, fault: Fault) -> None:
    """Says nothing until the client gives up or the time is over."""
    seconds = DEFAULT_TIMEOUT if fault.seconds is None else fault.seconds
    try:
        async with asyncio.timeout(seconds):
            # Asking again and again is all that Starlette offers for this.
            while not await request.is_disconnected():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        return


class _Malformed(Exception):
    def __init__(self, code: str, errors: Sequence[GraphQLError | str]) -> None:
        super().__init__(code)
        self.errors = [
            _formatted(one if isinstance(one, GraphQLError) else GraphQLError(one))
            for one in errors
        ]
        for one in self.errors:
            one["extensions"] = {"code": code}


def _read(body: bytes) -> tuple[str, Mapping[str, Any] | None, str | None]:
    if len(body) > BODY_LIMIT:
        raise _Malformed("BAD_USER_INPUT", ["request entity too large"])
    try:
        raw = json.loads(body)
    except ValueError as exc:
        raise _Malformed("BAD_USER_INPUT", ["POST body missing, invalid JSON"]) from exc
    if not isinstance(raw, dict) or not isinstance(raw.get("query"), str):
        raise _Malformed("BAD_USER_INPUT", ["the body must be an object with a `query`"])
    variables, name = raw.get("variables"), raw.get("operationName")
    if variables is not None and not isinstance(variables, dict):
        raise _Malformed("BAD_USER_INPUT", ["`variables` must be an object"])
    if name is not None and not isinstance(name, str):
        raise _Malformed("BAD_USER_INPUT", ["`operationName` must be a string"])
    return raw["query"], variables, name or None


def _operations(document: DocumentNode) -> dict[str, tuple[str, ...]]:
    """Root fields by operation name; a lone operation also under the empty name."""
    found: dict[str, tuple[str, ...]] = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            roots = tuple(
                one.name.value
                for one in node.selection_set.selections
                if isinstance(one, FieldNode)
            )
            found[node.name.value if node.name else ""] = roots
    if len(found) == 1:
        found.setdefault("", next(iter(found.values())))
    return found


def trace_id() -> str:
    """A decimal string, as Railway's are."""
    return str(random.getrandbits(63))


def _formatted(error: GraphQLError) -> dict[str, Any]:
    cause = error.original_error
    if cause is not None and not isinstance(cause, Refusal | GraphQLError):
        log.error("a resolver failed", exc_info=cause)
    out: dict[str, Any] = {"message": error.message}
    if error.locations:
        out["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path:
        out["path"] = error.path
    code = cause.code if isinstance(cause, Refusal) else "INTERNAL_SERVER_ERROR"
    out["extensions"] = {"code": code}
    out["traceId"] = trace_id()
    return out


def _json(status: int, body: Any) -> Response:
    return JSONResponse(body, status)


def _errors(status: int, errors: list[dict[str, Any]]) -> Response:
    return _json(status, {"errors": errors})


def _refused(message: str, operations: Sequence[str]) -> Response:
    error = {
        "message": message,
        "path": [operations[0]] if operations else [],
        "locations": [{"line": 1, "column": 1}],
        "extensions": {"code": "INTERNAL_SERVER_ERROR"},
        "traceId": trace_id(),
    }
    return _json(200, {"data": None, "errors": [error]})


def _plainly(response: Response) -> Response:
    """The same refusal as what is not GraphQL says it: a status and a message."""
    said = json.loads(bytes(response.body)) if response.status_code == 200 else {}
    if not said.get("errors"):
        return response
    message = said["errors"][0]["message"]
    status = {"Not Authorized": 401, "Problem processing request": 500}.get(message, 400)
    return JSONResponse({"message": message}, status)


def _problem() -> Response:
    error = {"message": "Problem processing request", "traceId": trace_id()}
    return _json(200, {"data": None, "errors": [error]})


def _too_many(budget: Budget, retry_after: int | None = None) -> Response:
    if retry_after is not None:
        reset = int(clock.seconds()) + retry_after
        budget = replace(budget, remaining=0, reset=reset, retry_after=retry_after)
    headers = budget.headers()
    return JSONResponse({"message": "Too Many Requests"}, 429, headers)


def _gateway(status: int) -> Response:
    return PlainTextResponse(
        "upstream connect error or disconnect/reset before headers. reset reason: overflow", status
    )


def _cloudflare(status: int) -> Response:
    return Response(
        "<!DOCTYPE html><html><head><title>Access denied</title></head>"
        "<body><h1>Access denied</h1><p>Cloudflare</p></body></html>",
        status,
        media_type="text/html",
    )


def _throttle_text(operations: Sequence[str]) -> str:
    for operation in operations:
        if operation == "environmentCreate":
            return "one environment can be created per user every 30s"
        if operation.endswith("Create"):
            noun = operation.removesuffix("Create").lower()
            return f"You are creating {noun}s too quickly, please try again later"
    return "You are creating services too quickly, please try again later"
