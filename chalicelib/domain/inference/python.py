"""Python sources: how sure we are that one is meant, and the plan for it."""

from __future__ import annotations

import re

from chalicelib.domain.inference.dockerfile import Dockerfile
from chalicelib.domain.inference.evidence import Draft, Source
from chalicelib.domain.inference.hints import Hints, program, runtime_of_command
from chalicelib.domain.inference.python_commands import Entry
from chalicelib.domain.inference.python_django import django_entry, django_steps
from chalicelib.domain.inference.python_packages import (
    Packages,
    guess_packages,
    plan_packages,
    read_packages,
)
from chalicelib.domain.inference.python_start import (
    PYTHON_MARKS,
    find_entries,
    find_script,
    read_modules,
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

    def __init__(self, source: Source, only: str | None = None) -> None:
        self.source = source
        self.packages = read_packages(source)
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
        if self.packages.installer != "none" or self.source.has("manage.py"):
            return 2
        return 1 if any("/" not in module.path for module in self.modules) else 0

    def plan(self, draft: Draft, hints: Hints, docker: Dockerfile | None) -> None:
        """Fill the draft; findings say what could not be found."""
        wish_python(self.source, draft)
        if docker is not None and draft.get("toolchain") is None and docker.version("python"):
            draft.set("toolchain", docker.version("python"), f"{docker.name} FROM")
        plan_packages(self.source, self.packages, draft)
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
        command = docker.command
        files = re.findall(r"[\w./-]+\.py\b", command)
        usable = (
            runtime_of_command(command) == "python"
            and all(self.source.has(file.removeprefix("./")) for file in files)
            and not re.search(r"--reload|runserver|\bdev\b", command)
            and (not self.entries or program(command) not in ("python", "python3"))
        )
        if usable:
            self._borrow(command, f"{docker.name} line {docker.command_line}", draft)
        return usable

    def _borrow(self, command: str, where: str, draft: Draft) -> None:
        command = re.sub(r"^(uv run|poetry run|pipenv run)\s+", "", command)
        draft.set("start_command", command, where)
        add_server(command, where, self.packages, draft)
        port = re.search(r"(?:--port[= ]|-p |:)(\d{4,5})\b", command)
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
        if entry.protocol != "http":
            draft.set("protocol", entry.protocol, why)
        for code, detail, line in entry.notes:
            draft.say("warning", code, detail, self.source.path(entry.file), line)
        if entry.worker:
            draft.set("worker", value=True, source=why)
            draft.say(
                "warning",
                "nothing_listens",
                f"Nothing in {entry.file} is known to listen on a port. If it is a job, it ends "
                "by itself and has no URL; if it serves in a way not known here, all is well. To "
                "start something else, add to agent.yaml: `start: {command: python FILE.py}`.",
                self.source.path(entry.file),
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
