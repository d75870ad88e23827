"""Sandboxed processes: other people's programs on this machine, without reach beyond themselves."""

from infra.local.sandbox.box import Sandbox
from infra.local.sandbox.run import Run
from infra.local.sandbox.spec import (
    BadSpec,
    Isolation,
    Limits,
    NoIsolation,
    SandboxFailed,
    Spec,
    Stats,
    Toolchain,
    Visit,
)
from infra.local.sandbox.tiers import probe
from infra.local.sandbox.toolchains import registry_hosts, toolchains
from infra.local.sandbox.trees import remove

__all__ = [
    "BadSpec",
    "Isolation",
    "Limits",
    "NoIsolation",
    "Run",
    "Sandbox",
    "SandboxFailed",
    "Spec",
    "Stats",
    "Toolchain",
    "Visit",
    "probe",
    "registry_hosts",
    "remove",
    "toolchains",
]
