"""The HTTP API: one file per noun, one wrapper around every view."""

from __future__ import annotations

from chalicelib.api.accounts import accounts
from chalicelib.api.agents import agents
from chalicelib.api.copies import copies
from chalicelib.api.deployments import deployments
from chalicelib.api.health import health
from chalicelib.api.http import PREFIX, SlipwayApp
from chalicelib.api.listings import listings
from chalicelib.api.marketplace import marketplace
from chalicelib.api.variables import variables
from chalicelib.api.versions import versions
from chalicelib.api.webhooks import webhooks

BLUEPRINTS = (
    health,
    accounts,
    agents,
    versions,
    variables,
    deployments,
    listings,
    marketplace,
    copies,
    webhooks,
)

__all__ = ["BLUEPRINTS", "PREFIX", "SlipwayApp"]
