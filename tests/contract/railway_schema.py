"""Railway's own schema, kept beside the tests; `python -m tests.contract.railway_schema FILE` keeps
another one, from the answer to an introspection query."""

from __future__ import annotations

import gzip
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema, build_client_schema

DATA = Path(__file__).parents[1] / "data" / "railway"
SCHEMA = DATA / "schema.json.gz"
DOCUMENTS = DATA / "documents.graphql"


@cache
def railway_schema() -> GraphQLSchema:
    """As it is served."""
    with gzip.open(SCHEMA) as file:
        loaded = json.load(file)
    # Railway's schema breaks a rule of newer validators; clients are not concerned by it.
    return build_client_schema(loaded, assume_valid=True)


def keep(answer: Any) -> None:
    """Without what people read: names and types are all that is compared."""
    content = json.dumps(_bare(answer.get("data", answer)), separators=(",", ":"))
    SCHEMA.write_bytes(gzip.compress(content.encode(), 9, mtime=0))


def _bare(value: Any) -> Any:
    match value:
        case dict():
            return {name: _bare(one) for name, one in value.items() if name != "description"}
        case list():
            return [_bare(one) for one in value]
        case _:
            return value


if __name__ == "__main__":
    keep(json.loads(Path(sys.argv[1]).read_text()))
