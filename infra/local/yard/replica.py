"""One running copy of a deployment: started, found by its port, probed, restarted, ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from infra.local.yard.config import Hosting
from infra.local.yard.health import Unhealthy
from infra.local.yard.journal import Journal, Pump, Rate
from infra.local.yard.runs import Ground, Job, Run, StartFailed

PATIENCE_FOR_PORT = 1.0
"""How long another port may listen before it is believed that $PORT never will."""


@dataclass(frozen=True)
class Policy:
    """When a process that ended is started again."""

    kind: str = "ON_FAILURE"  # ALWAYS | ON_FAILURE | NEVER
    retries: int = 10

    def restarts(self, code: int) -> bool:
        """Whether an end with this code is followed by a start, retries permitting."""
        return self.kind == "ALWAYS" or (self.kind == "ON_FAILURE" and code != 0)


@dataclass(frozen=True)
class Doom:
    """An end that a fault has decreed: it happens whatever the restart policy says."""

    code: int = 1
    oom: bool = False


class Closable(Protocol):
    """A kept connection."""

    def close(self) -> None: ...


class Replica:
    """Supervises one process. `state` uses Railway's DeploymentInstanceStatus words."""

    def __init__(
        self,
        replica_id: str,
        job: Job,
        *,
        ground: Ground,
        journal: Journal,
        hosting: Hosting,
        policy: Policy,
        changed: Callable[[Replica], None],
    ) -> None:
        self.id = replica_id
        self.state = "CREATED"
        self.port: int | None = None
        self.run: Run | None = None
        self.inflight = 0
        self.starts = 0
        self.last_code: int | None = None
        self.last_oom = False
        self.ready = asyncio.Event()
        self.over = asyncio.Event()
        self.begun = asyncio.Event()
        self.idle: list[Closable] = []
        self.doom: Doom | None = None
        self.wanted_port = 0
        self._job = job
        self._ground = ground
        self._journal = journal
        self._hosting = hosting
        self._policy = policy
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._rate = Rate(hosting.log_lines_per_second)

    @property
    def final(self) -> bool:
        """Whether it has ended for good."""
        return self.state in ("CRASHED", "EXITED", "STOPPED", "REMOVED")

    def start(self) -> None:
        """Begins to supervise; returns at once."""
        self._stopping = False
        self.over.clear()
        self.begun.clear()
        # At once, not when the task gets its turn: it must not look ended until then.
        self._set("INITIALIZING")
        self._task = asyncio.create_task(self._supervise())

    async def stop(self, grace: float, state: str = "STOPPED") -> None:
        """SIGTERM, then SIGKILL after `grace` seconds."""
        self._stopping = True
        self.ready.clear()
        self._changed(self)
        if self._task is not None and not self._task.done():
            if self.run is not None:
                self._say("Stopping the container")
                self.run.signal(signal.SIGTERM)
                if grace > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.over.wait(), grace)
                if not self.over.is_set():
                    self.run.kill()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.over.wait(), 5)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._drop_connections()
        self._set(state)

    async def _supervise(self) -> None:
        retries = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            code = await self._one_life()
            if self._stopping:
                break
            if loop.time() - began > self._hosting.stable_after:
                retries = 0
            if self.doom is not None or not self._may_restart(code, retries):
                self._set("CRASHED" if self._failed(code) else "EXITED")
                break
            self._set("RESTARTING")
            pause = min(
                self._hosting.restart_backoff * 2**retries, self._hosting.restart_backoff_cap
            )
            retries += 1
            self._say(f"Restarting the container (retry {retries} of {self._policy.retries})")
            await asyncio.sleep(pause)
        self.over.set()

    def _may_restart(self, code: int, retries: int) -> bool:
        return self._policy.restarts(code) and retries < self._policy.retries

    def _failed(self, code: int) -> bool:
        return code != 0 or (self._policy.kind == "ALWAYS" and self.doom is None)

    async def _one_life(self) -> int:
        """Starts the process and returns its exit code."""
        self._set("INITIALIZING")
        self.last_oom = False
        self.starts += 1
        try:
            run = await self._begin()
        except StartFailed as exc:
            self._say(f"The container could not be started: {exc}", "error")
            self.last_code = 127
            return 127
        finally:
            self.begun.set()
        self.run = run
        self._set("RUNNING")
        search = asyncio.create_task(self._find_port(run))
        try:
            code = await run.wait()
        finally:
            search.cancel()
            self.port = None
            self.ready.clear()
            self._drop_connections()
        self.run = None
        return self._account(code, run.oom)

    def _account(self, code: int, oom: bool) -> int:
        if self.doom is not None:
            code, oom = self.doom.code, self.doom.oom
        self.last_code, self.last_oom = code, oom
        if self._stopping:
            return code
        if oom:
            limit = self._job.memory_mb
            self._say(f"Out of memory: the container used more than its {limit} MB", "error")
            return code or 137
        if code < 0:
            self._say(f"The container was ended by signal {-code}", "error")
        else:
            self._say(f"The container exited with code {code}", "error" if code else "info")
        return code

    async def _begin(self) -> Run:
        job = self._job
        env = dict(job.env)
        # A fresh port each time: some servers cannot bind the one they just had.
        env.setdefault("PORT", str(self._ground.port()))
        self.wanted_port = int(env["PORT"]) if env["PORT"].isdigit() else 0
        self._say("Starting the container")
        return await self._ground.start(
            replace(job, env=env), partial(self._pump, "info"), partial(self._pump, "error")
        )

    def _pump(self, severity: str) -> Pump:
        return Pump(self._journal, severity, self.id, self._rate)

    async def _find_port(self, run: Run) -> None:
        """Waits for a listening port: $PORT, or after some patience whatever there is."""
        loop = asyncio.get_running_loop()
        pause, other_since = 0.02, None
        began = loop.time()
        while True:
            try:
                ports = await run.listening()
            except OSError:  # it ended while we looked; whoever waits for its end says so
                return
            if self.wanted_port in ports:
                self._found(self.wanted_port)
                return
            if ports and other_since is None:
                other_since = loop.time()
            if other_since is not None and loop.time() - other_since > PATIENCE_FOR_PORT and ports:
                port = await self._speaks_http(run, ports)
                self._say(
                    f"The agent listens on port {port}, not on PORT={self.wanted_port}. The "
                    f"local stand-in follows it; Railway needs the variable PORT={port}.",
                    "warn",
                )
                self._found(port)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, 0.05 if loop.time() - began < 5 else 1.0)

    def _found(self, port: int) -> None:
        self.port = port
        self.ready.set()
        self._changed(self)

    async def _speaks_http(self, run: Run, ports: list[int]) -> int:
        """Of several ports the first that answers HTTP; the lowest when none does."""
        if len(ports) > 1:
            for port in ports:
                if await run.probe(port, "/", 2.0) is not None:
                    return port
        return ports[0]

    async def healthy(self, path: str, deadline: float, override: Callable[[], int | None]) -> int:
        """Probes until the answer is 200, the deadline, or the end of the process.

        Returns the number of attempts; raises Unhealthy.
        """
        loop = asyncio.get_running_loop()
        attempts, pause, seen = 0, 0.02, "nothing listened on any port"
        while loop.time() < deadline:
            if self.final:
                raise Unhealthy(attempts, f"the container ended: {self._how_it_ended()}")
            if not self.ready.is_set() or self.run is None or self.port is None:
                await self._wait_for_port(min(0.5, deadline - loop.time()))
                continue
            attempts += 1
            answered = await self.run.probe(self.port, path, min(10.0, deadline - loop.time()))
            status = override() or answered
            if status == 200:
                return attempts
            if status is None:
                seen = f"no HTTP answer on port {self.port}"
            else:
                seen = f"{path} on port {self.port} answered {status}, and only 200 counts"
            await asyncio.sleep(pause)
            pause = min(pause * 1.4, 1.0)
        raise Unhealthy(attempts, seen)

    async def _wait_for_port(self, seconds: float) -> None:
        waits = {asyncio.create_task(one.wait()) for one in (self.ready, self.over)}
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    def _how_it_ended(self) -> str:
        if self.last_oom:
            return "out of memory"
        code = self.last_code or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    async def lost(self) -> None:
        """The known port refused a connection: look for it anew."""
        run = self.run
        if run is None or not self.ready.is_set():
            return
        if self.port in await run.listening():
            return
        if self.run is run and self.ready.is_set():
            self.ready.clear()
            self.port = None
            asyncio.create_task(self._find_port(run))  # noqa: RUF006 - ends with the process

    def strike(self, doom: Doom) -> None:
        """Ends the process the way a fault says."""
        self.doom = doom
        if self.run is not None:
            self.run.kill()

    def _say(self, message: str, severity: str = "info") -> None:
        self._journal.write(message, severity, replica=self.id)

    def _set(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._changed(self)

    def _drop_connections(self) -> None:
        for one in self.idle:
            one.close()
        self.idle.clear()
