"""Small sources for the tests of inference, as plain dictionaries of files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.inference import infer
from chalicelib.domain.plan import Plan

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\n"


class Files:
    """A source tree in memory."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(files)

    def names(self) -> list[str]:
        return sorted(self.files)

    def read(self, path: str, limit: int = 262_144) -> bytes:
        return self.files[path].encode("utf-8", "surrogateescape")[:limit]


def package(scripts: dict[str, str] | None = None, **dependencies: str) -> str:
    """A package.json; names with a scope or a dash are given with `_at_` and `_dash_`."""
    names = {
        name.replace("_at_", "@").replace("_slash_", "/").replace("_dash_", "-"): version
        for name, version in dependencies.items()
    }
    return json.dumps({"name": "x", "scripts": scripts or {}, "dependencies": names}, indent=2)


def plan_of(
    files: Mapping[str, str], manifest: dict[str, Any] | None = None, choice: str | None = None
) -> Plan:
    """The plan of a source that must have one."""
    result = infer(Files(files), manifest, choice)
    assert result.plan is not None, result.findings
    return result.plan
