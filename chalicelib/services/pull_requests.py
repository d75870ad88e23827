"""Previews of pull requests: made, renewed with each push, held for approval, and taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.connections import Connection, ConnectionState, PreviewsOf
from chalicelib.domain.deliveries import (
    Delivery,
    DeliveryState,
    Facts,
    Outcome,
    asks_to_skip,
)
from chalicelib.domain.deployments import Deployment, Environment, Variables
from chalicelib.domain.operations import ServiceClaim
from chalicelib.domain.pull_requests import (
    PREVIEW_VARIABLES,
    OpenPreviews,
    PreviewState,
    PullRequest,
)
from chalicelib.domain.pushes import SKIPPED, ignored_paths
from chalicelib.domain.tenancy import Action, Organisation, Principal
from chalicelib.domain.versions import Reason
from chalicelib.errors import ChangedMeanwhile, Conflict, NotFound, Unavailable
from chalicelib.ports import (
    PULL_REQUESTS,
    Change,
    Clock,
    CodeHost,
    Delete,
    Host,
    Page,
    Put,
    Schedule,
    Store,
    Task,
    Tasks,
    every,
)
from chalicelib.services.agents import Agents
from chalicelib.services.audit import Audit
from chalicelib.services.deployments import Deployments
from chalicelib.services.tracks import Tracks
from chalicelib.services.variables import EnvironmentVariables
from chalicelib.settings import TenantLimits

_TRIES = 8
_ENDED = Reason("preview_ended", "The preview was taken away: its pull request is closed or idle.")
_NEWS = frozenset({"opened", "reopened", "synchronize", "ready_for_review", "edited"})


class PullRequests:
    def __init__(
        self,
        *,
        store: Store,
        audit: Audit,
        code_host: CodeHost,
        host: Host,
        agents: Agents,
        tracks: Tracks,
        variables: EnvironmentVariables,
        deployments: Deployments,
        schedule: Schedule,
        tasks: Tasks,
        clock: Clock,
        idle_after: timedelta,
        limits: Mapping[str, TenantLimits],
    ) -> None:
        self._store = store
        self._audit = audit
        self._code_host = code_host
        self._host = host
        self._agents = agents
        self._tracks = tracks
        self._variables = variables
        self._deployments = deployments
        self._schedule = schedule
        self._tasks = tasks
        self._clock = clock
        self._idle_after = idle_after
        self._limits = limits

    # --- for people ---------------------------------------------------------------------------

    def page(
        self, principal: Principal, agent_id: str, *, limit: int, after: str | None
    ) -> tuple[Page[PullRequest], dict[int, Deployment]]:
        """The agent's pull requests, newest first, and what serves of each."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.REPOSITORY_READ, agent_id)
        page = self._store.page(PULL_REQUESTS, agent.org_id, agent.id, limit=limit, after=after)
        places = self._store.get_many(
            *((Environment, one.org_id, one.agent_id, one.environment) for one in page.items)
        )
        serving = {
            request.number: place.serving
            for request, place in zip(page.items, places, strict=True)
            if place is not None and place.serving
        }
        found = self._store.get_many(*((Deployment, agent.org_id, one) for one in serving.values()))
        shown = zip(serving, found, strict=True)
        return page, {number: one for number, one in shown if one is not None}

    def approve(self, principal: Principal, agent_id: str, number: int, *, sha: str) -> PullRequest:
        """Lets one commit of a fork be built and run. It is named, so that nobody approves what
        was pushed a moment ago and not looked at."""
        agent = self._agents.get(principal, agent_id)
        principal.require(Action.PREVIEW_APPROVE, agent_id)
        request = self._store.get(PullRequest, agent.org_id, agent.id, str(number))
        if request is None:
            raise NotFound("This agent knows of no pull request with this number.")
        if not request.fork:
            raise Conflict("Only pull requests from forks wait for approval.", code="not_a_fork")
        if request.approved_sha == sha == request.head_sha:
            return request
        if request.state in (PreviewState.CLOSED, PreviewState.CLOSING):
            raise Conflict("This pull request is closed.", code="pull_request_closed")
        if sha != request.head_sha:
            raise Conflict(
                f"The newest commit is {request.head_sha}, not the one you name. Look at what has "
                "changed, then approve that.",
                code="head_moved",
            )
        delivery = self._store.get(Delivery, agent.org_id, agent.id, request.delivery_id)
        if delivery is None:
            raise Conflict("This was pushed too long ago. Push to it again.", code="too_old")
        now = self._clock.now()
        approved = request.following(now, approved_sha=sha, approved_by=principal.user_id)
        again = delivery.following(
            now,
            DeliveryState.RECEIVED,
            asked_again=delivery.asked_again + 1,
            asked_at=now,
            code="approved",
            detail="Approved; it is looked at now.",
        )
        said = {"pull_request": number, "commit": sha, "from": request.head_repository}
        event = AuditEvent.by(principal, Audited.PREVIEW_APPROVED, agent.id, after=said)
        self._audit.commit(event, Put(approved), Put(again))
        self._schedule.enable()
        self._tasks.start([Task("delivery", again.org_id, again.id, again.agent_id)])
        return approved

    # --- for deliveries -----------------------------------------------------------------------

    def handle(self, delivery: Delivery, facts: Facts, connection: Connection) -> Delivery:
        """What a pull request's event means: a preview, a newer one, or none any more."""
        known = self._store.get(
            PullRequest, connection.org_id, connection.agent_id, str(facts.number)
        )
        if known is not None and known.repository_id != connection.repository_id:
            # Of the repository before: its number says nothing of this one.
            self._require_gone(known)
            known = None
        if facts.action == "closed":
            return self._closed(delivery, facts, known)
        ignored = self._ignored(facts, connection, known)
        if ignored is not None:
            if ignored.code == "other_branch" and known is not None and known.state.is_open:
                # It is to be merged elsewhere now.
                return self._closed(delivery, facts, known)
            return self._end(delivery, DeliveryState.IGNORED, ignored)
        if known is not None and known.state is PreviewState.CLOSING:
            self._require_gone(known)
        head = self._code_host.commit(connection.ref, facts.head_sha)
        ignored = SKIPPED if asks_to_skip(head.message) else self._unwatched(facts, connection)
        places = self._places(connection.org_id, connection.agent_id)
        if ignored is None and facts.number not in places.numbers:
            ignored = self._crowded(connection, places)
        if ignored is not None:
            return self._end(delivery, DeliveryState.IGNORED, ignored, sha=head.sha)
        request = self._newer(delivery, facts, connection, known)
        if not request.may_run:
            return self._hold(delivery, request)
        commit = self._tracks.source_of(
            connection, head, request.environment, branch=request.head_branch
        )
        active = replace(request, state=PreviewState.ACTIVE, active_at=request.updated_at)
        return self._tracks.take(
            connection,
            delivery,
            replace(commit, fork=request.fork),
            self._tracks.get(connection.org_id, connection.agent_id, request.environment),
            Put(active),
            *_taking(places, request.number),
            *self._given(connection, request),
        )

    def close_all(self, org_id: str, agent_id: str) -> None:
        """Has every preview of the agent taken away, by and by."""
        for request in list(every(self._store, PULL_REQUESTS, org_id, agent_id)):
            if request.state.is_open:
                self._closing(request, PreviewState.CLOSED, lambda one: one.state.is_open)

    def reconcile(self, request: PullRequest) -> None:
        """Takes away what was closed, and what nobody has pushed to for long."""
        if request.state is PreviewState.ACTIVE:
            if not self._is_idle(request):
                return
            request = self._closing(request, PreviewState.IDLE, self._is_idle)
        self._take_away(request)

    def _is_idle(self, request: PullRequest) -> bool:
        idle = self._clock.now() - request.active_at > self._idle_after
        return request.state is PreviewState.ACTIVE and idle

    # --- how ----------------------------------------------------------------------------------

    def _ignored(
        self, facts: Facts, connection: Connection, known: PullRequest | None
    ) -> Outcome | None:
        if facts.action not in _NEWS:
            return Outcome("event_ignored", f"Nothing is done about {facts.action}.")
        if connection.state is not ConnectionState.CONNECTED:
            return Outcome("disconnected", f"Not connected any more: {connection.reason}")
        if connection.previews is PreviewsOf.OFF:
            return Outcome("previews_off", "Previews are off for this agent.")
        if facts.base_branch != connection.branch:
            return Outcome(
                "other_branch",
                f"It is to be merged into {facts.base_branch}; this agent follows "
                f"{connection.branch}.",
            )
        if known is not None and facts.changed_at is not None:
            ended = known.state in (PreviewState.CLOSED, PreviewState.CLOSING)
            older = facts.changed_at < known.changed_at or _overtaken(facts, known)
            if older or (ended and facts.action != "reopened" and not _later(facts, known)):
                return Outcome("not_newest", "Something newer is known of this pull request.")
        return self._tracks.closed(connection.org_id)

    def _unwatched(self, facts: Facts, connection: Connection) -> Outcome | None:
        if not connection.root and not connection.watch:
            return None
        paths = self._code_host.changed_paths(connection.ref, facts.base_sha, facts.head_sha)
        return ignored_paths(paths, connection)

    def _places(self, org_id: str, agent_id: str) -> OpenPreviews:
        return self._store.get(OpenPreviews, org_id, agent_id) or OpenPreviews(org_id, agent_id)

    def _crowded(self, connection: Connection, places: OpenPreviews) -> Outcome | None:
        organisation = self._store.get(Organisation, connection.org_id)
        tier = organisation.tier if organisation else "free"
        most = (self._limits.get(tier) or self._limits["free"]).previews
        if len(places.numbers) < most:
            return None
        return Outcome(
            "too_many_previews",
            f"An agent of an organisation of the tier {tier} has at most {most} previews at a "
            "time. Close a pull request, then push to this one again.",
        )

    @staticmethod
    def _require_gone(known: PullRequest) -> None:
        """What is still being taken away must be gone before something new takes its place."""
        if known.state.is_open:
            raise Unavailable("The preview before it is still being taken away.", retry_after=15)

    def _newer(
        self,
        delivery: Delivery,
        facts: Facts,
        connection: Connection,
        known: PullRequest | None,
    ) -> PullRequest:
        now = self._clock.now()
        if known is None:
            key = (connection.org_id, connection.agent_id, str(facts.number))
            former = self._store.get(PullRequest, *key)
            known = PullRequest(
                org_id=connection.org_id,
                agent_id=connection.agent_id,
                number=facts.number,
                title="",
                author="",
                head_sha="",
                head_branch="",
                base_sha="",
                fork=facts.fork,
                state=PreviewState.WAITING,
                changed_at=facts.changed_at or now,
                active_at=now,
                created_at=now,
                updated_at=now,
                repository_id=connection.repository_id,
                revision=former.revision if former else 0,
            )
        return known.following(
            now,
            title=facts.title,
            author=facts.author,
            head_sha=facts.head_sha,
            head_branch=facts.head_branch,
            head_repository=facts.head_repository,
            base_sha=facts.base_sha,
            # Once a fork, always one: its commits stay a stranger's.
            fork=known.fork or facts.fork,
            changed_at=max(known.changed_at, facts.changed_at or known.changed_at),
            delivery_id=delivery.id,
            state=known.state if known.state is PreviewState.ACTIVE else PreviewState.WAITING,
        )

    def _hold(self, delivery: Delivery, request: PullRequest) -> Delivery:
        held = delivery.following(
            self._clock.now(),
            DeliveryState.HELD,
            code="approval_required",
            detail="It comes from a fork. A member with the right to has to approve this commit "
            "before it is built; it gets no secret variables then either.",
            sha=request.head_sha,
            environment=request.environment,
        )
        self._store.commit(Put(request), Put(held))
        return held

    def _given(self, connection: Connection, request: PullRequest) -> list[Change]:
        """The preview's variables: those of the set for previews, of forks without the secret
        ones. Written anew each time, so that nothing else can be among them."""
        org_id, agent_id, environment = request.org_id, request.agent_id, request.environment
        offered = self._variables.stored(org_id, agent_id, PREVIEW_VARIABLES)
        had = self._variables.stored(org_id, agent_id, environment)
        if offered is None and had is None:
            return []
        names = dict(offered.names) if offered else {}
        if request.fork:
            names = {name: secret for name, secret in names.items() if not secret}
        values = self._variables.open(offered) if offered else {}
        return [
            Put(
                self._variables.sealed(
                    org_id,
                    agent_id,
                    environment,
                    {name: values[name] for name in names},
                    names,
                    by=connection.created_by,
                    revision=(had.revision if had else 0) + 1,
                )
            )
        ]

    def _closed(self, delivery: Delivery, facts: Facts, known: PullRequest | None) -> Delivery:
        if known is None:
            none = Outcome("no_preview", "There is no preview of this pull request.")
            return self._end(delivery, DeliveryState.IGNORED, none)
        if facts.changed_at is not None and facts.changed_at < known.changed_at:
            late = Outcome("not_newest", "Something newer is known of this pull request.")
            return self._end(delivery, DeliveryState.IGNORED, late)
        seen = facts.changed_at or known.changed_at
        closing = self._closing(
            known, PreviewState.CLOSED, lambda one: one.changed_at <= seen, seen=seen
        )
        self._take_away(closing)
        done = Outcome(
            "preview_removed", "The pull request is closed or moved; its preview is gone."
        )
        return self._end(delivery, DeliveryState.DONE, done)

    def _closing(
        self,
        request: PullRequest,
        ends_as: PreviewState,
        still: Callable[[PullRequest], bool],
        *,
        seen: datetime | None = None,
    ) -> PullRequest:
        """Decides that it ends, as long as the reason still holds; as it is then."""
        for _ in range(_TRIES):
            if not still(request):
                return request
            closing = request.following(
                self._clock.now(),
                state=PreviewState.CLOSING,
                ends_as=ends_as,
                changed_at=max(seen or request.changed_at, request.changed_at),
                approved_sha="",
            )
            try:
                self._store.commit(Put(closing))
            except ChangedMeanwhile:
                request = self._reread(request)
                continue
            self._schedule.enable()
            return closing
        raise Conflict("This pull request is changing too fast; it is tried again.")

    def _take_away(self, request: PullRequest) -> None:
        """Ends what is built and what runs, removes the service at the host, and then forgets the
        environment. Raises what the host raises; it can be done again."""
        if self._reread(request).state is not PreviewState.CLOSING:
            return
        org_id, agent_id, name = request.org_id, request.agent_id, request.environment
        why = Outcome("preview_ended", _ENDED.detail)
        self._tracks.drop(org_id, agent_id, name, why)
        place = self._store.get(Environment, org_id, agent_id, name)
        if place is not None:
            for held in (place.queued, place.moving, place.serving):
                if held is not None:
                    self._deployments.halt_by_id(org_id, held, _ENDED)
            if place.service_id:
                self._host.remove_service(place.service_id)
            self._forget(org_id, agent_id, name)
        variables = self._store.get(Variables, org_id, agent_id, name)
        if variables is not None:
            self._store.commit(Delete(variables))
        current = self._reread(request)
        if current.state is PreviewState.CLOSING:
            ended = current.following(self._clock.now(), state=current.ends_as)
            places = self._places(org_id, agent_id)
            left = places.numbers - {request.number}
            freed = [Put(places.following(left))] if left != places.numbers else []
            self._store.commit(Put(ended), *freed)

    def _forget(self, org_id: str, agent_id: str, name: str) -> None:
        place = self._store.get(Environment, org_id, agent_id, name)
        if place is None:
            return
        claim = self._store.get(ServiceClaim, place.service_id) if place.service_id else None
        self._store.commit(Delete(place), *([Delete(claim)] if claim is not None else []))

    def _end(
        self, delivery: Delivery, state: DeliveryState, why: Outcome, sha: str = ""
    ) -> Delivery:
        ended = delivery.following(
            self._clock.now(), state, code=why.code, detail=why.detail, sha=sha
        )
        self._store.commit(Put(ended))
        return ended

    def _reread(self, request: PullRequest) -> PullRequest:
        key = (request.org_id, request.agent_id, str(request.number))
        return self._store.get(PullRequest, *key) or request


def _taking(places: OpenPreviews, number: int) -> list[Change]:
    if number in places.numbers:
        return []
    return [Put(places.following(places.numbers | {number}))]


def _overtaken(facts: Facts, known: PullRequest) -> bool:
    """Of two pushes in one second the later one follows on the other's commit."""
    follows = not facts.before or facts.before == known.head_sha
    tied = facts.changed_at == known.changed_at and facts.head_sha != known.head_sha
    return facts.action == "synchronize" and tied and not follows


def _later(facts: Facts, known: PullRequest) -> bool:
    return facts.changed_at is not None and facts.changed_at > known.changed_at
