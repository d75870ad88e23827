"""The one place that knows which adapter serves which use case."""

from __future__ import annotations

from chalicelib.bootstrap.on_aws import on_aws
from chalicelib.bootstrap.on_aws import sign_in_providers as sign_in_providers
from chalicelib.bootstrap.wiring import Adapters as Adapters
from chalicelib.bootstrap.wiring import Platform as Platform
from chalicelib.bootstrap.wiring import wire as wire
from chalicelib.settings import Settings


def platform() -> Platform:
    """The platform this process serves; made on first use."""
    if not _installed:
        _installed.append(on_aws(Settings.from_env()))
    return _installed[0]


def install(made: Platform) -> None:
    """Serve this platform instead: how tests put one in memory behind the API."""
    _installed[:] = [made]


_installed: list[Platform] = []
