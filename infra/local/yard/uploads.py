"""Sources that were sent to be built: kept, unpacked, built by the local ground, pushed.

Railway builds the Dockerfile at the top of what it is sent. There is no container engine here, so
what is built is the plan that our own Dockerfile was rendered from, which travels beside it; a
source without one is refused.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from infra.local.yard.config import Config

ROOT = Path(__file__).resolve().parents[3]
PLAN = ".slipway/plan.json"
MAX_PACKED = 200_000_000
MAX_UNPACKED = 2_000_000_000
BUILD_SECONDS = 900
_IMAGE = re.compile(r"^IMAGE (\S+@sha256:[0-9a-f]{64})$")
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PASSED_ON_PREFIXES = ("PIP_", "UV_", "npm_config_", "NPM_CONFIG_", "YARN_", "CARGO_", "RUSTUP_")


class BadUpload(Exception):
    """What was sent cannot be built here; the message says why."""


class BuildFailed(Exception):
    """The build ended without an image; the message is for the build log."""


class BuildLog(Protocol):
    """Where the build's output goes."""

    def write(self, message: str, severity: str = "info") -> None: ...


class Uploads:
    """What was sent, by deployment."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._root = config.data_dir / "uploads"

    def unpack(self, packed: Path, folder: Path) -> None:
        """Lays a gzipped tar out in a new folder; raises BadUpload. Blocking."""
        size = 0
        try:
            with tarfile.open(packed, "r:gz") as tar:
                for member in tar:
                    size += member.size
                    if size > MAX_UNPACKED:
                        raise BadUpload("The source is too large")
                    if member.isfile() or member.isdir():
                        tar.extract(member, folder, filter="data")
        except (tarfile.TarError, OSError, EOFError, ValueError) as exc:
            raise BadUpload(f"Failed to read the archive: {exc}") from exc
        for name in ("Dockerfile", PLAN):
            if not (folder / name).is_file():
                raise BadUpload(
                    f"The local stand-in builds only what Slipway has packed: {name} is missing"
                )

    def place(self) -> Path:
        """Where an upload that has no deployment yet is laid out."""
        self._root.mkdir(parents=True, exist_ok=True)
        return self._root / f"new-{os.urandom(8).hex()}"

    def keep(self, folder: Path, deployment_id: str) -> None:
        """The laid out source belongs to this deployment."""
        folder.rename(self._root / deployment_id)

    def has(self, deployment_id: str) -> bool:
        """Whether the deployment is of a source that was sent."""
        return (self._root / deployment_id).is_dir()

    async def build(self, deployment_id: str, service_id: str, log: BuildLog) -> str:
        """Builds it and returns the image by digest; raises BuildFailed."""
        folder = self._root / deployment_id
        registry = f"{self._config.host}:{self._config.registry_port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "infra.local.yard.upload_build",
            str(folder),
            f"{registry}/railway/{service_id}",
            deployment_id,
            cwd=ROOT,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            umask=0o022,
        )
        image = ""
        try:
            async with asyncio.timeout(BUILD_SECONDS):
                assert process.stdout is not None  # noqa: S101 - it was asked for
                async for line in process.stdout:
                    text = line.decode(errors="replace").rstrip()
                    if found := _IMAGE.match(text):
                        image = found[1]
                    elif text:
                        log.write(text)
                code = await process.wait()
        except TimeoutError as exc:
            raise BuildFailed("The build took too long") from exc
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if code or not image:
            raise BuildFailed("The build failed; its log says why")
        return image

    def _environment(self) -> Mapping[str, str]:
        own = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
        }
        return {
            **own,
            **self._config.codebuild.environment,
            **self._config.codebuild.build_environment,
            "SLIPWAY_REGISTRY_USERNAME": self._config.registry_username,
            "SLIPWAY_REGISTRY_PASSWORD": self._config.registry_password,
        }


def plan_of(folder: Path) -> dict[str, Any]:
    """The plan that travelled with a source."""
    plan: dict[str, Any] = json.loads((folder / PLAN).read_text())
    return plan
