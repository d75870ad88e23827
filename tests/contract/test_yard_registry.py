"""The registry keeps what it is given, exactly, and only that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.yard_harness import Yard, digest, running

AUTH = ("builder", "secret")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with running(tmp_path_factory.mktemp("yard")) as one:
        yield one


def url(yard: Yard, path: str) -> str:
    return f"http://{yard.registry}/v2/{path}"


def begin(yard: Yard, repository: str = "slipway/x") -> str:
    begun = yard.http.post(url(yard, f"{repository}/blobs/uploads/"), auth=AUTH)
    assert begun.status_code == 202
    return f"http://{yard.registry}{begun.headers['location']}"


def test_nothing_is_said_without_credentials(yard: Yard) -> None:
    for auth in (None, ("builder", "wrong"), ("", "")):
        answer = yard.http.get(url(yard, ""), auth=auth)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert yard.http.get(url(yard, ""), auth=AUTH).status_code == 200


def test_a_blob_comes_back_byte_for_byte_and_in_parts(yard: Yard) -> None:
    data = bytes(range(256)) * 5000
    name = yard.push_blob("slipway/x", data)
    place = url(yard, f"slipway/x/blobs/{name}")
    head = yard.http.head(place, auth=AUTH)
    assert head.headers["content-length"] == str(len(data))
    assert head.headers["docker-content-digest"] == name
    assert yard.http.get(place, auth=AUTH).content == data
    part = yard.http.get(place, auth=AUTH, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])


def test_a_blob_in_one_request_is_kept(yard: Yard) -> None:
    data = b"all at once"
    answer = yard.http.post(
        url(yard, "slipway/x/blobs/uploads/"),
        params={"digest": digest(data)},
        content=data,
        auth=AUTH,
    )
    assert answer.status_code == 201
    assert yard.http.get(url(yard, f"slipway/x/blobs/{digest(data)}"), auth=AUTH).content == data


def test_content_that_is_not_its_digest_is_refused_and_not_kept(yard: Yard) -> None:
    wrong = digest(b"something else")
    answer = yard.http.put(begin(yard), params={"digest": wrong}, content=b"this", auth=AUTH)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "DIGEST_INVALID"
    assert yard.http.head(url(yard, f"slipway/x/blobs/{wrong}"), auth=AUTH).status_code == 404


def test_a_piece_out_of_order_is_refused(yard: Yard) -> None:
    place = begin(yard)
    headers = {"content-range": "5-9"}
    answer = yard.http.patch(place, content=b"later", headers=headers, auth=AUTH)
    assert answer.status_code == 416
    headers = {"content-range": "0-4"}
    assert yard.http.patch(place, content=b"first", headers=headers, auth=AUTH).status_code == 202


def test_an_upload_can_be_given_up(yard: Yard) -> None:
    place = begin(yard)
    assert yard.http.delete(place, auth=AUTH).status_code == 204
    assert yard.http.patch(place, content=b"x", auth=AUTH).status_code == 404


def manifest(yard: Yard, note: str) -> bytes:
    config = yard.push_blob("slipway/x", note.encode())
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"digest": config, "size": len(note), "mediaType": "x/y"},
            "layers": [],
        }
    ).encode()


def put(yard: Yard, reference: str, body: bytes) -> httpx.Response:
    return yard.http.put(
        url(yard, f"slipway/x/manifests/{reference}"),
        content=body,
        headers={"content-type": MANIFEST},
        auth=AUTH,
    )


def test_a_manifest_is_found_by_digest_and_by_tag(yard: Yard) -> None:
    first, second = manifest(yard, "one"), manifest(yard, "two")
    for body in (first, second):
        assert put(yard, "latest", body).headers["docker-content-digest"] == digest(body)
    for reference, body in ((digest(first), first), ("latest", second)):
        found = yard.http.get(url(yard, f"slipway/x/manifests/{reference}"), auth=AUTH)
        assert found.content == body
        assert found.headers["content-type"] == MANIFEST
    tags = yard.http.get(url(yard, "slipway/x/tags/list"), auth=AUTH).json()
    assert tags == {"name": "slipway/x", "tags": ["latest"]}


def test_a_manifest_under_another_digest_is_refused(yard: Yard) -> None:
    answer = put(yard, digest(b"no"), manifest(yard, "three"))
    assert answer.json()["errors"][0]["code"] == "DIGEST_INVALID"


def test_a_manifest_whose_blobs_are_missing_is_refused(yard: Yard) -> None:
    body = json.dumps({"schemaVersion": 2, "config": {"digest": digest(b"absent")}}).encode()
    assert put(yard, "latest", body).json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_a_manifest_of_one_repository_is_not_in_another(yard: Yard) -> None:
    body = manifest(yard, "four")
    put(yard, "latest", body)
    found = yard.http.get(url(yard, f"slipway/other/manifests/{digest(body)}"), auth=AUTH)
    assert found.status_code == 404


def test_names_that_leave_the_registry_are_unknown(yard: Yard) -> None:
    for path in ("..%2f..%2fetc/blobs/sha256:00", "UPPER/blobs/uploads/", "slipway/x/blobs/md5:0"):
        assert yard.http.get(url(yard, path), auth=AUTH).status_code in (400, 404)


def test_a_large_blob_passes_without_filling_memory(yard: Yard) -> None:
    process = yard.process
    assert process is not None

    def peak() -> int:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    piece, count = b"\xa5" * (1 << 20), 64
    name = hashlib.sha256()
    for _ in range(count):
        name.update(piece)
    before = peak()
    place = begin(yard)
    stream = (piece for _ in range(count))
    assert yard.http.patch(place, content=stream, auth=AUTH).status_code == 202
    reference = f"sha256:{name.hexdigest()}"
    done = yard.http.put(place, params={"digest": reference}, auth=AUTH)
    assert done.status_code == 201
    size = 0
    with yard.http.stream("GET", url(yard, f"slipway/x/blobs/{reference}"), auth=AUTH) as back:
        for chunk in back.iter_bytes():
            size += len(chunk)
    assert size == count << 20
    assert peak() - before < 24_000  # kB
