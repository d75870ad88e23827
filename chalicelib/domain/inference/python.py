"""Python sources: how sure we are that one is meant, and the plan for it."""

from __future__ import annotations

import re

from chalicelib.domain.inference.dockerfile import Dockerfile
from chalicelib.domain.inference.evidence import Draft, Source
from chalicelib.domain.inference.hints import Hints, program, runtime_of_command
from chalicelib.domain.inference.python_code import Module
from chalicelib.domain.inference.python_commands import Entry, listening_notes
from chalicelib.domain.inference.python_django import django_entry, django_steps
from chalicelib.domain.inference.python_packages import (
    Packages,
    guess_packages,
    is_virtual_workspace,
    plan_packages,
    read_packages,
)
from chalicelib.domain.inference.python_start import (
    PYTHON_MARKS,
    USUAL_SCRIPTS,
    find_entries,
    find_script,
    read_modules,
    serving_folders,
)
from chalicelib.domain.inference.versions import wish_python

#: Servers and tools a borrowed start command needs, and the packages that bring them.
_PROGRAMS = {
    "gunicorn": "gunicorn",
    "uvicorn": "uvicorn",
    "hypercorn": "hypercorn",
    "waitress-serve": "waitress",
    "daphne": "daphne",
    "streamlit": "streamlit",
    "chainlit": "chainlit",
    "fastapi": "fastapi[standard]",
    "flask": "flask",
}


class PythonApp:
    """One folder of a source, looked at as Python."""

    def __init__(self, source: Source, only: str | None = None, top: Source | None = None) -> None:
        self.source = source
        self.packages = read_packages(source, top)
        #: The folder has no list of packages of its own; the one at the top is meant for it.
        self.borrowed = False
        if self.packages.installer == "none" and top is not None and source.root:
            above = read_packages(top)
            self.borrowed = above.installer != "none" and not is_virtual_workspace(top)
            self.packages = above if self.borrowed else self.packages
        self.modules = read_modules(source, only)
        self._add_imports_when_unlisted()
        self.django = None if only else django_entry(source, self.packages)
        self.entries = (
            [self.django] if self.django else find_entries(source, self.packages, self.modules)
        )

    @property
    def marks(self) -> tuple[str, ...]:
        """The files that make it Python."""
        marks = tuple(mark for mark in PYTHON_MARKS if self.source.has(mark))
        return marks or tuple(module.path for module in self.modules[:1])

    @property
    def strength(self) -> int:
        """3: something listens; 2: declared as Python; 1: there is Python in it."""
        if self.entries:
            return 3
        own = self.packages.installer != "none" and not self.borrowed
        declared = own or self.source.has("manage.py")
        if declared and not is_virtual_workspace(self.source):
            return 2
        return 1 if any("/" not in module.path for module in self.modules) else 0

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of a source without marks of its own in which something listens."""
        if self.source.first(*PYTHON_MARKS) or any("/" not in m.path for m in self.modules):
            return ()
        return serving_folders(self.source, self.modules)

    @property
    def nothing_to_start(self) -> bool:
        """Whether packages are listed, and no file here could be started with them."""
        declared = self.packages.installer != "none"
        return declared and find_script(self.source, self.modules) is None

    @property
    def usual_script(self) -> bool:
        """Whether there is a script at the top by a name that scripts to start have."""
        return any("/" not in m.path and m.path in USUAL_SCRIPTS for m in self.modules)

    def plan(self, draft: Draft, hints: Hints, docker: Dockerfile | None) -> None:
        """Fill the draft; findings say what could not be found."""
        wish_python(self.source, draft)
        if docker is not None and draft.get("toolchain") is None and docker.version("python"):
            draft.set("toolchain", docker.version("python"), f"{docker.name} FROM")
        plan_packages(self.source, self.packages, draft)
        if self.borrowed:
            draft.set("install_root", "", f"{self.packages.source} at the top")
        if self.packages.installer == "none":
            imports = {name for module in self.modules for name in module.top_imports}
            guess_packages(imports, draft)
        if any("pkg_resources" in module.top_imports for module in self.modules):
            draft.add("extra_packages", ("setuptools<81",), "the code imports pkg_resources")
        draft.env({"PYTHONUNBUFFERED": "1", "FORWARDED_ALLOW_IPS": "*"}, "Python behind a proxy")
        if self.django is not None:
            django_steps(self.source, self.django, draft)
        if not self._hinted(draft, hints, docker):
            self._found(draft)

    def _add_imports_when_unlisted(self) -> None:
        if self.packages.installer == "none":
            draft = Draft()
            imports = {name for module in self.modules for name in module.top_imports}
            self.packages.names |= guess_packages(imports, draft)

    def _hinted(self, draft: Draft, hints: Hints, docker: Dockerfile | None) -> bool:
        """A start command of another platform, if it can work here."""
        for hint in hints.start:
            if runtime_of_command(hint.value) == "python" or hint.value.endswith((".sh", ".py")):
                self._borrow(hint.value, hint.source, draft)
                return True
        if docker is None or docker.command is None or self.django is not None:
            return False
        command = _fit(docker.command)
        files = re.findall(r"[\w./-]+\.py\b", command)
        usable = (
            (program(command) in _PROGRAMS or program(command) in ("python", "python3"))
            and all(self.source.has(file.removeprefix("./")) for file in files)
            and not re.search(r"--reload|runserver|\bdev\b", command)
            and (not self.entries or program(command) not in ("python", "python3"))
        )
        if usable:
            self._borrow(command, f"{docker.name} line {docker.command_line}", draft)
        return usable

    def _borrow(self, command: str, where: str, draft: Draft) -> None:
        command, plain = _fit(command), command
        configured = re.search(r" (-c|--config)\b", command) or self.source.has("gunicorn.conf.py")
        bound = re.search(r" (-b|--bind)\b", command)
        if program(command) == "gunicorn" and configured and not bound:
            command += " --bind 0.0.0.0:$PORT"  # its configuration may name another port
        if command != plain:
            where = f"{where}, fitted to $PORT and the environment here"
        draft.set("start_command", command, where)
        if program(command) in ("python", "python3"):
            files = [file.removeprefix("./") for file in re.findall(r"[\w./-]+\.py\b", command)]
            for module in self.modules:
                if module.path in files:
                    self._note(listening_notes(module), module.path, draft)
                    if module.stdio_line is not None:
                        self._stdio(module, draft)
        add_server(command, where, self.packages, draft)
        port = re.search(r"(?:--port[= ]|-p |:)(\d{2,5})\b", command)
        if port and "$PORT" not in command:
            draft.set("port", int(port.group(1)), where)

    def _found(self, draft: Draft) -> None:
        if len(self.entries) > 1:
            self._ask(draft)
            return
        entry = self.entries[0] if self.entries else self._script(draft)
        if entry is None:
            return
        why = entry.why
        if self.packages.source:
            why = f"{self.packages.source} and {why}"
        draft.set("start_command", entry.command, why)
        if entry.extra:
            draft.add("extra_packages", entry.extra, f"{entry.file} brings no server")
        if entry.port is not None:
            draft.set("port", entry.port, why)
        imports = {name for module in self.modules for name in module.top_imports}
        protocol = "mcp" if entry.worker and imports & {"mcp", "fastmcp"} else entry.protocol
        if protocol != "http":
            draft.set("protocol", protocol, why)
        self._note(entry.notes, entry.file, draft)
        speaks = [
            m for m in self.modules if m.stdio_line and (entry.worker or m.path == entry.file)
        ]
        if speaks:
            draft.set("worker", value=True, source=why)
            self._stdio(speaks[0], draft)
        elif entry.worker:
            draft.set("worker", value=True, source=why)
            draft.say(
                "warning",
                "nothing_listens",
                f"Nothing in {entry.file} is known to listen on a port. If it is a job or "
                "a stdio server, it has no URL; if it serves in a way not known here, all is "
                "well. To start something else, add to agent.yaml: "
                "`start: {command: python FILE.py}`.",
                self.source.path(entry.file),
            )

    def _note(
        self, notes: tuple[tuple[str, str, int | None], ...], file: str, draft: Draft
    ) -> None:
        for code, detail, line in notes:
            draft.say("warning", code, detail, self.source.path(file), line)

    def _stdio(self, module: Module, draft: Draft) -> None:
        """A low-level MCP server talks to its parent alone; only its author can change that."""
        where = f"{module.path} line {module.stdio_line}"
        draft.set("protocol", "mcp", where)
        http = module.top_imports & {"uvicorn", "starlette"}
        change = (
            "Give start.command in agent.yaml the option that chooses its HTTP transport."
            if http
            else "Replace the stdio_server() block of that line: mount "
            "`StreamableHTTPSessionManager(app=server).handle_request` (of "
            "mcp.server.streamable_http_manager) at /mcp in a Starlette app whose lifespan is the "
            "manager's run(), and start that with "
            '`uvicorn.run(app, host="0.0.0.0", port=int(os.environ["PORT"]))`.'
        )
        draft.say(
            "warning",
            # Where it has both, a start command in the manifest is the answer.
            "nothing_listens" if http else "mcp_over_stdio",
            f"{where} speaks MCP over stdio, which has no URL; serve it over streamable HTTP. "
            f"{change}",
            self.source.path(module.path),
            module.stdio_line,
        )

    def _script(self, draft: Draft) -> Entry | None:
        entry = find_script(self.source, self.modules)
        if entry is None:
            seen = ", ".join(module.path for module in self.modules[:5]) or "no Python file"
            draft.say(
                "error",
                "no_entry_point",
                f"No file to start was found (seen: {seen}). Add to agent.yaml: "
                "`start: {command: python FILE.py}`, with the file that starts your agent.",
            )
        return entry

    def _ask(self, draft: Draft) -> None:
        files = tuple(self.source.path(entry.file) for entry in self.entries)
        draft.candidates = files
        lines = " or ".join(
            f'`start: {{command: "{entry.command}"}}`' for entry in self.entries[:3]
        )
        draft.say(
            "error",
            "two_entry_points",
            f"{' and '.join(files[:5])} could each be started. Choose one, or add to agent.yaml: "
            f"{lines}.",
            files[0],
        )


def add_server(command: str, where: str, packages: Packages, draft: Draft) -> None:
    """Add the server a given command starts, when the source does not install it."""
    need = _PROGRAMS.get(program(command))
    if need and not packages.has(re.sub(r"\[.*", "", need)):
        draft.add("extra_packages", (need,), f"{where} needs it")


def _fit(command: str) -> str:
    """A command made for another place: no tool before it, and the port that is given."""
    command = re.sub(r"\buv run (?=\.( |$)|\S+\.py\b)", "python ", command)
    command = re.sub(r"\b(?:uv|poetry|pipenv) run (?:--?[\w-]+ )*(?:-- )?", "", command)
    last = command.rpartition("&&")[2]
    if program(last) not in _PROGRAMS or "$PORT" in last or "${PORT" in last:
        return command
    fitted = re.sub(r"(--port|--server\.port)([= ])\d+", r"\1\2$PORT", last)
    fitted = re.sub(r"(--bind|--listen|-b)([= ])\S+:\d+\b", r"\1\g<2>0.0.0.0:$PORT", fitted)
    if program(last) in ("flask", "daphne"):
        fitted = re.sub(r"(-p) \d+", r"\1 $PORT", fitted)
    fitted = re.sub(r"(--host)([= ])(?:127\.0\.0\.1|localhost)", r"\1\g<2>0.0.0.0", fitted)
    if program(last) == "uvicorn" and "--port" not in fitted:
        fitted += " --port $PORT"
    return command.removesuffix(last) + fitted
