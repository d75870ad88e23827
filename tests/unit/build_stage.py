"""A stage for tests of the build program: a fake S3, a fake registry, a sandbox that is none."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from infra.local.sandbox.spec import Spec, Toolchain

REPOSITORY = "slipway/agt_1"

SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    def do_GET(self):
        status = 200 if self.path != "/broken" else 500
        body = json.dumps({"path": self.path, "me": {"ok": True, "n": 1}}).encode()
        self.send_response(status); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): print("got", self.path, flush=True)
print("token is", os.environ.get("TOKEN"), flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""


class Cloud:
    """S3 and a registry behind one port, both in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.order_of_writes: list[str] = []
        self.requests: list[tuple[str, str, Mapping[str, str]]] = []
        self.fail_writes = 0
        cloud = self

        class Handler(_Handler):
            state = cloud

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def put_order(
        self, packed: bytes, plan: Mapping[str, Any], *, filename: str = "source.zip", **more: Any
    ) -> None:
        self.objects["sources/source"] = packed
        order = {
            "org_id": "org_1",
            "agent_id": "agt_1",
            "version_id": "ver_1",
            "source": {"bucket": "sources", "key": "source", "filename": filename},
            "plan": dict(plan),
            "output": {"bucket": "artifacts", "prefix": "org_1/agt_1/ver_1/"},
            "repository": f"127.0.0.1:{self.port}/{REPOSITORY}",
            "variables": {},
            "limits": {"build_seconds": 60, "start_seconds": 10, "test_seconds": 10},
            **more,
        }
        self.objects["artifacts/order.json"] = json.dumps(order).encode()

    def report(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.objects["artifacts/org_1/agt_1/ver_1/report.json"])
        return record

    def log(self) -> list[dict[str, str]]:
        lines = []
        for key in sorted(self.objects):
            if key.startswith("artifacts/org_1/agt_1/ver_1/build-log/"):
                lines += [json.loads(line) for line in self.objects[key].splitlines()]
        return lines

    def log_text(self) -> str:
        return "\n".join(line["message"] for line in self.log())


class _Handler(http.server.BaseHTTPRequestHandler):
    state: Cloud
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _handle(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        parts = urlsplit(self.path)
        self.state.requests.append((self.command, self.path, dict(self.headers)))
        if parts.path.startswith("/v2/"):
            self._registry(parts.path, parse_qs(parts.query), body)
        else:
            self._s3(unquote(parts.path).lstrip("/"), body)

    do_GET = do_HEAD = do_PUT = do_POST = _handle  # noqa: N815

    def _s3(self, key: str, body: bytes) -> None:
        if "Signature=" not in (self.headers.get("Authorization") or ""):
            self._answer(403, b"unsigned")
        elif self.command == "PUT":
            if self.state.fail_writes > 0:
                self.state.fail_writes -= 1
                self._answer(503, b"SlowDown")
                return
            self.state.objects[key] = body
            self.state.order_of_writes.append(key)
            self._answer(200)
        elif key in self.state.objects:
            self._answer(200, self.state.objects[key])
        else:
            self._answer(404, b"<Code>NoSuchKey</Code>")

    def _registry(self, path: str, query: Mapping[str, list[str]], body: bytes) -> None:
        state = self.state
        if path == f"/v2/{REPOSITORY}/blobs/uploads/" and self.command == "POST":
            mount = query.get("mount", [""])[0]
            if mount in state.blobs:
                self._answer(201)
            else:
                self._answer(202, Location=f"/v2/{REPOSITORY}/blobs/uploads/u1?state=x")
        elif "/blobs/uploads/u1" in path:
            digest = query["digest"][0]
            found = f"sha256:{hashlib.sha256(body).hexdigest()}"
            if found == digest:
                state.blobs[digest] = body
            self._answer(201 if found == digest else 400)
        elif found_at := re.fullmatch(rf"/v2/{REPOSITORY}/manifests/(.+)", path):
            record = json.loads(body)
            wanted = [record["config"], *record["layers"]]
            if any(len(state.blobs.get(one["digest"], b"")) != one["size"] for one in wanted):
                self._answer(404, b"MANIFEST_BLOB_UNKNOWN")
                return
            state.manifests[found_at.group(1)] = body
            self._answer(201)
        else:
            self._answer(404)


class DirectBox:
    """Starts processes without any isolation: /app becomes the folder it stands for."""

    def start(self, spec: Spec) -> DirectRun:
        names = {"/app": str(spec.app)}
        for source, target, _ in spec.binds:
            if isinstance(source, bytes):
                continue
            if target.startswith("/app/"):
                place = spec.app / target.removeprefix("/app/")
                if place.is_dir() and not any(place.iterdir()):
                    shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
            elif not Path(target).exists():
                names[target] = str(source)

        def translate(text: str) -> str:
            for name, real in names.items():
                text = re.sub(rf"(?<![\w/.-]){re.escape(name)}(?=[/:\s'\"]|$)", real, text)
            return text

        return DirectRun(
            subprocess.Popen(
                [translate(word) for word in spec.command],
                cwd=translate(spec.workdir),
                env={name: translate(value) for name, value in spec.env.items()},
                stdin=subprocess.DEVNULL,
                stdout=spec.stdout,
                stderr=spec.stderr,
                start_new_session=True,
            )
        )


class DirectRun:
    """One process group."""

    oom = False
    disk_full = False

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def wait(self, timeout: float | None = None) -> int | None:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def connect(self, port: int, timeout: float = 5.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout)

    def listening(self) -> list[int]:
        inodes = set()
        for pid in self._family():
            try:
                links = [str(f.readlink()) for f in Path(f"/proc/{pid}/fd").iterdir()]
            except OSError:
                continue
            inodes |= {link[8:-1] for link in links if link.startswith("socket:")}
        ports = []
        for name in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in inodes:
                    ports.append(int(words[1].rpartition(":")[2], 16))
        return sorted(set(ports))

    def _family(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(stat[2]) == self.pid:
                    found.append(int(entry.name))
        return found


def toolchains(_runtime: str, purpose: str) -> Toolchain:
    """The tools of the developer's own environment."""
    return Toolchain() if purpose == "run" else Toolchain(path=tuple(os.environ["PATH"].split(":")))


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A source archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
