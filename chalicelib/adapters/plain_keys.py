"""Keys of what is no entity: it is added to or held for a while, and never replaced."""

from __future__ import annotations

from chalicelib.adapters.keys import Key, org_partition
from chalicelib.domain.limits import Bucket

HOST_BUDGET = Key("HOST#", "BUDGET#")
"""The count of calls at the host. Not an entity: it is added to, never replaced."""


def host_lease(environment: str) -> Key:
    """Who may change the configuration of one of the host's environments."""
    return Key("HOST#", f"LEASE#{environment}#")


def counter_key(bucket: Bucket, window: int) -> Key:
    """Where the requests of one window are counted."""
    if bucket.org_id is None:
        return Key(f"FROM#{bucket.holder}#RATE#{bucket.rate}#", f"{window}#")
    return Key(org_partition(bucket.org_id, "RATE", bucket.holder, bucket.rate), f"{window}#")


def strikes_key(bucket: Bucket, window: int) -> Key:
    """Where wrong credentials are counted."""
    return Key(counter_key(bucket, window).pk, f"STRIKES#{window}#")
