"""Finds the best isolation this machine really offers, by running each kind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chalicelib.errors import PlatformError
from infra.local.sandbox import bubblewrap, seccomp
from infra.local.sandbox.box import Sandbox
from infra.local.sandbox.cgroups import Groups
from infra.local.sandbox.spec import Isolation, Limits, Spec

_WITHIN = 10.0
_MISSING = {
    "proc": "agents see the names (not the memory or environment) of other processes",
    "net": "agents share this machine's network: only TCP ports are kept from them",
    "seccomp": "libseccomp.so.2 is not installed: rarer kernel calls are not filtered",
    "memory": "no writable memory control group: memory is checked five times a second instead",
    "cpu": "no writable cpu control group: an agent may use every processor",
}


def probe(state_dir: Path) -> Isolation:
    """Try the tiers from the strongest down and answer the first that works.

    Nothing is believed: a tier counts when a program ran in it and ended as it should.
    """
    extras = _extras()
    why: list[str] = []
    for candidate in _candidates(extras):
        refusal = _refusal(candidate, state_dir)
        if refusal is None:
            return candidate
        why.append(f"{candidate.name}: {refusal}")
    return Isolation("none", "no isolation", (), usable=False, reason=_advice(why))


def _extras() -> frozenset[str]:
    found = set(Groups(f"probe-{os.getpid()}").controllers)
    if seccomp.available():
        found.add("seccomp")
    return frozenset(found)


def _candidates(extras: frozenset[str]) -> Iterator[Isolation]:
    for wrap in bubblewrap.find():
        version = ".".join(map(str, wrap.version))
        yield _isolation(
            "bwrap", f"bubblewrap {version}, own network", extras | {"proc", "net"}, wrap
        )


def _isolation(
    tier: str, name: str, features: frozenset[str], wrap: bubblewrap.Bubblewrap
) -> Isolation:
    missing = tuple(text for feature, text in _MISSING.items() if feature not in features)
    return Isolation(
        tier=tier, name=name, missing=missing, features=features, program=str(wrap.program)
    )


def _refusal(isolation: Isolation, state_dir: Path) -> str | None:
    """Run a program at this isolation; why that did not work, or None."""
    reader, writer = os.pipe()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="slipway-probe-") as app,
            Sandbox(isolation, state_dir) as box,
        ):
            spec = Spec(
                app=Path(app),
                writable=True,
                command=["/bin/sh", "-c", "exit 7"],
                limits=Limits(tmp_mb=1, home_mb=1, shm_mb=1),
                stdout=writer,
                stderr=writer,
            )
            code = box.start(spec).wait(_WITHIN)
    except PlatformError as error:
        detail = error.detail
    else:
        if code == 7:  # what the program was told to say
            return None
        detail = f"the program ended with {code}"
    finally:
        os.close(writer)
        said = os.read(reader, 4096).decode(errors="replace").strip()
        os.close(reader)
    return f"{detail} {said}".strip()


def _advice(why: list[str]) -> str:
    return "; ".join(why) or "bubblewrap is not installed"
