"""Whom most use cases are about: the owner of an organisation, and an agent in it."""

from __future__ import annotations

import pytest

from chalicelib.domain.agents import Agent
from chalicelib.domain.tenancy import Principal
from tests.conftest import World


@pytest.fixture
def who(world: World) -> Principal:
    return world.founded()


@pytest.fixture
def agent(world: World, who: Principal) -> Agent:
    return world.agent(who)
