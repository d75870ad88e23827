"""How a new deployment comes about: from today's configuration, or from an earlier deployment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.yard.faults import Faults
from infra.local.yard.fleet import Fleet
from infra.local.yard.records import Records, Snapshot
from infra.local.yard.store import Row

Render = Callable[[str, str], Mapping[str, str]]


class Deployer:
    """Takes the snapshot, records the deployment, and lets the fleet begin."""

    def __init__(self, records: Records, fleet: Fleet, faults: Faults, render: Render) -> None:
        self._records = records
        self._fleet = fleet
        self._faults = faults
        self._render = render

    async def deploy(self, instance: Row, reason: str) -> str:
        """The service as it is configured now."""
        settings: dict[str, Any] = json.loads(instance["settings"])
        credentials = settings.pop("registryCredentials", None) or {}
        image = settings.pop("image", None)
        if self._faults.take("stale_image", services=[instance["service_id"], _name(instance)]):
            image = self._older(instance, image) or image
        snapshot = Snapshot(
            image=image,
            username=credentials.get("username", ""),
            password=credentials.get("password", ""),
            settings=settings,
            limits=json.loads(instance["limits"] or "{}"),
            variables=self._render(instance["service_id"], instance["environment_id"]),
        )
        return await self._begin(instance, snapshot, reason)

    async def upload(self, instance: Row, keep: Callable[[str], None]) -> str:
        """A source that was sent: `keep` puts it where the rollout finds it, by the new id."""
        settings: dict[str, Any] = json.loads(instance["settings"])
        settings.pop("registryCredentials", None)
        settings.pop("image", None)
        snapshot = Snapshot(
            image=None,
            username="",
            password="",
            settings=settings,
            limits=json.loads(instance["limits"] or "{}"),
            variables=self._render(instance["service_id"], instance["environment_id"]),
        )
        meta = {"image": None, "reason": "deploy", "standIn": True}
        deployment_id = await self._records.create(instance, instance["project_id"], snapshot, meta)
        keep(deployment_id)
        self._fleet.begin(deployment_id)
        return deployment_id

    def _older(self, instance: Row, image: str | None) -> str | None:
        """The last image that was live here and is not the one configured now."""
        for row in self._records.lived(instance["service_id"], instance["environment_id"]):
            found = Snapshot.of(row).image
            if found != image:
                return found
        return None

    async def rerun(self, instance: Row, former: Row, reason: str) -> str:
        """An earlier deployment's image and configuration with today's variables."""
        old = Snapshot.of(former)
        snapshot = Snapshot(
            image=old.image,
            username=old.username,
            password=old.password,
            settings=old.settings,
            limits=json.loads(instance["limits"] or "{}"),
            variables=self._render(instance["service_id"], instance["environment_id"]),
            built=old.built,
        )
        return await self._begin(instance, snapshot, reason)

    async def repeat(self, instance: Row, former: Row, reason: str) -> str:
        """An earlier deployment exactly as it was, variables too."""
        return await self._begin(instance, Snapshot.of(former), reason)

    async def _begin(self, instance: Row, snapshot: Snapshot, reason: str) -> str:
        # What was built here has no name to pull it by: its record names the digest alone.
        image = None if snapshot.built else snapshot.image
        meta = {"image": image, "reason": reason, "standIn": True}
        deployment_id = await self._records.create(instance, instance["project_id"], snapshot, meta)
        self._fleet.begin(deployment_id)
        return deployment_id


def _name(instance: Row) -> str:
    return str(instance["service_name"])
