"""Knows how the local cloud comes up and goes down: the parts, their order, and what follows.

Up:   ports → the emulator and the yard → the stack → the web server → (once) the first agent.
Down: the web server → the yard → the emulator, which saves last.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.local import settings
from infra.local.cloud import Cloud
from infra.local.display import Display
from infra.local.first import FirstAgent
from infra.local.layout import (
    ROOT,
    STAGE,
    TOOLS,
    Layout,
    LocalCloudError,
    check_ports,
    write_private,
)
from infra.local.parts import Part, kill_group, last_line


class Supervisor:
    """One local cloud, from its start to its end."""

    def __init__(self, layout: Layout, display: Display, *, first_agent: bool = True) -> None:
        self.layout = layout
        self.display = display
        self.first_agent = first_agent
        self.state = "starting"
        self.began = time.perf_counter()
        self.stop = asyncio.Event()
        self.parts: list[Part] = []
        self.isolation: dict[str, Any] = {}
        self.cloud = Cloud(layout)

    async def run(self) -> int:
        """Bring everything up, keep it up until told to stop, and bring it down again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop.set)
        with hold_lock(self.layout):
            try:
                rising = asyncio.create_task(self._rise())
                stopped = asyncio.create_task(self.stop.wait())
                await asyncio.wait({rising, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not rising.done():
                    rising.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await rising
                    return 130
                rising.result()
                self._tell("live")
                self._summary()
                await stopped
                return 0
            finally:
                await self._fall()

    # -- up ----------------------------------------------------------------------------------

    async def _rise(self) -> None:
        layout, display = self.layout, self.display
        layout.make()
        await asyncio.to_thread(end_leftovers, layout)
        check_ports(layout.ports)
        self._tell("starting")
        credentials = layout.credentials()
        async with display.step("Look for the best isolation this machine has"):
            self.isolation = await asyncio.to_thread(settings.isolation, layout)
        display.say(f"           Agents run in: {self.isolation['name']}")
        settings.write(layout, credentials, self.isolation)
        aws = self._part("aws", "The AWS emulator")
        yard = self._part("yard", "The yard")
        async with display.step("Start the AWS emulator and the yard"):
            await asyncio.gather(aws.start(), yard.start())
        async with display.step("Bring the stack up to date"):
            await self._deploy()
        web = self._part("web", "The web server")
        async with display.step("Start the web server"):
            await web.start()
        # From here on the platform is up, and the place to find out what is wrong with it.
        with self._not_fatal():
            async with display.step("Bring what was deployed to a true state"):
                await asyncio.to_thread(self.cloud.snapshot)
                await asyncio.to_thread(self.cloud.reconcile)
        if self.first_agent and not layout.first_agent.exists():
            with self._not_fatal():
                await self._deploy_first_agent()

    def deploy_command(self) -> list[str]:
        """How the stack is brought up to date."""
        return [
            *(sys.executable, "-m", "infra.deploy", "--stage", STAGE),
            *("--target", str(self.layout.target)),
            *("--work", str(TOOLS / "package")),
            *("--output", str(self.layout.outputs)),
        ]

    async def _deploy(self) -> None:
        """Run the same program that deploys to AWS, as a program of its own."""
        log = self.layout.logs / "deploy.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *self.deploy_command(), cwd=ROOT, env=settings.plain_environment(),
                stdout=asyncio.subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            async for line in process.stdout:
                name, _, seconds = line.decode().strip().partition("\t")
                if seconds and float(seconds) >= 0.1:
                    self.display.line("·", f"  {name}", float(seconds))
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
        if code:
            said = log.read_text(errors="replace").strip()
            shown = said if len(said) < 2000 and "Traceback" not in said else last_line(log)
            raise LocalCloudError(f"The stack could not be deployed: {shown}\n  Its log: {log}")

    async def _deploy_first_agent(self) -> None:
        """Deploy the Python template as anybody would, through the public API."""
        first = FirstAgent(self.layout)
        async with self.display.step("Deploy the first agent, from the Python template"):
            agent = await asyncio.to_thread(first.deploy)
            write_private(self.layout.first_agent, json.dumps(agent, indent=1))

    def _part(self, name: str, title: str) -> Part:
        part = settings.PARTS[name](self.layout, self.layout.credentials(), title)
        part.said = lambda text: self.display.line("!", text)
        part.changed = lambda: self._tell(self.state)
        part.restarted = self._after_restart
        self.parts.append(part)
        return part

    @contextlib.contextmanager
    def _not_fatal(self) -> Iterator[None]:
        try:
            yield
        except LocalCloudError as problem:
            self.display.say(f"           {problem}")

    async def _after_restart(self) -> None:
        """Whatever a part forgot or missed, the platform finds out by looking."""
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self.cloud.reconcile)

    # -- down --------------------------------------------------------------------------------

    async def _fall(self) -> None:
        if not self.parts:
            self.layout.supervisor.unlink(missing_ok=True)
            return
        self._tell("stopping")
        self.display.say()
        for part in self.parts:
            part.stopping = True
        async with self.display.step("Stop everything and save"):
            for part in reversed(self.parts):
                await part.stop()
        self.layout.supervisor.unlink(missing_ok=True)

    # -- what others see ---------------------------------------------------------------------

    def _tell(self, state: str) -> None:
        """Write down who runs, for `make status`, `make down` and the web page."""
        self.state = state
        document = {
            "pid": os.getpid(),
            "born": process_birth(os.getpid()),
            "state": state,
            "web_url": self.layout.web_url,
            "isolation": self.isolation,
            "ports": self.layout.ports.named,
            "parts": {
                part.name: {
                    "title": part.title,
                    "pid": part.pid,
                    "born": process_birth(part.pid) if part.pid else None,
                    "started_at": part.started_at,
                    "restarts": part.restarts,
                    "log": str(part.log),
                }
                for part in self.parts
            },
        }
        write_private(self.layout.supervisor, json.dumps(document, indent=1))

    def _summary(self) -> None:
        first = self.layout.read(self.layout.first_agent)
        took = time.perf_counter() - self.began
        display = self.display
        display.say()
        display.say(f"Slipway is live (after {took:.1f} s).")
        display.say(f"  Web          {self.layout.web_url}")
        display.say(f"  API          {self.layout.web_url}/api/v1")
        display.say(f"  Mailbox      {self.layout.web_url}/local/mailbox")
        if first:
            display.say(f"  First agent  {first['url']}")
        display.say("Ctrl-C stops everything and keeps everything. `make help` lists the rest.")


@contextlib.contextmanager
def hold_lock(layout: Layout) -> Any:
    """Only one supervisor for a data directory."""
    layout.make()
    with (layout.data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            there = layout.read(layout.supervisor)
            raise LocalCloudError(
                f"This local cloud is already up (process {there.get('pid', 'unknown')}, "
                f"{there.get('web_url', layout.web_url)}); `make down` stops it."
            ) from None
        yield


def end_leftovers(layout: Layout) -> None:
    """End what a supervisor that was killed has left; its parts end by themselves, but slowly."""
    parts = layout.read(layout.supervisor).get("parts", {})
    left = [
        part["pid"]
        for part in parts.values()
        if part["pid"] and process_birth(part["pid"]) == part["born"]
    ]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 15
    while any(process_birth(pid) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        kill_group(pid)


def process_birth(pid: int) -> int | None:
    """When a process started, in the kernel's count; tells it from a later one with its number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(rest[18])
