"""A hostile agent against a stand-in platform: what each tier promises to shut is shut."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from infra.local.sandbox import Isolation, Sandbox, probe
from infra.local.sandbox.tiers import candidates, refusal
from tests.infra import sandbox_ground as ground
from tests.infra.sandbox_attacks import ATTEMPTS, SHUT

# What the weaker tiers say they do not keep agents from; everything else must be shut there too.
_SHARED_NETWORK = {"loopback_udp"}
_NO_NAMESPACES = _SHARED_NETWORK | {"socket_on_disk", "fill_tmp", "fill_shared_memory"}
OPEN = {
    "bwrap": {"listen_on_the_platforms_port"},  # a port of its own network, and nobody else's
    "bwrap-shared": _SHARED_NETWORK,
    "landlock": _NO_NAMESPACES,
    "uid": _NO_NAMESPACES
    | {
        "world_readable_files",
        "files_of_the_user",
        "loopback_tcp",
        "loopback_tcp_by_this_machines_address",
        "listen_on_the_platforms_port",
        "abstract_socket",
    },
}


@pytest.fixture(scope="module")
def platform() -> Iterator[ground.Platform]:
    with ground.platform() as made:
        yield made


def _tiers() -> list[Isolation]:
    """Every tier this machine offers, each once at its best, the chosen one first."""
    best: dict[str, Isolation] = {}
    for candidate in candidates():
        best.setdefault(candidate.tier, candidate)
    return list(best.values())


@pytest.fixture(scope="module", params=_tiers(), ids=lambda tier: tier.tier)
def attacked(
    request: pytest.FixtureRequest, platform: ground.Platform
) -> tuple[Isolation, dict[str, str]]:
    isolation: Isolation = request.param
    state = ground.open_folder("slipway-state-")
    try:
        refused = refusal(isolation, state)
        if refused is not None:
            pytest.skip(f"{isolation.name}: {refused}")
        with Sandbox(isolation, state) as box:
            return isolation, ground.attack(box, platform)
    finally:
        shutil.rmtree(state, ignore_errors=True)


@pytest.mark.parametrize("name", sorted(ATTEMPTS))
def test_an_attack_ends_at_the_sandbox(
    attacked: tuple[Isolation, dict[str, str]], name: str
) -> None:
    isolation, outcomes = attacked
    assert name in OPEN[isolation.tier] or outcomes[name] == SHUT


def test_a_tier_that_leaves_something_open_says_so(
    attacked: tuple[Isolation, dict[str, str]],
) -> None:
    isolation, _ = attacked
    assert isolation.missing or isolation.tier == "bwrap"


def test_the_attacks_are_real(platform: ground.Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a sandbox most of them succeed, or a shut door proves nothing."""
    state = ground.open_folder("slipway-state-")
    try:
        with Sandbox(Isolation("bare", "nothing"), state) as box:
            outcomes = ground.attack(
                box,
                platform,
                "loopback_tcp",
                "loopback_udp",
                "abstract_socket",
                "socket_on_disk",
                "world_readable_files",
                "listen_on_the_platforms_port",
                "io_uring",
                "keyring",
                "set_id_bit",
            )
    finally:
        shutil.rmtree(state, ignore_errors=True)
    shut = [name for name, outcome in outcomes.items() if outcome == SHUT]
    assert shut in ([], ["socket_on_disk"])  # as root the bare program is another user


def test_the_best_tier_is_chosen() -> None:
    state = ground.open_folder("slipway-state-")
    try:
        chosen = probe(state)
        first = next(tier for tier in candidates() if refusal(tier, state) is None)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    assert chosen == first
