"""The local ground: builds and tries agents as sandboxed processes, without a container engine."""

from infra.local.ground.local import LocalGround

__all__ = ["LocalGround"]
