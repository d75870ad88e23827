"""The ready-made agents: each does what it says, and fits the marketplace it is shown in."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from chalicelib.api.listings import ListingChange
from chalicelib.domain.listings import SLUG, Evidence, check_list, skeleton
from chalicelib.domain.manifest import parse_manifest
from chalicelib.domain.pages import read_pages
from chalicelib.domain.smoke import judge
from infra.gallery import SHARED, Showpiece, showpieces

PIECES = showpieces()
EACH = pytest.mark.parametrize("piece", PIECES, ids=lambda p: p.slug)


class Zipped:
    """A zip as the platform's rules see a source."""

    def __init__(self, body: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(body))

    def names(self) -> list[str]:
        return self._archive.namelist()

    def read(self, path: str, limit: int = 262_144) -> bytes:
        return self._archive.read(path)[:limit]


def test_there_are_enough_of_them_in_enough_categories() -> None:
    assert len(PIECES) >= 20
    categories = Counter(piece.listing["categories"][0] for piece in PIECES)
    assert len(categories) >= 5
    assert len({skeleton(p.slug) for p in PIECES}) == len(
        {skeleton(p.listing["name"]) for p in PIECES}
    )
    assert len({skeleton(p.slug) for p in PIECES}) == len(PIECES)


@EACH
def test_its_own_tests_pass(piece: Showpiece) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "-q"],
        cwd=piece.path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr


@EACH
def test_its_listing_passes_every_check_that_needs_no_build(piece: Showpiece) -> None:
    change = ListingChange.model_validate(piece.listing)
    source = Zipped(piece.source())
    assert piece.slug == piece.path.name
    assert SLUG.fullmatch(piece.slug)
    pages = read_pages(source)
    manifest = parse_manifest(source.read("agent.yaml"))
    assert manifest.category == piece.listing["categories"][0]
    health = manifest.health
    found = Evidence(
        ready=True,
        manifest=manifest.to_json(),
        plan={"health_path": health.path if health else ""},
        report={"state": "succeeded", "tests": [{"passed": True}]},
        readme=pages.readme,
        licence=pages.licence,
        summary=change.summary or "",
        categories=tuple(change.categories or ()),
    )
    assert [c.code for c in check_list(found) if not c.passed] == []


@EACH
def test_it_serves_what_its_manifest_promises(piece: Showpiece, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(piece.source())) as archive:
        archive.extractall(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        env={"PATH": os.defpath, "PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        reached(f"{base}/health")
        manifest = parse_manifest((tmp_path / "agent.yaml").read_bytes()).to_json()
        for test in manifest["tests"]:
            wanted = test["request"]
            body = json.dumps(wanted["json"]).encode() if "json" in wanted else None
            status, answer = call(wanted.get("method", "GET"), base + wanted["path"], body)
            assert judge(test["expect"], status, {}, answer) == "", answer
        status, page = call("GET", f"{base}/", None)
        assert status == 200
        assert b"<textarea" in page
        for wrong in (b"", b"not json", b"[]", b'{"a":' * 2000):
            status, _ = call("POST", base, wrong)
            assert status == 422
        assert call("GET", f"{base}/other", None)[0] == 404
    finally:
        server.terminate()
        server.wait(45)


def call(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=45) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def reached(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            call("GET", url, None)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def test_what_they_share_is_in_each_of_them() -> None:
    shared = {path.name for path in SHARED.iterdir() if path.is_file()}
    assert shared >= {"main.py", "LICENSE"}
    for piece in PIECES:
        names = set(Zipped(piece.source()).names())
        assert names >= shared | {"agent.py", "agent.yaml", "README.md", "test_agent.py"}
        assert piece.source() == piece.source()
