"""The OpenAPI document as a whole."""

from __future__ import annotations

import json
import re

import app  # noqa: F401 - registers the endpoints
from chalicelib.api.openapi import document


def test_every_reference_leads_somewhere() -> None:
    told = document()
    schemas = told["components"]["schemas"]
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(told)))
    assert references
    assert {
        r for r in references if r.removeprefix("#/components/schemas/") not in schemas
    } == set()
