"""Badges for a README: how an agent is, and the button that deploys a repository. Pictures only."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from urllib.parse import urlencode

from chalicelib.domain.deployments import Deployment, DeploymentState, Environment
from chalicelib.values import frozen

CONFIRMED_WITHIN = timedelta(minutes=30)
"""What nobody has looked at for longer is told as what it was."""
_GREEN, _BLUE, _AMBER, _RED, _GREY = "#1a7f37", "#0969da", "#9a6700", "#cf222e", "#59636e"
_LABEL = "Slipway"


@frozen
class Badge:
    """What a badge says, and in which colour."""

    word: str
    colour: str


def badge_of(environment: Environment | None, serving: Deployment | None, now: datetime) -> Badge:
    """How an environment is."""
    if serving is None or not serving.state.is_serving:
        moving = environment is not None and (environment.moving or environment.queued)
        return Badge("deploying", _BLUE) if moving else Badge("not deployed", _GREY)
    if serving.state is DeploymentState.CRASHED:
        return Badge("crashed", _RED)
    confirmed = serving.confirmed_at
    if confirmed is None or now - confirmed > CONFIRMED_WITHIN:
        return Badge(f"{serving.state.value}, not confirmed", _GREY)
    if serving.state is DeploymentState.ASLEEP:
        return Badge("asleep", _GREEN)
    if serving.health is not None and not serving.health.ok:
        return Badge("not answering", _AMBER)
    return Badge("live", _GREEN)


def drawn(badge: Badge) -> str:
    """The badge as SVG: a label and a word beside it."""
    left, right = _width(_LABEL), _width(badge.word)
    said = escape(f"{_LABEL}: {badge.word}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{said}"><title>{said}</title>'
        f'<rect width="{left + right}" height="20" rx="3" fill="#24292f"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{left}z" '
        f'fill="{badge.colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        'text-anchor="middle">'
        f"{_text(_LABEL, left / 2, left)}{_text(badge.word, left + right / 2, right)}</g></svg>"
    )


def button() -> str:
    """The button "Deploy on Slipway" as SVG."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="156" height="32" role="img" '
        'aria-label="Deploy on Slipway"><title>Deploy on Slipway</title>'
        '<rect x=".5" y=".5" width="155" height="31" rx="4" fill="#11212b" stroke="#40545f"/>'
        '<g fill="none"><circle cx="20" cy="16" r="6" stroke="#eef2f3" stroke-width="2.4"/>'
        '<path d="M9 20.1 31 11.9" stroke="#11212b" stroke-width="5.6"/>'
        '<path d="M10 19.7 30 12.3" stroke="#e2714a" stroke-width="2.4"/></g>'
        '<text x="93" y="21" fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" '
        'font-size="13" text-anchor="middle" textLength="112">Deploy on Slipway</text></svg>'
    )


def deploy_address(web_url: str, repository: str, branch: str = "", root: str = "") -> str:
    """The page of the web app that begins a deployment of this repository."""
    asked = {"repository": repository, "branch": branch, "root": root}
    return f"{web_url}/deploy?{urlencode({k: v for k, v in asked.items() if v})}"


def image_link(text: str, picture: str, target: str) -> str:
    """A picture that leads somewhere, as Markdown."""
    return f"[![{text}]({picture})]({target})"


def _width(text: str) -> int:
    return round(len(text) * 6.6) + 12


def _text(text: str, x: float, width: int) -> str:
    return f'<text x="{x:g}" y="14" textLength="{width - 12}">{escape(text)}</text>'
