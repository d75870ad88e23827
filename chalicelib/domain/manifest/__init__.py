"""The manifest: what an agent says about itself in agent.yaml, and every fault in it at once."""

from __future__ import annotations

from chalicelib.domain.agents import Category, Runtime
from chalicelib.domain.manifest.model import (
    Build,
    Expect,
    Health,
    Manifest,
    Protocol,
    Request,
    Resources,
    Start,
    Test,
    Variable,
    manifest_schema,
)
from chalicelib.domain.manifest.parse import MAX_BYTES, named_lines, parse_manifest

__all__ = [
    "MAX_BYTES",
    "Build",
    "Category",
    "Expect",
    "Health",
    "Manifest",
    "Protocol",
    "Request",
    "Resources",
    "Runtime",
    "Start",
    "Test",
    "Variable",
    "manifest_schema",
    "named_lines",
    "parse_manifest",
]
