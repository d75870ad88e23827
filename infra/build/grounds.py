"""A ground is where a build really happens: containers in the cloud, sandboxed processes here.

The program meets only this protocol. Which ground it is comes from SLIPWAY_BUILD_GROUND
("package.module:Class"); without it, containers.
"""

from __future__ import annotations

import importlib
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from infra.build.deadline import Deadline
from infra.build.order import Order
from infra.build.report import Report


@dataclass
class Job:
    """What a ground needs to know of one build."""

    order: Order
    source: Path
    """The extracted source; becomes /app."""
    scratch: Path
    """A folder of this build's own, removed at its end."""
    report: Report
    deadline: Deadline = field(default_factory=lambda: Deadline(600, "build"))
    """The limit of the present step."""


class Process(Protocol):
    """The built agent, running."""

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        ...

    def ports(self) -> list[int]:
        """The TCP ports it listens on, whatever the interface."""
        ...

    def connect(self, port: int, timeout: float) -> socket.socket:
        """A connection to one of them."""
        ...

    @property
    def out_of_memory(self) -> bool:
        """Whether it was killed for using too much memory."""
        ...

    def stop(self) -> None:
        """End it with everything it started."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """The image that was pushed, by digest, and its size."""

    image: str
    size_bytes: int


class Ground(Protocol):
    """Where a build really happens. Every method raises BuildFault when the source is at fault."""

    name: str
    serves_files: bool
    """Whether static files are served without a program of their own."""

    def workspace(self, order: Order) -> Path:
        """A new folder for this build."""
        ...

    def build(self, job: Job) -> None:
        """Install and build what is in `job.source`."""
        ...

    def start(
        self, job: Job, env: Mapping[str, str], on_output: Callable[[str], None]
    ) -> tuple[Process, int]:
        """Start what was built; returns it with the port it was given as $PORT."""
        ...

    def publish(self, job: Job) -> Published:
        """Push what was built, exactly as it was before it was started."""
        ...

    def close(self) -> None:
        """Stop and remove whatever is left of this build."""
        ...


def load_ground(name: str | None) -> Ground:
    """The ground of that name; one outside this program is found on the import path."""
    if not name:
        from infra.build.containers import ContainerGround  # noqa: PLC0415

        return ContainerGround()
    module_name, _, class_name = name.partition(":")
    _see_the_rest_of_the_project()
    ground: Ground = getattr(importlib.import_module(module_name), class_name)()
    return ground


def _see_the_rest_of_the_project() -> None:
    """Packed in one file, our packages hide the project's; let both be seen."""
    for name in ("infra", "chalicelib"):
        package = importlib.import_module(name)
        for entry in sys.path:
            folder = Path(entry or ".") / name
            if str(folder) not in package.__path__ and folder.is_dir():
                package.__path__.append(str(folder))
