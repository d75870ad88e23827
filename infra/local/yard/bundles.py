"""What an image reference stands for: pulled from our own registry, unpacked, ready to start."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.yard.blobs import DIGEST, Blobs
from infra.local.yard.layers import BadLayer, Layer, copy_tree, make_folder, unpack

REFERENCE = re.compile(
    r"(?P<host>[^/]+)/(?P<repository>[^@:]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


class PullFailed(Exception):
    """The image cannot be had; the message is what the build log shows."""


@dataclass(frozen=True)
class Credentials:
    """What a service presents to the registry."""

    username: str = ""
    password: str = ""


@dataclass(frozen=True)
class Bundle:
    """An unpacked image and how it wants to be started."""

    image: str
    digest: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str
    labels: Mapping[str, str]
    ports: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def static_dir(self) -> str | None:
        """The folder to serve when the bundle is a site; relative to the app's folder."""
        folder = self.labels.get("slipway.static_dir")
        if folder is None:
            return None
        return folder.removeprefix("/").removeprefix("app/").strip("/") if folder != "/app" else ""

    @property
    def single_page(self) -> bool:
        """Whether unknown paths show the front page."""
        return self.labels.get("slipway.single_page", "").lower() in ("1", "true", "yes")

    @property
    def writable(self) -> bool:
        """Whether the app may write into its own folder."""
        return self.labels.get("slipway.writable", "true").lower() not in ("0", "false", "no")

    @property
    def binds(self) -> tuple[tuple[Path, str, bool], ...]:
        """Read-only parts: source folder, where the agent sees it, read-only."""
        return tuple(
            (layer.root / mount, f"/{mount}", True)
            for layer in self.layers
            for mount in layer.mounts
        )

    def lay_out(self, target: Path) -> None:
        """Makes a fresh copy of the app, with mount points for what is bound. Blocking.

        Raises PullFailed when the layers do not go together.
        """
        if target.exists():
            return
        part = target.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        part.chmod(0o755)
        try:
            for layer in self.layers:
                if layer.has_app:
                    inside = (mount.removeprefix("app/") for mount in layer.mounts)
                    copy_tree(layer.root / "app", part, frozenset(inside))
            for _, destination, _ in self.binds:
                if destination.startswith("/app/"):
                    make_folder(part, destination.removeprefix("/app/"))
        except BadLayer as exc:
            shutil.rmtree(part, ignore_errors=True)
            raise PullFailed(f"failed to unpack {self.image}: {exc}") from exc
        part.rename(target)

    def site_root(self) -> Path | None:
        """The folder to serve as it lies in the layer, when a single layer has it all.

        Raises PullFailed when it is not in there.
        """
        owners = [layer for layer in self.layers if layer.has_app]
        if len(owners) != 1 or self.static_dir is None:
            return None
        return self.site_in(owners[0].root / "app")

    def site_in(self, app: Path) -> Path:
        """The real folder to serve in a copy of the app; raises PullFailed when it is elsewhere."""
        # The app's own folder must not be a link either.
        real, root = app.parent.resolve() / app.name, (app / (self.static_dir or "")).resolve()
        if not root.is_relative_to(real):
            raise PullFailed(f"the folder of the site leads out of the app: {self.static_dir}")
        return root


class Bundles:
    """Pulls images. Layers are unpacked once per digest, whoever asks."""

    def __init__(
        self,
        root: Path,
        blobs: Blobs,
        hosts: frozenset[str],
        allowed: Callable[[str, str], bool],
    ) -> None:
        self._root = root
        self._blobs = blobs
        self._hosts = hosts
        self._allowed = allowed
        self._locks: dict[str, asyncio.Lock] = {}
        root.mkdir(parents=True, exist_ok=True)

    async def pull(self, image: str, credentials: Credentials) -> Bundle:
        """The bundle of an image; raises PullFailed with a line for people."""
        repository, reference = self._locate(image)
        if not self._allowed(credentials.username, credentials.password):
            raise PullFailed(
                f"failed to pull {image}: unauthorized: the registry credentials of the service "
                "are missing or wrong"
            )
        found = self._blobs.find_manifest(repository, reference)
        if found is None:
            raise PullFailed(f"failed to pull {image}: manifest unknown: not in the registry")
        digest, _ = found
        try:
            manifest = self._blobs.read_json(digest)
            config = self._blobs.read_json(manifest["config"]["digest"])
            layers = [await self._layer(one["digest"]) for one in manifest["layers"]]
        except BadLayer as exc:
            raise PullFailed(f"failed to pull {image}: {exc}") from exc
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise PullFailed(f"failed to pull {image}: the image is damaged: {exc!r}") from exc
        return _bundle(image, digest, config.get("config") or {}, tuple(layers))

    def available(self, image: str) -> bool:
        """Whether the image can still be had."""
        try:
            repository, reference = self._locate(image)
        except PullFailed:
            return False
        return self._blobs.find_manifest(repository, reference) is not None

    def _locate(self, image: str) -> tuple[str, str]:
        match = REFERENCE.fullmatch(image)
        if match is None:
            raise PullFailed(f"{image!r} is not an image reference")
        if match["host"] not in self._hosts:
            raise PullFailed(
                f"failed to pull {image}: the local stand-in only has the images of its own "
                f"registry ({', '.join(sorted(self._hosts))})"
            )
        reference = match["digest"] or match["tag"] or "latest"
        if match["digest"] and not DIGEST.fullmatch(reference):
            raise PullFailed(f"{image!r} has no sha256 digest")
        return match["repository"], reference

    async def _layer(self, digest: str) -> Layer:
        if not self._blobs.has(digest):
            raise BadLayer(f"blob {digest} is not in the registry")
        target = self._root / digest.removeprefix("sha256:")
        async with self._locks.setdefault(digest, asyncio.Lock()):
            return await asyncio.to_thread(unpack, self._blobs.path(digest), digest, target)


def _bundle(
    image: str, digest: str, config: Mapping[str, Any], layers: tuple[Layer, ...]
) -> Bundle:
    command = (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ()))
    env = dict(one.partition("=")[::2] for one in config.get("Env") or ())
    ports = (str(one).partition("/")[0] for one in config.get("ExposedPorts") or {})
    return Bundle(
        image=image,
        digest=digest,
        command=tuple(str(one) for one in command),
        env=env,
        workdir=str(config.get("WorkingDir") or "/app"),
        labels=config.get("Labels") or {},
        ports=tuple(int(one) for one in ports if one.isdigit()),
        layers=layers,
    )
