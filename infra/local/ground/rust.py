"""Building Rust: crates are fetched first, then everything is compiled without the network."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from infra.build.faults import Failed
from infra.local.ground.bench import Command, Workbench
from infra.local.ground.cache import DependencyCache, bring, identity, key_of
from infra.local.ground.plain import plain_rust
from infra.local.ground.python_lists import read_toml

_ENV = {
    "CARGO_TERM_PROGRESS_WHEN": "never",
    "CARGO_NET_GIT_FETCH_WITH_CLI": "false",
}
_COMPILED = ("target/release/.fingerprint", "target/release/build", "target/release/deps")


class RustBuild:
    """One cargo project, compiled for release."""

    def __init__(self, bench: Workbench, cache: DependencyCache, downloads: Path) -> None:
        self._bench = bench
        self._cache = cache
        plan = bench.job.order.plan
        self._wanted = simple_build(plan.build_command) or ("cargo", "build", "--release")
        self._root = plan.install_root if plan.install_root is not None else plan.root
        self._folder = bench.files.below(self._root)
        shared = plain_rust(bench.files, self._root)
        self._downloads = downloads if shared else bench.job.scratch / "cargo"
        # cargo's settings lie in its home, which is the sandbox's; only the crates are kept.
        self._home = bench.build_tools.env.get("CARGO_HOME", "/build/cargo") + "/registry"

    def build(self) -> None:
        """Compiles; crates that others wrote come compiled when nothing about them changed."""
        missing = self._bench.build_tools.missing
        if "cargo" in missing:
            raise Failed.because(
                "rust_missing",
                "This machine has no Rust (cargo), which this source needs. Install it.",
            )
        if "cc" in missing:
            self._bench.job.report.warn("This machine has no C compiler; linking may fail.")
        self._downloads.mkdir(parents=True, exist_ok=True)
        foreign = self._foreign_crates()
        lock = self._folder.is_file("Cargo.lock") and "--locked" not in self._wanted
        locked = ("--locked",) if lock else ()
        if foreign and not self._vendored():
            self._bench.run(
                Command(
                    f"Fetching {foreign} crates",
                    ("cargo", "fetch", *locked),
                    workdir=self._root,
                    env=_ENV,
                    binds=((self._downloads, self._home, False),),
                )
            )
        key = self._key()
        org = self._bench.job.order.org_id
        kept = self._cache.find(org, key) if foreign else None
        if kept is not None:
            for name in kept.folders:
                bring(kept.tree / name, self._bench.app, name, self._bench.job.scratch)
        self._bench.run(
            Command(
                "Compiling",
                # Nothing is fetched any more, and what others wrote cannot change the crates here.
                (*self._wanted, "--offline", *locked),
                workdir=self._root,
                network="none",
                env=_ENV,
                binds=((self._downloads, self._home, True),),
            )
        )
        if foreign and kept is None:
            self._remember(org, key)

    def _remember(self, org: str, key: str) -> None:
        names = [f"{self._root}/{name}".lstrip("/") for name in _COMPILED]
        names = [name for name in names if self._bench.files.is_folder(name)]
        self._cache.keep(org, key, self._bench.app, names)

    def _foreign_crates(self) -> int:
        """How many crates come from elsewhere, by the lock; without one, by the manifest."""
        lock = read_toml(self._folder, "Cargo.lock")
        if lock:
            return sum(1 for package in lock.get("package", ()) if package.get("source"))
        manifest = read_toml(self._folder, "Cargo.toml")
        wanted = {**manifest.get("dependencies", {}), **manifest.get("build-dependencies", {})}
        return sum(1 for wish in wanted.values() if not (isinstance(wish, dict) and "path" in wish))

    def _vendored(self) -> bool:
        for name in (".cargo/config.toml", ".cargo/config"):
            for folder in (self._folder, self._bench.files):
                sources = read_toml(folder, name).get("source", {})
                if any(isinstance(one, dict) and "directory" in one for one in sources.values()):
                    return True
        return False

    def _compiler(self) -> str:
        """Which compiler this is; artefacts of another one are useless."""
        for source, _, _ in self._bench.build_tools.binds:
            if isinstance(source, Path) and (source / "bin/rustc").is_file():
                return identity(os.fspath(source / "bin/rustc"))
        return identity("/usr/bin/rustc")

    def _key(self) -> str:
        parts: list[str | bytes] = [
            "rust",
            self._root,
            self._compiler(),
            self._bench.job.order.agent_id,
        ]
        for name in ("Cargo.lock", "Cargo.toml", ".cargo/config.toml"):
            if (data := self._folder.read(name)) is not None:
                parts += [name, data]
        return key_of(*parts)


def simple_build(line: str | None) -> tuple[str, ...] | None:
    """The words of a plain `cargo build …`; None for anything that needs a shell."""
    if not line or re.search(r"[|&;<>$`(){}*?]", line):
        return None
    words = tuple(shlex.split(line))
    return words if words[:2] == ("cargo", "build") else None
