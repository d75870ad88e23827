"""The one wrapper around every view: who calls, what they sent, what they get, and errors.

An endpoint declares its method, path, body, query and answer once; the route, the validation, the
OpenAPI document and the tests over all endpoints come from that declaration.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from chalice.app import Blueprint, Chalice, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from chalicelib.api.words import place, sentence, told
from chalicelib.bootstrap import Platform, platform
from chalicelib.domain.audit import Audited, AuditEvent, Result
from chalicelib.domain.limits import Quota, RateClass
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.errors import (
    FieldError,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    PlatformError,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
)
from chalicelib.telemetry import access_line, logger, start_trace, trace_id
from chalicelib.values import frozen

PREFIX = "/v1"
MAX_BODY = 1_000_000
ORIGIN_HEADER = "slipway-origin"
MAX_ADDRESS = 45
# What a token that somebody made up is refused with; one that was ours, and ended, is no guess.
GUESSES = frozenset({"token_invalid", "token_malformed", "token_unknown"})
ORGANISATION_HEADER = "slipway-organisation"
# Of every answer, whoever asks and however; infra/headers.json has the same for both grounds.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PROBLEM = "application/problem+json"
V = TypeVar("V", bound=Callable[..., Any])


class Model(BaseModel):
    """What requests carry: nothing unknown, nothing coerced from another type silently."""

    # Built on first use: a cold start pays only for the models its request needs.
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, defer_build=True)


class View(BaseModel):
    """What answers carry, made from a domain object's attributes."""

    model_config = ConfigDict(from_attributes=True, defer_build=True)


class Problem(BaseModel):
    """An error, after RFC 9457. `code` is stable; `detail` says what to change."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    trace_id: str
    errors: list[dict[str, Any]] | None = None


@dataclass
class Call:
    """One request as a view sees it."""

    platform: Platform
    request: Request
    who: Principal | None
    address: str = ""
    """Where the request truly comes from."""

    @property
    def principal(self) -> Principal:
        if self.who is None:
            raise Unauthenticated("Sign in, or send an API token.")
        return self.who

    def header(self, name: str) -> str | None:
        value = self.request.headers.get(name)
        return None if value is None else str(value)

    def body(self) -> bytes:
        """The body as it came, unparsed."""
        raw = self.request.raw_body or b""
        return raw.encode() if isinstance(raw, str) else bytes(raw)

    @property
    def length(self) -> int:
        """How long the body says it is, before anybody has looked at it; -1 when it does not."""
        said = str(self.header("content-length") or "")
        return int(said) if said.isascii() and said.isdecimal() and len(said) < 16 else -1

    @property
    def if_match(self) -> int | None:
        """The revision the caller has seen, or None when it does not say."""
        value = self.header("if-match")
        if value is None or value == "*":
            return None
        digits = value.strip().removeprefix("W/").strip('"')
        if not digits.isdecimal() or len(digits) > 12:
            raise Malformed('If-Match must be an ETag as this API gave it, for example "3".')
        return int(digits)


@dataclass
class Answer:
    """A view's answer with more than a body: another status, an ETag, when to ask again."""

    body: Any
    status: int | None = None
    revision: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    """Values of Set-Cookie."""


@frozen
class Endpoint:
    """One line of the API."""

    method: str
    path: str
    name: str
    summary: str
    action: Action | None
    own_action: Action | None
    also: tuple[Action, ...]
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: Any
    status: int
    errors: tuple[int, ...]
    public: bool
    raw: bool
    idempotent: bool
    takes: tuple[str, ...]
    media: str
    rate: RateClass
    tag: str
    view: Callable[..., Any]


ENDPOINTS: list[Endpoint] = []


def endpoint(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    summary: str,
    answer: Any,
    action: Action | None = None,
    own_action: Action | None = None,
    also: tuple[Action, ...] = (),
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    status: int = 200,
    errors: tuple[int, ...] = (),
    public: bool = False,
    raw: bool = False,
    idempotent: bool = False,
    takes: tuple[str, ...] = (JSON,),
    media: str = JSON,
    rate: RateClass | None = None,
) -> Callable[[V], V]:
    """Declares a view. The function itself is returned unchanged, types and all.

    `action` is what every call needs; `own_action` what it needs instead when the path's `user_id`
    is the caller's; `also` what some bodies need besides, which the use case asks for. A `raw` view
    takes the body from `call.body()` when it wants to, as it came. `takes` are the content types
    that a body may have.
    """

    def declare(view: V) -> V:
        declared = Endpoint(
            method=method,
            path=path,
            name=view.__name__,
            summary=summary,
            action=action,
            own_action=own_action,
            also=also,
            body=body,
            query=query,
            answer=answer,
            status=status,
            errors=errors,
            public=public,
            raw=raw,
            idempotent=idempotent,
            takes=takes,
            media=media,
            rate=rate or (RateClass.READ if method == "GET" else RateClass.WRITE),
            tag=view.__module__.rsplit(".", 1)[-1],
            view=view,
        )
        ENDPOINTS.append(declared)

        def handle(**path_values: str) -> Response:
            return _handle(declared, blueprint.current_request, path_values)

        handle.__name__ = view.__name__
        blueprint.route(
            path,
            methods=[method],
            name=f"{declared.tag}.{view.__name__}",
            # As a rule nothing but JSON: what a foreign page can send without asking is none.
            content_types=list(takes),
        )(handle)
        return view

    return declare


class SlipwayApp(Chalice):  # type: ignore[misc]
    """Chalice, with its own refusals in our shape, and headers that every answer has."""

    def __call__(self, event: Any, context: Any) -> Any:
        answer = super().__call__(event, context)
        headers = answer.get("headers") or {}
        if answer["statusCode"] >= 400 and headers.get("Content-Type") != PROBLEM:
            start_trace()
            answer = _chalice_refusal(answer)
        answer["headers"] = {**(answer.get("headers") or {}), **HEADERS}
        return answer


def _handle(declared: Endpoint, request: Request, path_values: Mapping[str, str]) -> Response:
    began = time.perf_counter()
    start_trace(_incoming_trace(request))
    quota: dict[str, str] = {}
    try:
        response = _respond(declared, request, path_values, quota)
    except PlatformError as error:
        response = _refused(declared, error)
    except ValidationError as error:
        response = _refused(declared, _invalid(error, "body"))
    except Exception:  # noqa: BLE001 - nothing may leave here without a problem document
        logger.exception("unhandled error")
        response = _refused(
            declared,
            PlatformError("This is our fault, not yours. Quote the trace id when you report it."),
        )
    response.headers.update(quota)
    response.headers["X-Trace-Id"] = trace_id()
    response.headers.setdefault("Cache-Control", "no-store")
    milliseconds = (time.perf_counter() - began) * 1000
    access_line(declared.method, declared.path, response.status_code, milliseconds)
    return response


def _respond(
    declared: Endpoint, request: Request, path_values: Mapping[str, str], quota: dict[str, str]
) -> Response:
    wired = platform()
    address = client_address(request, wired.settings.origin_hash)
    who = None
    if not declared.public:
        try:
            who = _principal(wired, request, path_values.get("org_id"), address)
        except Unauthenticated as error:
            if error.code in GUESSES:
                _counted(wired.limits.take(RateClass.CREDENTIAL, address=address), quota)
            raise
    _counted(wired.limits.take(declared.rate, principal=who, address=address), quota)
    call = Call(wired, request, who, address)
    if declared.rate is RateClass.SIGN_IN and who is None:
        return _patient(declared, call, path_values)
    try:
        return _viewed(declared, call, path_values)
    except Forbidden as error:
        denials = wired.limits.take(RateClass.DENIED, principal=who) if who else None
        if who is not None and not (denials and denials.exceeded):
            wired.audit.note(_denied(declared, who, path_values, error))
        raise


def _counted(taken: Quota | None, headers: dict[str, str]) -> None:
    """Says in the answer's headers what is left; raises TooManyRequests when nothing is."""
    if taken is None:
        return
    headers |= taken.headers()
    if taken.exceeded:
        raise TooManyRequests(
            f"This is more than {taken.limit.count} {_COUNTED[taken.rate]} in "
            f"{taken.limit.seconds} seconds. Go on in {taken.resets_in} seconds.",
            retry_after=taken.resets_in,
        )


_COUNTED = {
    RateClass.READ: "reads",
    RateClass.WRITE: "changes",
    RateClass.UPLOAD: "uploads",
    RateClass.SIGN_IN: "steps of signing in",
    RateClass.WEBHOOK: "webhook calls",
    RateClass.CREDENTIAL: "calls with tokens that are not ours",
}


def _patient(declared: Endpoint, call: Call, path_values: Mapping[str, str]) -> Response:
    """Whoever brings wrong credentials waits, longer each time, before more are looked at."""
    limits = call.platform.limits
    limits.patience(call.address)
    try:
        return _viewed(declared, call, path_values)
    except (NotFound, Unauthenticated) as error:
        # A session that ended was ours. And a GET may be a picture in a foreign page, whose
        # readers' network is not to be made to wait.
        if declared.method != "GET" and not error.code.startswith("session_"):
            limits.failed(call.address)
        raise


def _viewed(declared: Endpoint, call: Call, path_values: Mapping[str, str]) -> Response:
    request = call.request
    if call.who is not None and declared.action is not None:
        own = declared.own_action if path_values.get("user_id") == call.who.user_id else None
        _allow(call.who, own or declared.action, path_values.get("agent_id"))
    arguments: dict[str, Any] = dict(path_values)
    raw = b"" if declared.raw else _raw_body(request)
    if declared.body is not None:
        arguments["body"] = _parsed(declared.body, raw)
    if declared.query is not None:
        arguments["query"] = _query(declared.query, request)
    key = call.header("idempotency-key")
    if declared.idempotent and key and call.who is not None:
        return _once(declared, call, key, raw, arguments)
    return _response(declared, request, declared.view(call, **arguments))


def _once(
    declared: Endpoint, call: Call, key: str, raw: bytes, arguments: dict[str, Any]
) -> Response:
    who = call.principal
    scoped = f"{who.user_id} {who.token_id} {who.scope} {declared.method} {declared.path} {key}"
    fingerprint = (
        json.dumps(
            {k: v for k, v in arguments.items() if k not in ("body", "query")}, sort_keys=True
        ).encode()
        + raw
    )

    def work() -> tuple[int, str]:
        made = _response(declared, call.request, declared.view(call, **arguments))
        return made.status_code, str(made.body)

    if not key.isascii() or not key.isprintable() or len(key) > 255:
        raise Invalid("An Idempotency-Key is 1 to 255 printable ASCII characters.")
    hashed = hashlib.sha256(scoped.encode()).hexdigest()
    done = call.platform.idempotency.once(call.principal.org_id, hashed, fingerprint, work)
    headers = {"Content-Type": JSON}
    if done.repeated:
        headers["Idempotency-Replayed"] = "true"
    return Response(body=done.body, status_code=done.status, headers=headers)


def _response(declared: Endpoint, request: Request, result: Any) -> Response:
    answer = result if isinstance(result, Answer) else Answer(result)
    headers: dict[str, Any] = {"Content-Type": JSON, **answer.headers}
    if answer.cookies:
        headers["Set-Cookie"] = list(answer.cookies)
    status = answer.status or declared.status
    if answer.revision is not None:
        headers["ETag"] = f'"{answer.revision}"'
        headers["Cache-Control"] = "private, no-cache"
    if "ETag" in headers and declared.method == "GET" and _matches(request, headers["ETag"]):
        return Response(body="", status_code=304, headers=headers)
    body = answer.body
    if body is None:
        headers.pop("Content-Type", None)
        return Response(body="", status_code=status, headers=headers)
    text = body if isinstance(body, str) else _json(body)
    return Response(body=text, status_code=status, headers=headers)


def _refused(declared: Endpoint, error: PlatformError) -> Response:
    """A problem document; or where a browser is on its way, a page of ours that says what to do."""
    if declared.status != 302:
        return problem(error)
    page = f"{platform().settings.web_url}/sign-in?error={quote(error.code)}"
    return Response(body="", status_code=302, headers={"Location": page})


def problem(error: PlatformError) -> Response:
    """An error as application/problem+json."""
    content: dict[str, Any] = {
        "type": f"https://slipway.dev/errors/{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        "trace_id": trace_id(),
    }
    if error.errors:
        content["errors"] = [
            {"field": e.field, "detail": e.detail, **({"line": e.line} if e.line else {})}
            for e in error.errors
        ]
    headers = {"Content-Type": PROBLEM}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return Response(body=json.dumps(content), status_code=error.status, headers=headers)


def _principal(wired: Platform, request: Request, org_id: str | None, address: str) -> Principal:
    """The caller, in the organisation that the path names, or else the header."""
    header = str(request.headers.get("authorization") or "")
    scheme, _, credential = header.partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthenticated("Send an access token or API token: Authorization: Bearer <token>.")
    return wired.access.principal(
        credential.strip(),
        organisation=org_id or request.headers.get(ORGANISATION_HEADER),
        address=address,
    )


def _allow(who: Principal, action: Action, agent_id: str | None) -> None:
    """What is not to be seen does not exist; what is seen may still be forbidden."""
    if agent_id is not None and not who.sees(agent_id):
        raise NotFound("There is no agent with this id in your organisation.")
    who.require(action, agent_id)


def _denied(
    declared: Endpoint, who: Principal, path_values: Mapping[str, str], error: Forbidden
) -> AuditEvent:
    subject = next((v for k, v in path_values.items() if k.endswith("_id")), who.org_id)
    wanted = {
        "route": f"{declared.method} {declared.path}",
        "permission": declared.action,
        "why": error.detail,
    }
    return AuditEvent.by(
        who, Audited.ACCESS_DENIED, subject[:64], after=wanted, result=Result.DENIED
    )


def client_address(request: Request, origin_hash: str) -> str:
    """Where the request truly comes from.

    The gateway knows who is connected to it. When that is our own distribution, which proves it
    with a secret, the client is the last one that the distribution has noted: what a client says
    of itself stands before that and counts for nothing.
    """
    identity = (request.context or {}).get("identity") or {}
    connected = str(identity.get("sourceIp") or "")
    proof = str(request.headers.get(ORIGIN_HEADER) or "")
    if not origin_hash or not proof:
        return connected
    if not hmac.compare_digest(hashlib.sha256(proof.encode()).hexdigest(), origin_hash):
        return connected
    noted = str(request.headers.get("x-forwarded-for") or "").split(",")
    hops = [hop.strip() for hop in noted if hop.strip()]
    if len(hops) > 1 and hops[-1] == connected:
        hops.pop()  # the gateway has noted the distribution itself
    return hops[-1][:MAX_ADDRESS] if hops else connected


def _raw_body(request: Request) -> bytes:
    raw = request.raw_body or b""
    raw = raw.encode() if isinstance(raw, str) else raw
    if len(raw) > MAX_BODY:
        raise TooLarge(f"A request body may have at most {MAX_BODY // 1000} kB.")
    return raw


def _parsed(model: type[BaseModel], raw: bytes) -> BaseModel:
    try:
        return model.model_validate_json(raw or b"{}", strict=False)
    except ValidationError as error:
        if any(e["type"] == "json_invalid" for e in error.errors()):
            raise Malformed("The body is not valid JSON.", code="json_invalid") from None
        raise _invalid(error, "body") from None


def _query(model: type[BaseModel], request: Request) -> BaseModel:
    given = request.query_params or {}
    try:
        return model.model_validate(dict(given.items()))
    except ValidationError as error:
        raise _invalid(error, "query") from None


def _invalid(error: ValidationError, where: str) -> Invalid:
    errors = tuple(
        FieldError(place(e) or where, sentence(e)) for e in error.errors(include_url=False)
    )
    return Invalid(told(errors), errors=errors)


def _json(value: Any) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return json.dumps(value)


def _matches(request: Request, etag: str) -> bool:
    sent = request.headers.get("if-none-match")
    return bool(sent) and etag in [tag.strip().removeprefix("W/") for tag in str(sent).split(",")]


def _incoming_trace(request: Request) -> str | None:
    context = request.context or {}
    found = context.get("requestId")
    return None if found is None else str(found).replace("-", "")


def _chalice_refusal(answer: dict[str, Any]) -> dict[str, Any]:
    status = int(answer["statusCode"])
    try:
        said = json.loads(answer.get("body") or "{}")
    except ValueError:
        said = {}
    message = str(said.get("Message") or said.get("message") or "The request was refused.")
    content = {
        "type": "about:blank",
        "title": "The request was refused",
        "status": status,
        "code": {404: "route_unknown", 405: "method_not_allowed", 415: "media_type"}.get(
            status, "refused"
        ),
        "detail": message if status != 415 else "Send JSON: Content-Type: application/json.",
        "trace_id": trace_id(),
    }
    headers = {**(answer.get("headers") or {}), "Content-Type": PROBLEM}
    headers["Cache-Control"] = "no-store"
    return {**answer, "headers": headers, "body": json.dumps(content)}
