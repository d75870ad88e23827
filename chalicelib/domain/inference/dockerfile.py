"""A Dockerfile, parsed: what it is built on, what it starts, where it listens, and its faults."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field

from chalicelib.domain.inference.evidence import Source
from chalicelib.domain.plan import Finding

_WORDS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL "
    "STOPSIGNAL USER VOLUME WORKDIR"
)
_INSTRUCTIONS = frozenset(_WORDS.split())
_HEREDOC = re.compile(r"<<-?\s*['\"]?([A-Za-z_][A-Za-z0-9_]*)['\"]?")
_IMAGES = (
    ("python", re.compile(r"(^|/)(python|pypy|uv|fastapi|uvicorn-gunicorn[a-z-]*|mambaforge)\b")),
    ("nodejs", re.compile(r"(^|/)(node|bun|nodejs[a-z0-9-]*|pnpm)\b")),
    ("rust", re.compile(r"(^|/)(rust|cargo-chef|clux/muslrust)\b")),
    ("static", re.compile(r"(^|/)(nginx|httpd|caddy|static-web-server|nginx-unprivileged)\b")),
)


@dataclass
class Dockerfile:
    """What was understood of one Dockerfile."""

    name: str
    images: list[str] = field(default_factory=list)
    stages: dict[str, str] = field(default_factory=dict)
    command: str | None = None
    command_line: int | None = None
    port: int | None = None
    workdir: str = "/"
    words: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)

    @property
    def runtime(self) -> str | None:
        """What its images are made for: the last image says it, or the one it was built in."""
        for image in reversed(self.images):
            for runtime, pattern in _IMAGES:
                if pattern.search(image):
                    return runtime
        return None

    def version(self, runtime: str) -> str | None:
        """The version of the runtime's own image, such as 3.12 of python:3.12-slim."""
        for image in reversed(self.images):
            match = re.search(r"(?:^|/)(python|node|rust):v?(\d+(?:\.\d+)?)", image)
            if match and {"node": "nodejs"}.get(match.group(1), match.group(1)) == runtime:
                version = match.group(2)
                return version.partition(".")[0] if runtime == "nodejs" else version
        return None


def read_dockerfile(source: Source, name: str | None = None) -> Dockerfile | None:
    """Parse the source's Dockerfile, if it has one; faults are in the result."""
    name = name or source.any_case("Dockerfile") or source.any_case("Containerfile")
    if name is None:
        return None
    docker = Dockerfile(name)
    for number, word, rest in _instructions(source.text(name), docker, source.path(name)):
        if word == "FROM":
            _from(docker, rest)
        elif word == "WORKDIR":
            docker.workdir = rest if rest.startswith("/") else f"{docker.workdir}/{rest}"
        elif word == "EXPOSE" and (port := re.match(r"(\d{1,5})", rest)):
            docker.port = int(port.group(1))
        elif word == "ENV":
            docker.env.update(re.findall(r"([A-Za-z_]\w*)=([^\s\"']+)", rest))
        elif word in ("ENTRYPOINT", "CMD"):
            docker.words[word], docker.command_line = _command(rest), number
    docker.command = " ".join(filter(None, map(docker.words.get, ("ENTRYPOINT", "CMD")))) or None
    if docker.command and len(docker.workdir) > 1:
        # Its folder is /app here, wherever it was there.
        docker.command = docker.command.replace(f"{docker.workdir.rstrip('/')}/", "")
    if not docker.images and not docker.faults:
        _fault(docker, source.path(name), 1, "has no FROM line")
    return docker


def _from(docker: Dockerfile, rest: str) -> None:
    words = [word for word in rest.split() if not word.startswith("--")]
    image = words[0] if words else "scratch"
    if len(words) > 2 and words[1].lower() == "as":
        docker.stages[words[2].lower()] = image
    docker.words.clear()
    docker.workdir = "/"
    docker.images.append(docker.stages.get(image.lower(), image).lower())


def _instructions(text: str, docker: Dockerfile, path: str) -> list[tuple[int, str, str]]:
    """(line, instruction, arguments), with continued lines joined and heredocs passed over."""
    found: list[tuple[int, str, str]] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        start, line = at, lines[at].strip()
        at += 1
        if not line or line.startswith("#"):
            continue
        while line.endswith(("\\", "`")) and at < len(lines):
            following = lines[at].strip()
            at += 1
            if not following.startswith("#"):
                line = line[:-1].rstrip() + " " + following
        word, _, rest = line.partition(" ")
        word = word.upper()
        if word not in _INSTRUCTIONS:
            _fault(
                docker,
                path,
                start + 1,
                f"line {start + 1} begins with {word[:40]!r}, which is no instruction",
            )
            continue
        if word in ("RUN", "COPY", "ADD"):
            for end in _HEREDOC.findall(rest):
                while at < len(lines) and lines[at].strip() != end:
                    at += 1
                at += 1
        if not found and word not in ("FROM", "ARG"):
            _fault(docker, path, start + 1, f"line {start + 1} ({word}) stands before any FROM")
        found.append((start + 1, word, rest.strip()))
    return found


def _fault(docker: Dockerfile, path: str, line: int, detail: str) -> None:
    if not docker.faults:
        docker.faults.append(
            Finding("dockerfile_broken", f"{path} {detail}.", path, line, "warning")
        )


def _command(rest: str) -> str:
    """A command in either form as one shell line."""
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except ValueError:
            return rest
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            if words[:2] in (["sh", "-c"], ["/bin/sh", "-c"], ["bash", "-c"], ["/bin/bash", "-c"]):
                return " ".join(words[2:])
            return shlex.join(words)
    return rest
