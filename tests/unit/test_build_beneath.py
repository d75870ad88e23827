"""Hostile code swaps paths of the source; the build program never goes where they lead."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.build.beneath import Beneath
from infra.build.faults import Failed
from infra.local.ground.cache import DependencyCache, bring


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A source in which `web` and `.venv` lead to a folder of the host's, `lock` to a file."""
    secret = tmp_path / "host"
    (secret / "node_modules").mkdir(parents=True)
    (secret / "file").write_text("secret")
    app = tmp_path / "app"
    (app / "real").mkdir(parents=True)
    (app / "real/file").write_text("own")
    for name in ("web", ".venv"):
        (app / name).symlink_to(secret)
    (app / "lock").symlink_to(secret / "file")
    return app


@pytest.mark.parametrize(
    "act",
    [
        lambda files: files.read("lock"),
        lambda files: files.read("web/file"),
        lambda files: files.is_file("lock"),
        lambda files: files.is_folder("web"),
        lambda files: files.is_folder("web/node_modules"),
        lambda files: files.write("lock", "evil"),
        lambda files: files.write("web/new", "evil"),
        lambda files: files.make_folder("web/new"),
        lambda files: files.make_folder(".venv"),
        lambda files: files.remove("web/node_modules"),
        lambda files: list(files.below("web").walk()),
    ],
)
def test_a_link_in_the_way_ends_the_build(app: Path, act: Callable[[Beneath], object]) -> None:
    with pytest.raises(Failed) as ended:
        act(Beneath(app))
    assert ended.value.reasons[0].code == "build_path_is_a_link"
    host = app.parent / "host"
    assert sorted(path.name for path in host.iterdir()) == ["file", "node_modules"]
    assert (host / "file").read_text() == "secret"


@pytest.mark.parametrize("name", [".venv", "web/node_modules"])
def test_only_a_real_folder_is_kept_as_dependencies(app: Path, name: str) -> None:
    cache = DependencyCache(app.parent / "cache")
    with pytest.raises(Failed, match="became a link"):
        cache.keep("org_1", "key", app, [name])
    assert cache.find("org_1", "key") is None
    assert list((app.parent / "cache/org_1").iterdir()) == []
    assert (app.parent / "host/node_modules").is_dir()


def test_a_folder_swapped_while_it_moves_is_refused(app: Path, tmp_path: Path) -> None:
    files = Beneath(app)
    (app / "file").write_text("no folder")
    with pytest.raises(Failed, match="became a link"):
        files.move_out("file", tmp_path / "moved")
    assert not (tmp_path / "moved").exists()


def test_kept_dependencies_are_never_brought_through_a_link(app: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(Failed, match="web became a link"):
        bring(tmp_path / "kept", app, "web/node_modules", tmp_path)
    bring(tmp_path / "kept", app, "real/node_modules", tmp_path)
    assert (app / "real/node_modules").is_dir()


def test_what_lies_outside_or_is_no_file_is_not_there(app: Path) -> None:
    os.mkfifo(app / "pipe")
    files = Beneath(app)
    assert files.read("pipe") is None
    assert files.read("../host/file") is None
    assert files.read("/etc/hosts") is None
    assert files.below("real").read("../real/file") == b"own"
    assert files.read("real/none") is None


def test_a_walk_reports_links_and_does_not_enter_them(app: Path) -> None:
    assert [name for name, _, _ in Beneath(app).walk()] == [
        ".venv",
        "lock",
        "real",
        "web",
        "real/file",
    ]


def test_what_is_not_there_has_nothing_in_it(app: Path) -> None:
    assert list(Beneath(app).below("nowhere").walk()) == []


def test_a_new_file_replaces_what_was_there(app: Path) -> None:
    os.link(app / "real/file", app / "other")
    Beneath(app).write("other", "new")
    assert (app / "other").read_text() == "new"
    assert (app / "real/file").read_text() == "own"
