"""A small S3 client: read an object into a file, write one; signed with Signature Version 4.

Importing boto3 would cost every build 200 ms for three kinds of request. Credentials come from
the environment or from the container's credentials endpoint, as CodeBuild gives them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from infra.build.order import Location
from infra.build.wire import Answer, Connection, WireError, dial

_EMPTY = hashlib.sha256(b"").hexdigest()
_ATTEMPTS = 4
_REFRESH_SECONDS = 300


class StorageError(Exception):
    """S3 did not do what we asked; `missing` when there is no such object."""

    def __init__(self, detail: str, *, missing: bool = False) -> None:
        super().__init__(detail)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair, with its session token and end of life when it is a role's."""

    access_key: str
    secret_key: str
    token: str | None = None
    expires: float | None = None


class Storage:
    """One client. Not shared between threads: each has its own connection."""

    def __init__(
        self, env: Mapping[str, str] | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._env = os.environ if env is None else env
        self._sleep = sleep
        self._region = self._env.get("AWS_REGION") or self._env.get(
            "AWS_DEFAULT_REGION", "us-east-1"
        )
        self._endpoint = self._env.get("AWS_ENDPOINT_URL_S3") or self._env.get("AWS_ENDPOINT_URL")
        self._credentials: Credentials | None = None
        self._connections: dict[str, Connection] = {}

    def read(self, where: Location) -> bytes:
        """A small object, whole."""
        return self._request("GET", where).body

    def download(self, where: Location, to: Path) -> int:
        """An object of any size, streamed to a file; returns its size."""
        with to.open("wb") as sink:
            self._request("GET", where, sink=sink, timeout=300)
            return sink.tell()

    def write(self, where: Location, body: bytes, content_type: str) -> None:
        """Store an object."""
        self._request("PUT", where, body=body, content_type=content_type)

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections.values():
            connection.close()

    def _request(
        self,
        method: str,
        where: Location,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        sink: BinaryIO | None = None,
        timeout: float = 30,
    ) -> Answer:
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(0.1 * 4**attempt / 2)
                if sink is not None:
                    sink.seek(0)
                    sink.truncate()
            try:
                answer = self._send(
                    method, where, body, content_type=content_type, sink=sink, timeout=timeout
                )
            except WireError as error:
                problem = str(error)
                continue
            if answer.status < 300:
                return answer
            problem = f"HTTP {answer.status} {answer.text(300)}".strip()
            if answer.status < 500 and answer.status != 429:
                missing = answer.status == 404
                raise StorageError(
                    f"{method} s3://{where.bucket}/{where.key}: {problem}", missing=missing
                )
        raise StorageError(
            f"{method} s3://{where.bucket}/{where.key} failed {_ATTEMPTS} times: {problem}"
        )

    def _send(
        self,
        method: str,
        where: Location,
        body: bytes,
        *,
        content_type: str | None,
        sink: BinaryIO | None,
        timeout: float,
    ) -> Answer:
        base, path = self._address(where)
        if base not in self._connections:
            self._connections[base] = Connection(*dial(base))
        connection = self._connections[base]
        headers = sign(
            method,
            connection.host,
            path,
            body,
            credentials=self._current(),
            region=self._region,
            now=time.time(),
        )
        if content_type:
            headers["Content-Type"] = content_type
        return connection.request(
            method, path, headers, body if method == "PUT" else None, sink=sink, timeout=timeout
        )

    def _address(self, where: Location) -> tuple[str, str]:
        key = quote(where.key, safe="/-_.~")
        if self._endpoint:
            return self._endpoint.rstrip("/"), f"/{where.bucket}/{key}"
        return f"https://{where.bucket}.s3.{self._region}.amazonaws.com", f"/{key}"

    def _current(self) -> Credentials:
        known = self._credentials
        if known and (known.expires is None or known.expires - time.time() > _REFRESH_SECONDS):
            return known
        self._credentials = find_credentials(self._env)
        return self._credentials


def sign(
    method: str,
    host: str,
    path: str,
    body: bytes,
    *,
    credentials: Credentials,
    region: str,
    now: float,
) -> dict[str, str]:
    """The headers that make one S3 request ours."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    digest = hashlib.sha256(body).hexdigest() if body else _EMPTY
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        [
            method,
            path,
            "",
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            digest,
        ]
    )
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    to_sign = (
        f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    )
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    del headers["host"]  # the connection sends it
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return headers


def find_credentials(env: Mapping[str, str]) -> Credentials:
    """From the environment, else from the endpoint that a container is told of."""
    if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
        return Credentials(
            env["AWS_ACCESS_KEY_ID"],
            env["AWS_SECRET_ACCESS_KEY"],
            env.get("AWS_SESSION_TOKEN") or None,
        )
    url = env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if relative := env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        url = f"http://169.254.170.2{relative}"
    if not url:
        raise StorageError(
            "There are no AWS credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor "
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set."
        )
    headers = {}
    if token_file := env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        headers["Authorization"] = Path(token_file).read_text().strip()
    elif token := env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        headers["Authorization"] = token
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = Connection(*dial(url))
    answer = connection.request("GET", target, headers, timeout=5)
    connection.close()
    if answer.status != 200:
        raise StorageError(f"The credentials endpoint answered {answer.status}: {answer.text(200)}")
    record = json.loads(answer.body)
    return Credentials(
        record["AccessKeyId"],
        record["SecretAccessKey"],
        record.get("Token"),
        _seconds(record.get("Expiration")),
    )


def _seconds(stamp: str | None) -> float | None:
    if not stamp:
        return None
    import calendar  # noqa: PLC0415 - only a container's role has an end of life

    return float(calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")))
