"""Publishing a bundle: layers and their description as an OCI image, pushed by digest."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.build.faults import Failed
from infra.build.grounds import Published
from infra.build.layers import Layer
from infra.build.wire import Answer, Connection, WireError, dial

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Image:
    """What the image says about itself."""

    command: tuple[str, ...]
    workdir: str = "/app"
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def config(self, layers: Sequence[Layer]) -> bytes:
        """The OCI image config; without dates, so that the same image has the same digest."""
        settings: dict[str, Any] = {
            "Env": [f"{name}={value}" for name, value in sorted(self.env.items())],
            "WorkingDir": self.workdir,
            "Labels": dict(sorted(self.labels.items())),
        }
        if self.command:
            settings["Cmd"] = list(self.command)
        if self.port is not None:
            settings["ExposedPorts"] = {f"{self.port}/tcp": {}}
        return _json(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": settings,
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            }
        )


class Registry:
    """One repository of a registry that speaks the OCI distribution protocol."""

    def __init__(self, repository: str, username: str = "", password: str = "") -> None:
        host, _, self._name = repository.partition("/")
        self._repository = repository
        # Only a registry on this machine is spoken to in the clear.
        local = (urlsplit(f"//{host}").hostname or "") in {"localhost", "127.0.0.1", "::1"}
        self._connection = Connection(*dial(f"{'http' if local else 'https'}://{host}"))
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"} if username else {}

    def push(self, image: Image, layers: Sequence[Layer], tag: str) -> Published:
        """Blobs first, the manifest last: an image is whole or not there."""
        try:
            return self._push(image, layers, tag)
        except WireError as error:
            raise Failed.because(
                "registry_unavailable",
                f"The image registry did not answer ({error}). Nothing was published; try again.",
            ) from error
        finally:
            self._connection.close()

    def _push(self, image: Image, layers: Sequence[Layer], tag: str) -> Published:
        for layer in layers:
            self._blob(layer.digest, layer.size, layer.path)
        config = image.config(layers)
        self._blob(_digest(config), len(config), config)
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": _descriptor(_CONFIG_TYPE, _digest(config), len(config)),
                "layers": [_descriptor(_LAYER_TYPE, one.digest, one.size) for one in layers],
            }
        )
        target = f"/v2/{self._name}/manifests/{tag}"
        answer = self._ask("PUT", target, manifest, {"Content-Type": MANIFEST_TYPE})
        if answer.status != 201:
            raise _refused("the manifest", answer)
        size = sum(layer.size for layer in layers) + len(config) + len(manifest)
        return Published(f"{self._repository}@{_digest(manifest)}", size)

    def _blob(self, digest: str, size: int, content: bytes | Path) -> None:
        # One question does for two: "have it already?" and "where may I upload it?".
        started = self._ask("POST", f"/v2/{self._name}/blobs/uploads/?mount={digest}", b"")
        if started.status == 201:
            return
        location = started.headers.get("location", "")
        if started.status != 202 or not location:
            raise _refused("an upload", started)
        parts = urlsplit(location)
        query = f"{parts.query}&" if parts.query else ""
        target = f"{parts.path}?{query}digest={digest}"
        kind = {"Content-Type": "application/octet-stream"}
        if isinstance(content, bytes):
            answer = self._ask("PUT", target, content, kind)
        else:
            with content.open("rb") as file:
                answer = self._connection.request(
                    "PUT", target, {**self._headers, **kind}, file, size=size, timeout=300
                )
        if answer.status != 201:
            raise _refused("a layer", answer)

    def _ask(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return self._connection.request(method, target, {**self._headers, **(headers or {})}, body)


def _refused(what: str, answer: Answer) -> Failed:
    if answer.status in {401, 403}:
        return Failed.because(
            "registry_refused",
            f"The image registry refused {what} ({answer.status}): the build's registry "
            "credentials are wrong or may not push there. The operator must set them.",
        )
    return Failed.because(
        "registry_refused",
        f"The image registry refused {what} with status {answer.status}: {answer.text(300)}",
    )


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": size}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(record: Any) -> bytes:
    return json.dumps(record, separators=(",", ":"), sort_keys=True).encode()
