"""Finds the best isolation this machine really offers, by running each kind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from chalicelib.errors import PlatformError
from infra.local.sandbox import bubblewrap, seccomp
from infra.local.sandbox.box import Sandbox
from infra.local.sandbox.cgroups import Groups
from infra.local.sandbox.spec import Isolation, Limits, Spec
from infra.local.sandbox.zygote import landlock

INSIST = "ALLOW_UNSANDBOXED_AGENTS"

_WITHIN = 10.0
_RULES_FOR_PORTS, _RULES_FOR_SIGNALS = landlock.PORTS_FROM, landlock.SCOPES_FROM
_PROMISED = 7  # the exit code the trial program is told to end with

_TRIAL = ': > made && : > "$HOME/made" && : > "$TMPDIR/made"'

# What the absence of a feature means to a person.
_WITHOUT = {
    "proc": "agents see the names (not the memory or environment) of other processes",
    "net": "agents share this machine's network: UDP is not kept from them, and what they listen "
    "on can be reached from outside this machine",
    "seccomp": "libseccomp.so.2 is not installed: rarer kernel calls are not filtered",
    "memory": "no writable memory control group: memory is checked five times a second instead",
    "cpu": "no writable cpu control group: an agent may use every processor",
}
_WITHOUT_NAMESPACES = (
    "agents have no file system of their own: disk use is checked, not bounded",
    "unix sockets on disk (a container engine's, say) are kept from agents by permissions only",
)
_WITHOUT_PORTS = "agents can reach every service on this machine's loopback"
_WITHOUT_SCOPES = "agents can reach abstract unix sockets and signal processes of their user"
_WITHOUT_FILES = "agents can read every file that is readable for all users"
_BARE = (
    "agents are ordinary programs of your user: they can read your files and keys and this "
    "platform's memory"
)


def probe(state_dir: Path, among: Iterable[Isolation] | None = None) -> Isolation:
    """Try the tiers from the strongest down and answer the first that works.

    Nothing is believed: a tier counts when a program ran in it and ended as it should. When only
    a bare process is left, the answer is not usable unless a person insists.
    """
    why: list[str] = []
    for candidate in candidates() if among is None else among:
        refused = refusal(candidate, state_dir)
        if refused is None:
            return candidate
        why.append(f"{candidate.name}: {refused}")
    reason = _advice(why)
    if os.environ.get(INSIST) == "1":
        return Isolation("bare", "no isolation, because you insist", (_BARE,), reason=reason)
    return Isolation("none", "no isolation", (_BARE,), usable=False, reason=reason)


def candidates() -> Iterator[Isolation]:
    """Every isolation worth trying here, the strongest first."""
    extras = frozenset(Groups("probe").controllers)
    if seccomp.available():
        extras |= {"seccomp"}
    rules = _rules()
    wraps = bubblewrap.find()
    # Every bubblewrap at its best before any at less: one may be allowed more than another.
    for own in ({"proc", "net"}, {"net"}):
        for wrap in wraps:
            kind = "own network" if "proc" in own else "own network, shared /proc"
            yield _wrapped("bwrap", kind, extras | own, wrap)
    if "ports" in rules:
        for own in ({"proc"}, set()):
            for wrap in wraps:
                yield _wrapped("bwrap-shared", "Landlock for ports", extras | own | rules, wrap)
    if "files" in rules:
        name = "Landlock and limits" + (", another user" if os.geteuid() == 0 else "")
        yield _plain("landlock", name, extras | rules, _WITHOUT_NAMESPACES)
    if os.geteuid() == 0:
        missing = (*_WITHOUT_NAMESPACES, _WITHOUT_FILES)
        yield _plain("uid", "another user and limits", extras, missing)


def _rules() -> frozenset[str]:
    version = landlock.abi()
    found = {"files"} if version >= 1 else set()
    if version >= _RULES_FOR_PORTS:
        found.add("ports")
    if version >= _RULES_FOR_SIGNALS:
        found.add("scopes")
    return frozenset(found)


def _wrapped(
    tier: str, kind: str, features: frozenset[str], wrap: bubblewrap.Bubblewrap
) -> Isolation:
    version = ".".join(map(str, wrap.version))
    missing = [text for feature, text in _WITHOUT.items() if feature not in features]
    if "net" not in features and "scopes" not in features:
        missing.append(_WITHOUT_SCOPES)
    return Isolation(
        tier=tier,
        name=f"bubblewrap {version}, {kind}",
        missing=tuple(missing),
        features=features,
        program=str(wrap.program),
    )


def _plain(tier: str, name: str, features: frozenset[str], missing: tuple[str, ...]) -> Isolation:
    seen = features | {"proc"} if "files" in features else features  # Landlock closes /proc too
    texts = [text for feature, text in _WITHOUT.items() if feature not in seen]
    if "ports" not in features:
        texts.append(_WITHOUT_PORTS)
    if "scopes" not in features:
        texts.append(_WITHOUT_SCOPES)
    return Isolation(tier=tier, name=name, missing=(*texts, *missing), features=features)


def refusal(isolation: Isolation, state_dir: Path) -> str | None:
    """Run a program at this isolation; why that did not work, or None."""
    reader, writer = os.pipe()
    state_dir.mkdir(parents=True, exist_ok=True)
    try:
        with (
            # Where apps will lie: the folders above decide too.
            tempfile.TemporaryDirectory(prefix="probe-", dir=state_dir) as app,
            Sandbox(isolation, state_dir) as box,
        ):
            spec = Spec(
                app=Path(app),
                writable=True,
                command=["/bin/sh", "-c", f"{_TRIAL} && exit {_PROMISED}"],
                limits=Limits(tmp_mb=1, home_mb=1, shm_mb=1),
                stdout=writer,
                stderr=writer,
            )
            code = box.start(spec).wait(_WITHIN)
    except PlatformError as error:
        detail = error.detail
    else:
        if code == _PROMISED:
            return None
        detail = "a trial program did not end" if code is None else f"a trial ended with {code}"
    finally:
        os.close(writer)
        said = os.read(reader, 4096).decode(errors="replace").strip()
        os.close(reader)
    return f"{detail} {said}".strip()


def _advice(why: list[str]) -> str:
    """What refused, and what usually helps."""
    said = "; ".join(why) or "bubblewrap is not installed"
    advice = [
        "This machine offers nothing that keeps agents from your files and from the platform.",
        f"Tried: {said}.",
    ]
    if _is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"):
        advice.append(
            "AppArmor forbids user namespaces here: install the distribution's bubblewrap, or run "
            "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`."
        )
    if _is("/proc/sys/kernel/unprivileged_userns_clone", "0"):
        advice.append("Run `sudo sysctl kernel.unprivileged_userns_clone=1`.")
    if _is("/proc/sys/user/max_user_namespaces", "0"):
        advice.append("Run `sudo sysctl user.max_user_namespaces=10000`.")
    advice.append(f"To run agents all the same, unprotected, set {INSIST}=1.")
    return " ".join(advice)


def _is(file: str, value: str) -> bool:
    try:
        return Path(file).read_text().strip() == value
    except OSError:
        return False
