"""Artifacts: what is removed with a prefix, and what stays, in memory and in S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.adapters import aws
from chalicelib.adapters.artifacts import PART, S3Artifacts
from chalicelib.adapters.memory import MemoryArtifacts
from chalicelib.errors import CodeHostUnavailable, NotFound
from chalicelib.ports import Artifacts

MANY = 1001
"""One more than S3 lists and removes at once."""


@dataclass
class Kept:
    artifacts: Artifacts
    s3: Any = None

    def put_source(self, key: str) -> None:
        if isinstance(self.artifacts, MemoryArtifacts):
            self.artifacts.sources[key] = b"x"
        else:
            self.s3.put_object(Bucket="sources", Key=key, Body=b"x")


@pytest.fixture(params=["memory", "s3"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    if request.param == "memory":
        yield Kept(MemoryArtifacts())
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    forget = [found for found in vars(aws).values() if hasattr(found, "cache_clear")]
    for cached in forget:
        cached.cache_clear()
    with mock_aws():
        s3 = aws.client("s3")
        for bucket in ("sources", "artifacts"):
            s3.create_bucket(Bucket=bucket)
        yield Kept(S3Artifacts("sources", "artifacts"), s3)
    for cached in forget:
        cached.cache_clear()


def test_all_of_one_organisation_goes_and_nothing_of_another(kept: Kept) -> None:
    artifacts = kept.artifacts
    for number in range(MANY):
        artifacts.put_json(f"org_1/agt_1/{number:05d}.json", number)
    artifacts.put_json("org_11/agt_1/order.json", 1)
    kept.put_source("org_1/agt_1/ver_1/source")
    kept.put_source("org_11/agt_1/ver_1/source")
    artifacts.remove_all("org_1/")
    assert artifacts.keys("org_1/") == []
    assert artifacts.source_size("org_1/agt_1/ver_1/source") is None
    assert artifacts.get_json("org_11/agt_1/order.json") == 1
    assert artifacts.source_size("org_11/agt_1/ver_1/source") == 1
    artifacts.remove_all("org_1/")


def test_what_a_build_left_is_copied_and_outlives_the_original(kept: Kept) -> None:
    artifacts = kept.artifacts
    artifacts.put_json("org_1/agt_1/ver_1/context", [1])
    artifacts.copy_built("org_1/agt_1/ver_1/context", "org_2/agt_2/ver_2/context")
    artifacts.remove_all("org_1/")
    assert artifacts.get_json("org_2/agt_2/ver_2/context") == [1]
    with pytest.raises(NotFound):
        artifacts.copy_built("org_1/agt_1/ver_1/context", "org_2/agt_2/ver_3/context")


@pytest.mark.parametrize("size", [0, 3, PART, PART + 1, 2 * PART + 5])
def test_a_source_that_comes_in_pieces_is_stored_whole(
    kept: Kept, size: int, tmp_path: Path
) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    pieces = [content[at : at + 1_000_003] for at in range(0, size, 1_000_003)]
    assert kept.artifacts.put_source("org_1/agt_1/ver_1/source", pieces) == size
    kept.artifacts.fetch_source("org_1/agt_1/ver_1/source", tmp_path / "source")
    assert (tmp_path / "source").read_bytes() == content


@pytest.mark.parametrize("before", [1, 2 * PART])
def test_a_source_that_breaks_off_is_not_stored_at_all(kept: Kept, before: int) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * before
        raise CodeHostUnavailable("It broke off.")

    with pytest.raises(CodeHostUnavailable):
        kept.artifacts.put_source("org_1/agt_1/ver_1/source", pieces())
    assert kept.artifacts.source_size("org_1/agt_1/ver_1/source") is None
    if kept.s3 is not None:
        assert "Uploads" not in kept.s3.list_multipart_uploads(Bucket="sources")


@pytest.mark.parametrize("size", [3, 2 * PART])
def test_a_source_that_is_there_already_stays(kept: Kept, size: int, tmp_path: Path) -> None:
    key = "org_1/agt_1/ver_1/source"
    kept.artifacts.put_source(key, [b"first"])
    kept.artifacts.put_source(key, [b"x" * size])
    kept.artifacts.fetch_source(key, tmp_path / "source")
    assert (tmp_path / "source").read_bytes() == b"first"


def test_a_picture_is_kept_as_what_it_is(kept: Kept) -> None:
    key = "media/a/b.png"
    kept.artifacts.put_media(key, b"points", "image/png")
    assert kept.artifacts.read(key) == b"points"
    if kept.s3 is not None:
        stored = kept.s3.head_object(Bucket="artifacts", Key=key)
        assert stored["ContentType"] == "image/png"
        assert "immutable" in stored["CacheControl"]
    kept.artifacts.remove_all(key)
    assert kept.artifacts.read(key) is None
