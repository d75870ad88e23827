"""Resolvers for service domains: each is a loopback port that stays for the service's life."""

from __future__ import annotations

from typing import Any

from infra.local.yard.core import Core
from infra.local.yard.errors import BadInput, NotFound, NotImplementedHere, Refusal
from infra.local.yard.store import Row
from infra.local.yard.views import domain_view
from infra.local.yard.wire import Args, Call, Resolver


class Domains:
    """Service domains."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def queries(self) -> dict[str, Resolver]:
        """Root fields of Query."""
        return {"domains": self._list, "serviceDomainAvailable": self._available}

    def mutations(self) -> dict[str, Resolver]:
        """Root fields of Mutation."""
        return {
            "serviceDomainCreate": self._create,
            "serviceDomainDelete": self._delete,
            "serviceDomainUpdate": self._update,
        }

    def _list(self, call: Call, args: Args) -> Any:
        self._core.instance(call, args["serviceId"], args["environmentId"])
        rows = self._core.edge.domains(args["serviceId"], args["environmentId"])
        views = [domain_view(self._core, row) for row in rows]
        return {"serviceDomains": views, "customDomains": []}

    def _available(self, _call: Call, _args: Args) -> Any:
        return {"available": False, "message": "Local domains are assigned, not chosen"}

    async def _create(self, call: Call, args: Args) -> Any:
        given = args["input"]
        self._core.instance(call, given["serviceId"], given["environmentId"])
        port = _checked(given.get("targetPort"))
        if self._core.edge.domains(given["serviceId"], given["environmentId"]):
            raise Refusal("A service domain already exists for this service: it is already in use")
        row = await self._core.edge.add(given["serviceId"], given["environmentId"], port)
        if row is None:
            raise Refusal("Failed to create service domain, please try again")
        return domain_view(self._core, row)

    async def _update(self, call: Call, args: Args) -> Any:
        given = args["input"]
        row = self._owned(call, given["serviceDomainId"])
        if given["domain"] != self._core.edge.name(row):
            raise NotImplementedHere("renaming a domain")
        await self._core.edge.retarget(row["id"], _checked(given.get("targetPort")))
        return True

    async def _delete(self, call: Call, args: Args) -> Any:
        row = self._owned(call, args["id"])
        await self._core.edge.drop(row["id"])
        return True

    def _owned(self, call: Call, domain_id: str) -> Row:
        row = self._core.edge.domain(domain_id)
        if row is None:
            raise NotFound("ServiceDomain")
        self._core.instance(call, row["service_id"], row["environment_id"])
        return row


def _checked(port: int | None) -> int | None:
    if port is not None and not 0 < port < 65_536:
        raise BadInput("targetPort must be between 1 and 65535")
    return port
