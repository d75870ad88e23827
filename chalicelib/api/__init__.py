"""The HTTP API: one file per noun, one wrapper around every view."""

from __future__ import annotations

from chalicelib.api.agents import agents
from chalicelib.api.audit import audit
from chalicelib.api.auth import auth
from chalicelib.api.badges import badges
from chalicelib.api.copies import copies
from chalicelib.api.deployments import deployments
from chalicelib.api.feeds import feeds
from chalicelib.api.github import github
from chalicelib.api.health import health
from chalicelib.api.http import PREFIX, SlipwayApp
from chalicelib.api.images import images
from chalicelib.api.invitations import invitations
from chalicelib.api.listings import listings
from chalicelib.api.marketplace import marketplace
from chalicelib.api.me import me
from chalicelib.api.members import members
from chalicelib.api.operations import operations
from chalicelib.api.organisations import organisations
from chalicelib.api.permissions import permissions
from chalicelib.api.repositories import repositories
from chalicelib.api.reviews import reviews
from chalicelib.api.sharing import sharing
from chalicelib.api.tokens import tokens
from chalicelib.api.variables import variables
from chalicelib.api.versions import versions
from chalicelib.api.webhooks import webhooks

BLUEPRINTS = (
    health,
    permissions,
    auth,
    me,
    tokens,
    organisations,
    members,
    invitations,
    agents,
    versions,
    variables,
    deployments,
    github,
    repositories,
    badges,
    listings,
    images,
    marketplace,
    sharing,
    copies,
    reviews,
    feeds,
    audit,
    operations,
    webhooks,
)

__all__ = ["BLUEPRINTS", "PREFIX", "SlipwayApp"]
