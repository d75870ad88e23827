"""Builds inside: each runtime's tools work there, and fetch where this machine says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.sandbox import (
    Limits,
    Sandbox,
    Spec,
    Toolchain,
    cargo_settings,
    npm_settings,
    packages,
    pip_settings,
    probe,
    toolchains,
)
from tests.infra import sandbox_ground as ground

ROOMY = Limits(memory_mb=1024, processes=256, tmp_mb=256, home_mb=512)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    state = ground.open_folder("slipway-state-")
    found = probe(state)
    if not found.usable:
        pytest.skip(found.reason)
    with Sandbox(found, state) as made:
        yield made
    shutil.rmtree(state, ignore_errors=True)


def chain(runtime: str) -> Toolchain:
    found = toolchains(runtime)
    if found.missing:
        pytest.skip(f"this machine lacks {', '.join(found.missing)}")
    return found


def build(box: Sandbox, found: Toolchain, files: dict[str, str], line: str) -> str:
    with ground.app(files) as folder:
        spec = Spec(
            app=folder,
            writable=True,
            command=["sh", "-c", line],
            env={**found.env, "PATH": found.search_path},
            binds=found.binds,
            limits=ROOMY,
        )
        code, said = ground.outcome(box, spec, within=60)
    assert code == 0, said
    return said


def test_python_builds_an_environment(box: Sandbox) -> None:
    line = "uv venv -q .venv && .venv/bin/python -c 'import sys; print(sys.prefix)'"
    assert build(box, chain("python"), {}, line).strip().endswith("/app/.venv")


def test_nodejs_installs_from_a_folder(box: Sandbox) -> None:
    files = {
        "package.json": '{"name": "a", "version": "1.0.0", "dependencies": {"b": "file:./b"}}',
        "b/package.json": '{"name": "b", "version": "1.0.0", "main": "index.js"}',
        "b/index.js": "module.exports = 'from b';",
    }
    line = "npm install --offline >/dev/null 2>&1; node -e 'console.log(require(\"b\"))'"
    assert "from b" in build(box, chain("nodejs"), files, line)


def test_rust_compiles_and_links(box: Sandbox) -> None:
    files = {
        "Cargo.toml": '[package]\nname = "a"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/main.rs": 'fn main() { println!("compiled"); }',
    }
    line = "cargo build -q --release --offline && target/release/a"
    assert "compiled" in build(box, chain("rust"), files, line)


def test_nodejs_fetches_through_the_proxy(box: Sandbox) -> None:
    """An unchanged program that knows nothing of proxies gets the proxy's answer."""
    program = (
        "const https = require('node:https');\n"
        "const asked = https.get('https://nowhere.test/');\n"
        "asked.on('error', (e) => console.log('1', e.message));\n"
        "fetch('https://nowhere.test/').catch((e) => console.log('2', e.cause.message));\n"
        "const http = require('node:http');\n"
        "const near = http.createServer((q, r) => r.end('near')).listen(7000, async () => {\n"
        "  console.log('3', await (await fetch('http://127.0.0.1:7000/')).text());\n"
        "  near.close(); near.closeAllConnections();\n"
        "});\n"
    )
    said = build(box, chain("nodejs"), {"a.js": program}, "node a.js")
    refusal = "this sandbox may not reach any other host"
    assert sum(refusal in line for line in said.splitlines()) == 2, said
    assert "3 near" in said


def test_an_unknown_runtime_needs_nothing() -> None:
    assert toolchains("static") == Toolchain()


def test_pip_settings_reach_uv_and_name_their_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index/simple"
    index.mkdir(parents=True)
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\n"
        "index-url = https://user:pw@mirror.invalid:8443/simple\n"
        f"extra-index-url = file://{index}\n"
        "    http://second.invalid/simple\n"
        f"find-links = {tmp_path}\n"
        "trusted-host = second.invalid\n"
    )
    for name in list(packages.variables()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    found = pip_settings.python.__wrapped__()
    assert found.hosts() == {"mirror.invalid:8443", "second.invalid:80"}
    assert found.env["UV_DEFAULT_INDEX"] == "https://user:pw@mirror.invalid:8443/simple"
    assert found.env["UV_INDEX"] == f"file://{index} http://second.invalid/simple"
    assert found.env["UV_INSECURE_HOST"] == "second.invalid"
    assert {index.parent, tmp_path} <= set(found.folders())
    assert b"mirror.invalid" in found.files[".config/pip/pip.conf"]


def test_npm_hands_on_a_mirrors_token_but_no_publishing_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    (tmp_path / ".npmrc").write_text(
        "@own:registry=https://npm.invalid/own/\n"
        "//npm.invalid/own/:_authToken=for-the-mirror\n"
        "//elsewhere.invalid/:_authToken=for-publishing\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(tmp_path / ".npmrc"))
    found = npm_settings.node.__wrapped__()
    handed = found.files[".npmrc"].decode()
    assert "npm.invalid:443" in found.hosts()
    assert "for-the-mirror" in handed
    assert "for-publishing" not in handed


def test_cargo_settings_name_their_hosts_and_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "own"\n'
        '[source.own]\nregistry = "sparse+https://crates.invalid/index/"\n'
        f'[source.local]\ndirectory = "{tmp_path}/vendor"\n'
        '[registries.second]\nindex = "https://second.invalid/index"\n'
    )
    (tmp_path / "credentials.toml").write_text('[registry]\ntoken = "for-publishing"\n')
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    found = cargo_settings.rust.__wrapped__()
    assert {"crates.invalid:443", "second.invalid:443"} <= found.hosts()
    assert tmp_path / "vendor" in found.folders()
    assert not any(b"for-publishing" in content for content in found.files.values())
