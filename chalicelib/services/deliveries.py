"""What code hosts send: believed or refused, remembered in one write, and shown to its agent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from chalicelib.domain.connections import Connection
from chalicelib.domain.deliveries import (
    APP,
    KEPT,
    Delivery,
    DeliveryState,
    Facts,
    Outcome,
    Receipt,
    Unreadable,
    form_payload,
    read_payload,
    receipt_key,
    well_named,
)
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.limits import window_of
from chalicelib.domain.signatures import signature_fault
from chalicelib.domain.tenancy import Action, Principal
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    Malformed,
    NotFound,
    TooLarge,
    Unauthenticated,
)
from chalicelib.ports import DELIVERIES, Change, Clock, Page, Put, Schedule, Store, Task, Tasks
from chalicelib.services.agents import Agents
from chalicelib.services.connections import Connections
from chalicelib.values import frozen

MAX_PAYLOAD = 5_000_000
"""Bytes. A function is called with at most 6 MB, the rest of the request included."""
_REFUSALS_EVERY = 600
"""Seconds. Anybody can send nonsense: of each kind one record in this time is kept."""


@frozen
class Arrival:
    """One call as it came. `length` is what it says of itself, before anything is read."""

    event: str | None
    guid: str | None
    sha256: str | None
    sha1: str | None
    length: int
    is_form: bool = False
    """Whether its content type says that the payload is a form's field."""


class Deliveries:
    def __init__(
        self,
        *,
        store: Store,
        agents: Agents,
        connections: Connections,
        schedule: Schedule,
        tasks: Tasks,
        clock: Clock,
        app_secret: Callable[[], str],
    ) -> None:
        self._store = store
        self._agents = agents
        self._connections = connections
        self._schedule = schedule
        self._tasks = tasks
        self._clock = clock
        self._app_secret = app_secret

    # --- for code hosts -----------------------------------------------------------------------

    def receive(
        self, arrival: Arrival, body: Callable[[], bytes], hook_id: str | None = None
    ) -> bool:
        """Remembers a call that is believed, in one write; False when it was known already.

        The body is asked for only when its length is in order, and nothing in it is looked at
        before its signature is. Raises TooLarge, NotFound, Unauthenticated or Malformed.
        """
        source, secret, connection = self._sender(hook_id)
        raw = body() if arrival.length <= MAX_PAYLOAD else b""
        arrival = replace(arrival, length=max(arrival.length, len(raw)))
        if arrival.length > MAX_PAYLOAD:
            self._refuse(source, connection, arrival, _TOO_LARGE)
            raise TooLarge(_TOO_LARGE.detail, code=_TOO_LARGE.code)
        fault = signature_fault(raw, secret, sha256=arrival.sha256, sha1=arrival.sha1)
        if fault is not None:
            self._refuse(source, connection, arrival, fault)
            raise Unauthenticated(fault.detail, code=fault.code)
        event, guid = arrival.event, arrival.guid
        if event is None or guid is None or not well_named(event, guid):
            self._refuse(source, connection, arrival, _UNNAMED)
            raise Malformed(_UNNAMED.detail, code=_UNNAMED.code)
        facts, wrong = _read(event, raw, is_form=arrival.is_form)
        now = self._clock.now()
        receipt = Receipt(
            key=receipt_key(source, guid),
            id=new_id("dlv"),
            source=source,
            guid=guid,
            event=event,
            size=len(raw),
            received_at=now,
            expires_at=now + KEPT,
            facts=facts,
            code=wrong.code if wrong else "",
            detail=wrong.detail if wrong else "",
        )
        try:
            self._store.commit(Put(receipt))
        except ChangedMeanwhile:
            return False
        if wrong is not None:
            raise Malformed(wrong.detail, code=wrong.code)
        return True

    def _sender(self, hook_id: str | None) -> tuple[str, str, Connection | None]:
        if hook_id is None:
            secret = self._app_secret()
            if not secret:
                raise NotFound("This platform has no app at the code host.", code="no_app")
            return APP, secret, None
        found = self._connections.by_hook(hook_id) if is_id(hook_id, "hok") else None
        if found is None:
            raise NotFound("There is no such webhook. Was the agent disconnected?")
        return hook_id, self._connections.secret_of(found), found

    def _refuse(
        self, source: str, connection: Connection | None, arrival: Arrival, why: Outcome
    ) -> None:
        """Leaves a record of a call that nobody believes. It holds nothing of what was sent but
        its length, and there is no more than one of a kind in ten minutes."""
        now = self._clock.now()
        window, _ = window_of(now, _REFUSALS_EVERY)
        record = Receipt(
            key=receipt_key(source, f"{why.code} {window}"),
            id=new_id("dlv"),
            source=source,
            guid="",
            event="",
            size=arrival.length,
            received_at=now,
            expires_at=now + KEPT,
            code=why.code,
            detail=why.detail,
            state=DeliveryState.REFUSED,
            concerns=0 if connection is None else 1,
        )
        changes: list[Change] = [Put(record)]
        if connection is not None:
            refused = Delivery(
                id=record.id,
                org_id=connection.org_id,
                agent_id=connection.agent_id,
                guid="",
                event="",
                size=record.size,
                received_at=now,
                updated_at=now,
                expires_at=record.expires_at,
                state=DeliveryState.REFUSED,
                code=why.code,
                detail=why.detail,
            )
            changes.append(Put(refused))
        try:
            self._store.commit(*changes)
        except ChangedMeanwhile:
            return

    # --- for people ---------------------------------------------------------------------------

    def page(
        self, principal: Principal, agent_id: str, *, limit: int, after: str | None
    ) -> Page[Delivery]:
        """What arrived for the agent, newest first, and what came of it."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.REPOSITORY_READ, agent_id)
        return self._store.page(DELIVERIES, agent.org_id, agent.id, limit=limit, after=after)

    def again(self, principal: Principal, agent_id: str, delivery_id: str) -> Delivery:
        """Has a delivery looked at once more, as if it came now. A commit that was built is not
        built again; one whose build came to nothing is."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.REPOSITORY_CONNECT, agent_id)
        found = (
            self._store.get(Delivery, agent.org_id, agent.id, delivery_id)
            if is_id(delivery_id, "dlv")
            else None
        )
        if found is None:
            raise NotFound("This agent has no delivery with this id.")
        if found.facts is None:
            raise Conflict(
                "Nothing that could be looked at came with this call. Deliver it again at the code "
                "host.",
                code="nothing_to_repeat",
            )
        if found.state in (DeliveryState.RECEIVED, DeliveryState.QUEUED):
            return found
        now = self._clock.now()
        repeated = found.following(
            now,
            DeliveryState.RECEIVED,
            code="",
            detail="Looked at again by request.",
            attempts=0,
            asked_again=found.asked_again + 1,
            asked_at=now,
        )
        self._store.commit(Put(repeated))
        self._schedule.enable()
        self._tasks.start([Task("delivery", agent.org_id, found.id, agent.id)])
        return repeated


def _read(event: str, raw: bytes, *, is_form: bool) -> tuple[Facts | None, Outcome | None]:
    """What the payload says, or why it says nothing."""
    try:
        payload = json.loads(form_payload(raw) if is_form else raw)
    except Unreadable as error:
        return None, Outcome("payload_malformed", str(error))
    except (ValueError, RecursionError):
        return None, _NO_JSON
    if not isinstance(payload, dict):
        return None, Outcome("payload_malformed", "The payload is not a JSON object.")
    try:
        return read_payload(event, payload), None
    except Unreadable as error:
        return None, Outcome("payload_malformed", str(error))


_TOO_LARGE = Outcome(
    "payload_too_large",
    f"A payload may have {MAX_PAYLOAD // 1_000_000} MB; this one was not read. Push fewer commits "
    "at once, or deploy the branch by hand.",
)
_NO_JSON = Outcome(
    "payload_malformed",
    "The payload is not JSON. Choose application/json as the webhook's content type.",
)
_UNNAMED = Outcome(
    "headers_missing", "X-GitHub-Event and X-GitHub-Delivery must say what the call is."
)
