"""Rust sources: packages, workspaces, binaries."""

from __future__ import annotations

from chalicelib.domain.inference import infer
from tests.unit.sources import Files, plan_of

WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/old"]\n',
    "Cargo.lock": "",
    "crates/api/Cargo.toml": '[package]\nname = "api"\n',
    "crates/api/src/main.rs": "fn main() {}",
    "crates/core/Cargo.toml": '[package]\nname = "core"\n',
    "crates/core/src/lib.rs": "",
    "crates/old/Cargo.toml": '[package]\nname = "old"\n',
    "crates/old/src/main.rs": "",
}


def test_a_package_is_built_and_its_binary_started() -> None:
    plan = plan_of(
        {
            "Cargo.toml": '[package]\nname = "my-agent"\nrust-version = "1.75"\n',
            "src/main.rs": 'let port = std::env::var("PORT");',
            "rust-toolchain.toml": '[toolchain]\nchannel = "1.80.1"\n',
        }
    )
    assert (plan.runtime, plan.installer, plan.toolchain) == ("rust", "cargo", "1.80")
    assert plan.build_command == "cargo build --release --bin my-agent"
    assert plan.start_command == "./target/release/my-agent"
    assert plan.port is None


def test_a_vendored_package_is_built_offline() -> None:
    plan = plan_of(
        {
            "Cargo.toml": '[package]\nname = "a"\n',
            "src/main.rs": "",
            "vendor/x/src/lib.rs": "",
            ".cargo/config.toml": '[source.crates-io]\nreplace-with = "vendored-sources"\n',
        }
    )
    assert plan.build_command == "cargo build --release --bin a --offline"


def test_the_only_binary_of_a_workspace_is_taken() -> None:
    plan = plan_of(WORKSPACE)
    assert plan.build_command == "cargo build --release -p api --bin api"
    assert plan.start_command == "./target/release/api"


def test_two_binaries_are_a_question() -> None:
    files = {
        **WORKSPACE,
        "crates/web/Cargo.toml": '[package]\nname = "web"\n',
        "crates/web/src/main.rs": "",
    }
    result = infer(Files(files))
    assert [finding.code for finding in result.errors] == ["two_entry_points"]
    assert "agent.yaml" in result.errors[0].detail
    assert result.candidates == ("crates/api", "crates/web")
    plan = plan_of(files, choice="crates/web")
    assert (plan.root, plan.start_command) == ("", "./target/release/web")


def test_default_run_and_named_binaries_are_obeyed() -> None:
    files = {
        "Cargo.toml": '[package]\nname = "a"\ndefault-run = "serve"\n',
        "src/bin/serve.rs": "",
        "src/bin/other.rs": "",
    }
    assert plan_of(files).start_command == "./target/release/serve"
    named = {
        "Cargo.toml": '[package]\nname="a"\n[[bin]]\nname="b"\npath="src/main.rs"\n',
        "src/main.rs": "",
    }
    assert plan_of(named).start_command == "./target/release/b"


def test_a_library_is_no_agent() -> None:
    result = infer(Files({"Cargo.toml": '[package]\nname = "a"\n', "src/lib.rs": ""}))
    assert [finding.code for finding in result.errors] == ["no_entry_point"]
    assert "agent.yaml" in result.errors[0].detail


def test_rocket_is_told_where_to_listen() -> None:
    plan = plan_of(
        {
            "Cargo.toml": '[package]\nname = "a"\n[dependencies]\nrocket = "0.5"\n',
            "src/main.rs": "#[launch] fn r() { rocket::build() }",
        }
    )
    assert plan.start_command == "ROCKET_ADDRESS=0.0.0.0 ROCKET_PORT=$PORT ./target/release/a"


def test_fixed_ports_and_loopback_are_noticed() -> None:
    files = {
        "Cargo.toml": '[package]\nname = "a"\n',
        "src/main.rs": "\nlet a = SocketAddr::from(([127, 0, 0, 1], 3000));",
    }
    result = infer(Files(files))
    assert result.plan is not None
    assert result.plan.port == 3000
    assert [(f.code, f.line) for f in result.findings] == [("listens_on_loopback", 2)]
