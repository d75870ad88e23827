"""Service domains: which loopback port belongs to which service, and the listeners on them."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable

from infra.local.yard.config import Config
from infra.local.yard.store import Row, Store, new_id, now

log = logging.getLogger(__name__)

Serve = Callable[[Row, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
READ_LIMIT = 1 << 18
REBIND_SECONDS = 2.0


class Edge:
    """Keeps one port per domain for the service's whole life, restarts included."""

    def __init__(self, config: Config, store: Store, serve: Serve) -> None:
        self._config = config
        self._store = store
        self._serve = serve
        self._servers: dict[str, asyncio.Server] = {}
        self._rows: dict[str, Row] = {}
        self._retries: set[asyncio.Task[None]] = set()
        self._connections: dict[asyncio.Task[None], str] = {}
        self.unbound: dict[str, int] = {}

    def name(self, row: Row) -> str:
        """What the API calls the domain: host and port, good for any client on this machine."""
        return f"{self._config.host}:{row['port']}"

    def domain(self, domain_id: str) -> Row | None:
        """A domain by id."""
        return self._store.row("SELECT * FROM domains WHERE id = ?", domain_id)

    def domains(self, service_id: str, environment_id: str) -> list[Row]:
        """The domains of a service in an environment."""
        return self._store.rows(
            "SELECT * FROM domains WHERE service_id = ? AND environment_id = ? ORDER BY rowid",
            service_id,
            environment_id,
        )

    async def open_all(self) -> None:
        """At the start: listens on every port given out before."""
        for row in self._store.rows("SELECT * FROM domains ORDER BY rowid"):
            if not await self.listen(row):
                self.unbound[row["id"]] = row["port"]
                self._retries.add(asyncio.create_task(self._keep_trying(row)))

    async def add(self, service_id: str, environment_id: str, target: int | None) -> Row | None:
        """A new domain on a free port; None when every port is taken."""
        first, last = self._config.proxy_ports
        taken = {row["port"] for row in self._store.rows("SELECT port FROM domains")}
        for port in range(first, last + 1):
            if port in taken:
                continue
            row = await self._record(service_id, environment_id, port, target)
            if row is None:
                continue
            if await self.listen(row):
                return row
            await self._store.execute("DELETE FROM domains WHERE id = ?", row["id"])
        return None

    async def _record(
        self, service_id: str, environment_id: str, port: int, target: int | None
    ) -> Row | None:
        domain_id = new_id()
        try:
            await self._store.execute(
                "INSERT INTO domains VALUES (?, ?, ?, ?, ?, ?)",
                domain_id,
                service_id,
                environment_id,
                port,
                target,
                now(),
            )
        except sqlite3.IntegrityError:  # two creates at once
            return None
        return self.domain(domain_id)

    async def retarget(self, domain_id: str, target: int | None) -> None:
        """Sends the domain's requests to another port of the agent."""
        await self._store.execute(
            "UPDATE domains SET target_port = ? WHERE id = ?", target, domain_id
        )
        if row := self.domain(domain_id):
            self._rows[domain_id] = row

    async def drop(self, domain_id: str) -> None:
        """Gives the port back."""
        await self._store.execute("DELETE FROM domains WHERE id = ?", domain_id)
        self._rows.pop(domain_id, None)
        if server := self._servers.pop(domain_id, None):
            server.close()
        for task, served in list(self._connections.items()):
            if served == domain_id:
                task.cancel()

    async def forget(self, service_id: str, environment_id: str) -> None:
        """Gives back all ports of a service that is deleted."""
        for row in self.domains(service_id, environment_id):
            await self.drop(row["id"])

    async def listen(self, row: Row) -> bool:
        """Takes connections on the domain's port; False when it cannot be had."""
        domain_id = row["id"]
        self._rows[domain_id] = row

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._connections[task] = domain_id
                task.add_done_callback(lambda one: self._connections.pop(one, None))
            try:
                await self._serve(self._rows.get(domain_id, row), reader, writer)
            except asyncio.CancelledError:
                return  # the yard is stopping
            except Exception:
                log.exception("the proxy failed on port %s", row["port"])
            finally:
                writer.close()

        try:
            self._servers[domain_id] = await asyncio.start_server(
                accept, self._config.host, row["port"], limit=READ_LIMIT, backlog=512
            )
        except OSError as exc:
            log.warning("cannot listen on port %s: %s", row["port"], exc)
            return False
        return True

    async def _keep_trying(self, row: Row) -> None:
        while row["id"] in self._rows:
            await asyncio.sleep(REBIND_SECONDS)
            if await self.listen(row):
                self.unbound.pop(row["id"], None)
                return

    async def close(self) -> None:
        """Stops listening and ends the connections that are open."""
        for task in self._retries:
            task.cancel()
        for server in self._servers.values():
            server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, *self._retries, return_exceptions=True)
