"""What arrives from the code host, carried out: each receipt, and each delivery it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.connections import (
    ARCHIVED,
    Connection,
    ConnectionState,
    HookClaim,
    How,
    Installed,
)
from chalicelib.domain.deliveries import (
    APP,
    ATTEMPTS_WITHIN,
    CHECKS_WITHIN,
    EVENTS,
    KEPT,
    Delivery,
    DeliveryState,
    Facts,
    Outcome,
    Receipt,
    wait_of,
)
from chalicelib.domain.pushes import (
    Track,
    ignored_checks,
    ignored_head,
    ignored_now,
    ignored_paths,
    ignored_push,
)
from chalicelib.domain.repositories import Checks, Commit
from chalicelib.errors import (
    ChangedMeanwhile,
    CodeHostRefused,
    Conflict,
    PlatformError,
    Unavailable,
)
from chalicelib.ports import (
    AGENTS,
    CONNECTIONS,
    INSTALLED,
    Clock,
    CodeHost,
    Delete,
    Put,
    Schedule,
    Store,
    every,
)
from chalicelib.services.pull_requests import PullRequests
from chalicelib.services.tracks import Tracks
from chalicelib.telemetry import logger

PRODUCTION = "production"
CHECK_NAME = "Slipway"
"""What our own checks at the code host begin with."""
CHECKS_GRACE = timedelta(seconds=90)
"""How long after a push a commit without any checks may still get some."""
_TRIES = 8
_STANDING = frozenset({"deleted", "suspend", "unsuspend"})
_GONE = frozenset({"installation_gone", "repository_gone"})


class Pushes:
    def __init__(
        self,
        *,
        store: Store,
        code_host: CodeHost,
        tracks: Tracks,
        pull_requests: PullRequests,
        schedule: Schedule,
        clock: Clock,
    ) -> None:
        self._store = store
        self._code_host = code_host
        self._tracks = tracks
        self._pull_requests = pull_requests
        self._schedule = schedule
        self._clock = clock

    # --- receipts -----------------------------------------------------------------------------

    def settle(self, key: str) -> None:
        """Makes deliveries of a receipt, one for each agent it concerns, and looks at each. Safe
        to repeat: a delivery is named by its receipt and its agent."""
        receipt = self._store.get(Receipt, key)
        if receipt is None or not receipt.state.is_open:
            return
        self._schedule.enable()
        facts = receipt.facts
        outcome = None
        if receipt.source == APP and facts is not None and facts.event.startswith("installation"):
            outcome = self._installation(facts)
        concerned = list(self._concerned(receipt))
        for connection in concerned:
            self._deliver(receipt, connection)
        self._settled(receipt, outcome or _came_of(receipt, len(concerned)), len(concerned))
        for connection in concerned:
            self.look(connection.org_id, connection.agent_id, receipt.id)

    def _concerned(self, receipt: Receipt) -> Iterator[Connection]:
        if receipt.source != APP:
            claim = self._store.get(HookClaim, receipt.source)
            found = claim and self._store.get(Connection, claim.org_id, claim.agent_id)
            if found and found.hook_id == receipt.source:
                yield found
        elif receipt.facts is not None and receipt.facts.repository_id:
            named = str(receipt.facts.repository_id)
            for one in every(self._store, CONNECTIONS, named, newest_first=False):
                if _hears(receipt.facts, one):
                    yield one

    def _deliver(self, receipt: Receipt, connection: Connection) -> None:
        now = self._clock.now()
        made = Delivery(
            id=receipt.id,
            org_id=connection.org_id,
            agent_id=connection.agent_id,
            guid=receipt.guid,
            event=receipt.event,
            size=receipt.size,
            received_at=receipt.received_at,
            updated_at=now,
            expires_at=receipt.received_at + KEPT,
            facts=receipt.facts,
            code=receipt.code,
            detail=receipt.detail,
            state=DeliveryState.FAILED if receipt.code else DeliveryState.RECEIVED,
        )
        try:
            self._store.commit(Put(made))
        except ChangedMeanwhile:
            logger.info("delivered already", extra={"delivery": made.id})

    def _settled(self, receipt: Receipt, outcome: Outcome, concerned: int) -> None:
        try:
            self._store.commit(Put(receipt.settled(outcome, concerned)))
        except ChangedMeanwhile:
            logger.info("settled meanwhile", extra={"receipt": receipt.id})

    # --- deliveries ---------------------------------------------------------------------------

    def look(self, org_id: str, agent_id: str, delivery_id: str) -> Delivery | None:
        """Does what a delivery asks for, or says when it is tried again. Safe to repeat."""
        delivery = self._store.get(Delivery, org_id, agent_id, delivery_id)
        if delivery is None or not delivery.state.is_open:
            return delivery
        if delivery.next_at is not None and delivery.next_at > self._clock.now():
            return delivery
        connection = self._store.get(Connection, org_id, agent_id)
        if connection is None:
            gone = Outcome("disconnected", "The repository was disconnected meanwhile.")
            return self._end(delivery, DeliveryState.IGNORED, gone)
        try:
            return self._try(delivery, connection)
        except (Unavailable, Conflict) as error:
            return self._wait(delivery, error)
        except CodeHostRefused as error:
            if error.code in _GONE:
                self._lose(connection, ConnectionState.GONE, error.detail)
            return self._end(delivery, DeliveryState.FAILED, Outcome(error.code, error.detail))
        except PlatformError as error:
            return self._end(delivery, DeliveryState.FAILED, Outcome(error.code, error.detail))

    def _try(self, delivery: Delivery, connection: Connection) -> Delivery:
        for _ in range(_TRIES):
            try:
                return self._act(delivery, connection)
            except ChangedMeanwhile:
                # Somebody was faster: what is right may be something else by now.
                key = (delivery.org_id, delivery.agent_id, delivery.id)
                delivery = self._store.get(Delivery, *key) or delivery
                if not delivery.state.is_open:
                    return delivery
        raise Conflict("This agent is changing too fast.")

    def _act(self, delivery: Delivery, connection: Connection) -> Delivery:
        facts = delivery.facts
        if facts is None:
            nothing = Outcome("payload_malformed", "The payload could not be read.")
            return self._end(delivery, DeliveryState.FAILED, nothing)
        foreign = self._foreign(facts, connection)
        if foreign is not None:
            return self._end(delivery, DeliveryState.IGNORED, foreign)
        match delivery.event:
            case "push":
                return self._push(delivery, facts, connection)
            case "check_suite":
                return self._checked(delivery, facts, connection)
            case "pull_request":
                return self._pull_requests.handle(delivery, facts, connection)
            case "repository":
                return self._repository(delivery, facts, connection)
            case "ping":
                return self._end(
                    delivery, DeliveryState.DONE, Outcome("ping", "The webhook reaches us.")
                )
            case "create" | "delete":
                return self._end(delivery, DeliveryState.IGNORED, _named(facts, connection))
            case _:
                told = f"Nothing is done about {delivery.event} events."
                return self._end(delivery, DeliveryState.IGNORED, Outcome("event_ignored", told))

    @staticmethod
    def _foreign(facts: Facts, connection: Connection) -> Outcome | None:
        """Whoever knows one webhook's secret speaks for one repository, and no other."""
        if facts.repository_id and facts.repository_id != connection.repository_id:
            return Outcome(
                "other_repository",
                f"The call is about {facts.repository}; this agent is connected to "
                f"{connection.repository}.",
            )
        mine = connection.installation_id
        if connection.how is How.APP and facts.installation_id not in (None, mine):
            return Outcome(
                "other_installation",
                "The app was installed anew since the agent was connected. Connect it again.",
            )
        return None

    def _push(self, delivery: Delivery, facts: Facts, connection: Connection) -> Delivery:
        ignored = ignored_push(facts, connection) or self._tracks.closed(connection.org_id)
        if ignored is not None:
            return self._end(delivery, DeliveryState.IGNORED, ignored)
        track = self._tracks.get(connection.org_id, connection.agent_id, PRODUCTION)
        # Asked for now: a delivery that comes late or out of order finds the newest commit, too.
        head = self._code_host.commit(connection.ref, connection.branch)
        return self._head(delivery, head, connection, track, facts)

    def _checked(self, delivery: Delivery, facts: Facts, connection: Connection) -> Delivery:
        """Other checks have come to an end: what waited for them may go on."""
        if facts.action != "completed" or not connection.wait_for_checks:
            why = Outcome("checks_not_awaited", "This agent does not wait for checks.")
            if facts.action != "completed":
                why = Outcome("checks_unfinished", "The checks have not ended yet.")
            return self._end(delivery, DeliveryState.IGNORED, why)
        ignored = ignored_now(connection) or self._tracks.closed(connection.org_id)
        if ignored is not None:
            return self._end(delivery, DeliveryState.IGNORED, ignored)
        if facts.branch and facts.branch != connection.branch:
            return self._end(
                delivery,
                DeliveryState.IGNORED,
                Outcome("other_branch", f"The checks are of {facts.branch}."),
            )
        track = self._tracks.get(connection.org_id, connection.agent_id, PRODUCTION)
        head = self._code_host.commit(connection.ref, connection.branch)
        if head.sha != facts.head_sha:
            return self._end(
                delivery,
                DeliveryState.IGNORED,
                Outcome("not_newest", "The checks are of a commit that is not the newest."),
            )
        return self._head(delivery, head, connection, track, None)

    def _head(
        self,
        delivery: Delivery,
        head: Commit,
        connection: Connection,
        track: Track,
        facts: Facts | None,
    ) -> Delivery:
        repeated = delivery.asked_again > 0 and head.sha == track.sha
        ignored = None if repeated else ignored_head(head, track, connection, None)
        if ignored is None and not repeated:
            ignored = ignored_paths(self._paths(head, track, connection, facts), connection)
        if ignored is not None:
            return self._end(delivery, DeliveryState.IGNORED, ignored, sha=head.sha)
        if connection.wait_for_checks:
            waiting = self._await_checks(delivery, head, connection)
            if waiting is not None:
                return waiting
        commit = self._tracks.source_of(connection, head, PRODUCTION)
        return self._tracks.take(connection, delivery, commit, track)

    def _paths(
        self, head: Commit, track: Track, connection: Connection, facts: Facts | None
    ) -> tuple[str, ...] | None:
        """What has changed since what was taken up last; None when everything may have."""
        if not connection.root and not connection.watch:
            return None
        base = track.sha or (facts.before if facts else "")
        if not base or (facts is not None and facts.forced):
            return None
        return self._code_host.changed_paths(connection.ref, base, head.sha)

    def _await_checks(
        self, delivery: Delivery, head: Commit, connection: Connection
    ) -> Delivery | None:
        checks = self._code_host.checks(connection.ref, head.sha, besides=CHECK_NAME)
        ignored = ignored_checks(checks)
        if ignored is not None:
            return self._end(delivery, DeliveryState.IGNORED, ignored, sha=head.sha)
        now = self._clock.now()
        age = now - delivery.since
        if checks is Checks.SUCCESS or (checks is Checks.NONE and age > CHECKS_GRACE):
            return None
        if age > CHECKS_WITHIN:
            never = Outcome(
                "checks_unfinished", "The commit's other checks have not ended in time."
            )
            return self._end(delivery, DeliveryState.IGNORED, never, sha=head.sha)
        waits = delivery.following(
            now,
            DeliveryState.WAITING,
            code="checks_pending",
            detail=f"Waits for the other checks of {head.sha[:7]}.",
            sha=head.sha,
            next_at=now + timedelta(seconds=60),
        )
        return self._stored(delivery, waits)

    def _repository(self, delivery: Delivery, facts: Facts, connection: Connection) -> Delivery:
        """The repository itself has changed: its name, its owner, whether there still is one."""
        match facts.action:
            case "renamed" | "transferred":
                self._change(connection, repository=facts.repository)
                told = Outcome("renamed", f"It is called {facts.repository} now.")
            case "privatized" | "publicized":
                self._change(connection, private=facts.action == "privatized")
                told = Outcome("visibility", f"The repository was {facts.action}.")
            case "archived" | "deleted":
                gone = ARCHIVED if facts.action == "archived" else "The repository was deleted."
                self._lose(connection, ConnectionState.GONE, gone)
                told = Outcome(facts.action, f"The repository was {facts.action}.")
            case "unarchived":
                if connection.reason == ARCHIVED:
                    self._change(connection, state=ConnectionState.CONNECTED, reason="")
                told = Outcome("unarchived", "The repository can be pushed to again.")
            case _:
                why = Outcome("event_ignored", f"Nothing is done about {facts.action}.")
                return self._end(delivery, DeliveryState.IGNORED, why)
        return self._end(delivery, DeliveryState.DONE, told)

    # --- installations ------------------------------------------------------------------------

    def _installation(self, facts: Facts) -> Outcome:
        """The app was removed, suspended, or may read fewer repositories than before."""
        known = list(every(self._store, INSTALLED, str(facts.installation_id or 0)))
        for installed in known:
            for connection in self._connections_of(installed):
                becomes = _becomes(facts, connection)
                if becomes is not None:
                    self._lose(connection, *becomes)
            if facts.event == "installation" and facts.action in _STANDING:
                self._note(
                    installed,
                    gone=facts.action == "deleted",
                    suspended=facts.action == "suspend",
                )
        if not known:
            return Outcome("unknown_installation", "No organisation uses this installation.")
        return Outcome("installation", f"Noted for {len(known)} organisations that use it.")

    def _connections_of(self, installed: Installed) -> Iterator[Connection]:
        for agent in every(self._store, AGENTS, installed.org_id):
            found = self._store.get(Connection, agent.org_id, agent.id)
            if found is not None and found.installation_id == installed.installation_id:
                yield found

    def _note(self, installed: Installed, *, gone: bool, suspended: bool) -> None:
        changed = replace(installed, suspended=suspended, revision=installed.revision + 1)
        try:
            self._store.commit(Delete(installed) if gone else Put(changed))
        except ChangedMeanwhile:
            logger.info("the installation was changed meanwhile")

    # --- how ----------------------------------------------------------------------------------

    def _lose(self, connection: Connection, state: ConnectionState, reason: str) -> None:
        self._change(connection, state=state, reason=reason)

    def _change(self, connection: Connection, **changes: Any) -> None:
        for _ in range(_TRIES):
            try:
                self._store.commit(Put(connection.following(self._clock.now(), **changes)))
            except ChangedMeanwhile:
                found = self._store.get(Connection, connection.org_id, connection.agent_id)
                if found is None or found.repository_id != connection.repository_id:
                    return
                connection = found
                continue
            return

    def _wait(self, delivery: Delivery, error: PlatformError) -> Delivery:
        now = self._clock.now()
        if now - delivery.since > ATTEMPTS_WITHIN:
            detail = f"It was tried for a day, in vain: {error.detail}"
            return self._end(delivery, DeliveryState.FAILED, Outcome(error.code, detail))
        next_at = now + wait_of(delivery.attempts, error.retry_after)
        waits = delivery.following(
            now,
            DeliveryState.WAITING,
            code=error.code,
            detail=f"{error.detail} It is tried again.",
            next_at=next_at,
            attempts=delivery.attempts + 1,
        )
        return self._stored(delivery, waits)

    def _end(
        self, delivery: Delivery, state: DeliveryState, outcome: Outcome, **facts: Any
    ) -> Delivery:
        ended = delivery.following(
            self._clock.now(), state, code=outcome.code, detail=outcome.detail, **facts
        )
        return self._stored(delivery, ended)

    def _stored(self, delivery: Delivery, changed: Delivery) -> Delivery:
        try:
            self._store.commit(Put(changed))
        except ChangedMeanwhile:
            found = self._store.get(Delivery, delivery.org_id, delivery.agent_id, delivery.id)
            return found or delivery
        if changed.state.is_open:
            self._schedule.enable()
        return changed


def _hears(facts: Facts, connection: Connection) -> bool:
    """Whether the agent is told at all. Who has lost the repository, or was never let in by the
    installation that speaks, learns nothing more of it."""
    if facts.installation_id not in (None, connection.installation_id):
        return False
    if connection.state is not ConnectionState.GONE:
        return True
    return facts.event == "repository" and connection.reason == ARCHIVED


def _becomes(facts: Facts, connection: Connection) -> tuple[ConnectionState, str] | None:
    """What an event of its installation makes of a connection."""
    match facts.event, facts.action:
        case "installation", "deleted":
            return ConnectionState.GONE, "The app was uninstalled."
        case "installation", "suspend" if connection.state is ConnectionState.CONNECTED:
            return ConnectionState.SUSPENDED, "The app is suspended there."
        case "installation", "unsuspend" if connection.state is ConnectionState.SUSPENDED:
            return ConnectionState.CONNECTED, ""
        case "installation_repositories", _ if connection.repository_id in facts.removed:
            return ConnectionState.GONE, "The app may not read this repository any more."
    return None


def _named(facts: Facts, connection: Connection) -> Outcome:
    kind, _, name = facts.ref.removeprefix("refs/").partition("/")
    noun = {"heads": "branch", "tags": "tag"}.get(kind, "reference")
    if facts.event == "delete" and kind == "heads" and name == connection.branch:
        return Outcome("branch_deleted", "The branch was deleted; what runs goes on running.")
    done = "deleted" if facts.event == "delete" else "created"
    return Outcome("not_a_push", f"A {noun} was {done}; only pushes to a branch deploy.")


def _came_of(receipt: Receipt, concerned: int) -> Outcome:
    """What is said of a receipt itself; each agent's delivery says what came of it there."""
    if receipt.code:
        return Outcome(receipt.code, receipt.detail)
    if receipt.event not in EVENTS:
        return Outcome("event_ignored", f"Nothing is done about {receipt.event} events.")
    if concerned:
        return Outcome("delivered", f"It concerns {concerned} agents.")
    if receipt.event == "ping":
        return Outcome("ping", "The webhook reaches us.")
    if receipt.source != APP:
        return Outcome("disconnected", "The agent with this webhook was disconnected meanwhile.")
    return Outcome("not_connected", "No agent is connected to this repository by the app.")
