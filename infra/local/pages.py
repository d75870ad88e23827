"""Knows how the local cloud's own pages look: its state, the mailbox, nothing found."""

from __future__ import annotations

import html
import re
from typing import Any

from starlette.responses import HTMLResponse

from infra.local.mailbox import LINK

_GOOD = frozenset({"live", "CREATE_COMPLETE", "UPDATE_COMPLETE", "SUCCESS", "running"})


def home(status: dict[str, Any]) -> HTMLResponse:
    """The page that stands in for the web app until it is built."""
    first = status.get("first_agent")
    parts = "".join(
        _row(
            part["title"],
            "running" if part.get("pid") else "starting again",
            f"process {part.get('pid')}",
        )
        for part in status["parts"].values()
    )
    stack = status["stack"]
    agents = status.get("agents")
    if first:
        lead = (
            f'<p class="lead"><a class="button" href="{_text(first["url"])}" rel="noreferrer">'
            f"Open the first agent</a> <code>{_text(first['url'])}</code></p>"
        )
    else:
        lead = '<p class="lead">The first agent is not deployed yet.</p>'
    listed = "".join(
        _row(
            first["name"] if first and first["url"] == agent.get("url") else agent["name"],
            agent["status"],
            f'<a href="{_text(agent["url"])}" rel="noreferrer">{_text(agent["url"])}</a>'
            if agent.get("url")
            else "",
            markup=True,
        )
        for agent in agents or []
    )
    nothing = "<p>None yet.</p>" if agents == [] else "<p>The yard does not answer.</p>"
    table = f"<table>{listed}</table>" if listed else nothing
    isolation = status.get("isolation") or {}
    body = f"""
      <h1>Slipway</h1>
      <p class="sub">The platform runs on this machine. The web app is not built yet;
      the API is all there.</p>
      {lead}
      <h2>Parts</h2>
      <table>{_row("Stack", stack["status"], stack["name"])}{parts}</table>
      <h2>Agents</h2>
      {table}
      <p class="note">Agents run in: {_text(isolation.get("name", "unknown"))}.</p>
      <h2>Where to go</h2>
      <ul>
        <li><a href="/local/mailbox">Mailbox</a>: every mail the platform sends, sign-in links
        among them</li>
        <li><a href="/api/v1/openapi.json">API</a>: its OpenAPI document</li>
        <li><a href="/local/status">Status</a>: this page for programs</li>
      </ul>"""
    return _page("Slipway", body, refresh=10)


def mailbox(items: list[dict[str, Any]]) -> HTMLResponse:
    """Every mail, newest first, its links ready to be followed."""
    mails = "".join(_mail(item) for item in items)
    empty = '<p class="lead">No mail yet. Ask for a sign-in link, and it arrives here.</p>'
    body = f"""
      <h1>Mailbox</h1>
      <p class="sub">What the platform would have mailed. Nothing leaves this machine.
      <a href="/">Back</a></p>
      {mails or empty}"""
    return _page("Mailbox - Slipway", body, refresh=5)


def sign_in() -> HTMLResponse:
    """Where a sign-in link leads as long as there is no web app to sign in to."""
    body = """<h1>Sign in</h1>
      <p class="sub">The web app is not built yet. For an API token, run</p>
      <pre>make token EMAIL=you@example.org</pre>
      <p class="note">The link you followed works once, for ten minutes, with
      <code>POST /api/v1/auth/email/redeem</code>.</p>"""
    return _page("Sign in - Slipway", body)


def not_found() -> HTMLResponse:
    """Nothing is there."""
    body = '<h1>Nothing here</h1><p class="sub"><a href="/">To the first page</a></p>'
    return _page("Not found - Slipway", body, status=404)


def _mail(item: dict[str, Any]) -> str:
    # Split by one group: links and the text between them take turns.
    pieces = re.split(f"({LINK.pattern})", item["text"])
    text = "".join(
        f'<a href="{_text(piece)}">{_text(piece)}</a>' if n % 2 else _text(piece)
        for n, piece in enumerate(pieces)
    )
    sent = _text(str(item["sent_at"])[:19].replace("T", " "))
    return f"""
      <article>
        <h2>{_text(item["subject"])}</h2>
        <p class="note">To {_text(item["to"])}, {sent} UTC</p>
        <pre>{text}</pre>
      </article>"""


def _row(name: str, state: str, detail: str, *, markup: bool = False) -> str:
    kind = "good" if state in _GOOD else "other"
    shown = detail if markup else _text(detail)
    return (
        f'<tr><th scope="row">{_text(name)}</th>'
        f'<td><span class="state {kind}">{_text(state)}</span></td><td>{shown}</td></tr>'
    )


def _page(title: str, body: str, *, refresh: int = 0, status: int = 200) -> HTMLResponse:
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    {again}
    <title>{_text(title)}</title>
    <link rel="stylesheet" href="/local/static/local.css">
    <link rel="icon" href="/local/static/icon.svg" type="image/svg+xml">
  </head>
  <body>
    <main>{body}
    </main>
  </body>
</html>
""",
        status,
        {"Cache-Control": "no-store"},
    )


def _text(value: Any) -> str:
    return html.escape(str(value))
