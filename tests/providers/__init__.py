"""Stand-ins for sign-in providers, and how a local cloud is told of them."""

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
