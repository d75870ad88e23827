"""A yard on free ports for tests, a client for its API, and small bundles to run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
# The same tests pass on the real ground, only slower: YARD_ISOLATED=1.
ISOLATED = bool(os.environ.get("YARD_ISOLATED"))
ACCOUNT, WORKSPACE, ADMIN = "account-token", "workspace-token", "admin-token"
PROJECT = "11111111-1111-4111-8111-111111111111"
ENVIRONMENT = "22222222-2222-4222-8222-222222222222"

SERVER = """
import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
BOOT = os.urandom(8).hex()
class Agent(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps({"path": self.path, "pid": os.getpid(), "boot": BOOT, "version": VERSION,
            "headers": dict(self.headers), "env": dict(os.environ)}).encode()
        status = int(self.path[8:]) if self.path.startswith("/status/") else 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path.startswith("/exit/"):
            self.wfile.flush()
            os._exit(int(self.path[6:]))
    def do_POST(self):
        got = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = str(len(got)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
def end(*_):
    print("told to end", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("hello from the agent", flush=True)
print("trouble", file=sys.stderr, flush=True)
print(json.dumps({"level": "warning", "message": "structured", "n": 1}), flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Agent).serve_forever()
"""


def server(version: int = 1) -> dict[str, str]:
    """The files of a small agent."""
    return {"app/main.py": SERVER.replace("VERSION,", f"{version},")}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def port_range(count: int) -> list[int]:
    """A span of ports that are free now."""
    while True:
        first = free_port()
        if first + count < 65_000:
            return [first, first + count]


def layer(files: Mapping[str, str | bytes]) -> bytes:
    """A layer: an uncompressed tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def digest(data: bytes) -> str:
    """sha256:…"""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class GraphQLFailed(Exception):
    """An answer with errors."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


def eventually(check: Any, seconds: float = 60) -> None:
    """Tries again until the check holds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


@dataclass
class Yard:
    """One running yard."""

    folder: Path
    config: dict[str, Any]
    module: str
    process: subprocess.Popen[bytes] | None = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=60))

    @property
    def url(self) -> str:
        """Where GraphQL is spoken."""
        return f"http://127.0.0.1:{self.config['graphql_port']}"

    @property
    def registry(self) -> str:
        """The registry's host."""
        return f"127.0.0.1:{self.config['registry_port']}"

    def start(self) -> None:
        """Starts the program and waits until it is ready."""
        path = self.folder / "yard.json"
        path.write_text(json.dumps(self.config))
        log = (self.folder / "yard.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, "--config", str(path)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        log.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.http.get(f"{self.url}/yard/status").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"the yard did not start: {(self.folder / 'yard.log').read_text()}")

    def stop(self) -> None:
        """SIGTERM; it has to end well before a drain of a minute would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(45)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def status(self) -> dict[str, Any]:
        """What the yard says of itself."""
        found: dict[str, Any] = self.http.get(f"{self.url}/yard/status").json()
        return found

    def post(self, query: str, token: str | None = ACCOUNT, **variables: Any) -> httpx.Response:
        """A raw GraphQL request."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.http.post(
            f"{self.url}/graphql/v2",
            json={"query": query, "variables": variables},
            headers=headers,
        )

    def gql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer; raises GraphQLFailed."""
        answer = self.post(query, **variables).json()
        if answer.get("errors"):
            raise GraphQLFailed(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    def fault(self, kind: str, **settings: Any) -> None:
        """Switches a fault on."""
        answer = self.http.post(
            f"{self.url}/yard/faults",
            json={"kind": kind, **settings},
            headers={"authorization": f"Bearer {ADMIN}"},
        )
        assert answer.status_code == 201, answer.text

    def clear_faults(self) -> None:
        """Switches all faults off."""
        self.http.delete(f"{self.url}/yard/faults", headers={"authorization": f"Bearer {ADMIN}"})

    # ---- images ----

    def push_blob(self, repository: str, data: bytes) -> str:
        """Uploads one blob in two pieces."""
        base, auth = f"http://{self.registry}", ("builder", "secret")
        name = digest(data)
        if self.http.head(f"{base}/v2/{repository}/blobs/{name}", auth=auth).status_code == 200:
            return name
        begun = self.http.post(f"{base}/v2/{repository}/blobs/uploads/", auth=auth)
        assert begun.status_code == 202, begun.text
        place = begun.headers["location"]
        half = len(data) // 2
        more = self.http.patch(f"{base}{place}", content=data[:half], auth=auth)
        assert more.status_code == 202, more.text
        done = self.http.put(
            f"{base}{place}", params={"digest": name}, content=data[half:], auth=auth
        )
        assert done.status_code == 201, done.text
        return name

    def push(
        self,
        *layers: Mapping[str, str | bytes],
        command: str | None = None,
        labels: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        repository: str = "slipway/agent",
    ) -> str:
        """Pushes a bundle and returns its reference by digest."""
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {
                    "Cmd": ["/bin/sh", "-c", command] if command else None,
                    "Env": [f"{name}={value}" for name, value in (env or {}).items()],
                    "WorkingDir": "/app",
                    "Labels": dict(labels or {}),
                },
            }
        ).encode()
        blobs = [layer(files) for files in layers]
        descriptors = [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": self.push_blob(repository, blob),
                "size": len(blob),
            }
            for blob in blobs
        ]
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": self.push_blob(repository, config),
                    "size": len(config),
                },
                "layers": descriptors,
            }
        ).encode()
        name = digest(manifest)
        done = self.http.put(
            f"http://{self.registry}/v2/{repository}/manifests/{name}",
            content=manifest,
            headers={"content-type": "application/vnd.oci.image.manifest.v1+json"},
            auth=("builder", "secret"),
        )
        assert done.status_code == 201, done.text
        return f"{self.registry}/{repository}@{name}"

    # ---- services ----

    def service(self, name: str, image: str | None = None, **settings: Any) -> Service:
        """A configured service with a domain, not yet deployed."""
        made = self.gql(
            "mutation($i: ServiceCreateInput!) { serviceCreate(input: $i) { id } }",
            i={"projectId": PROJECT, "environmentId": ENVIRONMENT, "name": name},
        )
        service = Service(self, made["serviceCreate"]["id"])
        service.configure(image, **settings)
        made = self.gql(
            "mutation($i: ServiceDomainCreateInput!) { serviceDomainCreate(input: $i) { domain } }",
            i={"serviceId": service.id, "environmentId": ENVIRONMENT},
        )
        service.domain = made["serviceDomainCreate"]["domain"]
        return service


@dataclass
class Service:
    """One service in the test environment."""

    yard: Yard
    id: str
    domain: str = ""

    def configure(self, image: str | None = None, **settings: Any) -> None:
        """serviceInstanceUpdate, with working credentials."""
        given: dict[str, Any] = {
            "registryCredentials": {"username": "builder", "password": "secret"},
            **settings,
        }
        if image:
            given["source"] = {"image": image}
        self.yard.gql(
            "mutation($s: String!, $e: String!, $i: ServiceInstanceUpdateInput!)"
            " { serviceInstanceUpdate(serviceId: $s, environmentId: $e, input: $i) }",
            s=self.id,
            e=ENVIRONMENT,
            i=given,
        )

    def variables(self, values: Mapping[str, str]) -> None:
        """Replaces all variables without deploying."""
        self.yard.gql(
            "mutation($i: VariableCollectionUpsertInput!) { variableCollectionUpsert(input: $i) }",
            i={
                "projectId": PROJECT,
                "environmentId": ENVIRONMENT,
                "serviceId": self.id,
                "variables": values,
                "replace": True,
                "skipDeploys": True,
            },
        )

    def deploy(self) -> str:
        """serviceInstanceDeployV2; returns the deployment's id."""
        data = self.yard.gql(
            "mutation($s: String!, $e: String!)"
            " { serviceInstanceDeployV2(serviceId: $s, environmentId: $e) }",
            s=self.id,
            e=ENVIRONMENT,
        )
        return str(data["serviceInstanceDeployV2"])

    def read(self, deployment: str) -> dict[str, Any]:
        """A deployment."""
        found: dict[str, Any] = self.yard.gql(
            "query($id: String!) { deployment(id: $id) { id status deploymentStopped canRollback"
            " canRedeploy meta createdAt staticUrl instances { id status } } }",
            id=deployment,
        )["deployment"]
        return found

    def wait(self, deployment: str, *statuses: str, seconds: float = 60) -> dict[str, Any]:
        """Polls until the status is one of those named."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.read(deployment)
            if found["status"] in statuses:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"still {found['status']}: {self.logs(deployment, 'buildLogs')}"
                    f" {self.logs(deployment)}"
                )
            time.sleep(0.02)

    def up(self) -> str:
        """Deploys and waits until it is up (what may sleep may do so already); returns the id."""
        deployment = self.deploy()
        self.wait(deployment, "SUCCESS", "SLEEPING")
        return deployment

    def deployments(self) -> list[dict[str, Any]]:
        """All deployments, newest first."""
        data = self.yard.gql(
            "query($i: DeploymentListInput!) { deployments(input: $i)"
            " { edges { node { id status meta } } } }",
            i={"projectId": PROJECT, "environmentId": ENVIRONMENT, "serviceId": self.id},
        )
        return [edge["node"] for edge in data["deployments"]["edges"]]

    def logs(self, deployment: str, field: str = "deploymentLogs", **args: Any) -> list[str]:
        """Messages of a log."""
        return [one["message"] for one in self.lines(deployment, field, **args)]

    def lines(self, deployment: str, field: str = "deploymentLogs", **args: Any) -> Any:
        """Lines of a log."""
        return self.yard.gql(
            "query($id: String!, $limit: Int, $filter: String, $startDate: DateTime) {"
            f" lines: {field}(deploymentId: $id, limit: $limit, filter: $filter,"
            " startDate: $startDate) { timestamp message severity attributes { key value } } }",
            id=deployment,
            **args,
        )["lines"]

    def act(self, mutation: str, deployment: str) -> Any:
        """One of the Boolean deployment mutations."""
        return self.yard.gql(f"mutation($id: String!) {{ {mutation}(id: $id) }}", id=deployment)[
            mutation
        ]

    def get(self, path: str = "/", **options: Any) -> httpx.Response:
        """A request to the service's own address."""
        return self.yard.http.get(f"http://{self.domain}{path}", **options)


def configuration(folder: Path, **changes: Any) -> dict[str, Any]:
    """A configuration for tests: free ports, generous limits, quick timings."""
    hosting = {
        "sample_interval": 0.2,
        "stable_after": 5,
        **changes.pop("hosting", {}),
    }
    return {
        "data_dir": str(folder / "data"),
        "admin_token": ADMIN,
        "registry_username": "builder",
        "registry_password": "secret",
        "graphql_port": free_port(),
        "codebuild_port": free_port(),
        "registry_port": free_port(),
        "proxy_ports": port_range(500),
        "tokens": [
            {"token": ACCOUNT},
            {"token": WORKSPACE, "kind": "workspace"},
            {
                "token": "project-token",
                "kind": "project",
                "project_id": PROJECT,
                "environment_id": ENVIRONMENT,
            },
        ],
        "projects": [{"id": PROJECT, "name": "tests", "environment_id": ENVIRONMENT}],
        "rate_limit": {"per_hour": 1_000_000, "per_second": 100_000},
        "hosting": hosting,
        **changes,
    }


@contextmanager
def running(folder: Path, *, isolated: bool = ISOLATED, **changes: Any) -> Iterator[Yard]:
    """A started yard, stopped at the end."""
    module = "infra.local.yard" if isolated else "tests.contract.plain_ground"
    yard = Yard(folder, configuration(folder, **changes), module)
    yard.start()
    try:
        yield yard
    finally:
        if yard.process and yard.process.poll() is None:
            yard.stop()
        yard.http.close()
