"""The reverse proxy: requests to a service's port go to the deployment that serves now.

Bodies stream both ways, unbuffered; WebSockets are tunnelled; a request for something asleep
wakes it; a request that came in before a switch is answered by the deployment it reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import h11

from infra.local.yard.config import Hosting
from infra.local.yard.downtime import Down, refuse, say_down
from infra.local.yard.exchange import (
    Broken,
    ClientGone,
    Exchange,
    begin_answer,
    both_ways,
    carry_answer,
    end_answer,
    finish,
    headers_for_agent,
    heard,
    marked,
    send_file,
)
from infra.local.yard.fleet import Fleet
from infra.local.yard.live import Live
from infra.local.yard.peer import Peer, tunnel
from infra.local.yard.replica import Replica
from infra.local.yard.store import Row
from infra.local.yard.traffic import Passage, Traffic

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
IDLE_SECONDS = 120
CONNECT_PATIENCE = 3.0
POOL = 32


class Proxy:
    """Serves the connections that come in on service ports."""

    def __init__(self, fleet: Fleet, traffic: Traffic, hosting: Hosting) -> None:
        self._fleet = fleet
        self._traffic = traffic
        self._hosting = hosting

    async def serve(
        self, row: Row, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One client connection, request after request."""
        client = Peer(h11.SERVER, reader, writer)
        slot = (row["service_id"], row["environment_id"])
        with contextlib.suppress(ConnectionError, ClientGone, TimeoutError):
            while True:
                try:
                    async with asyncio.timeout(IDLE_SECONDS):
                        event = await client.next_event()
                except h11.RemoteProtocolError as exc:
                    await refuse(client, exc)
                    await client.linger()
                    return
                if not isinstance(event, h11.Request):
                    return
                await self._exchange(client, event, slot, row["target_port"])
                if not client.reusable:
                    if client.http.their_state is h11.SEND_BODY:
                        await client.linger()
                    return
                client.http.start_next_cycle()

    async def _exchange(
        self, client: Peer, request: h11.Request, slot: tuple[str, str], target: int | None
    ) -> None:
        found = dict(request.headers)
        passage = Passage.begin(
            slot,
            request.method.decode(),
            request.target.decode(errors="replace"),
            found.get(b"host", b"").decode(errors="replace"),
        )
        passage.agent = found.get(b"user-agent", b"").decode(errors="replace")[:500]
        exchange = Exchange(client, request, slot, target, passage, time.monotonic())
        try:
            if not exchange.has_body:
                await client.next_event()  # the end of the request, which is there already
            await self._answer(exchange)
        except Down as exc:
            passage.errors = exc.reason
            await say_down(exchange, exc)
        except (ConnectionError, ClientGone):
            passage.status = passage.status or 499
            passage.errors = passage.errors or "the client left"
            raise
        except h11.LocalProtocolError as exc:
            passage.errors = f"the agent's answer is no HTTP: {exc}"
            client.close()
        finally:
            passage.total_ms = round((time.monotonic() - exchange.began) * 1000)
            self._traffic.add(passage)

    async def _answer(self, exchange: Exchange) -> None:
        live = await self.find(exchange.slot)
        exchange.passage.deployment_id = live.id
        live.inflight += 1
        try:
            if live.site is not None:
                await self._from_site(exchange, live)
            else:
                await self._from_agent(exchange, live)
        finally:
            live.inflight -= 1
            live.last_traffic = asyncio.get_running_loop().time()
            live.rx_bytes += exchange.passage.rx
            live.tx_bytes += exchange.passage.tx

    async def find(self, slot: tuple[str, str]) -> Live:
        """The deployment to ask, woken or waited for where that helps; raises Down."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            live = self._fleet.route(slot)
            if live is None:
                raise Down(404, "Nothing is deployed here")
            if live.phase == "asleep":
                await self._fleet.wake(live)
            if live.arrived.is_set():
                return live
            left = began + self._patience(live) - loop.time()
            if left <= 0:
                raise Down(502, "The agent does not listen on any port")
            # Not longer at once: meanwhile another deployment may take over.
            if not await live.arrival(min(left, 0.1)):
                await asyncio.sleep(0.01)

    def _patience(self, live: Live) -> float:
        """How long a request waits for an agent that does not listen just now."""
        match live.phase:
            case "stopped":
                raise Down(502, "The agent was stopped, or ended by itself")
            case "crashed":
                raise Down(502, "The agent has crashed and is not started again")
            case "dozing" | "waking" | "starting":
                return self._hosting.wake_timeout
            case _ if not live.was_up:
                return self._hosting.start_timeout
            case _:  # between a crash and the restart after it
                return CONNECT_PATIENCE

    # ---- a site ----

    async def _from_site(self, exchange: Exchange, live: Live) -> None:
        assert live.site is not None  # noqa: S101 - the caller looked
        found = {
            name.decode().lower(): value.decode(errors="replace")
            for name, value in exchange.request.headers
        }
        target = exchange.request.target.decode(errors="replace")
        answer = live.site.answer(exchange.method, target, found)
        exchange.passage.status = answer.status
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        if answer.status != 304:
            length = answer.length if answer.file else len(answer.body)
            headers.append((b"Content-Length", str(length).encode()))
        await begin_answer(exchange, answer.status, headers, closing=exchange.has_body)
        if exchange.method != "HEAD":
            await send_file(exchange, answer)
        await end_answer(exchange)

    # ---- an agent ----

    async def _from_agent(self, exchange: Exchange, live: Live) -> None:
        deadline = asyncio.get_running_loop().time() + CONNECT_PATIENCE
        while True:
            replica = live.pick()
            if replica is None:
                left = deadline - asyncio.get_running_loop().time()
                if not await live.arrival(left) or live.pick() is None:
                    raise Down(502, "The agent does not listen on any port")
                continue
            exchange.passage.replica_id = replica.id
            replica.inflight += 1
            try:
                if await self._try(exchange, replica, deadline):
                    return
            finally:
                replica.inflight -= 1

    async def _try(self, exchange: Exchange, replica: Replica, deadline: float) -> bool:
        """One attempt; False when another one is safe and makes sense."""
        repeatable = exchange.method in REPEATABLE and not exchange.has_body
        pooled = repeatable and not exchange.upgrade
        upstream = _kept(replica) if pooled else None
        fresh = upstream is None
        if upstream is None:
            try:
                upstream = await self._connect(exchange, replica)
            except OSError as exc:
                await replica.lost()
                if asyncio.get_running_loop().time() > deadline:
                    raise Down(502, f"The agent refused the connection: {exc}") from exc
                await asyncio.sleep(0.02)
                return False
        received = upstream.received
        try:
            await self._converse(exchange, upstream)
        except Broken as exc:
            upstream.close()
            # A connection that was kept may have been closed by the agent just now.
            if not fresh and upstream.received == received:
                return False
            if not exchange.passage.status:
                raise Down(502, f"The agent broke the connection: {exc}") from exc
            exchange.passage.errors = f"the agent broke off its answer: {exc}"
            exchange.client.close()
            return True
        except BaseException:
            upstream.close()
            raise
        # An agent may answer without reading a body: what is left of it would be its next request,
        # and the answer to that would reach somebody else.
        if pooled and upstream.reusable and len(replica.idle) < POOL and replica.ready.is_set():
            upstream.http.start_next_cycle()
            replica.idle.append(upstream)
        else:
            upstream.close()
        return True

    @staticmethod
    async def _connect(exchange: Exchange, replica: Replica) -> Peer:
        run, port = replica.run, exchange.target_port or replica.port
        if run is None or port is None:
            raise ConnectionRefusedError("it does not listen")
        try:
            return await Peer.upstream(await run.connect(port))
        except OSError:
            if exchange.target_port in (None, replica.port) or replica.port is None:
                raise
            # The domain names a port nobody listens on; the one that was found is better.
            return await Peer.upstream(await run.connect(replica.port))

    async def _converse(self, exchange: Exchange, upstream: Peer) -> None:
        head = h11.Request(
            method=exchange.request.method,
            target=exchange.request.target,
            headers=headers_for_agent(exchange),
        )
        try:
            await upstream.send(head)
            upstream.hurry()
        except OSError as exc:
            raise Broken(str(exc)) from exc
        if exchange.upgrade:
            await self._upgrade(exchange, upstream)
            return
        await both_ways(exchange, upstream)

    async def _upgrade(self, exchange: Exchange, upstream: Peer) -> None:
        client = exchange.client
        await finish(upstream)
        event = await heard(upstream)
        if not (isinstance(event, h11.InformationalResponse) and event.status_code == 101):
            await carry_answer(exchange, upstream, event)
            return
        exchange.passage.status = 101
        await client.send(
            h11.InformationalResponse(status_code=101, headers=marked(exchange, event.headers))
        )
        already = (client.http.trailing_data[0], upstream.http.trailing_data[0])
        sent, got = await tunnel(client, upstream, already)
        exchange.passage.rx += sent
        exchange.passage.tx += got
        client.close()


def _kept(replica: Replica) -> Peer | None:
    while replica.idle:
        found = replica.idle.pop()
        if isinstance(found, Peer) and not found.stale:
            return found
        found.close()
    return None
