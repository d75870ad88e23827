"""A stand-in platform with something to lose, and programs to run beside it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.sandbox import Isolation, Limits, Run, Sandbox, Spec, remove

ATTACKS = Path(__file__).with_name("sandbox_attacks.py")
MEMORY_MB = 256


@dataclass
class Platform:
    """Everything on this machine that a sandboxed program must not reach."""

    secret: str
    home: Path
    tcp: socket.socket
    udp: socket.socket
    abstract: socket.socket
    unix: socket.socket
    process: subprocess.Popen[bytes]
    free: int
    _stop: threading.Event = field(default_factory=threading.Event)

    def targets(self, isolation: Isolation) -> str:
        return json.dumps(
            {
                "secret": self.secret,
                "pid": self.process.pid,
                "files": [str(self.home / "key"), str(self.home / "config")],
                "world_readable": str(self.home / "config"),
                "tcp": self.tcp.getsockname()[1],
                "udp": self.udp.getsockname()[1],
                "abstract": self.abstract.getsockname()[1:].decode(),
                "unix": str(self.home / "engine.sock"),
                "address": own_address(),
                "free": self.free,
                "processes": 64,
                "memory_cgroup": "memory" in isolation.features,
            }
        )


@contextlib.contextmanager
def platform() -> Iterator[Platform]:
    """A platform that listens on everything and holds secrets."""
    secret = secrets.token_hex(16)
    home = open_folder("slipway-home-")
    (home / "key").write_text(secret)
    (home / "key").chmod(0o600)
    (home / "config").write_text("not secret, not yours")
    tcp = socket.create_server(("0.0.0.0", 0))  # noqa: S104  # reachable on every address
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    abstract, unix = (socket.socket(socket.AF_UNIX) for _ in range(2))
    abstract.bind("\0slipway-" + secret)
    unix.bind(str(home / "engine.sock"))
    for each in (abstract, unix):
        each.listen()
    with socket.create_server(("127.0.0.1", 0)) as spare:
        free = spare.getsockname()[1]
    process = subprocess.Popen(["sleep", "600"], env={**os.environ, "PLATFORM_KEY": secret})
    ground = Platform(secret, home, tcp, udp, abstract, unix, process, free)
    udp.settimeout(0.1)
    echo = threading.Thread(target=_echo, args=(udp, ground._stop))
    echo.start()
    try:
        yield ground
    finally:
        ground._stop.set()
        echo.join()
        for each in (tcp, udp, abstract, unix):
            each.close()
        process.kill()
        process.wait()
        shutil.rmtree(home)


def _echo(udp: socket.socket, stop: threading.Event) -> None:
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            data, address = udp.recvfrom(10)
            udp.sendto(data, address)


def attack(box: Sandbox, ground: Platform, *names: str) -> dict[str, str]:
    """Run the hostile agent and answer what became of each attempt."""
    with app({"attacks.py": ATTACKS.read_text()}) as folder:
        spec = Spec(
            app=folder,
            writable=True,
            command=["/usr/bin/python3", "/app/attacks.py", *names],
            env={"TARGETS": ground.targets(box.isolation), "APP": "/app", "PORT": "18999"},
            limits=Limits(memory_mb=MEMORY_MB, processes=64, file_mb=200, disk_mb=250, tmp_mb=32),
            egress="public",
        )
        code, said = outcome(box, spec, within=60)
    for line in said.splitlines():
        if line.startswith("OUTCOME "):
            found: dict[str, str] = json.loads(line[8:])
            return found
    raise AssertionError(f"the hostile agent ended with {code}: {said[-2000:]}")


def outcome(box: Sandbox, spec: Spec, within: float = 20) -> tuple[int | None, str]:
    """Start a program, wait for it, and answer its exit code and what it said."""
    run, said = started(box, spec)
    code = run.wait(within)
    run.kill()
    return code, said()


def started(box: Sandbox, spec: Spec) -> tuple[Run, Any]:
    """Start a program; the second value answers, once, what it has said by its end."""
    reader, writer = os.pipe()
    parts: list[bytes] = []
    filled = {**spec.__dict__, "stdout": writer, "stderr": writer}
    try:
        run = box.start(Spec(**filled))
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)

    def collect() -> None:
        with os.fdopen(reader, "rb") as file:
            while part := file.read1(65536):
                parts.append(part)

    thread = threading.Thread(target=collect)
    thread.start()

    def said() -> str:
        thread.join(10)
        return b"".join(parts).decode(errors="replace")

    return run, said


@contextlib.contextmanager
def app(files: dict[str, str] | None = None) -> Iterator[Path]:
    """An app folder with these files."""
    folder = open_folder("slipway-app-")
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    try:
        yield folder
    finally:
        remove(folder)


def open_folder(prefix: str) -> Path:
    """A folder others may enter: the weaker tiers need one."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/var/tmp"))
    folder.chmod(0o755)
    return folder


def own_address() -> str:
    """This machine's own address on its network, or a loopback one it does not have."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        try:
            near.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"
        return str(near.getsockname()[0])


def descriptors() -> list[str]:
    """What this process holds open."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def python(code: str) -> list[str]:
    """A command that runs a line of Python."""
    return ["/usr/bin/python3", "-c", code]
