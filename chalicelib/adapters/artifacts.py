"""S3Artifacts: sources and build results in two S3-compatible buckets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from chalicelib.adapters.aws import client, translated
from chalicelib.errors import NotFound, PlatformError, Unavailable
from chalicelib.ports import UploadForm

_STORE_SILENT = "The object store did not answer. Nothing is lost; try again in a moment."

PART = 8 * 1024 * 1024
"""Of a source that arrives in pieces; the object store takes no smaller part than 5 MiB."""


class S3Artifacts:
    def __init__(self, sources: str, artifacts: str, public_url: str = "") -> None:
        self.sources_bucket = sources
        self.artifacts_bucket = artifacts
        self._public_url = public_url

    def upload_form(self, key: str, *, max_bytes: int, expires_seconds: int) -> UploadForm:
        """A presigned POST: the store itself enforces the size and that only this key is set."""
        with translated(_STORE_SILENT):
            form = client("s3").generate_presigned_post(
                Bucket=self.sources_bucket,
                Key=key,
                Conditions=[["content-length-range", 1, max_bytes]],
                ExpiresIn=expires_seconds,
            )
        url = f"{self._public_url}/{self.sources_bucket}" if self._public_url else form["url"]
        return UploadForm(url, form["fields"])

    def source_size(self, key: str) -> int | None:
        try:
            answer = self._s3("head_object", Bucket=self.sources_bucket, Key=key)
        except NotFound:
            return None
        return int(answer["ContentLength"])

    def fetch_source(self, key: str, to: Path) -> None:
        body = self._s3("get_object", Bucket=self.sources_bucket, Key=key)["Body"]
        with to.open("wb") as file, translated(_STORE_SILENT):
            for chunk in body.iter_chunks(1 << 20):
                file.write(chunk)

    def copy_template(self, template_key: str, source_key: str) -> None:
        self._s3(
            "copy_object",
            Bucket=self.sources_bucket,
            Key=source_key,
            CopySource={"Bucket": self.artifacts_bucket, "Key": template_key},
        )

    def copy_source(self, key: str, to_key: str) -> None:
        self._s3(
            "copy_object",
            Bucket=self.sources_bucket,
            Key=to_key,
            CopySource={"Bucket": self.sources_bucket, "Key": key},
        )

    def copy_built(self, key: str, to_key: str) -> None:
        self._s3(
            "copy_object",
            Bucket=self.artifacts_bucket,
            Key=to_key,
            CopySource={"Bucket": self.artifacts_bucket, "Key": key},
        )

    def put_source(self, key: str, pieces: Iterable[bytes]) -> int:
        """In parts, each of which is all that is held; a small source in one. What is there
        already stays: it may have been read by now."""
        where = {"Bucket": self.sources_bucket, "Key": key}
        parts = _parts(pieces)
        first = next(parts, b"")
        if len(first) < PART:
            self._once("put_object", Body=first, **where)
            return len(first)
        upload = {**where, "UploadId": self._s3("create_multipart_upload", **where)["UploadId"]}
        size, tags = 0, []
        try:
            for number, part in enumerate(chain([first], parts), start=1):
                answer = self._s3("upload_part", Body=part, PartNumber=number, **upload)
                tags.append({"ETag": answer["ETag"], "PartNumber": number})
                size += len(part)
            self._once("complete_multipart_upload", MultipartUpload={"Parts": tags}, **upload)
        except BaseException:
            # What cannot even be aborted is removed by the bucket's own rule in a day.
            with suppress(PlatformError):
                self._s3("abort_multipart_upload", **upload)
            raise
        return size

    def put_json(self, key: str, value: Any) -> None:
        self._s3(
            "put_object",
            Bucket=self.artifacts_bucket,
            Key=key,
            Body=json.dumps(value).encode(),
            ContentType="application/json",
        )

    def put_media(self, key: str, body: bytes, media_type: str) -> None:
        self._s3(
            "put_object",
            Bucket=self.artifacts_bucket,
            Key=key,
            Body=body,
            ContentType=media_type,
            CacheControl="public, max-age=31536000, immutable",
        )

    def get_json(self, key: str) -> Any | None:
        body = self.read(key)
        return None if body is None else json.loads(body)

    def read(self, key: str) -> bytes | None:
        try:
            answer = self._s3("get_object", Bucket=self.artifacts_bucket, Key=key)
        except NotFound:
            return None
        with translated(_STORE_SILENT):
            return bytes(answer["Body"].read())

    def keys(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> list[str]:
        answer = self._s3(
            "list_objects_v2",
            Bucket=self.artifacts_bucket,
            Prefix=prefix,
            MaxKeys=limit,
            **({"StartAfter": after} if after else {}),
        )
        return [item["Key"] for item in answer.get("Contents", [])]

    def remove_all(self, prefix: str) -> None:
        for bucket in (self.sources_bucket, self.artifacts_bucket):
            while True:
                answer = self._s3("list_objects_v2", Bucket=bucket, Prefix=prefix)
                found = [{"Key": item["Key"]} for item in answer.get("Contents", [])]
                if not found:
                    break
                done = self._s3("delete_objects", Bucket=bucket, Delete={"Objects": found})
                if done.get("Errors"):
                    raise Unavailable(_STORE_SILENT)

    def _once(self, operation: str, **arguments: Any) -> None:
        """A write that gives way to an object that is there already."""
        try:
            self._s3(operation, IfNoneMatch="*", **arguments)
        except Unavailable as error:
            response = getattr(error.__cause__, "response", {})
            if response.get("Error", {}).get("Code") != "PreconditionFailed":
                raise

    @staticmethod
    def _s3(operation: str, **arguments: Any) -> Any:
        try:
            with translated(_STORE_SILENT):
                return getattr(client("s3"), operation)(**arguments)
        except Unavailable as error:
            response = getattr(error.__cause__, "response", {})
            if response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
                raise NotFound("There is no such object.") from error
            raise


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in parts of one size, the last as it comes."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PART:
            yield bytes(held[:PART])
            del held[:PART]
    if held:
        yield bytes(held)
