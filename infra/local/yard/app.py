"""The running yard: parts put together, three API ports, and the way it starts and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.local.yard.access import Gate, Meter, same
from infra.local.yard.accidents import Accidents
from infra.local.yard.blobs import Blobs
from infra.local.yard.builds import Builds
from infra.local.yard.bundles import Bundle, Bundles
from infra.local.yard.codebuild import CodeBuild
from infra.local.yard.config import Config
from infra.local.yard.core import Core
from infra.local.yard.deployer import Deployer
from infra.local.yard.deployments import Deployments
from infra.local.yard.domains import Domains
from infra.local.yard.edge import Edge
from infra.local.yard.events import Events
from infra.local.yard.faults import KINDS, FaultError, Faults, parse_fault
from infra.local.yard.fleet import Fleet
from infra.local.yard.live import Live
from infra.local.yard.logs import Logs
from infra.local.yard.meter import Sampler
from infra.local.yard.metrics import Metrics
from infra.local.yard.projects import Projects
from infra.local.yard.proxy import Proxy
from infra.local.yard.records import Records, Snapshot
from infra.local.yard.registry import Registry
from infra.local.yard.runs import Ground, SandboxGround, in_thread
from infra.local.yard.services import Services
from infra.local.yard.slots import Slots
from infra.local.yard.store import Row, Store, now
from infra.local.yard.traffic import Traffic
from infra.local.yard.upload_api import UploadApi
from infra.local.yard.uploads import Uploads
from infra.local.yard.variables import Variables, given_names, process_environment, rendered
from infra.local.yard.webhooks import Webhooks
from infra.local.yard.wire import Wire, make_schema

log = logging.getLogger(__name__)


class Yard:
    """Everything of one running yard.

    The types named first reach out of the program; a simulation has its own.
    """

    bundles_type: type[Bundles] = Bundles
    edge_type: type[Edge] = Edge
    webhooks_type: type[Webhooks] = Webhooks
    events_type: type[Events] = Events
    uploads_type: type[Uploads] = Uploads
    accidents_type: type[Accidents] = Accidents
    make_schema = staticmethod(make_schema)

    def __init__(self, config: Config, ground: Ground | None = None) -> None:
        self.config = config
        config.data_dir.mkdir(parents=True, exist_ok=True)
        self.store = Store(config.data_dir / "yard.sqlite")
        self.faults = Faults()
        self.ground = ground or SandboxGround(config.data_dir / "sandbox", config.hosting.egress)
        self.records = Records(self.store)
        self.blobs = Blobs(config.data_dir / "registry", self.store)
        self.registry = Registry(self.blobs, config.registry_username, config.registry_password)
        self.bundles = self.bundles_type(
            config.data_dir / "layers", self.blobs, config.registry_hosts, self.registry.knows
        )
        slots = Slots(
            config,
            store=self.store,
            records=self.records,
            bundles=self.bundles,
            ground=self.ground,
            faults=self.faults,
            environment=self._environment,
        )
        self.uploads = slots.uploads = self.uploads_type(config)
        self.fleet = Fleet(slots)
        self.traffic = Traffic(self.store)
        self.proxy = Proxy(self.fleet, self.traffic, config.hosting)
        self.edge = self.edge_type(config, self.store, self.proxy.serve)
        self.meter = Meter(config.rate_limit)
        self.webhooks = self.webhooks_type(config, self.store, self.faults)
        self.records.listen(self.webhooks.tell)
        self.events = self.events_type(config.aws, self.store, self.faults)
        self.builds = Builds(config, self.store, self.events)
        self.deployer = Deployer(self.records, self.fleet, self.faults, self._render)
        self.core = Core(
            config=config,
            store=self.store,
            records=self.records,
            bundles=self.bundles,
            fleet=self.fleet,
            deployer=self.deployer,
            edge=self.edge,
            faults=self.faults,
            meter=self.meter,
        )
        self.accidents = self.accidents_type(self.core)
        slots.accident = self.accidents.happen
        self.wire = self._wire()
        self.sampler = Sampler(self.fleet, self.store, config.hosting.sample_interval)
        self._tasks: list[asyncio.Task[None]] = []
        self._started_at = time.time()

    def _wire(self) -> Wire:
        core = self.core
        queries: dict[str, Any] = {}
        mutations: dict[str, Any] = {}
        for part in (
            Projects(core),
            Services(core),
            Variables(core),
            Deployments(core),
            Domains(core),
        ):
            queries |= part.queries()
            mutations |= part.mutations()
        queries |= Logs(core).queries() | Metrics(core).queries()
        gate = Gate(self.config, self.store)
        schema = self.make_schema(queries, mutations)
        return Wire(schema, gate, self.meter, self.faults, self.accidents.after)

    def _render(self, service_id: str, environment_id: str) -> Mapping[str, str]:
        given = given_names(self.core, service_id, environment_id)
        return rendered(self.store, environment_id, service_id, given)

    def _environment(self, row: Row, snapshot: Snapshot, bundle: Bundle) -> Mapping[str, str]:
        given = given_names(self.core, row["service_id"], row["environment_id"])
        return process_environment(given, row, snapshot, bundle)

    # ---- start and end ----

    async def start(self) -> None:
        """Brings back what was there and begins to watch."""
        self.store.write_now(self._seed)
        await self.edge.open_all()
        await self.fleet.restore()
        await self.builds.recover()
        for work in (
            self.fleet.watch(),
            self.traffic.run(),
            self.sampler.run(),
            self.events.run(),
        ):
            self._tasks.append(asyncio.create_task(work))

    def _seed(self, db: sqlite3.Connection) -> None:
        for one in self.config.projects:
            db.execute(
                "INSERT OR IGNORE INTO projects (id, name, created_at, primary_environment_id)"
                " VALUES (?, ?, ?, ?)",
                (one.id, one.name, now(), one.environment_id),
            )
            db.execute(
                "INSERT OR IGNORE INTO environments (id, project_id, name, created_at)"
                " VALUES (?, ?, ?, ?)",
                (one.environment_id, one.id, one.environment_name, now()),
            )

    async def stop(self) -> None:
        """Ends agents gracefully and leaves everything ready to be brought back."""
        await asyncio.gather(self.edge.close(), self.builds.close(), self.fleet.close())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await in_thread(self.ground.close)
        await self.events.close()
        await self.webhooks.close()
        await self.traffic.flush()
        self.store.close()

    # ---- HTTP ----

    def application(self) -> ASGIApp:
        """One ASGI program for all three API ports; each port answers only its own paths."""
        own = [
            Route("/yard/status", self._status),
            Route("/yard/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/yard/faults/{id}", self._faults, methods=["DELETE"]),
        ]
        up = UploadApi(self.core, self.uploads, self.wire)
        graphql = Starlette(
            routes=[
                Route("/graphql/v2", self.wire.answer, methods=["POST"]),
                Route(
                    "/project/{project}/environment/{environment}/up", up.answer, methods=["POST"]
                ),
                *own,
            ]
        )
        registry = Starlette(routes=[*self.registry.routes(), Route("/v2", self.registry.answer)])
        codebuild = CodeBuild(
            self.builds, self.config.codebuild.project_name, self.config.codebuild.secret
        )
        ports = {
            self.config.graphql_port: graphql,
            self.config.codebuild_port: Starlette(routes=codebuild.routes()),
            self.config.registry_port: registry,
        }

        async def choose(scope: Scope, receive: Receive, send: Send) -> None:
            async def marked(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", ()), (b"x-stand-in", b"1")]
                await send(message)

            if not _names_us(scope, self.config.host):
                wrong = Response("This is not the host you name.\n", 421, media_type="text/plain")
                await wrong(scope, receive, marked)
                return
            await ports.get(scope["server"][1], graphql)(scope, receive, marked)

        return choose

    async def _status(self, _request: Request) -> Response:
        counts = self.store.rows("SELECT status, count(*) AS n FROM deployments GROUP BY status")
        return JSONResponse(
            {
                "standIn": True,
                "ready": True,
                "uptimeSeconds": round(time.time() - self._started_at, 1),
                "isolation": self.ground.describe(),
                "services": [self._describe(live) for live in self.fleet.lives()],
                "builds": self.builds.describe(),
                "deployments": {row["status"]: row["n"] for row in counts},
                "portsNotBound": sorted(self.edge.unbound.values()),
                "faults": self.faults.describe(),
            }
        )

    def _describe(self, live: Live) -> dict[str, Any]:
        row = self.records.get(live.id)
        domains = self.edge.domains(*live.place.slot)
        return {
            "name": live.place.service_name,
            "status": row["status"] if row else "",
            "url": f"http://{self.edge.name(domains[0])}" if domains else None,
            "deployment": live.id,
            "phase": live.phase,
            "instances": live.instances(),
        }

    async def _faults(self, request: Request) -> Response:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        if not same(token, self.config.admin_token):
            return JSONResponse({"error": "the admin token is missing or wrong"}, 401)
        if request.method == "DELETE":
            self.faults.clear(request.path_params.get("id"))
        elif request.method == "POST":
            try:
                raw = await request.json()
                if isinstance(raw, dict) and "seed" in raw:
                    self.faults.seed(int(raw.pop("seed")))
                added = self.faults.add(parse_fault(raw)) if raw else None
            except (ValueError, TypeError, FaultError) as exc:
                return JSONResponse({"error": str(exc)}, 422)
            return JSONResponse({"id": added.id if added else None}, 201)
        return JSONResponse({"faults": self.faults.describe(), "kinds": KINDS})


def _names_us(scope: Scope, host: str) -> bool:
    """Whether the Host header has our own address.

    A page whose name was made to lead to this machine sends that name, and would otherwise be of
    the same origin as our APIs.
    """
    given = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
    port = scope["server"][1]
    return len(given) == 1 and given[0] in {f"{one}:{port}" for one in (host, "localhost")}


class _Server(uvicorn.Server):
    """uvicorn without its own idea of signals: the yard has agents to end first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: Config, ground: Ground | None = None) -> None:
    """Runs a yard until SIGTERM or SIGINT."""
    sockets = [_listen(config.host, port) for port in _ports(config)]
    yard = Yard(config, ground)
    await yard.start()
    settings = uvicorn.Config(
        yard.application(),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    server = _Server(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    log.info("the yard is ready on port %s", config.graphql_port)
    try:
        await server.serve(sockets)
    finally:
        await yard.stop()


def _ports(config: Config) -> list[int]:
    return [config.graphql_port, config.codebuild_port, config.registry_port]


def _listen(host: str, port: int) -> socket.socket:
    # The protocol must be named: asyncio switches Nagle's delay off only for what says it is TCP.
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as exc:
        raise OSError(exc.errno, f"port {port} cannot be had: {exc.strerror}") from exc
    made.listen(512)
    made.setblocking(False)
    return made
