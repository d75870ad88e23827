"""Where Node.js packages come from on this machine, as npm is told."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from infra.local.sandbox.packages import Settings, host, variables

_ASK_WITHIN = 15.0
_NPM_KEPT = re.compile(
    r"^(registry|@[^:]+:registry|ca|ca\[\]|cafile|strict-ssl|nodedir|fetch-[a-z-]+|"
    r"omit-lockfile-registry-resolved|replace-registry-host)$"
)


@functools.cache
def node() -> Settings:
    """npm's settings (pnpm and Yarn are given the same registry)."""
    settings = Settings(env=dict(variables()))
    npm = shutil.which("npm")
    if npm is None:
        return settings
    told = _settings(npm)
    registry = str(told.get("registry") or "")
    lines = []
    for name, value in told.items():
        if _NPM_KEPT.match(name) and value not in (None, "", []):
            if name.endswith("registry"):
                settings.addresses.append(str(value))
            if name == "cafile":
                settings.addresses.append(str(value))
            values = value if isinstance(value, list) else [value]
            lines += [f"{name}={_plain(each)}" for each in values]
    lines += _credentials(settings.hosts(), registry)
    settings.files[".npmrc"] = ("\n".join(lines) + "\n").encode()
    if registry:
        settings.env.setdefault("COREPACK_NPM_REGISTRY", registry.rstrip("/"))
        settings.env.setdefault("YARN_REGISTRY", registry)
        settings.env.setdefault("YARN_NPM_REGISTRY_SERVER", registry.rstrip("/"))
    return settings


def _settings(npm: str) -> dict[str, object]:
    try:
        answer = subprocess.run(
            [npm, "config", "list", "--json"],
            capture_output=True,
            text=True,
            timeout=_ASK_WITHIN,
            check=False,
            cwd="/",
        )
        told: dict[str, object] = json.loads(answer.stdout or "{}")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}
    return told


def _credentials(hosts: frozenset[str], registry: str) -> list[str]:
    """Lines that sign in to a registry a person has configured.

    Only for those: a token for npm's default registry is for publishing, and installs need none.
    """
    file = Path(os.environ.get("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc")
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return []
    named = [line for line in lines if re.match(r"\s*(@[^:]+:)?registry\s*=", line)]
    if not named and not os.environ.get("NPM_CONFIG_REGISTRY"):
        return []
    kept = []
    for line in lines:
        if line.lstrip().startswith("//"):
            whose = host("https:" + line.strip().partition("=")[0].rsplit(":", 1)[0])
            if whose in hosts and any(whose == host(each.partition("=")[2]) for each in named):
                kept.append(line)
    return kept if registry else []


def _plain(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return json.dumps(text) if "\n" in text else text
