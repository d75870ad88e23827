"""The cloud's ground: images built, tried and pushed by a container engine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.build.build_faults import build_failed
from infra.build.diagnosis import Ending
from infra.build.faults import Failed
from infra.build.grounds import Job, Process, Published
from infra.build.order import Order
from infra.build.output import Output
from infra.build.report import duration

_PORT = 8080
_LISTENING = "0A"


class ContainerGround:
    """One image, from Dockerfile to digest. `SLIPWAY_CONTAINER_ENGINE` may name podman instead."""

    name = "containers"
    serves_files = False

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = dict(os.environ if env is None else env)
        self._engine = self._env.get("SLIPWAY_CONTAINER_ENGINE", "docker")
        self._container: Container | None = None
        self._tag = ""

    def workspace(self, order: Order) -> Path:
        """A new temporary folder."""
        return Path(tempfile.mkdtemp(prefix=f"{order.version_id}-"))

    def build(self, job: Job) -> None:
        """Build from the source's own Dockerfile, else from one made for the plan."""
        plan = job.order.plan
        self._tag = f"{job.order.repository}:{job.order.version_id}".lower()
        if plan.dockerfile is not None:
            ending = self._image(job, job.source / plan.dockerfile, job.source)
            if ending.code == 0:
                return
            if plan.needs_container:
                raise self._fault(job, ending)
            job.report.warn(
                f"{plan.dockerfile} could not be built (see the log); the build goes on without "
                "it, from what was recognised of the source."
            )
        if plan.needs_container:
            raise Failed.because(
                "dockerfile_missing", "The plan names no Dockerfile, and nothing else to build."
            )
        from infra.build.dockerfiles import render  # noqa: PLC0415 - a Dockerfile is the usual case

        made = job.scratch / "Dockerfile"
        names = [p.relative_to(job.source).as_posix() for p in job.source.rglob("*") if p.is_file()]
        made.write_text(render(plan, names))
        ending = self._image(job, made, job.source)
        if ending.code != 0:
            raise self._fault(job, ending)

    def start(
        self, job: Job, env: Mapping[str, str], on_output: Callable[[str], None]
    ) -> tuple[Process, int]:
        """Run the image as its host will: no rights, little memory, a port of its own."""
        plan = job.order.plan
        port = plan.port or _PORT
        # In a file, because the arguments of a process can be read by others.
        variables = job.scratch / "variables"
        lines = {**env, "PORT": str(port)}
        variables.write_text("".join(f"{k}={_one_line(v)}\n" for k, v in lines.items()))
        variables.chmod(0o600)
        name = f"slipway-{job.order.version_id}".lower()
        argv = [
            self._engine, "run", "--name", name, "--env-file", os.fspath(variables),
            "--memory", f"{int(plan.resources.get('memory_mb') or 1024)}m", "--pids-limit", "512",
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges", self._tag,
        ]  # fmt: skip
        output = Output(on_output, job.report.journal.masker, full=lambda: job.report.journal.full)
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output.write_end,
                stderr=output.write_end,
                env=self._env,
                start_new_session=True,
            )
        finally:
            output.detach()
        self._container = Container(self._engine, name, process, output)
        return self._container, port

    def publish(self, job: Job) -> Published:
        """Push, and name the image by the digest that the registry knows it by."""
        self._sign_in(job)
        command = [self._engine, "push", self._tag]
        ending = self._run(job, "Pushing the image", command)
        if ending.code != 0:
            raise Failed.because(
                "registry_refused",
                "The image could not be pushed to the registry: " + " ".join(ending.tail[-3:]),
            )
        known = self._ask("image", "inspect", "--format", "{{json .RepoDigests}}", self._tag)
        found = re.search(rf'"({re.escape(job.order.repository)}@sha256:[0-9a-f]{{64}})"', known)
        if found is None:
            raise Failed.because(
                "registry_refused", "The registry took the image but gave it no digest; try again."
            )
        size = self._ask("image", "inspect", "--format", "{{.Size}}", self._tag)
        return Published(found.group(1), int(size) if size.isdigit() else 0)

    def close(self) -> None:
        """Remove the container; images stay as the engine's cache."""
        if self._container is not None:
            self._container.stop()

    def _image(self, job: Job, dockerfile: Path, context: Path) -> Ending:
        if not dockerfile.is_file():
            return Ending(1, (f"There is no {dockerfile.name}",))
        command = [self._engine, "build", "--file", os.fspath(dockerfile), "--tag", self._tag]
        return self._run(job, "Building the image", [*command, os.fspath(context)])

    def _run(self, job: Job, what: str, argv: list[str]) -> Ending:
        journal = job.report.journal
        journal.info(what)
        began = time.perf_counter()
        output = Output(
            lambda line: journal.write("info", line), journal.masker, full=lambda: journal.full
        )
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output.write_end,
                stderr=output.write_end,
                env=self._env,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise Failed.because(
                "engine_missing", f"The build machine has no {argv[0]}; the operator must add it."
            ) from error
        finally:
            output.detach()
        try:
            code = process.wait(job.deadline.left)
        except subprocess.TimeoutExpired:
            raise job.deadline.fault(what) from None
        finally:
            _end(process)
            output.finish()
        journal.info(f"{what}: exit code {code}, {duration(time.perf_counter() - began)}")
        return Ending(code, tuple(output.tail))

    def _fault(self, job: Job, ending: Ending) -> Failed:
        return Failed(*build_failed("Building the image", ending, job.order.limits))

    def _sign_in(self, job: Job) -> None:
        username = self._env.get("SLIPWAY_REGISTRY_USERNAME")
        if not username:
            return
        # Kept with this build, not in the home folder of the machine.
        self._env["DOCKER_CONFIG"] = os.fspath(job.scratch / "engine")
        self._env["REGISTRY_AUTH_FILE"] = os.fspath(job.scratch / "auth.json")
        host = job.order.repository.partition("/")[0]
        done = subprocess.run(
            [self._engine, "login", "--username", username, "--password-stdin", host],
            input=self._env.get("SLIPWAY_REGISTRY_PASSWORD", "").encode(),
            capture_output=True,
            env=self._env,
            check=False,
        )
        if done.returncode != 0:
            raise Failed.because(
                "registry_refused",
                "The registry refused the build's credentials; the operator must set them anew.",
            )

    def _ask(self, *words: str) -> str:
        done = subprocess.run(
            [self._engine, *words], capture_output=True, env=self._env, check=False
        )
        return done.stdout.decode("utf-8", "replace").strip()


class Container:
    """The built agent, running in the engine."""

    def __init__(
        self, engine: str, name: str, process: subprocess.Popen[bytes], output: Output
    ) -> None:
        self._engine = engine
        self._name = name
        self._process = process
        self._output = output
        self._pid = 0
        self._address = ""
        self._stopped = False

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._output.finish(0.5)
        return code

    def ports(self) -> list[int]:
        """The TCP ports in the container's network, from the kernel's own list."""
        if not self._pid:
            found = self._inspect("{{.State.Pid}} {{.NetworkSettings.IPAddress}}").split()
            self._pid = int(found[0]) if found and found[0].isdigit() else 0
            self._address = found[1] if len(found) > 1 else "127.0.0.1"
        ports: set[int] = set()
        for table in ("tcp", "tcp6"):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{self._pid}/net/{table}").read_text().splitlines()[1:]:
                    words = line.split()
                    if words[3] == _LISTENING:
                        ports.add(int(words[1].rpartition(":")[2], 16))
        return sorted(ports) if self._pid else []

    def connect(self, port: int, timeout: float) -> socket.socket:
        """A connection from outside, as the host's proxy will make it."""
        return socket.create_connection((self._address, port), timeout)

    @property
    def out_of_memory(self) -> bool:
        """What the engine says."""
        return self._inspect("{{.State.OOMKilled}}") == "true"

    def stop(self) -> None:
        """Remove it by force."""
        if not self._stopped:
            self._stopped = True
            command = [self._engine, "rm", "--force", "--volumes", self._name]
            subprocess.run(command, capture_output=True, check=False)
            _end(self._process)

    def _inspect(self, template: str) -> str:
        command = [self._engine, "inspect", "--format", template, self._name]
        done = subprocess.run(command, capture_output=True, check=False)
        return done.stdout.decode("utf-8", "replace").strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _one_line(value: str) -> str:
    # The engine's file format has no way to write a line break.
    return value.replace("\r", "").replace("\n", "\\n")
