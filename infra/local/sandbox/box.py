"""`Sandbox`: starts programs at the isolation that was proved to work here."""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import secrets
import socket
from dataclasses import replace
from pathlib import Path

from infra.local.sandbox import bubblewrap, orders, plain, seccomp, skeleton
from infra.local.sandbox.addresses import Policy, normal
from infra.local.sandbox.cgroups import Group, Groups
from infra.local.sandbox.egress import Door, Doorkeeper
from infra.local.sandbox.identity import identities
from infra.local.sandbox.nursery import Birth, Nursery
from infra.local.sandbox.orders import Order
from infra.local.sandbox.run import Run
from infra.local.sandbox.spec import (
    PROXY_PORT,
    Bind,
    Egress,
    Isolation,
    NoIsolation,
    SandboxFailed,
    Spec,
)
from infra.local.sandbox.trees import DiskUse, give
from infra.local.sandbox.watchdog import Watchdog

_NUMBERS = itertools.count(1)  # for all sandboxes of this process: names must not collide
_NODE_HOOK = "/opt/slipway/node-proxy.cjs"
_NEVER_PROXIED = "localhost,127.0.0.1,::1"


class Sandbox:
    """Starts sandboxed programs. Thread-safe. Closing it, or dying, ends all of them."""

    def __init__(self, isolation: Isolation, state_dir: Path) -> None:
        if not isolation.usable:
            raise NoIsolation(isolation.reason)
        self.isolation = isolation
        self._state = state_dir.resolve() / "sandbox"
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._wrap = _wrap(isolation)
        if self._wrap is None:
            # Homes lie in here; each is closed to all but its own user.
            self._state.chmod(0o711)
        self._identities = identities(self._state)
        self._system = skeleton.system_binds(self._state)
        self._filter = (
            seccomp.program(memory_cgroup="memory" in isolation.features)
            if "seccomp" in isolation.features
            else None
        )
        label = hashlib.sha256(str(self._state).encode()).hexdigest()[:8]
        self._groups = Groups(label)
        self._groups.sweep()
        plain.sweep_homes(self._state)
        self._controllers = self._groups.controllers & isolation.features
        self._nursery = Nursery()
        self._doors = Doorkeeper()
        self._watchdog = Watchdog(memory_cgroup="memory" in self._controllers)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every sandbox and everything that serves them."""
        self._nursery.close()
        self._doors.close()
        self._watchdog.close()

    def start(self, spec: Spec) -> Run:
        """Start a program in a sandbox of its own.

        Raises `BadSpec` when the spec cannot be followed and `SandboxFailed` when the machine
        refuses; nothing is left running or mounted then.
        """
        orders.check(spec)
        spec = replace(spec, binds=(_node_hook(), *spec.binds))
        uid = self._own(spec)
        name = str(next(_NUMBERS))
        group = self._groups.make(name, spec.limits) if self._controllers else Group({})
        private = "net" in self.isolation.features
        # In a network of its own the way out needs no password; in a shared one it does.
        listener = None if private else socket.create_server(("127.0.0.1", 0))
        token = None if private else secrets.token_urlsafe(16)
        door = Door(Policy(_policy_of(spec)), f"sandbox of {spec.app.name}", token)
        home = None if self._wrap else plain.prepare_home(self._state, name, spec, uid)
        own = [spec.app] if spec.writable else []
        run = Run(
            self._nursery,
            door,
            group,
            spec.limits,
            DiskUse((*own, *([home] if home else [])), _writable_binds(spec)),
            private_network=private,
            home=home,
        )
        port = listener.getsockname()[1] if listener else PROXY_PORT
        env = {**skeleton.environment(), **_proxy_variables(port, token), **spec.env}
        env["NODE_OPTIONS"] = f"--require {_NODE_HOOK} {spec.env.get('NODE_OPTIONS', '')}".strip()
        ground = orders.Ground(
            isolation=self.isolation,
            binds=tuple(self._system),
            env=env,
            filter=self._filter,
            uid=uid,
            cgroups=tuple(str(folder) for folder in group.folders.values()),
        )
        order = self._order(ground, spec, home, port)
        try:
            birth = self._nursery.start(
                order.body, order.descriptors, lambda code: self._ended(run, door, code)
            )
        except SandboxFailed:
            run.tidy()
            if listener:
                listener.close()
            raise
        finally:
            order.close()
        self._open(run, door, birth, listener)
        self._watchdog.watch(run)
        if not run.alive:
            self._watchdog.bury(run)
        return run

    def _order(self, ground: orders.Ground, spec: Spec, home: Path | None, port: int) -> Order:
        if home is not None:
            return plain.for_keeper(ground, spec, home, port)
        if self._wrap is None:
            raise NoIsolation("This tier needs bubblewrap or a home directory.")
        landlock = None
        if "net" not in self.isolation.features:
            landlock = {"files": False, "read": [], "write": [], **plain.port_rules(spec, port)}
        return orders.for_bubblewrap(ground, self._wrap, spec, landlock)

    def _own(self, spec: Spec) -> int | None:
        """The user id outside, as root; the writable folders are made to belong to it."""
        if self._identities is None:
            return None
        uid = self._identities.of(spec.share or str(spec.app.resolve()))
        if spec.writable:
            give(spec.app, uid)
        for folder in _writable_binds(spec):
            # A cache may be large, and only sandboxes write to it: once is enough.
            if folder.stat().st_uid != uid:
                give(folder, uid)
        return uid

    def _open(self, run: Run, door: Door, birth: Birth, listener: socket.socket | None) -> None:
        if listener is None:
            listener = socket.socket(fileno=birth.descriptors.pop(0))
        run.born(birth, frozenset({os.fstat(listener.fileno()).st_ino}))
        self._doors.open(door, listener)

    def _ended(self, run: Run, door: Door, code: int) -> None:
        run.ended(code)
        self._doors.shut(door)
        self._watchdog.bury(run)


def _wrap(isolation: Isolation) -> bubblewrap.Bubblewrap | None:
    if not isolation.program:
        return None
    for wrap in bubblewrap.find():
        if str(wrap.program) == isolation.program:
            return wrap
    raise NoIsolation(f"bubblewrap is no longer at {isolation.program}; probe again.")


@functools.cache
def _node_hook() -> Bind:
    """Lets programs on older Node.js use the proxy as they are."""
    return (Path(__file__).with_name("node_proxy.cjs").read_bytes(), _NODE_HOOK, True)


def _writable_binds(spec: Spec) -> tuple[Path, ...]:
    return tuple(
        source for source, _, read_only in spec.binds if isinstance(source, Path) and not read_only
    )


def _policy_of(spec: Spec) -> Egress:
    if isinstance(spec.egress, str):
        return spec.egress
    return frozenset(normal(host) if ":" not in host else host.lower() for host in spec.egress)


def _proxy_variables(port: int, token: str | None = None) -> dict[str, str]:
    user = f"agent:{token}@" if token else ""
    address = f"http://{user}127.0.0.1:{port}"
    env = {
        "HTTP_PROXY": address,
        "HTTPS_PROXY": address,
        "NO_PROXY": _NEVER_PROXIED,
        # Node.js from 24 on honours the variables above when it is told to.
        "NODE_USE_ENV_PROXY": "1",
    }
    return {**env, **{name.lower(): value for name, value in env.items() if "PROXY" in name[-5:]}}
