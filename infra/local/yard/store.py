"""The yard's memory: one SQLite file, written by one thread, read from anywhere."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from infra.local.yard import clock

T = TypeVar("T")
Row = sqlite3.Row

TABLES = """
CREATE TABLE IF NOT EXISTS projects (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT, created_at TEXT NOT NULL,
  deleted_at TEXT, primary_environment_id TEXT);
CREATE TABLE IF NOT EXISTS environments (
  id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL,
  ephemeral INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, deleted_at TEXT);
CREATE TABLE IF NOT EXISTS services (
  id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL,
  created_at TEXT NOT NULL, deleted_at TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS service_names
  ON services (project_id, name) WHERE deleted_at IS NULL;
CREATE TABLE IF NOT EXISTS instances (
  id TEXT PRIMARY KEY, service_id TEXT NOT NULL, environment_id TEXT NOT NULL,
  settings TEXT NOT NULL, limits TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
  visible_at REAL NOT NULL DEFAULT 0, UNIQUE (service_id, environment_id));
CREATE TABLE IF NOT EXISTS variables (
  environment_id TEXT NOT NULL, service_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (environment_id, service_id, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deployments (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project_id TEXT NOT NULL,
  environment_id TEXT NOT NULL, service_id TEXT NOT NULL, status TEXT NOT NULL,
  status_at TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
  stopped INTEGER NOT NULL DEFAULT 0, was_live INTEGER NOT NULL DEFAULT 0,
  snapshot TEXT NOT NULL, meta TEXT NOT NULL, replicas TEXT NOT NULL DEFAULT '[]');
CREATE INDEX IF NOT EXISTS deployments_of
  ON deployments (service_id, environment_id, seq);
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, deployment_id TEXT NOT NULL,
  step TEXT NOT NULL, created_at TEXT NOT NULL, completed_at TEXT, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_of ON events (deployment_id, seq);
CREATE TABLE IF NOT EXISTS domains (
  id TEXT PRIMARY KEY, service_id TEXT NOT NULL, environment_id TEXT NOT NULL,
  port INTEGER NOT NULL UNIQUE, target_port INTEGER, created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS project_tokens (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, shown TEXT NOT NULL,
  project_id TEXT NOT NULL, environment_id TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, id TEXT NOT NULL,
  deployment_id TEXT NOT NULL, service_id TEXT NOT NULL, environment_id TEXT NOT NULL,
  replica_id TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, host TEXT NOT NULL,
  status INTEGER NOT NULL, total_ms INTEGER NOT NULL, upstream_ms INTEGER NOT NULL,
  rx INTEGER NOT NULL, tx INTEGER NOT NULL, ip TEXT NOT NULL, agent TEXT NOT NULL,
  errors TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS requests_of_deployment ON requests (deployment_id, at);
CREATE INDEX IF NOT EXISTS requests_of_service ON requests (service_id, environment_id, at);
CREATE TABLE IF NOT EXISTS samples (
  at INTEGER NOT NULL, deployment_id TEXT NOT NULL, replica_id TEXT NOT NULL,
  service_id TEXT NOT NULL, environment_id TEXT NOT NULL, project_id TEXT NOT NULL,
  seconds REAL NOT NULL, cpu REAL NOT NULL, memory_gb REAL NOT NULL, disk_gb REAL NOT NULL,
  rx_gb REAL NOT NULL, tx_gb REAL NOT NULL, cpu_limit REAL NOT NULL, memory_limit_gb REAL NOT NULL);
CREATE INDEX IF NOT EXISTS samples_of ON samples (service_id, environment_id, at);
CREATE TABLE IF NOT EXISTS manifests (
  repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,
  created_at TEXT NOT NULL, PRIMARY KEY (repository, digest));
CREATE TABLE IF NOT EXISTS tags (
  repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (repository, tag));
CREATE TABLE IF NOT EXISTS builds (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL,
  status TEXT NOT NULL, token TEXT, token_at REAL NOT NULL, request TEXT NOT NULL,
  document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL);
"""

CACHE_PAGES = -2048  # KiB: the working set is small and the laptop is shared


class Store:
    """Reads return at once on the caller's thread; writes are transactions in one writer thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        # Variables and registry passwords of agents are in here, and first of all in the journal
        # beside it. SQLite gives a new journal the mode of the database.
        for file in path.parent.glob(f"{path.name}*"):
            file.chmod(0o600)
        self._path = path
        self._local = threading.local()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="yard-store")
        self._connection = self._writer.submit(self._open).result()

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.executescript(TABLES)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = Row
        connection.execute("PRAGMA journal_mode=WAL")
        # A power cut may cost the last moments, a killed process costs nothing.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA cache_size={CACHE_PAGES}")
        connection.execute("PRAGMA busy_timeout=5000")
        return connection

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` as one transaction; an exception in it undoes everything."""
        loop = asyncio.get_running_loop()
        # Shielded: a caller that is cancelled must not leave with the transaction half known.
        return await asyncio.shield(loop.run_in_executor(self._writer, self._transact, work))

    async def execute(self, sql: str, *values: Any) -> int:
        """One statement as its own transaction; returns the number of rows it changed."""
        return await self.write(lambda db: db.execute(sql, values).rowcount)

    def write_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same for callers outside the event loop: start, shutdown, threads."""
        return self._writer.submit(self._transact, work).result()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._connection
        db.execute("BEGIN IMMEDIATE")
        try:
            result = work(db)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        return result

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        return self._reader().execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, if there is one."""
        found: Row | None = self._reader().execute(sql, values).fetchone()
        return found

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
        return connection

    def close(self) -> None:
        """Finishes what is being written and closes the file."""
        self._writer.submit(self._connection.close).result()
        self._writer.shutdown()
        reader: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if reader is not None:
            reader.close()
            del self._local.connection


def now() -> str:
    """The present moment as Railway writes it: ISO 8601, milliseconds, Z."""
    return iso(clock.moment())


def iso(moment: datetime) -> str:
    """A moment as Railway writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """An opaque id, a UUID like Railway's."""
    return str(uuid.uuid4())


def dump(value: Any) -> str:
    """JSON for a column."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
