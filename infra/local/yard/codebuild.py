"""CodeBuild's JSON 1.1 API: StartBuild, BatchGetBuilds, StopBuild, ListBuildsForProject."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.local.yard.access import peer_is_us, same
from infra.local.yard.builds import Builds

PREFIX = "CodeBuild_20161006."
MEDIA = "application/x-amz-json-1.1"
BATCH = 100
# A caller chooses no commands: the one buildspec is the project's own.
OVERRIDES = frozenset(
    {
        "environmentVariablesOverride",
        "queuedTimeoutInMinutesOverride",
        "timeoutInMinutesOverride",
    }
)


class Fault(Exception):
    """An error as AWS words it."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status


class CodeBuild:
    """Answers `POST /SECRET`: an SDK keeps the path of the endpoint that it is given."""

    def __init__(self, builds: Builds, project: str, secret: str) -> None:
        self._builds = builds
        self._project = project
        self._secret = secret
        self._actions = {
            "BatchGetBuilds": self._batch_get,
            "ListBuildsForProject": self._list,
            "StartBuild": self._start,
            "StopBuild": self._stop,
        }

    def routes(self) -> list[Route]:
        """The one route of this protocol."""
        return [Route("/{secret:path}", self.answer, methods=["POST"])]

    async def answer(self, request: Request) -> Response:
        """One API call."""
        try:
            body = await self._dispatch(request)
        except Fault as exc:
            return _json(exc.status, {"__type": exc.kind, "message": exc.message})
        return _json(200, body)

    async def _dispatch(self, request: Request) -> dict[str, Any]:
        # The signature itself cannot be checked, as the roles' keys live in the emulator: what
        # proves that a caller may build is the secret.
        if not same(request.path_params["secret"].strip("/"), self._secret):
            raise Fault("AccessDeniedException", "the endpoint's secret is missing or wrong", 403)
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 Credential="):
            raise Fault("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        if request.client is None or not peer_is_us(request.client.port):
            raise Fault("AccessDeniedException", "another user of this machine may not build")
        target = request.headers.get("x-amz-target", "")
        action = self._actions.get(target.removeprefix(PREFIX))
        if action is None or not target.startswith(PREFIX):
            raise Fault(
                "UnknownOperationException", f"{target} is not implemented by the local stand-in"
            )
        try:
            given = json.loads(await request.body() or b"{}")
        except ValueError as exc:
            raise Fault("SerializationException", "the body is not JSON") from exc
        if not isinstance(given, dict):
            raise Fault("SerializationException", "the body must be an object")
        return await action(given)

    async def _start(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self._require_project(given.get("projectName"))
        overrides = {
            name: value
            for name, value in given.items()
            if name not in ("projectName", "idempotencyToken") and value not in (None, "", [])
        }
        if unknown := sorted(set(overrides) - OVERRIDES):
            raise Fault(
                "InvalidInputException",
                f"not implemented by the local stand-in: {', '.join(unknown)}",
            )
        _check(overrides)
        token = given.get("idempotencyToken") or None
        request = hashlib.sha256(json.dumps(overrides, sort_keys=True).encode()).hexdigest()
        if token and (row := self._builds.by_token(token)):
            if row["request"] != request:
                raise Fault("InvalidInputException", "Parameters differ for one idempotency token")
            return {"build": json.loads(row["document"])}
        return {"build": await self._builds.start(overrides, token, request)}

    async def _batch_get(self, given: Mapping[str, Any]) -> dict[str, Any]:
        ids = given.get("ids")
        if not isinstance(ids, list) or not 0 < len(ids) <= BATCH:
            raise Fault("InvalidInputException", f"ids must name 1 to {BATCH} builds")
        found = {one: self._builds.get(_id(one)) for one in ids}
        return {
            "builds": [build for build in found.values() if build],
            "buildsNotFound": [one for one, build in found.items() if build is None],
        }

    async def _stop(self, given: Mapping[str, Any]) -> dict[str, Any]:
        build_id = _id(given.get("id") or "")
        if self._builds.get(build_id) is None:
            raise Fault("ResourceNotFoundException", f"Build {build_id} does not exist")
        await self._builds.stop(build_id)
        return {"build": self._builds.get(build_id)}

    async def _list(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self._require_project(given.get("projectName"))
        ids = self._builds.ids(newest_first=given.get("sortOrder") != "ASCENDING")
        try:
            start = int(given.get("nextToken") or 0)
        except ValueError as exc:
            raise Fault("InvalidInputException", "nextToken is not ours") from exc
        page: dict[str, Any] = {"ids": ids[start : start + BATCH]}
        if start + BATCH < len(ids):
            page["nextToken"] = str(start + BATCH)
        return page

    def _require_project(self, name: Any) -> None:
        if name != self._project:
            raise Fault("ResourceNotFoundException", f"Project cannot be found: {name}")


def _check(overrides: Mapping[str, Any]) -> None:
    for one in overrides.get("environmentVariablesOverride") or ():
        if not isinstance(one.get("name"), str) or not isinstance(one.get("value"), str):
            raise Fault("InvalidInputException", "an environment variable has a name and a value")
        if one.get("type", "PLAINTEXT") != "PLAINTEXT":
            raise Fault(
                "InvalidInputException",
                f"variables of type {one['type']} are not implemented by the local stand-in",
            )
    for name in ("timeoutInMinutesOverride", "queuedTimeoutInMinutesOverride"):
        if name in overrides and not 5 <= overrides[name] <= 2160:
            raise Fault("InvalidInputException", f"{name} must be between 5 and 2160")


def _id(given: str) -> str:
    """Builds may be named by id or ARN."""
    return given.partition(":build/")[2] or given


def _json(status: int, body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body), status, media_type=MEDIA)
