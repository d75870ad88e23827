"""The floor: what anybody would do by hand in the same sandbox, from source to the first answer.

Environment, install and start, with the package managers' own caches warm; nothing of the
platform in between.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from infra.local.first import Person
from infra.local.sandbox import Limits, Sandbox, Spec, probe, registry_hosts, toolchains
from tests.conftest import zipped
from tests.e2e import sources

Files = Mapping[str, bytes]
INSTALL = {
    "python": (
        "uv venv -q --cache-dir /cache .venv && uv pip install -q --cache-dir /cache "
        "--link-mode copy --compile-bytecode --python .venv/bin/python -r requirements.txt"
    ),
    "nodejs": "npm ci --cache /cache --omit=dev --ignore-scripts --no-audit --no-fund --silent",
    "rust": "cargo build -q --release --offline",
    "static": "true",
}
PORT = 8000


def source(runtime: str) -> Files:
    """The files of a runtime's template."""
    return sources.template(runtime)


def by_hand(runtime: str, folder: Path) -> float:
    """Seconds from an unpacked source to its first answer, run by hand in the sandbox."""
    app = folder / f"{runtime}-{time.monotonic_ns()}"
    for name, content in source(runtime).items():
        path = app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    cache_folder = folder / f"cache-{runtime}"
    cache_folder.mkdir(exist_ok=True)
    os.chmod(folder, 0o755)  # noqa: S103, PTH101 - the sandbox's user reads below it
    tools = toolchains(runtime, "build")
    shared = ((cache_folder, "/cache", False),)
    env = {**tools.env, "PATH": f"/app/.venv/bin:{tools.search_path}", "PORT": str(PORT)}
    limits = Limits(memory_mb=2048, disk_mb=2048)
    began = time.perf_counter()
    build = _box().start(
        Spec(
            app=app,
            command=["sh", "-c", INSTALL[runtime]],
            writable=True,
            env=env,
            limits=limits,
            binds=(*tools.binds, *shared),
            egress=registry_hosts(),
        )
    )
    code = build.wait(120)
    if code != 0:
        raise RuntimeError(f"the floor of {runtime} could not be built (exit code {code})")
    server = _box().start(
        Spec(
            app=app,
            command=["sh", "-c", _start(runtime)],
            writable=True,
            env=env,
            limits=limits,
            binds=tools.binds,
        )
    )
    try:
        _first_answer(server)
        return time.perf_counter() - began
    finally:
        server.kill()
        server.wait(10)
        shutil.rmtree(app, ignore_errors=True)


def first_change(person: Person) -> float:
    """Seconds from the end of an upload to the first state that is not awaiting_upload."""
    agent = person.create("/agents", {"name": "First change"})
    version = person.upload(agent["id"], "a.zip", zipped(sources.PAGE), deploy=False)
    began = time.perf_counter()
    path = f"/agents/{agent['id']}/versions/{version['id']}"
    while person.ask("GET", path)["state"] == "awaiting_upload":
        time.sleep(0.01)
    return time.perf_counter() - began


def _start(runtime: str) -> str:
    if runtime == "static":
        return f"python3 -m http.server {PORT}"
    text = source(runtime)["agent.yaml"].decode()
    return next(
        line.split(":", 1)[1].strip().strip("\"'")
        for line in text.partition("start:")[2].splitlines()
        if "command:" in line
    )


def _first_answer(server: object) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with server.connect(PORT, 1) as link:  # type: ignore[attr-defined]
                link.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                if b" 200 " in link.recv(64):
                    return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError("no answer within a minute")


@cache
def _box() -> Sandbox:
    state = Path(tempfile.mkdtemp(prefix="slipway-floor-"))
    return Sandbox(probe(state), state)
