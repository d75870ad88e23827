"""Which sources share downloads: never one that could have its code run among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.build.beneath import Beneath
from infra.local.ground.node_managers import manager_for
from infra.local.ground.plain import plain_node, plain_python, plain_rust


def source(folder: Path, files: Mapping[str, str]) -> Beneath:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Beneath(folder)


@pytest.mark.parametrize(
    ("files", "plain"),
    [
        ({"web/requirements.txt": "flask==3\n-r base.txt\n"}, True),
        ({"web/pyproject.toml": "[project]\nname='x'\n[tool.ruff]\n"}, True),
        ({"web/uv.toml": "[pip]\ntarget='/build/uv'\n"}, False),
        ({"uv.toml": ""}, False),
        ({"pyproject.toml": "[tool.uv.pip]\ncompile-bytecode = true\n"}, False),
        ({"web/requirements.txt": "--find-links wheels\nflask\n"}, False),
        ({"web/requirements.txt": "flask\n -f wheels\n"}, False),
    ],
)
def test_uv_with_settings_of_the_source_is_on_its_own(
    tmp_path: Path, files: Mapping[str, str], *, plain: bool
) -> None:
    assert plain_python(source(tmp_path, files), "web", ["requirements.txt"]) is plain


@pytest.mark.parametrize(
    "wish",
    [
        "^1.2.3",
        "1 - 2 || >=3.x",
        "latest",
        "*",
        "npm:string-width@^4.2",
        "npm:@a/b@1",
        "workspace:^",
    ],
)
def test_versions_from_the_registry_are_plain(tmp_path: Path, wish: str) -> None:
    files = source(tmp_path, {"package.json": json.dumps({"dependencies": {"a": wish}})})
    assert plain_node(files, "", ["package.json"])


@pytest.mark.parametrize(
    "wish",
    ["git+https://h/x.git", "x/y", "github:x/y", "file:./x", "exec:./x.js", "https://h/x.tgz"],
)
@pytest.mark.parametrize("section", ["dependencies", "overrides", "resolutions"])
def test_what_is_made_elsewhere_is_not(tmp_path: Path, wish: str, section: str) -> None:
    files = source(tmp_path, {"web/package.json": json.dumps({section: {"a": wish}})})
    assert not plain_node(files, "web", ["package.json"])


@pytest.mark.parametrize(
    "files",
    [
        {".npmrc": "git=/app/evil.sh"},
        {"web/.npmrc": ""},
        {"web/.pnpmfile.cjs": ""},
        {"web/.yarnrc.yml": "plugins: []"},
        {".yarn/plugins/x.cjs": ""},
        {"web/package.json": '{"pnpm": {}}'},
        {"web/package.json": "no json"},
        {"web/own/package.json": '{"dependencies": {"a": "x/y"}}'},
        {"web/package-lock.json": '{"a": {"resolved": "git+ssh://git@h/x.git#1"}}'},
        {"web/yarn.lock": '"a@exec:./x.js":\n'},
    ],
)
def test_managers_with_settings_of_the_source_are_on_their_own(
    tmp_path: Path, files: Mapping[str, str]
) -> None:
    assert not plain_node(source(tmp_path, files), "web", ["package.json", "own/package.json"])


def test_cargo_with_settings_of_the_source_is_on_its_own(tmp_path: Path) -> None:
    assert plain_rust(source(tmp_path, {"web/Cargo.toml": ""}), "web")
    files = source(tmp_path, {".cargo/config.toml": "[build]\nrustc-wrapper = '/app/evil'\n"})
    assert not plain_rust(files, "web")


def test_npm_uses_this_machines_git_and_managers_only_their_own_versions() -> None:
    npm = manager_for("npm", None)
    assert all("--git=/usr/bin/git" in words for words in (npm.install, npm.locked, npm.add))
    assert manager_for("pnpm", "npm:evil@1").version == manager_for("pnpm", None).version
    assert manager_for("yarn-berry", "4.1.0-rc.1").version == "4.1.0-rc.1"
