"""The local ground knows how each runtime is built, started and bundled in the sandbox."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.domain.plan import Plan
from infra.build.faults import Failed
from infra.build.grounds import Job, Published
from infra.build.layers import Layer
from infra.build.oci import Image, Registry
from infra.build.order import Order
from infra.build.output import Output
from infra.local.ground.bench import Box, Command, Run, Toolchains, Workbench
from infra.local.ground.cache import DependencyCache, Kept
from infra.local.ground.nodejs import NodeInstall
from infra.local.ground.packing import pack
from infra.local.ground.python import PythonInstall
from infra.local.ground.rust import RustBuild, simple_build

_ABANDONED_SECONDS = 6 * 3600

if TYPE_CHECKING:
    from infra.local.ground.boxes import ReadyBox


class LocalGround:
    """Sandboxed processes on this machine; bundles go to the registry the order names."""

    name = "sandbox"
    serves_files = True

    def __init__(
        self,
        data: Path | None = None,
        *,
        box: Box | None = None,
        toolchains: Toolchains | None = None,
        registries: Callable[[], frozenset[str]] | None = None,
    ) -> None:
        self._state = data or Path(os.environ.get("SLIPWAY_DATA", ".local")).resolve()
        self._data = self._state / "builds"
        self._box = box
        self._toolchains = toolchains
        self._registries = registries
        self._cache = DependencyCache(self._data / "dependencies")
        self._preparing: ReadyBox | None = None
        self._bench: Workbench | None = None
        self._kept: Kept | None = None
        self._layers: list[Layer] = []
        self._agent: LocalProcess | None = None

    def workspace(self, order: Order) -> Path:
        """A new folder below our data folder."""
        plan = order.plan
        if self._box is None and (plan.start_command or plan.build_command):
            self._ready_box()  # gets ready while the source is fetched and scanned
        place = self._data / "work"
        place.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(place)
        made = Path(tempfile.mkdtemp(prefix=f"{order.version_id}-", dir=place))
        made.chmod(0o755)
        return made

    def build(self, job: Job) -> None:
        """Install, run the build commands, and pack the app before anything of it has run."""
        plan = job.order.plan
        if plan.runtime == "dockerfile":
            raise Failed.because(
                "runtime_needs_containers",
                "This source can only be built from its Dockerfile, and this machine builds "
                "without a container engine. Build it in the cloud, where there is one.",
                file=plan.dockerfile or "Dockerfile",
            )
        bench = self._bench = self._make_bench(job)
        self._install(bench)
        for line in plan.post_install:
            command = Command(f"Running {line!r}", ("sh", "-c", line), workdir=plan.root)
            if bench.attempt(command).code != 0:
                job.report.warn(f"The step {line!r} failed; the build goes on without it.")
        build = plan.build_command
        if build and not (plan.runtime == "rust" and simple_build(build)):
            bench.run(Command(f"Running {build!r}", ("sh", "-c", build), workdir=plan.root))
        self._layers = pack(job, self._kept)

    def start(
        self, job: Job, env: Mapping[str, str], on_output: Callable[[str], None]
    ) -> tuple[LocalProcess, int]:
        """Start the agent on a port that nobody uses."""
        plan = job.order.plan
        bench = self._built()
        if not plan.start_command:
            raise Failed.because(
                "start_command_missing",
                "Nothing says how the agent is started. Add start.command to agent.yaml.",
                file="agent.yaml",
            )
        port = plan.port or free_port()
        run, output = bench.start(
            ("/bin/sh", "-c", plan.start_command), {**env, "PORT": str(port)}, on_output
        )
        self._agent = LocalProcess(run, output)
        return self._agent, port

    def publish(self, job: Job) -> Published:
        """Push the dependency layer and the app layer."""
        plan = job.order.plan
        registry = Registry(
            job.order.repository,
            os.environ.get("SLIPWAY_REGISTRY_USERNAME", ""),
            os.environ.get("SLIPWAY_REGISTRY_PASSWORD", ""),
        )
        command = ("/bin/sh", "-c", plan.start_command) if plan.start_command else ()
        image = Image(
            command=command,
            workdir=f"/app/{plan.root}".rstrip("/"),
            env=self._image_env(),
            port=plan.port,
            labels=self._labels(plan),
        )
        return registry.push(image, self._layers, job.order.version_id)

    def close(self) -> None:
        """End what still runs."""
        if self._agent is not None:
            self._agent.stop()

    def _make_bench(self, job: Job) -> Workbench:
        toolchains, registries = self._toolchains, self._registries
        if toolchains is None or registries is None:
            from infra.local import sandbox  # noqa: PLC0415 - tests bring their own

            toolchains = toolchains or sandbox.toolchains
            registries = registries or sandbox.registry_hosts
        return Workbench(self._get_box, job, toolchains, registries)

    def _get_box(self) -> Box:
        if self._box is None:
            self._box = self._ready_box().get()
        return self._box

    def _ready_box(self) -> ReadyBox:
        if self._preparing is None:
            from infra.local.ground.boxes import ReadyBox  # noqa: PLC0415 - loads the sandbox

            self._preparing = ReadyBox(self._state)
        return self._preparing

    def _install(self, bench: Workbench) -> None:
        job = bench.job
        plan = job.order.plan
        if plan.runtime == "python":
            self._kept = PythonInstall(bench, self._cache, self._shared(job, "uv")).install()
        elif plan.runtime == "rust":
            if not plan.build_command or simple_build(plan.build_command):
                RustBuild(bench, self._cache, self._shared(job, "cargo")).build()
        elif plan.runtime == "nodejs" or plan.installer != "none":
            downloads = self._shared(job, "packages")
            tools = self._data / "tools"
            self._kept = NodeInstall(bench, self._cache, downloads, tools).install()

    def _shared(self, job: Job, name: str) -> Path:
        return self._data / "downloads" / job.order.org_id / name

    def _built(self) -> Workbench:
        if self._bench is None:
            raise Failed.because("build_internal_error", "There is nothing built to start.")
        return self._bench

    def _image_env(self) -> dict[str, str]:
        bench = self._built()
        path = [*bench.path, "/usr/local/bin", "/usr/bin", "/bin"]
        plan = bench.job.order.plan
        return {**bench.env, **plan.env, "PATH": ":".join(path)}

    def _labels(self, plan: Plan) -> dict[str, str]:
        labels = {"slipway.runtime": plan.runtime, "slipway.writable": "true"}
        if plan.runtime == "static" and not plan.start_command:
            labels["slipway.static_dir"] = f"{plan.root}/{plan.static_dir or ''}".strip("/")
            labels["slipway.single_page"] = "true" if plan.single_page else "false"
        if plan.health_path:
            labels["slipway.health_path"] = plan.health_path
        return labels


class LocalProcess:
    """The built agent in the sandbox."""

    def __init__(self, run: Run, output: Output) -> None:
        self._run = run
        self._output = output

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        code = self._run.wait(0)
        if code is not None:
            self._output.finish(0.5)
        return code

    def ports(self) -> list[int]:
        """The TCP ports it listens on."""
        return self._run.listening()

    def connect(self, port: int, timeout: float) -> socket.socket:
        """A connection to one of them."""
        return self._run.connect(port, timeout)

    @property
    def out_of_memory(self) -> bool:
        """Whether it died for lack of memory."""
        return self._run.oom

    def stop(self) -> None:
        """End it with everything it started."""
        self._run.kill()


def _remove_abandoned(place: Path) -> None:
    """What a killed build left behind; one that still runs is never as old."""
    for folder in place.iterdir():
        if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nobody uses just now, for sandboxes that share this machine's loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
