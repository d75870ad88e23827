"""Endpoints of what a README shows: an agent's badge, and the button that deploys a repository."""

from __future__ import annotations

import hashlib

from chalice.app import Blueprint

from chalicelib.api.http import Answer, Call, View, endpoint
from chalicelib.domain.badges import button
from chalicelib.domain.tenancy import Action

badges = Blueprint(__name__)

# Whoever shows it (GitHub passes pictures on through a cache of its own) asks again after that.
_A_MINUTE = "public, max-age=60"
_A_DAY = "public, max-age=86400"


class BadgeView(View):
    """Markdown for a README, ready to be pasted. Who has `badge_url` sees how the agent is.

    `deploy_url` opens the web app with the repository filled in; it is there for an agent that is
    connected to a public repository.
    """

    badge_url: str
    page_url: str
    markdown: str
    deploy_url: str | None
    deploy_markdown: str | None


@endpoint(
    badges,
    "GET",
    "/agents/{agent_id}/badge",
    summary="Read the agent's badge and deploy button, as Markdown for a README",
    action=Action.AGENT_READ,
    answer=BadgeView,
    errors=(404,),
)
def get_badge(call: Call, agent_id: str) -> BadgeView:
    return BadgeView(**vars(call.platform.badges.links(call.principal, agent_id)))


@endpoint(
    badges,
    "GET",
    "/badges/{address}",
    summary="The badge of an agent (SVG): how it is just now",
    answer=None,
    errors=(404,),
    public=True,
)
def get_badge_picture(call: Call, address: str) -> Answer:
    return _picture(call.platform.badges.picture(address), _A_MINUTE)


@endpoint(
    badges,
    "GET",
    "/deploy-button.svg",
    summary="The button that deploys a repository (SVG)",
    answer=None,
    public=True,
)
def get_deploy_button(call: Call) -> Answer:  # noqa: ARG001 - it is the same for everybody
    return _picture(button(), _A_DAY)


def _picture(text: str, caching: str) -> Answer:
    tag = hashlib.sha256(text.encode()).hexdigest()[:16]
    headers = {"Content-Type": "image/svg+xml", "Cache-Control": caching, "ETag": f'"{tag}"'}
    return Answer(text, headers=headers)
