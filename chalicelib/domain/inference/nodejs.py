"""Node.js sources: how sure we are that one is meant, and the plan for it."""

from __future__ import annotations

import re

from chalicelib.domain.inference.dockerfile import Dockerfile
from chalicelib.domain.inference.evidence import Draft, Source, as_dict, as_text
from chalicelib.domain.inference.frontends import Site, find_site
from chalicelib.domain.inference.hints import Hints, program, runtime_of_command
from chalicelib.domain.inference.nodejs_packages import Manager, is_workspace, read_manager
from chalicelib.domain.inference.nodejs_start import (
    SERVER_PACKAGES,
    NodeEntry,
    fixed_port,
    framework,
    is_dev_server,
    loopback_line,
    main_files,
    missing_file,
    served_folder,
    serves_many,
    standalone,
    start_script,
)
from chalicelib.domain.inference.versions import wish_node


class NodeApp:
    """One folder of a source, looked at as Node.js: an app that runs, or a site that is built."""

    def __init__(self, source: Source, only: str | None = None) -> None:
        self.source = source
        self.package = source.json("package.json")
        self.scripts = as_dict(self.package.get("scripts"))
        self.start = None if only else start_script(source, self.package)
        self.site = None if only else self._site()
        self.framework = framework(source, self.package)
        self.files = main_files(source, self.package, only)

    @property
    def marks(self) -> tuple[str, ...]:
        """The files that make it Node.js."""
        if self.source.has("package.json"):
            return ("package.json",)
        return tuple(entry.file for entry in self.files if entry.file)

    @property
    def strength(self) -> int:
        """3: something is started; 2: declared as Node.js; 1: there is JavaScript in it."""
        if self.start or self.framework or any(entry.listens for entry in self.files):
            return 0 if serves_many(self.package) and not self.start else 3
        declared = self.source.has("package.json") and not is_workspace(self.source)
        return (2 if declared else 1) if self.files else 0

    def _uses(self, name: str) -> bool:
        return name in as_dict(self.package.get("dependencies")) or name in as_dict(
            self.package.get("devDependencies")
        )

    def _site(self) -> Site | None:
        """A site, unless a server of its own stands beside it."""
        site = find_site(self.source, self.package)
        text = as_text(self.scripts.get("start"))
        folder = served_folder(text)
        serves = any(self._uses(name) for name in SERVER_PACKAGES)
        if site is not None:
            if self.start is not None and serves and runtime_of_command(self.start.command):
                return None
            if folder:
                return Site(folder, site.single_page or "-s" in text.split(), site.tool, site.build)
            return site
        if serves or self.start is not None:
            return None
        if folder is not None and (self.scripts.get("build") or self._has_index(folder)):
            return Site(folder, "-s" in text.split(), "the start script", "")
        return None

    def _has_index(self, folder: str) -> bool:
        return self.source.has(f"{folder}/index.html" if folder else "index.html")

    def plan_site(self, draft: Draft, hints: Hints, top: Source) -> None:
        """Fill the draft for a site that is built and served."""
        assert self.site is not None  # noqa: S101  (asked for by whoever saw one)
        if self.site.build or self.scripts.get("build"):
            self._build(draft, hints, self._install(draft, top), self.site.build or None)
        folder, why = self.site.folder, f"package.json: {self.site.tool}"
        if hints.static:
            folder, why = hints.static[0].value.strip("./"), hints.static[0].source
        draft.set("static_dir", folder, why)
        draft.set("single_page", self.site.single_page, f"package.json: {self.site.tool}")
        if is_dev_server(as_text(self.scripts.get("start"))):
            draft.say(
                "info",
                "static_output",
                "The start script is a development server; the site is built and served instead.",
                self.source.path("package.json"),
                self.source.line_of("package.json", r'"start"\s*:'),
            )

    def install_for_site(self, draft: Draft, hints: Hints, top: Source) -> None:
        """Install and build for a site whose folder the manifest names."""
        self._build(draft, hints, self._install(draft, top), None)

    def plan(self, draft: Draft, hints: Hints, docker: Dockerfile | None, top: Source) -> None:
        """Fill the draft for an app that runs; findings say what could not be found."""
        manager = self._install(draft, top)
        if docker is not None and draft.get("toolchain") is None and docker.version("nodejs"):
            draft.set("toolchain", docker.version("nodejs"), f"{docker.name} FROM")
        draft.env({"NODE_ENV": "production", "NPM_CONFIG_UPDATE_NOTIFIER": "false"}, "Node.js")
        entry = self._entry(draft, hints, docker)
        if entry is None:
            return
        self._build(draft, hints, manager, entry.build)
        alone = standalone(self.source, self.package, draft.get("build_command", "npx next build"))
        if alone is not None and alone.build:
            entry = alone
            draft.set("build_command", alone.build, alone.why)
        draft.set("start_command", entry.command, entry.why)
        draft.add("extra_packages", entry.extra, f"{entry.why} needs it")
        if program(entry.command) == "bun" and not self._uses("bun"):
            draft.add("extra_packages", ("bun",), entry.why)
        if "bun" in draft.get("extra_packages", ()):
            # Its program is put in place by a script of its own, which installing may leave out.
            draft.add("post_install", ("node node_modules/bun/install.js",), entry.why)
        self._listening(draft, entry)
        self._missing(draft, entry)

    def _install(self, draft: Draft, top: Source) -> Manager:
        wish_node(self.source, draft)
        home = self.source
        if self.source.root and is_workspace(top):
            home = top
            draft.set("install_root", "", "workspaces at the top")
        elif self.source.root and not self.source.has("package.json") and top.has("package.json"):
            home = top  # where Node.js looks for modules on its way up
            draft.set("install_root", "", "package.json at the top")
        manager = read_manager(home, draft)
        if home.has("package.json"):
            draft.set("installer", manager.installer, manager.why)
            draft.set("install_files", (manager.lock or "package.json",), manager.why)
            if manager.version:
                draft.set("installer_version", manager.version, manager.why)
        self._prisma(draft)
        return manager

    def _prisma(self, draft: Draft) -> None:
        schema = self.source.first("prisma/schema.prisma", "schema.prisma")
        own = f"{self.scripts.get('postinstall', '')} {self.scripts.get('build', '')}"
        uses = self._uses("prisma") or self._uses("@prisma/client")
        if schema and uses and "prisma generate" not in own:
            draft.add("post_install", ("npx prisma generate",), schema)

    def _build(self, draft: Draft, hints: Hints, manager: Manager, fallback: str | None) -> None:
        if self.scripts.get("build"):
            line = self.source.line_of("package.json", r'"build"\s*:')
            draft.set("build_command", f"{manager.run} build", f"package.json line {line}")
        elif hints.build and not re.search(r"\b(install|ci)\b", hints.build[0].value):
            draft.set("build_command", hints.build[0].value, hints.build[0].source)
        elif fallback:
            draft.set("build_command", fallback, "the framework's own build")

    def _entry(self, draft: Draft, hints: Hints, docker: Dockerfile | None) -> NodeEntry | None:
        for hint in hints.start:
            if runtime_of_command(hint.value) == "nodejs" and not is_dev_server(hint.value):
                return self._borrowed(hint.value, hint.source)
        if self.start is not None:
            return self.start
        if docker is not None and docker.command and self._usable(docker.command):
            return self._borrowed(docker.command, f"{docker.name} line {docker.command_line}")
        if self.framework is not None:
            return self.framework
        listening = [entry for entry in self.files if entry.listens]
        if len(listening) > 1:
            self._ask(draft, listening)
            return None
        if self.files:
            return self.files[0]
        draft.say(
            "error",
            "no_entry_point",
            "package.json has no start script, and no server.js, index.js, app.js or main.js was "
            "found. Add to agent.yaml: `start: {command: node FILE.js}`, with the file that "
            'starts your agent, or add "start" to the scripts of package.json.',
            self.source.path("package.json"),
        )
        return None

    def _borrowed(self, command: str, why: str) -> NodeEntry:
        """A command of another file; `npm start` is what package.json makes of it."""
        if re.fullmatch(r"(npm|yarn|pnpm|bun)( run)? start", command) and self.start is not None:
            return self.start
        if re.match(r"(yarn|pnpm) (run )?[\w:-]+$", command):
            command = f"npm run {command.rsplit(maxsplit=1)[-1]}"
        files = re.findall(r"[\w./-]+\.[cm]?[jt]s\b", command)
        return NodeEntry(command, why, files[0].removeprefix("./") if files else None)

    def _usable(self, command: str) -> bool:
        if runtime_of_command(command) != "nodejs" or is_dev_server(command):
            return False
        files = [f.removeprefix("./") for f in re.findall(r"[\w./-]+\.[cm]?[jt]s\b", command)]
        script = re.fullmatch(r"(?:npm|yarn|pnpm)(?: run)? ([\w:-]+)", command)
        if script is not None:
            return bool(self.scripts.get(script.group(1)))
        builds = bool(self.scripts.get("build"))
        return bool(files) and all(self.source.has(file) or builds for file in files)

    def _listening(self, draft: Draft, entry: NodeEntry) -> None:
        text = self.source.text(entry.file) or self.source.text(self._written_as(entry.file))
        port = fixed_port(text)
        if port is not None:
            draft.set("port", port, f"{entry.file} fixes it")
        line = loopback_line(text)
        if line is not None and entry.file:
            draft.say(
                "warning",
                "listens_on_loopback",
                f"{entry.file} line {line} listens on 127.0.0.1 only, which nothing outside its "
                "container can reach; write server.listen(process.env.PORT, '0.0.0.0').",
                self.source.path(entry.file),
                line,
            )
        if self._uses("@modelcontextprotocol/sdk"):
            draft.set("protocol", "mcp", "package.json: @modelcontextprotocol/sdk")
        stdio = "StdioServerTransport" in text
        serves = any(self._uses(name) for name in SERVER_PACKAGES) or self.framework is not None
        if entry.listens and not stdio:
            return
        if not serves or stdio:
            draft.set("worker", value=True, source=entry.why)
            draft.say(
                "warning",
                "nothing_listens",
                f"Nothing in {entry.file} is known to listen on a port. If it is a job or a stdio "
                "server, it has no URL; if it serves in a way not known here, all is well. To "
                "start something else, add to agent.yaml: `start: {command: node FILE.js}`.",
                self.source.path(entry.file or "package.json"),
            )

    def _written_as(self, file: str | None) -> str | None:
        """The TypeScript that a built file is made of."""
        stem = re.sub(r"\.\w+$", "", (file or "").partition("/")[2])
        names = [f"{folder}{stem}{end}" for folder in ("src/", "") for end in (".ts", ".mts")]
        return self.source.first(*names)

    def _missing(self, draft: Draft, entry: NodeEntry) -> None:
        builds = draft.get("build_command") is not None
        file = entry.file or ""
        made = file.startswith(("dist/", "build/", "lib/")) and not self.source.has(file)
        if made and not builds and self.source.has("tsconfig.json"):
            draft.set("build_command", "npx tsc", "tsconfig.json")
            if not self._uses("typescript"):
                draft.add("extra_packages", ("typescript",), "tsconfig.json")
            return
        lost = missing_file(self.source, entry, builds=builds)
        if lost is not None:
            draft.say(
                "error",
                "start_file_missing",
                f"{entry.why} starts {lost}, which is not in the source and is made by no build "
                "script. Add the file, or add to agent.yaml: `start: {command: node FILE.js}`.",
                self.source.path("package.json"),
                self.source.line_of("package.json", r'"start"\s*:'),
            )

    def _ask(self, draft: Draft, entries: list[NodeEntry]) -> None:
        files = tuple(self.source.path(entry.file) for entry in entries if entry.file)
        draft.candidates = files
        lines = " or ".join(f'`start: {{command: "{entry.command}"}}`' for entry in entries[:3])
        draft.say(
            "error",
            "two_entry_points",
            f"{' and '.join(files[:5])} could each be started. Choose one, or add to agent.yaml: "
            f"{lines}.",
            files[0],
        )
