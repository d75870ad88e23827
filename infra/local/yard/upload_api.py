"""`POST /project/{project}/environment/{environment}/up`: a source is sent and deployed.

Not GraphQL at Railway either: a gzipped tar comes in, a deployment's id goes out, and refusals
are JSON with a `message`.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from infra.local.yard.core import Core
from infra.local.yard.errors import Refusal
from infra.local.yard.uploads import MAX_PACKED, BadUpload, Uploads
from infra.local.yard.wire import Call, Wire

OPERATION = "up"
"""What faults call it."""


class UploadApi:
    """The one endpoint."""

    def __init__(self, core: Core, uploads: Uploads, wire: Wire) -> None:
        self._core = core
        self._uploads = uploads
        self._wire = wire

    async def answer(self, request: Request) -> Response:
        """Takes an upload, within the same budget and faults as everything else."""

        async def work(call: Call) -> Response:
            return await self._take(request, call)

        subject = {"serviceId": request.query_params.get("serviceId", "")}
        return await self._wire.guard(request, OPERATION, work, subject)

    async def _take(self, request: Request, call: Call) -> Response:
        try:
            environment = self._core.environment(call, request.path_params["environment"])
            if environment["project_id"] != request.path_params["project"]:
                return _refused(404, "Environment not found")
            service_id = request.query_params.get("serviceId", "")
            instance = self._core.instance(call, service_id, environment["id"])
        except Refusal as exc:
            return _refused(401 if "Authorized" in str(exc) else 404, str(exc))
        packed = self._uploads.place().with_suffix(".tar.gz")
        folder = packed.with_suffix("").with_suffix("")
        try:
            if not await _receive(request, packed):
                return _refused(413, "The upload is too large")
            await asyncio.to_thread(self._uploads.unpack, packed, folder)
            deployment_id = await self._core.deployer.upload(
                instance, lambda made: self._uploads.keep(folder, made)
            )
        except BadUpload as exc:
            return _refused(400, str(exc))
        finally:
            packed.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
        rows = self._core.edge.domains(service_id, environment["id"])
        return JSONResponse(
            {
                "deploymentId": deployment_id,
                "url": "",
                "logsUrl": "",
                "deploymentDomain": self._core.edge.name(rows[0]) if rows else "",
            }
        )


async def _receive(request: Request, to: Path) -> bool:
    size = 0
    try:
        with to.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_PACKED:
                    return False
                file.write(chunk)
    except ClientDisconnect as exc:
        raise BadUpload("The upload was cut off") from exc
    return True


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)
