"""What files for other platforms say about an app: read as hints, in the order they are trusted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.inference.evidence import Source, as_dict, as_list, as_text
from chalicelib.values import frozen

#: The first words that tell what a start command runs on.
_PYTHON_PROGRAMS = (
    "python python3 gunicorn uvicorn hypercorn daphne waitress-serve flask fastapi streamlit "
    "chainlit gradio django-admin celery sanic litestar panel mesop fastmcp mcp uv poetry "
    "pipenv granian solara reflex"
)
_NODE_PROGRAMS = (
    "node npm npx yarn pnpm bun bunx next nuxt nest tsx ts-node remix-serve pm2 pm2-runtime "
    "nodemon forever serve http-server"
)
_PYTHON_WORDS = frozenset(_PYTHON_PROGRAMS.split())
_NODE_WORDS = frozenset(_NODE_PROGRAMS.split())
_ASSIGNMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")


@frozen
class Hint:
    """One value and the file that gives it."""

    value: str
    source: str


@dataclass
class Hints:
    """Everything other platforms' files say, the most trusted first."""

    start: list[Hint] = field(default_factory=list)
    build: list[Hint] = field(default_factory=list)
    release: list[Hint] = field(default_factory=list)
    health: list[Hint] = field(default_factory=list)
    static: list[Hint] = field(default_factory=list)
    root: list[Hint] = field(default_factory=list)
    workers: list[Hint] = field(default_factory=list)
    env: dict[str, Hint] = field(default_factory=dict)

    def take(self, kind: str, value: object, source: str) -> None:
        """Keep a value if there is one."""
        text = as_text(value)
        if text and "\n" not in text:
            getattr(self, kind).append(Hint(text, source))


def read_hints(source: Source) -> Hints:
    """Read every known file; what cannot be read is no hint."""
    hints = Hints()
    for read in _READERS:
        read(source, hints)
    return hints


def runtime_of_command(command: str) -> str | None:
    """What a start command runs on, by its program."""
    word = program(command)
    if word in _PYTHON_WORDS or re.fullmatch(r"python3?(\.\d+)?", word):
        return "python"
    if word in _NODE_WORDS:
        return "nodejs"
    if word == "cargo" or "target/release/" in command:
        return "rust"
    return None


def program(command: str) -> str:
    """The program a shell line starts, past `cd x &&`, `exec` and assignments."""
    last = re.split(r"&&|;", command)[-1].strip()
    try:
        words = shlex.split(last)
    except ValueError:
        words = last.split()
    for word in words:
        if not (_ASSIGNMENT.match(word) or word in ("exec", "env", "sh", "bash", "-c")):
            return word.rpartition("/")[2]
    return ""


def _procfile(source: Source, hints: Hints) -> None:
    name = source.any_case("Procfile")
    for number, line in enumerate(source.text(name).splitlines(), 1):
        kind, colon, command = line.partition(":")
        if not colon or line.lstrip().startswith("#"):
            continue
        where = f"{name} line {number}"
        kind = kind.strip()
        if kind == "web":
            hints.take("start", command, where)
        elif kind == "release":
            hints.take("release", command, where)
        else:
            hints.take("workers", command, where)


def _railway(source: Source, hints: Hints) -> None:
    for name, data in (
        ("railway.json", source.json("railway.json")),
        ("railway.toml", source.toml("railway.toml")),
    ):
        deploy, build = as_dict(data.get("deploy")), as_dict(data.get("build"))
        hints.take("start", deploy.get("startCommand"), name)
        hints.take("health", deploy.get("healthcheckPath"), name)
        hints.take("release", deploy.get("preDeployCommand"), name)
        hints.take("build", build.get("buildCommand"), name)


def _render(source: Source, hints: Hints) -> None:
    """The first web service of render.yaml; without a YAML library its plain lines are enough."""
    name = source.first("render.yaml", "render.yml")
    services = re.split(r"^[ \t]*-[ \t]+(?=type:|name:)", source.text(name), flags=re.MULTILINE)[1:]
    web = next((part for part in services if re.search(r"type:\s*['\"]?web\b", part)), "")
    if name is None or not web:
        return
    for kind, key in (
        ("start", "startCommand"),
        ("build", "buildCommand"),
        ("health", "healthCheckPath"),
        ("static", "staticPublishPath"),
        ("root", "rootDir"),
    ):
        hints.take(kind, _yaml_value(web, key), f"{name} {key}")


def _yaml_value(text: str, key: str) -> str:
    match = re.search(rf"^[ \t]*(?:-[ \t]+)?{key}:[ \t]*(.+?)[ \t]*$", text, re.MULTILINE)
    if match is None:
        return ""
    value = match.group(1)
    if value[:1] in "'\"" and value[-1:] == value[:1] and len(value) > 1:
        return value[1:-1]
    return "" if value[:1] in "|>" else re.sub(r"\s#.*$", "", value).rstrip()


def _app_json(source: Source, hints: Hints) -> None:
    data = source.json("app.json")
    for key, value in as_dict(data.get("env")).items():
        fallback = value if isinstance(value, str) else as_dict(value).get("value")
        hints.env[str(key)] = Hint(as_text(fallback), "app.json")
    formation = as_dict(as_dict(data.get("formation")).get("web"))
    hints.take("start", formation.get("command"), "app.json")
    hints.take("release", as_dict(data.get("scripts")).get("postdeploy"), "app.json")


def _fly(source: Source, hints: Hints) -> None:
    data = source.toml("fly.toml")
    processes = as_dict(data.get("processes"))
    hints.take("start", processes.get("app") or processes.get("web"), "fly.toml")
    hints.take("release", as_dict(data.get("deploy")).get("release_command"), "fly.toml")
    service = as_dict(data.get("http_service"))
    for check in as_list(service.get("checks")):
        hints.take("health", as_dict(check).get("path"), "fly.toml")
    for key, value in as_dict(data.get("env")).items():
        hints.env[str(key)] = Hint(str(value), "fly.toml")


def _nixpacks(source: Source, hints: Hints) -> None:
    for name, data in (
        ("nixpacks.toml", source.toml("nixpacks.toml")),
        ("nixpacks.json", source.json("nixpacks.json")),
    ):
        hints.take("start", as_dict(data.get("start")).get("cmd"), name)
        phases = as_dict(data.get("phases"))
        commands = [as_text(part) for part in as_list(as_dict(phases.get("build")).get("cmds"))]
        hints.take("build", " && ".join(filter(None, commands)), name)
        static = as_dict(data.get("variables")).get("NIXPACKS_SPA_OUTPUT_DIR")
        hints.take("static", static, name)


def _hosts_of_sites(source: Source, hints: Hints) -> None:
    netlify = as_dict(source.toml("netlify.toml").get("build"))
    hints.take("static", netlify.get("publish"), "netlify.toml")
    hints.take("build", netlify.get("command"), "netlify.toml")
    vercel = source.json("vercel.json")
    hints.take("static", vercel.get("outputDirectory"), "vercel.json")
    hints.take("build", vercel.get("buildCommand"), "vercel.json")
    firebase: Any = source.json("firebase.json").get("hosting")
    hints.take("static", as_dict(firebase).get("public"), "firebase.json")


_READERS: tuple[Callable[[Source, Hints], None], ...] = (
    _procfile,
    _railway,
    _render,
    _app_json,
    _fly,
    _nixpacks,
    _hosts_of_sites,
)
