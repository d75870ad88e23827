"""The OCI distribution API at /v2/, as much of it as pushing and pulling by digest or tag needs."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from infra.local.yard.access import same
from infra.local.yard.blobs import DIGEST, Blobs, DigestMismatch, Upload

NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
MANIFEST_LIMIT = 4_000_000

_PATHS = {
    "uploads": re.compile(rf"/v2/(?P<name>{NAME})/blobs/uploads/(?P<id>[0-9a-f-]*)"),
    "blob": re.compile(rf"/v2/(?P<name>{NAME})/blobs/(?P<digest>[^/]+)"),
    "manifest": re.compile(rf"/v2/(?P<name>{NAME})/manifests/(?P<reference>[^/]+)"),
    "tags": re.compile(rf"/v2/(?P<name>{NAME})/tags/list"),
}


class Registry:
    """Answers every request below /v2/."""

    def __init__(self, blobs: Blobs, username: str, password: str) -> None:
        self._blobs = blobs
        self._username = username
        self._password = password

    def routes(self) -> list[Route]:
        """One route: repository names contain slashes, which path parameters do not like."""
        methods = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]
        return [Route("/v2/{rest:path}", self.answer, methods=methods)]

    def knows(self, username: str, password: str) -> bool:
        """Whether these credentials may push and pull."""
        return same(username, self._username) and same(password, self._password)

    async def answer(self, request: Request) -> Response:
        """Checks who asks and sends the request to the part its path names."""
        if not self._allowed(request):
            refusal = _error(401, "UNAUTHORIZED", "authentication required")
            refusal.headers["WWW-Authenticate"] = 'Basic realm="local registry"'
            return refusal
        path = request.url.path
        if path in ("/v2/", "/v2"):
            return JSONResponse({})
        for kind, pattern in _PATHS.items():
            if match := pattern.fullmatch(path):
                handler = getattr(self, f"_{kind}")
                response: Response = await handler(request, **match.groupdict())
                response.headers["Docker-Distribution-API-Version"] = "registry/2.0"
                return response
        return _error(404, "NAME_INVALID", f"nothing is known about {path}")

    def _allowed(self, request: Request) -> bool:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return False
        return self.knows(username, password)

    async def _blob(self, request: Request, name: str, digest: str) -> Response:
        if not DIGEST.fullmatch(digest):
            return _error(400, "DIGEST_INVALID", f"{digest} is not a sha256 digest")
        if not self._blobs.has(digest):
            return _error(404, "BLOB_UNKNOWN", f"{name} has no blob {digest}")
        if request.method not in ("GET", "HEAD"):
            return _error(405, "UNSUPPORTED", "blobs are read here and written by upload")
        # FileResponse streams, answers ranges, and sends headers alone for HEAD.
        return FileResponse(
            self._blobs.path(digest),
            media_type="application/octet-stream",
            headers={"Docker-Content-Digest": digest},
        )

    async def _uploads(self, request: Request, name: str, id: str) -> Response:  # noqa: A002
        if not id:
            return await self._begin(request, name)
        upload = self._blobs.upload(id)
        if upload is None:
            return _error(404, "BLOB_UPLOAD_UNKNOWN", f"no upload {id}")
        match request.method:
            case "PATCH":
                return await self._append(request, name, upload)
            case "PUT":
                return await self._finish(request, name, upload)
            case "GET" | "HEAD":
                return _progress(204, name, upload)
            case "DELETE":
                self._blobs.abandon(upload)
                return Response(status_code=204)
        return _error(405, "UNSUPPORTED", request.method)

    async def _begin(self, request: Request, name: str) -> Response:
        if request.method != "POST":
            return _error(405, "UNSUPPORTED", request.method)
        mount = request.query_params.get("mount", "")
        if mount and self._blobs.has(mount):
            return _created(name, mount)
        upload = self._blobs.begin()
        if "digest" in request.query_params:
            return await self._finish(request, name, upload)
        return _progress(202, name, upload)

    async def _append(self, request: Request, name: str, upload: Upload) -> Response:
        given = re.match(r"(?:bytes )?(\d+)-", request.headers.get("content-range", ""))
        if given and int(given[1]) != upload.size:
            return _progress(416, name, upload)
        await self._blobs.receive(upload, request.stream())
        return _progress(202, name, upload)

    async def _finish(self, request: Request, name: str, upload: Upload) -> Response:
        digest = request.query_params.get("digest", "")
        if not DIGEST.fullmatch(digest):
            return _error(400, "DIGEST_INVALID", "the query must carry digest=sha256:…")
        await self._blobs.receive(upload, request.stream())
        try:
            self._blobs.finish(upload, digest)
        except DigestMismatch:
            return _error(400, "DIGEST_INVALID", f"the content is not {digest}")
        return _created(name, digest)

    async def _manifest(self, request: Request, name: str, reference: str) -> Response:
        if not (DIGEST.fullmatch(reference) or TAG.fullmatch(reference)):
            return _error(400, "TAG_INVALID", f"{reference} is neither a tag nor a digest")
        if request.method == "PUT":
            return await self._put_manifest(request, name, reference)
        if request.method == "DELETE":
            gone = await self._blobs.remove_manifest(name, reference)
            return Response(status_code=202) if gone else _unknown_manifest(name, reference)
        found = self._blobs.find_manifest(name, reference)
        if found is None:
            return _unknown_manifest(name, reference)
        digest, media = found
        return FileResponse(
            self._blobs.path(digest), media_type=media, headers={"Docker-Content-Digest": digest}
        )

    async def _put_manifest(self, request: Request, name: str, reference: str) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MANIFEST_LIMIT:
                return _error(413, "SIZE_INVALID", "a manifest has at most 4 MB")
        media = request.headers.get("content-type", "application/octet-stream")
        try:
            missing = [one for one in _referenced(bytes(body)) if not self._blobs.has(one)]
        except ValueError as exc:
            return _error(400, "MANIFEST_INVALID", str(exc))
        if missing:
            return _error(400, "MANIFEST_BLOB_UNKNOWN", f"push first: {', '.join(missing)}")
        try:
            digest = await self._blobs.put_manifest(name, reference, media, bytes(body))
        except DigestMismatch:
            return _error(400, "DIGEST_INVALID", f"the manifest is not {reference}")
        headers = {
            "Location": f"/v2/{name}/manifests/{digest}",
            "Docker-Content-Digest": digest,
        }
        return Response(status_code=201, headers=headers)

    async def _tags(self, request: Request, name: str) -> Response:
        tags = self._blobs.tags(name)
        if not tags or request.method not in ("GET", "HEAD"):
            return _error(404, "NAME_UNKNOWN", f"{name} has no tags")
        return JSONResponse({"name": name, "tags": tags})


def _referenced(body: bytes) -> list[str]:
    """Digests a manifest needs; ValueError says why it is none."""
    try:
        raw: Any = json.loads(body)
    except ValueError as exc:
        raise ValueError("the manifest is not JSON") from exc
    if not isinstance(raw, dict) or raw.get("schemaVersion") != 2:
        raise ValueError("schemaVersion must be 2")
    needed = [raw.get("config"), *raw.get("layers", ()), *raw.get("manifests", ())]
    digests = [one.get("digest") for one in needed if isinstance(one, dict)]
    if not all(isinstance(one, str) and DIGEST.fullmatch(one) for one in digests):
        raise ValueError("every descriptor needs a sha256 digest")
    return [str(one) for one in digests]


def _progress(status: int, name: str, upload: Upload) -> Response:
    headers = {
        "Location": f"/v2/{name}/blobs/uploads/{upload.id}",
        "Docker-Upload-UUID": upload.id,
        "Range": f"0-{max(0, upload.size - 1)}",
    }
    return Response(status_code=status, headers=headers)


def _created(name: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)


def _unknown_manifest(name: str, reference: str) -> Response:
    return _error(404, "MANIFEST_UNKNOWN", f"{name} has no manifest {reference}")


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"errors": [{"code": code, "message": message, "detail": {}}]}, status)
