"""Layers are the same bytes for the same files; an image is whole in the registry or not there."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.domain.plan import Plan
from infra.build.faults import Failed
from infra.build.layers import Layer, write_layer
from infra.build.oci import Image, Registry
from infra.build.static_site import StaticSite
from tests.unit.build_stage import REPOSITORY, Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


def tree(folder: Path) -> Path:
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg/run.sh").write_text("#!/bin/sh\n")
    (folder / "pkg/run.sh").chmod(0o700)
    (folder / "a.txt").write_text("a")
    (folder / "a.txt").chmod(0o600)
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    return folder


def test_a_layer_depends_on_nothing_but_the_files(tmp_path: Path) -> None:
    one = write_layer(tmp_path / "1.tar", tree(tmp_path / "one"), "app")
    two = tree(tmp_path / "two")
    os.utime(two / "a.txt", (1, 1))
    again = write_layer(tmp_path / "2.tar", two, "app")
    assert (one.digest, one.size) == (again.digest, again.size)
    assert one.size == one.path.stat().st_size
    with tarfile.open(one.path) as tar:
        found = {m.name: (m.type, m.mode, m.uid, m.mtime) for m in tar.getmembers()}
        assert tar.getmember("app/link").linkname == "/etc/passwd"
    assert found["app/pkg/run.sh"] == (tarfile.REGTYPE, 0o755, 0, 0)
    assert found["app/a.txt"] == (tarfile.REGTYPE, 0o644, 0, 0)
    assert "app/empty" in found
    assert "app/pipe" not in found


def test_a_layer_can_leave_things_out(tmp_path: Path) -> None:
    folder = tree(tmp_path / "one")
    layer = write_layer(
        tmp_path / "1.tar",
        folder,
        "app",
        keep=lambda name, is_folder: is_folder or name.endswith(".sh"),
        empty_folders=False,
    )
    with tarfile.open(layer.path) as tar:
        assert tar.getnames() == ["app", "app/pkg", "app/pkg/run.sh"]


def test_a_noted_layer_is_found_again(tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "layer.tar", tree(tmp_path / "one"), "app")
    (tmp_path / "layer.json").write_text(layer.note())
    assert Layer.noted(tmp_path / "layer.json") == layer


def test_pushing_twice_uploads_once_and_gives_the_same_digest(cloud: Cloud, tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "layer.tar", tree(tmp_path / "one"), "app")
    image = Image(("/bin/sh", "-c", "run"), env={"B": "2", "A": "1"}, port=80, labels={"x": "y"})
    repository = f"127.0.0.1:{cloud.port}/{REPOSITORY}"
    first = Registry(repository, "me", "secret").push(image, [layer], "ver_1")
    uploads = sum(method == "PUT" and "/uploads/" in path for method, path, _ in cloud.requests)
    second = Registry(repository, "me", "secret").push(image, [layer], "ver_2")
    again = sum(method == "PUT" and "/uploads/" in path for method, path, _ in cloud.requests)
    assert first == second
    assert uploads == again == 2
    config = json.loads(cloud.blobs[json.loads(cloud.manifests["ver_1"])["config"]["digest"]])
    assert config["config"]["Env"] == ["A=1", "B=2"]
    assert config["config"]["ExposedPorts"] == {"80/tcp": {}}
    assert config["rootfs"]["diff_ids"] == [layer.digest]
    assert all(h.get("Authorization", "").startswith("Basic ") for _, _, h in cloud.requests)


def test_a_registry_that_is_away_or_refuses_says_so(cloud: Cloud, tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "layer.tar", tree(tmp_path / "one"), "app")
    other = Registry(f"127.0.0.1:{cloud.port}/other/name")
    with pytest.raises(Failed, match="refused"):
        other.push(Image(()), [layer], "v")
    away = Registry("127.0.0.1:1/slipway/agt_1")
    with pytest.raises(Failed, match="did not answer"):
        away.push(Image(()), [layer], "v")


def test_a_site_answers_as_its_host_will(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "about.html").write_text("about")
    (tmp_path / "docs/index.html").write_text("docs")
    (tmp_path.parent / "secret.txt").write_text("no")
    site = StaticSite.open(tmp_path, Plan("static"))
    assert site.answer("GET", "/?x=1").body == b"home"
    assert site.answer("GET", "/about").body == b"about"
    assert site.answer("GET", "/docs/").body == b"docs"
    assert site.answer("HEAD", "/").body == b""
    assert site.answer("POST", "/").status == 405
    assert site.answer("GET", "/../secret.txt").status == 404
    assert site.answer("GET", "/%2e%2e/secret.txt").status == 404
    assert site.answer("GET", "/nowhere").status == 404
    single = StaticSite.open(tmp_path, Plan("static", single_page=True))
    assert single.answer("GET", "/deep/link").body == b"home"
    assert single.answer("GET", "/missing.js").status == 404


def test_links_of_a_site_lead_nowhere_outside(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "index.html").write_text("no")
    source = tmp_path / "source"
    (source / "site").mkdir(parents=True)
    (source / "site/about.html").write_text("about")
    for name in ("site/index.html", "site/leak.html"):
        (source / name).symlink_to(secret / "index.html")
    (source / "site/folder").symlink_to(secret)
    (source / "site/circle").symlink_to("circle")
    site = StaticSite.open(source, Plan("static", static_dir="site", single_page=True))
    assert site.answer("GET", "/about").body == b"about"
    for path in ("/", "/leak", "/leak.html", "/folder/", "/circle", "/deep/link"):
        assert site.answer("GET", path).status == 404, path
    (source / "dist").symlink_to(secret)
    for away in ("dist", "../secret"):
        with pytest.raises(Failed, match="leads out of the source"):
            StaticSite.open(source, Plan("static", static_dir=away))


def test_a_site_without_pages_or_folder_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"build\.output"):
        StaticSite.open(tmp_path, Plan("static", static_dir="dist"))
    with pytest.raises(Failed, match=r"no index\.html"):
        StaticSite.open(tmp_path, Plan("static"))
