"""A source packed for a host that builds it: what is in it, what is not, and what names it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from infra.build.context import pack_context, published
from infra.build.deadline import Deadline
from infra.build.faults import Failed
from infra.build.grounds import Job
from infra.build.journal import Journal
from infra.build.masking import Masker
from infra.build.order import Order
from infra.build.report import Report
from tests.unit.build_stage import SERVER, Cloud
from tests.unit.test_build_program import PLAN, build, cloud

__all__ = ["cloud"]


def job(folder: Path, **plan: Any) -> Job:
    order = {
        "org_id": "org_1",
        "agent_id": "agt_1",
        "version_id": "ver_1",
        "source": {"bucket": "sources", "key": "source"},
        "plan": {"runtime": "static", "static_dir": "", **plan},
        "output": {"bucket": "artifacts", "prefix": "x/"},
        "repository": "r",
        "strategy": "source",
    }
    journal = Journal(lambda *_: None, Masker([]), log_bytes=1000)
    journal.close()
    source = folder / "source"
    source.mkdir(exist_ok=True)
    parsed = Order.parse(json.dumps(order).encode())
    return Job(parsed, source, folder, Report(journal), Deadline(10, "build"))


def members(packed: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        for member in tar:
            file = tar.extractfile(member)
            found[member.name] = file.read() if file else b""
    return found


def packed(made: Job) -> bytes:
    target = made.scratch / "context.tar.gz"
    pack_context(made, target)
    return target.read_bytes()


def test_the_same_source_gives_the_same_bytes_whenever_it_was_written(tmp_path: Path) -> None:
    made = job(tmp_path)
    (made.source / "b.html").write_text("b")
    (made.source / "a.html").write_text("a")
    first = packed(made)
    (made.source / "a.html").touch()
    assert packed(made) == first
    named = published(tmp_path / "context.tar.gz")
    assert named.image == f"source@sha256:{hashlib.sha256(first).hexdigest()}"
    (made.source / "a.html").write_text("other")
    assert packed(made) != first


def test_what_would_configure_the_host_or_leads_out_is_not_sent(tmp_path: Path) -> None:
    made = job(tmp_path)
    (tmp_path / "secret").write_text("s3cret")
    (made.source / "index.html").write_text("hello")
    for name in ("railway.json", "railway.toml"):
        (made.source / name).write_text("{}")
    for name in (".railway", ".slipway", ".git"):
        (made.source / name).mkdir()
        (made.source / name / "plan.json").write_text('{"start_command": "evil"}')
    (made.source / "link").symlink_to(tmp_path / "secret")
    found = members(packed(made))
    assert set(found) == {"index.html", "Dockerfile", ".slipway/plan.json"}
    assert json.loads(found[".slipway/plan.json"])["start_command"] is None


def test_a_dockerfile_of_its_own_is_the_one_that_is_sent(tmp_path: Path) -> None:
    made = job(tmp_path, runtime="dockerfile", dockerfile="deploy/Dockerfile")
    with pytest.raises(Failed, match="names no Dockerfile"):
        packed(made)
    (made.source / "deploy").mkdir()
    (made.source / "deploy" / "Dockerfile").write_text("FROM scratch\n")
    sent = members(packed(made))["Dockerfile"]
    assert sent.startswith(b"FROM scratch\nLABEL slipway.source=")
    (made.source / "deploy" / "Dockerfile").unlink()
    (tmp_path / "outside").write_text("FROM elsewhere\n")
    (made.source / "deploy" / "Dockerfile").symlink_to(tmp_path / "outside")
    with pytest.raises(Failed, match="names no Dockerfile"):
        packed(made)


def test_two_sources_are_never_built_into_one_image(tmp_path: Path) -> None:
    """What differs need not reach the image, so the image is told which source it was built of."""
    made = job(tmp_path)
    (made.source / "index.html").write_text("hello")
    labels = []
    for words in ("one", "other", "one"):
        (made.source / "README.md").write_text(words)
        labels.append(members(packed(made))["Dockerfile"].splitlines()[-1])
    assert labels[0].startswith(b"LABEL slipway.source=")
    assert labels[0] == labels[2] != labels[1]


def test_a_build_publishes_the_packed_source_and_no_image(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"main.py": SERVER}
    assert build(cloud, tmp_path, monkeypatch, files, PLAN, strategy="source") == 0, cloud.report()
    sent = cloud.objects["artifacts/org_1/agt_1/ver_1/context.tar.gz"]
    digest = hashlib.sha256(sent).hexdigest()
    assert cloud.report()["image"] == f"source@sha256:{digest}"
    found = members(sent)
    assert found["main.py"].decode() == SERVER
    assert b"main.py" in found["Dockerfile"]
    assert not cloud.manifests
