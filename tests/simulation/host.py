"""The yard in process, on the virtual clock: its own logic, no sockets, threads or processes."""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from graphql import GraphQLSchema
from starlette.requests import Request

from infra.local.yard.accidents import Accidents
from infra.local.yard.app import Yard
from infra.local.yard.config import Aws, Config, Hosting, SeedProject, Token
from infra.local.yard.downtime import Down
from infra.local.yard.edge import Edge
from infra.local.yard.events import Events
from infra.local.yard.faults import Fault
from infra.local.yard.store import Row
from infra.local.yard.upload_api import UploadApi
from infra.local.yard.webhooks import Webhooks
from infra.local.yard.wire import Resolvers, attach, make_schema
from tests.simulation.agents import (
    Images,
    SimulatedBundles,
    SimulatedGround,
    SimulatedRun,
    SimulatedUploads,
)
from tests.simulation.virtual import wait

PROJECT = "11111111-1111-4111-8111-111111111111"
ENVIRONMENT = "22222222-2222-4222-8222-222222222222"
PLATFORM_TOKEN = "platform-token"
_UP = re.compile(r"/project/(?P<project>[^/]+)/environment/(?P<environment>[^/]+)/up")
REQUEST_PATIENCE = 30.0
"""Seconds after which a client of an agent gives up."""


_DOCUMENTS: OrderedDict[str, Any] = OrderedDict()
_SCHEMAS: list[GraphQLSchema] = []


def _schema(queries: Resolvers, mutations: Resolvers) -> GraphQLSchema:
    """Parsed once for all runs; answered by the newest yard."""
    if not _SCHEMAS:
        _SCHEMAS.append(make_schema(queries, mutations))
    attach(_SCHEMAS[0], queries, mutations)
    return _SCHEMAS[0]


class _Edge(Edge):
    """Domains without listeners."""

    async def listen(self, row: Row) -> bool:
        """Every port can be had."""
        self._rows[row["id"]] = row
        return True


class _Webhooks(Webhooks):
    """Delivered by a call."""

    receiver: Callable[[dict[str, Any]], Any]

    async def send(self, url: str, body: bytes) -> bool:
        """One try."""
        return bool(await self.receiver(json.loads(body)))


class _Events(Events):
    """Delivered by a call."""

    receiver: Callable[[dict[str, Any]], Any]

    async def deliver(self, entry: str) -> bool:
        """One try."""
        await self.receiver(json.loads(entry))
        return True


class _Accidents(Accidents):
    """Told to whoever calls the agents, as they happen."""

    witness: Callable[[str, str], None]

    async def happen(self, fault: Fault, service_id: str) -> None:
        """To everything this service runs."""
        self.witness(fault.kind, service_id)
        await super().happen(fault, service_id)


class SimulatedYard(Yard):
    """The yard, with what reaches out of the program replaced."""

    bundles_type = SimulatedBundles
    edge_type = _Edge
    webhooks_type = _Webhooks
    events_type = _Events
    uploads_type = SimulatedUploads
    accidents_type = _Accidents
    ground: SimulatedGround
    bundles: SimulatedBundles
    uploads: SimulatedUploads
    accidents: _Accidents
    webhooks: _Webhooks
    events: _Events

    def __init__(self, folder: Path, images: Images, hosting: Hosting) -> None:
        self.calls_made = 0
        self._unheard: set[asyncio.Future[Any]] = set()
        self.images = images
        config = Config(
            data_dir=folder,
            admin_token="admin",
            registry_username="builder",
            registry_password="secret",
            proxy_ports=(10_000, 19_999),
            tokens=(Token(PLATFORM_TOKEN),),
            projects=(SeedProject(PROJECT, "simulated", ENVIRONMENT),),
            hosting=hosting,
            aws=Aws(endpoint_url="http://aws.test"),
            webhook_urls=("http://slipway.test/hook",),
        )
        super().__init__(config, SimulatedGround(images))
        self.bundles.images = images
        self.uploads.images = images
        self.upload_api = UploadApi(self.core, self.uploads, self.wire)
        self.wire._cache = _DOCUMENTS

    make_schema = staticmethod(_schema)

    async def begin(self) -> None:
        """What `start` does, without samplers and builders."""
        self.store.write_now(self._seed)
        for work in (self.fleet.watch(), self.events.run()):
            self._tasks.append(asyncio.create_task(work))

    async def close(self) -> None:
        """Lets go of everything."""
        await self.edge.close()
        await self.fleet.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.events.close()
        await self.webhooks.close()
        self.store.close()

    # ---- as Railway's API ----

    async def post(self, url: httpx.URL, body: bytes, token: str, seconds: float) -> httpx.Response:
        """One request of its API; httpx.ReadTimeout when there is no answer in time."""
        left = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if not sent:
                sent.append(True)
                return {"type": "http.request", "body": body, "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        sent: list[bool] = []
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": url.path,
            "query_string": url.query,
            "headers": [(b"authorization", f"Bearer {token}".encode())],
        }
        answers = self.wire.answer
        if found := _UP.fullmatch(url.path):
            scope["path_params"] = found.groupdict()
            answers = self.upload_api.answer
        answering = asyncio.ensure_future(answers(Request(scope, receive)))
        done, _ = await asyncio.wait({answering}, timeout=seconds)
        if not done:
            # What the host has begun it goes on with: only the caller has left.
            left.set()
            self._unheard.add(answering)
            answering.add_done_callback(self._heard)
            raise httpx.ReadTimeout("no answer in time")
        answer = answering.result()
        return httpx.Response(
            answer.status_code, headers=answer.headers.raw, content=bytes(answer.body)
        )

    def _heard(self, answering: asyncio.Future[Any]) -> None:
        self._unheard.discard(answering)
        if not answering.cancelled():
            answering.exception()

    def transport(self, gate: Callable[[str], None]) -> httpx.MockTransport:
        """For a client of the API that blocks: the platform's own."""

        def answer(request: httpx.Request) -> httpx.Response:
            timeout = (request.extensions.get("timeout") or {}).get("read") or 60.0
            token = request.headers["authorization"].removeprefix("Bearer ")
            gate("host")
            self.calls_made += 1
            response = wait(self.post(request.url, request.content, token, timeout))
            gate("host")
            return response

        return httpx.MockTransport(answer)

    async def by_hand(self, kind: str, service_id: str) -> None:
        """A person at the host's dashboard: `removed_by_hand` or `service_deleted`."""
        await self.accidents.happen(Fault(kind), service_id)

    # ---- as the agents' public addresses ----

    async def request(self, domain: str, path: str) -> tuple[int, bytes, str]:
        """Status, body and image of the answer to a GET; 502 or 404 as the proxy says them."""
        row = next((r for r in self._domains() if self.edge.name(r) == domain), None)
        if row is None:
            return 404, b"no such domain", ""
        try:
            async with asyncio.timeout(REQUEST_PATIENCE):
                return await self._answer((row["service_id"], row["environment_id"]), path)
        except Down as down:
            return down.status, down.reason.encode(), ""
        except TimeoutError:
            return 0, b"", ""

    def _domains(self) -> list[Row]:
        return self.store.rows("SELECT * FROM domains")

    async def _answer(self, slot: tuple[str, str], path: str) -> tuple[int, bytes, str]:
        live = await self.proxy.find(slot)
        live.inflight += 1
        try:
            for _ in range(100):
                replica = live.pick()
                run = replica.run if replica is not None else None
                if isinstance(run, SimulatedRun) and run.listens:
                    status, body = run.behaviour.page
                    health = live.health_path is not None and path == live.health_path
                    return (
                        (run.behaviour.health, b"", run.image)
                        if health
                        else (status, body, run.image)
                    )
                if not await live.arrival(0.03):
                    await asyncio.sleep(0.02)
            raise Down(502, "The agent does not listen on any port")
        finally:
            live.inflight -= 1
            live.last_traffic = asyncio.get_running_loop().time()
