"""Agents as states on the virtual clock, and the ground that "runs" them in the yard's place."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.yard.bundles import Bundle, Bundles, Credentials, PullFailed
from infra.local.yard.runs import Hear, Job, Run, Usage
from infra.local.yard.uploads import BuildFailed, BuildLog, Uploads

PORT = 8000
REGISTRY = "registry.test/slipway"
HOST_BUILD_SECONDS = 2.0


@dataclass(frozen=True)
class Behaviour:
    """What an agent does. Times in seconds from its start.

    `health` is the status of its health path, `page` what every other path answers with: a status
    and a body. `ends` is when and with which exit code it ends by itself; `hungry` that it dies
    of its hunger for memory then.
    """

    boots: float = 0.5
    health: int = 200
    page: tuple[int, bytes] = (200, b"good")
    ends: tuple[float, int] | None = None
    hungry: bool = False
    leaves: float = 0.1
    """How long it takes to end when it is told to."""
    sleeps: bool = False
    """Whether its manifest lets the host put it to sleep."""


@dataclass
class Images:
    """The images there are, and what their agents do."""

    known: dict[str, Behaviour] = field(default_factory=dict)
    sources: dict[str, Behaviour] = field(default_factory=dict)
    built: dict[str, str] = field(default_factory=dict)
    """Of which source an image was built."""

    def make(self, behaviour: Behaviour) -> str:
        """A new image."""
        digest = f"sha256:{len(self.known) + 1:064x}"
        image = f"{REGISTRY}/agent@{digest}"
        self.known[image] = behaviour
        return image

    def pack(self, behaviour: Behaviour) -> str:
        """A new source, and what stands for its image."""
        source = f"source@sha256:{len(self.sources) + 1:064x}"
        self.sources[source] = behaviour
        return source

    def build(self, source: str) -> str:
        """What a host makes of it: another image every time, as a base image may be newer."""
        image = self.make(self.sources[source])
        self.built[image] = source
        return image

    def called(self, image: str | None) -> str | None:
        """What Slipway calls it: the source, where the host has built it."""
        return self.built.get(image, image) if image else image


@dataclass(frozen=True)
class SimulatedBundle(Bundle):
    """Needs no files."""

    def lay_out(self, target: Path) -> None:
        """Nothing to lay out."""


class SimulatedBundles(Bundles):
    """Images by name; a pull checks credentials as the real one does."""

    images: Images

    async def pull(self, image: str, credentials: Credentials) -> Bundle:
        """A bundle without files."""
        if not self._allowed(credentials.username, credentials.password):
            raise PullFailed(f"failed to pull {image}: unauthorized")
        if image not in self.images.known:
            raise PullFailed(f"failed to pull {image}: manifest unknown")
        return SimulatedBundle(
            image=image,
            digest=image.rpartition("@")[2],
            command=(image,),
            env={},
            workdir="/app",
            labels={},
            ports=(PORT,),
            layers=(),
        )

    def available(self, image: str) -> bool:
        """Whether it can be had."""
        return image in self.images.known


class SimulatedUploads(Uploads):
    """Sources whose only file names them; built in a while, into images that only differ."""

    images: Images

    def unpack(self, packed: Path, folder: Path) -> None:
        """Nothing is packed."""
        folder.mkdir()
        packed.rename(folder / "source")

    async def build(self, deployment_id: str, service_id: str, log: BuildLog) -> str:
        """Raises BuildFailed for what is not there any more, as a build from nothing does."""
        folder = self.place().parent / deployment_id
        try:
            source = (folder / "source").read_text()
        except OSError as exc:
            raise BuildFailed("The source is gone") from exc
        await asyncio.sleep(HOST_BUILD_SECONDS)
        return self.images.build(source)


class SimulatedRun:
    """One process: a few numbers and a future."""

    def __init__(self, behaviour: Behaviour, image: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.behaviour = behaviour
        self.image = image
        self.oom = False
        self.pid = 0
        self._port = port
        self._up_at = loop.time() + behaviour.boots
        self._over: asyncio.Future[int] = loop.create_future()
        if behaviour.ends is not None:
            after, code = behaviour.ends
            loop.call_later(after, self._by_itself, code)

    def _by_itself(self, code: int) -> None:
        if not self._over.done():
            self.oom = self.behaviour.hungry
            self._end(code)

    def _end(self, code: int) -> None:
        if not self._over.done():
            self._over.set_result(code)

    async def wait(self) -> int:
        """Its exit code."""
        return await asyncio.shield(self._over)

    def signal(self, number: int) -> None:
        """SIGTERM ends it in good order."""
        if number == signal.SIGTERM:
            asyncio.get_running_loop().call_later(self.behaviour.leaves, self._end, 0)

    def kill(self) -> None:
        """At once."""
        self._end(-signal.SIGKILL)

    @property
    def listens(self) -> bool:
        """Whether it takes connections now."""
        return not self._over.done() and asyncio.get_running_loop().time() >= self._up_at

    async def listening(self) -> list[int]:
        """Its port, once it is up."""
        return [self._port] if self.listens else []

    async def connect(self, port: int) -> socket.socket:
        """There are no sockets here."""
        raise ConnectionRefusedError(f"a simulated agent has no sockets ({port})")

    async def probe(self, port: int, path: str, seconds: float) -> int | None:
        """What the health check sees."""
        return self.behaviour.health if self.listens else None

    async def usage(self) -> Usage:
        """Nothing."""
        return Usage()


class SimulatedGround:
    """Starts simulated agents."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self.starts = 0

    def describe(self) -> dict[str, Any]:
        """Says so."""
        return {"tier": "simulated"}

    def port(self) -> int:
        """Every agent has a network of its own."""
        return PORT

    async def start(self, job: Job, out: Hear, err: Hear) -> Run:
        """Starts one."""
        self.starts += 1
        image = job.command[0]
        return SimulatedRun(self._images.known[image], image, int(_port(job.env)))

    def remove(self, folder: Path) -> None:
        """There are no files."""

    def close(self) -> None:
        """Nothing to close."""


def _port(env: Mapping[str, str]) -> str:
    return env.get("PORT", str(PORT))
