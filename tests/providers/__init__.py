"""Stand-ins for sign-in providers and for the code host, and how a local cloud is told of them."""

from __future__ import annotations

import json


def settings(acme: int, github: int) -> dict[str, str]:
    """The environment that names the providers on these ports."""
    issuer = {
        "id": "acme",
        "name": "Acme",
        "issuer": f"http://localhost:{acme}",
        "client_id": "slipway",
        "client_secret": "acme-secret",
    }
    return {
        "SLIPWAY_OIDC": json.dumps([issuer]),
        "SLIPWAY_GITHUB_CLIENT_ID": "Iv1.slipway",
        "SLIPWAY_GITHUB_CLIENT_SECRET": "github-secret",
        "SLIPWAY_GITHUB_URL": f"http://localhost:{github}",
        "SLIPWAY_GITHUB_API_URL": f"http://localhost:{github}",
    }


def app_settings(api: int, web: int) -> dict[str, str]:
    """The environment that names our App at a code host on these ports."""
    from tests.providers import code_host as host  # noqa: PLC0415 - it makes a key

    return {
        "SLIPWAY_GITHUB_APP_ID": str(host.APP_ID),
        "SLIPWAY_GITHUB_APP_SLUG": host.APP_SLUG,
        "SLIPWAY_GITHUB_APP_CLIENT_ID": host.CLIENT_ID,
        "SLIPWAY_GITHUB_APP_CLIENT_SECRET": host.CLIENT_SECRET,
        "SLIPWAY_GITHUB_APP_WEBHOOK_SECRET": host.WEBHOOK_SECRET,
        "SLIPWAY_GITHUB_APP_KEY": host.PEM,
        "SLIPWAY_GITHUB_APP_URL": f"http://localhost:{web}",
        "SLIPWAY_GITHUB_APP_API_URL": f"http://localhost:{api}",
    }
