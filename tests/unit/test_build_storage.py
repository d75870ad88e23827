"""S3 without an SDK: signed as the SDK signs, with credentials from where containers get them."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from infra.build.order import Location
from infra.build.storage import Credentials, Storage, StorageError, find_credentials, sign
from tests.unit.build_stage import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


@pytest.mark.parametrize("token", [None, "session/token+="])
@pytest.mark.parametrize(
    ("method", "path", "body"), [("GET", "/bucket/a/b%20c.zip", b""), ("PUT", "/bucket/x", b"data")]
)
def test_the_signature_is_what_the_sdk_makes(
    monkeypatch: pytest.MonkeyPatch, token: str | None, method: str, path: str, body: bytes
) -> None:
    now = 1_700_000_000.0
    ours = sign(
        method,
        "127.0.0.1:9000",
        path,
        body,
        credentials=Credentials("AKID", "SECRET", token),
        region="eu-central-1",
        now=now,
    )
    request = botocore.awsrequest.AWSRequest(
        method=method, url=f"http://127.0.0.1:9000{path}", data=body
    )
    when = datetime.fromtimestamp(now, UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: when, raising=False)
    known = botocore.credentials.Credentials("AKID", "SECRET", token)
    botocore.auth.S3SigV4Auth(known, "s3", "eu-central-1").add_auth(request)
    assert ours["Authorization"] == request.headers["Authorization"]


def test_objects_go_there_and_back(cloud: Cloud, tmp_path: Path) -> None:
    storage = Storage(cloud.env)
    where = Location("bucket", "org#1/ver é/report.json")
    storage.write(where, b"hello" * 1000, "application/json")
    assert storage.read(where) == b"hello" * 1000
    assert storage.download(where, tmp_path / "x") == 5000
    with pytest.raises(StorageError) as caught:
        storage.read(Location("bucket", "nothing"))
    assert caught.value.missing
    storage.close()


def test_a_stumbling_server_is_asked_again(cloud: Cloud) -> None:
    pauses: list[float] = []
    storage = Storage(cloud.env, sleep=pauses.append)
    cloud.fail_writes = 2
    storage.write(Location("bucket", "k"), b"x", "text/plain")
    assert len(pauses) == 2
    cloud.fail_writes = 99
    with pytest.raises(StorageError, match="SlowDown"):
        storage.write(Location("bucket", "k"), b"x", "text/plain")
    storage.close()


class _Endpoint(http.server.BaseHTTPRequestHandler):
    expires = "2099-01-01T00:00:00Z"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == "let-me-in"
        keys = {
            "AccessKeyId": f"ASIA{self.path.count('/')}",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": self.expires,
        }
        body = json.dumps(keys).encode() if allowed else b"no"
        self.send_response(200 if allowed else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_containers_role_is_asked_for_its_credentials(tmp_path: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Endpoint) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v2/x"
        token = tmp_path / "token"
        token.write_text("let-me-in\n")
        found = find_credentials(
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
            }
        )
        assert (found.access_key, found.token) == ("ASIA2", "t")
        assert found.expires is not None
        assert found.expires > time.time()
        with pytest.raises(StorageError, match="403"):
            find_credentials({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url})
        server.shutdown()


def test_no_credentials_is_said_clearly() -> None:
    with pytest.raises(StorageError, match="no AWS credentials"):
        find_credentials({})
