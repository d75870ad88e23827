"""What the local ground reads from sources before it installs anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.domain.plan import Plan
from infra.build.beneath import Beneath
from infra.build.faults import Failed
from infra.build.layers import write_layer
from infra.build.masking import Masker
from infra.build.order import Order, OrderUnreadable
from infra.local.ground.cache import DependencyCache, key_of, unchanged
from infra.local.ground.node_managers import manager_for
from infra.local.ground.packing import _app_files, _pattern
from infra.local.ground.python_lists import (
    deciding_files,
    locked,
    pipenv_wants,
    poetry_wants,
    read_toml,
)
from infra.local.ground.python_versions import satisfies
from infra.local.ground.rust import simple_build


def test_poetry_names_come_with_the_versions_of_its_lock() -> None:
    project = {
        "tool": {
            "poetry": {
                "dependencies": {
                    "python": "^3.11",
                    "fastapi": "^0.110",
                    "uvicorn": {"version": "*", "extras": ["standard"]},
                    "colorama": {"version": "*", "markers": "sys_platform == 'win32'"},
                    "later": {"version": "1", "optional": True},
                    "mine": {"git": "https://h/mine.git", "tag": "v1"},
                    "near": {"path": "libs/near"},
                }
            }
        }
    }
    assert list(poetry_wants(project)) == [
        "fastapi",
        "uvicorn[standard]",
        "colorama ; sys_platform == 'win32'",
        "mine @ git+https://h/mine.git@v1",
        "./libs/near",
    ]
    assert list(poetry_wants({"project": {"dependencies": ["httpx>=0.27"]}})) == ["httpx>=0.27"]
    lock = {
        "package": [
            {"name": "fastapi", "version": "0.110.1"},
            {"name": "mine", "version": "1", "source": {"type": "git"}},
        ]
    }
    assert list(locked(lock)) == [("fastapi", "0.110.1")]


def test_pipenv_lists_the_whole_set() -> None:
    section = {
        "flask": {"version": "==3.0", "extras": ["async"]},
        "pywin32": {"version": "==306", "markers": "sys_platform == 'win32'"},
        "mine": {"git": "https://h/m.git", "ref": "abc"},
    }
    assert list(pipenv_wants(section)) == [
        "flask[async]==3.0",
        "pywin32==306 ; sys_platform == 'win32'",
        "mine @ git+https://h/m.git@abc",
    ]


def test_everything_that_decides_the_dependencies_is_in_the_key(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "requirements.txt").write_text("-r sub/base.txt\nflask\n")
    (tmp_path / "sub/base.txt").write_text("-c pins.txt\n")
    (tmp_path / "sub/pins.txt").write_text("flask==3\n")
    (tmp_path / "main.py").write_text("x")
    plan = Plan("python", installer="requirements", install_files=("requirements.txt",))
    assert deciding_files(Beneath(tmp_path), plan) == [
        "requirements.txt",
        "sub/base.txt",
        "sub/pins.txt",
    ]
    (tmp_path / "requirements.txt").write_text("-e .\n")
    assert "main.py" in deciding_files(Beneath(tmp_path), plan)


def test_a_broken_manifest_is_a_reason_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(Failed, match="not valid TOML"):
        read_toml(Beneath(tmp_path), "pyproject.toml")
    assert read_toml(Beneath(tmp_path), "none.toml") == {}


@pytest.mark.parametrize(
    ("wish", "version", "fine"),
    [
        ("3.11", "3.11", True),
        ("3.12", "3.11", False),
        (">=3.10", "3.11", True),
        (">=3.12", "3.11", False),
        ("^3.9", "3.11", True),
        (">=3.9,<3.11", "3.11", False),
        ("~=3.11", "3.13", True),
        ("python-3.11.4", "3.11", True),
        ("!=3.11", "3.11", True),
    ],
)
def test_a_wish_for_a_version(wish: str, version: str, *, fine: bool) -> None:
    assert satisfies(wish, version) is fine


def test_two_lists_never_share_a_key_by_accident() -> None:
    assert key_of("a", "bc") != key_of("ab", "c")
    assert key_of("a") == key_of(b"a")


def test_dependencies_are_kept_once_and_belong_to_one_organisation(tmp_path: Path) -> None:
    cache = DependencyCache(tmp_path / "cache")
    for round_ in range(2):
        app = tmp_path / f"app{round_}"
        (app / ".venv").mkdir(parents=True)
        (app / ".venv/x").write_text(str(round_))
        kept = cache.keep("org_1", "k", app, [".venv"])
        assert (kept.tree / ".venv/x").read_text() == "0"
        assert not (app / ".venv").exists()
    assert cache.find("org_2", "k") is None
    assert len(list((tmp_path / "cache/org_1").iterdir())) == 1
    (tmp_path / "cache/org_1/k/layer.json").unlink()  # an interrupted removal
    app = tmp_path / "app2"
    (app / ".venv").mkdir(parents=True)
    (app / ".venv/x").write_text("2")
    assert (cache.keep("org_1", "k", app, [".venv"]).tree / ".venv/x").read_text() == "2"


def test_a_build_that_changed_its_dependencies_is_noticed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "pkg").mkdir(parents=True)
        (tmp_path / name / "pkg/x.js").write_text("x")
    import os  # noqa: PLC0415

    for name in ("one", "two"):
        os.utime(tmp_path / name / "pkg/x.js", (1, 1))
    assert unchanged(tmp_path / "one", Beneath(tmp_path / "two"))
    (tmp_path / "two/.cache").mkdir()
    (tmp_path / "two/.cache/y").write_text("y")
    assert unchanged(tmp_path / "one", Beneath(tmp_path / "two"))
    (tmp_path / "two/pkg/x.js").write_text("patched")
    assert not unchanged(tmp_path / "one", Beneath(tmp_path / "two"))


def test_managers_speak_their_own_language() -> None:
    assert manager_for("npm", "9").locked[0] == "ci"
    assert "--frozen-lockfile" in manager_for("yarn-classic", None).locked
    assert manager_for("pnpm", "8.6.1").version == "8.6.1"
    assert manager_for("yarn-berry", None).version == "4"
    assert manager_for("none", None).name == "npm"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cargo build --release --bin x", ("cargo", "build", "--release", "--bin", "x")),
        ("cargo build && strip x", None),
        ("make", None),
        (None, None),
    ],
)
def test_a_plain_cargo_build_is_recognised(line: str | None, words: tuple[str, ...] | None) -> None:
    assert simple_build(line) == words


@pytest.mark.parametrize(
    ("glob", "name", "inside"),
    [
        ("dist", "dist/a/b.js", True),
        ("dist/*.js", "dist/a.js", True),
        ("dist/*.js", "dist/a/b.js", False),
        ("dist/**", "dist/a/b.js", True),
        ("**/*.py", "a/b/c.py", True),
        ("target/release/app", "target/release/app", True),
        ("target/release/app", "target/release/apple", False),
    ],
)
def test_include_globs(glob: str, name: str, *, inside: bool) -> None:
    assert bool(_pattern(glob).match(name)) is inside


def test_only_what_runs_is_packed(tmp_path: Path) -> None:
    for name in ("src/main.rs", "target/release/app", "target/release/app.d", "target/x", ".git/c"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    keep = _app_files(Plan("rust"), frozenset())
    layer = write_layer(tmp_path.parent / "l.tar", tmp_path, "app", keep=keep)
    data = layer.path.read_bytes()
    assert b"app/src/main.rs\0" in data
    assert b"app/target/release/app\0" in data
    assert b"app.d" not in data
    assert b"target/x" not in data
    assert b".git" not in data


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"no json", "not valid"),
        (b"{}", "lacks 'output'"),
        (b'{"output":{"bucket":"b","prefix":"p"},"org_id":"../x"}', "not an id"),
        (b"[]", "not valid"),
    ],
)
def test_an_order_that_cannot_be_read_says_which_part(text: bytes, words: str) -> None:
    with pytest.raises(OrderUnreadable, match=words):
        Order.parse(text)


def test_a_masker_knows_its_longest_form() -> None:
    assert Masker(["secret value"]).longest >= len("secret value")
    assert Masker().longest == 0
