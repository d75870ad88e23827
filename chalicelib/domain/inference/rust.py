"""Rust sources: which binary of which package is started, and how it is built."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from chalicelib.domain.inference.dockerfile import Dockerfile
from chalicelib.domain.inference.evidence import Draft, Source, as_dict, as_list, as_text
from chalicelib.domain.inference.hints import Hints, runtime_of_command
from chalicelib.domain.inference.versions import wish_rust
from chalicelib.values import frozen

_PORT = re.compile(
    r"\"(?P<host>[\d.]+|localhost|\[::\]):(?P<port>\d{2,5})\""
    r"|\(\s*\[(?P<octets>\s*\d+\s*(?:,\s*\d+\s*){3})\]\s*,\s*(?P<port2>\d{2,5})\s*\)"
)


@frozen
class Binary:
    """One program a package builds."""

    name: str
    package: str
    folder: str


class RustApp:
    """One folder of a source, looked at as a Cargo package or workspace."""

    def __init__(self, source: Source, member: str | None = None) -> None:
        self.source = source
        self.member = member
        self.cargo = source.toml("Cargo.toml")
        self.workspace = as_dict(self.cargo.get("workspace"))
        self.binaries = self._choose(self._all_binaries())

    @property
    def marks(self) -> tuple[str, ...]:
        """The file that makes it Rust."""
        return ("Cargo.toml",) if self.source.has("Cargo.toml") else ()

    @property
    def strength(self) -> int:
        """3: a program is built; 1: only a library."""
        if self.binaries:
            return 3
        return 1 if self.source.has("Cargo.toml") else 0

    def plan(self, draft: Draft, hints: Hints, docker: Dockerfile | None) -> None:
        """Fill the draft; findings say what could not be found."""
        wish_rust(self.source, draft)
        if docker is not None and draft.get("toolchain") is None and docker.version("rust"):
            draft.set("toolchain", docker.version("rust"), f"{docker.name} FROM")
        draft.set("installer", "cargo", "Cargo.toml")
        lock = "Cargo.lock" if self.source.has("Cargo.lock") else "Cargo.toml"
        draft.set("install_files", (lock,), lock)
        draft.env({"RUST_LOG": "info"}, "Rust")
        if not self.binaries:
            draft.say(
                "error",
                "no_entry_point",
                "Cargo.toml builds a library and no program. Add src/main.rs, or name a binary in "
                "Cargo.toml; or add to agent.yaml: `start: {command: ./target/release/NAME}`.",
                self.source.path("Cargo.toml"),
            )
            return
        if len(self.binaries) > 1:
            self._ask(draft)
            return
        self._build(draft, self.binaries[0])
        self._start(draft, hints, self.binaries[0])

    def _build(self, draft: Draft, binary: Binary) -> None:
        offline = self.source.has_folder("vendor") and "vendor" in (
            self.source.text(".cargo/config.toml") + self.source.text(".cargo/config")
        )
        package = f" -p {binary.package}" if self.workspace and binary.package else ""
        command = f"cargo build --release{package} --bin {binary.name}"
        draft.set("build_command", command + (" --offline" if offline else ""), "Cargo.toml")

    def _start(self, draft: Draft, hints: Hints, binary: Binary) -> None:
        path = f"./target/release/{binary.name}"
        for hint in hints.start:
            if runtime_of_command(hint.value) == "rust" and f"/{binary.name}" in hint.value:
                draft.set("start_command", hint.value, hint.source)
                break
        else:
            env = "ROCKET_ADDRESS=0.0.0.0 ROCKET_PORT=$PORT " if self._uses("rocket") else ""
            draft.set("start_command", env + path, f"Cargo.toml: {binary.name}")
        self._listening(draft, binary)

    def _listening(self, draft: Draft, binary: Binary) -> None:
        prefix = f"{binary.folder}/src/" if binary.folder else "src/"
        files = [n for n in self.source.names if n.startswith(prefix) and n.endswith(".rs")][:100]
        text = "".join(self.source.text(name) for name in files)
        if re.search(r"\"[A-Z_]*PORT\"|rocket::", text):
            return
        for name in files:
            match = _PORT.search(self.source.text(name))
            if match is None:
                continue
            line = self.source.text(name).count("\n", 0, match.start()) + 1
            port = int(match["port"] or match["port2"])
            draft.set("port", port, f"{name} line {line}")
            host = match["host"] or re.sub(r"[\s]", "", match["octets"]).replace(",", ".")
            if host in ("127.0.0.1", "localhost"):
                draft.say(
                    "warning",
                    "listens_on_loopback",
                    f"{name} line {line} listens on 127.0.0.1 only, which nothing outside its "
                    "container can reach; listen on 0.0.0.0 and the port of the variable PORT.",
                    self.source.path(name),
                    line,
                )
            return

    def _ask(self, draft: Draft) -> None:
        names = [binary.name for binary in self.binaries]
        folders = {binary.folder for binary in self.binaries}
        draft.candidates = (
            tuple(self.source.path(folder) for folder in sorted(folders) if folder)
            if len(folders) > 1
            else ()
        )
        draft.say(
            "error",
            "two_entry_points",
            f"Cargo builds {', '.join(names[:8])}. Say which one is the agent: add to agent.yaml "
            f"`build: {{command: cargo build --release --bin {names[0]}}}` and "
            f"`start: {{command: ./target/release/{names[0]}}}`.",
            self.source.path("Cargo.toml"),
        )

    def _uses(self, name: str) -> bool:
        tables = [self.cargo, *(self.source.toml(f"{b.folder}/Cargo.toml") for b in self.binaries)]
        return any(name in as_dict(table.get("dependencies")) for table in tables)

    def _all_binaries(self) -> list[Binary]:
        found = self._binaries("", self.cargo)
        for folder in self._members():
            found += self._binaries(folder, self.source.toml(f"{folder}/Cargo.toml"))
        return found

    def _members(self) -> list[str]:
        globs = [as_text(item).strip("/") for item in as_list(self.workspace.get("members"))]
        excluded = [as_text(item) for item in as_list(self.workspace.get("exclude"))]
        folders = (n.rpartition("/")[0] for n in self.source.names if n.endswith("/Cargo.toml"))
        return sorted(
            folder
            for folder in folders
            if any(fnmatch.fnmatchcase(folder, pattern) for pattern in globs)
            and folder not in excluded
        )

    def _binaries(self, folder: str, cargo: dict[str, Any]) -> list[Binary]:
        package = as_dict(cargo.get("package"))
        name = as_text(package.get("name"))
        if not name:
            return []
        prefix = f"{folder}/" if folder else ""
        declared = [as_dict(item) for item in as_list(cargo.get("bin"))]
        names = [as_text(item.get("name")) for item in declared if item.get("name")]
        taken = any(as_text(item.get("path")) == "src/main.rs" for item in declared)
        if self.source.has(f"{prefix}src/main.rs") and not taken:
            names.append(name)
        for path in self.source.names:
            match = re.fullmatch(re.escape(prefix) + r"src/bin/([^/]+?)(\.rs|/main\.rs)", path)
            if match:
                names.append(match.group(1))
        names = list(dict.fromkeys(names))
        chosen = as_text(package.get("default-run"))
        if chosen in names:
            names = [chosen]
        elif name in names:
            names = [name]
        return [Binary(one, name, folder) for one in names]

    def _choose(self, binaries: list[Binary]) -> list[Binary]:
        if self.member is not None:
            return [binary for binary in binaries if binary.folder == self.member]
        own = [binary for binary in binaries if not binary.folder]
        if own:
            return own
        defaults = [as_text(item) for item in as_list(self.workspace.get("default-members"))]
        return [b for b in binaries if b.folder in defaults] or binaries
