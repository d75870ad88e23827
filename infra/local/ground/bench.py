"""The workbench runs one build's commands in the sandbox, and turns failures into reasons."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from infra.build.beneath import Beneath
from infra.build.build_faults import build_failed, starved, timed_out
from infra.build.diagnosis import Ending
from infra.build.faults import Failed
from infra.build.grounds import Job
from infra.build.output import Output
from infra.build.report import duration
from infra.local.sandbox.spec import APP, Limits, Spec, Toolchain

Bind = tuple[Path, str, bool]
Network = Literal["registries", "none"]

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_TEMPORARY = "/build/tmp"
_HOPELESS = 200
"""So many refused forks in one command are no accident."""


class Run(Protocol):
    """A sandboxed process, as `infra.local.sandbox` gives it."""

    @property
    def pid(self) -> int: ...

    def wait(self, timeout: float | None = None) -> int | None: ...
    def kill(self) -> None: ...
    def listening(self) -> list[int]: ...
    def connect(self, port: int, timeout: float = 5.0) -> socket.socket: ...

    @property
    def oom(self) -> bool: ...

    @property
    def disk_full(self) -> bool: ...


Toolchains = Callable[[str, Literal["build", "run"]], Toolchain]
"""What a runtime needs to see of this machine, as `infra.local.sandbox` knows it."""


class Box(Protocol):
    """What starts sandboxed processes."""

    def start(self, spec: Spec) -> Run: ...


@dataclass(frozen=True)
class Command:
    """One thing to run. `what` names it to people: "Installing the dependencies"."""

    what: str
    argv: tuple[str, ...]
    workdir: str = ""
    """Below /app, or absolute."""
    network: Network = "registries"
    env: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    quiet: bool = False

    @property
    def shown(self) -> str:
        """How the log announces it."""
        return self.what if self.argv[0] == "sh" else f"{self.what}: {' '.join(self.argv)}"


class Workbench:
    """The sandbox as one build sees it: /app is the source, everything else belongs to us."""

    def __init__(
        self,
        box: Callable[[], Box],
        job: Job,
        toolchains: Toolchains,
        registries: Callable[[], frozenset[str]],
    ) -> None:
        self.job = job
        self.binds: list[Bind] = []
        self.path: list[str] = []
        """Folders of the source that come first on PATH, as seen inside."""
        self.env: dict[str, str] = {}
        self._box = box
        self._toolchains = toolchains
        self._registries = registries
        plan = job.order.plan
        self._runtime = "nodejs" if plan.runtime == "static" else plan.runtime
        self._temporary = job.scratch / "tmp"
        self._temporary.mkdir(exist_ok=True)
        # A build machine of one organisation: its runs share a user id, so that what one command
        # wrote the next one may change.
        self._share = f"build-{job.order.org_id}"

    @cached_property
    def run_tools(self) -> Toolchain:
        """What the running agent sees of this machine."""
        return self._toolchains(self._runtime, "run")

    @cached_property
    def build_tools(self) -> Toolchain:
        """The same with package managers; asking them for their settings takes a moment."""
        return self._toolchains(self._runtime, "build")

    @cached_property
    def registries(self) -> frozenset[str]:
        """The hosts a build may reach."""
        return self._registries()

    @property
    def app(self) -> Path:
        """The source as it lies on this machine; strangers' code runs in it."""
        return self.job.source

    @cached_property
    def files(self) -> Beneath:
        """The way to anything in the source: no link in it is followed."""
        return Beneath(self.app)

    @property
    def own_path(self) -> str:
        """PATH without folders of the source, for commands that may change what others share."""
        return ":".join([*self.build_tools.path, *SYSTEM_PATH])

    def run(self, command: Command) -> None:
        """Runs to the end; raises with reasons when it fails."""
        ending = self.attempt(command)
        if ending.code != 0:
            raise self.fault(command, ending)

    def fault(self, command: Command, ending: Ending) -> Failed:
        """What to tell a person about a command that failed."""
        return Failed(*build_failed(command.what, ending, self.job.order.limits))

    def attempt(self, command: Command) -> Ending:
        """Runs to the end and says how it ended; only the time limit raises."""
        journal = self.job.report.journal
        if not command.quiet:
            journal.info(command.shown)
        began = time.perf_counter()
        hungry = _Hunger()

        def heard(line: str) -> None:
            hungry.heard(line)
            journal.write("info", line)

        output = Output(heard, journal.masker, full=lambda: journal.full)
        try:
            run = self._box().start(self._spec(command, output.write_end))
        finally:
            output.detach()
        code = self._wait(run, command, output, hungry)
        if not command.quiet:
            took = duration(time.perf_counter() - began)
            journal.info(f"{command.what}: {'done' if code == 0 else f'exit code {code}'}, {took}")
        return Ending(code, tuple(output.tail), run.oom, run.disk_full)

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]
    ) -> tuple[Run, Output]:
        """Starts the built agent itself."""
        plan = self.job.order.plan
        journal = self.job.report.journal
        memory = int(plan.resources.get("memory_mb") or 1024)
        output = Output(on_line, journal.masker, full=lambda: journal.full)
        spec = Spec(
            app=self.app,
            command=list(argv),
            writable=True,
            env=self._environment(self.run_tools, env),
            limits=Limits(memory_mb=memory),
            binds=(*self.run_tools.binds, *self._checked(self.binds)),
            egress="none" if os.environ.get("SLIPWAY_AGENT_EGRESS") == "none" else "public",
            workdir=self.inside(plan.root),
            stdout=output.write_end,
            stderr=output.write_end,
            share=self._share,
        )
        try:
            return self._box().start(spec), output
        finally:
            output.detach()

    def inside(self, folder: str = "") -> str:
        """A folder of the source, as the programs in the sandbox see it."""
        return f"{APP}/{folder}".rstrip("/")

    def _spec(self, command: Command, sink: int) -> Spec:
        limits = self.job.order.limits
        return Spec(
            app=self.app,
            command=list(command.argv),
            writable=True,
            env=self._environment(self.build_tools, {"TMPDIR": _TEMPORARY, **command.env}),
            limits=Limits(
                memory_mb=limits.memory_mb,
                processes=limits.processes,
                file_mb=limits.disk_mb,
                disk_mb=limits.disk_mb,
            ),
            binds=(
                *self.build_tools.binds,
                *self._checked(self.binds),
                *command.binds,
                (self._temporary, _TEMPORARY, False),
            ),
            egress=self.registries if command.network == "registries" else "none",
            workdir=command.workdir
            if command.workdir.startswith("/")
            else self.inside(command.workdir),
            stdout=sink,
            stderr=sink,
            share=self._share,
        )

    def _checked(self, binds: Sequence[Bind]) -> Sequence[Bind]:
        """Each appears on a folder of the source, which must not be a link by now."""
        for _, target, _ in binds:
            self.files.is_folder(os.path.relpath(target, APP))
        return binds

    def _environment(self, tools: Toolchain, extra: Mapping[str, str]) -> dict[str, str]:
        path = [*self.path, *tools.path, *SYSTEM_PATH]
        return {
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            **tools.env,
            **self.env,
            "PATH": ":".join(path),
            **extra,
        }

    def _wait(self, run: Run, command: Command, output: Output, hungry: _Hunger) -> int:
        deadline = self.job.deadline
        try:
            while (code := run.wait(min(0.5, deadline.left))) is None:
                if hungry.hopeless:
                    code = -signal.SIGKILL
                    break
                if deadline.over:
                    run.kill()
                    output.finish()
                    ending = Ending(-signal.SIGKILL, tuple(output.tail), run.oom, run.disk_full)
                    fault = deadline.fault(command.what)
                    raise timed_out(command.what, ending, self.job.order.limits, fault)
        finally:
            run.kill()  # also what the command left running in the background
            output.finish()
        return code


class _Hunger:
    """Notices a program that starts processes without end: it would fill the whole time limit."""

    def __init__(self) -> None:
        self._refusals = 0

    def heard(self, line: str) -> None:
        self._refusals += starved(line)

    @property
    def hopeless(self) -> bool:
        return self._refusals >= _HOPELESS
